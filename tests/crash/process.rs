//! The program under test, as a process that may end at any moment, or not even begin.

use crate::api::{Api, KEY};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// How the program is started.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// What stands before the program: a tracer and its arguments.
    pub before: Vec<String>,
    /// More variables.
    pub variables: Vec<(String, String)>,
    /// More arguments of `serve`.
    pub args: Vec<String>,
}

impl Manner {
    /// With functions in processes of their own.
    pub fn isolated(mut self) -> Self {
        self.args.extend(["--isolation".to_owned(), "process".to_owned()]);
        self
    }
}

/// A process on a data folder.
pub struct Process {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    /// Where it logs, after what processes before it have logged.
    pub log: PathBuf,
}

impl Process {
    /// Starts it, and does not wait for anything. `folder` is where `data` and `log` are.
    pub fn spawn(folder: &Path, data: &Path, manner: &Manner) -> Self {
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log).expect("a file to log to");
        let program = env!("CARGO_BIN_EXE_stepwell").to_owned();
        let mut words = manner.before.iter().cloned().chain([program]);
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8", "--data"])
            .arg(data);
        command.args(&manner.args).env("STEPWELL_ADMIN_KEY", KEY).env("STEPWELL_LOG", "warn");
        command.env_remove("STEPWELL_MASTER_KEY").env_remove("STEPWELL_MASTER_KEY_FILE");
        command.envs(manner.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).process_group(0);
        let mut child = command.spawn().expect("starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, out, log }
    }

    /// The same, and waits until it listens. It may end before.
    pub fn start(folder: &Path, data: &Path, manner: &Manner) -> Result<(Self, Api), String> {
        let mut process = Self::spawn(folder, data, manner);
        let before = process.logged().len();
        loop {
            let mut line = String::new();
            if process.out.read_line(&mut line).unwrap_or_default() == 0 {
                let status = process.child.wait().expect("ends");
                let log = process.logged();
                return Err(format!("ended with {status}:\n{}", log.get(before..).unwrap_or(&log)));
            }
            if let Some(address) = line.trim_end().strip_prefix("listening on ") {
                let api = Api::new(address);
                return Ok((process, api));
            }
        }
    }

    /// `kill -9` of it and all that it has started.
    pub fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }

    /// SIGTERM, and its end.
    pub fn terminate(&mut self) -> ExitStatus {
        let group = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process_group(group, rustix::process::Signal::TERM).expect("signals");
        self.child.wait().expect("ends")
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("asks")
    }

    /// All that was logged in this folder.
    pub fn logged(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
