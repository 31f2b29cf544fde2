//! A list that only grows, and that costs little to copy: executions are copied with every entry.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Items per chunk: a change copies one chunk, a copy of the list shares all of them.
const CHUNK: usize = 64;

/// A list in shared chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunks<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
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
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// An item, to be changed.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(item),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push(Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    /// The items in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list() {
        let mut list: Chunks<usize> = (0..1_000).collect();
        assert_eq!((list.len(), list.get(999), list.get(1_000)), (1_000, Some(&999), None));
        let before = list.clone();
        *list.get_mut(70).expect("there") = 7;
        assert_eq!((before.get(70), list.get(70)), (Some(&70), Some(&7)));
        assert!(list.iter().rev().map(|n| n % 1_000).take(3).eq([999, 998, 997]));
        let text = serde_json::to_string(&list).expect("serializes");
        assert_eq!(serde_json::from_str::<Chunks<usize>>(&text).expect("reads"), list);
    }
}
