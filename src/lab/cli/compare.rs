//! What `model diff` and `policy diff` share: the same listings rated in two ways, and what changes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use comfy_table::{Table, presets};
use parking_lot::Mutex;
use wildwarden_core::config::Config;
use wildwarden_core::error::Result;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_server::cli::{Settings, async_runtime, complain, print, progress};

use crate::evaluate::case::{Case, LabelNames};
use crate::evaluate::compare::Diff;
use crate::evaluate::input;
use crate::evaluate::record::Record;
use crate::evaluate::run::{Ratings, Runner};
use crate::evaluate::store::Store;

/// The listings to rate, and how to show what changes.
#[derive(Debug, Args)]
pub(super) struct Listings {
    /// Folder, .jsonl, .csv or .tsv file, as `wildwarden evaluate` reads.
    listings: PathBuf,
    /// Folder that image paths are relative to. Default: that of the input file.
    #[arg(long, value_name = "DIR")]
    images_root: Option<PathBuf>,
    /// Changed suggestions to list; JSON lists all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The settings to compare with. A remembered score costs no time, and times are compared.
pub(super) fn config(settings: &Settings) -> Result<Config> {
    settings.load([("cache", "images", "0".to_owned())])
}

/// Listings that one side rates before it is the other's turn.
const TURN: usize = 16;

impl Listings {
    /// Rates them with `a` and `b`, and prints what changes. Exit code 1: some could not be rated.
    pub(super) fn compare(&self, config: &Config, a: Generation, b: Generation) -> anyhow::Result<ExitCode> {
        let cases = input::read(&self.listings, self.images_root.as_deref(), &LabelNames::Ignored)?.cases;
        let runner = |generation| -> anyhow::Result<Runner> {
            let generation = Generation::unhurried(generation, None);
            Ok(Runner::new(Pipeline::start(config, generation, Arc::default())?, config))
        };
        let (a, b) = async_runtime()?.block_on(rate_by_turns(&runner(a)?, &runner(b)?, &cases))?;
        let failures: Vec<_> = a.failures.iter().chain(&b.failures).collect();
        for failure in &failures {
            complain(&format!("{}: {}", failure.id, failure.problem));
        }
        let of_b: HashMap<usize, &Record> = b.records.iter().map(|(index, record)| (*index, record)).collect();
        let pairs: Vec<(&Record, &Record)> =
            a.records.iter().filter_map(|(index, record)| Some((record, *of_b.get(index)?))).collect();
        let diff = Diff::of(&pairs).context("no listing was rated by both")?;
        print(&if self.json { serde_json::to_string_pretty(&diff)? } else { shown(&diff, self.show) });
        Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Rates with A and B by turns, a few listings each: what else the machine does meanwhile slows both alike.
async fn rate_by_turns(a: &Runner, b: &Runner, cases: &[Case]) -> anyhow::Result<(Ratings, Ratings)> {
    let store = Arc::new(Mutex::new(Store::forgetful()?));
    let bar = progress(2 * cases.len(), "ratings")?;
    let (mut by_a, mut by_b) = (Ratings::default(), Ratings::default());
    for (turn, chunk) in cases.chunks(TURN).enumerate() {
        for (runner, rated) in [(a, &mut by_a), (b, &mut by_b)] {
            let Ratings { records, failures, .. } = runner.rate(chunk, None, &store, || bar.inc(1)).await?;
            rated.records.extend(records.into_iter().map(|(index, record)| (turn * TURN + index, record)));
            rated.failures.extend(failures);
        }
    }
    bar.finish_and_clear();
    Ok((by_a, by_b))
}

fn shown(found: &Diff, most: usize) -> String {
    let mut lines = vec![format!(
        "{} listings; the same suggestion for {:.1} %; models run {:.2} ms by A, {:.2} ms by B, {:.2} times as long (medians)",
        found.listings,
        found.agreement * 100.0,
        found.inference_ms_a,
        found.inference_ms_b,
        found.inference_ms_b / found.inference_ms_a,
    )];
    let mut shifts = Table::new();
    shifts.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
        "probability, B less A",
        "mean, signed",
        "p99, absolute",
        "largest, absolute",
    ]);
    for shift in &found.shifts {
        let figures = [format!("{:+.4}", shift.signed_mean), format!("{:.4}", shift.p99), format!("{:.4}", shift.max)];
        shifts.add_row([shift.category.to_string()].into_iter().chain(figures));
    }
    lines.push(shifts.to_string());
    if !found.flips.is_empty() {
        let mut flips = Table::new();
        flips.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
            "changed suggestion",
            "A",
            "B",
            "risk A",
            "risk B",
        ]);
        for flip in found.flips.iter().take(most) {
            let risks = [format!("{:.4}", flip.risk_a), format!("{:.4}", flip.risk_b)];
            flips.add_row([flip.id.clone(), flip.from.clone(), flip.to.clone()].into_iter().chain(risks));
        }
        lines.push(flips.to_string());
        if found.flips.len() > most {
            lines.push(format!("and {} more; see --show", found.flips.len() - most));
        }
    }
    lines.join("\n")
}
