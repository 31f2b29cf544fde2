//! `/store`: the store, for the operator.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

/// `GET /store`: `{disk}`, how full the disk was a few seconds ago.
#[utoipa::path(
    get,
    path = "/store",
    tag = "store",
    responses((status = 200, description = "The store", body = shapes::Store))
)]
pub async fn read(State(app): State<App>, _caller: Caller) -> Result<Response, ApiError> {
    let ((room, disk), marks) = (app.engine().disk_room(), app.engine().limits().disk);
    let disk = disk.map(|disk| {
        json!({
            "state": room.word(),
            "totalBytes": disk.total_bytes,
            "freeBytes": disk.free_bytes,
            "lowPercent": marks.low,
            "highPercent": marks.high,
        })
    });
    json(StatusCode::OK, &json!({ "disk": disk }))
}
