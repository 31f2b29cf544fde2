//! The outline of a schema: which of its parts look at which parts of a value. It is what the bounds of a validation are computed from,
//! and it says more than a validation ever does: where a keyword chooses, all its choices count.

use super::reader;
use serde_json::Value;
use std::collections::HashMap;

/// Most parts that look at one value on behalf of one part, counted as often as they do: references to references multiply.
const SPREAD: u64 = 10_000;
/// Longest chain of parts that look at one value on behalf of each other.
const CHAIN: u32 = 64;

/// A part of a schema.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Units of work of its own keywords.
    pub weight: u32,
    /// Whether it has `unevaluatedProperties` or `unevaluatedItems`, which make the library look at the parts in place again.
    pub again: bool,
    /// Parts that look at the same value.
    pub in_place: Vec<u32>,
    /// By property.
    pub properties: HashMap<String, u32>,
    /// Parts that may look at any property's value.
    pub values: Vec<u32>,
    /// Parts that look at the names.
    pub names: Vec<u32>,
    /// Parts that look at the first items, one each.
    pub first: Vec<u32>,
    /// Parts that may look at any item.
    pub items: Vec<u32>,
    /// How many patterns look at each name.
    pub patterns: u32,
}

/// All parts that the first one, the schema itself, leads to.
#[derive(Debug)]
pub(super) struct Outline {
    parts: Vec<Part>,
    patterns: usize,
}

/// Why a schema is not taken.
#[derive(Debug)]
pub(super) struct Wrong {
    /// JSON pointer into the schema.
    pub pointer: String,
    /// What to change.
    pub message: String,
}

impl Outline {
    /// The outline of a schema, if it can be bounded.
    pub fn of(schema: &Value) -> Result<Self, Wrong> {
        let read = reader::read(schema)?;
        let (outline, places) = (Self { parts: read.parts, patterns: read.patterns }, read.places);
        let endless = |(at, message): (u32, String)| Wrong { pointer: places.pointer(at), message };
        outline.check().map_err(endless)?;
        Ok(outline)
    }

    pub fn part(&self, at: u32) -> Option<&Part> {
        self.parts.get(at as usize)
    }

    /// How many patterns it has.
    pub fn patterns(&self) -> usize {
        self.patterns
    }

    /// No part may look at a value on behalf of itself, nor through too many others.
    fn check(&self) -> Result<(), (u32, String)> {
        let mut states = vec![State::New; self.parts.len()];
        for start in (0u32..).take(self.parts.len()) {
            let mut open = vec![start];
            while let Some(&at) = open.last() {
                match states.get(at as usize) {
                    Some(State::New) => {
                        set(&mut states, at, State::Open);
                        for &next in self.part(at).into_iter().flat_map(|part| &part.in_place) {
                            match states.get(next as usize) {
                                Some(State::New) => open.push(next),
                                Some(State::Open) => return Err((next, circle())),
                                Some(State::Done { .. }) | None => {}
                            }
                        }
                    }
                    Some(State::Open) => {
                        let done = self.closed(at, &states)?;
                        set(&mut states, at, done);
                        open.pop();
                    }
                    Some(State::Done { .. }) | None => {
                        open.pop();
                    }
                }
            }
        }
        Ok(())
    }

    /// What a part comes to whose parts in place are known.
    fn closed(&self, at: u32, states: &[State]) -> Result<State, (u32, String)> {
        let (mut spread, mut chain) = (1u64, 1u32);
        let Some(part) = self.part(at) else { return Ok(State::New) };
        let times = if part.again { AGAIN } else { 1 };
        for next in &part.in_place {
            match states.get(*next as usize) {
                Some(State::Done { spread: s, chain: c }) => {
                    spread = spread.saturating_add(s.saturating_mul(u64::from(times)));
                    chain = chain.max(c + 1);
                }
                Some(State::New | State::Open) | None => return Err((*next, circle())),
            }
        }
        if spread > SPREAD || chain > CHAIN {
            let message = format!(
                "this part leads to too many parts for one value: at most {SPREAD}, and {CHAIN} one behind the other, through \
                 references and combinations"
            );
            return Err((at, message));
        }
        Ok(State::Done { spread, chain })
    }
}

/// How often, at most, the library looks at the parts in place for the sake of an `unevaluated` keyword.
pub(super) const AGAIN: u32 = 4;

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Open,
    Done { spread: u64, chain: u32 },
}

fn set(states: &mut [State], at: u32, state: State) {
    if let Some(slot) = states.get_mut(at as usize) {
        *slot = state;
    }
}

fn circle() -> String {
    "this part refers to itself without looking into the value".to_owned()
}
