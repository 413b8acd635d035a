//! Times as high-dynamic-range histograms (HdrHistogram, Gil Tene): three significant digits from a microsecond to an hour.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

const LONGEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;
/// Steps of the percentile file for each halving of what is left to 100 %, as in HdrHistogram's own programs.
const STEPS_PER_HALVING: u32 = 5;

/// Times of one kind.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

/// Mean, percentiles and maximum, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct TimeSummary {
    /// Number of times; without any, the rest is 0.
    pub count: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p999_ms: f64,
    /// Maximum.
    pub max_ms: f64,
}

impl Times {
    /// None yet.
    ///
    /// # Errors
    /// [`Error::Bug`] when the bounds are refused.
    pub fn new() -> Result<Self> {
        let made = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        made.map(Self).map_err(|cause| Error::Bug(format!("making a histogram: {cause}")))
    }

    /// Adds a time; more than an hour counts as an hour.
    pub fn record(&mut self, time: Duration) {
        self.record_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds a time in microseconds.
    pub fn record_us(&mut self, microseconds: u64) {
        self.0.saturating_record(microseconds);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Milliseconds that a share `quantile` of the times does not exceed.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        milliseconds(self.0.value_at_quantile(quantile))
    }

    /// In short.
    pub fn spread(&self) -> TimeSummary {
        TimeSummary {
            count: self.0.len(),
            mean_ms: self.0.mean() / 1000.0,
            p50_ms: self.quantile_ms(0.5),
            p90_ms: self.quantile_ms(0.9),
            p99_ms: self.quantile_ms(0.99),
            p999_ms: self.quantile_ms(0.999),
            max_ms: milliseconds(self.0.max()),
        }
    }

    /// Quantiles and their milliseconds, denser towards 1, up to the maximum.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let points = self.0.iter_quantiles(STEPS_PER_HALVING);
        points.map(|point| (point.quantile_iterated_to(), milliseconds(point.value_iterated_to()))).collect()
    }

    /// The percentile distribution as text, in milliseconds: the format that HdrHistogram's plotters read.
    pub fn percentile_file(&self) -> String {
        let mut text =
            format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
        let mut count = 0;
        for point in self.0.iter_quantiles(STEPS_PER_HALVING) {
            count += point.count_since_last_iteration();
            let (value, quantile) = (milliseconds(point.value_iterated_to()), point.quantile_iterated_to());
            // Writing to a string cannot fail. The last line has no fourth column: it would be infinite.
            let _ = write!(text, "{value:>12.3} {quantile:>14.12} {count:>10}");
            let _ = if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
        }
        let (mean, deviation) = (self.0.mean() / 1000.0, self.0.stdev() / 1000.0);
        let (max, total) = (milliseconds(self.0.max()), self.0.len());
        let _ = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
        let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {total:>12}]");
        let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", self.0.buckets(), 2048);
        text
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_a_thousand() -> Times {
        let mut times = Times::new().unwrap();
        (1..=1000).for_each(|n| times.record(Duration::from_millis(n)));
        times
    }

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let spread = to_a_thousand().spread();
        for (found, expected) in
            [(spread.p50_ms, 500.0), (spread.p90_ms, 900.0), (spread.p99_ms, 990.0), (spread.max_ms, 1000.0)]
        {
            assert!((found - expected).abs() <= expected / 1000.0, "{found} is not {expected}");
        }
        assert_eq!(spread.count, 1000);
        assert_eq!(Times::new().unwrap().spread(), TimeSummary::default());
    }

    #[test]
    fn the_percentile_file_ends_with_the_maximum_and_counts_all() {
        let text = to_a_thousand().percentile_file();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!((rows[0].len(), rows[rows.len() - 1].len()), (4, 3));
        assert_eq!(rows[rows.len() - 1][1..], ["1.000000000000", "1000"]);
        let median = rows.iter().find(|row| row[1].starts_with("0.50")).unwrap();
        assert!((median[0].parse::<f64>().unwrap() - 500.0).abs() < 1.0 && median[3] == "2.00", "{median:?}");
        assert!(text.contains("Total count    =         1000"), "{text}");
    }

    #[test]
    fn hours_do_not_overflow() {
        let mut times = Times::new().unwrap();
        times.record(Duration::MAX);
        assert!((times.spread().max_ms / 3.6e6 - 1.0).abs() < 0.001);
    }
}
