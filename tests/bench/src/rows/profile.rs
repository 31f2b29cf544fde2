//! Where the server's processor time goes under load: for whoever wants to know why a figure is what it is.

use super::{Plan, progress};
use crate::load::load;
use crate::process::Running;
use crate::stepwell::{How, Stepwell};
use std::path::Path;
use std::process::Command;

/// Load on a server, with `perf` looking on; what it saw is written to a file for `perf report`.
pub async fn profile(plan: &Plan, (function, clients): (&str, usize), file: &Path) -> anyhow::Result<()> {
    let server = Stepwell::start(&plan.paths, &How::default())?;
    let work = server.three_steps(function).await?;
    load(&work, clients, plan.lasting / 4).await?;
    let mut command = Command::new("perf");
    command.args([
        "record",
        "--quiet",
        "-e",
        "cpu-clock",
        "-F",
        "299",
        "--call-graph",
        "dwarf,16384",
        "-p",
        &server.pid.to_string(),
        "-o",
    ]);
    let mut perf = Running::start(command.arg(file).args(["--", "sleep", &plan.lasting.as_secs().to_string()]))?;
    let seen = load(&work, clients, plan.lasting).await?;
    tokio::task::block_in_place(|| perf.0.wait())?;
    progress(&format!(
        "{function}, {clients} clients: {:.0}/s, p50 {:.2} ms, {:.3} ms of processor time each; `perf report -i {}` shows the rest",
        seen.rate(),
        seen.latencies.percentile(50),
        seen.cpu_ms(),
        file.display()
    ));
    Ok(())
}
