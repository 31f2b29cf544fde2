//! What the child process may use: it sets these limits itself, before it reads a byte.

use super::world::World;
use crate::config::CompileLimits;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Environment variables by which the parent says what it allows; otherwise the child's environment is empty.
const MEMORY: &str = "STEPWELL_COMPILE_MEMORY_BYTES";
const CPU: &str = "STEPWELL_COMPILE_CPU_SECONDS";
/// The variable by which it says what is compiled.
const WORLD: &str = "STEPWELL_COMPILE_WORLD";

/// How much it stands back, from 0 to 19: behind guests' long calls, too. An upload may wait for a moment, an execution should not.
const NICE: i32 = 10;

/// Open files: the three standard streams and what a runtime library may open.
const FILES: u64 = 16;

/// The C library's allocator reserves 64 MiB of addresses per thread, and maps each allocation alone, slowly, where it
/// cannot. One arena does for one working thread.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// The variables for a child with these limits, that compiles for this world.
pub(super) fn to_environment(limits: &CompileLimits, world: World) -> [(&'static str, String); 4] {
    [
        (MEMORY, limits.memory_bytes.to_string()),
        (CPU, limits.cpu_seconds.max(1).to_string()),
        (ARENAS, "1".to_owned()),
        (WORLD, world.name().to_owned()),
    ]
}

/// What this process compiles.
pub(super) fn world() -> World {
    std::env::var(WORLD).map_or(World::Function, |name| World::of(&name))
}

/// Confines this process.
pub(super) fn confine() -> rustix::io::Result<()> {
    crate::threads::be_nice(NICE);
    let default = CompileLimits::default();
    let variable = |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let cpu = variable(CPU, default.cpu_seconds);
    // At the soft limit the process gets SIGXCPU, which the parent can tell from the kernel's SIGKILL.
    set(Resource::Cpu, cpu, cpu.saturating_add(1))?;
    let memory = variable(MEMORY, default.memory_bytes);
    set(Resource::As, memory, memory)?;
    set(Resource::Fsize, 0, 0)?; // it writes into a pipe, never into a file
    set(Resource::Nofile, FILES, FILES)?;
    set(Resource::Core, 0, 0) // a core dump would hold the upload
}

fn set(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
}
