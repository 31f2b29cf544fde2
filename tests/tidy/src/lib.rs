//! House rules as tests: what clippy cannot know about this repository. `cargo tidy` runs them alone.
//!
//! They read the files that git has or would take, without building anything. Every message says what to do; where a rule has
//! an exception, the list of exceptions stands beside the rule, each with its reason.

#[cfg(test)]
mod codes;
#[cfg(test)]
mod entrance;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod files;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod rust;
#[cfg(test)]
mod style;
#[cfg(test)]
mod words;

/// Fails with every finding, and with what to do about them.
#[cfg(test)]
#[track_caller]
fn assert_none(findings: &[String], what_to_do: &str) {
    assert!(findings.is_empty(), "{what_to_do}\n  {}\n", findings.join("\n  "));
}
