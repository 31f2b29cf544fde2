//! The `Runtime` port on wasmtime: checks and compiles components in a child process, and makes one call of one function
//! in a fresh sandbox.
//!
//! The way of an upload: [`WasmtimeRuntime`]`::prepare` -> `cache` (compiled already?) -> `compile::parent` (starts the
//! child) -> `compile::child` (`scan`, `wrap`, `world`, `meta`, then Cranelift) -> `cache`.
//! The way of a call: `WasmtimeRuntime::invoke` -> `loaded` (component of a digest, kept) -> `call` (one store, one
//! instance, one deadline) -> `classify` (what the error was). A script goes the same way, with one component of ours, the
//! `runner`, in the place of its own; `scripts` checks one that is uploaded.
//!
//! What this crate never does: compile in the server's process, reuse a store, link the network or files, block a thread
//! of the API, or trust a compiled file that it did not sign.

mod cache;
mod call;
mod capture;
mod classify;
mod clock;
mod compile;
mod config;
mod contract;
mod engine;
#[cfg(test)]
#[path = "../tests/common/guests.rs"]
mod guests;
mod limiter;
mod linker;
mod loaded;
mod runner;
mod runtime;
mod scripts;
mod slices;
mod stdio;
mod text;
mod ticker;

pub use compile::compile_child_main;
pub use config::{CacheKey, CompileLimits, CompilerCommand, RuntimeConfig, SetupError};
pub use runtime::WasmtimeRuntime;
pub use text::printable;
