//! The body of a webhook as JSON, whatever it is sent as.
//!
//! JSON is JSON. A form becomes an object of texts; one whose only field is `payload` with a JSON object in it (Slack, GitHub) becomes that
//! object. Anything else is JSON if it is an object or a list, and otherwise one text. Nothing at all is `{}`.

use crate::extract;
use serde_json::{Map, Value};
use stepwell_core::payload::Payload;
use stepwell_engine::{Incoming, Unreadable};

/// Reads a body.
///
/// # Errors
/// It is called JSON and is none (`invalid_json`, `json_depth`, `invalid_json_value`), or it is no text (`unsupported_media_type`).
pub fn read(request: &Incoming) -> Result<Payload, Unreadable> {
    if request.body.trim_ascii().is_empty() {
        return Ok(Payload::empty_object());
    }
    let kind = kind(request);
    if kind == "application/json" || kind.ends_with("+json") {
        return extract::payload(&request.body)
            .map_err(|error| Unreadable { code: error.code().to_owned(), message: error.message().to_owned() });
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| {
        let code = "unsupported_media_type";
        let message = "the body is not UTF-8; send JSON, a form, or text";
        Unreadable { code: code.to_owned(), message: message.to_owned() }
    })?;
    if let Some(json) = compound(text) {
        return Ok(json);
    }
    if kind == "application/x-www-form-urlencoded" {
        return Ok(form(text));
    }
    Ok(Payload::from_value(&Value::String(text.to_owned())))
}

/// The media type in small letters, without parameters.
fn kind(request: &Incoming) -> String {
    let given = request.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value);
    let given = given.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An object or a list, if the text is one.
fn compound(text: &str) -> Option<Payload> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) { Payload::parse(text).ok() } else { None }
}

fn form(text: &str) -> Payload {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        add(&mut fields, &name, &value);
    }
    let only = match fields.get("payload") {
        Some(Value::String(text)) if fields.len() == 1 => compound(text).filter(Payload::is_object),
        Some(_) | None => None,
    };
    only.unwrap_or_else(|| Payload::from_value(&Value::Object(fields)))
}

/// Adds a field; one that is there becomes a list.
pub fn add(fields: &mut Map<String, Value>, name: &str, value: &str) {
    let value = Value::String(value.to_owned());
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(kind: &str, body: &[u8]) -> Incoming {
        let headers = vec![("content-type".to_owned(), Bytes::copy_from_slice(kind.as_bytes()))];
        let (method, path) = ("POST".to_owned(), "/webhooks/a".to_owned());
        Incoming { method, path, query: Map::new(), headers, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn bodies_become_json() {
        let form = "application/x-www-form-urlencoded";
        for (kind, body, expected) in [
            ("application/json", r#"{"n": 1.50}"#, r#"{"n": 1.50}"#),
            ("Application/Vnd.X+JSON; charset=utf-8", " 1 ", "1"),
            ("application/json", "", "{}"),
            ("text/plain", "  \n", "{}"),
            (form, "From=%2B1&Body=a+b&Body=c%26&x", r#"{"From":"+1","Body":["a b","c&"],"x":""}"#),
            (form, "payload=%7B%22a%22%3A%201%7D", r#"{"a": 1}"#),
            (form, "payload=%7B%7D&more=1", r#"{"payload":"{}","more":"1"}"#),
            (form, "payload=%7B", r#"{"payload":"{"}"#),
            (form, "payload=1", r#"{"payload":"1"}"#),
            (form, r#"{"a":1}"#, r#"{"a":1}"#),
            ("", r#"{"a":1}"#, r#"{"a":1}"#),
            ("text/plain", "[1]", "[1]"),
            ("text/plain", "{not json", r#""{not json""#),
            ("text/xml", "<a>1</a>", r#""<a>1</a>""#),
            ("text/plain", "12", r#""12""#),
        ] {
            assert_eq!(read(&request(kind, body.as_bytes())).expect("reads").as_str(), expected, "{kind} {body}");
        }
    }

    #[test]
    fn what_says_that_it_is_json_must_be_json() {
        for (kind, body, code) in [
            ("application/json", &b"{"[..], "invalid_json"),
            ("application/json", b"\xff", "invalid_request"),
            ("application/json", br#""\ud800""#, "invalid_json_value"),
            ("application/json", &[b'['; 1_000], "json_depth"),
            ("application/octet-stream", b"\xff\xfe", "unsupported_media_type"),
        ] {
            assert_eq!(read(&request(kind, body)).expect_err("refused").code, code, "{kind}");
        }
    }
}
