//! What ended a call that gave no result: decided by the type of the error, never by its text.

use crate::capture::LastWords;
use crate::text::printable;
use stepwell_engine::ports::Fault;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace, WasmtimeBug};
use wasmtime_wasi::I32Exit;

/// Functions of a backtrace that a message names.
const FRAMES: usize = 3;
/// Longest name of a function in a message.
const NAME_BYTES: usize = 120;
/// Longest message.
const MESSAGE_BYTES: usize = 4 << 10;

/// Where the error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Memories, tables and start functions.
    Instantiation,
    /// The handler.
    Call,
}

/// What is known of the attempt besides the error.
pub(crate) struct Circumstances {
    pub(crate) phase: Phase,
    pub(crate) memory_refused: bool,
    pub(crate) last_words: LastWords,
}

/// The fault behind an error of wasmtime.
pub(crate) fn fault(error: &Error, circumstances: Circumstances) -> Fault {
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::NoCapacity;
    }
    if error.is::<WasmtimeBug>() {
        tracing::error!(error = %format_args!("{error:?}"), "wasmtime found a bug of its own");
        return Fault::Host("the sandbox failed; the server's log says more".to_owned());
    }
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::OutOfFuel) => return Fault::OutOfFuel,
        Some(Trap::Interrupt) => return Fault::Timeout,
        Some(Trap::StackOverflow) => return Fault::StackOverflow,
        _ => {}
    }
    let outside = trap.is_none() && !error.is::<WasmBacktrace>() && !error.is::<I32Exit>();
    if circumstances.phase == Phase::Call && outside {
        // No frame of the guest is on the stack: it has answered, and the host could not take the answer over. That it is too
        // large has no type of its own, and is what remains.
        return match error.downcast_ref::<std::str::Utf8Error>() {
            Some(why) => Fault::InvalidOutput(message(&format!("not UTF-8: {why}"))),
            None => Fault::OutputLimit,
        };
    }
    // A guest that was refused memory and then ended by itself (Rust aborts, C returns null and traps or exits).
    if circumstances.memory_refused {
        return Fault::MemoryLimit;
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Fault::Exited(*status);
    }
    if circumstances.phase == Phase::Instantiation && trap.is_none() && !error.is::<WasmBacktrace>() {
        tracing::error!(error = %format_args!("{error:?}"), "a component could not be instantiated");
        return Fault::Host(message(&format!("the component could not be instantiated: {error:#}")));
    }
    Fault::Trapped(trapped(error, trap.copied(), circumstances.last_words))
}

fn trapped(error: &Error, trap: Option<Trap>, last_words: LastWords) -> String {
    if let LastWords::Panic(text) = last_words {
        return message(&text);
    }
    let mut text = match trap {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let names = innermost(error);
    if !names.is_empty() {
        text.push_str(&format!(", in {}", names.join(" < ")));
    }
    if let LastWords::Line(line) = last_words {
        text.push_str(&format!("; it said last: {line}"));
    }
    message(&text)
}

/// The names of the innermost functions, where the component has them.
fn innermost(error: &Error) -> Vec<String> {
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    let names = frames.iter().filter_map(|frame| frame.func_name());
    names.take(FRAMES).map(|name| printable(&format!("{:#}", rustc_demangle::demangle(name)), NAME_BYTES)).collect()
}

fn message(text: &str) -> String {
    printable(text, MESSAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(phase: Phase) -> Circumstances {
        Circumstances { phase, memory_refused: false, last_words: LastWords::None }
    }

    #[test]
    fn the_type_of_the_error_decides() {
        for (trap, expected) in [
            (Trap::OutOfFuel, Fault::OutOfFuel),
            (Trap::Interrupt, Fault::Timeout),
            (Trap::StackOverflow, Fault::StackOverflow),
        ] {
            let error = Error::from(trap).context("interrupt");
            assert_eq!(fault(&error, at(Phase::Call)), expected);
            let refused = Circumstances { memory_refused: true, ..at(Phase::Call) };
            assert_eq!(fault(&error, refused), expected, "the limit that was hit last counts");
        }
        assert_eq!(fault(&Error::from(I32Exit(3)), at(Phase::Call)), Fault::Exited(3));
        assert_eq!(fault(&Error::msg("all fuel consumed"), at(Phase::Call)), Fault::OutputLimit, "not by its text");
        assert!(matches!(fault(&Error::msg("no memory"), at(Phase::Instantiation)), Fault::Host(_)));
    }

    #[test]
    fn a_guest_that_ends_for_want_of_memory_hit_the_memory_limit() {
        for error in [Error::from(Trap::UnreachableCodeReached), Error::from(I32Exit(1)), Error::msg("initial size")] {
            let refused = Circumstances { memory_refused: true, ..at(Phase::Instantiation) };
            assert_eq!(fault(&error, refused), Fault::MemoryLimit);
        }
    }

    #[test]
    fn the_last_words_are_the_message() {
        let error = Error::from(Trap::UnreachableCodeReached);
        let with = |last_words| fault(&error, Circumstances { last_words, ..at(Phase::Call) });
        assert_eq!(
            with(LastWords::Panic("panicked at a:1:2: boom".into())),
            Fault::Trapped("panicked at a:1:2: boom".into())
        );
        let Fault::Trapped(text) = with(LastWords::Line("assertion failed".into())) else { panic!("not a trap") };
        assert!(text.contains("unreachable") && text.ends_with("it said last: assertion failed"), "{text}");
    }
}
