//! Between values and JSON, both ways. Recursion is bounded by `JSON_DEPTH` when reading, and by the depth that
//! every value knows of itself when writing.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Value, number};
use crate::error::JsonError;
use crate::limits::JSON_DEPTH;

impl Value {
    /// Reads a JSON text. Numbers become doubles.
    ///
    /// # Errors
    /// If the text is not JSON or is nested deeper than [`JSON_DEPTH`].
    pub fn from_json_text(text: &str) -> Result<Value, JsonError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.disable_recursion_limit();
        let too_deep = Cell::new(false);
        let read = Reader { levels: JSON_DEPTH, too_deep: &too_deep }.deserialize(&mut reader);
        if too_deep.get() {
            return Err(JsonError::Depth);
        }
        let value = read?;
        reader.end()?;
        Ok(value)
    }

    /// Converts parsed JSON. Numbers become doubles.
    ///
    /// # Errors
    /// If it is nested deeper than [`JSON_DEPTH`].
    pub fn from_json(json: &serde_json::Value) -> Result<Value, JsonError> {
        convert(json, JSON_DEPTH)
    }

    /// The value as JSON text, as `JSON.stringify` writes it: no text for `undefined`, which is left out of objects
    /// and is `null` in arrays; `NaN` and infinities are `null`; integral numbers have no fraction (row D14).
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        if self.is_undefined() {
            return None;
        }
        let mut out = String::new();
        match write(self, &mut out) {
            Ok(()) => Some(out),
            Err(never) => match never {},
        }
    }
}

fn convert(json: &serde_json::Value, levels: usize) -> Result<Value, JsonError> {
    let inner = || levels.checked_sub(1).ok_or(JsonError::Depth);
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => {
            let levels = inner()?;
            Value::array(items.iter().map(|item| convert(item, levels)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(entries) => {
            let levels = inner()?;
            let entries = entries.iter().map(|(key, item)| Ok((key.as_str(), convert(item, levels)?)));
            Value::object(entries.collect::<Result<Vec<_>, JsonError>>()?)
        }
    })
}

/// Where JSON text is written: a plain string, or one that is paid for.
pub(crate) trait Sink {
    /// Why it may refuse more.
    type Error;

    /// Appends a text.
    fn put(&mut self, text: &str) -> Result<(), Self::Error>;
}

impl Sink for String {
    type Error = Infallible;

    fn put(&mut self, text: &str) -> Result<(), Infallible> {
        self.push_str(text);
        Ok(())
    }
}

/// Writes a value that is not `undefined`.
pub(crate) fn write<S: Sink>(value: &Value, out: &mut S) -> Result<(), S::Error> {
    match value {
        Value::Bool(flag) => out.put(if *flag { "true" } else { "false" }),
        Value::Number(number) if number.is_finite() => out.put(&number::to_text(*number)),
        Value::Undefined | Value::Null | Value::Number(_) => out.put("null"),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.put("[")?;
            for (at, item) in items.iter().enumerate() {
                out.put(if at > 0 { "," } else { "" })?;
                write(item, out)?;
            }
            out.put("]")
        }
        Value::Object(entries) => {
            out.put("{")?;
            for (at, (key, item)) in entries.iter().filter(|(_, item)| !item.is_undefined()).enumerate() {
                out.put(if at > 0 { "," } else { "" })?;
                write_string(key, out)?;
                out.put(":")?;
                write(item, out)?;
            }
            out.put("}")
        }
    }
}

/// Writes a JSON string with its quotes, escaping what `JSON.stringify` escapes.
fn write_string<S: Sink>(text: &str, out: &mut S) -> Result<(), S::Error> {
    out.put("\"")?;
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.put(&text[written..at])?;
        written = at + 1;
        match byte {
            b'"' => out.put("\\\"")?,
            b'\\' => out.put("\\\\")?,
            b'\n' => out.put("\\n")?,
            b'\r' => out.put("\\r")?,
            b'\t' => out.put("\\t")?,
            0x08 => out.put("\\b")?,
            0x0c => out.put("\\f")?,
            _ => out.put(&format!("\\u{byte:04x}"))?,
        }
    }
    out.put(&text[written..])?;
    out.put("\"")
}

/// Reads one value that may still be `levels` deep.
#[derive(Clone, Copy)]
struct Reader<'a> {
    levels: usize,
    /// Set when the reader stops for depth, because its error type cannot say so.
    too_deep: &'a Cell<bool>,
}

impl<'a> Reader<'a> {
    fn inner<E: serde::de::Error>(self) -> Result<Reader<'a>, E> {
        let Some(levels) = self.levels.checked_sub(1) else {
            self.too_deep.set(true);
            return Err(E::custom(JsonError::Depth));
        };
        Ok(Reader { levels, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers are doubles (D14)")]
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers are doubles (D14)")]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            read.push(item);
        }
        Ok(Value::array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut read: Vec<(Arc<str>, Value)> = Vec::new();
        while let Some(key) = entries.next_key()? {
            read.push((key, entries.next_value_seed(inner)?));
        }
        Ok(Value::object(read))
    }
}
