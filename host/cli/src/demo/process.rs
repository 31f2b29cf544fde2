//! The demo's server: this very program, in a process of its own, so that it can be killed.

use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct ServerProcess {
    child: Child,
    address: String,
    first_key: Option<String>,
}

impl ServerProcess {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own file is not found")?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        let own = ["STEPWELL_ADMIN_KEY", "STEPWELL_MASTER_KEY", "STEPWELL_MASTER_KEY_FILE"];
        for variable in own {
            command.env_remove(variable);
        }
        command.env("STEPWELL_LOG", "warn").stdout(Stdio::piped());
        let mut child = command.spawn().context("the server did not start")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut first_key = None;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(address) = line.strip_prefix("listening on ") {
                return Ok(Self { child, address: address.to_owned(), first_key });
            }
            first_key = line.rsplit_once(": ").map(|(_, key)| key.to_owned()).or(first_key);
        }
        let status = child.wait()?;
        bail!("the server ended with {status} before it listened");
    }

    /// `http://ADDR`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The admin key of a first start.
    pub fn first_key(&self) -> Option<&str> {
        self.first_key.as_deref()
    }

    /// `kill -9`
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// `SIGTERM`, and waits for its end.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
