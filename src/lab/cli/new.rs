//! `wildwarden model new`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ndarray::{ArrayView1, ArrayViewD, Axis};
use wildwarden_core::model::folder::draft::{Draft, guess};
use wildwarden_core::model::folder::golden::{GoldenFile, GoldenSample};
use wildwarden_core::model::folder::manifest::{Kind, MANIFEST, Manifest, hex_sha256};
use wildwarden_core::model::folder::onnx::Graph;
use wildwarden_core::model::runtime::session::{Runtime, Session};
use wildwarden_core::model::runtime::tensor::{Input, Tensor};
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_server::cli::{Settings, print};

use super::golden::{FILE, embeddings, write};

/// Make a model folder from an ONNX file: names, types and shapes are read from it, the rest is marked to be filled in.
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
    /// Where to put <name>/<version>.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Embeddings, f32 [N, D], whose first rows become golden samples; of heads. Other kinds: `model golden`, once model.toml says
    /// how inputs are prepared.
    #[arg(long, value_name = "FILE.npy")]
    golden: Option<PathBuf>,
    /// JSON instead.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
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
        let mut session = Session::load(Runtime::load(&config.runtime.onnxruntime)?, &self.name, &onnx, 1)?;
        let (inputs, outputs) = session.signature();
        let kind = self.kind.or_else(|| guess(&inputs, &outputs));
        let kind = kind.with_context(|| format!("{shown}: its inputs look like no kind of model; see --kind"))?;

        let mut files = BTreeMap::from([("model.onnx".to_owned(), onnx)]);
        if let Some(path) = &self.golden {
            ensure!(
                kind == Kind::Head,
                "--golden: only heads take embeddings, and this is a {}; fill in model.toml, then `wildwarden model golden`",
                kind.name()
            );
            let input = inputs.first().map(|input| input.name.as_str()).unwrap_or_default();
            files.insert(FILE.to_owned(), golden(&mut session, input, path)?);
        }
        if kind == Kind::TextClassifier {
            // The manifest names it; one word a line is kept whole, and none is a valid list.
            files.insert("words.txt".to_owned(), Vec::new());
        }
        let folder = self.out.join(&self.name).join(&self.version);
        let hashes = files.iter().map(|(name, bytes)| (name.clone(), hex_sha256(bytes))).collect();
        // Without a policy, none is known.
        let policy = PolicyFile::read(&config.reloadable.policy);
        let declared = policy.map(|file| file.policy.declared()).unwrap_or_default();
        let draft = Draft {
            categories: declared.categories(),
            name: &self.name,
            version: &self.version,
            kind,
            inputs: &inputs,
            outputs: &outputs,
            files: &hashes,
            golden: self.golden.as_ref().map(|_| FILE),
        };
        let text = draft.text();
        // A graph that cannot play the part is told now, not after the card is written.
        if kind != Kind::TextClassifier {
            Manifest::parse(&folder, &text).with_context(|| format!("{shown} cannot serve as {}", kind.name()))?;
        }
        if folder.exists() {
            bail!("{} exists already; choose another --version", folder.display());
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
        files.push((MANIFEST.to_owned(), text.into_bytes()));
        write(&folder, &files)?;
        if self.json {
            let told = serde_json::json!({ "manifest": folder.join(MANIFEST), "kind": kind.name() });
            print(&told.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "{}: fill in what says TODO, then `wildwarden model check` the folder",
            folder.join(MANIFEST).display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Golden samples from rows of `path` and what the head makes of them.
fn golden(session: &mut Session, input: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    let rows = embeddings(path)?;
    let logits = session.run(&[(input, Input::F32(rows.view().into_dyn()))], &["logits"])?;
    let Some(Tensor::F32(logits)) = logits.first() else { bail!("the head gave no logits of floats") };
    let sample = |(row, logits): (ArrayView1<'_, f32>, ArrayViewD<'_, f32>)| GoldenSample {
        embedding: Some(row.to_vec()),
        output: logits.iter().copied().collect(),
        ..Default::default()
    };
    let samples = rows.rows().into_iter().zip(logits.axis_iter(Axis(0))).map(sample).collect();
    Ok(serde_json::to_vec(&GoldenFile { samples })?)
}
