//! How deep and how large a value is, kept with every array and object so that limits cost no walk.

use super::Value;

/// Depth and size of a value. Saturating: a shared value can be larger written out than memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels of arrays and objects; 0 for all others.
    pub(crate) depth: usize,
    /// About the bytes it takes in JSON.
    pub(crate) bytes: usize,
}

impl Shape {
    /// The shape of an empty array or object.
    pub(crate) const EMPTY: Shape = Shape { depth: 1, bytes: 2 };

    pub(crate) fn of(value: &Value) -> Shape {
        let bytes = match value {
            Value::Undefined | Value::Null | Value::Bool(_) => 4,
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e4 => 2,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 2,
            Value::Array(array) => return array.shape(),
            Value::Object(object) => return object.shape(),
        };
        Shape { depth: 0, bytes }
    }

    /// Adds an item that takes `extra` bytes beside its value.
    pub(crate) fn include(&mut self, value: &Value, extra: usize) {
        let inner = Shape::of(value);
        self.depth = self.depth.max(inner.depth.saturating_add(1));
        self.bytes = self.bytes.saturating_add(inner.bytes).saturating_add(extra + 1);
    }
}
