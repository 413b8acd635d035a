//! Charts of a run, on the axes of [`crate::page::svg`].

use crate::bench::measure::Second;
use crate::bench::report::Step;
use crate::bench::stages::Stage;
use crate::page::svg;
use crate::page::svg::Place;

/// Colours of lines.
pub const MEDIAN: &str = "#1d4ed8";
/// Of the 99th percentile.
pub const TAIL: &str = "#d97706";
/// Of rates.
pub const RATE: &str = "#15803d";
/// Of wrong answers, errors and listings not sent.
pub const FAULTS: &str = "#be123c";

/// Lines and marks over one pair of axes.
#[derive(Debug)]
pub struct Chart {
    x_end: f64,
    y_end: f64,
    body: String,
}

impl Chart {
    /// From 0 to at least the given ends. An axis without a title has no ticks either.
    pub fn new(x: (&str, f64), y: (&str, f64)) -> Self {
        let (x_step, y_step) = (nice_step(x.1), nice_step(y.1));
        let (x_end, y_end) = (ceiling(x.1, x_step), ceiling(y.1, y_step));
        let mut body = svg::frame();
        let tick_x = svg::tick_x as fn(f64, &str) -> String;
        for (title, end, step, tick) in [(x.0, x_end, x_step, tick_x), (y.0, y_end, y_step, svg::tick_y)] {
            for value in ticks(end, step).filter(|_| !title.is_empty()) {
                body += &tick(value / end, &number(value));
            }
        }
        body += &svg::titles(x.0, y.0);
        Self { x_end, y_end, body }
    }

    /// With the shares of listings 0.5, 0.9, 0.99, ... evenly spaced across, as percentiles.
    pub fn of_percentiles(nines: f64, y: (&str, f64)) -> Self {
        let y_step = nice_step(y.1);
        let y_end = ceiling(y.1, y_step);
        let mut body = svg::frame();
        for (share, name) in [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")] {
            let at = Self::nines_of(share);
            if at <= nines {
                body += &svg::tick_x(at / nines, name);
            }
        }
        for value in ticks(y_end, y_step) {
            body += &svg::tick_y(value / y_end, &number(value));
        }
        body += &svg::titles("percent of listings", y.0);
        Self { x_end: nines, y_end, body }
    }

    /// 1 for 90 %, 2 for 99 %, and so on.
    pub fn nines_of(share: f64) -> f64 {
        -(1.0 - share).log10()
    }

    /// Joins `points`, given in the axes' units; `dashes` as SVG's stroke-dasharray, empty: solid.
    pub fn line(&mut self, points: impl IntoIterator<Item = Place>, colour: &str, dashes: &str) {
        let points: Vec<Place> = points.into_iter().map(|point| self.unit(point)).collect();
        self.body += &svg::line(&points, colour, dashes);
    }

    /// Adds a dot at each point.
    pub fn dots(&mut self, points: impl IntoIterator<Item = Place>, colour: &str) {
        for point in points {
            let (x, y) = svg::place(self.unit(point));
            self.body += &format!("<circle cx='{x:.1}' cy='{y:.1}' r='2.6' fill='{colour}'/>");
        }
    }

    /// Adds bars from the left, one below the other, each with its name above it.
    pub fn bars(&mut self, bars: &[(String, f64)], colour: &str) {
        let room = 1.0 / bars.len().max(1) as f64;
        for (row, (name, length)) in bars.iter().enumerate() {
            let top = 1.0 - row as f64 * room;
            let (left, _) = svg::place((0.0, top));
            let (right, y) = svg::place((self.unit((*length, 0.0)).0, top - 0.5 * room));
            self.body += &format!(
                "<text x='{:.1}' y='{:.1}'>{name}</text><rect x='{left:.1}' y='{y:.1}' width='{:.1}' height='7' fill='{colour}'/>",
                left + 5.0,
                y - 3.0,
                right - left
            );
        }
    }

    /// The whole chart.
    pub fn finish(self, title: &str) -> String {
        svg::chart(title, &self.body)
    }

    /// What lies beyond an end is drawn on it.
    fn unit(&self, (x, y): Place) -> Place {
        ((x / self.x_end).clamp(0.0, 1.0), (y / self.y_end).clamp(0.0, 1.0))
    }
}

/// Latency by percentile of one step.
pub fn percentiles(step: &Step) -> String {
    let curve = &step.measured.curve;
    let highest = curve.last().map_or(1.0, |point| point.1);
    let count = step.measured.latency.count.max(10) as f64;
    // Beyond one in as many as there are, a percentile is the maximum.
    let nines = count.log10();
    let mut chart = Chart::of_percentiles(nines, ("latency, ms", highest));
    chart.line(curve.iter().map(|&(share, time)| (Chart::nines_of(share).min(nines), time)), MEDIAN, "");
    chart.finish("Latency by percentile, from when a listing was to be sent")
}

/// Mean time a listing of each stage.
pub fn stages(step: &Step) -> String {
    let name = |stage: &Stage| format!("{}: {:.2} ms", stage.name.replace('_', " "), stage.spread.mean_ms);
    let bars: Vec<_> = step.measured.stages.iter().map(|stage| (name(stage), stage.spread.mean_ms)).collect();
    let longest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let mut chart = Chart::new(("mean time a listing, ms", longest), ("", 1.0));
    chart.bars(&bars, MEDIAN);
    chart.finish("Mean time a listing of each stage")
}

/// Right answers and faults over time.
pub fn throughput(step: &Step) -> String {
    let series = &step.measured.series;
    let highest = series.iter().map(|row| row.listings_per_second.max(faults_of(row))).fold(0.0, f64::max);
    let mut chart = Chart::new(("seconds", step.measured.seconds), ("listings a second", highest));
    if let Some(rate) = step.offered {
        chart.line([(0.0, rate), (step.measured.seconds, rate)], "#94a3b8", "4 3");
    }
    chart.line(series.iter().map(|row| (middle(row), row.listings_per_second)), RATE, "");
    if series.iter().any(|row| faults_of(row) > 0.0) {
        chart.line(series.iter().map(|row| (middle(row), faults_of(row))), FAULTS, "");
    }
    chart.finish("Right answers and faults over time")
}

/// The middle of a row, seconds.
fn middle(row: &Second) -> f64 {
    (row.at_seconds - 0.5).max(0.0)
}

fn faults_of(row: &Second) -> f64 {
    (row.counts.wrong + row.counts.errors() + row.counts.not_sent) as f64
}

/// Median and 99th percentile over time.
pub fn latency(step: &Step) -> String {
    let series = &step.measured.series;
    let highest = series.iter().map(|row| row.p99_ms).fold(0.0, f64::max);
    let mut chart = Chart::new(("seconds", step.measured.seconds), ("latency, ms", highest));
    // A second without an answer has no latency: the line leaves it out.
    let answered = || series.iter().filter(|row| row.counts.right > 0);
    chart.line(answered().map(|row| (middle(row), row.p99_ms)), TAIL, "");
    chart.line(answered().map(|row| (middle(row), row.p50_ms)), MEDIAN, "");
    chart.finish("Median and 99th percentile over time")
}

/// Steps with a rate, by rate.
fn by_rate(steps: &[Step]) -> Vec<(f64, &Step)> {
    let mut sorted: Vec<_> = steps.iter().filter_map(|step| Some((step.offered?, step))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

/// Median and 99th percentile against the rate. `limit` is drawn, and bounds the axis: what is far beyond it says no more.
pub fn latency_by_rate(steps: &[Step], limit: Option<f64>) -> String {
    let steps = by_rate(steps);
    let highest = steps.iter().map(|(_, step)| step.measured.latency.p99_ms).fold(0.0, f64::max);
    let highest = limit.map_or(highest, |limit| highest.clamp(limit * 1.25, limit * 4.0));
    let fastest = steps.last().map_or(1.0, |step| step.0);
    let mut chart = Chart::new(("listings a second, offered", fastest), ("latency, ms", highest));
    if let Some(limit) = limit {
        chart.line([(0.0, limit), (f64::MAX, limit)], "#94a3b8", "4 3");
    }
    for (colour, time) in [
        (TAIL, (|step| step.measured.latency.p99_ms) as fn(&Step) -> f64),
        (MEDIAN, |step| step.measured.latency.p50_ms),
    ] {
        let points = || steps.iter().map(|(rate, step)| (*rate, time(step)));
        chart.line(points(), colour, "");
        chart.dots(points(), colour);
    }
    chart.finish("Median and 99th percentile against the offered rate")
}

/// Right answers and faults against the rate; the diagonal is a server that keeps up.
pub fn throughput_by_rate(steps: &[Step]) -> String {
    let steps = by_rate(steps);
    let fastest = steps.last().map_or(1.0, |step| step.0);
    let mut chart = Chart::new(("listings a second, offered", fastest), ("listings a second", fastest));
    chart.line([(0.0, 0.0), (fastest, fastest)], "#94a3b8", "4 3");
    let right = || steps.iter().map(|(rate, step)| (*rate, step.measured.listings_per_second));
    chart.line(right(), RATE, "");
    chart.dots(right(), RATE);
    let faults = |step: &Step| step.measured.listings.saturating_sub(step.measured.counts.right) as f64;
    if steps.iter().any(|(_, step)| faults(step) > 0.0) {
        let points = || steps.iter().map(|(rate, step)| (*rate, faults(step) / step.measured.seconds.max(1e-9)));
        chart.line(points(), FAULTS, "");
        chart.dots(points(), FAULTS);
    }
    chart.finish("Right answers and faults against the offered rate")
}

/// 1, 2 or 5 times a power of ten, so that four to ten of it reach `end`.
fn nice_step(end: f64) -> f64 {
    let raw = end.max(1e-3) / 5.0;
    let power = 10.0_f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= raw).unwrap_or(10.0 * power)
}

fn ceiling(end: f64, step: f64) -> f64 {
    (end / step).ceil().max(1.0) * step
}

fn ticks(end: f64, step: f64) -> impl Iterator<Item = f64> {
    (0..=20).map(move |tick| f64::from(tick) * step).take_while(move |value| *value <= end * 1.0001)
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_end() {
        for (end, step, reached) in
            [(17.3, 5.0, 20.0), (100.0, 20.0, 100.0), (0.04, 0.01, 0.04), (1234.0, 500.0, 1500.0)]
        {
            assert!((nice_step(end) - step).abs() < step / 1e6, "{end}: {}", nice_step(end));
            assert!((ceiling(end, step) - reached).abs() < reached / 1e6, "{end}");
            assert!((3..=11).contains(&ticks(reached, step).count()), "{end}");
        }
        assert_eq!([number(0.0), number(0.25), number(1500.0)], ["0", "0.25", "1500"]);
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let nines = [0.9, 0.99, 0.999].map(Chart::nines_of);
        assert!((nines[0] - 1.0).abs() < 1e-9 && (nines[1] - 2.0).abs() < 1e-9 && (nines[2] - 3.0).abs() < 1e-9);
    }
}
