//! `wasi:http` for guests, outgoing only: what they write becomes a request of the `Host` port, which knows the grants and the way out.
//! Nothing here opens a connection.
//!
//! Whatever is under way ends with the attempt: the work on a request belongs to a handle in the guest's table, and is stopped when
//! the table is dropped.

mod body;
mod codes;
mod send;

use crate::capture::SharedCapture;
use crate::linker::State;
use http::HeaderName;
use send::Sending;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stepwell_engine::ports::Host;
use tokio::sync::Semaphore;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, Host as _};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// The interface that sends; every 0.2.x fits.
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";
/// Fuel of one request, and one more per byte of its body and of the answer's: half a millisecond of compute, about what a connection
/// and a handshake cost the host.
const REQUEST_FUEL: u64 = 1_000_000;
/// `http_concurrent`: requests of one attempt at a time, each until its answer's body is read or dropped. Further ones wait: each holds
/// its request's body in memory.
const CONCURRENT: usize = 8;
/// Bytes of one headers resource, with what keeping them costs.
const FIELD_BYTES: usize = 32 << 10;
/// Bytes that a guest may hand over in one write of a body; twice as many wait for each body.
const WRITE_BYTES: usize = 64 << 10;

/// What belongs to one attempt.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    sending: Sending,
}

impl Http {
    /// Requests go to this host; what becomes of those that fail is told in this log.
    pub(crate) fn new(host: Arc<dyn Host>, capture: SharedCapture) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELD_BYTES);
        let (places, debt) = (Arc::new(Semaphore::new(CONCURRENT)), Arc::new(AtomicU64::new(0)));
        Self { ctx, hooks: Hooks { sending: Sending { host, capture, places, debt } } }
    }

    /// Fuel for bytes that were moved and not charged yet.
    pub(crate) fn debt(&self) -> u64 {
        self.hooks.sending.debt.load(Ordering::Relaxed)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.hooks.sending.places.close();
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http.ctx, table: &mut self.table, hooks: &mut self.http.hooks }
    }
}

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>)>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    /// The sender sets it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _answered: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let sending = self.sending.clone();
        Box::new(async move {
            let answer = sending.send(request, options.unwrap_or_default()).await?;
            let nothing_else: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((answer, nothing_else))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        WRITE_BYTES
    }
}

/// `wasi:http/types` and `wasi:http/outgoing-handler`.
pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &options.into(), State::http)?;
    linker.instance(HANDLER)?.func_wrap("handle", |store, (request, options)| Ok((handle(store, request, options)?,)))
}

/// `outgoing-handler.handle`, charged. The linker of the library cannot charge: it sees the guest's data, not its fuel.
fn handle(
    mut store: StoreContextMut<'_, State>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>> {
    let debt = store.data().http.hooks.sending.debt.swap(0, Ordering::Relaxed);
    let left = store.get_fuel()?.saturating_sub(REQUEST_FUEL.saturating_add(debt));
    store.set_fuel(left)?;
    let mut view = store.data_mut().http();
    match view.handle(request, options) {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => view.convert_error_code(error).map(Err),
    }
}
