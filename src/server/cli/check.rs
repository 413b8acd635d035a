//! `wildwarden check`

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;
use wildwarden_core::config::DEFAULT;
use wildwarden_core::domain::Modality;
use wildwarden_core::model::runtime::session::Runtime;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};

use super::{Settings, print};
use crate::lifecycle::check::sets;
use crate::lifecycle::first_generation;

/// Check configuration, policy and models; start nothing.
///
/// Reads every model folder, compares hashes, loads the graphs, compares them with their manifests and runs the golden
/// samples. Of named sets it says whether they could be put in service. Exit code 0: a server started with the same settings will
/// serve. 2: one sentence says what is wrong.
#[derive(Debug, Args)]
pub struct Check {
    /// Print the complete default configuration, commented, and exit.
    #[arg(long, conflicts_with = "json")]
    print_default: bool,
    /// JSON instead.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Check {
    /// Prints what would serve.
    ///
    /// # Errors
    /// The first thing that would stop a server.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.print_default {
            print(DEFAULT.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        let config = self.settings.load([("scheduler", "workers", "1".to_owned())])?;
        // In its place a server would go on with the one that served before the last stop.
        PolicyFile::read(&config.reloadable.policy)?;
        let generation = first_generation(&config, None)?;
        let policy = generation.policy_version();
        let sets = sets(&config, &generation)?;
        if self.json {
            let sets: Vec<_> = sets.iter().map(|(name, problem)| json!({ "name": name, "problem": problem })).collect();
            let providers = generation.engine().providers();
            let providers: BTreeMap<_, _> =
                providers.into_iter().map(|(provider, models)| (provider.name(), models)).collect();
            let categories: Vec<_> = generation.policy().enabled().map(|declared| declared.category).collect();
            let told = json!({
                "set": generation.set(), "policy": policy, "models": generation.models(), "sets": sets,
                "categories": categories, "onnxruntime_build": Runtime::load(&config.runtime.onnxruntime)?.build(),
                "execution_providers": providers, "notes": not_joined(&generation),
            });
            print(&told.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["what", "version", "sha256"]);
        let set = generation.set();
        table.add_row(["set", &set.name, &set.sha256]);
        table.add_row(["policy", &policy.version, &policy.sha256]);
        for model in generation.models() {
            table.add_row([&model.name, &model.version, &model.sha256]);
        }
        let mut lines = vec![table.to_string()];
        let what = if sets.iter().any(|(_, problem)| problem.is_some()) { "what serves" } else { "everything" };
        lines.extend(sets.into_iter().map(|(name, problem)| match problem {
            Some(problem) => format!("cannot be put in service: {problem}"),
            None => format!("set {name}: names what is there and fits"),
        }));
        lines.extend(not_joined(&generation).into_iter().map(|note| format!("note: {note}")));
        let told = lines.join("\n");
        print(&format!(
            "{told}\npolicy file {}; ONNX Runtime, commit {}; {what} is in order",
            config.reloadable.policy.display(),
            Runtime::load(&config.runtime.onnxruntime)?.build()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Models that the policy joins, or names in looks, and that do not serve: misspelt, or not there.
fn not_joined(generation: &Generation) -> Vec<String> {
    let serves = |name: &str| generation.models().iter().any(|model| model.name == name);
    let declared = generation.policy().declared();
    let joined = declared
        .joined()
        .flat_map(|((category, modality), names)| names.iter().map(move |name| (category, modality, name)));
    let missing = joined.filter(|(_, _, name)| !serves(name));
    let told = missing.map(|(category, modality, name)| {
        format!("the policy joins {name} by {modality} for {category}, and no such model serves")
    });
    let looks = &generation.policy().looks;
    let named = [Modality::Images, Modality::Texts].into_iter().flat_map(|modality| {
        let models = looks.of(modality).iter().flat_map(|look| &look.models);
        models.map(move |name| (modality, name))
    });
    let is_joined = |name: &String| declared.joined().any(|(_, names)| names.contains(name));
    let absent = named.filter(|(_, name)| !serves(name) && !is_joined(name));
    told.chain(
        absent.map(|(modality, name)| format!("looks.{modality} of the policy names {name}, and no such model serves")),
    )
    .collect()
}
