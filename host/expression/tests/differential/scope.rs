//! Random scopes: the same names each time, with random values.

use serde_json::{Map, Value, json};

use super::random::Random;

const TEXTS: [&str; 16] = [
    "",
    "a",
    "abc",
    "Hello World",
    "  padded\t",
    "10",
    "9",
    "-1.5",
    "0x1f",
    "1e3",
    "true",
    "null",
    "a,b,,c",
    "\u{e9}t\u{e9}",
    "x\"y\\z\n",
    "aaa",
];
const ASTRAL: [&str; 3] = ["\u{1f600}", "a\u{1f600}b", "\u{fffd}\u{1d11e}\u{1d11e}"];
const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "0.5",
    "-0.5",
    "1.5",
    "2.5",
    "-2.5",
    "1e21",
    "123456789012",
    "1e-7",
    "0.1",
    "255",
    "4294967296",
    "-0",
];
const KEYS: [&str; 10] = ["a", "b", "id", "1", "0", "length", "map", "constructor", "__proto__", "10"];

/// The names of every scope with their values; strings outside of the basic plane only if `astral`.
pub fn scope(random: &mut Random, astral: bool) -> Map<String, Value> {
    let mut maker = Maker { random, astral };
    let mut scope = Map::new();
    scope.insert("n".into(), maker.number());
    scope.insert("m".into(), maker.number());
    scope.insert("s".into(), maker.text());
    scope.insert("t".into(), maker.text());
    scope.insert("b".into(), json!(maker.random.once_in(2)));
    scope.insert("nil".into(), Value::Null);
    scope.insert("nums".into(), maker.list(|maker| maker.number()));
    scope.insert("list".into(), maker.list(|maker| maker.any(1)));
    scope.insert("rows".into(), maker.list(Maker::row));
    scope.insert("o".into(), maker.object(2));
    scope.insert("any".into(), maker.any(2));
    scope
}

struct Maker<'r> {
    random: &'r mut Random,
    astral: bool,
}

impl Maker<'_> {
    fn number(&mut self) -> Value {
        serde_json::from_str(self.random.pick(&NUMBERS)).unwrap_or_default()
    }

    fn text(&mut self) -> Value {
        let astral = self.astral && self.random.once_in(2);
        json!(self.random.pick(if astral { &ASTRAL } else { &TEXTS }))
    }

    fn list(&mut self, item: impl Fn(&mut Self) -> Value) -> Value {
        (0..self.random.below(6)).map(|_| item(self)).collect()
    }

    fn row(&mut self) -> Value {
        json!({"id": self.number(), "ok": self.random.once_in(2), "name": self.text(), "tags": self.list(Self::text)})
    }

    fn object(&mut self, depth: usize) -> Value {
        let entries = (0..self.random.below(5)).map(|_| (self.random.pick(&KEYS).to_owned(), self.any(depth)));
        Value::Object(entries.collect())
    }

    fn any(&mut self, depth: usize) -> Value {
        match self.random.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.random.once_in(2)),
            2 | 3 => self.number(),
            4 => self.text(),
            5 => self.object(depth - 1),
            6 => self.row(),
            _ => self.list(|maker| maker.any(depth - 1)),
        }
    }
}
