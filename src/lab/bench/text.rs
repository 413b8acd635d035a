//! The report for a terminal.

use comfy_table::CellAlignment;
use comfy_table::Table;
use comfy_table::presets;

use crate::bench::measure::Counts;
use crate::bench::report::Report;
use crate::bench::report::Step;

/// All of it, in lines.
pub fn summary(report: &Report) -> String {
    let mut parts = vec![header(report), steps(report).to_string()];
    // Stages of many steps would fill the screen; they are in the files.
    if let [only] = report.steps.as_slice() {
        parts.push(stages(only).to_string());
    }
    parts.extend(notes(report));
    parts.join("\n")
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn header(report: &Report) -> String {
    let input = &report.input;
    let unique = if input.unique { ", each sent with bytes of its own" } else { "" };
    let cpu = report.client.cpu_seconds.map(|seconds| format!("; client CPU {seconds:.2} s")).unwrap_or_default();
    format!(
        "{} loop on {}: distinct listings {}, their photos {} ({:.1} MB{unique}){cpu}{}",
        if report.mode == "closed" { "closed" } else { "open" },
        report.address,
        input.listings,
        input.images,
        input.bytes as f64 / 1e6,
        if report.interrupted { "; interrupted" } else { "" }
    )
}

/// A row a step.
fn steps(report: &Report) -> Table {
    let mut rows = table([
        "load",
        "listings/s",
        "images/s",
        "p50 ms",
        "p90",
        "p99",
        "p99.9",
        "max",
        "right",
        "wrong",
        "errors",
        "not sent",
    ]);
    for step in &report.steps {
        let (measured, latency, counts) = (&step.measured, &step.measured.latency, &step.measured.counts);
        let times = [latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms];
        let counted = [counts.right, counts.wrong, counts.errors(), counts.not_sent];
        let held = step.held.map_or("", |held| if held { " holds" } else { " too much" });
        let mut row = vec![step.name() + held];
        row.extend([measured.listings_per_second, measured.images_per_second].map(|rate| format!("{rate:.1}")));
        row.extend(times.map(|time| format!("{time:.2}")));
        row.extend(counted.map(|count| count.to_string()));
        rows.add_row(row);
    }
    rows
}

/// A row a stage.
fn stages(step: &Step) -> Table {
    let mut rows = table(["time a listing, ms", "mean", "p50", "p99"]);
    for stage in &step.measured.stages {
        let times = [stage.spread.mean_ms, stage.spread.p50_ms, stage.spread.p99_ms];
        rows.add_row([stage.name.to_owned()].into_iter().chain(times.map(|time| format!("{time:.3}"))));
    }
    rows
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for step in &report.steps {
        let measured = &step.measured;
        let errors = codes(&measured.counts);
        if !errors.is_empty() {
            let latency = measured.failed_latency;
            notes.push(format!(
                "{}: {errors}; their p50 {:.2} ms, p99 {:.2} ms",
                step.name(),
                latency.p50_ms,
                latency.p99_ms
            ));
        }
        if measured.warmup.wrong + measured.warmup.errors() + measured.warmup.not_sent > 0 {
            let warmup = &measured.warmup;
            notes.push(format!(
                "{}: in the warm-up {} wrong, {} not sent, errors: {}",
                step.name(),
                warmup.wrong,
                warmup.not_sent,
                if warmup.errors() == 0 { "none".to_owned() } else { codes(warmup) }
            ));
        }
        notes.extend(measured.examples.iter().map(|example| format!("  {example}")));
    }
    // One set is the rule; listings without photos or texts name fewer models.
    notes.extend(report.versions.iter().map(|(models, answers)| format!("{answers} answers by {models}")));
    if let Some(searched) = report.searched {
        let limit = searched.p99_limit_ms;
        notes.push(match searched.listings_per_second {
            Some(rate) => format!("highest rate with a p99 of at most {limit} ms: {rate:.1} listings/s"),
            None => format!("no rate has a p99 of at most {limit} ms"),
        });
    }
    notes
}

/// Errors by code.
pub fn codes(counts: &Counts) -> String {
    let codes = counts.failed.iter().map(|(code, count)| format!("{count} {code}"));
    codes.collect::<Vec<_>>().join(", ")
}
