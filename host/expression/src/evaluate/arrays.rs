//! The methods of arrays that take no function.

use std::sync::Arc;

use super::literals::{ITEM_BYTES, array};
use super::text::Builder;
use super::{Answer, convert, from_end, integer, position, sort, text, within};
use crate::budget::Budget;
use crate::builtin::Method;
use crate::error::EvalError;
use crate::value::{Array, Value};

/// Calls a method; nothing if arrays do not have it.
pub(super) fn call(
    method: Method,
    items: &Arc<Array>,
    arguments: &[Value],
    budget: &mut Budget,
) -> Result<Option<Value>, EvalError> {
    let wanted = arguments.first().unwrap_or(&Value::Undefined);
    Ok(Some(match method {
        Method::At => {
            let at = integer(arguments, 0, 0.0, budget)?;
            item_at(items, at)
        }
        Method::Concat => concat(items, arguments, budget)?,
        Method::Flat => {
            let levels = integer(arguments, 0, 1.0, budget)?;
            let mut flat = Vec::new();
            flatten(items, levels, &mut flat, budget)?;
            array(flat, budget)?
        }
        Method::Includes => Value::Bool(find(items, wanted, arguments, convert::same_or_nan, budget)?.is_some()),
        Method::IndexOf => position(find(items, wanted, arguments, convert::same, budget)?),
        Method::LastIndexOf => position(find_last(items, wanted, arguments, budget)?),
        Method::Join => {
            let separator = match wanted {
                Value::Undefined => ",".into(),
                separator => convert::to_text(separator, budget)?,
            };
            let mut out = Builder::default();
            convert::join(items, &separator, &mut out, budget)?;
            Value::String(out.finish())
        }
        Method::Slice => {
            let from = from_end(integer(arguments, 0, 0.0, budget)?, items.len());
            let to = from_end(integer(arguments, 1, f64::INFINITY, budget)?, items.len());
            copy(items.get(from..to).unwrap_or_default(), budget)?
        }
        Method::ToReversed => {
            budget.allocate(items.len() * ITEM_BYTES)?;
            array(items.iter().rev().cloned().collect(), budget)?
        }
        Method::ToSorted => sorted(items, budget)?,
        Method::ToString => Value::String(convert::to_text(&Value::Array(items.clone()), budget)?),
        _ => return Ok(None),
    }))
}

#[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn item_at(items: &Array, at: f64) -> Value {
    let at = if at < 0.0 { at + items.len() as f64 } else { at };
    within(at, items.len()).and_then(|at| items.get(at).cloned()).unwrap_or_default()
}

fn copy(items: &[Value], budget: &mut Budget) -> Answer {
    budget.allocate(items.len() * ITEM_BYTES)?;
    array(items.to_vec(), budget)
}

fn concat(items: &Array, others: &[Value], budget: &mut Budget) -> Answer {
    budget.allocate(items.len() * ITEM_BYTES)?;
    let mut joined = items.to_vec();
    for other in others {
        match other {
            Value::Array(inner) => {
                budget.allocate(inner.len() * ITEM_BYTES)?;
                joined.extend(inner.iter().cloned());
            }
            _ => {
                budget.allocate(ITEM_BYTES)?;
                joined.push(other.clone());
            }
        }
    }
    array(joined, budget)
}

/// Appends the items, arrays among them opened `levels` deep. It recurses as deep as values may be.
pub(super) fn flatten(
    items: &[Value],
    levels: f64,
    flat: &mut Vec<Value>,
    budget: &mut Budget,
) -> Result<(), EvalError> {
    budget.visit(items.len())?;
    for item in items {
        match item {
            Value::Array(inner) if levels >= 1.0 => flatten(inner, levels - 1.0, flat, budget)?,
            _ => {
                budget.allocate(ITEM_BYTES)?;
                flat.push(item.clone());
            }
        }
    }
    Ok(())
}

type Same = fn(&Value, &Value, &mut Budget) -> Result<bool, EvalError>;

fn find(
    items: &Array,
    wanted: &Value,
    arguments: &[Value],
    same: Same,
    budget: &mut Budget,
) -> Result<Option<usize>, EvalError> {
    let from = from_end(integer(arguments, 1, 0.0, budget)?, items.len());
    for at in from..items.len() {
        budget.visit(1)?;
        if same(&items[at], wanted, budget)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

#[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn find_last(
    items: &Array,
    wanted: &Value,
    arguments: &[Value],
    budget: &mut Budget,
) -> Result<Option<usize>, EvalError> {
    // Unlike elsewhere, an `undefined` that is given counts as 0.
    let given = integer(arguments, 1, 0.0, budget)?;
    let last = if arguments.len() < 2 { f64::INFINITY } else { given };
    let last = if last < 0.0 { last + items.len() as f64 } else { last };
    let end = if last < 0.0 { 0 } else { super::clamped(last + 1.0, items.len()) };
    for at in (0..end).rev() {
        budget.visit(1)?;
        if convert::same(&items[at], wanted, budget)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// `toSorted` without a comparison: by text, `undefined` last.
fn sorted(items: &Array, budget: &mut Budget) -> Answer {
    budget.allocate(items.len() * ITEM_BYTES * 4)?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.is_undefined()) {
        keyed.push((convert::to_text(item, budget)?, item.clone()));
    }
    let keyed = sort::stable(keyed, |(left, _), (right, _)| {
        budget.visit(1)?;
        budget.scan(left.len().min(right.len()))?;
        Ok(text::compare(left, right))
    })?;
    let mut sorted: Vec<Value> = keyed.into_iter().map(|(_, item)| item).collect();
    sorted.resize(items.len(), Value::Undefined);
    array(sorted, budget)
}
