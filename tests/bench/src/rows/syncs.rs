//! How often the disk is waited for: counted by `strace`, which makes the rest of the figures of such a run worthless.

use super::{Plan, Rows, progress};
use crate::load::requests;
use crate::report::{Row, Target};
use crate::stepwell::{How, Stepwell};
use std::path::Path;

/// Executions that are counted, at 64 clients.
const EXECUTIONS: usize = 2_000;
const CLIENTS: usize = 64;
/// Calls of the kernel that make something durable. `sync_file_range` does not: it waits for the device, but not for its cache.
const CALLS: &str = "trace=fdatasync,fsync,sync,syncfs";

/// Per workflow of three effectful steps, and of three effect-free ones.
pub async fn rows(plan: &Plan) -> Rows {
    let strace = std::process::Command::new("strace").arg("-V").output();
    if strace.is_err() {
        progress("syncs: there is no strace here, so that nothing is counted");
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for (function, kind) in [("may_write", "effectful"), ("adds_one", "effect-free")] {
        let each = syncs(plan, function).await?;
        progress(&format!("syncs: {each:.3} for a workflow of three {kind} steps"));
        let row = Row::of(format!("3 {kind} steps, 64 clients, durable syncs for each"), each, "syncs");
        rows.push(row.target(Target::AtMost(0.2)));
    }
    Ok(rows)
}

async fn syncs(plan: &Plan, function: &str) -> anyhow::Result<f64> {
    let trace = tempfile::NamedTempFile::new_in(&plan.paths.data)?;
    let file = trace.path().display().to_string();
    let below =
        ["strace", "-f", "-qq", "--seccomp-bpf", "-e", CALLS, "-e", "signal=none", "-o", &file].map(str::to_owned);
    let server = Stepwell::start(&plan.paths, &How { below: &below, ..How::default() })?;
    let work = server.three_steps(function).await?;
    let count = if plan.short { EXECUTIONS / 10 } else { EXECUTIONS };
    requests(&work, CLIENTS, count / 10).await?;
    let before = seen(trace.path())?;
    requests(&work, CLIENTS, count).await?;
    Ok((seen(trace.path())? - before) as f64 / count as f64)
}

/// Calls that have returned.
fn seen(trace: &Path) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(trace)?;
    Ok(text.lines().filter(|line| line.trim_end().ends_with("= 0")).count())
}
