//! The routes of http-api.md, as far as this version has them.

mod agents;
mod approvals;
mod callbacks;
mod control;
mod deliveries;
mod events;
mod executions;
mod following;
mod functions;
mod health;
mod listing;
mod pictures;
mod schedules;
mod secrets;
mod webhooks;
mod workflows;

use crate::auth::Keys;
use crate::connections::told;
use crate::error::ApiError;
use crate::guard;
use crate::streams::Streams;
use crate::system;
use crate::uploads::Uploads;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_engine::Engine;
use tokio::sync::{Semaphore, watch};

/// Pictures that are drawn at once: each keeps one thread busy.
const PICTURES: usize = 2;

/// What every handler gets. Cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    keys: Arc<Keys>,
    uploads: Arc<Uploads>,
    pictures: Arc<Semaphore>,
    streams: Streams,
    stopped: watch::Receiver<bool>,
}

impl App {
    /// The engine behind these keys; `stopped` becomes true when it takes no more work.
    pub fn new(engine: Engine, keys: Keys, stopped: watch::Receiver<bool>) -> Self {
        Self {
            engine,
            keys: Arc::new(keys),
            uploads: Arc::new(Uploads::new()),
            pictures: Arc::new(Semaphore::new(PICTURES)),
            streams: Streams::default(),
            stopped,
        }
    }

    /// Turns for uploads.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Turns for pictures; who waits for one holds nothing but its place.
    pub fn pictures(&self) -> &Semaphore {
        &self.pictures
    }

    /// Places for answers that stay open.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// True once the server takes no more work.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.clone()
    }

    /// An execution as JSON text: as soon as it ends, after this time, or when nothing can happen any more because the server stops.
    ///
    /// # Errors
    /// [`stepwell_engine::Error::NotFound`].
    pub async fn execution(&self, tenant: TenantId, id: &str, wait: Option<Duration>) -> Result<String, ApiError> {
        let mut stopped = self.stopped.clone();
        let seen = tokio::select! {
            seen = self.engine.status(tenant, id, wait) => seen,
            () = told(&mut stopped) => self.engine.status(tenant, id, None).await,
        };
        Ok(seen?)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// For request ids.
    pub fn random_text<const BYTES: usize>(&self) -> String {
        system::random_text::<BYTES>()
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/workflows", get(workflows::list).post(workflows::create))
        .route("/workflows/trigger", post(executions::trigger))
        .route("/workflows/executions", get(listing::executions))
        .route("/workflows/{id}/graph", get(pictures::workflow))
        .route("/workflows/executions/{id}/graph", get(pictures::execution))
        .route("/workflows/{id}", get(workflows::read).put(workflows::put).delete(workflows::delete))
        .route("/workflows/{id}/revisions", get(workflows::revisions))
        .route("/workflows/{id}/revisions/{number}", get(workflows::revision))
        .route("/workflows/executions/{id}/logs", get(executions::logs))
        .route("/functions/{id}/versions", get(functions::versions))
        .route("/functions/{id}/rollback", post(functions::roll_back))
        .route("/workflows/executions/{id}/timeline", get(pictures::timeline))
        .route("/workflows/executions/{id}", get(executions::status))
        .route("/workflows/executions/{id}/history", get(executions::history))
        .route("/workflows/executions/{id}/events", get(following::events))
        .route("/workflows/executions/{id}/cancel", post(control::cancel))
        .route("/workflows/executions/{id}/pause", post(control::pause))
        .route("/workflows/executions/{id}/resume", post(control::resume))
        .route("/workflows/executions/{id}/retry", post(control::retry))
        .route("/workflows/executions/{id}/rerun", post(control::rerun))
        .route("/functions", get(functions::list).post(functions::create))
        .route("/functions/execute", post(functions::execute))
        .route("/functions/{id}", get(functions::read).put(functions::upload).delete(functions::delete))
        .route("/agents", get(agents::list).post(agents::create))
        .route("/agents/{id}", get(agents::read).put(agents::put).delete(agents::delete))
        .route("/agents/{id}/assign", post(agents::assign))
        .route("/callbacks/{token}", post(callbacks::complete))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::read).post(approvals::answer))
        .route("/secrets", get(secrets::list))
        .route("/secrets/{name}", get(secrets::read).put(secrets::put).delete(secrets::delete))
        .route("/events", get(events::list).post(events::publish))
        .route("/events/{id}", get(events::read))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{id}", get(schedules::read))
        .route("/schedules/{id}/pause", post(schedules::pause))
        .route("/schedules/{id}/resume", post(schedules::resume))
        .route("/schedules/{id}/run", post(schedules::run))
        .route("/schedules/{id}/backfill", post(schedules::backfill))
        .route("/webhooks/{*path}", any(webhooks::receive))
        .route("/t/{tenant}/webhooks/{*path}", any(webhooks::receive_for))
        .route("/webhook-deliveries", get(deliveries::list))
        .route("/webhook-deliveries/{id}", get(deliveries::read))
        .route("/webhook-deliveries/{id}/replay", post(deliveries::replay))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn unknown_route() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "route_not_found", "there is no such route")
}

async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take this method")
}

/// JSON text as an answer.
fn json_text(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A value as an answer.
fn json(status: StatusCode, value: &impl serde::Serialize) -> Result<Response, ApiError> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|e| ApiError::from(stepwell_engine::Error::broken("an answer cannot be written", &e)))?;
    Ok(json_text(status, text))
}
