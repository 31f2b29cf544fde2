//! Starts programs: with their output shown, or caught and bounded in time.

use crate::Error;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// How much of a failed program's output is repeated.
const SHOWN_LINES: usize = 15;

/// How much of its command line.
const SHOWN_ARGUMENTS: usize = 9;

/// Runs a program with its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let text = text(command);
    let status = command.stdin(Stdio::null()).status().map_err(Error::io(&text))?;
    if status.success() { Ok(()) } else { Err(Error::Command { command: text, output: String::new() }) }
}

/// Runs a program and returns its stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let name = text(command);
    let output = command.stdin(Stdio::null()).output().map_err(Error::io(&name))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command { command: name, output: end(&String::from_utf8_lossy(&output.stderr)) })
}

/// Runs a program that says what it does on stderr; nothing of it is shown. It is killed when the time is up.
pub(crate) fn quiet(command: &mut Command, limit: Duration) -> Result<(), Error> {
    let name = text(command);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::io(&name))?;
    let said = read_until(&mut child, limit);
    if said.is_none() {
        // It may have ended between the two lines: then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().map_err(Error::io(&name))?;
    match said {
        Some(_) if status.success() => Ok(()),
        Some(said) => Err(Error::Command { command: name, output: end(&said) }),
        None => Err(Error::Command { command: name, output: format!("no answer within {} s", limit.as_secs()) }),
    }
}

/// Everything that the program writes to stderr until it ends; nothing if it takes too long.
fn read_until(child: &mut Child, limit: Duration) -> Option<String> {
    let mut stderr = child.stderr.take()?;
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = stderr.read_to_end(&mut bytes);
        // The receiver is gone when the time was up.
        let _ = sender.send(result.map(|_| bytes));
    });
    let bytes = receiver.recv_timeout(limit).ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The beginning of the command line: enough to know it by.
fn text(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    let mut parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    if parts.len() > SHOWN_ARGUMENTS {
        parts.truncate(SHOWN_ARGUMENTS);
        parts.push("...".into());
    }
    parts.join(" ")
}

fn end(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
