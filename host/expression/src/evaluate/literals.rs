//! Array, object and template literals, and the arguments of calls.

use std::sync::Arc;

use super::operators::described;
use super::{Answer, Evaluator, convert, text};
use crate::budget::Budget;
use crate::error::EvalError;
use crate::syntax::{Element, NodeId, ObjectMember};
use crate::value::{Array, Object, Value};

/// What an item of an array takes in memory.
pub(super) const ITEM_BYTES: usize = size_of::<Value>();
/// What an entry of an object takes in memory beside its key's text.
pub(super) const ENTRY_BYTES: usize = 64;

type Entries = Vec<(Arc<str>, Value)>;

impl Evaluator<'_> {
    pub(super) fn array_literal(&mut self, items: &[Element]) -> Answer {
        let items = self.elements(items)?;
        array(items, self.budget)
    }

    /// The values of items or arguments, with what is spread in its place.
    pub(super) fn elements(&mut self, elements: &[Element]) -> Result<Vec<Value>, EvalError> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            self.budget.steps(1)?;
            self.budget.allocate(ITEM_BYTES)?;
            let value = self.eval(element.value)?;
            if element.spread {
                spread(&value, &mut items, self.budget)?;
            } else {
                items.push(value);
            }
        }
        Ok(items)
    }

    pub(super) fn object_literal(&mut self, members: &[ObjectMember]) -> Answer {
        let mut entries = Entries::new();
        for member in members {
            self.budget.steps(1)?;
            self.budget.allocate(ENTRY_BYTES)?;
            match member {
                ObjectMember::Named(key, value) => entries.push((key.clone(), self.eval(*value)?)),
                ObjectMember::Computed(key, value) => {
                    let key = self.eval(*key)?;
                    let key = convert::to_text(&key, self.budget)?;
                    entries.push((key, self.eval(*value)?));
                }
                ObjectMember::Spread(value) => {
                    let value = self.eval(*value)?;
                    entries_of(&value, &mut entries, self.budget)?;
                }
            }
        }
        object(entries, self.budget)
    }

    pub(super) fn template_literal(&mut self, texts: &[Arc<str>], parts: &[NodeId]) -> Answer {
        let mut pieces = Vec::with_capacity(texts.len() + parts.len());
        for (at, text) in texts.iter().enumerate() {
            pieces.push(text.clone());
            if let Some(part) = parts.get(at) {
                self.budget.steps(1)?;
                let value = self.eval(*part)?;
                pieces.push(convert::to_text(&value, self.budget)?);
            }
        }
        text::concat(&pieces.iter().map(|piece| &**piece).collect::<Vec<_>>(), self.budget)
    }
}

/// An array whose items are paid for; refused if it is too large or too deep.
pub(crate) fn array(items: Vec<Value>, budget: &mut Budget) -> Answer {
    budget.visit(items.len())?;
    let array = Array::new(items);
    budget.check_shape(array.shape())?;
    Ok(Value::Array(Arc::new(array)))
}

/// An object whose entries are paid for; refused if it is too large or too deep.
pub(crate) fn object(entries: Entries, budget: &mut Budget) -> Answer {
    budget.visit(entries.len())?;
    let object = Object::new(entries);
    budget.check_shape(object.shape())?;
    Ok(Value::Object(Arc::new(object)))
}

/// `...value` among items: the items of an array, the characters of a text.
fn spread(value: &Value, items: &mut Vec<Value>, budget: &mut Budget) -> Result<(), EvalError> {
    match value {
        Value::Array(inner) => {
            budget.visit(inner.len())?;
            budget.allocate(inner.len() * ITEM_BYTES)?;
            items.extend(inner.iter().cloned());
        }
        Value::String(text) => {
            budget.allocate(text.len() * (ITEM_BYTES + ENTRY_BYTES))?;
            items.extend(text.chars().map(|c| Value::from(&*c.encode_utf8(&mut [0; 4]))));
        }
        _ => return Err(EvalError::type_error(format!("{} cannot be spread into a list", described(value)))),
    }
    Ok(())
}

/// The own entries of a value, in JavaScript's order; only arrays, objects and texts have any.
pub(super) fn entries_of(value: &Value, entries: &mut Entries, budget: &mut Budget) -> Result<(), EvalError> {
    match value {
        Value::Object(object) => {
            budget.visit(object.len())?;
            budget.allocate(object.len() * ENTRY_BYTES)?;
            entries.extend(object.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Value::Array(items) => {
            budget.visit(items.len())?;
            budget.allocate(items.len() * (ENTRY_BYTES * 2))?;
            entries.extend(items.iter().enumerate().map(|(at, item)| (at.to_string().into(), item.clone())));
        }
        Value::String(text) => {
            budget.allocate(text.len() * (ENTRY_BYTES * 3))?;
            let units = text::units(text).enumerate();
            entries.extend(units.map(|(at, c)| (at.to_string().into(), Value::from(&*c.encode_utf8(&mut [0; 4])))));
        }
        _ => {}
    }
    Ok(())
}
