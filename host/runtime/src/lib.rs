//! The `Runtime` port on wasmtime: checks and compiles components in a child process, and makes one call of one function
//! in a fresh sandbox.
//!
//! The way of an upload: [`WasmtimeRuntime`]`::prepare` -> `library` -> `cache` (compiled already?) -> `compile::parent` (starts the
//! child) -> `compile::child` (`scan`, `wrap`, `world`, `meta`, then Cranelift) -> `cache`.
//! The way of a call: `WasmtimeRuntime::invoke` -> `executor` -> `loaded` (component of a digest, kept) -> `call` (one store, one
//! instance, one deadline) -> `classify` (what the error was). A script goes the same way, with one component of ours, the
//! `runner`, in the place of its own; `scripts` checks one that is uploaded.
//! With [`ProcessRuntime`] the part from `executor` on is in a process of the tenant's own: see `workers`.
//!
//! What this crate never does: compile in the server's process, reuse a store, link sockets or files, block a thread
//! of the API, or trust a compiled file that it did not sign.

mod cache;
mod call;
mod capabilities;
mod capture;
mod classify;
mod clock;
mod compile;
mod config;
mod contract;
mod engine;
mod executor;
#[cfg(test)]
#[path = "../tests/common/guests.rs"]
mod guests;
mod library;
mod limiter;
mod linker;
mod loaded;
mod outgoing;
mod runner;
mod runtime;
mod scripts;
mod seccomp;
mod slices;
mod space;
mod stdio;
mod text;
mod threads;
mod ticker;
mod workers;

pub use compile::compile_child_main;
pub use config::{CacheKey, CompileLimits, CompilerCommand, RuntimeConfig, SetupError, WorkerConfig};
pub use runtime::WasmtimeRuntime;
pub use text::printable;
pub use workers::{ProcessRuntime, guest_child_main};
