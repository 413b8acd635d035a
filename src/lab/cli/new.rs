//! `wildwarden model new`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use wildwarden_core::domain::Category;
use wildwarden_core::model::folder::manifest::{Kind, MANIFEST, Manifest, hex_sha256};
use wildwarden_core::model::folder::onnx::Graph;
use wildwarden_core::model::folder::tensor::TensorSpec;
use wildwarden_core::model::runtime::session::{Runtime, Session};
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_core::score::policy::Policy;
use wildwarden_server::cli::{Settings, print};

use super::golden::{inputs_at, record_all, write};
use crate::import::draft::{Draft, LABEL_FILE, MANY_LABELS, TOKENIZER, guess};
use crate::import::{Found, Recipe, by_category, find};

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
    /// A label that shows a category, as in --category "ivory carving=ivory"; may be given several times. Labels that are named
    /// as a category of the policy need none.
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
    let names = PossibleValuesParser::new(Kind::ALL.map(Kind::name));
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
        let found = find(self.like, &beside, &|key| session.metadata(key))?;
        // Without a policy, no category is known.
        let policy = PolicyFile::read(&config.reloadable.policy).ok().map(|file| file.policy);
        let fed = self.fed(&found, policy.as_ref())?;

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
        let waits = kind == Kind::TextClassifier && !text.contains("category = \"");
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
            Some(path) => record_all(&config, &folder, &inputs_at(kind, path)?, None)?.samples,
            None => 0,
        };
        let told = serde_json::json!({
            "manifest": folder.join(MANIFEST), "kind": kind.name(), "read": found.sources, "labels": found.labels.len(),
            "categories": fed.values().collect::<BTreeSet<_>>(), "golden": samples,
        });
        self.tell(&told, &folder.join(MANIFEST), &found.sources, samples);
        Ok(ExitCode::SUCCESS)
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
    fn fed(&self, found: &Found, policy: Option<&Policy>) -> anyhow::Result<BTreeMap<usize, Category>> {
        let mut fed: BTreeMap<usize, Category> = BTreeMap::new();
        for (column, label) in found.labels.iter().enumerate() {
            fed.extend(by_category(policy, label).map(|category| (column, category)));
        }
        for (label, category) in &self.category {
            let column = found.labels.iter().position(|found| found == label).or_else(|| label.parse().ok());
            let names = || found.labels.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            let column = column.with_context(|| {
                format!(
                    "--category {label}={category}: there is no such label, and it is no column; labels are {}...",
                    names()
                )
            })?;
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
        Kind::ImageClassifier | Kind::Head | Kind::ImageEncoder => {}
    }
    if found.labels.len() > MANY_LABELS {
        files.insert(LABEL_FILE.to_owned(), (found.labels.join("\n") + "\n").into_bytes());
    }
    Ok(files)
}
