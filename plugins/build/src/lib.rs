//! Builds the guests: `plugins/examples` and `plugins/fixtures`. Knows where they lie afterwards.
//!
//! Host tests take a guest by [`fixture`] or [`example`], and prove with [`foreach_fixture!`] that every fixture has a test:
//!
//! ```
//! # mod suite {
//! fn echo() { /* ... */ }
//! macro_rules! assert_test_exists { ($name:ident) => { const _: fn() = $name; }; }
//! # macro_rules! all { () => {
//! stepwell_guests::foreach_fixture!(assert_test_exists);
//! # } }
//! # }
//! ```

mod compile;
mod error;
mod fingerprint;
mod layout;
mod metadata;
mod process;
mod publish;
mod runner;
mod toolchain;

pub use error::Error;
pub use layout::{example, fixture, root};
pub use runner::{Checked, build_runner, check_runner};
pub use toolchain::Choice;

use std::fs;

include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// What [`build`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sources are those of the last build.
    UpToDate,
    /// Everything was built and published.
    Built,
}

/// Builds all guests, unless the sources are unchanged and the choice is [`Choice::Any`]. Says on stderr what it does.
///
/// Afterwards `target/guests/<function id>.wasm` holds each function of the examples, and `target/guests/fixtures/<name>.wasm`
/// each fixture. Two processes that build at the same time wait for each other.
///
/// # Errors
/// No toolchain can be had, a guest does not compile, or a file cannot be read or written.
pub fn build(choice: Choice) -> Result<Outcome, Error> {
    let paths = layout::Paths::new();
    fs::create_dir_all(&paths.target).map_err(Error::io(&paths.target))?;
    let lock = fs::File::create(paths.target.join("lock")).map_err(Error::io(&paths.target))?;
    lock.lock().map_err(Error::io(&paths.target))?;

    let fingerprint = fingerprint::of_sources(&paths)?;
    if choice == Choice::Any && publish::is_current(&paths, &fingerprint) {
        return Ok(Outcome::UpToDate);
    }
    let toolchain = toolchain::find(choice)?;
    eprintln!("building the guests with {}", toolchain.description());
    let guests = layout::Guests::list(&paths)?;
    compile::compile(&paths, &guests, &toolchain)?;
    publish::publish(&paths, &guests, &fingerprint)?;
    Ok(Outcome::Built)
}
