//! The values of the language: JSON and `undefined`, cheap to clone.

mod array;
mod json;
pub(crate) mod number;
mod object;
mod shape;

use std::sync::Arc;

pub use array::Array;
pub(crate) use json::{Sink, write as write_json};
pub use object::Object;
pub(crate) use object::array_index;
pub(crate) use shape::Shape;

/// A value. Cloning costs a reference count at most; equality is by content (`===` is not: it compares arrays and
/// objects by identity, as JavaScript does).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// What a missing property is.
    #[default]
    Undefined,
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A double (row D14 of the semantics page).
    Number(f64),
    /// Valid Unicode; the language counts its length in UTF-16 units.
    String(Arc<str>),
    /// A list.
    Array(Arc<Array>),
    /// Named values, in JavaScript's order of keys.
    Object(Arc<Object>),
}

impl Value {
    /// JavaScript's truth: false for `undefined`, `null`, `false`, `0`, `NaN` and the empty string (row D7).
    #[must_use]
    pub fn truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// The own property `key` of an object, or the element at `key` of an array; `Undefined` where there is none.
    #[must_use]
    pub fn get(&self, key: &str) -> Value {
        match self {
            Self::Object(object) => object.get(key).cloned().unwrap_or_default(),
            Self::Array(array) => array_index(key).and_then(|at| array.get(at).cloned()).unwrap_or_default(),
            _ => Self::Undefined,
        }
    }

    /// Whether this is `undefined`.
    #[must_use]
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// Whether this is `undefined` or `null`.
    #[must_use]
    pub fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// An array of these items.
    #[must_use]
    pub fn array(items: Vec<Value>) -> Value {
        Self::Array(Arc::new(Array::new(items)))
    }

    /// An object of these entries; of two with one key, the later stands.
    pub fn object<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        Self::Object(Arc::new(Object::new(entries.into_iter().map(|(key, value)| (key.into(), value)))))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}
