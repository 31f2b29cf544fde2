//! `/webhook-deliveries`: what came to the webhooks, what became of it, and once again.

use super::{App, json_text, listing, webhooks};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use stepwell_engine::{DeliveryQuery, DeliveryStatus, is_delivery_id};
use utoipa::IntoParams;

/// A replay is told nothing; what is sent all the same is read, so that the connection can go on.
const BODY_BYTES: usize = 8 << 10;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only of this workflow.
    workflow: Option<String>,
    /// One status, or several with commas between them.
    status: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

/// `GET /webhook-deliveries?workflow=&status=&cursor=&limit=`: `{items, nextCursor}`, the newest first, and the next part as `Link`. `status`
/// is one word or several with commas between them.
#[utoipa::path(
    get,
    path = "/webhook-deliveries",
    tag = "webhooks",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Delivery>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let query = DeliveryQuery {
        workflow: query.workflow.map(listing::workflow).transpose()?,
        statuses: query.status.as_deref().map(statuses).transpose()?,
        after: query.cursor.map(place).transpose()?,
        limit: query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?,
    };
    let part = app.engine().deliveries(caller.tenant, &query).await?;
    listing::page(&part.items, part.next, &address)
}

fn statuses(text: &str) -> Result<Vec<DeliveryStatus>, ApiError> {
    let read = |word: &str| {
        let known = DeliveryStatus::ALL.into_iter().find(|status| status.word() == word);
        let words = DeliveryStatus::ALL.map(DeliveryStatus::word).join(", ");
        known.ok_or_else(|| ApiError::wrong_shape("status", format!("{word:?} is no status; there are {words}")))
    };
    let mut statuses: Vec<DeliveryStatus> = text.split(',').map(read).collect::<Result<_, _>>()?;
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses)
}

fn place(cursor: String) -> Result<String, ApiError> {
    let message = "send a `nextCursor` of an earlier answer";
    if is_delivery_id(&cursor) { Ok(cursor) } else { Err(ApiError::wrong_shape("cursor", message)) }
}

/// `GET /webhook-deliveries/{id}`: with headers, query and body, unless it was refused.
#[utoipa::path(
    get,
    path = "/webhook-deliveries/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "A delivery")),
    responses((status = 200, description = "With headers, query and body", body = shapes::Delivery))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    Ok(json_text(StatusCode::OK, app.engine().delivery(caller.tenant, &id).await?))
}

/// `POST /webhook-deliveries/{id}/replay`: 202 `{executionId, deliveryId}` of a new delivery with the same content. It needs no body.
#[utoipa::path(
    post,
    path = "/webhook-deliveries/{id}/replay",
    tag = "webhooks",
    params(("id" = String, Path, description = "A delivery")),
    responses((status = 202, description = "The new delivery", body = shapes::Delivered))
)]
pub async fn replay(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    extract::bytes(request, (BODY_BYTES, "payload_bytes")).await?;
    webhooks::answer(app.engine().replay(caller.tenant, &id, &caller.subject).await?)
}
