//! CloudEvents 1.0 over HTTP: structured, in batches, and binary. Pure: a request becomes events of ours, or faults with the names of fields.
//!
//! `id`, `source`, `type` and `time` are the event's own fields; `subject`, `dataschema`, `datacontenttype` and extensions become its
//! `metadata`. Data that is no text stays base64, and `metadata.dataencoding` says so.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stepwell_core::payload::Payload;
use stepwell_engine::NewEvent;

/// One event, with its attributes round the data.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// A list of such.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// What the headers of a binary event begin with.
const PREFIX: &str = "ce-";
/// The only version.
const VERSION: &str = "1.0";
/// Longest name of an extension: the specification asks for 20.
const NAME_BYTES: usize = 100;
/// Most attributes of one event: few have more than ten.
const ATTRIBUTES: usize = 100;
/// Where it stands that the data is base64.
const ENCODING: &str = "dataencoding";

/// A field at fault, and what to send.
pub type Fault = (String, String);

/// How a request carries events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not as a CloudEvent.
    Own,
    /// One event in the body.
    Structured,
    /// A list of events in the body.
    Batch,
    /// Attributes in headers, and the body is the data.
    Binary,
}

/// How a request with these headers carries events.
pub fn form(headers: &HeaderMap) -> Form {
    match media_type(headers).as_str() {
        STRUCTURED => Form::Structured,
        BATCH => Form::Batch,
        _ if headers.keys().any(|name| name.as_str().starts_with(PREFIX)) => Form::Binary,
        _ => Form::Own,
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn media_type(headers: &HeaderMap) -> String {
    essence(content_type(headers))
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An event whose attributes stand round its data.
///
/// # Errors
/// All faults at once.
pub fn structured(event: &Payload) -> Result<NewEvent, Vec<Fault>> {
    let object = || vec![("body".to_owned(), "an event is a JSON object".to_owned())];
    if !event.is_object() {
        return Err(object());
    }
    let mut fields: BTreeMap<String, Payload> = serde_json::from_str(event.as_str()).map_err(|_| object())?;
    let mut faults = Vec::new();
    let (data, encoded) = (fields.remove("data"), fields.remove("data_base64").filter(|data| data.as_str() != "null"));
    let mut attributes = Attributes::default();
    for (name, value) in fields.into_iter().filter(|(_, value)| value.as_str() != "null") {
        attributes.add(name, value.to_value(), &mut faults);
    }
    let data = match (data, encoded) {
        (Some(_), Some(_)) => {
            faults.push(("data_base64".to_owned(), "send either `data` or `data_base64`".to_owned()));
            None
        }
        (data, None) => data,
        (None, Some(encoded)) => match encoded.to_value().as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()) {
            Some(bytes) => attributes.data(&bytes, &mut faults),
            None => {
                faults.push(("data_base64".to_owned(), "`data_base64` is a text in base64".to_owned()));
                None
            }
        },
    };
    attributes.event(data, faults)
}

/// An event whose attributes are headers.
///
/// # Errors
/// All faults at once.
pub fn binary(headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, Vec<Fault>> {
    let (mut attributes, mut faults) = (Attributes::default(), Vec::new());
    for name in headers.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
        let attribute = name.as_str().get(PREFIX.len()..).unwrap_or_default();
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => match unescaped(value.as_bytes()) {
                Some(text) => attributes.add(attribute.to_owned(), json!(text), &mut faults),
                None => {
                    let message = format!("`{name}` is text, percent-encoded where it is not ASCII");
                    faults.push((name.to_string(), message));
                }
            },
            _ => faults.push((name.to_string(), format!("`{name}` is sent more than once; send it once"))),
        }
    }
    if attributes.0.contains_key("datacontenttype") {
        faults.push(("ce-datacontenttype".to_owned(), "send the type of the data as `Content-Type`".to_owned()));
    }
    let kind = content_type(headers);
    if !kind.is_empty() {
        attributes.0.insert("datacontenttype".to_owned(), json!(kind));
    }
    let data = if body.is_empty() { None } else { attributes.data(body, &mut faults) };
    attributes.event(data, faults).map_err(|faults| faults.into_iter().map(in_headers).collect())
}

/// The name of a field as it is spelt in a header.
fn in_headers((field, message): Fault) -> Fault {
    let is_header = field.starts_with(PREFIX) || field == "body";
    (if is_header { field } else { format!("{PREFIX}{field}") }, message)
}

/// A header's value: quoted strings are opened (RFC 7230), then percent-encoding.
fn unescaped(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let mut plain = Vec::with_capacity(text.len());
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        None => plain.extend_from_slice(text.as_bytes()),
        Some(quoted) => {
            let mut bytes = quoted.bytes();
            while let Some(byte) = bytes.next() {
                plain.push(if byte == b'\\' { bytes.next()? } else { byte });
            }
        }
    }
    let (mut decoded, mut at) = (Vec::with_capacity(plain.len()), 0);
    while let Some(byte) = plain.get(at) {
        let digits =
            plain.get(at + 1..at + 3).filter(|digits| *byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

/// The attributes of one event, by name.
#[derive(Default)]
struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    fn add(&mut self, name: String, value: Value, faults: &mut Vec<Fault>) {
        let is_name = (1..=NAME_BYTES).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !is_name {
            let message = "names of attributes have small letters and digits; put other fields into `data`";
            return faults.push((name, message.to_owned()));
        }
        if self.0.len() >= ATTRIBUTES {
            return faults.push((name, format!("an event has at most {ATTRIBUTES} attributes")));
        }
        let is_simple = value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64();
        if !is_simple {
            let message = format!("`{name}` is a text, a whole number, or true or false; put other values into `data`");
            return faults.push((name, message));
        }
        self.0.insert(name, value);
    }

    /// Bytes as data: JSON or text as the content type says, and base64 otherwise.
    fn data(&mut self, bytes: &[u8], faults: &mut Vec<Fault>) -> Option<Payload> {
        let kind = essence(self.0.get("datacontenttype").and_then(Value::as_str).unwrap_or("application/json"));
        if kind == "application/json" || kind.ends_with("+json") {
            return match crate::extract::payload(bytes) {
                Ok(data) => Some(data),
                Err(error) => {
                    faults.push(("body".to_owned(), format!("the data: {}", error.message())));
                    None
                }
            };
        }
        let is_text = kind.starts_with("text/") || kind == "application/xml" || kind.ends_with("+xml");
        match std::str::from_utf8(bytes).ok().filter(|_| is_text) {
            Some(text) => Some(Payload::from_value(&json!(text))),
            None => {
                self.0.entry(ENCODING.to_owned()).or_insert_with(|| json!("base64"));
                Some(Payload::from_value(&json!(BASE64_STANDARD.encode(bytes))))
            }
        }
    }

    fn event(mut self, data: Option<Payload>, mut faults: Vec<Fault>) -> Result<NewEvent, Vec<Fault>> {
        match self.needed("specversion", &mut faults) {
            Some(version) if version != VERSION => {
                faults.push(("specversion".to_owned(), "`specversion` is \"1.0\"".to_owned()));
            }
            Some(_) | None => {}
        }
        let kind = self.needed("type", &mut faults);
        let source = self.needed("source", &mut faults);
        let id = self.needed("id", &mut faults);
        let timestamp = self.optional("time", &mut faults);
        for name in ["subject", "dataschema", "datacontenttype"] {
            if self.0.get(name).is_some_and(|value| !value.is_string()) {
                faults.push((name.to_owned(), format!("`{name}` is a text")));
            }
        }
        let metadata = (!self.0.is_empty()).then(|| Payload::from_value(&Value::Object(self.0.into_iter().collect())));
        match (kind, source, id) {
            (Some(kind), Some(source), Some(id)) if faults.is_empty() => {
                Ok(NewEvent { kind, source, id: Some(id), timestamp, data, resources: None, metadata })
            }
            _ => Err(faults),
        }
    }

    fn needed(&mut self, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
        let text = self.optional(name, faults).filter(|text| !text.is_empty());
        if text.is_none() && faults.iter().all(|(field, _)| field.trim_start_matches(PREFIX) != name) {
            faults.push((name.to_owned(), format!("an event needs `{name}`, a text")));
        }
        text
    }

    fn optional(&mut self, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            _ => {
                faults.push((name.to_owned(), format!("`{name}` is a text")));
                None
            }
        }
    }
}

/// An event of ours as a CloudEvent, as JSON text.
pub fn shown(event: &str) -> Option<String> {
    let mut fields: BTreeMap<String, Payload> = serde_json::from_str(event).ok()?;
    let mut shown = Map::from_iter([("specversion".to_owned(), json!(VERSION))]);
    for [ours, theirs] in [["id", "id"], ["source", "source"], ["type", "type"], ["timestamp", "time"]] {
        shown.insert(theirs.to_owned(), fields.remove(ours)?.to_value());
    }
    let data = fields.remove("data");
    let mut is_base64 = false;
    if let Some(Value::Object(metadata)) = fields.remove("metadata").map(|metadata| metadata.to_value()) {
        for (name, value) in metadata {
            let mut attributes = Attributes::default();
            attributes.add(name.clone(), value.clone(), &mut Vec::new());
            if name == ENCODING && value == "base64" {
                is_base64 = true;
            } else if !attributes.0.is_empty() && !shown.contains_key(&name) {
                shown.insert(name, value);
            }
        }
    }
    let text = serde_json::to_string(&shown).ok()?;
    let Some(data) = data else { return Some(text) };
    let name = if is_base64 { "data_base64" } else { "data" };
    Some(format!("{},\"{name}\":{}}}", text.strip_suffix('}')?, data.as_str()))
}

#[cfg(test)]
mod tests;
