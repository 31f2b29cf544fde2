//! `/config`: texts for functions that are no secrets.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_engine::{CONFIG_BYTES, CONFIG_PAGE, ConfigText, Error};
use utoipa::{IntoParams, ToSchema};

/// Bytes of a body: every character of the longest text may be written as `\u00xx`, and there are a few words round it.
const BODY_BYTES: usize = 6 * CONFIG_BYTES + (1 << 10);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    value: String,
    updated_at: String,
}

impl Shown {
    fn new(name: String, text: ConfigText) -> Self {
        Self { name, value: text.value, updated_at: text.updated_at.rfc3339() }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConfigParameters {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// `GET /config`: `{items, nextCursor}`, in the order of the names.
#[utoipa::path(
    get,
    path = "/config",
    tag = "config",
    params(ConfigParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::ConfigText>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ConfigParameters>,
) -> Result<Response, ApiError> {
    if query.cursor.as_deref().is_some_and(|cursor| !stepwell_core::ids::is_secret_name(cursor)) {
        return Err(ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"));
    }
    let most = query.limit.unwrap_or(CONFIG_PAGE);
    let (items, more) = app.engine().configuration().list(caller.tenant, query.cursor, most).await?;
    let next = if more { items.last().map(|(name, _)| name.clone()) } else { None };
    let items: Vec<Shown> = items.into_iter().map(|(name, text)| Shown::new(name, text)).collect();
    json(StatusCode::OK, &json!({"items": items, "nextCursor": next}))
}

/// `GET /config/{name}`
#[utoipa::path(
    get,
    path = "/config/{name}",
    tag = "config",
    params(("name" = String, Path, description = "A name")),
    responses((status = 200, description = "What it says", body = shapes::ConfigText))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(name): Id) -> Result<Response, ApiError> {
    let text = app.engine().configuration().get(caller.tenant, &name).await?;
    let text = text.ok_or_else(|| Error::NotFound { what: "config", id: name.clone() })?;
    json(StatusCode::OK, &Shown::new(name, text))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewConfigText)]
struct PutBody {
    /// What it says.
    value: String,
}

/// `PUT /config/{name}` `{value}`: 200 and what it says now.
#[utoipa::path(
    put,
    path = "/config/{name}",
    tag = "config",
    params(("name" = String, Path, description = "A name")),
    request_body = PutBody,
    responses((status = 200, description = "What it says now", body = shapes::ConfigText))
)]
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: PutBody = extract::typed(request, (BODY_BYTES, "config_bytes")).await?;
    let text = app.engine().configuration().put(caller.tenant, &name, body.value).await?;
    json(StatusCode::OK, &Shown::new(name, text))
}

/// `DELETE /config/{name}`: 200 `{}`.
#[utoipa::path(
    delete,
    path = "/config/{name}",
    tag = "config",
    params(("name" = String, Path, description = "A name")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(State(app): State<App>, caller: Caller, Id(name): Id) -> Result<Response, ApiError> {
    app.engine().configuration().delete(caller.tenant, &name).await?;
    json(StatusCode::OK, &json!({}))
}
