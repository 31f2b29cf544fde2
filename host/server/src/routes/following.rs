//! `GET /workflows/executions/{id}/events`: the lines of a journal as they become durable, as server-sent events.

use super::App;
use crate::auth::Caller;
use crate::connections::told;
use crate::error::ApiError;
use crate::extract::{Id, Parameters};
use crate::standing;
use crate::streams::Place;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use stepwell_engine::{Followed, Following};
use tokio::sync::watch;
use utoipa::IntoParams;

/// Proxies commonly cut a connection on which nothing was sent for half a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client should wait before it connects again.
const RECONNECT: Duration = Duration::from_secs(1);
/// Proxies that gather answers must not gather this one.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NONE: HeaderValue = HeaderValue::from_static("no");

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct FollowParameters {
    last_event_id: Option<String>,
}

/// `GET /workflows/executions/{id}/events`: `id` is the line's place in the journal, `event` its kind and `data` the line, as `/history` shows it; the last one is `end`, without an
/// id. `Last-Event-ID`, or `?lastEventId=`, goes on behind that line.
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}/events",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), FollowParameters, ("last-event-id" = Option<String>, Header, description = "Goes on behind this line")),
    responses((status = 200, description = "The lines of the journal as they become durable, then `end`", body = String, content_type = "text/event-stream"))
)]
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<FollowParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A browser sends the address that it was given again and again, and the header beside it.
    let in_header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let after = in_header.or(query.last_event_id.as_deref()).filter(|id| !id.is_empty()).map(line).transpose()?;
    let place = app.streams().open(caller.tenant)?;
    let following = app.engine().follow_execution(caller.tenant, &id, after).await?;
    let stopped = app.stopped();
    let lost = standing::lost(app, caller).boxed();
    let open = Open { following, stopped, lost, place };
    let answer = Sse::new(stream::unfold(Some(open), next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(BUFFERING, NONE)], answer).into_response())
}

fn line(id: &str) -> Result<u32, ApiError> {
    let message = "send the `id` of an event that this address gave";
    id.parse().map_err(|_| ApiError::wrong_shape("Last-Event-ID", message))
}

/// An answer that goes on.
struct Open {
    following: Following,
    stopped: watch::Receiver<bool>,
    lost: BoxFuture<'static, ()>,
    place: Place,
}

/// What is sent next, when it can be; `None` ends the answer: all was said, or nothing more can be heard here, and who connects again is
/// told why.
async fn next(open: Option<Open>) -> Option<(Result<Event, Infallible>, Option<Open>)> {
    let Open { mut following, mut stopped, mut lost, place } = open?;
    let followed = tokio::select! {
        biased;
        () = &mut lost => return None,
        followed = following.next() => followed.ok()?,
        () = told(&mut stopped) => return None,
    };
    match followed {
        Followed::Line { seq, kind, line } => {
            let event = Event::default().id(seq.to_string()).event(kind).data(line.to_string());
            let event = if seq == 0 { event.retry(RECONNECT) } else { event };
            Some((Ok(event), Some(Open { following, stopped, lost, place })))
        }
        Followed::End(end) => Some((Ok(Event::default().event("end").data(end.to_string())), None)),
    }
}
