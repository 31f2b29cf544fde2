//! Texts that stand for secrets, and what becomes of them in a request. Pure.

use crate::ports::HttpRequest;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// How a reference begins: without a character that any encoding of an address or of JSON would change.
const PREFIX: &str = "stepwell-secret-";

/// The references of one attempt: secrets by the text that stands for each.
#[derive(Debug, Default)]
pub(super) struct References(BTreeMap<String, String>);

impl References {
    /// The text that stands for this secret; chance makes one that nobody guesses the first time.
    pub fn of(&mut self, name: &str, chance: [u8; 16]) -> String {
        if let Some((text, _)) = self.0.iter().find(|(_, known)| *known == name) {
            return text.clone();
        }
        let text = format!("{PREFIX}{:032x}", u128::from_be_bytes(chance));
        self.0.insert(text.clone(), name.to_owned());
        text
    }

    /// The secrets that a request names: text and name of each.
    pub fn used(&self, request: &HttpRequest) -> Vec<(String, String)> {
        let names = |text: &str| {
            let text = text.as_bytes();
            contains(request.path.as_bytes(), text)
                || contains(&request.body, text)
                || request.headers.iter().any(|(_, value)| contains(value, text))
        };
        self.0.iter().filter(|(text, _)| names(text)).map(|(text, name)| (text.clone(), name.clone())).collect()
    }
}

/// Why a secret cannot stand where it is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DoesNotFit;

/// Puts a secret where its reference stands: as it is in headers and in bodies of no known form, and in addresses, forms and JSON as
/// they write such a text.
pub(super) fn put_in(request: &mut HttpRequest, text: &str, value: &str) -> Result<(), DoesNotFit> {
    let percents = Zeroizing::new(percent_encoded(value));
    if request.path.contains(text) {
        request.path = request.path.replace(text, &percents);
    }
    for (_, header) in &mut request.headers {
        if contains(header, text.as_bytes()) {
            // Most files end with a line break, and so do values that came from one.
            let value = value.trim();
            if value.bytes().any(|b| b.is_ascii_control()) {
                return Err(DoesNotFit);
            }
            *header = replaced(header, text.as_bytes(), value.as_bytes());
        }
    }
    if contains(&request.body, text.as_bytes()) {
        let written = match form(&request.headers) {
            Form::Json => Zeroizing::new(in_json(value)),
            Form::Fields => percents,
            Form::Other => Zeroizing::new(value.to_owned()),
        };
        request.body = replaced(&request.body, text.as_bytes(), written.as_bytes());
    }
    Ok(())
}

/// How a body writes texts.
enum Form {
    Json,
    Fields,
    Other,
}

fn form(headers: &[(String, Vec<u8>)]) -> Form {
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = kind.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind == "application/json" || kind.ends_with("+json") {
        Form::Json
    } else if kind == "application/x-www-form-urlencoded" {
        Form::Fields
    } else {
        Form::Other
    }
}

fn in_json(value: &str) -> String {
    let quoted = Zeroizing::new(serde_json::to_string(value).unwrap_or_default());
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn percent_encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    next(bytes, text).is_some()
}

fn next(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn replaced(bytes: &[u8], text: &[u8], value: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len() + value.len()), bytes);
    while let Some(at) = next(rest, text) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(value);
        rest = after.get(text.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::HttpTimeouts;

    const VALUE: &str = "s3cr3t \"&ü\\";

    fn request(path: &str, kind: &str, body: &str) -> HttpRequest {
        HttpRequest {
            method: "POST".into(),
            scheme: "https".into(),
            authority: "a.b".into(),
            path: path.into(),
            headers: vec![("content-type".into(), kind.into()), ("x".into(), b"Bearer REF".to_vec())],
            body: body.as_bytes().to_vec(),
            timeouts: HttpTimeouts::default(),
        }
    }

    fn filled(path: &str, kind: &str, body: &str) -> (String, String, String) {
        let mut references = References::default();
        let text = references.of("TOKEN", [7; 16]);
        assert_eq!(references.of("TOKEN", [8; 16]), text, "one for each secret");
        let put = |with: &str| with.replace("REF", &text);
        let mut request = request(&put(path), kind, &put(body));
        request.headers[1].1 = put("Bearer REF").into_bytes();
        assert_eq!(references.used(&request), [(text.clone(), "TOKEN".to_owned())]);
        put_in(&mut request, &text, VALUE).expect("fits");
        assert!(references.used(&request).is_empty());
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        (request.path, utf8(&request.headers[1].1), utf8(&request.body))
    }

    #[test]
    fn a_secret_is_written_as_its_place_writes_texts() {
        let percent = "s3cr3t%20%22%26%C3%BC%5C";
        let (path, header, body) =
            filled("/a?k=REF&l=REF", "application/json; charset=utf-8", "{\"k\":\"REF\",\"l\":\"xREFy\"}");
        assert_eq!(path, format!("/a?k={percent}&l={percent}"));
        assert_eq!(header, format!("Bearer {VALUE}"));
        assert_eq!(body, "{\"k\":\"s3cr3t \\\"&ü\\\\\",\"l\":\"xs3cr3t \\\"&ü\\\\y\"}");
        assert_eq!(filled("/", "application/x-www-form-urlencoded", "k=REF").2, format!("k={percent}"));
        assert_eq!(filled("/", "text/plain", "REF").2, VALUE);
    }

    #[test]
    fn a_line_break_never_gets_into_a_header() {
        let fill = |value: &str| {
            let mut request = request("/", "text/plain", "");
            put_in(&mut request, "REF", value).map(|()| String::from_utf8_lossy(&request.headers[1].1).into_owned())
        };
        assert_eq!(fill("a\r\nhost: evil"), Err(DoesNotFit));
        assert_eq!(fill("a\0"), Err(DoesNotFit));
        assert_eq!(fill("token\n").as_deref(), Ok("Bearer token"));
    }

    #[test]
    fn what_is_not_named_is_not_used() {
        let mut references = References::default();
        references.of("TOKEN", [7; 16]);
        assert!(references.used(&request("/REF", "text/plain", "stepwell-secret-")).is_empty());
    }
}
