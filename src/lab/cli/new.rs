//! `wildwarden model new`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use wildwarden_core::domain::Category;
use wildwarden_core::model::folder::manifest::{Kind, MANIFEST, Manifest, Role, hex_sha256};
use wildwarden_core::model::folder::onnx::Graph;
use wildwarden_core::model::folder::tensor::TensorSpec;
use wildwarden_core::model::runtime::session::{Runtime, Session};
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_core::score::policy::Policy;
use wildwarden_server::cli::{Settings, print};

use super::golden::{inputs_at, record_all, write};
use crate::import::draft::{Draft, LABEL_FILE, MANY_LABELS, TOKENIZER, columns_of, guess, scores_of};
use crate::import::{Asked, Found, Recipe, by_category, find, one_line};

/// Make a model folder from an ONNX file: what it, its metadata and the files beside it say is filled in, the rest is marked.
///
/// Read beside it: config.json, preprocessor_config.json and tokenizer.json of Hugging Face, label_list.txt, and inference.yml of
/// PaddleX. --like gives a usual recipe for images, which these files correct.
#[derive(Debug, Args)]
pub struct New {
    /// The ONNX file.
    #[arg(value_name = "FILE.onnx")]
    onnx: PathBuf,
    /// Name of the model; one named as a category of the policy is taken to find that.
    #[arg(long)]
    name: String,
    /// Its version. A server takes the highest.
    #[arg(long)]
    version: String,
    /// What part it plays. Default: what its inputs and outputs look like.
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// How images are prepared, by who made the model.
    #[arg(long, value_enum)]
    like: Option<Recipe>,
    /// Folder with the files that came with it. Default: that of the ONNX file.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Name of a column of the scores; given once for each, in order, in the place of what the files say.
    #[arg(long, value_name = "NAME")]
    label: Vec<String>,
    /// A label, or a column's number, that shows a category, as in --category "raw tusk=tusk"; may be given several times,
    /// and then no other shows one. Without it those do that are named as a category of the policy.
    #[arg(long, value_name = "LABEL=CATEGORY", value_parser = label_and_category)]
    category: Vec<(String, Category)>,
    /// Where to put <name>/<version>.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Inputs that become golden samples, with what the model gives now: a folder or a file of photos, of embeddings (.npy) or of
    /// texts (.txt), see `model golden`.
    #[arg(long, value_name = "PATH")]
    golden: Option<PathBuf>,
    /// JSON instead.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

fn label_and_category(text: &str) -> Result<(String, Category), String> {
    let (label, category) = text.rsplit_once('=').ok_or("say LABEL=CATEGORY")?;
    let category = Category::new(category).map_err(|problem| problem.to_string())?;
    Ok((label.to_owned(), category))
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    // What finds and reads words comes with an alphabet that no graph tells: its folder is made by hand.
    let drafted = Kind::ALL.into_iter().filter(|kind| !matches!(kind.role(), Role::Reader(_)));
    let names = PossibleValuesParser::new(drafted.map(Kind::name));
    names.try_map(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or("is no kind"))
}

impl New {
    /// Prints where the manifest is, which is to be filled in.
    ///
    /// # Errors
    /// The graph cannot be read or cannot play the part, or the folder exists.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([])?;
        let shown = self.onnx.display();
        let onnx = std::fs::read(&self.onnx).with_context(|| self.onnx.display().to_string())?;
        Graph::read(&onnx).map_err(|problem| anyhow::anyhow!("{shown} {problem}"))?;
        let session = Session::load(Runtime::load(&config.runtime.onnxruntime)?, &self.name, &onnx, 1)?;
        let (inputs, outputs) = session.signature();
        let kind = self.kind.or_else(|| guess(&inputs, &outputs));
        let kind = kind.with_context(|| format!("{shown}: its inputs look like no kind of model; see --kind"))?;
        let beside = self.from.clone().unwrap_or_else(|| self.onnx.parent().unwrap_or(Path::new(".")).to_owned());
        let scores = scores_of(&outputs).filter(|_| kind != Kind::ImageEncoder);
        let found = self.found(kind, &session, &onnx, &beside)?;
        // Without a policy, no category is known.
        let policy = PolicyFile::read(&config.reloadable.policy).ok().map(|file| file.policy);
        let fed = self.fed(&found, policy.as_ref(), columns_of(scores))?;

        let files = files_of(kind, &inputs, onnx, &found, &beside)?;
        let folder = self.out.join(&self.name).join(&self.version);
        let hashes = files.iter().map(|(name, bytes)| (name.clone(), hex_sha256(bytes))).collect();
        let draft = Draft {
            name: &self.name,
            version: &self.version,
            kind,
            inputs: &inputs,
            outputs: &outputs,
            files: &hashes,
            found: &found,
            fed: &fed,
            only: by_category(policy.as_ref(), &self.name),
        };
        let text = draft.text();
        // A graph that cannot play the part is told now, not after the card is written. What waits for a category comes later.
        let feeds = !fed.is_empty() || draft.only.is_some() && columns_of(scores) == Some(1);
        let waits = kind == Kind::TextClassifier && !feeds;
        Manifest::check_place_names(&self.name, &self.version).map_err(|problem| anyhow::anyhow!("--{problem}"))?;
        if !waits {
            Manifest::parse(&folder, &text).with_context(|| format!("{shown} cannot serve as {}", kind.name()))?;
        }
        if folder.exists() {
            bail!("{} exists already; choose another --version", folder.display());
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
        files.push((MANIFEST.to_owned(), text.into_bytes()));
        write(&folder, &files)?;
        let samples = match &self.golden {
            Some(path) => {
                let recorded = inputs_at(kind, path).and_then(|files| record_all(&config, &folder, &files, None));
                // The same call may be made again.
                recorded.inspect_err(|_| drop(std::fs::remove_dir_all(&folder)))?.samples
            }
            None => 0,
        };
        let told = serde_json::json!({
            "manifest": folder.join(MANIFEST), "kind": kind.name(), "read": found.sources, "labels": found.labels.len(),
            "categories": fed.values().collect::<BTreeSet<_>>(), "golden": samples,
        });
        self.tell(&told, &folder.join(MANIFEST), &found.sources, samples);
        Ok(ExitCode::SUCCESS)
    }

    /// What is known of the model besides its graph's inputs and outputs.
    fn found(&self, kind: Kind, session: &Session, onnx: &[u8], beside: &Path) -> anyhow::Result<Found> {
        let (inputs, outputs) = session.signature();
        let takes_images = matches!(kind, Kind::ImageEncoder | Kind::ImageClassifier);
        let scores = scores_of(&outputs).filter(|_| kind != Kind::ImageEncoder);
        let asked = Asked {
            onnx,
            image: inputs.first().filter(|_| takes_images).map(|input| input.name.as_str()),
            scores: scores.map(|output| output.name.as_str()),
        };
        let mut found = find(self.like, beside, asked, &|key| session.metadata(key))?;
        if !self.label.is_empty() {
            found.labels = self.label.iter().map(|label| one_line(label)).collect();
        }
        check_labels(&found, scores)?;
        Ok(found)
    }

    fn tell(&self, told: &serde_json::Value, manifest: &Path, sources: &[String], samples: usize) {
        if self.json {
            return print(&told.to_string());
        }
        let read = if sources.is_empty() { String::new() } else { format!("read {}; ", sources.join(", ")) };
        let todo = "fill in what says TODO, then `wildwarden model check` the folder";
        print(&format!("{}: {read}{samples} golden samples; {todo}", manifest.display()));
    }

    /// The columns that feed a category: those named so, and those that --category names.
    fn fed(
        &self,
        found: &Found,
        policy: Option<&Policy>,
        columns: Option<usize>,
    ) -> anyhow::Result<BTreeMap<usize, Category>> {
        let mut fed: BTreeMap<usize, Category> = BTreeMap::new();
        if self.category.is_empty() {
            let named = found.labels.iter().enumerate();
            fed.extend(named.filter_map(|(column, label)| Some((column, by_category(policy, label)?))));
        }
        for (label, category) in &self.category {
            let column = found.labels.iter().position(|found| found == label).or_else(|| label.parse().ok());
            let column = column.with_context(|| {
                let names = found.labels.iter().take(10).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
                let known = if names.is_empty() { "none is known".to_owned() } else { format!("there are {names}") };
                format!("--category {label}={category}: there is no such label, and it is no column's number; of labels {known}")
            })?;
            if let Some(columns) = columns.filter(|columns| column >= *columns) {
                bail!(
                    "--category {label}={category}: there is no column {column}; the scores have {columns}, from 0 on"
                );
            }
            fed.insert(column, *category);
        }
        Ok(fed)
    }
}

/// The files of the folder to be, but for its manifest.
fn files_of(
    kind: Kind,
    inputs: &[TensorSpec],
    onnx: Vec<u8>,
    found: &Found,
    beside: &Path,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::from([("model.onnx".to_owned(), onnx)]);
    match kind {
        Kind::TextClassifier if inputs.iter().any(|input| input.name == "input_ids") => {
            let missing =
                || format!("{}: there is no tokenizer.json; name the folder that has it with --from", beside.display());
            files.insert(TOKENIZER.to_owned(), found.tokenizer.clone().with_context(missing)?);
        }
        // The manifest names it; one word a line is kept whole, and none is a valid list.
        Kind::TextClassifier => drop(files.insert("words.txt".to_owned(), Vec::new())),
        Kind::ImageClassifier | Kind::Head | Kind::ImageEncoder | Kind::TextDetector | Kind::TextRecognizer => {}
    }
    if found.labels.len() > MANY_LABELS {
        files.insert(LABEL_FILE.to_owned(), label_file(&found.labels));
    }
    Ok(files)
}

/// As many labels as columns, where both are known: a list of another model's would name each column by its neighbour.
fn check_labels(found: &Found, scores: Option<&TensorSpec>) -> anyhow::Result<()> {
    let Some(columns) = columns_of(scores) else { return Ok(()) };
    let labels = found.labels.len();
    if labels == 0 || labels == columns {
        return Ok(());
    }
    let read = found.sources.join(", ");
    let names = found.labels.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    bail!(
        "{labels} labels ({names}), and the scores have {columns} columns (read {read}): name each column with --label, in order; one \
         column of two classes is mostly the probability of the second"
    )
}

/// A name a line after its number, so that none is taken for another's.
fn label_file(labels: &[String]) -> Vec<u8> {
    labels.iter().enumerate().map(|(number, label)| format!("{number} {label}\n")).collect::<String>().into_bytes()
}
