//! The list value.

use std::ops::Deref;

use super::{Shape, Value};

/// The items of an array. Dereferences to a slice.
#[derive(Clone, Debug)]
pub struct Array {
    items: Vec<Value>,
    shape: Shape,
}

impl Array {
    /// An array of these items.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        let mut shape = Shape::EMPTY;
        for item in &items {
            shape.include(item, 0);
        }
        Self { items, shape }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }
}

impl Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}
