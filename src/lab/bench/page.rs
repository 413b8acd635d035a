//! The report as one page.

use crate::bench::plot;
use crate::bench::report::Report;
use crate::bench::report::Step;
use crate::bench::text::codes;
use crate::page::document;
use crate::page::escape;
use crate::page::table::Table;

/// The page.
pub fn page(report: &Report) -> String {
    let mut body = header(report);
    if report.steps.len() > 1 || report.searched.is_some() {
        body += &rates(report);
    }
    for step in &report.steps {
        body += &section(step);
    }
    body += DEFINITIONS;
    document(&format!("Wildwarden load test: {}", report.address), &body)
}

fn header(report: &Report) -> String {
    let (input, client) = (&report.input, &report.client);
    let unique = if input.unique { ", each sent with bytes of its own" } else { "" };
    let versions: Vec<String> =
        report.versions.iter().map(|(models, answers)| format!("{answers} answers by {}", escape(models))).collect();
    let facts = [
        ("server", format!("<code>{}</code>", escape(&report.address))),
        ("load", mode(report)),
        (
            "sent",
            format!(
                "{} distinct listings with {} photos, {:.1} MB{unique}",
                input.listings,
                input.images,
                input.bytes as f64 / 1e6
            ),
        ),
        (
            "right is",
            report.known_from.as_ref().map_or_else(
                || "what each listing was rated when it was sent alone, before the load".to_owned(),
                |path| format!("what <code>{}</code> says", escape(path)),
            ),
        ),
        ("answered by", versions.join("<br>")),
        (
            "client",
            format!(
                "wildwarden {}, connections: {}, seed {}{}",
                report.program,
                client.connections,
                client.seed,
                client.cpu_seconds.map(|seconds| format!(", {seconds:.2} s of CPU")).unwrap_or_default()
            ),
        ),
    ];
    let facts: String = facts.iter().map(|(name, fact)| format!("<dt>{name}</dt><dd>{fact}</dd>")).collect();
    format!("<h1>Wildwarden load test</h1>{}<div class='card'><dl>{facts}</dl></div>", warnings(report))
}

fn mode(report: &Report) -> String {
    let warmup = format!("; warm-up of {} s", report.client.warmup_seconds);
    let most = report.client.max_in_flight;
    match report.mode {
        "closed" => "closed loop: each caller sends when its answer is there".to_owned() + &warmup,
        mode => format!("{mode}: an open loop with Poisson arrivals, at most {most} listings on the way{warmup}"),
    }
}

fn warnings(report: &Report) -> String {
    let mut warnings = report.faults(false);
    if report.interrupted {
        warnings.push("stopped before its end".to_owned());
    }
    if warnings.is_empty() {
        return String::new();
    }
    format!("<div class='card warn'><b>Not a clean run.</b> {}.</div>", escape(&warnings.join("; ")))
}

/// All steps in one table and two charts.
fn rates(report: &Report) -> String {
    let found = report.searched.map(|searched| {
        let limit = searched.p99_limit_ms;
        searched.listings_per_second.map_or_else(
            || format!("<p><b>No rate</b> has a p99 of at most {limit} ms.</p>"),
            |rate| {
                format!(
                    "<p><b>{rate:.1} listings a second</b> is the highest rate with a p99 of at most {limit} ms.</p>"
                )
            },
        )
    });
    let mut table = Table::new([
        "offered",
        "",
        "listings/s",
        "images/s",
        "p50 ms",
        "p90",
        "p99",
        "p99.9",
        "max",
        "wrong",
        "errors",
        "not sent",
    ])
    .left(2);
    for step in &report.steps {
        let (measured, latency, counts) = (&step.measured, &step.measured.latency, &step.measured.counts);
        let times = [latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms];
        let held = step.held.map_or("", |held| if held { "holds" } else { "too much" });
        let mut row = vec![step.name(), held.to_owned()];
        row.extend([measured.listings_per_second, measured.images_per_second].map(|rate| format!("{rate:.1}")));
        row.extend(times.map(|time| format!("{time:.2}")));
        row.extend([counts.wrong.to_string(), errors(step), counts.not_sent.to_string()]);
        table.row(row);
    }
    let limit = report.searched.map(|searched| searched.p99_limit_ms);
    format!(
        "<section><h2>Rates</h2>{}{}{}{table}</section>",
        found.unwrap_or_default(),
        legend(),
        charts(&[
            (plot::latency_by_rate(&report.steps, limit), "Latency against the offered rate"),
            (
                plot::throughput_by_rate(&report.steps),
                "Right answers against the offered rate; dashed: all that is offered"
            ),
        ])
    )
}

fn errors(step: &Step) -> String {
    let counts = &step.measured.counts;
    if counts.errors() == 0 { "0".to_owned() } else { escape(&codes(counts)) }
}

fn section(step: &Step) -> String {
    let (measured, latency, counts) = (&step.measured, &step.measured.latency, &step.measured.counts);
    let ms = |time: f64| format!("{time:.1} ms");
    let tiles = [
        (format!("{:.1}", measured.listings_per_second), "listings a second"),
        (format!("{:.1}", measured.images_per_second), "images a second"),
        (ms(latency.p50_ms), "median"),
        (ms(latency.p99_ms), "99th percentile"),
        (counts.right.to_string(), "right answers"),
        ((counts.wrong + counts.errors() + counts.not_sent).to_string(), "faults"),
    ];
    let tiles: String = tiles
        .iter()
        .map(|(value, name)| format!("<div class='tile'><b>{value}</b><span>{name}</span></div>"))
        .collect();
    format!(
        "<section><h2>{}</h2><div class='tiles'>{tiles}</div>{}{}<h3>Where the time went</h3>{}<h3>Outcomes</h3>{}{}</section>",
        step.name(),
        legend(),
        charts(&[
            (
                plot::throughput(step),
                if step.offered.is_some() {
                    "Right answers and faults over time; dashed: the mean rate that is offered"
                } else {
                    "Right answers and faults over time"
                }
            ),
            (plot::latency(step), "Latency over time"),
            (plot::percentiles(step), "Latency by percentile"),
            (plot::stages(step), "Where the time went"),
        ]),
        stages(step),
        outcomes(step),
        examples(step)
    )
}

fn legend() -> String {
    let lines = [
        (plot::MEDIAN, "median"),
        (plot::TAIL, "99th percentile"),
        (plot::RATE, "right answers"),
        (plot::FAULTS, "faults"),
    ];
    let lines: String =
        lines.iter().map(|(colour, name)| format!("<i style='background:{colour}'></i>{name}")).collect();
    format!("<p class='legend'>{lines}</p>")
}

fn charts(charts: &[(String, &str)]) -> String {
    let figures = charts.iter().map(|(chart, name)| format!("<figure>{chart}<figcaption>{name}</figcaption></figure>"));
    format!("<div class='charts'>{}</div>", figures.collect::<String>())
}

fn stages(step: &Step) -> String {
    let mut table = Table::new(["stage", "mean ms", "p50", "p90", "p99", "p99.9", "max"]);
    for stage in &step.measured.stages {
        let spread = &stage.spread;
        let times = [spread.mean_ms, spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.p999_ms, spread.max_ms];
        table.row([stage.name.replace('_', " ")].into_iter().chain(times.map(|time| format!("{time:.3}"))));
    }
    table.to_string()
}

fn outcomes(step: &Step) -> String {
    let measured = &step.measured;
    let mut table = Table::new(["outcome", "listings", "p50 ms", "p99", "max"]);
    let mut row = |name: &str, count: u64, times: Option<crate::bench::spread::Spread>| {
        let times = times.map(|spread| [spread.p50_ms, spread.p99_ms, spread.max_ms].map(|time| format!("{time:.2}")));
        table.row([escape(name), count.to_string()].into_iter().chain(times.unwrap_or_default()));
    };
    row("right", measured.counts.right, Some(measured.latency));
    row("wrong and errors together", measured.counts.wrong + measured.counts.errors(), Some(measured.failed_latency));
    row("wrong", measured.counts.wrong, None);
    for (code, count) in &measured.counts.failed {
        row(code, *count, None);
    }
    row("not sent", measured.counts.not_sent, None);
    row("sent late, by this program", measured.send_lag.count, Some(measured.send_lag));
    table.to_string()
}

fn examples(step: &Step) -> String {
    if step.measured.examples.is_empty() {
        return String::new();
    }
    let lines: String =
        step.measured.examples.iter().map(|line| format!("<li><code>{}</code></li>", escape(line))).collect();
    format!("<p class='soft'>The first messages of wrong answers and errors:</p><ul>{lines}</ul>")
}

const DEFINITIONS: &str = "<section><h2>How to read this</h2>\
    <p><b>Latency</b> counts from the moment a listing was to be sent: in an open loop that moment does not depend on the \
    server, so waiting that a stall causes is in the figures. Only right answers have a latency; wrong answers and errors have \
    theirs in a row of their own.</p>\
    <p><b>Right</b>: the same risk, suggestion and probabilities (within 0.0001) as known. <b>Wrong</b>: anything else the \
    server says, also the answer to another request. <b>Not sent</b>: as many listings as allowed were on the way already. \
    <b>Faults</b>: wrong, errors and not sent.</p>\
    <p><b>Listings a second</b>: right answers that came within the measurement.</p>\
    <p><b>Stages</b> are the times the server states with each right answer, summed over a listing's photos; several photos \
    may be worked on at once, so stages may add up to more than the total. <b>Outside server</b>: from sending to the answer, \
    less the server's total: gRPC on both ends, the network, and this program.</p></section>";
