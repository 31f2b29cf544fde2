//! An uploaded script, before it is a function: it must be text, must fit the language, and must have a function to call.

use crate::cache::Facts;
use crate::call;
use crate::clock;
use crate::compile::{Code, unfit};
use crate::contract::Flaw;
use crate::executor::Executor;
use crate::runner::Runner;
use std::time::Duration;
use stepwell_engine::ports::{Fault, FunctionMeta, InvocationLimits, Kind, Place, RuntimeError, Unfit};

/// What a check may use: the fuel of an attempt, because a script of a megabyte needs a good part of it to be parsed, in every attempt too.
pub(crate) const LIMITS: InvocationLimits = InvocationLimits {
    timeout: Duration::from_secs(20),
    fuel: 10_000_000_000,
    memory_bytes: 128 << 20,
    output_bytes: 64 << 10,
    log_bytes: 0,
    weight: 1,
};
/// How long a check waits while all slots are taken by calls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every script is: one function, which may be called by any name.
pub(crate) fn facts() -> Facts {
    let function = FunctionMeta::default();
    Facts { kind: Kind::JavaScript, functions: vec![function], imports: Vec::new() }
}

/// The text of a script. A byte order mark before it is not part of it.
pub(crate) fn text(source: &[u8]) -> Result<Box<str>, Unfit> {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    match std::str::from_utf8(source) {
        Ok(text) if text.contains('\0') => {
            Err(refusal("the script holds a zero byte: it is not JavaScript".to_owned(), None))
        }
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let message = format!("the script is not UTF-8 at byte {}: save it in that encoding", error.valid_up_to());
            Err(refusal(message, None))
        }
    }
}

/// What a check found: nothing against the script, and the milliseconds that it took; or what is wrong with it.
pub(crate) type Checked = Result<Result<u64, Flaw>, Fault>;

/// Runs the script's top-level code in a sandbox of its own.
pub(crate) async fn check(executor: &Executor, runner: &Runner, text: &str) -> Checked {
    let patience = clock::after(clock::now(), PATIENCE);
    let slot = clock::until(patience, executor.slots.acquire()).await.and_then(Result::ok);
    let _slot = slot.ok_or(Fault::NoCapacity)?;
    let _busy = executor.ticker.busy();
    let start = clock::now();
    let answer = Box::pin(call::check(runner, text, &LIMITS)).await?;
    let elapsed = clock::now().saturating_duration_since(start);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    Ok(answer.map(|()| elapsed_ms))
}

/// What follows from it for the upload.
pub(crate) fn verdict(checked: Checked) -> Result<u64, RuntimeError> {
    match checked {
        Ok(Ok(elapsed_ms)) => Ok(elapsed_ms),
        Ok(Err(Flaw { message, line, column })) => {
            let place = line.zip(column).map(|(line, column)| Place { line, column });
            Err(refusal(message, place).into())
        }
        Err(fault) => Err(judged(fault)),
    }
}

/// A check that gave no answer.
fn judged(fault: Fault) -> RuntimeError {
    let what = match fault {
        Fault::OutOfFuel | Fault::Timeout => "does not end, or computes too long",
        Fault::MemoryLimit => "takes too much memory",
        Fault::StackOverflow => "recurses, or is nested, too deeply",
        Fault::Trapped(_) | Fault::Exited(_) | Fault::OutputLimit | Fault::InvalidOutput(_) | Fault::Failed { .. } => {
            "ends the engine that runs it"
        }
        Fault::NoCapacity => return RuntimeError::Unavailable("all slots of the sandbox are taken".to_owned()),
        Fault::Host(why) | Fault::Lost(why) => return RuntimeError::Unavailable(why),
    };
    let message = format!(
        "the script's top-level code {what}: leave there only what every attempt needs first, and do the work in the function"
    );
    refusal(message, None).into()
}

/// A refusal that says where, if it has a place.
fn refusal(message: String, place: Option<Place>) -> Unfit {
    let message = match place {
        Some(Place { line, column }) => format!("{message} (line {line}, column {column})"),
        None => message,
    };
    Unfit { place, ..unfit(Code::InvalidScript, message) }
}
