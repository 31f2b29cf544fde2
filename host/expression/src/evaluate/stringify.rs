//! Texts that are paid for while they are written: `JSON.stringify`, and the strings of templates.

use std::sync::Arc;

use super::convert;
use super::text::Builder;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Sink, Value, write_json};

/// A text being written, and the budget that pays for it.
pub(crate) struct Paid<'b> {
    out: Builder,
    budget: &'b mut Budget,
}

impl<'b> Paid<'b> {
    pub(crate) fn new(budget: &'b mut Budget) -> Self {
        Self { out: Builder::default(), budget }
    }

    pub(crate) fn budget(&mut self) -> &mut Budget {
        self.budget
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<(), EvalError> {
        self.out.push(text, self.budget)
    }

    /// Writes a value as a template does: `undefined` as nothing, arrays and objects as JSON.
    pub(crate) fn push_value(&mut self, value: &Value) -> Result<(), EvalError> {
        match value {
            Value::Undefined => Ok(()),
            Value::Array(_) | Value::Object(_) => write_json(value, self),
            _ => {
                let text = convert::to_text(value, self.budget)?;
                self.push(&text)
            }
        }
    }

    pub(crate) fn finish(self) -> Arc<str> {
        self.out.finish()
    }
}

impl Sink for Paid<'_> {
    type Error = EvalError;

    fn put(&mut self, text: &str) -> Result<(), EvalError> {
        self.push(text)
    }
}

/// The JSON text of a value; none for `undefined`.
pub(super) fn stringify(value: &Value, budget: &mut Budget) -> Result<Option<Arc<str>>, EvalError> {
    if value.is_undefined() {
        return Ok(None);
    }
    let mut paid = Paid::new(budget);
    write_json(value, &mut paid)?;
    Ok(Some(paid.finish()))
}
