//! `wildwarden policy terms`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use ndarray::Array4;
use serde::Deserialize;
use serde_json::json;
use wildwarden_core::domain::{Category, Logit, Probability};
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_core::score::fuse::{LOGIT_BOUND, WEIGHT_NAMES, check_floor, shift_prior, terms};
use wildwarden_server::cli::print;

/// What fusion multiplies its weights with, for listings that were evaluated: training fits the weights to these.
///
/// Reads what evaluate --scores keeps; writes OUT/CATEGORY.npy, f64 [image floors, text floors, listings, weights], listings in the
/// order of the lines. The sum over the last axis, each by its weight, and `prior_shift` are the logit that is answered. Prints
/// JSON: `weights`, their names in order, `logit_bound`, `prior_shift`, `categories` and `listings`.
#[derive(Debug, Args)]
pub struct PolicyTerms {
    /// The policy, for its priors.
    policy: PathBuf,
    /// Files scores.jsonl.
    #[arg(required = true)]
    scores: Vec<PathBuf>,
    /// Folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What an image's logit counts as at the least, each tried; in -8 to 0.
    #[arg(long, value_delimiter = ',', required = true, allow_hyphen_values = true, value_name = "LOGIT,...")]
    image_floors: Vec<f64>,
    /// The same of a text's.
    #[arg(long, value_delimiter = ',', required = true, allow_hyphen_values = true, value_name = "LOGIT,...")]
    text_floors: Vec<f64>,
}

/// What counts of a line of scores.jsonl.
#[derive(Debug, Deserialize)]
struct Line {
    categories: BTreeMap<Category, Calibrated>,
}

#[derive(Debug, Deserialize)]
struct Calibrated {
    image_probability: Option<f64>,
    text_probability: Option<f64>,
}

impl Calibrated {
    /// Of the image and of the text; `None`: it did not take part.
    fn logits(&self) -> anyhow::Result<(Option<Logit>, Option<Logit>)> {
        let logit = |key: &str, value: Option<f64>| {
            let read = |p| Probability::new(p).with_context(|| format!("{key}: {p} must be in 0 to 1"));
            anyhow::Ok(value.map(read).transpose()?.map(Probability::logit))
        };
        Ok((logit("image_probability", self.image_probability)?, logit("text_probability", self.text_probability)?))
    }
}

impl PolicyTerms {
    /// Writes one .npy a category; every line must rate every category.
    ///
    /// # Errors
    /// One sentence: a floor out of range, or a file that cannot be read, with its line.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let PolicyFile { policy, .. } = PolicyFile::read(&self.policy)?;
        for (option, floors) in [("--image-floors", &self.image_floors), ("--text-floors", &self.text_floors)] {
            floors
                .iter()
                .try_for_each(|&floor| check_floor(floor).map_err(|problem| anyhow::anyhow!("{option}: {problem}")))?;
        }
        let lines = self.read()?;
        let categories: BTreeSet<Category> = lines.iter().flat_map(|line| line.categories.keys().copied()).collect();
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        for &category in &categories {
            let table = self.table(&lines, category)?;
            ndarray_npy::write_npy(self.out.join(format!("{category}.npy")), &table)?;
        }
        let shift = shift_prior(Logit(0.0), policy.training_prior, policy.deployment_prior);
        let told = json!({
            "weights": WEIGHT_NAMES, "logit_bound": LOGIT_BOUND, "prior_shift": shift.0, "categories": categories, "listings": lines.len(),
        });
        print(&told.to_string());
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for file in &self.scores {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            for (number, line) in text.lines().enumerate() {
                let place = || format!("{}, line {}", file.display(), number + 1);
                lines.push(serde_json::from_str(line).with_context(place)?);
            }
        }
        ensure!(!lines.is_empty(), "there is no listing in these scores");
        Ok(lines)
    }

    fn table(&self, lines: &[Line], category: Category) -> anyhow::Result<Array4<f64>> {
        let logits = lines.iter().enumerate().map(|(number, line)| {
            let place = || format!("listing {} of the scores", number + 1);
            let found = line.categories.get(&category);
            let found = found.with_context(|| format!("{} has none of {category}, and others have", place()))?;
            found.logits().with_context(place)
        });
        let logits: Vec<(Option<Logit>, Option<Logit>)> = logits.collect::<anyhow::Result<_>>()?;
        let mut rows =
            Vec::with_capacity(self.image_floors.len() * self.text_floors.len() * lines.len() * WEIGHT_NAMES.len());
        for &image_floor in &self.image_floors {
            for &text_floor in &self.text_floors {
                rows.extend(logits.iter().flat_map(|&(image, text)| terms(image, text, image_floor, text_floor)));
            }
        }
        let shape = (self.image_floors.len(), self.text_floors.len(), lines.len(), WEIGHT_NAMES.len());
        Ok(Array4::from_shape_vec(shape, rows)?)
    }
}
