//! A durable workflow of three steps over HTTP, waited for.

use super::{Plan, Rows, progress};
use crate::figures::{Load, Spread};
use crate::floor::Floor;
use crate::load::{Work, load};
use crate::report::{Row, Target};
use crate::restate::Restate;
use crate::stepwell::{How, Stepwell};

/// Clients at a time.
const CLIENTS: [usize; 3] = [1, 16, 64];
/// The fixtures: one that may have effects, one that can have none.
const FUNCTIONS: [&str; 2] = ["may_write", "adds_one"];
/// Restate's numbers of partitions: its best here, and its default.
const PARTITIONS: [u16; 2] = [1, 24];

/// What each number of clients saw.
type Loads = [Load; 3];

#[derive(Default)]
struct Seen {
    floor: Spread,
    ours: [Loads; 2],
    theirs: [Loads; 2],
}

/// Both workflows, against the floor and against Restate.
pub async fn rows(plan: &Plan) -> Rows {
    let mut seen = Seen::default();
    for round in 1..=plan.rounds {
        progress(&format!("workflows: round {round} of {}", plan.rounds));
        one_round(plan, &mut seen).await?;
    }
    let mut rows = Vec::new();
    rows.extend(figures(&seen, 0, "effectful", [1.3, 5.0, 0.25]));
    rows.extend(figures(&seen, 1, "effect-free", [0.2, 10.0, 1.0 / 6.0]));
    Ok(rows)
}

async fn one_round(plan: &Plan, seen: &mut Seen) -> anyhow::Result<()> {
    let mut floor = Floor::start(&plan.paths.data).await?;
    for (function, loads) in FUNCTIONS.iter().zip(&mut seen.ours) {
        seen.floor.add(floor.workflows(plan.lasting).await?);
        let server = Stepwell::start(&plan.paths, &How::default())?;
        let work = server.three_steps(function).await?;
        all_clients(plan, &work, (loads, &format!("ours, {function}"))).await?;
    }
    if let Some(programs) = &plan.restate {
        for (partitions, loads) in PARTITIONS.iter().zip(&mut seen.theirs) {
            let server = Restate::start(programs, *partitions, &plan.paths.data).await?;
            all_clients(plan, &server.work, (loads, &format!("Restate, {partitions} partitions"))).await?;
        }
    }
    Ok(())
}

async fn all_clients(plan: &Plan, work: &Work, (loads, who): (&mut Loads, &str)) -> anyhow::Result<()> {
    load(work, 16, plan.lasting).await?; // until it is warm
    for (clients, sum) in CLIENTS.iter().zip(loads) {
        let seen = load(work, *clients, plan.lasting).await?;
        progress(&format!(
            "{who}, {clients} clients: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.3} ms of processor time each",
            seen.rate(),
            seen.latencies.percentile(50),
            seen.latencies.percentile(99),
            seen.cpu_ms()
        ));
        sum.add(seen);
    }
    Ok(())
}

/// `targets`: of the latency at one client, of the throughput at 64, of the processor time.
fn figures(seen: &Seen, which: usize, kind: &str, [latency, throughput, processor]: [f64; 3]) -> Vec<Row> {
    let (ours, theirs) = (&seen.ours[which], &seen.theirs);
    let name = |what: &str| format!("3 {kind} steps, {what}");
    let p50 = ours[0].latencies.percentile(50);
    let mut rows = Vec::new();
    // Effectful steps are held against the disk, effect-free ones against Restate.
    let floor = Row::of(name("1 client, p50"), p50, "ms").against("4 fdatasync + HTTP", seen.floor.percentile(50));
    rows.push(if latency > 1.0 { floor.target(Target::AtMost(latency)) } else { floor });
    if theirs[0][0].latencies.len() == 0 {
        for (load, clients) in ours.iter().zip(CLIENTS) {
            rows.push(Row::of(name(&format!("{clients} clients")), load.rate(), "/s"));
            rows.push(Row::of(name(&format!("{clients} clients, p99")), load.latencies.percentile(99), "ms"));
        }
        rows.push(Row::of(name("64 clients, processor time"), ours[2].cpu_ms(), "ms"));
        return rows;
    }
    for (at, partitions) in PARTITIONS.iter().enumerate() {
        let against = |row: Row, figure: fn(&Load) -> f64, clients: usize| {
            row.against(format!("Restate, {partitions} partitions"), figure(&theirs[at][clients]))
        };
        let middle: fn(&Load) -> f64 = |load| load.latencies.percentile(50);
        let row = against(Row::of(name("1 client, p50"), p50, "ms"), middle, 0);
        let most = if latency > 1.0 { 0.25 } else { latency };
        rows.push(row.target(Target::AtMost(most)));
        rows.push(against(Row::of(name("16 clients"), ours[1].rate(), "/s"), Load::rate, 1));
        rows.push(
            against(Row::of(name("64 clients"), ours[2].rate(), "/s"), Load::rate, 2)
                .target(Target::AtLeast(throughput)),
        );
        let row = against(Row::of(name("64 clients, processor time"), ours[2].cpu_ms(), "ms"), Load::cpu_ms, 2);
        rows.push(row.target(Target::AtMost(processor)));
    }
    rows
}
