//! JSON as text. What no expression touches keeps its spelling (semantics D14), and nothing is parsed twice.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// Nesting that the API accepts (`json_depth` of the limits page): deeper input is refused, not followed.
pub const JSON_DEPTH: usize = 128;

/// Well-formed JSON text: one value, at most [`JSON_DEPTH`] deep, no lone surrogates, every number a finite double.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

/// Why a text is not a [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPayload {
    /// Not JSON at all.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// Nested deeper than [`JSON_DEPTH`].
    #[error("JSON is nested deeper than {JSON_DEPTH} levels")]
    TooDeep,
    /// An escape such as `\ud800` without its other half.
    #[error("a string contains half of a surrogate pair (\\u{0:04x}); send complete characters")]
    LoneSurrogate(u16),
    /// A number that no double can hold.
    #[error("the number {0} is too large for a 64-bit floating point number; send it as a string")]
    NumberRange(String),
}

impl Payload {
    /// Checks a text and keeps it, without the white space around it.
    ///
    /// # Errors
    /// [`InvalidPayload`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidPayload> {
        scan::check(text.as_bytes())?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| InvalidPayload::Syntax(e.to_string()))?;
        Ok(Self(Arc::from(raw.get())))
    }

    /// From a value that our own code made.
    #[must_use]
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self(Arc::from(value.to_string()))
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self(Arc::from("{}"))
    }

    /// From text that is already known to be well-formed.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a clone of the other: the same text at the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Levels of nesting: 0 for what is neither an array nor an object.
    pub(crate) fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }

    /// Whether the value is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// The parsed value; `null` if it cannot be read, which [`Payload::parse`] excludes.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        let mut deserializer = serde_json::Deserializer::from_str(&self.0);
        deserializer.disable_recursion_limit(); // ours, JSON_DEPTH, was checked by `parse`
        serde_json::Value::deserialize(&mut deserializer).unwrap_or(serde_json::Value::Null)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

/// For a member that may be missing, which is not the same as null: `#[serde(default, deserialize_with = "present")]`.
///
/// # Errors
/// What is there is no [`Payload`].
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

mod scan {
    //! One pass over the bytes, no recursion: what the grammar alone does not refuse.

    use super::{InvalidPayload, JSON_DEPTH};

    pub(super) fn check(bytes: &[u8]) -> Result<(), InvalidPayload> {
        let (mut at, mut depth) = (0, 0usize);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => at = string(bytes, at + 1)?,
                b'[' | b'{' => {
                    depth += 1;
                    if depth > JSON_DEPTH {
                        return Err(InvalidPayload::TooDeep);
                    }
                    at += 1;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                b'-' | b'0'..=b'9' => at = number(bytes, at)?,
                _ => at += 1,
            }
        }
        Ok(())
    }

    /// From behind the opening quote to behind the closing one.
    fn string(bytes: &[u8], mut at: usize) -> Result<usize, InvalidPayload> {
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => return Ok(at + 1),
                b'\\' if bytes.get(at + 1) == Some(&b'u') => at = escape(bytes, at)?,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        Ok(at)
    }

    fn escape(bytes: &[u8], at: usize) -> Result<usize, InvalidPayload> {
        match unit(bytes, at) {
            Some(high @ 0xd800..=0xdbff) => match unit(bytes, at + 6) {
                Some(0xdc00..=0xdfff) => Ok(at + 12),
                Some(_) | None => Err(InvalidPayload::LoneSurrogate(high)),
            },
            Some(low @ 0xdc00..=0xdfff) => Err(InvalidPayload::LoneSurrogate(low)),
            Some(_) => Ok(at + 6),
            None => Ok(at + 2), // the grammar refuses it
        }
    }

    /// The code unit of an escape (`\u` and four hexadecimal digits) at this place.
    fn unit(bytes: &[u8], at: usize) -> Option<u16> {
        let text = bytes.get(at..at + 6)?;
        let hex = std::str::from_utf8(text.strip_prefix(b"\\u")?).ok()?;
        u16::from_str_radix(hex, 16).ok()
    }

    fn number(bytes: &[u8], at: usize) -> Result<usize, InvalidPayload> {
        let rest = &bytes[at..];
        let len = rest.iter().position(|b| !b"+-.0123456789eE".contains(b)).unwrap_or(rest.len());
        let text = &rest[..len];
        let may_overflow = len > 300 || text.iter().any(|b| matches!(b, b'e' | b'E'));
        if may_overflow {
            let text = String::from_utf8_lossy(text);
            if text.parse::<f64>().is_ok_and(f64::is_infinite) {
                return Err(InvalidPayload::NumberRange(text.chars().take(40).collect()));
            }
        }
        Ok(at + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_it_stands() {
        for text in ["1.50", "{\"b\":1,\"a\":[1e2, 3]}", "12345678901234567890", "\"\\ud83d\\ude00\""] {
            let payload = Payload::parse(&format!(" {text}\n")).expect(text);
            assert_eq!(payload.as_str(), text);
            assert_eq!(serde_json::to_string(&payload).expect("serializes"), text);
        }
    }

    #[test]
    fn hostile_text_is_refused_without_recursion() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(Payload::parse(&deep), Err(InvalidPayload::TooDeep));
        let just = "[".repeat(JSON_DEPTH) + &"]".repeat(JSON_DEPTH);
        assert!(Payload::parse(&just).is_ok_and(|p| p.to_value().is_array()));
        for text in [r#""\ud800""#, r#""\udc00x""#, r#""\ud800\u0041""#, r#"{"\ud800":1}"#] {
            assert!(matches!(Payload::parse(text), Err(InvalidPayload::LoneSurrogate(_))), "{text}");
        }
        for text in ["1e400", "[-1E999]", &"9".repeat(400)] {
            assert!(matches!(Payload::parse(text), Err(InvalidPayload::NumberRange(_))), "{text}");
        }
        for text in ["", "{", "nul", "{a:1}", "1 2", "\"\\u12\"", "[1,]", "\u{1}"] {
            assert!(matches!(Payload::parse(text), Err(InvalidPayload::Syntax(_))), "{text}");
        }
    }
}
