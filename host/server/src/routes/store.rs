//! `/store`: the store, for the operator.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::offline;
use crate::openapi::shapes;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::Damage;
use stepwell_engine::{Error, ScrubReport};
use stepwell_store::{MakeError, SledStore};
use tokio::sync::mpsc;

/// Pieces of a backup, of up to a mebibyte, that wait for its reader.
const PIECES: usize = 4;

/// `GET /store`: `{disk, scrub}`, how full the disk was a few seconds ago, and what was found damaged when everything was read again.
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
    let scrub = scrubbed(&app.engine().scrubbed(), &app);
    json(StatusCode::OK, &json!({ "disk": disk, "scrub": scrub }))
}

fn scrubbed(seen: &ScrubReport, app: &App) -> Value {
    let found = seen.found.iter().map(|Damage { at, what, execution }| {
        let tenant = execution.and_then(|key| id_of(app, key.tenant));
        json!({"at": at, "what": what, "executionId": execution.map(|key| key.id.to_string()), "tenant": tenant})
    });
    json!({
        "startedAt": seen.began.map(|at| at.rfc3339()),
        "endedAt": seen.ended.map(|at| at.rfc3339()),
        "values": seen.read.0,
        "bytes": seen.read.1,
        "damaged": seen.damaged,
        "found": found.collect::<Vec<_>>(),
    })
}

fn id_of(app: &App, number: TenantId) -> Option<String> {
    app.engine().tenants().all().iter().find(|tenant| tenant.number == number).map(|tenant| tenant.id.clone())
}

/// `GET /store/sizes`: what takes up room. It looks at every row of the store.
#[utoipa::path(
    get,
    path = "/store/sizes",
    tag = "store",
    responses((status = 200, description = "Bytes by tenant and kind", body = shapes::StoreSizes))
)]
pub async fn sizes(State(app): State<App>, _caller: Caller) -> Result<Response, ApiError> {
    let storage = app.storage();
    let measured = storage.store.sizes().await;
    let measured = measured.map_err(|error| Error::Unavailable(error.to_string()))?;
    let id_of = |number| id_of(&app, number);
    json(StatusCode::OK, &offline::shown(&measured, offline::compiled_bytes(&storage.data), id_of))
}

/// `GET /store/backup`: everything as it was at one moment, for `stepwell backup`, which checks that it is whole. Without the master key:
/// secrets stay sealed.
#[utoipa::path(
    get,
    path = "/store/backup",
    tag = "store",
    responses((status = 200, description = "A backup", body = Vec<u8>, content_type = "application/octet-stream"))
)]
pub async fn backup(State(app): State<App>, _caller: Caller) -> Result<Response, ApiError> {
    let mut pieces = Box::pin(pieces(Arc::clone(&app.storage().store)));
    let first = match pieces.next().await {
        Some(Ok(first)) => first,
        Some(Err(MakeError::Busy)) => {
            let message = MakeError::Busy.to_string();
            return Err(ApiError::new(StatusCode::CONFLICT, "backup_running", message));
        }
        Some(Err(error)) => return Err(Error::Unavailable(error.to_string()).into()),
        None => return Err(Error::Broken.into()),
    };
    let body = Body::from_stream(stream::once(async { Ok(first) }).chain(pieces));
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// The backup as it is made. Who reads drives it; if nobody does any more, it ends.
fn pieces(store: Arc<SledStore>) -> impl Stream<Item = Result<Bytes, MakeError>> + Send {
    let (send, waiting) = mpsc::channel(PIECES);
    let made = stream::once(async move { store.backup(move |piece| send.blocking_send(piece).is_ok()).await });
    let made = made.filter_map(|made| async move {
        if let Err(error) = &made {
            tracing::warn!(%error, "a backup is not made to its end");
        }
        made.err().map(Err)
    });
    let waiting = stream::unfold(waiting, |mut waiting| async move { Some((Ok(waiting.recv().await?), waiting)) });
    stream::select(waiting, made)
}
