//! `wildwarden embed`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Args;
use ndarray::{Array2, Array4};
use wildwarden_core::config::Config;
use wildwarden_core::domain::Declared;
use wildwarden_core::model::catalogue::choice::{Situation, first_eligible};
use wildwarden_core::model::catalogue::repository::Repository;
use wildwarden_core::model::folder::ModelFolder;
use wildwarden_core::model::folder::check::Checks;
use wildwarden_core::model::folder::manifest::Kind;
use wildwarden_core::model::runtime::loaded::LoadedModel;
use wildwarden_core::model::runtime::pace::Pace;
use wildwarden_core::model::runtime::session::Runtime;
use wildwarden_core::pipeline::embed::embed;
use wildwarden_core::pipeline::generation::budget;
use wildwarden_core::preprocess::image::{DecodeLimits, MARGIN, TensorMaker, WantedSize};
use wildwarden_server::cli::{Settings, print, progress, tell};

/// Embed images for training, with the server's own preprocessing.
///
/// Reads paths, one a line, from LIST; writes OUT/embeddings.npy, f32 [images, D], in the order of LIST. An image that does
/// not decode gets a row of NaN and a line on standard error. With --tensors also OUT/tensors.npy, f32 [images, 3, H, W]:
/// what the encoder was fed, for quantisation.
#[derive(Debug, Args)]
pub struct Embed {
    /// File with one image path a line.
    list: PathBuf,
    /// Folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of the encoder. Default: the one in the model repository, where there is one only.
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// Write the input tensors too.
    #[arg(long)]
    tensors: bool,
    /// JSON on standard output: how many were embedded.
    #[arg(long)]
    json: bool,
    /// Decode JPEGs at no less than this many times the encoder's input; `inf`: in full. The server uses the default.
    #[arg(long, value_name = "TIMES", default_value_t = MARGIN, value_parser = margin)]
    decode_margin: f64,
    #[command(flatten)]
    settings: Settings,
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse().map_err(|_not_a_number| format!("{text} is no number"))?;
    if margin >= 1.0 { Ok(margin) } else { Err(format!("{text} is below 1: frames would be smaller than the input")) }
}

type Row = Option<(Vec<f32>, Array4<f32>)>;

impl Embed {
    /// Runs it. Exit code 1: some inputs failed.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([])?;
        let list = std::fs::read_to_string(&self.list).with_context(|| self.list.display().to_string())?;
        let paths: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
        let checks = Checks::logged(config.folders.max_file_bytes);
        let path = match &self.encoder {
            Some(folder) => folder.clone(),
            None => encoder_of(&config)?,
        };
        let folder = Arc::new(ModelFolder::read(&path, &checks)?);
        let runtime = Runtime::load(&config.runtime.onnxruntime)?.on(config.runtime.provider, config.runtime.fallback);
        let encoder = LoadedModel::load(runtime, &folder, budget(&config, Pace::Full), &checks)?;
        let limits = DecodeLimits { max_pixels: config.limits.max_image_pixels };
        let wanted = WantedSize::for_inputs(folder.manifest.image.as_slice(), self.decode_margin);
        let bar = progress(paths.len(), "images")?;

        let next = AtomicUsize::new(0);
        let embed_some = |worker| -> anyhow::Result<Vec<(usize, Row)>> {
            let mut rows = Vec::new();
            let mut maker = TensorMaker::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(index) else { return Ok(rows) };
                let content = std::fs::read(path).with_context(|| (*path).to_owned())?;
                let row = embed(&encoder, worker, &content, (limits, wanted), &mut maker);
                if let Err(problem) = &row {
                    bar.suspend(|| tell(&format!("{path}: {problem}")));
                }
                rows.push((
                    index,
                    row.ok().map(|(embedding, tensor)| {
                        (embedding, if self.tensors { tensor } else { Array4::default((0, 0, 0, 0)) })
                    }),
                ));
                bar.inc(1);
            }
        };
        let parts: Vec<anyhow::Result<Vec<(usize, Row)>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..config.runtime.workers)
                .map(|worker| {
                    let embed_some = &embed_some;
                    scope.spawn(move || embed_some(worker))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
                .collect()
        });
        let mut rows: Vec<(usize, Row)> =
            parts.into_iter().collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
        rows.sort_by_key(|(index, _)| *index);
        bar.finish_and_clear();
        self.write(&rows)?;
        let failed = rows.iter().filter(|(_, row)| row.is_none()).count();
        let embedded = rows.len() - failed;
        if self.json {
            print(&serde_json::json!({ "embedded": embedded, "failed": failed, "out": self.out }).to_string());
        }
        tell(&format!("{embedded} images embedded, {failed} failed"));
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn write(&self, rows: &[(usize, Row)]) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let first = rows.iter().find_map(|(_, row)| row.as_ref()).context("no image could be embedded")?;
        let (dimensions, planes) = (first.0.len(), first.1.raw_dim());
        let mut embeddings = Array2::from_elem((rows.len(), dimensions), f32::NAN);
        for ((_, row), mut target) in rows.iter().zip(embeddings.rows_mut()) {
            if let Some((embedding, _)) = row {
                target.assign(&ndarray::ArrayView1::from(embedding));
            }
        }
        ndarray_npy::write_npy(self.out.join("embeddings.npy"), &embeddings)?;
        if self.tensors {
            let missing = Array4::from_elem(planes, f32::NAN);
            let views: Vec<_> =
                rows.iter().map(|(_, row)| row.as_ref().map_or(missing.view(), |(_, tensor)| tensor.view())).collect();
            ndarray_npy::write_npy(self.out.join("tensors.npy"), &ndarray::concatenate(ndarray::Axis(0), &views)?)?;
        }
        Ok(())
    }
}

/// The encoder that the configuration chooses, whether or not there are heads for it: they are what is to be trained.
fn encoder_of(config: &Config) -> anyhow::Result<PathBuf> {
    let mut repository = Repository::new(&config.folders.models, config.folders.max_file_bytes);
    repository.scan()?;
    let versions = repository.versions();
    let candidates = first_eligible(Situation::of(&versions, &config.reloadable.versions, &Declared::default()));
    let encoders: Vec<_> = candidates.iter().filter(|version| version.manifest.kind == Kind::ImageEncoder).collect();
    match &encoders[..] {
        [encoder] => Ok(encoder.path.clone()),
        [] => anyhow::bail!("{} holds no image_encoder", config.folders.models.display()),
        several => {
            let paths: Vec<String> = several.iter().map(|version| version.path.display().to_string()).collect();
            anyhow::bail!("there are several encoders; name one with --encoder: {}", paths.join(", "))
        }
    }
}
