//! `/secrets`: values go in and never come out.

use super::{App, about, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_engine::{SECRET_BYTES, SECRETS_PAGE, SecretFacts};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

/// Bytes of a body: every character of the longest value may be written as `\u00xx`, and there are a few words round it.
const BODY_BYTES: usize = 6 * SECRET_BYTES + (1 << 10);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    created_at: String,
    updated_at: String,
    version: u32,
}

impl From<SecretFacts> for Shown {
    fn from(facts: SecretFacts) -> Self {
        let (created_at, updated_at) = (facts.created_at.rfc3339(), facts.updated_at.rfc3339());
        Self { name: facts.name, created_at, updated_at, version: facts.version }
    }
}

/// The value as text; anything else is `None`, because an error of serde would repeat it.
struct Value(Option<Zeroizing<String>>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Some(Zeroizing::new(text)))),
            _ => Ok(Self(None)),
        }
    }
}

#[derive(Deserialize, ToSchema)]
struct PutBody {
    #[schema(value_type = String, min_length = 1)]
    value: Value,
}

/// `PUT /secrets/{name}` `{value}`: 200 and what may be told of it.
#[utoipa::path(
    put,
    path = "/secrets/{name}",
    tag = "secrets",
    params(("name" = String, Path, description = "A secret")),
    request_body = PutBody,
    responses((status = 200, description = "What may be told of it", body = shapes::Secret))
)]
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: PutBody = extract::typed(request, (BODY_BYTES, "secret_bytes")).await?;
    let no_text = || ApiError::wrong_shape("value", "`value` is a text; write numbers and objects as text, too");
    let value = body.value.0.ok_or_else(no_text)?;
    let facts = app.engine().secrets().put(caller.tenant, &name, &value).await?;
    json(StatusCode::OK, &Shown::from(facts))
}

/// `GET /secrets/{name}`
#[utoipa::path(
    get,
    path = "/secrets/{name}",
    tag = "secrets",
    params(("name" = String, Path, description = "A secret")),
    responses((status = 200, description = "What may be told of it", body = shapes::Secret))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(name): Id) -> Result<Response, ApiError> {
    let facts = app.engine().secrets().facts(caller.tenant, &name).await?;
    json(StatusCode::OK, &Shown::from(facts))
}

/// `DELETE /secrets/{name}`: 200 `{}`.
#[utoipa::path(
    delete,
    path = "/secrets/{name}",
    tag = "secrets",
    params(("name" = String, Path, description = "A secret")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(State(app): State<App>, caller: Caller, Id(name): Id) -> Result<Response, ApiError> {
    app.engine().secrets().delete(caller.tenant, &name).await?;
    json(StatusCode::OK, &json!({}))
}

/// `POST /secrets/rotate`: all secrets of the tenant are sealed with a new key; reads work throughout.
#[utoipa::path(
    post,
    path = "/secrets/rotate",
    tag = "secrets",
    responses((status = 200, description = "How many texts were sealed again", body = shapes::Resealed))
)]
pub async fn rotate(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let resealed = app.engine().rotate_secrets(caller.tenant).await?;
    Ok(about(json(StatusCode::OK, &json!({ "resealed": resealed }))?, "secrets"))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// `GET /secrets`: `{items, nextCursor}`, in the order of the names.
#[utoipa::path(
    get,
    path = "/secrets",
    tag = "secrets",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Secret>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    if query.cursor.as_deref().is_some_and(|cursor| !stepwell_core::ids::is_secret_name(cursor)) {
        return Err(ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"));
    }
    let most = query.limit.unwrap_or(SECRETS_PAGE);
    let page = app.engine().secrets().list(caller.tenant, query.cursor, most).await?;
    let items: Vec<Shown> = page.items.into_iter().map(Shown::from).collect();
    json(StatusCode::OK, &json!({"items": items, "nextCursor": page.next}))
}
