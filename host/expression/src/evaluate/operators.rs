//! The operators between two values.

use std::cmp::Ordering;

use super::{Answer, convert, text};
use crate::budget::Budget;
use crate::error::EvalError;
use crate::syntax::BinaryOp;
use crate::value::{Value, array_index};

/// Integers up to here are exact.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Applies an operator that always needs both operands.
pub(super) fn apply(op: BinaryOp, left: &Value, right: &Value, budget: &mut Budget) -> Answer {
    Ok(Value::Bool(match op {
        BinaryOp::Equal => convert::loosely_equal(left, right, budget)?,
        BinaryOp::NotEqual => !convert::loosely_equal(left, right, budget)?,
        BinaryOp::Same => convert::same(left, right, budget)?,
        BinaryOp::NotSame => !convert::same(left, right, budget)?,
        BinaryOp::Less => compare(left, right, budget)? == Some(Ordering::Less),
        BinaryOp::Greater => compare(left, right, budget)? == Some(Ordering::Greater),
        BinaryOp::LessOrEqual => compare(left, right, budget)?.is_some_and(Ordering::is_le),
        BinaryOp::GreaterOrEqual => compare(left, right, budget)?.is_some_and(Ordering::is_ge),
        BinaryOp::In => contains_key(left, right, budget)?,
        BinaryOp::Add => return add(left, right, budget),
        _ => return arithmetic(op, left, right, budget),
    }))
}

fn arithmetic(op: BinaryOp, left: &Value, right: &Value, budget: &mut Budget) -> Answer {
    let (left, right) = (convert::to_number(left, budget)?, convert::to_number(right, budget)?);
    Ok(Value::Number(match op {
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Remainder => left % right,
        _ => power(left, right),
    }))
}

/// `**`: unlike in C, 1 or -1 to an infinity, and 1 to NaN, are NaN. Computed in Rust, because the last digit of the
/// system's `pow` varies between machines.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
        return f64::NAN;
    }
    if exponent < 0.0 && exponent.fract() == 0.0 {
        // `10 ** -5` is `0.00001`: where the positive power is exact, its inverse is rounded once.
        let inverse = libm::pow(base, -exponent);
        if inverse.abs() <= MAX_EXACT && inverse.fract() == 0.0 && inverse != 0.0 {
            return 1.0 / inverse;
        }
    }
    libm::pow(base, exponent)
}

fn add(left: &Value, right: &Value, budget: &mut Budget) -> Answer {
    let (left, right) = (convert::to_primitive(left, budget)?, convert::to_primitive(right, budget)?);
    if !matches!(left, Value::String(_)) && !matches!(right, Value::String(_)) {
        return Ok(Value::Number(convert::to_number(&left, budget)? + convert::to_number(&right, budget)?));
    }
    let (left, right) = (convert::to_text(&left, budget)?, convert::to_text(&right, budget)?);
    text::concat(&[&left, &right], budget)
}

/// The order of two values; none if one is not a number and both are not texts.
pub(super) fn compare(left: &Value, right: &Value, budget: &mut Budget) -> Result<Option<Ordering>, EvalError> {
    let (left, right) = (convert::to_primitive(left, budget)?, convert::to_primitive(right, budget)?);
    if let (Value::String(left), Value::String(right)) = (&left, &right) {
        budget.scan(left.len().min(right.len()))?;
        return Ok(Some(text::compare(left, right)));
    }
    Ok(convert::to_number(&left, budget)?.partial_cmp(&convert::to_number(&right, budget)?))
}

/// `key in container`: own properties only (row D7).
fn contains_key(key: &Value, container: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    match container {
        Value::Object(object) => Ok(object.get(&convert::to_text(key, budget)?).is_some()),
        Value::Array(items) => {
            let key = convert::to_text(key, budget)?;
            Ok(&*key == "length" || array_index(&key).is_some_and(|at| at < items.len()))
        }
        _ => Err(EvalError::type_error(format!("`in` needs an object or array, not {}", described(container)))),
    }
}

/// What `typeof` says.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Undefined => "undefined",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Null | Value::Array(_) | Value::Object(_) => "object",
    }
}

/// What kind of value this is, for a message.
pub(super) fn described(value: &Value) -> &'static str {
    match value {
        Value::Undefined => "undefined",
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
