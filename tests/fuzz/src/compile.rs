//! What looks at an upload before the compiler does: the sandbox's own files, without the sandbox, whose compiler of WebAssembly would take
//! ten minutes to build with instruments.
#![allow(dead_code, reason = "these files belong to another crate, which uses all that is in them")]

#[path = "../../../host/runtime/src/compile/features.rs"]
mod features;
#[path = "../../../host/runtime/src/compile/meta.rs"]
mod meta;
#[path = "../../../host/runtime/src/compile/scan.rs"]
mod scan;
#[path = "../../../host/runtime/src/compile/unfit.rs"]
mod unfit;
#[path = "../../../host/runtime/src/compile/world.rs"]
mod world;

/// As the sandbox has it, without what belongs to the compiler's process.
mod frame {
    use super::unfit::Code;

    #[derive(Debug)]
    pub(super) struct Refusal {
        pub(super) code: Code,
        pub(super) message: String,
    }

    pub(super) fn refuse(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }
}

/// All that happens to an upload before it is compiled. A refusal says why.
///
/// # Panics
/// It does not, unless a refusal says nothing.
pub fn upload(bytes: &[u8]) {
    if let Err(refusal) = looked_at(bytes) {
        assert!(!refusal.message.is_empty(), "{:?} says nothing", refusal.code);
        assert!(unfit::unfit(refusal.code, refusal.message).message.len() <= 4 << 10, "a message is bounded");
    }
}

fn looked_at(bytes: &[u8]) -> Result<(), frame::Refusal> {
    scan::kind(bytes)?;
    let scan = scan::scan(bytes)?;
    features::check(bytes)?;
    world::check(&scan, world::World::Function)?;
    meta::read(scan.metadata()).map(drop)
}
