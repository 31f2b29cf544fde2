//! What a process that runs guests leaves behind before it runs any: the right to files, to sockets, to further processes.

use crate::seccomp::{self, Purpose};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::fd::RawFd;

/// Open files: the standard streams, what waits for the sockets, and an anonymous file for each memory of a component
/// that is kept ready.
const FILES: u64 = 512;
/// Bytes of an anonymous file: the first contents of one memory.
const FILE_BYTES: u64 = crate::engine::MEMORY_BYTES_CEILING as u64;
/// Inherited files that the filter can shut.
const INHERITED: usize = 16;
/// How much sooner than the server the kernel ends this process when memory runs out: -1000 to 1000.
const OUT_OF_MEMORY_SCORE: &str = "500";

/// Confines this process for good, once all its threads run, and makes sure that it is.
///
/// # Errors
/// A text that says what does not work on this machine.
pub(super) fn confine(memory_bytes: u64, shut: &[RawFd]) -> Result<(), String> {
    // A server that is killed for the memory that its guests take would be their victim. Not every machine lets it be said.
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE);
    let limits = [
        (Resource::Core, 0), // a core dump would hold what tenants sent
        (Resource::Fsize, FILE_BYTES),
        (Resource::Memlock, 0),
        (Resource::Nofile, FILES),
        (Resource::Nproc, 0),
        // Not the address space: a pool reserves hundreds of gigabytes of addresses, and no memory.
        (Resource::Data, memory_bytes),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| format!("the limit {resource:?} cannot be set: {error}"))?;
    }
    seccomp::confine(Purpose::Guests, shut).map_err(|error| error.to_string())?;
    seccomp::holds().map_err(|what| format!("the filter of system calls does not hold: {what}"))
}

/// Files that this process was started with besides the standard streams: the server's own are closed by the system, so
/// whoever started the server left them open. Call it before anything is opened.
///
/// # Errors
/// They cannot be listed, or are too many to be shut.
pub(super) fn inherited() -> Result<Vec<RawFd>, String> {
    let unlisted = |error: std::io::Error| format!("the open files cannot be listed: {error}");
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(unlisted)? {
        let name = entry.map_err(unlisted)?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // The listing's own file is closed by now.
    open.retain(|fd| *fd > 2 && std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok());
    if open.len() > INHERITED {
        return Err(format!("the server was started with {} open files: close them", open.len()));
    }
    Ok(open)
}
