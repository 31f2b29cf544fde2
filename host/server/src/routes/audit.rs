//! `/audit`: who changed what.

use super::{App, listing};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Parameters;
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use stepwell_engine::{AuditLine, AuditQuery};
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Not before this moment, RFC 3339.
    since: Option<String>,
    /// An action such as `function.deploy`, or the word before its dot.
    action: Option<String>,
    /// Who.
    subject: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    at: String,
    subject: &'a str,
    key_id: Option<&'a str>,
    address: Option<&'a str>,
    request_id: &'a str,
    action: &'a str,
    target: &'a str,
    outcome: &'a str,
}

impl<'a> From<&'a AuditLine> for Shown<'a> {
    fn from(line: &'a AuditLine) -> Self {
        Self {
            at: line.at.rfc3339(),
            subject: &line.subject,
            key_id: line.key.as_deref(),
            address: line.address.as_deref(),
            request_id: &line.request,
            action: &line.action,
            target: &line.target,
            outcome: &line.outcome,
        }
    }
}

/// `GET /audit?since=&action=&subject=&cursor=&limit=`: `{items, nextCursor}`, the newest first. The last 10,000 changes are kept.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    params(ListParameters),
    responses((status = 200, description = "A part of the log", body = shapes::Part<shapes::Change>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let before = query.cursor.as_deref().map(|cursor| cursor.parse::<u64>().ok().filter(|number| *number > 0));
    if before == Some(None) {
        return Err(ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"));
    }
    let query = AuditQuery {
        since: query.since.as_deref().map(listing::moment).transpose()?,
        action: query.action,
        subject: query.subject,
        before: before.flatten(),
        limit: query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?,
    };
    let part = app.engine().changes(caller.tenant, &query).await?;
    let items: Vec<Shown> = part.items.iter().map(Shown::from).collect();
    listing::page(&items, part.next.map(|next| next.to_string()), &address)
}
