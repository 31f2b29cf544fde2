//! Lists: of executions, and how all lists are written.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Parameters;
use crate::openapi::shapes;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stepwell_core::ids::{ExecutionId, is_valid_name};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::ListPlace;
use stepwell_engine::{ListRequest, ShownStatus};
use utoipa::IntoParams;

/// Executions in one part of a list, if nobody asks for another number.
pub(super) const PART: usize = 50;
/// Most executions in one part: a part is read and written in a moment.
const LARGEST_PART: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only of this workflow.
    workflow: Option<String>,
    /// One status, or several with commas between them.
    status: Option<String>,
    /// Not before this moment, RFC 3339.
    since: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

/// `GET /workflows/executions`: `{items, nextCursor}`, the newest first, and the next part as `Link`; with `damaged`, if records in this part
/// cannot be read. `status` is one word or several with
/// commas between them, `since` RFC 3339.
#[utoipa::path(
    get,
    path = "/workflows/executions",
    tag = "executions",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::ListedExecutions))
)]
pub async fn executions(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let request = ListRequest {
        workflow: query.workflow.map(workflow).transpose()?,
        statuses: query.status.as_deref().map(statuses).transpose()?,
        since: query.since.as_deref().map(moment).transpose()?,
        after: query.cursor.as_deref().map(place).transpose()?,
        limit: query.limit.as_deref().map_or(Ok(PART), limit)?,
    };
    let part = app.engine().executions(caller.tenant, &request).await?;
    let mut list = json!({"items": part.items});
    if !part.damaged.is_empty() {
        list["damaged"] = json!(part.damaged);
    }
    whole_page(list, part.next.map(cursor), &address)
}

/// A part of a list: `{items, nextCursor}`, and the next part as `Link`. `address` is the request's own.
pub fn page(items: &impl Serialize, next: Option<String>, address: &Uri) -> Result<Response, ApiError> {
    whole_page(json!({"items": items}), next, address)
}

fn whole_page(mut list: Value, next: Option<String>, address: &Uri) -> Result<Response, ApiError> {
    list["nextCursor"] = json!(next);
    let mut response = json(StatusCode::OK, &list)?;
    let link = next
        .and_then(|next| HeaderValue::from_str(&link(address.path(), address.query().unwrap_or_default(), &next)).ok());
    response.headers_mut().extend(link.map(|link| (header::LINK, link)));
    Ok(response)
}

/// A bare array, written item by item: a thousand definitions are up to a gigabyte, and a caller may read slowly.
pub(super) fn array(items: impl Iterator<Item = Value> + Send + 'static) -> Response {
    let items = items.enumerate().map(|(at, item)| {
        let comma = if at == 0 { "" } else { "," };
        Ok(format!("{comma}{}", serde_json::to_string(&item)?))
    });
    let end = |text: &str| std::iter::once(Ok::<_, serde_json::Error>(text.to_owned()));
    let body = Body::from_stream(stream::iter(end("[").chain(items).chain(end("]"))));
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn workflow(id: String) -> Result<String, ApiError> {
    let message = "`workflow` is a workflow's id: letters, digits, `-`, `_` and `.`, at most 128";
    if is_valid_name(&id) { Ok(id) } else { Err(ApiError::wrong_shape("workflow", message)) }
}

fn statuses(text: &str) -> Result<BTreeSet<ShownStatus>, ApiError> {
    let read = |word: &str| {
        let known = ShownStatus::ALL.into_iter().find(|status| status.word() == word);
        let words = ShownStatus::ALL.map(ShownStatus::word).join(", ");
        known.ok_or_else(|| ApiError::wrong_shape("status", format!("{word:?} is no status; there are {words}")))
    };
    text.split(',').map(read).collect()
}

pub(super) fn moment(text: &str) -> Result<Timestamp, ApiError> {
    let message = "`since` is a moment such as 2026-01-31T08:00:00Z (write the + of an offset as %2B)";
    Timestamp::parse_rfc3339(text).ok_or_else(|| ApiError::wrong_shape("since", message))
}

pub(super) fn limit(text: &str) -> Result<usize, ApiError> {
    limited(text, LARGEST_PART)
}

/// How many are wanted, from 1 to `most`.
pub(super) fn limited(text: &str, most: usize) -> Result<usize, ApiError> {
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| ApiError::wrong_shape("limit", format!("`limit` is a number from 1 to {most}")))
}

/// A place as an opaque word: the milliseconds, big-endian, and the id.
fn cursor(place: ListPlace) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([&place.created.0.to_be_bytes()[..], &place.id.to_bytes()].concat())
}

fn place(cursor: &str) -> Result<ListPlace, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let place = bytes.as_deref().and_then(|bytes| {
        let bytes: &[u8; 24] = bytes.try_into().ok()?;
        let (created, id) = (bytes.first_chunk()?, bytes.last_chunk()?);
        Some(ListPlace { created: Timestamp(u64::from_be_bytes(*created)), id: ExecutionId::from_bytes(*id) })
    });
    place.ok_or_else(|| ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"))
}

/// The same query with the next cursor. It came in an address, so it needs no encoding.
pub(super) fn link(path: &str, query: &str, next: &str) -> String {
    let others = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"));
    let query: Vec<String> = others.map(str::to_owned).chain([format!("cursor={next}")]).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_nothing_else_does() {
        let there = ListPlace { created: Timestamp(1 << 40), id: ExecutionId::from_bytes([7; 16]) };
        assert_eq!(place(&cursor(there)).ok(), Some(there));
        for bad in ["", "0", "AAAA", &cursor(there)[1..], &format!("{}A", cursor(there)), &"+".repeat(32)] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_next_part_is_the_same_question() {
        assert_eq!(link("/workflows/executions", "", "n"), "</workflows/executions?cursor=n>; rel=\"next\"");
        let query = "status=failed&cursor=old&&workflow=a%20b";
        assert_eq!(link("/approvals", query, "n"), "</approvals?status=failed&workflow=a%20b&cursor=n>; rel=\"next\"");
    }
}
