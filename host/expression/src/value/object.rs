//! The object value: own properties only, in JavaScript's order.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Shape, Value};

/// The entries of an object. Keys that are array indexes come first, ascending; all others follow in the order in
/// which they came, as in JavaScript.
#[derive(Clone, Debug)]
pub struct Object {
    entries: IndexMap<Arc<str>, Value>,
    shape: Shape,
}

impl Object {
    /// An object of these entries; of two with one key, the later value stands at the earlier place.
    pub fn new(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Self {
        let mut entries: IndexMap<Arc<str>, Value> = entries.into_iter().collect();
        if entries.keys().any(|key| array_index(key).is_some()) {
            entries.sort_by_cached_key(|key, _| array_index(key).unwrap_or(usize::MAX));
        }
        let mut shape = Shape::EMPTY;
        for (key, value) in &entries {
            shape.include(value, key.len() + 3);
        }
        Self { entries, shape }
    }

    /// The own property `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in JavaScript's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Value)> {
        self.entries.iter()
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// The index that `key` names, if it is one as JavaScript writes it: no sign, no leading zero, below 2^32 - 1.
pub(crate) fn array_index(key: &str) -> Option<usize> {
    let bytes = key.as_bytes();
    let canonical = match bytes {
        [] => false,
        [b'0'] => true,
        [first, ..] => *first != b'0' && bytes.len() <= 10 && bytes.iter().all(u8::is_ascii_digit),
    };
    if !canonical {
        return None;
    }
    key.parse::<u32>().ok().filter(|index| *index != u32::MAX).map(|index| index as usize)
}
