//! `/events`: publish, list, and what each came to.

use super::listing::{limited, link, moment};
use super::{App, json, json_text};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use stepwell_core::definition::is_type_pattern;
use stepwell_core::payload::Payload;
use stepwell_engine::{EventQuery, NewEvent};

/// What a body may have beside what is kept of it, bytes.
const ENVELOPE_BYTES: usize = 4 << 10;
/// Events in a list, if nobody asks for another number.
const PART: usize = 100;
/// Most events in a list.
const LARGEST_PART: usize = 1_000;

#[derive(Deserialize)]
struct EventBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    id: Option<String>,
    timestamp: Option<String>,
    /// Missing and null are different (semantics D8).
    #[serde(default, deserialize_with = "extract::present")]
    data: Option<Payload>,
    resources: Option<Payload>,
    metadata: Option<Payload>,
}

/// `POST /events` `{type, source, data?, id?, timestamp?, resources?, metadata?}`: 201 the event, or 200 the first one with this source and id.
pub async fn publish(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits().execution.payload_bytes).unwrap_or(usize::MAX);
    let body: EventBody = extract::typed(request, (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes")).await?;
    let missing = |field, message: &str| ApiError::wrong_shape(field, message);
    let new = NewEvent {
        kind: body.kind.ok_or_else(|| missing("type", "an event needs a `type`, such as order.placed"))?,
        source: body.source.ok_or_else(|| missing("source", "an event needs a `source`: where it comes from"))?,
        id: body.id,
        timestamp: body.timestamp,
        data: body.data,
        resources: body.resources.filter(|resources| resources.as_str() != "null"),
        metadata: body.metadata.filter(|metadata| metadata.as_str() != "null"),
    };
    let published = app.engine().publish(caller.tenant, new).await?;
    let status = if published.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json_text(status, published.event.as_str().to_owned()))
}

#[derive(Deserialize)]
pub struct ListParameters {
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    since: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /events?type=&source=&since=&limit=&cursor=`: a bare array, the newest first, and the next part as `Link`. `type` may be a pattern.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    RawQuery(raw): RawQuery,
) -> Result<Response, ApiError> {
    let wanted = EventQuery {
        kind: query.kind.map(kind).transpose()?,
        source: query.source,
        since: query.since.as_deref().map(moment).transpose()?,
        after: query.cursor.as_deref().map(place).transpose()?,
        limit: query.limit.as_deref().map_or(Ok(PART), |limit| limited(limit, LARGEST_PART))?,
    };
    let part = app.engine().events(caller.tenant, &wanted).await?;
    let mut response = json(StatusCode::OK, &part.items)?;
    let next = part.next.map(|place| BASE64_URL_SAFE_NO_PAD.encode(place));
    let link =
        next.and_then(|next| HeaderValue::from_str(&link("/events", raw.as_deref().unwrap_or_default(), &next)).ok());
    response.headers_mut().extend(link.map(|link| (header::LINK, link)));
    Ok(response)
}

fn kind(text: String) -> Result<String, ApiError> {
    let message =
        "`type` is a type of events, or a pattern: `*` stands for one dotted segment, a last `**` for the rest";
    if is_type_pattern(&text) { Ok(text) } else { Err(ApiError::wrong_shape("type", message)) }
}

fn place(cursor: &str) -> Result<String, ApiError> {
    let place = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // It becomes part of a key.
    let place = place.filter(|place| (17..=200).contains(&place.len()) && place.bytes().all(|b| b.is_ascii_graphic()));
    place.ok_or_else(|| ApiError::wrong_shape("cursor", "send the cursor of an earlier answer's `Link`"))
}

/// `GET /events/{id}`: the event, and beside it what it started, what not and why, and which steps got it.
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    Ok(json_text(StatusCode::OK, app.engine().event(caller.tenant, &id).await?))
}
