//! Chains: properties, indexes and method calls one after another.

use super::operators::described;
use super::{Answer, Evaluator, arrays, convert, count, strings, text};
use crate::error::EvalError;
use crate::syntax::{Argument, Callback, Link, LinkKind, NodeId};
use crate::value::{Value, array_index, number};

/// Longest piece of source that a message repeats, in characters.
const QUOTED: usize = 80;

impl Evaluator<'_> {
    pub(super) fn chain(&mut self, base: NodeId, links: &[Link]) -> Answer {
        let mut value = self.eval(base)?;
        for link in links {
            if link.optional && value.is_nullish() {
                return Ok(Value::Undefined);
            }
            self.budget.steps(1)?;
            value = match &link.kind {
                LinkKind::Property(key) => {
                    self.check_base(&value, link, key)?;
                    self.property(&value, key)?
                }
                LinkKind::Index(key) => {
                    let key = self.eval(*key)?;
                    self.element(&value, &key, link)?
                }
                LinkKind::Method { method, callback, arguments } => {
                    self.check_base(&value, link, method.name())?;
                    self.method(&value, *method, callback.as_ref(), arguments)?
                }
            };
        }
        Ok(value)
    }

    /// Refuses null and undefined, which have no properties.
    fn check_base(&self, value: &Value, link: &Link, key: &str) -> Result<(), EvalError> {
        if !value.is_nullish() {
            return Ok(());
        }
        let source = self.source.get(link.before.0..link.before.1).unwrap_or_default();
        let mut quoted: String = source.chars().take(QUOTED).collect();
        if quoted.len() < source.len() {
            quoted.push_str("...");
        }
        let (kind, key) = (described(value), key.chars().take(QUOTED).collect::<String>());
        Err(EvalError::type_error(format!("cannot read `{key}`: `{quoted}` is {kind}")))
    }

    /// The own property of a value that is neither null nor undefined.
    fn property(&mut self, value: &Value, key: &str) -> Answer {
        Ok(match value {
            Value::Object(object) => object.get(key).cloned().unwrap_or_default(),
            Value::Array(items) if key == "length" => count(items.len()),
            Value::Array(_) => value.get(key),
            Value::String(text) => {
                self.budget.scan(text.len())?;
                if key == "length" {
                    count(text::length(text))
                } else {
                    array_index(key).and_then(|at| text::unit_text(text, at)).unwrap_or_default()
                }
            }
            _ => Value::Undefined,
        })
    }

    fn element(&mut self, value: &Value, key: &Value, link: &Link) -> Answer {
        if let (Value::Array(items), Value::Number(at)) = (value, key) {
            let at = super::within(*at, items.len()).filter(|_| at.fract() == 0.0);
            return Ok(at.and_then(|at| items.get(at).cloned()).unwrap_or_default());
        }
        let key = convert::to_text(key, self.budget)?;
        self.check_base(value, link, &key)?;
        self.property(value, &key)
    }

    fn method(
        &mut self,
        value: &Value,
        method: crate::builtin::Method,
        callback: Option<&Callback>,
        arguments: &[Argument],
    ) -> Answer {
        use crate::builtin::Method;
        let arguments = self.elements(arguments)?;
        let answer = match (value, callback) {
            (Value::Array(items), Some(callback)) => self.each(method, items, callback, &arguments)?,
            (_, Some(_)) | (Value::Object(_), _) => None,
            (Value::Array(items), _) => arrays::call(method, items, &arguments, self.budget)?,
            (Value::String(text), _) => strings::call(method, text, &arguments, self.budget)?,
            (Value::Number(number), _) => number_method(method, *number, &arguments, self.budget)?,
            (_, _) if method == Method::ToString => Some(Value::String(convert::to_text(value, self.budget)?)),
            _ => None,
        };
        answer.ok_or_else(|| {
            EvalError::type_error(format!("`{}` is not a method of {}", method.name(), described(value)))
        })
    }
}

fn number_method(
    method: crate::builtin::Method,
    number: f64,
    arguments: &[Value],
    budget: &mut crate::budget::Budget,
) -> Result<Option<Value>, EvalError> {
    use crate::builtin::Method;
    use crate::error::EvalErrorKind;
    match method {
        Method::ToFixed => {
            let digits = super::integer(arguments, 0, 0.0, budget)?;
            if !(0.0..=100.0).contains(&digits) {
                return Err(EvalError::range("`toFixed` takes 0 to 100 digits"));
            }
            budget.text(128)?;
            Ok(Some(Value::from(number::to_fixed(number, digits))))
        }
        Method::ToString => {
            let radix = super::integer(arguments, 0, 10.0, budget)?;
            if !(2.0..=36.0).contains(&radix) {
                return Err(EvalError::range("the radix of `toString` is 2 to 36"));
            }
            budget.text(128)?;
            let text = number::in_radix(number, radix).ok_or_else(|| {
                EvalError::new(EvalErrorKind::NotSupported, "`toString` with a radix needs an integer below 2^53")
            })?;
            Ok(Some(Value::from(text)))
        }
        _ => Ok(None),
    }
}
