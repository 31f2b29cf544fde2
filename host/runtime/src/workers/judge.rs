//! What a process says of a call, held to what a call can come to. An honest one is within these bounds by construction;
//! one that is not is owned by somebody else.

use super::wire::{WireFault, WireLine, WireOutcome};
use crate::engine::MEMORY_BYTES_CEILING;
use crate::text::printable;
use std::time::Duration;
use stepwell_core::failure::CODE_BYTES;
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{Fault, InvocationLimits, LogLine, Outcome, Usage};

/// Longest text of a fault that is no result of the function's own.
const TEXT_BYTES: usize = 8 << 10;
/// Longest line of a log, and the last line, which says that it is cut.
const LINE_BYTES: usize = 8 << 10;
/// Most fields of a line.
const FIELDS: usize = 32;

/// A process broke the rules: it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Breach(pub(super) &'static str);

/// The outcome, if it can be true; `elapsed` is the time that the server measured.
pub(super) fn outcome(wire: WireOutcome, limits: &InvocationLimits, elapsed: Duration) -> Result<Outcome, Breach> {
    let WireOutcome { result, fuel, memory_bytes, elapsed: said, log } = wire;
    if fuel > limits.fuel {
        return Err(Breach("more fuel than the call had"));
    }
    let memory_bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    if memory_bytes > limits.memory_bytes.min(MEMORY_BYTES_CEILING) {
        return Err(Breach("more memory than the call had"));
    }
    let usage = Usage { fuel, memory_bytes, elapsed: said.min(elapsed) };
    let result = match result {
        Ok(text) if text.len() > limits.output_bytes => return Err(Breach("a result larger than the call's limit")),
        Ok(text) => Payload::parse(&text).map_err(|_| Fault::Host("its result is not JSON".to_owned())),
        Err(wire) => Err(fault(wire, limits)?),
    };
    Ok(Outcome { result, usage, log: lines(log, limits.log_bytes)? })
}

/// The fault, made safe to show.
pub(super) fn fault(wire: WireFault, limits: &InvocationLimits) -> Result<Fault, Breach> {
    Ok(match Fault::from(wire) {
        Fault::Failed { code, message, details, retry } => {
            let size = message.len() + details.as_ref().map_or(0, |details| details.as_str().len());
            if size > limits.output_bytes.saturating_add(TEXT_BYTES) {
                return Err(Breach("a failure larger than the call's limit"));
            }
            Fault::Failed { code: printable(&code, CODE_BYTES + 1), message, details, retry }
        }
        Fault::Trapped(text) => Fault::Trapped(printable(&text, TEXT_BYTES)),
        Fault::InvalidOutput(text) => Fault::InvalidOutput(printable(&text, TEXT_BYTES)),
        Fault::Host(text) | Fault::Lost(text) => Fault::Host(printable(&text, TEXT_BYTES)),
        plain => plain,
    })
}

fn lines(log: Vec<WireLine>, limit: usize) -> Result<Vec<LogLine>, Breach> {
    let mut left = limit.saturating_add(LINE_BYTES);
    let mut lines = Vec::new();
    for (level, message, fields) in log {
        let size = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        left = left.checked_sub(size.max(1)).ok_or(Breach("a log longer than the call's limit"))?;
        if fields.len() > FIELDS {
            return Err(Breach("a log line with more fields than there can be"));
        }
        let show = |text: &str| printable(text, LINE_BYTES);
        let fields = fields.iter().map(|(name, value)| (show(name), show(value))).collect();
        lines.push(LogLine { level: known(&level)?, message: show(&message), fields });
    }
    Ok(lines)
}

fn known(level: &str) -> Result<&'static str, Breach> {
    const LEVELS: [&str; 7] = ["trace", "debug", "info", "warn", "error", "stdout", "stderr"];
    LEVELS.into_iter().find(|known| *known == level).ok_or(Breach("a log level that there is not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InvocationLimits = InvocationLimits {
        timeout: Duration::from_secs(1),
        fuel: 1_000,
        memory_bytes: 1 << 20,
        output_bytes: 100,
        log_bytes: 1_000,
        weight: 1,
    };

    fn said() -> WireOutcome {
        WireOutcome {
            result: Ok("{\"a\":1}".to_owned()),
            fuel: 1_000,
            memory_bytes: 1 << 20,
            elapsed: Duration::from_secs(9),
            log: vec![("info".to_owned(), "hello".to_owned(), vec![("a".to_owned(), "b".to_owned())])],
        }
    }

    fn judged(change: impl FnOnce(&mut WireOutcome)) -> Result<Outcome, Breach> {
        let mut wire = said();
        change(&mut wire);
        outcome(wire, &LIMITS, Duration::from_secs(2))
    }

    #[test]
    fn what_can_be_true_is_taken_over() {
        let outcome = judged(|_| ()).expect("within the limits");
        assert_eq!(outcome.result.expect("a result").as_str(), "{\"a\":1}");
        assert_eq!((outcome.usage.fuel, outcome.usage.elapsed), (1_000, Duration::from_secs(2)), "as measured");
        assert_eq!((outcome.log[0].level, outcome.log[0].message.as_str()), ("info", "hello"));
        // Four KiB a line, and the last one that says that lines were dropped.
        assert!(judged(|o| o.log.push(("warn".into(), "x".repeat(8 << 10), Vec::new()))).is_ok());
    }

    #[test]
    fn what_cannot_be_true_is_a_breach() {
        let line = |level: &str, text: String| (level.to_owned(), text, Vec::new());
        for (name, judged) in [
            ("fuel", judged(|o| o.fuel = 1_001)),
            ("memory", judged(|o| o.memory_bytes = (1 << 20) + 1)),
            ("memory", judged(|o| o.memory_bytes = u64::MAX)),
            ("result", judged(|o| o.result = Ok(format!("\"{}\"", "x".repeat(99))))),
            ("log", judged(|o| o.log.push(line("info", "x".repeat(9_200))))),
            ("log", judged(|o| o.log = vec![line("info", String::new()); 10_000])),
            ("level", judged(|o| o.log.push(line("fatal", String::new())))),
            ("fields", judged(|o| o.log[0].2 = vec![(String::new(), String::new()); 33])),
        ] {
            assert!(judged.is_err_and(|breach| breach.0.contains(name)), "{name}");
        }
        let failed = |size| WireFault::Failed {
            code: "x".repeat(1_000),
            message: "x".repeat(size),
            details: None,
            retry: super::super::wire::WireRetry::Never,
        };
        assert!(judged(|o| o.result = Err(failed(100_000))).is_err());
        let Ok(Outcome { result: Err(Fault::Failed { code, .. }), .. }) = judged(|o| o.result = Err(failed(10))) else {
            panic!("not a failure")
        };
        assert!(code.len() < 80, "{code}");
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let outcome = judged(|o| {
            o.log[0].1 = "\u{1b}[31m".to_owned();
            o.result = Err(WireFault::Trapped("\u{1b}[31m\n".to_owned()));
        });
        let outcome = outcome.expect("within the limits");
        assert_eq!(outcome.log[0].message, "\u{fffd}[31m");
        assert_eq!(outcome.result, Err(Fault::Trapped("\u{fffd}[31m ".to_owned())));
        let said = judged(|o| o.result = Err(WireFault::Lost("again".to_owned()))).expect("within the limits");
        assert_eq!(
            said.result,
            Err(Fault::Host("again".to_owned())),
            "only the server knows whether a process is gone"
        );
    }

    #[test]
    fn a_result_that_is_no_json_is_a_fault_of_the_host() {
        let outcome = judged(|o| o.result = Ok("{".to_owned())).expect("no breach");
        assert!(matches!(outcome.result, Err(Fault::Host(_))));
    }
}
