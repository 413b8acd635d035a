//! `wildwarden classify`

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::IgnoredAny;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use wildwarden_core::config::{Config, Limits};
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::schedule::Asked;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;
use wildwarden_proto::v1::{ClassifyRequest, ClassifyResponse, Image, Options};

use super::peer::Peer;
use super::{Settings, json, print, table, tell};
use crate::lifecycle::first_generation;
use crate::transport::convert;
use crate::transport::sentences::{Language, Sentences};

/// Rate listings: ask a server, or rate here with --embedded.
///
/// Each image file is a listing of its own, all with the same --title and --description; with --together all files are
/// one listing. Without files, one listing is read a line from standard input, as JSON:
/// {"listing_id": "7", "title": "...", "description": "...", "images": ["a.jpg", "b.png"]}
/// (what only `evaluate` reads, such as labels, is passed over).
///
/// Examples:
///   wildwarden classify --title '老料手串 包浆好' photo.jpg
///   wildwarden classify --json --explain 'photos/*.jpg'
///   wildwarden classify --embedded < listings.jsonl
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Classify {
    /// Image files or patterns such as 'photos/*.jpg'.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Title of the listing.
    #[arg(long, default_value = "")]
    title: String,
    /// Description of the listing.
    #[arg(long, default_value = "")]
    description: String,
    /// What image paths on standard input are relative to. Default: the current folder.
    #[arg(long, value_name = "DIR")]
    images_root: Option<PathBuf>,
    /// All images are one listing.
    #[arg(long)]
    together: bool,
    /// One line of JSON a listing instead of a table.
    #[arg(long)]
    json: bool,
    /// Ask for heat maps, boxes and token contributions (shown with --json).
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    peer: Peer,
    /// Rate here, without a server.
    #[arg(long)]
    embedded: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    listing_id: String,
    title: String,
    description: String,
    images: Vec<PathBuf>,
    // What `evaluate` reads besides, so that both take the same file.
    #[serde(rename = "labels")]
    _labels: IgnoredAny,
    #[serde(rename = "source")]
    _source: IgnoredAny,
    #[serde(rename = "seller")]
    _seller: IgnoredAny,
    #[serde(rename = "group")]
    _group: IgnoredAny,
    #[serde(rename = "slices")]
    _slices: IgnoredAny,
}

/// Who rates.
enum Rater {
    Server(Box<RiskServiceClient<Channel>>, Option<String>),
    Here(Box<Pipeline>, Limits),
}

impl Rater {
    async fn rate(&mut self, mut request: ClassifyRequest) -> Result<ClassifyResponse, String> {
        match self {
            Self::Server(client, key) => {
                let mut request = tonic::Request::new(request);
                if let Some(key) = key {
                    let value: MetadataValue<_> =
                        format!("Bearer {key}").parse().map_err(|cause| format!("--key: {cause}"))?;
                    request.metadata_mut().insert("authorization", value);
                }
                let answer = client.classify(request).await;
                answer
                    .map(tonic::Response::into_inner)
                    .map_err(|status| format!("{:?}: {}", status.code(), status.message()))
            }
            Self::Here(pipeline, limits) => {
                request.request_id = convert::request_id(&request.request_id);
                let listing = convert::listing(request, limits).map_err(|error| error.to_string())?;
                let rating = pipeline.rate(listing, &Asked { patient: true, ..Asked::default() }).await;
                let generation = pipeline.generation();
                let sentences = Sentences::new(Language::default(), generation.policy());
                rating.map(|rating| convert::response(rating, sentences)).map_err(|error| error.to_string())
            }
        }
    }
}

impl Classify {
    /// Runs it. Exit code 1: some inputs failed.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([])?;
        let listings = self.listings()?;
        let runtime = super::async_runtime()?;
        runtime.block_on(self.rate_all(&config, listings))
    }

    async fn rate_all(&self, config: &Config, listings: Vec<Line>) -> anyhow::Result<ExitCode> {
        let mut rater = if self.embedded {
            Rater::Here(
                Box::new(Pipeline::start(config, first_generation(config, None)?.unhurried(None), Arc::default())?),
                config.limits,
            )
        } else {
            let channel = self.peer.trust.endpoint(&self.peer.server)?.connect().await;
            let channel = channel.with_context(|| {
                format!("no server at {}; start one with `wildwarden serve`, or use --embedded", self.peer.server)
            })?;
            let client = RiskServiceClient::new(channel);
            let client =
                client.max_encoding_message_size(usize::MAX).max_decoding_message_size(config.limits.max_message_bytes);
            Rater::Server(Box::new(client), self.peer.key.clone())
        };
        let bar = super::progress(listings.len(), "listings")?;
        let mut rated = Vec::new();
        for line in listings {
            let name = display_name(&line);
            let outcome = match self.request(line) {
                Ok(request) => rater.rate(request).await,
                Err(problem) => Err(format!("{problem:#}")),
            };
            bar.inc(1);
            if self.json {
                bar.suspend(|| print_json(&name, &outcome))?;
            }
            rated.push((name, outcome));
        }
        bar.finish_and_clear();
        if !self.json {
            print(&table::ratings(&rated).to_string());
            let failed = rated.iter().filter(|(_, outcome)| outcome.is_err()).count();
            let calm = rated.iter().filter(|(_, outcome)| outcome.as_ref().is_ok_and(table::is_calm)).count();
            tell(&format!(
                "{} listings: {} worth a look, {calm} calm, {failed} failed",
                rated.len(),
                rated.len() - calm - failed
            ));
        }
        let failed = rated.iter().any(|(_, outcome)| outcome.is_err());
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    fn listings(&self) -> anyhow::Result<Vec<Line>> {
        let of_images = |images| Line {
            title: self.title.clone(),
            description: self.description.clone(),
            images,
            ..Line::default()
        };
        if self.images.is_empty() {
            if !self.title.is_empty() || !self.description.is_empty() {
                return Ok(vec![of_images(Vec::new())]);
            }
            if std::io::stdin().is_terminal() {
                bail!("nothing to rate: give image files, --title, or JSON lines on standard input (see --help)");
            }
            let parse = |(number, line): (usize, std::io::Result<String>)| {
                let line = line.context("reading standard input")?;
                serde_json::from_str(&line).with_context(|| format!("standard input, line {}", number + 1))
            };
            return std::io::stdin().lock().lines().enumerate().map(parse).collect();
        }
        let mut files = Vec::new();
        for pattern in &self.images {
            let matches: Vec<PathBuf> =
                glob::glob(pattern).with_context(|| format!("the pattern {pattern:?}"))?.collect::<Result<_, _>>()?;
            if matches.is_empty() {
                bail!("no file matches {pattern:?}");
            }
            files.extend(matches);
        }
        Ok(if self.together {
            vec![of_images(files)]
        } else {
            files.into_iter().map(|file| of_images(vec![file])).collect()
        })
    }

    fn request(&self, line: Line) -> anyhow::Result<ClassifyRequest> {
        let read = |path: &PathBuf| -> anyhow::Result<Image> {
            let path = &self.images_root.as_ref().map_or_else(|| path.clone(), |root| root.join(path));
            let content = std::fs::read(path).with_context(|| path.display().to_string())?;
            Ok(Image { image_id: file_name(path), content: content.into() })
        };
        let images = line.images.iter().map(read).collect::<anyhow::Result<_>>()?;
        let options = Some(Options {
            categories: Vec::new(),
            explain_text: self.explain,
            explain_images: self.explain,
            image_sha256: true,
            priority: 0,
        });
        let Line { listing_id, title, description, .. } = line;
        Ok(ClassifyRequest { request_id: String::new(), listing_id, title, description, images, options })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn display_name(line: &Line) -> String {
    let title: String = line.title.chars().take(24).collect();
    match (line.listing_id.as_str(), line.images.first()) {
        ("", Some(first)) => file_name(first),
        ("", None) => title,
        (id, _) => id.to_owned(),
    }
}

fn print_json(name: &str, outcome: &Result<ClassifyResponse, String>) -> anyhow::Result<()> {
    match outcome {
        Ok(response) => print(&json::line(response, "ClassifyResponse")?),
        Err(problem) => print(&serde_json::json!({ "listing": name, "error": problem }).to_string()),
    }
    Ok(())
}
