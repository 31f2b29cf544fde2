//! Reads a schema's parts. Nothing here is recursive; each part is read once, however often it is referred to.

use super::outline::{Part, Wrong};
use serde_json::Value;
use std::collections::HashMap;

/// Deepest nesting of a schema's JSON: the library reads it recursively.
const SCHEMA_DEPTH: usize = 64;
/// Most patterns: each may take as much memory as [`super::PATTERN_BYTES`] says, twice.
const PATTERNS: usize = 64;
/// Bytes of a list, `enum` for instance, that count as one unit of work.
const BYTES_PER_UNIT: usize = 16;
/// Keywords that cannot be bounded, or that make a document of many.
const NOT_TAKEN: [&str; 5] = ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$anchor"];

/// What was read.
pub(super) struct Read {
    pub parts: Vec<Part>,
    pub places: Places,
    pub patterns: usize,
}

/// Where parts stand: each behind another one.
pub(super) struct Places(Vec<Option<(u32, String)>>);

impl Places {
    /// JSON pointer of a part.
    pub fn pointer(&self, at: u32) -> String {
        let (mut segments, mut at) = (Vec::new(), at);
        while let Some(Some((before, path))) = self.0.get(at as usize) {
            segments.push(path.as_str());
            at = *before;
        }
        segments.into_iter().rev().collect()
    }
}

struct Reader<'a> {
    root: &'a Value,
    parts: Vec<Part>,
    places: Places,
    /// By address: `root` does not move while it is read.
    known: HashMap<*const Value, u32>,
    /// Found, and not read yet.
    open: Vec<(u32, &'a Value)>,
    patterns: usize,
}

/// All parts that a schema leads to; it is the first.
pub(super) fn read(schema: &Value) -> Result<Read, Wrong> {
    check_form(schema)?;
    let places = Places(Vec::new());
    let (parts, known, open) = (Vec::new(), HashMap::new(), Vec::new());
    let mut reader = Reader { root: schema, parts, places, known, open, patterns: 0 };
    reader.part(schema, None);
    while let Some((at, value)) = reader.open.pop() {
        let part = reader.read(at, value)?;
        if let Some(slot) = reader.parts.get_mut(at as usize) {
            *slot = part;
        }
    }
    Ok(Read { parts: reader.parts, places: reader.places, patterns: reader.patterns })
}

/// Depth, and names for parts, anywhere.
fn check_form(schema: &Value) -> Result<(), Wrong> {
    let mut open = vec![(schema, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > SCHEMA_DEPTH {
            return Err(wrong("", format!("a schema is nested at most {SCHEMA_DEPTH} deep")));
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(object) => {
                if depth > 0 && object.get("$id").is_some_and(Value::is_string) {
                    return Err(wrong("", "`$id` is taken at the top only".to_owned()));
                }
                open.extend(object.values().map(|value| (value, depth + 1)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

impl<'a> Reader<'a> {
    /// The number of a part; `place` says behind which one it stands, and how.
    fn part(&mut self, value: &'a Value, place: Option<(u32, String)>) -> u32 {
        if let Some(known) = self.known.get(&std::ptr::from_ref(value)) {
            return *known;
        }
        let at = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.parts.push(Part::default());
        self.places.0.push(place);
        self.known.insert(value, at);
        self.open.push((at, value));
        at
    }

    fn read(&mut self, at: u32, value: &'a Value) -> Result<Part, Wrong> {
        let mut part = Part { weight: 1, ..Part::default() };
        let object = match value {
            Value::Bool(_) => return Ok(part),
            Value::Object(object) => object,
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(self.wrong(at, "", "a schema is an object, true or false"));
            }
        };
        for (keyword, value) in object {
            if NOT_TAKEN.contains(&keyword.as_str()) {
                return Err(self.wrong(
                    at,
                    &format!("/{keyword}"),
                    "this keyword is not taken; use `$ref` and `$defs`",
                ));
            }
            self.keyword(at, &mut part, (keyword, value))?;
        }
        let names = u32::try_from(object.len()).unwrap_or(u32::MAX);
        part.weight = part.weight.saturating_add(names);
        Ok(part)
    }

    fn keyword(&mut self, at: u32, part: &mut Part, (keyword, value): (&str, &'a Value)) -> Result<(), Wrong> {
        match keyword {
            "$ref" => part.in_place.push(self.target(at, value)?),
            "allOf" | "anyOf" | "oneOf" => part.in_place.extend(self.list(at, keyword, value)),
            "not" | "if" | "then" | "else" => part.in_place.push(self.one(at, keyword, value)),
            "dependentSchemas" | "dependencies" => {
                let schemas = self.map(at, keyword, value);
                part.in_place.extend(schemas.into_iter().map(|(_, schema)| schema));
            }
            "properties" => part.properties.extend(self.map(at, keyword, value)),
            "patternProperties" => {
                let schemas = self.map(at, keyword, value);
                for _ in &schemas {
                    self.pattern(at)?;
                }
                part.patterns = u32::try_from(schemas.len()).unwrap_or(u32::MAX);
                part.values.extend(schemas.into_iter().map(|(_, schema)| schema));
            }
            "additionalProperties" => part.values.push(self.one(at, keyword, value)),
            "unevaluatedProperties" => {
                part.again = true;
                part.values.push(self.one(at, keyword, value));
            }
            "propertyNames" => part.names.push(self.one(at, keyword, value)),
            "prefixItems" => part.first.extend(self.list(at, keyword, value)),
            "items" if value.is_array() => part.first.extend(self.list(at, keyword, value)),
            "items" | "contains" | "additionalItems" => part.items.push(self.one(at, keyword, value)),
            "unevaluatedItems" => {
                part.again = true;
                part.items.push(self.one(at, keyword, value));
            }
            "pattern" => self.pattern(at)?,
            "enum" | "const" | "required" | "dependentRequired" => {
                let bytes = serde_json::to_string(value).map_or(0, |text| text.len());
                let units = u32::try_from(bytes / BYTES_PER_UNIT).unwrap_or(u32::MAX);
                part.weight = part.weight.saturating_add(units);
            }
            _ => {}
        }
        Ok(())
    }

    fn one(&mut self, at: u32, keyword: &str, value: &'a Value) -> u32 {
        self.part(value, Some((at, format!("/{keyword}"))))
    }

    /// What is not a list is refused by the library, which knows the form of every keyword.
    fn list(&mut self, at: u32, keyword: &str, value: &'a Value) -> Vec<u32> {
        let items = value.as_array().into_iter().flatten().enumerate();
        items.map(|(nth, item)| self.part(item, Some((at, format!("/{keyword}/{nth}"))))).collect()
    }

    /// Of `dependencies`, lists of names are no schemas.
    fn map(&mut self, at: u32, keyword: &str, value: &'a Value) -> Vec<(String, u32)> {
        let entries = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array());
        let place = |name: &str| format!("/{keyword}/{}", name.replace('~', "~0").replace('/', "~1"));
        entries.map(|(name, schema)| (name.clone(), self.part(schema, Some((at, place(name)))))).collect()
    }

    fn target(&mut self, at: u32, reference: &Value) -> Result<u32, Wrong> {
        let only = "a reference is \"#\" or \"#/...\", a JSON pointer into this schema; nothing is fetched";
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).filter(|text| !text.contains('%'));
        let pointer = pointer.ok_or_else(|| self.wrong(at, "/$ref", only))?;
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            return Err(self.wrong(at, "/$ref", only));
        }
        let root = self.root;
        let target = root.pointer(pointer).filter(|target| target.is_object() || target.is_boolean());
        let target = target.ok_or_else(|| self.wrong(at, "/$ref", "there is no schema at this place"))?;
        Ok(self.part(target, Some((0, pointer.to_owned()))))
    }

    fn pattern(&mut self, at: u32) -> Result<(), Wrong> {
        self.patterns += 1;
        if self.patterns <= PATTERNS {
            return Ok(());
        }
        Err(self.wrong(at, "", &format!("a schema has at most {PATTERNS} patterns")))
    }

    fn wrong(&self, at: u32, behind: &str, message: &str) -> Wrong {
        Wrong { pointer: format!("{}{behind}", self.places.pointer(at)), message: message.to_owned() }
    }
}

fn wrong(pointer: &str, message: String) -> Wrong {
    Wrong { pointer: pointer.to_owned(), message }
}
