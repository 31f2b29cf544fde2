//! Guests in processes of their own (`--isolation process`): one for each tenant that has something to run.
//!
//! The server's side: `runtime` (the port) -> `pool` (which process) -> `worker` (one process: its frames, its end) ->
//! `session` (one call: answers what it asks for) -> `judge` (what a process says is checked like an upload).
//! The other side: `child` (reads calls) -> `remote` (asks the server) -> the very same `executor` and `call` as with threads.
//! Between them: `frames`, over one pair of sockets.
//!
//! What a process says is never trusted: whoever breaks out of WebAssembly owns the process, and with it what it says. It
//! has no files, no network and no way to start anything (`confine`, `crate::seccomp`), gets only what its own calls need, and is ended
//! when it breaks the rules.

mod child;
mod confine;
mod frames;
mod judge;
mod pool;
mod remote;
mod runtime;
mod session;
mod wire;
mod worker;

pub use child::guest_child_main;
pub use runtime::ProcessRuntime;
