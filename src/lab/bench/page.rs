//! The report as one page.

use maud::Markup;
use maud::Render;
use maud::html;

use crate::bench::plot;
use crate::bench::report::Report;
use crate::bench::report::Step;
use crate::bench::text::codes;
use crate::page;
use crate::page::document;
use crate::page::table::Table;

/// Whole HTML, no file beside it.
pub fn page(report: &Report) -> Markup {
    let body = html! {
        (header(report))
        @if report.steps.len() > 1 || report.searched.is_some() { (rates(report)) }
        @for step in &report.steps { (section(step)) }
        (definitions())
    };
    document("en", &format!("Wildwarden load test: {}", report.address), &body)
}

fn header(report: &Report) -> Markup {
    html! {
        h1 { "Wildwarden load test" }
        (warnings(report))
        .card { dl { (facts(report)) } }
    }
}

/// What was loaded, and with what, as terms and what they are.
fn facts(report: &Report) -> Markup {
    let (input, client) = (&report.input, &report.client);
    html! {
        dt { "server" }
        dd { code { (report.address) } }
        dt { "load" }
        dd { (mode(report)) }
        dt { "sent" }
        dd {
            (input.listings) " distinct listings with " (input.images) " photos, "
            (format!("{:.1}", input.bytes as f64 / 1e6)) " MB"
            @if input.unique { ", each sent with bytes of its own" }
        }
        dt { "right is" }
        dd {
            @if let Some(path) = &report.known_from {
                "what " code { (path) } " says"
            } @else {
                "what each listing was rated when it was sent alone, before the load"
            }
        }
        dt { "answered by" }
        dd {
            @for (place, (models, answers)) in report.versions.iter().enumerate() {
                @if place > 0 { br; }
                (answers) " answers by " (models)
            }
        }
        dt { "client" }
        dd {
            "wildwarden " (report.program) ", connections: " (client.connections) ", seed " (client.seed)
            @if let Some(seconds) = client.cpu_seconds { (format!(", {seconds:.2} s of CPU")) }
        }
    }
}

fn mode(report: &Report) -> String {
    let warmup = format!("; warm-up of {} s", report.client.warmup_seconds);
    let most = report.client.max_in_flight;
    match report.mode {
        "closed" => "closed loop: each caller sends when its answer is there".to_owned() + &warmup,
        mode => format!("{mode}: an open loop with Poisson arrivals, at most {most} listings on the way{warmup}"),
    }
}

fn warnings(report: &Report) -> Markup {
    let mut warnings = report.faults(false);
    if report.interrupted {
        warnings.push("stopped before its end".to_owned());
    }
    html! {
        @if !warnings.is_empty() {
            .card.warn { b { "Not a clean run." } " " (warnings.join("; ")) "." }
        }
    }
}

/// All steps in one table and two charts.
fn rates(report: &Report) -> Markup {
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
    let charts = [
        (plot::latency_by_rate(&report.steps, limit), "Latency against the offered rate"),
        (
            plot::throughput_by_rate(&report.steps),
            "Right answers against the offered rate; dashed: all that is offered",
        ),
    ];
    html! {
        section {
            h2 { "Rates" }
            (found(report))
            (legend())
            (page::charts(&charts))
            (table)
        }
    }
}

/// What a search found.
fn found(report: &Report) -> Markup {
    let Some(searched) = report.searched else { return Markup::default() };
    let limit = searched.p99_limit_ms;
    html! {
        @if let Some(rate) = searched.listings_per_second {
            p {
                b { (format!("{rate:.1}")) " listings a second" }
                " is the highest rate with a p99 of at most " (limit) " ms."
            }
        } @else {
            p { b { "No rate" } " has a p99 of at most " (limit) " ms." }
        }
    }
}

fn errors(step: &Step) -> String {
    let counts = &step.measured.counts;
    if counts.errors() == 0 { "0".to_owned() } else { codes(counts) }
}

fn section(step: &Step) -> Markup {
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
    let over_time = if step.offered.is_some() {
        "Right answers and faults over time; dashed: the mean rate that is offered"
    } else {
        "Right answers and faults over time"
    };
    let charts = [
        (plot::throughput(step), over_time),
        (plot::latency(step), "Latency over time"),
        (plot::percentiles(step), "Latency by percentile"),
        (plot::stages(step), "Where the time went"),
    ];
    html! {
        section {
            h2 { (step.name()) }
            .tiles { @for (value, name) in tiles { .tile { b { (value) } span { (name) } } } }
            (legend())
            (page::charts(&charts))
            h3 { "Where the time went" }
            (stages(step))
            h3 { "Outcomes" }
            (outcomes(step))
            (examples(step))
        }
    }
}

fn legend() -> Markup {
    let lines = [
        (plot::MEDIAN, "median"),
        (plot::TAIL, "99th percentile"),
        (plot::RATE, "right answers"),
        (plot::FAULTS, "faults"),
    ];
    html! {
        p.legend { @for (colour, name) in lines { i style={ "background:" (colour) } {} (name) } }
    }
}

fn stages(step: &Step) -> Markup {
    let mut table = Table::new(["stage", "mean ms", "p50", "p90", "p99", "p99.9", "max"]);
    for stage in &step.measured.stages {
        let spread = &stage.spread;
        let times = [spread.mean_ms, spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.p999_ms, spread.max_ms];
        table.row([stage.name.replace('_', " ")].into_iter().chain(times.map(|time| format!("{time:.3}"))));
    }
    table.render()
}

fn outcomes(step: &Step) -> Markup {
    let measured = &step.measured;
    let mut table = Table::new(["outcome", "listings", "p50 ms", "p99", "max"]);
    let mut row = |name: &str, count: u64, times: Option<crate::bench::spread::TimeSummary>| {
        let times = times.map(|spread| [spread.p50_ms, spread.p99_ms, spread.max_ms].map(|time| format!("{time:.2}")));
        table.row([name.to_owned(), count.to_string()].into_iter().chain(times.unwrap_or_default()));
    };
    row("right", measured.counts.right, Some(measured.latency));
    row("wrong and errors together", measured.counts.wrong + measured.counts.errors(), Some(measured.failed_latency));
    row("wrong", measured.counts.wrong, None);
    for (code, count) in &measured.counts.failed {
        row(code, *count, None);
    }
    row("not sent", measured.counts.not_sent, None);
    row("sent late, by this program", measured.send_lag.count, Some(measured.send_lag));
    table.render()
}

fn examples(step: &Step) -> Markup {
    let examples = &step.measured.examples;
    html! {
        @if !examples.is_empty() {
            p.soft { "The first messages of wrong answers and errors:" }
            ul { @for line in examples { li { code { (line) } } } }
        }
    }
}

fn definitions() -> Markup {
    html! {
        section {
            h2 { "How to read this" }
            p {
                b { "Latency" } " counts from the moment a listing was to be sent: in an open loop that moment does not depend \
                 on the server, so waiting that a stall causes is in the figures. Only right answers have a latency; wrong \
                 answers and errors have theirs in a row of their own."
            }
            p {
                b { "Right" } ": the same risk, suggestion and probabilities (within 0.0001) as known. "
                b { "Wrong" } ": anything else the server says, also the answer to another request. "
                b { "Not sent" } ": as many listings as allowed were on the way already. "
                b { "Faults" } ": wrong, errors and not sent."
            }
            p { b { "Listings a second" } ": right answers that came within the measurement." }
            p {
                b { "Stages" } " are the times the server states with each right answer, summed over a listing's photos; \
                 several photos may be worked on at once, so stages may add up to more than the total. "
                b { "Outside server" } ": from sending to the answer, less the server's total: gRPC on both ends, the network, \
                 and this program."
            }
        }
    }
}
