//! `/events`: publish, list, and what each came to.

use super::listing::{limited, link, moment};
use super::{App, json, json_text};
use crate::auth::Caller;
use crate::cloudevents::{self, Form};
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use stepwell_core::definition::is_type_pattern;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_engine::{EventQuery, NewEvent};
use utoipa::{IntoParams, ToSchema};

/// What a body may have beside what is kept of it, bytes.
const ENVELOPE_BYTES: usize = 4 << 10;
/// Largest body of a batch of events.
const BATCH_BYTES: usize = 4 << 20;
/// Events of one batch that are published at one time.
const AT_ONCE: usize = 16;
/// Faults of one batch that are named: more help nobody.
const FAULTS_SHOWN: usize = 100;
/// Events in a list, if nobody asks for another number.
const PART: usize = 100;
/// Most events in a list.
const LARGEST_PART: usize = 1_000;

#[derive(Deserialize, ToSchema)]
struct EventBody {
    #[serde(rename = "type")]
    #[schema(required = true, min_length = 1, max_length = 200)]
    kind: Option<String>,
    #[schema(required = true, min_length = 1)]
    source: Option<String>,
    id: Option<String>,
    timestamp: Option<String>,
    /// Missing and null are different (semantics D8).
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Payload>,
    #[schema(value_type = Option<serde_json::Value>)]
    resources: Option<Payload>,
    #[schema(value_type = Option<serde_json::Value>)]
    metadata: Option<Payload>,
}

/// `POST /events` `{type, source, data?, id?, timestamp?, resources?, metadata?}`: 201 the event, or 200 the first one with this source and id.
/// CloudEvents 1.0 too, as [`cloudevents`] reads them; a batch is answered with a list.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    request_body(content((EventBody = "application/json"), (serde_json::Value = "application/cloudevents+json"), (Vec<serde_json::Value> = "application/cloudevents-batch+json"))),
    responses((status = 201, description = "The event, or the events of a batch", body = shapes::Published), (status = 200, description = "The first ones with these sources and ids", body = shapes::Published))
)]
pub async fn publish(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let size = (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes");
    let new = match cloudevents::form(request.headers()) {
        Form::Own => own(extract::typed(request, size).await?)?,
        Form::Structured => {
            cloudevents::structured(&extract::json(request, size).await?).map_err(ApiError::wrong_shapes)?
        }
        Form::Binary => {
            let headers = request.headers().clone();
            let body = extract::bytes(request, (payload, "payload_bytes")).await?;
            cloudevents::binary(&headers, &body).map_err(ApiError::wrong_shapes)?
        }
        Form::Batch => return publish_batch(&app, &caller, request).await,
    };
    let published = app.engine().publish(caller.tenant, new).await?;
    let status = if published.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json_text(status, published.event.as_str().to_owned()))
}

fn own(body: EventBody) -> Result<NewEvent, ApiError> {
    let missing = |field, message: &str| ApiError::wrong_shape(field, message);
    Ok(NewEvent {
        kind: body.kind.ok_or_else(|| missing("type", "an event needs a `type`, such as order.placed"))?,
        source: body.source.ok_or_else(|| missing("source", "an event needs a `source`: where it comes from"))?,
        id: body.id,
        timestamp: body.timestamp,
        data: body.data,
        resources: body.resources.filter(|resources| resources.as_str() != "null"),
        metadata: body.metadata.filter(|metadata| metadata.as_str() != "null"),
    })
}

/// 201 the events, or 200 if none of them is new. All are checked before any is published.
async fn publish_batch(app: &App, caller: &Caller, request: Request) -> Result<Response, ApiError> {
    let most = app.engine().limits().event_batch;
    let body = extract::json(request, (BATCH_BYTES, "event_batch")).await?;
    let list: Vec<Payload> = serde_json::from_str(body.as_str())
        .map_err(|_| ApiError::wrong_shape("body", "a batch is a JSON list of events"))?;
    if list.len() > most {
        let message = format!("the batch has {} events; at most {most} are accepted (limit `event_batch`)", list.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "event_batch", message));
    }
    let events = batch((app, caller.tenant), &list)?;
    let publications = events.into_iter().map(|new| app.engine().publish(caller.tenant, new));
    let mut publications = stream::iter(publications).buffered(AT_ONCE);
    let (mut text, mut any_new) = (String::from("["), false);
    while let Some(published) = publications.next().await {
        // What is published already stays; the same batch again gives it again.
        let published = published?;
        any_new |= published.is_new;
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(published.event.as_str());
    }
    text.push(']');
    Ok(json_text(if any_new { StatusCode::CREATED } else { StatusCode::OK }, text))
}

/// The events of a batch, or the faults of all of them.
fn batch((app, tenant): (&App, TenantId), list: &[Payload]) -> Result<Vec<NewEvent>, ApiError> {
    let (mut events, mut faults) = (Vec::with_capacity(list.len()), Vec::new());
    for (nth, event) in list.iter().enumerate() {
        match cloudevents::structured(event) {
            Ok(new) => {
                match app.engine().check_event(tenant, &new) {
                    Ok(()) => {}
                    Err(stepwell_engine::Error::WrongShape { field, message }) => {
                        faults.push((format!("{nth}/{field}"), message));
                    }
                    Err(other) => return Err(other.into()),
                }
                events.push(new);
            }
            Err(of_event) => {
                faults.extend(of_event.into_iter().map(|(field, message)| (format!("{nth}/{field}"), message)));
            }
        }
        if faults.len() >= FAULTS_SHOWN {
            break;
        }
    }
    if faults.is_empty() { Ok(events) } else { Err(ApiError::wrong_shapes(faults)) }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// A type, or a pattern: `*` is one dotted segment, a last `**` the rest.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Where they come from.
    source: Option<String>,
    /// Not before this moment, RFC 3339.
    since: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
}

/// `GET /events?type=&source=&since=&limit=&cursor=`: a bare array, the newest first, and the next part as `Link`. `type` may be a pattern.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(ListParameters),
    responses((status = 200, description = "The newest first", body = Vec<shapes::Event>))
)]
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

/// `GET /events/{id}`: the event, and beside it what it started, what not and why, and which steps got it. Who accepts
/// `application/cloudevents+json` gets the event as such, and nothing else.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    params(("id" = String, Path, description = "An event")),
    responses((status = 200, description = "The event and what came of it; as a CloudEvent, the event alone", content((shapes::EventSeen = "application/json"), (serde_json::Value = "application/cloudevents+json"))))
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let event = app.engine().event(caller.tenant, &id).await?;
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let mut ranges = accepted.flat_map(|accept| accept.split([',', ';']));
    if !ranges.any(|range| range.trim().eq_ignore_ascii_case(cloudevents::STRUCTURED)) {
        return Ok(json_text(StatusCode::OK, event));
    }
    let shown = cloudevents::shown(&event).ok_or(stepwell_engine::Error::Broken)?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, cloudevents::STRUCTURED)], shown).into_response())
}
