//! Texts: built within the budget, and addressed by UTF-16 unit, as JavaScript does. Half of a surrogate pair
//! becomes U+FFFD: texts stay valid Unicode (row D14), and lengths stay those of JavaScript.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Answer;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::Value;

const HALF: char = char::REPLACEMENT_CHARACTER;

/// A text that grows and pays before it does.
#[derive(Default)]
pub(super) struct Builder {
    out: String,
}

impl Builder {
    pub(super) fn push(&mut self, text: &str, budget: &mut Budget) -> Result<(), EvalError> {
        budget.check_size(self.out.len().saturating_add(text.len()))?;
        budget.allocate(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    pub(super) fn push_char(&mut self, c: char, budget: &mut Budget) -> Result<(), EvalError> {
        self.push(c.encode_utf8(&mut [0; 4]), budget)
    }

    pub(super) fn finish(self) -> Arc<str> {
        self.out.into()
    }
}

/// The texts one after another.
pub(super) fn concat(texts: &[&str], budget: &mut Budget) -> Answer {
    budget.text(texts.iter().fold(0, |sum: usize, text| sum.saturating_add(text.len())))?;
    Ok(Value::from(texts.concat()))
}

/// Length in UTF-16 units.
pub(super) fn length(text: &str) -> usize {
    let starts = text.bytes().filter(|byte| byte & 0xc0 != 0x80).count();
    starts + text.bytes().filter(|byte| *byte >= 0xf0).count()
}

/// The order of UTF-16 units, which is not that of code points.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// The UTF-16 unit at an index.
pub(super) fn unit(text: &str, at: usize) -> Option<u16> {
    if text.is_ascii() {
        return text.as_bytes().get(at).map(|byte| u16::from(*byte));
    }
    text.encode_utf16().nth(at)
}

/// The one-unit text at an index.
pub(super) fn unit_text(text: &str, at: usize) -> Option<Value> {
    unit(text, at).map(|unit| {
        let c = char::from_u32(unit.into()).unwrap_or(HALF);
        Value::from(&*c.encode_utf8(&mut [0; 4]))
    })
}

/// The units in `from..to`.
pub(super) fn slice(text: &str, from: usize, to: usize, budget: &mut Budget) -> Answer {
    budget.scan(text.len())?;
    if from >= to {
        return Ok(Value::from(""));
    }
    if text.is_ascii() {
        let part = &text[from.min(text.len())..to.min(text.len())];
        budget.text(part.len())?;
        return Ok(Value::from(part));
    }
    let mut out = Builder::default();
    let mut at = 0;
    for c in text.chars() {
        let next = at + c.len_utf16();
        if next > from && at < to {
            let whole = at >= from && next <= to;
            out.push_char(if whole { c } else { HALF }, budget)?;
        }
        at = next;
    }
    Ok(Value::String(out.finish()))
}

/// The byte where the character at a unit begins; within a pair, the byte after it.
pub(super) fn byte_at(text: &str, unit: usize) -> usize {
    if text.is_ascii() {
        return unit.min(text.len());
    }
    let mut at = 0;
    for (byte, c) in text.char_indices() {
        if at >= unit {
            return byte;
        }
        at += c.len_utf16();
    }
    text.len()
}

/// The one-unit texts of a text.
pub(super) fn units(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(|c| match c.len_utf16() {
            1 => [Some(c), None],
            _ => [Some(HALF), Some(HALF)],
        })
        .flatten()
}
