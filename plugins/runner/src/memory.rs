//! The allocator: a script that wants more memory than it may have ends there and then.
//!
//! QuickJS could throw instead, but an engine without memory has paths that nobody tests; and the failure would depend on
//! which allocation was the last. The trap becomes `memory_limit` in the host, which knows that it refused memory.
#![allow(unsafe_code, reason = "an allocator has no safe form; this one only looks at what the system's answers")]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which never answers null here.
struct Ending;

#[global_allocator]
static ALLOCATOR: Ending = Ending;

fn present(at: *mut u8) -> *mut u8 {
    if at.is_null() {
        std::process::abort();
    }
    at
}

// SAFETY: every call goes to `System` unchanged, and its answer comes back unchanged or not at all.
unsafe impl GlobalAlloc for Ending {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `System` asks for.
        present(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        present(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        present(unsafe { System.realloc(at, layout, size) })
    }
}
