//! A list that only grows, and that costs little to copy: executions are copied with every entry.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Items per chunk, and chunks per shelf: a change copies one of each, a copy of the list shares all of them. With shelves, ten thousand
/// items are ten that a copy counts.
const CHUNK: usize = 32;

/// A list in shared chunks, on shared shelves.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunks<T> {
    shelves: Vec<Arc<Vec<Arc<Vec<T>>>>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { shelves: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Chunks<T> {
    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An item.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.shelves.get(at / (CHUNK * CHUNK))?.get(at / CHUNK % CHUNK)?.get(at % CHUNK)
    }

    /// An item, to be changed.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let shelf = Arc::make_mut(self.shelves.get_mut(at / (CHUNK * CHUNK))?);
        Arc::make_mut(shelf.get_mut(at / CHUNK % CHUNK)?).get_mut(at % CHUNK)
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        if self.len.is_multiple_of(CHUNK * CHUNK) {
            self.shelves.push(Arc::default());
        }
        let Some(shelf) = self.shelves.last_mut().map(Arc::make_mut) else { return };
        if self.len.is_multiple_of(CHUNK) {
            shelf.push(Arc::new(Vec::with_capacity(CHUNK)));
        }
        let Some(chunk) = shelf.last_mut().map(Arc::make_mut) else { return };
        chunk.push(item);
        self.len += 1;
    }

    /// The items in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.shelves.iter().flat_map(|shelf| shelf.iter()).flat_map(|chunk| chunk.iter())
    }

    /// The items with their places.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(self.iter())
    }
}

impl<T: Clone> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::default();
        items.into_iter().for_each(|item| list.push(item));
        list
    }
}

impl<T: Clone + Serialize> Serialize for Chunks<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for Chunks<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Results that are there or not yet, written so that null is not nothing: each as a list of one or none.
pub(super) mod slots {
    use super::Chunks;
    use crate::payload::Payload;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(slots: &Chunks<Option<Payload>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(slots.iter().map(Option::as_slice))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Chunks<Option<Payload>>, D::Error> {
        Ok(Vec::<Vec<Payload>>::deserialize(deserializer)?.into_iter().map(|slot| slot.into_iter().next()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list() {
        let mut list: Chunks<usize> = (0..3_000).collect();
        assert_eq!((list.len(), list.get(2_999), list.get(3_000)), (3_000, Some(&2_999), None));
        assert!(list.iter().copied().eq(0..3_000) && (0..3_000).all(|at| list.get(at) == Some(&at)));
        let before = list.clone();
        *list.get_mut(70).expect("there") = 7;
        *list.get_mut(2_500).expect("there") = 8;
        assert_eq!((before.get(70), list.get(70)), (Some(&70), Some(&7)));
        assert_eq!((before.get(2_500), list.get(2_500), list.get(2_501)), (Some(&2_500), Some(&8), Some(&2_501)));
        assert!(list.iter().rev().take(3).eq(&[2_999, 2_998, 2_997]));
        let text = serde_json::to_string(&list).expect("serializes");
        assert_eq!(serde_json::from_str::<Chunks<usize>>(&text).expect("reads"), list);
    }
}
