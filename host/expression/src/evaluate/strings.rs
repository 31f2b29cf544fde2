//! The methods of texts. Positions and lengths count UTF-16 units.

use std::sync::Arc;

use super::literals::{ENTRY_BYTES, ITEM_BYTES, array};
use super::text::{self, Builder};
use super::{Answer, clamped, convert, count, from_end, integer, position, within};
use crate::budget::Budget;
use crate::builtin::Method;
use crate::error::EvalError;
use crate::value::{Value, number};

/// Calls a method; nothing if texts do not have it.
pub(super) fn call(
    method: Method,
    text: &Arc<str>,
    arguments: &[Value],
    budget: &mut Budget,
) -> Result<Option<Value>, EvalError> {
    budget.scan(text.len())?;
    Ok(Some(match method {
        Method::At | Method::CharAt | Method::CharCodeAt | Method::CodePointAt => {
            character(method, text, integer(arguments, 0, 0.0, budget)?)
        }
        Method::Concat => {
            let mut pieces = vec![text.clone()];
            for argument in arguments {
                pieces.push(convert::to_text(argument, budget)?);
            }
            text::concat(&pieces.iter().map(|piece| &**piece).collect::<Vec<_>>(), budget)?
        }
        Method::Includes | Method::IndexOf | Method::LastIndexOf | Method::StartsWith | Method::EndsWith => {
            search(method, text, arguments, budget)?
        }
        Method::PadStart | Method::PadEnd => pad(method, text, arguments, budget)?,
        Method::Repeat => repeat(text, integer(arguments, 0, 0.0, budget)?, budget)?,
        Method::Replace | Method::ReplaceAll => replace(method, text, arguments, budget)?,
        Method::Slice => {
            let length = text::length(text);
            let from = from_end(integer(arguments, 0, 0.0, budget)?, length);
            let to = from_end(integer(arguments, 1, f64::INFINITY, budget)?, length);
            text::slice(text, from, to, budget)?
        }
        Method::Substring => {
            let length = text::length(text);
            let from = clamped(integer(arguments, 0, 0.0, budget)?, length);
            let to = clamped(integer(arguments, 1, f64::INFINITY, budget)?, length);
            text::slice(text, from.min(to), from.max(to), budget)?
        }
        Method::Split => split(text, arguments, budget)?,
        Method::ToLowerCase | Method::ToUpperCase => change_case(method, text, budget)?,
        Method::ToString => Value::String(text.clone()),
        Method::Trim => trimmed(text.trim_matches(number::is_space), budget)?,
        Method::TrimStart => trimmed(text.trim_start_matches(number::is_space), budget)?,
        Method::TrimEnd => trimmed(text.trim_end_matches(number::is_space), budget)?,
        _ => return Ok(None),
    }))
}

fn trimmed(text: &str, budget: &mut Budget) -> Answer {
    budget.text(text.len())?;
    Ok(Value::from(text))
}

fn change_case(method: Method, text: &str, budget: &mut Budget) -> Answer {
    let upper = method == Method::ToUpperCase;
    let width = |c: char| match upper {
        true => c.to_uppercase().map(char::len_utf8).sum::<usize>(),
        false => c.to_lowercase().map(char::len_utf8).sum::<usize>(),
    };
    budget.text(if text.is_ascii() { text.len() } else { text.chars().map(width).sum() })?;
    Ok(Value::from(if upper { text.to_uppercase() } else { text.to_lowercase() }))
}

#[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn character(method: Method, text: &str, at: f64) -> Value {
    let length = text::length(text);
    let at = if method == Method::At && at < 0.0 { at + length as f64 } else { at };
    let Some(at) = within(at, length) else {
        return match method {
            Method::CharAt => Value::from(""),
            Method::CharCodeAt => Value::Number(f64::NAN),
            _ => Value::Undefined,
        };
    };
    let unit = text::unit(text, at).unwrap_or_default();
    match method {
        Method::CharCodeAt => Value::Number(unit.into()),
        Method::CodePointAt => {
            let pair = [unit, text::unit(text, at + 1).unwrap_or_default()];
            let whole = char::decode_utf16(pair).next().and_then(Result::ok);
            Value::Number(whole.map_or(f64::from(unit), |c| f64::from(u32::from(c))))
        }
        _ => text::unit_text(text, at).unwrap_or_default(),
    }
}

/// The argument as a text; one that is not given is `undefined`.
fn text_of(arguments: &[Value], at: usize, budget: &mut Budget) -> Result<Arc<str>, EvalError> {
    convert::to_text(arguments.get(at).unwrap_or(&Value::Undefined), budget)
}

fn search(method: Method, text: &str, arguments: &[Value], budget: &mut Budget) -> Answer {
    let wanted = text_of(arguments, 0, budget)?;
    let default = if matches!(method, Method::LastIndexOf | Method::EndsWith) { f64::INFINITY } else { 0.0 };
    let mut from = integer(arguments, 1, default, budget)?;
    if method == Method::LastIndexOf
        && let Some(given) = arguments.get(1)
        && convert::to_number(given, budget)?.is_nan()
    {
        from = f64::INFINITY;
    }
    budget.scan(text.len() + wanted.len())?;
    let length = text::length(text);
    let from = clamped(from, length);
    let byte = text::byte_at(text, from);
    // Whether `from` stands between two characters, not within one.
    let between = text::length(&text[..byte]) == from;
    let index = |byte: usize| text::length(&text[..byte]);
    Ok(match method {
        _ if wanted.is_empty() => match method {
            Method::IndexOf | Method::LastIndexOf => count(from),
            _ => Value::Bool(true),
        },
        Method::StartsWith => Value::Bool(between && text[byte..].starts_with(&*wanted)),
        Method::EndsWith => Value::Bool(between && text[..byte].ends_with(&*wanted)),
        Method::LastIndexOf => {
            let last = if between { byte } else { byte.saturating_sub(4) };
            let window = text.floor_char_boundary(last.saturating_add(wanted.len()));
            position(text[..window].rfind(&*wanted).map(index))
        }
        Method::IndexOf => position(text[byte..].find(&*wanted).map(|found| index(byte + found))),
        _ => Value::Bool(text[byte..].contains(&*wanted)),
    })
}

fn pad(method: Method, text: &Arc<str>, arguments: &[Value], budget: &mut Budget) -> Answer {
    let target = integer(arguments, 0, 0.0, budget)?;
    let length = text::length(text);
    let fill = match arguments.get(1) {
        None | Some(Value::Undefined) => " ".into(),
        Some(fill) => convert::to_text(fill, budget)?,
    };
    // A target beyond any text's size fails in the builder.
    let mut missing = clamped(target, u32::MAX as usize).saturating_sub(length);
    if missing == 0 || fill.is_empty() {
        return Ok(Value::String(text.clone()));
    }
    let mut out = Builder::default();
    if method == Method::PadEnd {
        out.push(text, budget)?;
    }
    for c in fill.chars().cycle() {
        if missing == 0 {
            break;
        }
        let fits = c.len_utf16() <= missing;
        out.push_char(if fits { c } else { char::REPLACEMENT_CHARACTER }, budget)?;
        missing = missing.saturating_sub(c.len_utf16());
    }
    if method == Method::PadStart {
        out.push(text, budget)?;
    }
    Ok(Value::String(out.finish()))
}

fn repeat(text: &str, times: f64, budget: &mut Budget) -> Answer {
    if times < 0.0 || times.is_infinite() {
        return Err(EvalError::range("`repeat` takes a count from 0 up"));
    }
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    let times = clamped(times, u32::MAX as usize);
    budget.text(text.len().saturating_mul(times))?;
    Ok(Value::from(text.repeat(times)))
}

fn split(text: &str, arguments: &[Value], budget: &mut Budget) -> Answer {
    let limit = match arguments.get(1) {
        None | Some(Value::Undefined) => u32::MAX,
        Some(limit) => number::to_uint32(convert::to_number(limit, budget)?),
    };
    let separator = match arguments.first() {
        None | Some(Value::Undefined) => None,
        Some(separator) => Some(convert::to_text(separator, budget)?),
    };
    let mut pieces = Vec::new();
    let mut add = |piece: &str, budget: &mut Budget| {
        budget.allocate(ITEM_BYTES + ENTRY_BYTES + piece.len())?;
        pieces.push(Value::from(piece));
        Ok::<_, EvalError>(())
    };
    let limit = limit as usize;
    match separator.as_deref() {
        None if limit > 0 => add(text, budget)?,
        None => {}
        Some("") => {
            for unit in text::units(text).take(limit) {
                add(unit.encode_utf8(&mut [0; 4]), budget)?;
            }
        }
        Some(separator) => {
            for piece in text.split(separator).take(limit) {
                add(piece, budget)?;
            }
        }
    }
    array(pieces, budget)
}

fn replace(method: Method, text: &Arc<str>, arguments: &[Value], budget: &mut Budget) -> Answer {
    let wanted = text_of(arguments, 0, budget)?;
    let replacement = text_of(arguments, 1, budget)?;
    let mut out = Builder::default();
    if wanted.is_empty() && method == Method::ReplaceAll {
        return replace_between(text, &replacement, budget);
    }
    let most = if method == Method::ReplaceAll { usize::MAX } else { 1 };
    let mut done = 0;
    for (at, _) in text.match_indices(&*wanted).take(most) {
        out.push(&text[done..at], budget)?;
        substitute(&replacement, &Match { text, at, length: wanted.len() }, &mut out, budget)?;
        done = at + wanted.len();
    }
    out.push(&text[done..], budget)?;
    Ok(Value::String(out.finish()))
}

/// `replaceAll` of the empty text: the replacement stands before every unit and at the end.
fn replace_between(text: &Arc<str>, replacement: &str, budget: &mut Budget) -> Answer {
    // With the halves of pairs replaced first, units and characters are the same; that takes 6 bytes for 4.
    budget.text(text.len() + text.len() / 2)?;
    let text: String = if text.is_ascii() { text.to_string() } else { text::units(text).collect() };
    let mut out = Builder::default();
    for (at, c) in text.char_indices() {
        substitute(replacement, &Match { text: &text, at, length: 0 }, &mut out, budget)?;
        out.push_char(c, budget)?;
    }
    substitute(replacement, &Match { text: &text, at: text.len(), length: 0 }, &mut out, budget)?;
    Ok(Value::String(out.finish()))
}

/// Where a pattern was found.
struct Match<'t> {
    text: &'t str,
    at: usize,
    length: usize,
}

/// Writes a replacement, in which `$$`, `$&`, `` $` `` and `$'` mean a dollar, the match, and what is around it.
fn substitute(replacement: &str, found: &Match, out: &mut Builder, budget: &mut Budget) -> Result<(), EvalError> {
    let mut rest = replacement;
    while let Some(dollar) = rest.find('$') {
        out.push(&rest[..dollar], budget)?;
        rest = &rest[dollar + 1..];
        let end = found.at + found.length;
        let part = match rest.bytes().next() {
            Some(b'$') => "$",
            Some(b'&') => &found.text[found.at..end],
            Some(b'`') => &found.text[..found.at],
            Some(b'\'') => &found.text[end..],
            _ => {
                out.push("$", budget)?;
                continue;
            }
        };
        out.push(part, budget)?;
        rest = &rest[1..];
    }
    out.push(rest, budget)
}
