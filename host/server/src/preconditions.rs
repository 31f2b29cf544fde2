//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110) on definitions: the tag is the number of the revision or version, which never means
//! something else again.

use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use axum::response::Response;
use stepwell_engine::{Precondition, Versions};

/// Longest list of tags, bytes of all header lines: nobody knows that many versions by heart.
const TAGS_BYTES: usize = 4 << 10;

/// What the request's headers ask for.
pub struct Conditions(pub Precondition);

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        conditions(&parts.headers).map(Self)
    }
}

/// The same, for handlers that take the whole request.
pub fn conditions(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    let is = versions(headers, &header::IF_MATCH, "If-Match")?;
    let is_not = versions(headers, &header::IF_NONE_MATCH, "If-None-Match")?;
    Ok(Precondition { is, is_not })
}

/// The answer, with its tag.
pub fn tagged(mut response: Response, number: impl Into<u64>) -> Response {
    let number = number.into();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{number}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn versions(headers: &HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<Versions>, ApiError> {
    let wrong =
        || ApiError::wrong_shape(shown, format!("`{shown}` is * or a list of tags in quotes, as `ETag` gives them"));
    let mut text = String::new();
    for value in headers.get_all(name) {
        text.push_str(value.to_str().map_err(|_| wrong())?);
        text.push(',');
        if text.len() > TAGS_BYTES {
            return Err(wrong());
        }
    }
    match text.trim_end_matches(',').trim() {
        "" if headers.contains_key(name) => Err(wrong()),
        "" => Ok(None),
        "*" => Ok(Some(Versions::Any)),
        tags => tags_of(tags).map(|tags| Some(Versions::Listed(tags))).ok_or_else(wrong),
    }
}

/// `"1", W/"2"`: a weak tag is well formed, but never the same as a strong one.
fn tags_of(list: &str) -> Option<Vec<String>> {
    let (mut tags, mut rest) = (Vec::new(), list.trim_start());
    while !rest.is_empty() {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |strong| (true, strong));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if !is_weak {
            tags.push(tag.to_owned());
        }
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start_matches([',', ' ', '\t']);
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_lists() {
        let listed = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(tags_of("\"1\""), listed(&["1"]));
        assert_eq!(tags_of("\"1\" , \"a,b\",,\"\""), listed(&["1", "a,b", ""]));
        assert_eq!(tags_of("W/\"1\", \"2\""), listed(&["2"]));
        for wrong in ["1", "\"1", "1\"", "\"1\" \"2\"", "*, \"1\"", "w/\"1\""] {
            assert_eq!(tags_of(wrong), None, "{wrong}");
        }
    }
}
