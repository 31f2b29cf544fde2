//! Uploads as they go on: each has an id, ends with who sent it or by `DELETE /uploads/{id}`, and tells how far it is if it is asked to, as
//! server-sent events.

use super::functions::answer;
use super::{App, about};
use crate::audit::{self, Trail};
use crate::auth::Caller;
use crate::error::{ApiError, Place};
use crate::guard;
use crate::presence::Presence;
use crate::standing;
use crate::streams;
use crate::system::SystemClock;
use crate::under_way::{Entry, Known};
use crate::uploads::Turn;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Clock as _, Phase, UploadState, Uploading};
use stepwell_engine::{Precondition, Upload};
use tokio::sync::watch;

/// A comment goes out after so long without an event: proxies commonly cut a connection on which nothing was sent for half a minute.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The answer's header with the upload's id.
const ID: HeaderName = HeaderName::from_static("stepwell-upload");
/// Proxies that gather answers must not gather this one.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The type of an answer that goes on.
const EVENTS: &str = "text/event-stream";

/// What counts of a request beside its body.
pub struct Sent {
    /// The progress is asked for.
    events: bool,
    presence: Option<Presence>,
    trail: Trail,
    address: Option<String>,
    place: Place,
}

/// What is to be done.
pub struct Wish {
    /// The upload.
    pub upload: Upload,
    /// What it is meant for.
    pub conditions: Precondition,
    /// The status of a success.
    pub status: StatusCode,
}

impl Sent {
    /// What is known before the body is read.
    pub fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let unknown = || Place { path: request.uri().path().to_owned(), request_id: String::new() };
        Self {
            events: wants_events(request.headers()),
            presence: extensions.get().cloned(),
            trail: extensions.get().cloned().unwrap_or_default(),
            address: audit::address(request),
            place: extensions.get().cloned().unwrap_or_else(unknown),
        }
    }

    /// A turn, if it comes while somebody waits.
    pub async fn turn(&self, app: &App, tenant: TenantId) -> Result<Turn, ApiError> {
        tokio::select! {
            turn = app.uploads().turn(tenant) => turn,
            () = self.gone() => Err(ApiError::new(StatusCode::CONFLICT, "upload_cancelled", "nobody waits for this upload any more")),
        }
    }

    /// Returns once nobody waits for the answer.
    async fn gone(&self) {
        match &self.presence {
            Some(presence) => presence.gone().await,
            None => std::future::pending().await,
        }
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let kinds = lines.flat_map(|line| line.split(',')).filter_map(|range| range.split(';').next());
    kinds.take(super::super::negotiate::RANGES).any(|kind| kind.trim().eq_ignore_ascii_case(EVENTS))
}

/// Does it: the whole answer, or one that goes on.
///
/// # Errors
/// What is wrong with the upload, of an answer that does not go on; 429 `event_streams`.
pub async fn deploy(app: App, caller: Caller, wish: Wish, (sent, turn): (Sent, Turn)) -> Result<Response, ApiError> {
    let progress = wish.upload.progress.clone();
    let known = Known {
        tenant: caller.tenant,
        function: wish.upload.id.clone(),
        by: caller.subject.clone(),
        bytes: wish.upload.artifact.bytes.len(),
        since: SystemClock.now(),
        progress: progress.clone(),
    };
    let since = known.since;
    let place = if sent.events { Some(app.streams().open(caller.tenant)?) } else { None };
    let entry = app.under_way().enter(format!("upl-{}", app.random_text::<16>()), known);
    let Some(place) = place else {
        let _held = (turn, entry);
        let ended = async {
            sent.gone().await;
            // Once it is being stored it goes on to its end.
            let _ = progress.cancel();
            std::future::pending::<Infallible>().await
        };
        return tokio::select! {
            answered = deployed(&app, caller.tenant, wish) => answered,
            never = ended => match never {},
        };
    };
    let told = Told { id: entry.id().to_owned(), since, phases: 0, compiled: None };
    let id = HeaderValue::from_str(&told.id).map_err(|_| stepwell_engine::Error::Broken)?;
    // The line of the audit log is written when the upload has ended, not with this answer.
    let sent = Sent { trail: sent.trail.taken(), ..sent };
    let lost = standing::lost(app.clone(), caller.clone()).boxed();
    let work = in_the_background(app, caller.tenant, wish, (sent, (turn, entry)));
    let open = Open {
        work,
        states: progress.follow(),
        told,
        ready: VecDeque::new(),
        is_over: false,
        lost,
        _end: EndOnDrop(progress),
        _place: place,
    };
    let events = Sse::new(stream::unfold(open, next)).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([(BUFFERING, HeaderValue::from_static("no")), (ID, id)], events).into_response())
}

async fn deployed(app: &App, tenant: TenantId, wish: Wish) -> Result<Response, ApiError> {
    let Wish { upload, conditions, status } = wish;
    let id = upload.id.clone();
    let deployed = app.engine().registry().deploy_if(tenant, upload, &conditions).await?;
    let deployed = app.engine().deployed(tenant, deployed).await?;
    Ok(about(answer(status, &deployed)?, &id))
}

/// The last event of an answer that goes on. Like every change it is done to its end and told in the audit log, whoever listens.
fn in_the_background(
    app: App,
    tenant: TenantId,
    wish: Wish,
    (sent, held): (Sent, (Turn, Entry)),
) -> BoxFuture<'static, Event> {
    let engine = app.engine().clone();
    let failed = sent.place.clone();
    let work = async move {
        let _held = held;
        let Sent { trail, address, place, .. } = sent;
        let response = deployed(&app, tenant, wish).await.unwrap_or_else(ApiError::into_response);
        audit::note(&app, audit::lines((trail, address), &response, &place)).await;
        guard::with_problem(response, &place)
    };
    Box::pin(async move {
        let response = engine.to_the_end("an upload", work).await.unwrap_or_else(|| guard::panicked(&failed));
        let kind = if response.status().is_success() { "done" } else { "error" };
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Event::default().event(kind).data(String::from_utf8_lossy(&body))
    })
}

/// An answer that goes on.
struct Open {
    work: BoxFuture<'static, Event>,
    states: watch::Receiver<UploadState>,
    told: Told,
    ready: VecDeque<Event>,
    is_over: bool,
    lost: BoxFuture<'static, ()>,
    _end: EndOnDrop,
    _place: streams::Place,
}

/// Who hangs up wants it no more.
struct EndOnDrop(Uploading);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let _ = self.0.cancel();
    }
}

async fn next(mut open: Open) -> Option<(Result<Event, Infallible>, Open)> {
    if open.told.phases == 0 {
        open.look();
    }
    loop {
        if let Some(event) = open.ready.pop_front() {
            return Some((Ok(event), open));
        }
        if open.is_over {
            return None;
        }
        tokio::select! {
            biased;
            () = &mut open.lost => return None,
            changed = open.states.changed() => if changed.is_ok() { open.look() },
            last = &mut open.work => {
                open.look();
                open.ready.push_back(last);
                open.is_over = true;
            }
        }
    }
}

impl Open {
    fn look(&mut self) {
        let state = *self.states.borrow_and_update();
        let news = self.told.news(&state, SystemClock.now());
        let events = news.into_iter().map(|(phase, data)| Event::default().event(phase.word()).data(data.to_string()));
        self.ready.extend(events);
    }
}

/// What was told so far.
struct Told {
    id: String,
    since: Timestamp,
    /// How many of all phases are behind.
    phases: usize,
    compiled: Option<(u32, u32)>,
}

impl Told {
    /// What is to be told of this state: each phase once, and how much is compiled whenever it is more.
    fn news(&mut self, state: &UploadState, now: Timestamp) -> Vec<(Phase, serde_json::Value)> {
        let mut news = Vec::new();
        for phase in Phase::ALL.into_iter().skip(self.phases.saturating_sub(1)) {
            let is_new = Phase::ALL.into_iter().skip(self.phases).any(|next| next == phase);
            let has_more = phase == Phase::Compiling && state.compiled != self.compiled;
            if !state.has_been(phase) || !(is_new || has_more) {
                continue;
            }
            let mut data = json!({"id": self.id, "phase": phase.word(), "elapsedMs": now.since(self.since)});
            if phase == Phase::Compiling {
                self.compiled = state.compiled;
                let (compiled, functions) = state.compiled.unwrap_or_default();
                data["compiled"] = compiled.into();
                data["functions"] = functions.into();
            }
            news.push((phase, data));
        }
        let reached = Phase::ALL.into_iter().filter(|phase| *phase <= state.phase).count();
        self.phases = self.phases.max(reached);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(news: &[(Phase, serde_json::Value)]) -> Vec<&'static str> {
        news.iter().map(|(phase, _)| phase.word()).collect()
    }

    #[test]
    fn each_phase_is_told_once_and_what_is_compiled_whenever_it_is_more() {
        let upload = Uploading::default();
        let mut told = Told { id: "upl-1".to_owned(), since: Timestamp(5), phases: 0, compiled: None };
        let mut look = || told.news(&upload.follow().borrow(), Timestamp(12));
        assert_eq!(look()[0].1, json!({"id": "upl-1", "phase": "received", "elapsedMs": 7}));
        assert!(look().is_empty());
        upload.reached(Phase::Waiting);
        upload.reached(Phase::Scanning);
        upload.compiled(0, 9);
        assert_eq!(words(&look()), ["waiting", "scanning", "compiling"]);
        assert!(look().is_empty());
        upload.compiled(4, 9);
        let more = look();
        assert_eq!(
            (words(&more), &more[0].1["compiled"], &more[0].1["functions"]),
            (vec!["compiling"], &4.into(), &9.into())
        );
        upload.compiled(9, 9);
        assert!(upload.begin_storing());
        assert_eq!(words(&look()), ["compiling", "storing"]);
        assert!(look().is_empty());
    }

    #[test]
    fn what_was_compiled_before_leaves_phases_out() {
        let upload = Uploading::default();
        let mut told = Told { id: "upl-1".to_owned(), since: Timestamp(0), phases: 0, compiled: None };
        assert!(upload.begin_storing());
        assert_eq!(words(&told.news(&upload.follow().borrow(), Timestamp(0))), ["received", "storing"]);
    }

    #[test]
    fn progress_is_told_to_who_asks_for_it() {
        let wants = |accept: &'static str| {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))];
            wants_events(&headers.into_iter().collect())
        };
        assert!(wants("text/event-stream") && wants("application/json;q=0.1, Text/Event-Stream;q=1"));
        assert!(!wants("*/*") && !wants("application/json") && !wants_events(&HeaderMap::new()));
    }
}
