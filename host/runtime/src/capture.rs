//! What a guest said in one attempt: log lines, standard output and standard error, bounded and made safe to show.
//!
//! It never refuses: what is over the limits is cut or dropped and counted, and the last line says so.

use crate::text::printable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_engine::ports::LogLine;

/// Longest line that is kept, in bytes: long enough for a JSON document of one request, short enough for a page.
const LINE_BYTES: usize = 4 << 10;
/// What a line costs besides its text, so that empty lines cannot fill the memory.
const LINE_COST: usize = 32;
/// Most fields of one log call.
pub(crate) const FIELDS: usize = 32;
/// Longest name of a field, in bytes.
const FIELD_NAME_BYTES: usize = 128;
/// The field that marks a panic; its value is the place (`wit/v1/function.wit`).
const PANIC_FIELD: &str = "panic";
/// How Rust's standard library announces a panic on standard error.
const PANICKED_AT: &str = "panicked at ";

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipe {
    Stdout,
    Stderr,
}

/// Shared by the two streams and the log function of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct SharedCapture(Arc<Mutex<Capture>>);

impl SharedCapture {
    /// At most so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Capture::new(limit))))
    }

    /// The capture; nothing under the lock can be left half done.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Capture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines so far.
#[derive(Debug)]
pub(crate) struct Capture {
    lines: Vec<LogLine>,
    left: usize,
    limit: usize,
    dropped: u64,
    cut: u64,
    stdout: Partial,
    stderr: Partial,
    panic: Option<Panic>,
    last_error: Option<String>,
}

/// A line that has no end yet.
#[derive(Debug, Default)]
struct Partial {
    text: Vec<u8>,
    skipped: usize,
}

#[derive(Debug)]
struct Panic {
    text: String,
    wants_message: bool,
}

impl Capture {
    fn new(limit: usize) -> Self {
        Self {
            lines: Vec::new(),
            left: limit,
            limit,
            dropped: 0,
            cut: 0,
            stdout: Partial::default(),
            stderr: Partial::default(),
            panic: None,
            last_error: None,
        }
    }

    /// A call of the log interface. `more_fields` were not handed over.
    pub(crate) fn log(&mut self, level: &'static str, message: &str, fields: &[(&str, &str)]) {
        if let Some((_, place)) = fields.iter().find(|(name, _)| *name == PANIC_FIELD) {
            let text = printable(&format!("{PANICKED_AT}{place}: {message}"), LINE_BYTES);
            self.panic = Some(Panic { text, wants_message: false });
        }
        if level == "error" {
            self.last_error = Some(printable(message, LINE_BYTES));
        }
        self.cut += u64::from(message.len() > LINE_BYTES || fields.iter().any(|(_, value)| value.len() > LINE_BYTES));
        let fields = fields
            .iter()
            .map(|(name, value)| (printable(name, FIELD_NAME_BYTES), printable(value, LINE_BYTES)))
            .collect();
        self.keep(LogLine { level, message: printable(message, LINE_BYTES), fields });
    }

    /// Something of a log call was too long or too much and is not there.
    pub(crate) fn mark_cut(&mut self) {
        self.cut += 1;
    }

    /// Bytes of a stream; lines are found here.
    pub(crate) fn write(&mut self, pipe: Pipe, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.partial(pipe).push(&rest[..end]);
            self.end_line(pipe);
            rest = &rest[end + 1..];
        }
        self.partial(pipe).push(rest);
    }

    /// What the guest said last before it broke: a panic's place and text, else the last line of standard error or the
    /// last log line of level `error`.
    pub(crate) fn last_words(&mut self) -> LastWords {
        self.end_lines();
        match (&self.panic, &self.last_error) {
            (Some(panic), _) => LastWords::Panic(panic.text.clone()),
            (None, Some(line)) => LastWords::Line(line.clone()),
            (None, None) => LastWords::None,
        }
    }

    /// All lines; the last one says if there was more.
    pub(crate) fn finish(&mut self) -> Vec<LogLine> {
        self.end_lines();
        if self.dropped + self.cut > 0 {
            let message = format!(
                "the log is cut: {} lines dropped, {} lines shortened (at most {} bytes an attempt, {LINE_BYTES} a line)",
                self.dropped, self.cut, self.limit
            );
            self.lines.push(LogLine { level: "warn", message, fields: Vec::new() });
        }
        std::mem::take(&mut self.lines)
    }

    fn end_lines(&mut self) {
        for pipe in [Pipe::Stdout, Pipe::Stderr] {
            if !self.partial(pipe).text.is_empty() {
                self.end_line(pipe);
            }
        }
    }

    fn partial(&mut self, pipe: Pipe) -> &mut Partial {
        match pipe {
            Pipe::Stdout => &mut self.stdout,
            Pipe::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, pipe: Pipe) {
        let Partial { text, skipped } = std::mem::take(self.partial(pipe));
        let mut message = printable(&String::from_utf8_lossy(&text), LINE_BYTES);
        if skipped > 0 {
            self.cut += 1;
            message.push('…');
        }
        if pipe == Pipe::Stderr {
            self.note_error(&message);
        }
        let level = if pipe == Pipe::Stderr { "stderr" } else { "stdout" };
        self.keep(LogLine { level, message, fields: Vec::new() });
    }

    /// Remembers a panic, whose message is the line behind its place, and the last line that says something.
    fn note_error(&mut self, line: &str) {
        if let Some(at) = line.find(PANICKED_AT) {
            self.panic = Some(Panic { text: line[at..].to_owned(), wants_message: true });
        } else if let Some(panic) = &mut self.panic
            && panic.wants_message
            && !line.is_empty()
        {
            panic.text = format!("{} {line}", panic.text);
            panic.wants_message = false;
        }
        if !line.trim().is_empty() {
            self.last_error = Some(line.to_owned());
        }
    }

    fn keep(&mut self, line: LogLine) {
        let cost = LINE_COST
            + line.message.len()
            + line.fields.iter().map(|(name, value)| LINE_COST + name.len() + value.len()).sum::<usize>();
        if cost <= self.left {
            self.left -= cost;
            self.lines.push(line);
        } else {
            self.left = 0; // no shorter line slips in behind a dropped one: what is kept has no holes
            self.dropped += 1;
        }
    }
}

impl Partial {
    fn push(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.text.len()).min(bytes.len());
        self.text.extend_from_slice(&bytes[..room]);
        self.skipped += bytes.len() - room;
    }
}

/// See [`Capture::last_words`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LastWords {
    /// `panicked at src/lib.rs:10:5: boom`.
    Panic(String),
    /// A line that may explain it.
    Line(String),
    /// It was silent.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(capture: &mut Capture) -> Vec<String> {
        capture.finish().into_iter().map(|line| format!("{} {}", line.level, line.message)).collect()
    }

    #[test]
    fn streams_become_lines() {
        let mut capture = Capture::new(1_000);
        capture.write(Pipe::Stdout, b"a\nb");
        capture.write(Pipe::Stderr, b"\x1b[31mred\xff\n");
        capture.write(Pipe::Stdout, b"c\r\n\nd");
        assert_eq!(
            messages(&mut capture),
            ["stdout a", "stderr \u{fffd}[31mred\u{fffd}", "stdout bc ", "stdout ", "stdout d"]
        );
    }

    #[test]
    fn a_flood_is_dropped_and_marked() {
        let mut capture = Capture::new(1_000);
        for _ in 0..100_000 {
            capture.write(Pipe::Stdout, b"\nxxxxxxxx");
            capture.log("info", "hello", &[("a", "b")]);
        }
        let lines = capture.finish();
        assert!(lines.len() < 40 && lines.capacity() < 100, "{}", lines.len());
        assert!(lines.last().is_some_and(|l| l.level == "warn" && l.message.starts_with("the log is cut: 1999")));
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_marked() {
        let mut capture = Capture::new(64 << 10);
        for _ in 0..1_000 {
            capture.write(Pipe::Stderr, &[b'x'; 1_000]);
        }
        assert!(capture.stderr.text.capacity() <= 2 * LINE_BYTES);
        let lines = capture.finish();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].message.len() <= LINE_BYTES + 4 && lines[0].message.ends_with('…'));
    }

    #[test]
    fn a_panic_is_found_on_standard_error_and_in_the_log() {
        let mut capture = Capture::new(0);
        capture.write(Pipe::Stderr, b"\nthread 'main' (1) panicked at src/lib.rs:10:5:\nboom\nnote: run with");
        let expected = "panicked at src/lib.rs:10:5: boom".to_owned();
        assert_eq!(capture.last_words(), LastWords::Panic(expected.clone()));
        let mut capture = Capture::new(1_000);
        capture.log("error", "boom", &[(PANIC_FIELD, "src/lib.rs:10:5")]);
        assert_eq!(capture.last_words(), LastWords::Panic(expected));
        assert_eq!(capture.finish()[0].fields, [(PANIC_FIELD.to_owned(), "src/lib.rs:10:5".to_owned())]);
    }

    #[test]
    fn else_the_last_line_of_standard_error_counts() {
        let mut capture = Capture::new(1_000);
        capture.write(Pipe::Stdout, b"fine\n");
        assert_eq!(capture.last_words(), LastWords::None);
        capture.write(Pipe::Stderr, b"assertion failed\n\n");
        assert_eq!(capture.last_words(), LastWords::Line("assertion failed".into()));
    }
}
