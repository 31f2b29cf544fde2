//! The methods of arrays that call a function for each item.

use std::cmp::Ordering;
use std::sync::Arc;

use super::literals::{ITEM_BYTES, array};
use super::{Answer, Evaluator, arrays, convert, count, functions, position, sort};
use crate::builtin::Method;
use crate::error::EvalError;
use crate::syntax::Callback;
use crate::value::{Array, Value};

impl Evaluator<'_> {
    /// Calls a method with its callback and further arguments; nothing if arrays do not have it.
    pub(super) fn each(
        &mut self,
        method: Method,
        items: &Arc<Array>,
        callback: &Callback,
        arguments: &[Value],
    ) -> Result<Option<Value>, EvalError> {
        Ok(Some(match method {
            Method::Map => self.map(items, callback)?,
            Method::Filter => self.filter(items, callback)?,
            Method::FlatMap => self.flat_map(items, callback)?,
            Method::Reduce => self.reduce(items, callback, arguments)?,
            Method::Find => self.first(items, callback, true)?.map(|at| items[at].clone()).unwrap_or_default(),
            Method::FindIndex => position(self.first(items, callback, true)?),
            Method::Some => Value::Bool(self.first(items, callback, true)?.is_some()),
            Method::Every => Value::Bool(self.first(items, callback, false)?.is_none()),
            Method::ToSorted => self.sorted_by(items, callback)?,
            _ => return Ok(None),
        }))
    }

    fn invoke(&mut self, callback: &Callback, given: &[Value]) -> Answer {
        self.budget.steps(1)?;
        match callback {
            Callback::Function(function) => functions::call(*function, given, self.budget),
            Callback::Arrow { slot, parameters, body } => {
                // An arrow function is only called while the functions around it are, so that its slots are next.
                let missing = parameters.saturating_sub(given.len());
                self.locals.extend(given.iter().take(*parameters).cloned());
                self.locals.extend(std::iter::repeat_n(Value::Undefined, missing));
                let answer = self.eval(*body);
                self.locals.truncate(*slot);
                answer
            }
        }
    }

    fn invoke_at(&mut self, callback: &Callback, items: &Arc<Array>, at: usize) -> Answer {
        self.invoke(callback, &[items[at].clone(), count(at), Value::Array(items.clone())])
    }

    fn map(&mut self, items: &Arc<Array>, callback: &Callback) -> Answer {
        let mut mapped = Vec::new();
        for at in 0..items.len() {
            let value = self.invoke_at(callback, items, at)?;
            self.budget.allocate(ITEM_BYTES)?;
            mapped.push(value);
        }
        array(mapped, self.budget)
    }

    fn filter(&mut self, items: &Arc<Array>, callback: &Callback) -> Answer {
        let mut kept = Vec::new();
        for at in 0..items.len() {
            if self.invoke_at(callback, items, at)?.truthy() {
                self.budget.allocate(ITEM_BYTES)?;
                kept.push(items[at].clone());
            }
        }
        array(kept, self.budget)
    }

    fn flat_map(&mut self, items: &Arc<Array>, callback: &Callback) -> Answer {
        let mut flat = Vec::new();
        for at in 0..items.len() {
            let value = self.invoke_at(callback, items, at)?;
            arrays::flatten(&[value], 1.0, &mut flat, self.budget)?;
        }
        array(flat, self.budget)
    }

    fn reduce(&mut self, items: &Arc<Array>, callback: &Callback, arguments: &[Value]) -> Answer {
        let (mut sum, start) = match (arguments.first(), items.first()) {
            (Some(initial), _) => (initial.clone(), 0),
            (None, Some(first)) => (first.clone(), 1),
            (None, None) => return Err(EvalError::type_error("`reduce` of an empty array needs an initial value")),
        };
        for at in start..items.len() {
            sum = self.invoke(callback, &[sum, items[at].clone(), count(at), Value::Array(items.clone())])?;
        }
        Ok(sum)
    }

    /// The first item for which the callback's truth is `wanted`.
    fn first(&mut self, items: &Arc<Array>, callback: &Callback, wanted: bool) -> Result<Option<usize>, EvalError> {
        for at in 0..items.len() {
            if self.invoke_at(callback, items, at)?.truthy() == wanted {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// `toSorted` by a comparison, `undefined` last.
    fn sorted_by(&mut self, items: &Arc<Array>, callback: &Callback) -> Answer {
        self.budget.visit(items.len())?;
        self.budget.allocate(items.len() * ITEM_BYTES * 2)?;
        let defined = items.iter().filter(|item| !item.is_undefined()).cloned().collect();
        let mut sorted = sort::stable(defined, |left: &Value, right: &Value| {
            let order = self.invoke(callback, &[left.clone(), right.clone()])?;
            let order = convert::to_number(&order, self.budget)?;
            Ok(order.partial_cmp(&0.0).unwrap_or(Ordering::Equal))
        })?;
        sorted.resize(items.len(), Value::Undefined);
        array(sorted, self.budget)
    }
}
