//! How a script ended, in the words of the contract. `prelude.js` puts most of it together; here it changes its form.

use crate::guest::bindings::exports::stepwell::script::runner::{Failed, Flaw};
use crate::guest::bindings::stepwell::function::types::Failure;
use crate::machine::Prelude;
use rquickjs::{Array, CaughtError, Ctx, IntoJs, Result, Value};

/// A failure that no further attempt mends.
pub(crate) fn permanent(code: &str, message: &str) -> Failed {
    Failed::Permanent(Failure { code: code.to_owned(), message: message.to_owned(), details: None })
}

/// The answer of `end`: `["ok", json]`, or as [`failed`] reads it.
pub(crate) fn ended(end: &Array<'_>) -> std::result::Result<String, Failed> {
    match (text(end, 0).as_deref(), text(end, 1)) {
        (Some("ok"), Some(json)) => Ok(json),
        _ => Err(failed(end)),
    }
}

/// What was thrown, as a failure.
pub(crate) fn threw<'js>(js: &Ctx<'js>, prelude: &Prelude<'js>, error: CaughtError<'js>) -> Failed {
    let described = || -> Result<Array<'js>> { prelude.function("described")?.call((value(js, error)?,)) };
    match described() {
        Ok(parts) => failed(&parts),
        Err(_) => permanent("function_error", "the function threw something that cannot be described"),
    }
}

/// What is wrong with the text.
pub(crate) fn flaw<'js>(js: &Ctx<'js>, prelude: &Prelude<'js>, error: CaughtError<'js>) -> Result<Flaw> {
    let placed: Array<'_> = prelude.function("placed")?.call((value(js, error)?,))?;
    let message = text(&placed, 0).unwrap_or_default();
    Ok(Flaw { message, line: placed.get(1).ok(), column: placed.get(2).ok() })
}

/// `[permanent or retryable, code, message, details, milliseconds]`; the last two may be missing.
fn failed(parts: &Array<'_>) -> Failed {
    let part = |at| text(parts, at).unwrap_or_default();
    let failure = Failure { code: part(1), message: part(2), details: text(parts, 3) };
    if part(0) == "permanent" {
        return Failed::Permanent(failure);
    }
    let after_ms = parts.get::<f64>(4).ok().map(|ms| ms as u64);
    Failed::Retryable((failure, after_ms))
}

fn text(parts: &Array<'_>, at: usize) -> Option<String> {
    parts.get(at).ok()
}

fn value<'js>(js: &Ctx<'js>, error: CaughtError<'js>) -> Result<Value<'js>> {
    match error {
        CaughtError::Exception(exception) => exception.into_js(js),
        CaughtError::Value(value) => Ok(value),
        CaughtError::Error(error) => rquickjs::Exception::from_message(js.clone(), &error.to_string())?.into_js(js),
    }
}
