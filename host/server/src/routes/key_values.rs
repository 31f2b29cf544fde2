//! `/kv`: what functions keep, for people to look at and to change.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use crate::preconditions::{Conditions, conditions, tagged};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::Expected;
use stepwell_engine::{Error, KV_PAGE, KV_VALUE_BYTES, KeyValueEntry, Precondition, ValueFacts, Versions};
use utoipa::{IntoParams, ToSchema};

/// Bytes of a body: every character of the longest value may be written as `\u00xx`, and there are a few words round it.
const BODY_BYTES: usize = 6 * KV_VALUE_BYTES + (1 << 10);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownKey {
    key: String,
    version: u64,
    bytes: u64,
    updated_at: String,
}

impl ShownKey {
    fn new(key: String, facts: &ValueFacts) -> Self {
        Self { key, version: facts.version, bytes: facts.bytes, updated_at: facts.updated_at.rfc3339() }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyParameters {
    /// How the keys begin.
    prefix: Option<String>,
    /// `nextCursor` of the part before: a key.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// `GET /kv`: keys without their values, in their order.
#[utoipa::path(
    get,
    path = "/kv",
    tag = "key-value",
    params(KeyParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::StoredKey>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<KeyParameters>,
) -> Result<Response, ApiError> {
    let place = (query.cursor, query.limit.unwrap_or(KV_PAGE));
    let part = app.engine().key_values().keys(caller.tenant, &query.prefix.unwrap_or_default(), place).await?;
    let next = if part.more { part.items.last().map(|(key, _)| key.clone()) } else { None };
    let items: Vec<ShownKey> = part.items.into_iter().map(|(key, facts)| ShownKey::new(key, &facts)).collect();
    json(StatusCode::OK, &json!({"items": items, "nextCursor": next}))
}

/// `GET /kv/{key}`: the value as `value` if it is text, otherwise as `base64`.
#[utoipa::path(
    get,
    path = "/kv/{key}",
    tag = "key-value",
    params(("key" = String, Path, description = "A key; write / as %2F")),
    responses((status = 200, description = "Its value", body = shapes::KeyValue))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(key): Id) -> Result<Response, ApiError> {
    let found = app.engine().key_values().get(caller.tenant, &key).await?;
    let entry = found.ok_or_else(|| Error::NotFound { what: "value", id: key.clone() })?;
    shown(&key, &entry)
}

fn shown(key: &str, entry: &KeyValueEntry) -> Result<Response, ApiError> {
    let (name, value) = match std::str::from_utf8(&entry.value) {
        Ok(text) => ("value", text.to_owned()),
        Err(_) => ("base64", STANDARD.encode(&entry.value)),
    };
    Ok(tagged(json(StatusCode::OK, &json!({"key": key, "version": entry.version, name: value}))?, entry.version))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewKeyValue)]
struct PutBody {
    /// The value as text.
    value: Option<String>,
    /// The value's bytes.
    base64: Option<String>,
}

/// `PUT /kv/{key}` `{value}` or `{base64}`: 200 and its version.
#[utoipa::path(
    put,
    path = "/kv/{key}",
    tag = "key-value",
    params(("key" = String, Path, description = "A key; write / as %2F"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for"), ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none")),
    request_body = PutBody,
    responses((status = 200, description = "Its new version", body = shapes::KeyVersion))
)]
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(key): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let conditions = conditions(request.headers())?;
    let body: PutBody = extract::typed(request, (BODY_BYTES, "kv_value_bytes")).await?;
    let value = match (body.value, body.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => STANDARD
            .decode(text.as_bytes())
            .map_err(|error| ApiError::wrong_shape("base64", format!("`base64` is not base64: {error}")))?,
        _ => return Err(ApiError::wrong_shape("value", "send `value`, a text, or `base64`, one of them")),
    };
    let expected = expected(&app, (caller.tenant, &key), &conditions).await?;
    let version = app.engine().key_values().put(caller.tenant, (&key, &value), expected).await?;
    Ok(tagged(json(StatusCode::OK, &json!({"key": key, "version": version}))?, version))
}

/// `DELETE /kv/{key}`: 200 `{}`.
#[utoipa::path(
    delete,
    path = "/kv/{key}",
    tag = "key-value",
    params(("key" = String, Path, description = "A key; write / as %2F"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(key): Id,
    Conditions(conditions): Conditions,
) -> Result<Response, ApiError> {
    if app.engine().key_values().facts(caller.tenant, &key).await?.is_none() {
        return Err(Error::NotFound { what: "value", id: key }.into());
    }
    let expected = expected(&app, (caller.tenant, &key), &conditions).await?;
    app.engine().key_values().remove(caller.tenant, &key, expected).await?;
    json(StatusCode::OK, &json!({}))
}

/// What the headers ask for, as one condition: the version that fulfils them now, which is then held to.
async fn expected(app: &App, (tenant, key): (TenantId, &str), conditions: &Precondition) -> Result<Expected, ApiError> {
    if (conditions.is.as_ref(), conditions.is_not.as_ref()) == (None, None) {
        return Ok(Expected::Anything);
    }
    let version = app.engine().key_values().facts(tenant, key).await?.map(|facts| facts.version);
    let holds = |versions: &Versions| match (versions, version) {
        (_, None) => false,
        (Versions::Any, Some(_)) => true,
        (Versions::Listed(all), Some(version)) => all.iter().any(|one| *one == version.to_string()),
    };
    if conditions.is.as_ref().is_none_or(holds) && !conditions.is_not.as_ref().is_some_and(holds) {
        return Ok(version.map_or(Expected::Absent, Expected::Version));
    }
    let now = version.map_or_else(|| "does not exist".to_owned(), |version| format!("is at \"{version}\" now"));
    let message = format!("the key {now}, which is not what the request asks for; read it again and decide anew");
    Err(Error::PreconditionFailed { message }.into())
}
