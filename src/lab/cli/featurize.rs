//! `wildwarden featurize`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ndarray::Array1;
use wildwarden_core::input_spec::TextInputSpec;
use wildwarden_core::preprocess::text::{PRESENT, TextProcessor};
use wildwarden_server::cli::{print, progress};

/// Hash texts to features for training, with the server's own preprocessing.
///
/// Reads JSON lines with a field "text" from INPUT; writes, a row a window, in compressed sparse row form:
/// OUT/ids.npy i64, OUT/values.npy f32, OUT/starts.npy i64 [windows + 1], OUT/texts.npy i64 [windows] (the line the window
/// came from). A text's windows are its clauses, their joins and parts of long ones; a text without words has none.
#[derive(Debug, Args)]
pub struct Featurize {
    /// JSON lines with a field "text".
    input: PathBuf,
    /// Folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Domain words, one a line, that segmentation keeps whole.
    #[arg(long, value_name = "FILE")]
    words: PathBuf,
    /// Hash buckets.
    #[arg(long, default_value_t = 1 << 17)]
    buckets: u32,
    /// Tokens a window.
    #[arg(long, default_value_t = 48)]
    window_tokens: usize,
    /// JSON on standard output: how many texts and windows there are.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Line {
    text: String,
}

impl Featurize {
    /// Writes the features.
    ///
    /// # Errors
    /// A file cannot be read or written; a faulty line is named.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let input = std::fs::read_to_string(&self.input).with_context(|| self.input.display().to_string())?;
        let words = std::fs::read_to_string(&self.words).with_context(|| self.words.display().to_string())?;
        let spec = TextInputSpec { buckets: self.buckets, window_tokens: self.window_tokens };
        let processor = TextProcessor::new(spec, &words)?;
        let bar = progress(input.lines().count(), "texts")?;
        let (mut ids, mut values, mut starts, mut texts) = (Vec::new(), Vec::new(), vec![0_i64], Vec::new());
        for (number, line) in input.lines().enumerate() {
            let line: Line =
                serde_json::from_str(line).with_context(|| format!("{}, line {}", self.input.display(), number + 1))?;
            let passages = processor.featurize(&line.text);
            for window in &passages.windows {
                ids.extend(passages.features(window).map(|feature| i64::from(feature.id)));
                values.resize(ids.len(), PRESENT);
                starts.push(i64::try_from(ids.len())?);
                texts.push(i64::try_from(number)?);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let told = serde_json::json!({ "texts": input.lines().count(), "windows": texts.len(), "out": self.out });
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        ndarray_npy::write_npy(self.out.join("ids.npy"), &Array1::from(ids))?;
        ndarray_npy::write_npy(self.out.join("values.npy"), &Array1::from(values))?;
        ndarray_npy::write_npy(self.out.join("starts.npy"), &Array1::from(starts))?;
        ndarray_npy::write_npy(self.out.join("texts.npy"), &Array1::from(texts))?;
        if self.json {
            print(&told.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}
