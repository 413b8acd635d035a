//! `wildwarden policy alone`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};
use wildwarden_core::domain::{Logit, Modality, Probability};
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_core::score::fuse::LOGIT_BOUND;
use wildwarden_core::score::policy::{CategoryPolicy, Policy};
use wildwarden_core::score::rating::fused;
use wildwarden_server::cli::print;
use wildwarden_server::cli::table::fitting;

/// Say how sure photos alone, or texts alone, must be before they mean REVIEW or BLOCK.
///
/// A row a category: the least `image_probability` and `text_probability` of an answer that alone, without the other, reach the
/// threshold by fusion. Rules of the policy may raise a listing that stays below.
#[derive(Debug, Args)]
pub struct PolicyAlone {
    /// The policy file.
    #[arg(default_value = "models/policy.toml")]
    policy: PathBuf,
    /// JSON instead; null: no probability reaches it.
    #[arg(long)]
    json: bool,
}

/// Halvings of the range of logits: far below what a double tells apart.
const HALVINGS: usize = 64;

/// The least probability of `modality` that alone is `enough`. `None`: none is.
fn least(policy: &Policy, declared: &CategoryPolicy, modality: Modality, enough: Probability) -> Option<f64> {
    let reaches = |logit: f64| {
        let (image, text) = match modality {
            Modality::Images => (Some(Logit(logit)), None),
            Modality::Texts => (None, Some(Logit(logit))),
        };
        fused(policy, declared, image, text) >= enough
    };
    // Beyond these no logit counts for more or less.
    let (mut below, mut above) = (-LOGIT_BOUND, LOGIT_BOUND);
    if !reaches(above) {
        return None;
    }
    if reaches(below) {
        return Some(0.0);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(below, above);
        *(if reaches(middle) { &mut above } else { &mut below }) = middle;
    }
    Some(Logit(above).probability().value())
}

/// Of each modality and threshold the least probability.
fn limits(policy: &Policy, declared: &CategoryPolicy) -> [(&'static str, &'static str, Option<f64>); 4] {
    let of = |modality, enough| least(policy, declared, modality, enough);
    [
        ("image_probability", "review", of(Modality::Images, declared.review)),
        ("image_probability", "block", of(Modality::Images, declared.block)),
        ("text_probability", "review", of(Modality::Texts, declared.review)),
        ("text_probability", "block", of(Modality::Texts, declared.block)),
    ]
}

impl PolicyAlone {
    /// Prints the least probabilities; `-` or null: none reaches.
    ///
    /// # Errors
    /// One sentence that names line, entry and value.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let PolicyFile { policy, version, .. } = PolicyFile::read(&self.policy)?;
        if self.json {
            let categories = policy.enabled().map(|declared| {
                let mut told = Map::from_iter([("category".to_owned(), json!(declared.category))]);
                for (modality, threshold, least) in limits(&policy, declared) {
                    let of_modality = told.entry(modality).or_insert_with(|| json!({}));
                    of_modality[threshold] = json!(least);
                }
                Value::Object(told)
            });
            let categories: Vec<Value> = categories.collect();
            print(
                &json!({ "version": version.version, "sha256": version.sha256, "categories": categories }).to_string(),
            );
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = fitting();
        table.set_header(["category", "photos: review", "block", "texts: review", "block"]);
        for declared in policy.enabled() {
            let shown =
                limits(&policy, declared).map(|(.., least)| least.map_or_else(|| "-".into(), |p| format!("{p:.4}")));
            table.add_row([declared.category.name().to_owned()].into_iter().chain(shown));
        }
        print(&table.to_string());
        Ok(ExitCode::SUCCESS)
    }
}
