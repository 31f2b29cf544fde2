//! Processes: those that are measured, their time, their end.

use anyhow::Context as _;
use std::process::{Child, Command};
use std::time::Duration;

/// The kernel counts in hundredths of a second for whoever reads `/proc`.
const TICK: Duration = Duration::from_millis(10);

/// A process that ends with its owner.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self(command.spawn().with_context(|| format!("{command:?} does not start"))?))
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The time that these processes have had on the processors so far, in themselves and in the kernel.
pub fn cpu(pids: &[u32]) -> anyhow::Result<Duration> {
    pids.iter().map(|pid| ticks(*pid)).sum::<anyhow::Result<u32>>().map(|ticks| TICK * ticks)
}

fn ticks(pid: u32) -> anyhow::Result<u32> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name stands in parentheses and may contain anything; after it comes the third field.
    let (_, fields) = text.rsplit_once(") ").context("not as the kernel writes it")?;
    let field = |at: usize| fields.split(' ').nth(at).and_then(|field| field.parse::<u32>().ok());
    field(11).zip(field(12)).map(|(user, system)| user + system).context(path)
}

/// `kill -9`.
pub fn kill(pid: u32) {
    // An error means that it is gone already.
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
}

/// A port that nobody uses at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
