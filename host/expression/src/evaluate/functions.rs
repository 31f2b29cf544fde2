//! The functions of the closed list.

use super::literals::{ENTRY_BYTES, ITEM_BYTES, array, entries_of};
use super::operators::described;
use super::stringify::stringify;
use super::{Answer, convert};
use crate::budget::Budget;
use crate::builtin::Function;
use crate::error::EvalError;
use crate::value::{Value, number};

/// Calls a function.
pub(super) fn call(function: Function, arguments: &[Value], budget: &mut Budget) -> Answer {
    let value = arguments.first().unwrap_or(&Value::Undefined);
    Ok(match function {
        Function::Abs
        | Function::Ceil
        | Function::Floor
        | Function::Round
        | Function::Trunc
        | Function::Sign
        | Function::Sqrt => Value::Number(math(function, convert::to_number(value, budget)?)),
        Function::Min => extreme(arguments, f64::INFINITY, budget, |new, old| new < old || is_minus_zero(new, old))?,
        Function::Max => {
            extreme(arguments, f64::NEG_INFINITY, budget, |new, old| new > old || is_minus_zero(old, new))?
        }
        Function::Number if arguments.is_empty() => Value::Number(0.0),
        Function::Number => Value::Number(convert::to_number(value, budget)?),
        Function::String if arguments.is_empty() => Value::from(""),
        Function::String => Value::String(convert::to_text(value, budget)?),
        Function::Boolean => Value::Bool(value.truthy()),
        Function::IsInteger => Value::Bool(matches!(value, Value::Number(n) if n.is_finite() && n.fract() == 0.0)),
        Function::IsFinite => Value::Bool(matches!(value, Value::Number(n) if n.is_finite())),
        Function::IsNan => Value::Bool(matches!(value, Value::Number(n) if n.is_nan())),
        Function::ParseInt => {
            let text = convert::to_text(value, budget)?;
            let radix = convert::to_number(arguments.get(1).unwrap_or(&Value::Undefined), budget)?;
            budget.scan(text.len())?;
            Value::Number(number::parse_int(&text, number::to_uint32(radix).cast_signed()))
        }
        Function::ParseFloat => {
            let text = convert::to_text(value, budget)?;
            budget.scan(text.len())?;
            Value::Number(number::parse_float(&text))
        }
        Function::IsArray => Value::Bool(matches!(value, Value::Array(_))),
        Function::Keys | Function::Values | Function::Entries => list(function, value, budget)?,
        Function::Stringify => stringify(value, budget)?.map_or(Value::Undefined, Value::String),
    })
}

fn math(function: Function, number: f64) -> f64 {
    match function {
        Function::Abs => number.abs(),
        Function::Ceil => number.ceil(),
        Function::Floor => number.floor(),
        Function::Trunc => number.trunc(),
        Function::Sqrt => number.sqrt(),
        Function::Sign if number.is_nan() || number == 0.0 => number,
        Function::Sign => number.signum(),
        // JavaScript rounds halves up, also below zero.
        _ if number.fract() == 0.0 || !number.is_finite() => number,
        _ => {
            let floor = number.floor();
            (if number - floor >= 0.5 { floor + 1.0 } else { floor }).copysign(number)
        }
    }
}

fn is_minus_zero(number: f64, beside: f64) -> bool {
    number == 0.0 && beside == 0.0 && number.is_sign_negative()
}

fn extreme(arguments: &[Value], start: f64, budget: &mut Budget, wins: fn(f64, f64) -> bool) -> Answer {
    budget.visit(arguments.len())?;
    let mut best = start;
    for argument in arguments {
        let number = convert::to_number(argument, budget)?;
        if number.is_nan() || (!best.is_nan() && wins(number, best)) {
            best = number;
        }
    }
    Ok(Value::Number(best))
}

/// `Object.keys`, `values` and `entries`.
fn list(function: Function, value: &Value, budget: &mut Budget) -> Answer {
    if value.is_nullish() {
        return Err(EvalError::type_error(format!("{} has no keys", described(value))));
    }
    let mut entries = Vec::new();
    entries_of(value, &mut entries, budget)?;
    let bytes_each = if function == Function::Entries { ITEM_BYTES * 3 + ENTRY_BYTES } else { ITEM_BYTES };
    budget.allocate(entries.len() * bytes_each)?;
    let items = entries.into_iter().map(|(key, value)| match function {
        Function::Keys => Value::String(key),
        Function::Values => value,
        _ => Value::array(vec![Value::String(key), value]),
    });
    array(items.collect(), budget)
}
