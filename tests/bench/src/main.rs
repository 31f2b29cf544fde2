//! Benchmarks of the whole program: `tests/bench/run` builds what it needs and runs it. All that is compared is measured in the same run.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time, and its requests are nobody else's")]

mod figures;
mod floor;
mod http;
mod load;
mod process;
mod report;
mod restate;
mod rows;
mod stepwell;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rows::{Plan, progress};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Benchmarks: a table for people, and JSON for programs
#[derive(Debug, Parser)]
struct Args {
    /// The server's program
    #[arg(long, default_value = "target/debug/stepwell")]
    server: PathBuf,
    /// The compiled guests
    #[arg(long, default_value = "target/guests")]
    guests: PathBuf,
    /// Where the servers' data is kept meanwhile: a folder on the disk that matters
    #[arg(long, default_value = "target")]
    data: PathBuf,
    /// Restate's server
    #[arg(long, requires = "restate_worker")]
    restate_server: Option<PathBuf>,
    /// The worker for it
    #[arg(long, requires = "restate_server")]
    restate_worker: Option<PathBuf>,
    /// Only whether all of it runs, within a minute; the figures mean nothing
    #[arg(long)]
    short: bool,
    /// How often each is measured, in turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long one number of clients asks, in seconds
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Only these benches
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Figures of other programs, a line of JSON each
    #[arg(long, value_delimiter = ',')]
    with: Vec<PathBuf>,
    /// Where the JSON is written
    #[arg(long, default_value = "target/bench/results.json")]
    json: PathBuf,
    #[command(subcommand)]
    command: Option<Part>,
}

/// Parts of it in processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// Answer each request at once
    #[command(hide = true)]
    AnswerAtOnce,
    /// Measure nothing, but show where the server's time goes, with `perf`
    Profile {
        /// The fixture whose workflow is run: may_write or adds_one
        function: String,
        /// Clients at a time
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// What `perf` writes
        #[arg(long, default_value = "target/bench/perf.data")]
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if matches!(args.command, Some(Part::AnswerAtOnce)) {
        return floor::answer_at_once().await;
    }
    let plan = plan(&args)?;
    if let Some(Part::Profile { function, clients, file }) = &args.command {
        return rows::profile::profile(&plan, (function, *clients), file).await;
    }
    let mut rows = Vec::new();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    if wanted("workflows") {
        rows.extend(rows::workflows::rows(&plan).await?);
    }
    if wanted("syncs") {
        rows.extend(rows::syncs::rows(&plan).await?);
    }
    if wanted("latency") {
        rows.extend(rows::latency::rows(&plan).await?);
    }
    if wanted("chain") {
        rows.extend(rows::chain::rows(&plan).await?);
    }
    for file in &args.with {
        rows.extend(rows::others::rows(file)?);
    }
    let machine = machine(&plan)?;
    print!("{}", report::table(&rows));
    std::fs::create_dir_all(args.json.parent().context("a file in a folder")?)?;
    std::fs::write(&args.json, format!("{:#}\n", report::json(&machine, &rows)))?;
    progress(&format!("written to {}", args.json.display()));
    Ok(())
}

fn plan(args: &Args) -> anyhow::Result<Plan> {
    let server = args.server.canonicalize().with_context(|| format!("{}", args.server.display()))?;
    let restate = args.restate_server.clone().zip(args.restate_worker.clone());
    let paths = stepwell::Paths { program: server, guests: args.guests.clone(), data: args.data.clone() };
    Ok(Plan {
        paths,
        restate: restate.map(|(server, worker)| restate::Programs { server, worker }),
        rounds: if args.short { 1 } else { args.rounds },
        lasting: if args.short { Duration::from_millis(500) } else { Duration::from_secs(args.seconds) },
        short: args.short,
    })
}

/// What it was measured on.
fn machine(plan: &Plan) -> anyhow::Result<Value> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let restate = plan.restate.as_ref().map(restate::version).transpose()?;
    Ok(json!({
        "processors": std::thread::available_parallelism()?.get(),
        "model": model.map(|(_, name)| name),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").trim(),
        "stepwell": stepwell::version(&plan.paths.program)?,
        "restate": restate,
        "rounds": plan.rounds,
        "seconds": plan.lasting.as_secs_f64(),
        "short": plan.short,
    }))
}
