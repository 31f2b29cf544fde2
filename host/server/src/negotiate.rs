//! Which form of a picture a request asks for: `?format=` first, then `Accept` (RFC 9110 section 12.5.1).

use crate::error::ApiError;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// Ranges of an `Accept` header that are looked at; browsers send about eight.
pub const RANGES: usize = 32;

/// A form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// For programs; what a request without a wish gets, as everywhere in this API.
    Json,
    /// For people.
    Svg,
    /// For documents.
    Mermaid,
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Svg => "image/svg+xml",
            Self::Mermaid => "text/vnd.mermaid; charset=utf-8",
        }
    }

    /// How closely a range of `Accept` names this form; 0: not at all. `text/html` is a browser that was sent here by a link: it shows an SVG.
    fn matched(self, range: &str) -> u8 {
        match (self, range) {
            (Self::Json, "application/json")
            | (Self::Svg, "image/svg+xml")
            | (Self::Mermaid, "text/vnd.mermaid" | "text/plain") => 3,
            (Self::Svg, "text/html" | "image/*") | (Self::Json, "application/*") | (Self::Mermaid, "text/*") => 2,
            (_, "*/*") => 1,
            _ => 0,
        }
    }
}

/// The form to answer with, of those that there are; the first is the one for `*/*`.
///
/// # Errors
/// 406 `not_acceptable`.
pub fn form(asked: Option<Form>, headers: &HeaderMap, offered: &[Form]) -> Result<Form, ApiError> {
    let refused = || {
        let types: Vec<&str> = offered.iter().map(|form| form.media_type()).collect();
        let message = format!(
            "this picture comes as {}; ask for one of these with `Accept`, or with `?format=`",
            types.join(", ")
        );
        ApiError::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message)
    };
    if let Some(asked) = asked {
        return offered.contains(&asked).then_some(asked).ok_or_else(refused);
    }
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return offered.first().copied().ok_or_else(refused);
    }
    let mut best: Option<(u16, u8, Form)> = None;
    for form in offered {
        // The closest range decides how much the form is wanted.
        let closest = ranges.iter().map(|(range, quality)| (form.matched(range), *quality)).max();
        let Some((close, quality)) = closest.filter(|(close, quality)| *close > 0 && *quality > 0) else { continue };
        if best.is_none_or(|(wanted, closeness, _)| (quality, close) > (wanted, closeness)) {
            best = Some((quality, close, *form));
        }
    }
    best.map(|(_, _, form)| form).ok_or_else(refused)
}

/// The ranges of all `Accept` headers, each with its quality in thousandths.
fn ranges(headers: &HeaderMap) -> Vec<(String, u16)> {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|range| !range.is_empty());
    ranges.take(RANGES).map(range).collect()
}

fn range(text: &str) -> (String, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality = quality.and_then(|q| q.parse::<f32>().ok()).map_or(1_000, |q| (q.clamp(0.0, 1.0) * 1_000.0) as u16);
    (name, quality)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const ALL: [Form; 3] = [Form::Json, Form::Svg, Form::Mermaid];

    fn accepted(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).expect("a value"));
        form(None, &headers, &ALL).ok()
    }

    #[test]
    fn what_is_named_most_closely_and_wanted_most_is_sent() {
        for (accept, wanted) in [
            ("*/*", Some(Form::Json)),
            ("", Some(Form::Json)),
            ("image/svg+xml", Some(Form::Svg)),
            ("IMAGE/SVG+XML;q=0.1", Some(Form::Svg)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Some(Form::Svg)),
            ("image/avif,image/webp,image/*,*/*;q=0.8", Some(Form::Svg)),
            ("application/json, text/plain, */*", Some(Form::Json)),
            ("text/plain", Some(Form::Mermaid)),
            ("text/vnd.mermaid, application/json;q=0.5", Some(Form::Mermaid)),
            ("image/svg+xml;q=0, */*;q=0.1", Some(Form::Json)),
            ("application/json;q=0, image/svg+xml;q=0, text/*;q=0.001", Some(Form::Mermaid)),
            ("application/pdf", None),
            ("*/*;q=0", None),
            ("q=1;;,;", None),
        ] {
            assert_eq!(accepted(accept), wanted, "{accept}");
        }
    }

    #[test]
    fn a_format_in_the_address_comes_first() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/pdf"));
        assert_eq!(form(Some(Form::Mermaid), &headers, &ALL).ok(), Some(Form::Mermaid));
        assert!(form(Some(Form::Mermaid), &headers, &[Form::Svg]).is_err());
    }
}
