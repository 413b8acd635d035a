//! `wildwarden evaluate`

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use image::RgbImage;
use parking_lot::Mutex;
use wildwarden_core::config::Config;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::preprocess::image::DecodeLimits;
use wildwarden_core::random::SplitMix64;
use wildwarden_core::score::policy::Profile;
use wildwarden_server::cli::{Settings, async_runtime, print, progress, tell};
use wildwarden_server::lifecycle::first_generation;

use super::table;
use crate::evaluate::case::{Case, LabelNames};
use crate::evaluate::declared::DeclaredCategory;
use crate::evaluate::degrade::Degradation;
use crate::evaluate::record::Record;
use crate::evaluate::report::{self, Data, FORMAT, Method, Report, ReportInput, Service};
use crate::evaluate::run::{Ratings, Runner};
use crate::evaluate::slices::SliceBy;
use crate::evaluate::store::Store;
use crate::evaluate::thresholds::{Demand, thresholds};
use crate::evaluate::worst::WrongListing;
use crate::evaluate::{calibration, html, input, looks, operation, sheet, stress};

/// Measure the models and the policy on labelled listings.
///
/// Rates every listing as the server would and compares with its labels. INPUT is a folder with a folder a label (a
/// category of the policy, one of its aliases, or negative), each file in it a listing; a .jsonl file
///
/// {"listing_id": "7", "title": "...", "description": "...", "images": ["a.jpg"], "labels": ["..."],
/// "source": "...", "seller": "...", "group": "...", "slices": ["..."]}
///
/// or a .csv or .tsv file with the same names in its header (lists separated by `;`), or with file, label (or class), subclass,
/// source_repo, group, note. Listings of one seller, else of one group, are resampled together for the intervals.
///
/// Writes into DIR: scores.jsonl (a line a listing; a stopped run goes on from it), evaluation.json, report.html and
/// errors_<category>.jpg. Exit code 1: some listings could not be rated; the report lists them.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// Labelled folder, .jsonl, .csv or .tsv file.
    input: PathBuf,
    /// Folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What image paths in a file are relative to. Default: the file's folder.
    #[arg(long, value_name = "DIR")]
    images_root: Option<PathBuf>,
    /// A label, or folder, that means "offers nothing prohibited", besides the usual ones. May be repeated.
    #[arg(long, value_name = "NAME")]
    negative: Vec<String>,
    /// Rate a random sample of this many listings.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Kinds of slices to report. Default: all.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    slices: Vec<SliceBy>,
    /// Also rate degraded copies of listings with images: JPEG 30, dark, blurred, small, watermarked, small object, collage.
    #[arg(long)]
    stress: bool,
    /// Listings to degrade; half of them positive if there are enough. Default: all.
    #[arg(long, value_name = "N", requires = "stress")]
    stress_limit: Option<usize>,
    /// Take looks as this profile says instead of the policy's. No budget applies: every listing is rated for itself.
    #[arg(long)]
    profile: Option<ProfileName>,
    /// Stop after scores.jsonl.
    #[arg(long)]
    scores: bool,
    /// Print evaluation.json instead of tables.
    #[arg(long, conflicts_with = "scores")]
    json: bool,
    /// Resamplings for the 95 % intervals.
    #[arg(long, value_name = "ROUNDS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    bootstrap: u32,
    /// Of the samples and resamplings.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Worst errors of each kind to show.
    #[arg(long, value_name = "N", default_value_t = 12)]
    worst: usize,
    /// Listings a day, for the table of thresholds.
    #[arg(long, value_name = "N", default_value_t = 100_000.0, value_parser = positive)]
    listings_a_day: f64,
    /// Share of the reviewed listings that are to be offers, for the proposed threshold.
    #[arg(long, value_name = "SHARE", default_value_t = 0.15, value_parser = share)]
    precision: f64,
    #[command(flatten)]
    settings: Settings,
}

/// What is spent on looks after the first.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ProfileName {
    /// Nothing.
    Fast,
    /// What the bands say.
    Balanced,
    /// All looks for all.
    Thorough,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Fast => Self::Fast,
            ProfileName::Balanced => Self::Balanced,
            ProfileName::Thorough => Self::Thorough,
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0).ok_or_else(|| "must be above 0".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "must be in 0 to 1".into())
}

impl Evaluate {
    /// Runs it. Exit code 1: some inputs failed.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([])?;
        let generation = first_generation(&config, None)?.unhurried(self.profile.map(Into::into));
        let declared = generation.policy().enabled().map(|declared| (declared.category, declared.aliases.clone()));
        let names = LabelNames::known(declared.collect(), &self.negative).map_err(anyhow::Error::msg)?;
        let input = input::read(&self.input, self.images_root.as_deref(), &names)?;
        if !input.unused_fields.is_empty() {
            let fields: Vec<&str> = input.unused_fields.iter().map(String::as_str).collect();
            tell(&format!("fields that are not used: {}", fields.join(", ")));
        }
        let mut data = Data {
            input: self.input.display().to_string(),
            listings: input.cases.len(),
            unused_fields: input.unused_fields.into_iter().collect(),
            ..Data::default()
        };
        let cases = self.sample(input.cases);
        data.taken = cases.len();
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;

        let runtime = async_runtime()?;
        let runner = Runner::new(Pipeline::start(&config, generation, Arc::default())?, &config);
        let rated = runtime.block_on(self.rate(&runner, &cases, None))?;
        for failure in &rated.failures {
            tell(&format!("{}: {}", failure.id, failure.problem));
        }
        let failed = if rated.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) };
        tell(&format!(
            "{} listings rated ({} from an earlier run), {} failed",
            rated.records.len(),
            rated.reused,
            rated.failures.len()
        ));
        if self.scores {
            return Ok(failed);
        }
        let degraded = if self.stress { runtime.block_on(self.rate_degraded(&runner, &cases))? } else { Vec::new() };
        report::count(&mut data, &rated.records);
        let report = self.measure(data, Service::of(&runner.pipeline().generation()), &rated, &degraded)?;
        self.write(&report, &cases, &config)?;
        if self.json {
            print(&serde_json::to_string_pretty(&report)?);
        } else {
            print(&table::evaluation(&report));
            print(&table::thresholds(&report));
            print(&table::versions(&report));
        }
        tell(&format!("see {}", self.out.join("report.html").display()));
        Ok(failed)
    }

    /// `limit` of the cases, in their order.
    fn sample(&self, mut cases: Vec<Case>) -> Vec<Case> {
        let Some(limit) = self.limit.filter(|&limit| limit < cases.len()) else { return cases };
        let mut places: Vec<usize> = (0..cases.len()).collect();
        SplitMix64(self.seed).shuffle(&mut places);
        places.truncate(limit);
        let mut keep = vec![false; cases.len()];
        for place in places {
            if let Some(keep) = keep.get_mut(place) {
                *keep = true;
            }
        }
        let mut keep = keep.into_iter();
        cases.retain(|_| keep.next().unwrap_or_default());
        cases
    }

    async fn rate(&self, runner: &Runner, cases: &[Case], degradation: Option<Degradation>) -> anyhow::Result<Ratings> {
        let file =
            degradation.map_or("scores.jsonl".into(), |degradation| format!("stress/{}.jsonl", degradation.name()));
        let store = Arc::new(Mutex::new(Store::open(&self.out.join(file))?));
        let bar = progress(cases.len(), degradation.map_or("listings", Degradation::name))?;
        let rated = runner.rate(cases, degradation, &store, || bar.inc(1)).await?;
        bar.finish_and_clear();
        let records: Vec<&Record> = rated.records.iter().map(|(_, record)| record).collect();
        store.lock().replace(&records)?;
        Ok(rated)
    }

    async fn rate_degraded(&self, runner: &Runner, cases: &[Case]) -> anyhow::Result<Vec<(Degradation, Vec<Record>)>> {
        let chosen = stress::choose(cases, self.stress_limit.unwrap_or(usize::MAX), self.seed);
        let folder = self.out.join("stress");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut degraded = Vec::new();
        for degradation in Degradation::ALL {
            let rated = self.rate(runner, &chosen, Some(degradation)).await?;
            degraded.push((degradation, rated.records.into_iter().map(|(_, record)| record).collect()));
        }
        Ok(degraded)
    }

    fn measure(
        &self,
        data: Data,
        service: Service,
        rated: &Ratings,
        degraded: &[(Degradation, Vec<Record>)],
    ) -> anyhow::Result<Report> {
        let method =
            Method { bootstrap_rounds: self.bootstrap as usize, seed: self.seed, calibration_bins: calibration::BINS };
        let slices = if self.slices.is_empty() { SliceBy::value_variants() } else { &self.slices };
        let input = ReportInput { records: &rated.records, stress: degraded, slices, worst: self.worst };
        let bar = progress(service.categories.len(), "categories measured")?;
        let (service_ref, method_ref, input_ref) = (&service, &method, &input);
        let one = |declared: &DeclaredCategory| {
            let measured = report::measure(declared, input_ref, service_ref, method_ref);
            bar.inc(1);
            (declared.category, measured)
        };
        // A category a thread: resampling is most of the time after rating.
        let results: Vec<_> = std::thread::scope(|scope| {
            let one = &one;
            let threads: Vec<_> =
                service_ref.categories.iter().map(|declared| scope.spawn(move || one(declared))).collect();
            threads.into_iter().map(|thread| thread.join().ok()).collect()
        });
        bar.finish_and_clear();
        let (mut unmeasured, mut categories) = (Vec::new(), Vec::new());
        for result in results {
            match result.context("measuring a category panicked")? {
                (_, Some(measured)) => categories.push(measured),
                (category, None) => unmeasured.push(category),
            }
        }
        let records: Vec<&Record> = rated.records.iter().map(|(_, record)| record).collect();
        let setting = service.setting(&method, service.review);
        let operation = operation::rows(&records, &service.categories, setting);
        let demand = Demand { listings_a_day: self.listings_a_day, precision: self.precision };
        let thresholds = thresholds(&records, &service.categories, demand, setting);
        let failures = rated.failures.clone();
        let looked_for: Vec<_> = service.categories.iter().map(|declared| declared.category).collect();
        let looks = looks::report(&records, service.profile, &looked_for);
        Ok(Report {
            format: FORMAT,
            data,
            service,
            method,
            unmeasured,
            operation,
            thresholds,
            looks,
            categories,
            failures,
        })
    }

    fn write(&self, report: &Report, cases: &[Case], config: &Config) -> anyhow::Result<()> {
        let put = |name: &str, content: &[u8]| {
            let path = self.out.join(name);
            std::fs::write(&path, content).with_context(|| path.display().to_string())
        };
        put("evaluation.json", serde_json::to_string_pretty(report)?.as_bytes())?;
        let pictures = pictures(report, cases, DecodeLimits { max_pixels: config.limits.max_image_pixels });
        for measured in &report.categories {
            let picture = |listing: &WrongListing| pictures.get(&(listing.case, listing.image?));
            if let Some(sheet) = sheet::contact_sheet(&measured.worst, picture) {
                let name = format!("errors_{}.jpg", measured.category.name());
                put(&name, &sheet::jpeg(&sheet).map_err(anyhow::Error::msg)?)?;
            }
        }
        let links = pictures.into_iter().map(|(place, picture)| Ok((place, sheet::data_uri(&picture)?)));
        let pictures = links.collect::<Result<_, String>>().map_err(anyhow::Error::msg)?;
        let page = html::page(report, &html::Shown { cases, pictures });
        put("report.html", page.into_string().as_bytes())
    }
}

/// Thumbnails of the worst errors, by place of the case and of its image.
fn pictures(report: &Report, cases: &[Case], limits: DecodeLimits) -> HashMap<(usize, usize), RgbImage> {
    let worst = report.categories.iter().map(|measured| &measured.worst);
    let wrong = worst.flat_map(|worst| worst.false_negatives.iter().chain(&worst.false_positives));
    let places: BTreeSet<(usize, usize)> = wrong.filter_map(|listing| Some((listing.case, listing.image?))).collect();
    let picture = |place: (usize, usize)| {
        let path = cases.get(place.0)?.images.get(place.1)?;
        Some((place, sheet::thumbnail(path, limits)?))
    };
    places.into_iter().filter_map(picture).collect()
}
