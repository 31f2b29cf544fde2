//! How far the child is: Cranelift's hook for measuring its passes is called for each function, and a line goes to the server for each
//! hundredth of them.

use super::child::write;
use super::frame::Answer;
use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};
use std::any::Any;
use std::cell::Cell;

/// Lines for one upload, at most.
const LINES: u32 = 100;

/// Tells of what this thread compiles from now on, so many functions.
pub(super) fn tell(functions: usize) {
    let of = u32::try_from(functions).unwrap_or(u32::MAX);
    say(0, of);
    drop(set_thread_profiler(Box::new(Teller { of, begun: Cell::new(0) })));
}

struct Teller {
    of: u32,
    begun: Cell<u32>,
}

impl Profiler for Teller {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        if pass == Pass::compile {
            let done = self.begun.get();
            self.begun.set(done.saturating_add(1));
            if is_told(done, self.of) {
                say(done, self.of);
            }
        }
        Box::new(())
    }
}

/// Every hundredth. What the compiler makes besides the functions, to get from one to another, is not counted.
fn is_told(done: u32, of: u32) -> bool {
    (1..=of).contains(&done) && done.is_multiple_of(of.div_ceil(LINES))
}

fn say(done: u32, of: u32) {
    // If the server is gone, so is this process soon.
    let _ = write(&Answer::Progress { done, of }, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_functions_are_told_one_by_one_and_many_by_the_hundredth() {
        let told = |of| (0..of + 10).filter(|done| is_told(*done, of)).collect::<Vec<_>>();
        assert_eq!(told(3), [1, 2, 3]);
        assert_eq!(told(0), [0; 0]);
        for of in [99, 100, 101, 30_000] {
            let told = told(of);
            assert!(told.len() <= LINES as usize && told.len() >= 50, "{of}: {}", told.len());
        }
    }
}
