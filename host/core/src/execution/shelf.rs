//! A map by number that costs little to copy: executions are copied with every entry, and an entry changes few of its tokens.

use super::{FrameId, TokenId};
use crate::definition::StepIx;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Numbers per board: a change copies one board, a copy of the shelf shares all of them.
const BOARD: u32 = 32;

/// A key that is a number.
pub trait Number: Copy + Ord {
    /// The number.
    fn number(self) -> u32;
}

impl Number for TokenId {
    fn number(self) -> u32 {
        self.0
    }
}

impl Number for FrameId {
    fn number(self) -> u32 {
        self.0
    }
}

impl Number for StepIx {
    fn number(self) -> u32 {
        self.0
    }
}

/// A map from numbers, in their order, on shared boards. No board is empty.
#[derive(Clone, PartialEq)]
pub struct Shelf<K, V> {
    boards: BTreeMap<u32, Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self { boards: BTreeMap::new(), len: 0 }
    }
}

impl<K: Number, V: Clone> Shelf<K, V> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let board = self.boards.get(&(key.number() / BOARD))?;
        let at = board.binary_search_by_key(key, |(key, _)| *key).ok()?;
        board.get(at).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let board = self.boards.get_mut(&(key.number() / BOARD))?;
        let at = board.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Arc::make_mut(board).get_mut(at).map(|(_, value)| value)
    }

    /// Adds a value, or takes the place of the one that was there.
    pub fn insert(&mut self, key: K, value: V) {
        let board = Arc::make_mut(self.boards.entry(key.number() / BOARD).or_default());
        match board.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                if let Some(there) = board.get_mut(at) {
                    there.1 = value;
                }
            }
            Err(at) => {
                board.insert(at, (key, value));
                self.len += 1;
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let board = self.boards.get_mut(&(key.number() / BOARD))?;
        let at = board.binary_search_by_key(key, |(key, _)| *key).ok()?;
        self.len -= 1;
        if board.len() > 1 {
            return Some(Arc::make_mut(board).remove(at).1);
        }
        let board = self.boards.remove(&(key.number() / BOARD))?;
        board.first().map(|(_, value)| value.clone())
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.boards.values().flat_map(|board| board.iter().map(|(key, value)| (*key, value)))
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Number, V: Clone> FromIterator<(K, V)> for Shelf<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut shelf = Self::default();
        entries.into_iter().for_each(|(key, value)| shelf.insert(key, value));
        shelf
    }
}

impl<K: Number + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for Shelf<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Number + Serialize, V: Clone + Serialize> Serialize for Shelf<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Number + DeserializeOwned, V: Clone + DeserializeOwned> Deserialize<'de> for Shelf<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<K, V>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is put in and taken out: it is the map of the standard library, and a copy stays as it was.
        #[test]
        fn it_is_a_map(changes in proptest::collection::vec((0u32..200, proptest::option::of(any::<u8>())), 0..300)) {
            let (mut shelf, mut map) = (Shelf::<TokenId, u8>::default(), BTreeMap::<TokenId, u8>::new());
            for (nth, (key, change)) in changes.into_iter().enumerate() {
                let (key, copy, before) = (TokenId(key), shelf.clone(), map.clone());
                match change {
                    Some(value) if nth % 2 == 0 => {
                        shelf.insert(key, value);
                        map.insert(key, value);
                    }
                    Some(value) => {
                        prop_assert_eq!(shelf.get_mut(&key).map(|there| *there = value), map.get_mut(&key).map(|there| *there = value));
                    }
                    None => prop_assert_eq!(shelf.remove(&key), map.remove(&key)),
                }
                prop_assert!(shelf.iter().eq(map.iter().map(|(key, value)| (*key, value))));
                prop_assert!(shelf.values().rev().eq(map.values().rev()));
                prop_assert_eq!((shelf.get(&key), shelf.len(), shelf.is_empty()), (map.get(&key), map.len(), map.is_empty()));
                prop_assert!(copy.iter().eq(before.iter().map(|(key, value)| (*key, value))));
            }
            let text = serde_json::to_string(&shelf).expect("writes");
            prop_assert_eq!(&text, &serde_json::to_string(&map).expect("writes"));
            prop_assert_eq!(serde_json::from_str::<Shelf<TokenId, u8>>(&text).expect("reads"), shelf.clone());
            shelf.clear();
            prop_assert!(shelf.is_empty() && shelf.iter().next().is_none());
        }
    }
}
