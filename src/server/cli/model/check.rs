//! `wildwarden model check`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use wildwarden_core::model::folder::check::Step;

use super::super::Settings;
use crate::lifecycle::check::{Report, check};

/// Check a model folder as a server would before it serves it.
///
/// Takes DIR as if it were put into the model repository: manifest, files and hashes, the graph's structure, whether it fits
/// the other models, loading, names and shapes, finite outputs, cost, golden samples. Exit code 0: a server takes it.
/// 2: one sentence says what is wrong.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder, <name>/<version>, inside the model repository or anywhere else.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A folder that is to serve with it, such as each head of a new encoder; may be given several times.
    #[arg(long, value_name = "DIR")]
    with: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Check {
    /// Exit code 2: the folder is refused; the report says where.
    ///
    /// # Errors
    /// The settings, the folders it would join or those of `--with` are faulty.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([("scheduler", "workers", "1".to_owned())])?;
        let report = check(&config, &self.folder, &self.with)?;
        super::print(&if self.json { serde_json::to_string_pretty(&report)? } else { shown(&report) });
        Ok(if report.refused.is_none() { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}

fn shown(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for step in Step::ALL {
        let passed = report.passed.iter().find(|passed| passed.step == step);
        let refused = report.refused.as_ref().filter(|refused| refused.step == step);
        let (mark, found) = match (passed, refused) {
            (Some(passed), _) => ("✓", passed.found.as_str()),
            (None, Some(_)) => ("✗", "refused, see below"),
            (None, None) => ("-", "not reached"),
        };
        table.add_row([mark, step.title(), found]);
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    if let (Some(cost), Some(old)) = (&report.cost, &report.in_service) {
        let ratio = cost.run_ms / old.cost.run_ms;
        lines.push(format!(
            "in service: {} {}, {}; a run takes {ratio:.2} times as long",
            old.model.name, old.model.version, old.cost
        ));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines.push(match (&report.refused, &report.model) {
        (Some(refused), _) => format!("refused: {}", refused.problem),
        (None, Some(model)) => format!("{} {} can serve; sha256 {}", model.name, model.version, model.sha256),
        (None, None) => String::new(),
    });
    lines.join("\n")
}
