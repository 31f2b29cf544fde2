//! `/agents`: what a tenant calls by a role. They are kept and listed; nothing runs them yet.

use super::{App, about, json, listing};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use crate::openapi::shapes;
use crate::preconditions::{Conditions, tagged};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use stepwell_engine::{AGENT_BYTES, Agent};

/// `GET /agents`: a bare array.
#[utoipa::path(
    get,
    path = "/agents",
    tag = "agents",
    responses((status = 200, description = "All of them", body = Vec<shapes::Agent>))
)]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let all = app.engine().registry().agents(caller.tenant).await?;
    Ok(listing::array(all.into_iter().map(|agent| agent.answer())))
}

/// The agent, tagged with its version.
fn answer(status: StatusCode, agent: &Agent) -> Result<Response, ApiError> {
    Ok(tagged(json(status, &agent.answer())?, agent.version))
}

/// `POST /agents`: 201 and the agent with its id and warnings.
#[utoipa::path(
    post,
    path = "/agents",
    tag = "agents",
    request_body = shapes::NewAgent,
    responses((status = 201, description = "The agent with its id", body = shapes::Agent))
)]
pub async fn create(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let body = extract::json(request, (AGENT_BYTES, "agent_bytes")).await?;
    let agent = app.engine().registry().create_agent(caller.tenant, body.to_value()).await?;
    let id = agent.answer()["id"].as_str().unwrap_or_default().to_owned();
    Ok(about(answer(StatusCode::CREATED, &agent)?, &id))
}

/// `GET /agents/{id}`
#[utoipa::path(
    get,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = String, Path, description = "An agent")),
    responses((status = 200, description = "The agent", body = shapes::Agent))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    answer(StatusCode::OK, &app.engine().registry().agent(caller.tenant, &id).await?)
}

/// `PUT /agents/{id}`: 201 when it is new, otherwise 200; the same agent again makes no new version.
#[utoipa::path(
    put,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = String, Path, description = "An agent"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for"), ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none")),
    request_body = shapes::NewAgent,
    responses((status = 201, description = "It is new", body = shapes::Agent), (status = 200, description = "As it is now", body = shapes::Agent))
)]
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body = extract::json(request, (AGENT_BYTES, "agent_bytes")).await?.to_value();
    let (agent, is_new) = app.engine().registry().put_agent(caller.tenant, (&id, body), &conditions).await?;
    answer(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &agent)
}

/// `DELETE /agents/{id}`: `{}`.
#[utoipa::path(
    delete,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = String, Path, description = "An agent"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
) -> Result<Response, ApiError> {
    app.engine().registry().delete_agent(caller.tenant, &id, &conditions).await?;
    json(StatusCode::OK, &json!({}))
}

/// `POST /agents/{id}/assign`: 422 `agent_provider_not_configured`, for an agent that there is: this version has no models to ask.
#[utoipa::path(
    post,
    path = "/agents/{id}/assign",
    tag = "agents",
    params(("id" = String, Path, description = "An agent")),
    request_body = serde_json::Value,
    responses((status = 422, description = "No model provider is configured", body = shapes::Problem, content_type = "application/problem+json"))
)]
pub async fn assign(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    extract::json(request, (payload, "payload_bytes")).await?;
    app.engine().registry().assign(caller.tenant, &id).await?;
    json(StatusCode::OK, &json!({}))
}
