//! What happened, in order. Kept as text only if somebody wants to read it; its digest says whether two runs of a seed were the same.

use std::fmt::Write as _;

/// The trace of one seed.
pub struct Trace {
    shown: bool,
    line: String,
    digest: u64,
    lines: u64,
}

impl Trace {
    /// `shown`: each line is printed as it happens.
    pub fn new(shown: bool) -> Self {
        Self { shown, line: String::new(), digest: 0xcbf2_9ce4_8422_2325, lines: 0 }
    }

    /// Adds a line. `at`: milliseconds since the world began.
    pub fn add(&mut self, at: u64, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a text cannot fail.
        let _ = write!(self.line, "{at:>8} {what}");
        for byte in self.line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        if self.shown {
            eprintln!("{}", self.line);
        }
    }

    /// What all lines come to, and how many they are.
    pub fn digest(&self) -> (u64, u64) {
        (self.digest, self.lines)
    }
}
