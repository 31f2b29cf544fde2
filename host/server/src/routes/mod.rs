//! The routes of http-api.md, as far as this version has them.

mod agents;
mod approvals;
mod audit;
mod callbacks;
mod configuration;
mod control;
mod deliveries;
mod deploying;
mod events;
mod executions;
mod following;
mod functions;
mod grants;
mod health;
mod key_values;
mod keys;
mod links;
mod listing;
mod pictures;
mod schedules;
mod secrets;
mod store;
mod tenants;
mod uploads;
mod usage;
mod webhooks;
mod workflows;

use crate::audit::Target;
use crate::auth::Entrance;
use crate::connections::told;
use crate::error::ApiError;
use crate::streams::Streams;
use crate::system;
use crate::under_way::UnderWay;
use crate::uploads::Uploads;
use crate::{guard, openapi};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_engine::{Engine, Start};
use stepwell_store::SledStore;
use tokio::sync::{Semaphore, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Pictures that are drawn at once: each keeps one thread busy.
const PICTURES: usize = 2;
/// Large definitions that are checked at once: each may keep one thread busy, or wait for a function in it to be compiled.
const DEFINITIONS: usize = 4;

/// When whoever calls back or sends a webhook may try again while the tenant is suspended, seconds.
const SUSPENDED_RETRY_S: u32 = 60;

/// The store itself, for the operator.
#[derive(Clone)]
pub struct Storage {
    /// What the engine has as its port.
    pub store: Arc<SledStore>,
    /// The server's folder.
    pub data: Arc<Path>,
}

/// What every handler gets. Cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    entrance: Arc<Entrance>,
    uploads: Arc<Uploads>,
    under_way: UnderWay,
    pictures: Arc<Semaphore>,
    definitions: Arc<Semaphore>,
    streams: Streams,
    stopped: watch::Receiver<bool>,
    storage: Storage,
}

impl App {
    /// The engine behind these keys; `stopped` becomes true when it takes no more work.
    pub fn new((engine, storage): (Engine, Storage), entrance: Entrance, stopped: watch::Receiver<bool>) -> Self {
        Self {
            engine,
            entrance: Arc::new(entrance),
            uploads: Arc::new(Uploads::new()),
            under_way: UnderWay::default(),
            pictures: Arc::new(Semaphore::new(PICTURES)),
            definitions: Arc::new(Semaphore::new(DEFINITIONS)),
            streams: Streams::default(),
            stopped,
            storage,
        }
    }

    /// The store itself.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Turns for uploads.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Uploads that are under way.
    pub fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// Turns for pictures; who waits for one holds nothing but its place.
    pub fn pictures(&self) -> &Semaphore {
        &self.pictures
    }

    /// Turns for large definitions; who waits for one holds its body.
    pub fn definitions(&self) -> &Semaphore {
        &self.definitions
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

    /// The same of one that was just started.
    ///
    /// # Errors
    /// As [`App::execution`].
    pub async fn started(&self, start: &Start, wait: Duration) -> Result<String, ApiError> {
        let mut stopped = self.stopped.clone();
        let seen = tokio::select! {
            seen = self.engine.status_of(start, Some(wait)) => seen,
            () = told(&mut stopped) => self.engine.status_of(start, None).await,
        };
        Ok(seen?)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The keys that are not in the store.
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// For request ids.
    pub fn random_text<const BYTES: usize>(&self) -> String {
        system::random_text::<BYTES>()
    }
}

/// All routes, each with its description.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(workflows::list, workflows::create))
        .routes(routes!(workflows::validate))
        .routes(routes!(workflows::read, workflows::put, workflows::delete))
        .routes(routes!(workflows::revisions))
        .routes(routes!(workflows::revision))
        .routes(routes!(pictures::workflow))
        .routes(routes!(executions::trigger))
        .routes(routes!(listing::executions))
        .routes(routes!(executions::status))
        .routes(routes!(executions::history))
        .routes(routes!(executions::logs))
        .routes(routes!(pictures::execution))
        .routes(routes!(pictures::timeline))
        .routes(routes!(control::cancel))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(control::retry))
        .routes(routes!(control::rerun))
        .routes(routes!(following::events))
        .routes(routes!(callbacks::complete))
        .routes(routes!(functions::list, functions::create))
        .routes(routes!(functions::execute))
        .routes(routes!(functions::read, functions::upload, functions::delete))
        .routes(routes!(functions::versions))
        .routes(routes!(functions::roll_back))
        .routes(routes!(uploads::list))
        .routes(routes!(uploads::cancel))
        .routes(routes!(grants::read, grants::put))
        .routes(routes!(configuration::list))
        .routes(routes!(configuration::read, configuration::put, configuration::delete))
        .routes(routes!(key_values::list))
        .routes(routes!(key_values::read, key_values::put, key_values::delete))
        .routes(routes!(agents::list, agents::create))
        .routes(routes!(agents::read, agents::put, agents::delete))
        .routes(routes!(agents::assign))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::read, approvals::answer))
        .routes(routes!(links::create))
        .routes(routes!(links::look, links::decide))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::rotate))
        .routes(routes!(secrets::read, secrets::put, secrets::delete))
        .routes(routes!(events::list, events::publish))
        .routes(routes!(events::read))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::read))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run))
        .routes(routes!(schedules::backfill))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(deliveries::replay))
        .merge(of_operators())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
}

/// Those about tenants, their keys and what they use, and about the store.
fn of_operators() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(audit::list))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::read, keys::revoke))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::read, tenants::change, tenants::delete))
        .routes(routes!(tenants::suspend))
        .routes(routes!(tenants::resume))
        .routes(routes!(tenants::keys_of, tenants::key))
        .routes(routes!(tenants::revoke))
        .routes(routes!(grants::read_for, grants::put_for))
        .routes(routes!(usage::read))
        .routes(routes!(usage::of_tenant))
        .routes(routes!(store::read))
        .routes(routes!(store::sizes))
        .routes(routes!(store::backup))
}

/// The description of all routes as JSON text.
#[must_use]
pub fn description() -> String {
    openapi::complete(described().split_for_parts().1).to_pretty_json().unwrap_or_default()
}

/// The server's whole answer to the world.
pub fn router(app: App) -> Router {
    let (routes, document) = described().split_for_parts();
    routes
        // Whatever method a provider uses, and whatever it sends: no description could say more of these.
        .route("/webhooks/{*path}", any(webhooks::receive))
        .route("/t/{tenant}/webhooks/{*path}", any(webhooks::receive_for))
        .merge(openapi::pages(&openapi::complete(document)))
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

/// The same answer, which is about this: its address does not say it.
fn about(mut response: Response, target: &str) -> Response {
    response.extensions_mut().insert(Target(target.to_owned()));
    response
}

/// A value as an answer.
fn json(status: StatusCode, value: &impl serde::Serialize) -> Result<Response, ApiError> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|e| ApiError::from(stepwell_engine::Error::broken("an answer cannot be written", &e)))?;
    Ok(json_text(status, text))
}
