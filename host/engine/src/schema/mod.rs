//! JSON Schemas that tenants give: of a workflow's input (semantics P3) and of a human step's form (H6).
//!
//! A schema may be hostile, and so may the value: the check of a schema ([`outline`]) and of each value ([`work`]) bound the time, the
//! memory and the stack of the library before it is asked. Not taken, because no bound could be given or nothing is fetched: references
//! to other documents, `$id` below the root, anchors, dynamic references, and patterns with look-around or back references.
//! `format` is a note for readers, as 2020-12 has it by default.

mod outline;
mod reader;
mod work;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use outline::Outline;
use serde_json::Value;
use stepwell_core::definition::Fault;

/// Longest schema, bytes of JSON: as much as people write, and little enough to be analysed with each definition.
pub const SCHEMA_BYTES: usize = 64 << 10;
/// Most places of a value that an answer names: more help nobody.
pub const VIOLATIONS: usize = 20;

/// What one pattern may come to, bytes; and as much again for its memory while it runs.
const PATTERN_BYTES: usize = 256 << 10;
/// Longest message: the library's quote the schema.
const MESSAGE_BYTES: usize = 300;
/// Most work with which all places at fault are looked for: each costs memory until the answer is written.
const DETAILED_WORK: u64 = 100_000;

/// A schema that was checked and compiled.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    outline: Outline,
    weight: usize,
}

/// A place where a value does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the value.
    pub pointer: String,
    /// What the schema wants there. It does not repeat the value.
    pub message: String,
}

impl Schema {
    /// Checks and compiles a schema of draft 2020-12 (the default) or draft-07. `place` is its JSON pointer in the definition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(schema: &Value, place: &str) -> Result<Self, Vec<Fault>> {
        let at = |pointer: &str, message: &str| {
            vec![Fault::new(format!("{place}{pointer}"), "invalid_schema", shortened(message))]
        };
        let bytes = serde_json::to_string(schema).map_or(usize::MAX, |text| text.len());
        if bytes > SCHEMA_BYTES {
            return Err(at("", &format!("a schema has at most {SCHEMA_BYTES} bytes of JSON (limit `definition`)")));
        }
        let draft = draft(schema).map_err(|message| at("/$schema", &message))?;
        let outline = Outline::of(schema).map_err(|wrong| at(&wrong.pointer, &wrong.message))?;
        let mut schema = schema.clone();
        if let Some(object) = schema.as_object_mut() {
            object.shift_remove("$id"); // a name for other documents, and there are none
        }
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let options = jsonschema::options().with_draft(draft).with_pattern_options(patterns);
        let validator = options.should_validate_formats(false).build(&schema);
        let validator = validator.map_err(|error| at(error.instance_path().as_str(), &error.to_string()))?;
        let weight = bytes.saturating_mul(64).saturating_add(outline.patterns().saturating_mul(2 * PATTERN_BYTES));
        Ok(Self { validator, outline, weight })
    }

    /// Whether a value matches.
    ///
    /// # Errors
    /// Where it does not, at least one place and at most [`VIOLATIONS`].
    pub fn validate(&self, value: &Value) -> Result<(), Vec<Violation>> {
        let whole = |message: &str| vec![Violation { pointer: String::new(), message: message.to_owned() }];
        let Some(work) = work::of(&self.outline, value) else {
            return Err(whole("it is too large or too deep to be checked against this schema; send less"));
        };
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if work > DETAILED_WORK {
            return Err(whole("it does not match its schema; it is too large to say where"));
        }
        let violations: Vec<_> = self.validator.iter_errors(value).take(VIOLATIONS).map(|e| violation(&e)).collect();
        if violations.is_empty() { Err(whole("it does not match its schema")) } else { Err(violations) }
    }

    /// About how many bytes of memory it may take at most, for caches.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let message = shortened(&error.masked_with("the value").to_string());
    Violation { pointer: error.instance_path().as_str().to_owned(), message }
}

/// Which rules it follows.
fn draft(schema: &Value) -> Result<Draft, String> {
    let named = match schema.get("$schema") {
        None => return Ok(Draft::Draft202012),
        Some(Value::String(named)) => named.trim_end_matches('#'),
        Some(_) => "",
    };
    match named {
        "https://json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        "http://json-schema.org/draft-07/schema" | "https://json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        _ => Err("only draft 2020-12 (https://json-schema.org/draft/2020-12/schema) and draft-07 \
                  (http://json-schema.org/draft-07/schema#) are taken"
            .to_owned()),
    }
}

fn shortened(message: &str) -> String {
    let end = message.floor_char_boundary(MESSAGE_BYTES);
    if end == message.len() { message.to_owned() } else { format!("{}…", &message[..end]) }
}

#[cfg(test)]
mod tests;
