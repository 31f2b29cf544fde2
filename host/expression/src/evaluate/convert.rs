//! JavaScript's conversions and equalities.

use std::sync::Arc;

use super::text::Builder;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Array, Value, number};

const OBJECT_TEXT: &str = "[object Object]";

/// `ToNumber`.
pub(super) fn to_number(value: &Value, budget: &mut Budget) -> Result<f64, EvalError> {
    Ok(match value {
        Value::Undefined | Value::Object(_) => f64::NAN,
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => *number,
        Value::String(text) => {
            budget.scan(text.len())?;
            number::from_text(text)
        }
        Value::Array(_) => number::from_text(&to_text(value, budget)?),
    })
}

/// `ToString`; objects are `[object Object]`, arrays their items with commas.
pub(super) fn to_text(value: &Value, budget: &mut Budget) -> Result<Arc<str>, EvalError> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Undefined => "undefined".into(),
        Value::Null => "null".into(),
        Value::Bool(flag) => if *flag { "true" } else { "false" }.into(),
        Value::Object(_) => OBJECT_TEXT.into(),
        Value::Number(number) => {
            let text = number::to_text(*number);
            budget.text(text.len())?;
            text.into()
        }
        Value::Array(items) => {
            let mut out = Builder::default();
            join(items, ",", &mut out, budget)?;
            out.finish()
        }
    })
}

/// Writes the items with `separator` between them; arrays inside are written with commas. It recurses as deep as
/// values may be.
pub(super) fn join(items: &Array, separator: &str, out: &mut Builder, budget: &mut Budget) -> Result<(), EvalError> {
    budget.visit(items.len())?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(separator, budget)?;
        }
        match item {
            Value::Undefined | Value::Null => {}
            Value::Array(inner) => join(inner, ",", out, budget)?,
            Value::String(text) => out.push(text, budget)?,
            _ => out.push(&to_text(item, budget)?, budget)?,
        }
    }
    Ok(())
}

/// `ToPrimitive`: arrays and objects become texts.
pub(super) fn to_primitive(value: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    match value {
        Value::Array(_) | Value::Object(_) => Ok(Value::String(to_text(value, budget)?)),
        _ => Ok(value.clone()),
    }
}

/// `===`: arrays and objects are the same only as themselves.
pub(super) fn same(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    Ok(match (left, right) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => left == right,
        (Value::String(left), Value::String(right)) => {
            if left.len() == right.len() {
                budget.scan(left.len())?;
            }
            left == right
        }
        (Value::Array(left), Value::Array(right)) => Arc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => Arc::ptr_eq(left, right),
        _ => false,
    })
}

/// As `includes` compares: `===`, but NaN is NaN.
pub(super) fn same_or_nan(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_nan() => Ok(right.is_nan()),
        _ => same(left, right, budget),
    }
}

/// `==`.
pub(super) fn loosely_equal(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    use Value::{Array, Bool, Number, Object, String};
    match (left, right) {
        (Array(_), Array(_)) | (Object(_), Object(_)) | (String(_), String(_)) => same(left, right, budget),
        _ if left.is_nullish() || right.is_nullish() => Ok(left.is_nullish() && right.is_nullish()),
        (Array(_) | Object(_), Array(_) | Object(_)) => Ok(false),
        (Array(_) | Object(_), String(_)) => same(&to_primitive(left, budget)?, right, budget),
        (String(_), Array(_) | Object(_)) => same(left, &to_primitive(right, budget)?, budget),
        (Number(_) | Bool(_) | String(_) | Array(_) | Object(_), _) => {
            Ok(to_number(left, budget)? == to_number(right, budget)?)
        }
        _ => same(left, right, budget),
    }
}
