//! The two wasmtime engines: one that serves and cannot compile, one that compiles (in the child process) and serves
//! nothing. Both are made from one set of tunables, so that code of one runs in the other.

use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OperatorCost, OptLevel,
    PoolingAllocationConfig, Result, Strategy, WasmBacktraceDetails,
};

/// Raise it with every change of [`tunables`]: compiled code of an older revision is then never loaded.
const CONFIG_REVISION: u32 = 1;

/// Largest `memory_bytes` that an operator may allow (`limits.md`): the size of a memory slot of the pool.
pub(crate) const MEMORY_BYTES_CEILING: usize = 256 << 20;
/// Elements of one table. CPython and SpiderMonkey guests need tens of thousands.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
/// Core instances of one component. A small Rust guest has three, a composed component some ten.
pub(crate) const CORE_INSTANCES: u32 = 32;
/// Linear memories of one component. The adapter of preview 1 uses its guest's; composed components have one each.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one component.
pub(crate) const TABLES: u32 = 16;

/// Bytes of one core instance's own data. 4 MiB lets CPython guests in.
const CORE_INSTANCE_BYTES: usize = 4 << 20;
/// Bytes of one component instance's own data.
const COMPONENT_INSTANCE_BYTES: usize = 1 << 20;
/// Wasm's own stack. Well below [`ASYNC_STACK_BYTES`]: host functions run in the rest, and their overflow would end the process.
const WASM_STACK_BYTES: usize = 512 << 10;
/// The native stack of one call.
const ASYNC_STACK_BYTES: usize = 1 << 20;
/// Bytes of a memory slot that stay resident between calls: the working set of a guest with a small shadow stack, and the stack and the
/// constants of the runner of scripts. What lies behind is given back, and costs a page fault where it is written: two microseconds for
/// each 4 KiB. Putting more in order by hand costs guests that hardly use their memory more than it saves the others.
const MEMORY_KEEP_RESIDENT: usize = 448 << 10;
/// The same for tables and stacks: saves a few microseconds of page faults a call.
const KEEP_RESIDENT: usize = 16 << 10;
/// Slots whose pages are given back together: one system call instead of sixteen.
const DECOMMIT_BATCH: usize = 16;
/// Frames of a backtrace that are looked at.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(20).unwrap();

/// wasmtime's full version and our revision. wasmtime itself compares the major version only, so that code of a release
/// with a miscompilation would live on after the patch.
pub(crate) fn version() -> String {
    format!("{}-{CONFIG_REVISION}", wasmtime_environ::VERSION)
}

/// What decides how code is compiled and which code is accepted: the same for both engines.
pub(crate) fn tunables() -> Result<Config> {
    let mut c = Config::new();
    c.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed);
    c.consume_fuel(true).epoch_interruption(true);
    let mut cost = OperatorCost::default();
    cost.variable.memory_grow_per_page = 255; // growth would be free otherwise
    c.operator_cost(cost);
    // The component model's concurrency, the GC heap and exceptions had the worst advisories of 2026; no guest of our
    // world needs them. They stay compiled in: builds without `gc` or `threads` have abort bugs of their own.
    c.concurrency_support(false);
    c.gc_support(false).wasm_gc(false).wasm_function_references(false).wasm_exceptions(false);
    c.wasm_memory64(false).wasm_threads(false).shared_memory(false);
    // A retry and a replay compute the same.
    c.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    c.module_version(ModuleVersionStrategy::Custom(version()))?;
    // Names of functions, not file and line: those need DWARF, which the host would parse from the guest.
    c.wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES)).wasm_backtrace_details(WasmBacktraceDetails::Disable);
    c.native_unwind_info(false).debug_symbols(false).coredump_on_trap(false);
    c.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(ASYNC_STACK_BYTES).async_stack_zeroing(true);
    c.memory_init_cow(true);
    // `parallel_compilation(false)` is not called: wasmtime is built without that feature.
    Ok(c)
}

/// Slots for so many calls at a time.
pub(crate) fn pool(calls: u32) -> PoolingAllocationConfig {
    let mut p = PoolingAllocationConfig::new();
    p.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(8))
        .total_memories(calls.saturating_mul(2).max(MEMORIES))
        .total_tables(calls.saturating_mul(4).max(TABLES))
        .total_stacks(calls)
        .total_gc_heaps(0)
        .max_component_instance_size(COMPONENT_INSTANCE_BYTES)
        .max_core_instance_size(CORE_INSTANCE_BYTES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(2)
        .max_tables_per_module(4)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MEMORY_BYTES_CEILING)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .async_stack_keep_resident(KEEP_RESIDENT)
        .max_unused_warm_slots(calls)
        .decommit_batch_size(DECOMMIT_BATCH)
        .pagemap_scan(Enabled::No); // it misses pages that were swapped out: the next tenant would read them
    p
}

/// The engine that serves, and whether it has a pool.
pub(crate) struct Serving {
    /// It cannot compile.
    pub(crate) engine: Engine,
    /// Without the reservation of address space for a pool (a container with `ulimit -v`), slots are made on demand: slower.
    pub(crate) pooling: bool,
}

/// The engine of the server's process, for so many calls at a time.
pub(crate) fn serving(calls: u32, pooling: bool) -> Result<Serving> {
    let mut config = tunables()?;
    config.enable_compiler(false);
    if pooling {
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(calls)));
        match Engine::new(&pooled) {
            Ok(engine) => return Ok(Serving { engine, pooling: true }),
            Err(error) => {
                tracing::warn!(%error, calls, "no pool of instances: each call allocates its own, which is slower");
            }
        }
    }
    Ok(Serving { engine: Engine::new(&config)?, pooling: false })
}

/// The engine of the child process: it compiles, and instantiates nothing.
pub(crate) fn compiling() -> Result<Engine> {
    Engine::new(&tunables()?)
}

/// The child's engine without its compiler, to be compared with the one that serves: an engine with a compiler hashes
/// that compiler's flags too.
pub(crate) fn compiling_without_compiler() -> Result<Engine> {
    let mut config = tunables()?;
    config.enable_compiler(false);
    Engine::new(&config)
}

/// What must be equal for code of one engine to run in another, on this machine: tunables, features, wasmtime's version,
/// our revision, and the processor's features. 64 hexadecimal digits.
pub(crate) fn compatibility(engine: &Engine) -> String {
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    version().hash(&mut hasher);
    processor().hash(&mut hasher);
    stepwell_core::ids::Digest(hasher.0.finalize().into()).hex()
}

/// The processor's features that Cranelift uses: a data folder may move to another machine.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("sse3", std::is_x86_feature_detected!("sse3")),
        ("ssse3", std::is_x86_feature_detected!("ssse3")),
        ("sse4.1", std::is_x86_feature_detected!("sse4.1")),
        ("sse4.2", std::is_x86_feature_detected!("sse4.2")),
        ("cmpxchg16b", std::is_x86_feature_detected!("cmpxchg16b")),
        ("popcnt", std::is_x86_feature_detected!("popcnt")),
        ("avx", std::is_x86_feature_detected!("avx")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("bmi1", std::is_x86_feature_detected!("bmi1")),
        ("bmi2", std::is_x86_feature_detected!("bmi2")),
        ("lzcnt", std::is_x86_feature_detected!("lzcnt")),
        ("avx512bitalg", std::is_x86_feature_detected!("avx512bitalg")),
        ("avx512dq", std::is_x86_feature_detected!("avx512dq")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512vl", std::is_x86_feature_detected!("avx512vl")),
        ("avx512vbmi", std::is_x86_feature_detected!("avx512vbmi")),
    ];
    // Elsewhere the check that wasmtime makes when it loads code has to do: code for other features is then refused.
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    let present: Vec<_> = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    format!("{}+{}", std::env::consts::ARCH, present.join("+"))
}

/// A hasher that keeps all bits.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_agree_on_compiled_code() {
        let pooled = serving(2, true).expect("engine");
        let on_demand = serving(2, false).expect("engine");
        let child = compiling_without_compiler().expect("engine");
        assert!(pooled.pooling && !on_demand.pooling);
        assert_eq!(compatibility(&pooled.engine), compatibility(&child));
        assert_eq!(compatibility(&on_demand.engine), compatibility(&child));
    }

    #[test]
    fn code_of_the_child_loads_where_it_is_served_and_nothing_compiles_there() {
        let component = wat::parse_str("(component)").expect("wat");
        let code = compiling().expect("engine").precompile_component(&component).expect("compiles");
        assert!(!code.is_empty());
        let serving = serving(2, true).expect("engine");
        assert!(wasmtime::component::Component::from_binary(&serving.engine, &component).is_err());
    }

    #[test]
    fn text_is_not_accepted_as_a_component() {
        assert!(wasmtime::component::Component::new(&compiling().expect("engine"), "(component)").is_err());
    }

    #[test]
    fn the_version_in_compiled_code_has_the_patch() {
        assert!(version().starts_with("48.0.") && version().ends_with(&format!("-{CONFIG_REVISION}")), "{}", version());
    }
}
