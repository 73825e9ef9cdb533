//! The figures of the product, measured: durable ingest on embedded SQLite beside Debian's Postfix that
//! throws mail away, latency, CPU, memory, and growth. The two servers take turns; medians are shown.
//!
//! `cargo bench --bench ingest`, `-- --quick` for a first look, `-- --help` for the rest.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a benchmark may fail, and says on standard error how far it is"
)]

mod load;

use std::time::Duration;

use clap::Parser;

use load::client::Until;
use load::server::{Round, Server, Shape, fdatasync_ms};

/// Measures Mailweave beside Postfix and prints each figure with its target.
#[derive(Parser)]
struct Options {
    /// A first look: two short rounds, growth to 50,000 messages.
    #[arg(long)]
    quick: bool,
    /// Rounds of each load and server; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stored messages at which growth is measured; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000)]
    fill: u64,
    /// Only the loads with this in their name; nothing else.
    #[arg(long)]
    only: Option<String>,
    /// Given by `cargo bench`; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A figure, what it should be, and whether it is.
struct Figure {
    name: String,
    measured: String,
    target: String,
    ok: bool,
}

/// A load that both servers are given, and the ratio that is asked for.
struct Comparison {
    name: &'static str,
    shape: Shape,
    ratio_min: f64,
}

const CROWD: &str = "200 sessions at once";
const GROWTH: &str = "growth";
const MB_AT_START: f64 = 40.0;
const MB_UNDER_LOAD: f64 = 80.0;
const CPU_SECONDS_PER_1000: f64 = 0.4;
const P99_MS_AT_8_SESSIONS: f64 = 10.0;
const MS_ABOVE_FDATASYNC: f64 = 2.0;
const GROWTH_MIN: f64 = 0.9;
/// A session that waits longer than this for its 250 has stalled.
const STALL_MS: f64 = 5_000.0;

const fn shape(sessions: usize, one_per_connection: bool, size: usize) -> Shape {
    Shape { sessions, one_per_connection, size }
}

const COMPARISONS: [Comparison; 5] = [
    Comparison {
        name: "50 sessions, many mails per connection",
        shape: shape(50, false, 10_240),
        ratio_min: 4.0,
    },
    Comparison {
        name: "50 sessions, one mail per connection",
        shape: shape(50, true, 10_240),
        ratio_min: 4.0,
    },
    Comparison { name: "8 sessions", shape: shape(8, false, 10_240), ratio_min: 2.5 },
    Comparison { name: "1 session", shape: shape(1, false, 10_240), ratio_min: 1.0 },
    Comparison { name: "50 sessions, 100 KB", shape: shape(50, false, 102_400), ratio_min: 3.0 },
];

fn main() {
    let options = Options::parse().settled();
    let mut mailweave = Server::mailweave();
    std::thread::sleep(Duration::from_secs(1));
    let at_start = mailweave.memory().now;
    let mut figures = comparisons(&options, &mut mailweave);
    if options.wants(CROWD) {
        figures.push(crowd(&options, &mut mailweave));
    }
    figures.extend(memory(at_start, &mailweave));
    drop(mailweave);
    if options.fill > 0 && options.wants(GROWTH) {
        figures.push(growth(&options));
    }
    print(&figures);
}

impl Options {
    fn settled(mut self) -> Self {
        if self.quick {
            self.rounds = self.rounds.min(2);
            self.seconds = self.seconds.min(2.0);
            self.fill = self.fill.min(50_000);
        }
        self
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    fn until(&self) -> Until {
        Until::Elapsed(Duration::from_secs_f64(self.seconds))
    }
}

/// The loads that both servers are given, in turn, and what else they show.
fn comparisons(options: &Options, mailweave: &mut Server) -> Vec<Figure> {
    let wanted: Vec<_> = COMPARISONS.iter().filter(|it| options.wants(it.name)).collect();
    let mut figures = Vec::new();
    if wanted.is_empty() {
        return figures;
    }
    let mut postfix = Server::postfix();
    for comparison in wanted {
        let (ours, theirs) = in_turn(options, comparison, mailweave, &mut postfix);
        figures.push(ratio(comparison, &ours, &theirs));
        match comparison.shape {
            Shape { sessions: 50, one_per_connection: false, size: 10_240 } => {
                figures.push(cpu(&ours, &theirs));
            }
            Shape { sessions: 8, .. } => figures.push(tail_latency(&ours)),
            Shape { sessions: 1, .. } => figures.push(lone_latency(&ours)),
            _ => {}
        }
    }
    figures
}

/// Rounds of both: A B A B.
fn in_turn(
    options: &Options,
    comparison: &Comparison,
    ours: &mut Server,
    theirs: &mut Server,
) -> (Vec<Round>, Vec<Round>) {
    eprintln!("{}", comparison.name);
    let mut rounds = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        rounds.0.push(round("Mailweave", ours, comparison.shape, options.until()));
        rounds.1.push(round("Postfix", theirs, comparison.shape, options.until()));
    }
    let memory = ours.memory();
    eprintln!("  Mailweave is at {:.0} MB, at most {:.0} MB so far", memory.now, memory.peak);
    rounds
}

fn round(name: &str, server: &mut Server, shape: Shape, until: Until) -> Round {
    let round = server.load(shape, until);
    let outcome = &round.outcome;
    eprintln!(
        "  {name:<9} {:>7.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {:.3} CPU s per 1,000  {} refused",
        outcome.rate(),
        outcome.latency_ms(0.5),
        outcome.latency_ms(0.99),
        round.cpu,
        outcome.refused
    );
    round
}

fn ratio(comparison: &Comparison, ours: &[Round], theirs: &[Round]) -> Figure {
    let rate = |rounds: &[Round]| median(rounds, |round| round.outcome.rate());
    let (ours, theirs) = (rate(ours), rate(theirs));
    let ratio = ours / theirs;
    Figure {
        name: comparison.name.to_owned(),
        measured: format!("{ours:.0}/s, Postfix {theirs:.0}/s: {ratio:.2} x"),
        target: format!(">= {} x", comparison.ratio_min),
        ok: ratio >= comparison.ratio_min,
    }
}

fn cpu(ours: &[Round], theirs: &[Round]) -> Figure {
    let (ours, theirs) = (median(ours, |round| round.cpu), median(theirs, |round| round.cpu));
    Figure {
        name: "CPU seconds per 1,000 mails of 10 KB".to_owned(),
        measured: format!("{ours:.3}, Postfix {theirs:.3}"),
        target: format!("<= {CPU_SECONDS_PER_1000}"),
        ok: ours <= CPU_SECONDS_PER_1000,
    }
}

fn tail_latency(ours: &[Round]) -> Figure {
    let p99 = median(ours, |round| round.outcome.latency_ms(0.99));
    Figure {
        name: "final dot to 250 at 8 sessions, p99".to_owned(),
        measured: format!("{p99:.2} ms"),
        target: format!("<= {P99_MS_AT_8_SESSIONS} ms"),
        ok: p99 <= P99_MS_AT_8_SESSIONS,
    }
}

fn lone_latency(ours: &[Round]) -> Figure {
    let p50 = median(ours, |round| round.outcome.latency_ms(0.5));
    let sync = fdatasync_ms(400);
    Figure {
        name: "final dot to 250, one client, median".to_owned(),
        measured: format!("{p50:.2} ms, fdatasync {sync:.2} ms"),
        target: format!("<= fdatasync + {MS_ABOVE_FDATASYNC} ms"),
        ok: p50 <= sync + MS_ABOVE_FDATASYNC,
    }
}

/// 200 sessions at once: nobody is refused, nobody stalls.
fn crowd(options: &Options, mailweave: &mut Server) -> Figure {
    eprintln!("{CROWD}");
    let outcome = round("Mailweave", mailweave, shape(200, false, 10_240), options.until()).outcome;
    let slowest = outcome.latency_ms(1.0);
    Figure {
        name: CROWD.to_owned(),
        measured: format!(
            "{:.0}/s, {} refused, slowest {slowest:.0} ms",
            outcome.rate(),
            outcome.refused
        ),
        target: format!("0 refused, < {STALL_MS:.0} ms"),
        ok: outcome.refused == 0 && slowest < STALL_MS,
    }
}

fn memory(at_start: f64, mailweave: &Server) -> [Figure; 2] {
    let peak = mailweave.memory().peak;
    let figure = |name: &str, megabytes: f64, below: f64| Figure {
        name: name.to_owned(),
        measured: format!("{megabytes:.1} MB"),
        target: format!("< {below:.0} MB"),
        ok: megabytes < below,
    };
    [
        figure("resident at start", at_start, MB_AT_START),
        figure("resident under all of the above, peak", peak, MB_UNDER_LOAD),
    ]
}

/// A store with many messages beside an empty one, in turn.
fn growth(options: &Options) -> Figure {
    const SHAPE: Shape = shape(50, false, 1_024);
    let (mut full, mut empty) = (Server::mailweave(), Server::mailweave());
    eprintln!("{GROWTH}: filling to {} messages of 1 KB", options.fill);
    while full.sent() < options.fill {
        let mails = (options.fill - full.sent()).min(100_000);
        round("filling", &mut full, SHAPE, Until::Mails(mails));
    }
    let mut rates = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        rates.0.push(round("full", &mut full, SHAPE, options.until()));
        rates.1.push(round("empty", &mut empty, SHAPE, options.until()));
    }
    let rate = |rounds: &[Round]| median(rounds, |round| round.outcome.rate());
    let (full_rate, empty_rate) = (rate(&rates.0), rate(&rates.1));
    let ratio = full_rate / empty_rate;
    Figure {
        name: format!("ingest at {} stored messages", options.fill),
        measured: format!("{full_rate:.0}/s, empty {empty_rate:.0}/s: {:.0} %", ratio * 100.0),
        target: format!(">= {:.0} %", GROWTH_MIN * 100.0),
        ok: ratio >= GROWTH_MIN,
    }
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn print(figures: &[Figure]) {
    println!("\n| figure | measured | target | |\n| --- | --- | --- | --- |");
    for Figure { name, measured, target, ok } in figures {
        println!("| {name} | {measured} | {target} | {} |", if *ok { "ok" } else { "**short**" });
    }
}
