//! `wildwarden bench bare`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde_json::json;
use tokio::time::Instant;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::pipeline::bare::Bare as Loop;
use wildwarden_server::cli::{Settings, print};
use wildwarden_server::lifecycle::first_generation;

use crate::bench::listings::{Source, read};

/// What this machine gives without a server: decoding and models in a loop on every worker.
///
/// Prints images a second, then the mean milliseconds an image of one worker took to decode and resize, and in the models.
#[derive(Debug, Args)]
pub(super) struct Bare {
    /// A folder of photos, or one photo.
    #[arg(long, value_name = "PATH")]
    images: PathBuf,
    /// Seconds to measure, after one of warm-up.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = super::numbers::positive_number)]
    duration: f64,
    /// Decode JPEGs with every pixel, not at the size the models need.
    #[arg(long)]
    full_decode: bool,
    /// JSON instead.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Images, and the time they took, of one worker.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    images: u32,
    preparing: Duration,
    inference: Duration,
}

impl Bare {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([])?;
        let generation = first_generation(&config, None)?;
        let source = Source::Photos { path: self.images.clone(), title: String::new(), images_per_listing: 1 };
        let listings = read(&source, None, 1)?;
        let photos: Vec<Bytes> =
            listings.iter().flat_map(|listing| &listing.photos).map(|photo| photo.as_it_is()).collect();
        let measured = Duration::from_secs_f64(self.duration);
        let sums: Vec<Result<Sum>> = std::thread::scope(|scope| {
            let start = |worker| {
                let (generation, photos) = (&generation, photos.as_slice());
                scope.spawn(move || work(Loop::new(generation, worker, self.full_decode), worker, photos, measured))
            };
            let threads: Vec<_> = (0..config.runtime.workers).map(start).collect();
            let panicked = |_| Err(Error::Bug("a worker panicked".into()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        let sums = sums.into_iter().collect::<Result<Vec<_>>>()?;
        let images: u32 = sums.iter().map(|sum| sum.images).sum();
        let mean_ms = |part: fn(&Sum) -> Duration| {
            1e3 * sums.iter().map(part).sum::<Duration>().as_secs_f64() / f64::from(images.max(1))
        };
        let (preparing, inference) = (mean_ms(|sum| sum.preparing), mean_ms(|sum| sum.inference));
        let rate = f64::from(images) / self.duration;
        if self.json {
            let told = json!({ "images_per_second": rate, "decode_and_resize_ms": preparing, "models_ms": inference });
            print(&told.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "{:.1} images/s; {:.3} ms to decode and resize, {:.3} ms in the models",
            rate, preparing, inference
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Workers begin at different photos, so that they do not walk in step.
fn work(mut images: Loop<'_>, worker: usize, photos: &[Bytes], measured: Duration) -> Result<Sum> {
    let mut sum = Sum::default();
    let warm = Instant::now() + Duration::from_secs(1);
    let end = warm + measured;
    for photo in photos.iter().cycle().skip(worker * photos.len() / 2) {
        let now = Instant::now();
        if now >= end {
            break;
        }
        let spent = images.image(photo)?;
        if now >= warm {
            sum.images += 1;
            sum.preparing += spent.preparing;
            sum.inference += spent.inference;
        }
    }
    Ok(sum)
}
