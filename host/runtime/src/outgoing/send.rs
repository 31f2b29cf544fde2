//! One request: its body is taken in whole, the host is asked, the answer's body is handed out as it comes.

use super::body::Pulled;
use super::codes::error;
use crate::capture::SharedCapture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwell_engine::ports::{HTTP_REQUEST_BYTES, Host, HttpFault, HttpFaultKind, HttpRequest, HttpTimeouts};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// What the requests of one attempt share.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) host: Arc<dyn Host>,
    pub(super) capture: SharedCapture,
    pub(super) places: Arc<Semaphore>,
    pub(super) debt: Arc<AtomicU64>,
}

impl Sending {
    /// The answer's head and its body.
    pub(super) async fn send(
        self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Error::InternalError(Some("the attempt is over".to_owned())))?;
        let (head, body) = request.into_parts();
        let target = target(&head);
        let answered = match self.collect(body).await? {
            Ok(body) => self.host.send(rebuilt(&head, body, options)).await,
            Err(fault) => Err(fault),
        };
        let told = Told { capture: self.capture, target };
        let answer = answered.map_err(|fault| told.fault(&fault))?;
        let mut made = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            made = made.header(name, value.as_slice());
        }
        let body = Pulled::new(answer.body, told, (place, self.debt));
        made.body(UnsyncBoxBody::new(body)).map_err(|_| Error::HttpProtocolError)
    }

    /// The whole body, or the fault that it is too large. A guest that breaks off gets its own error back.
    async fn collect(&self, mut body: WasiBody) -> Result<Result<Vec<u8>, HttpFault>, Error> {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            // Trailers are left out: a request's length is known, so there is no place for them.
            let Ok(data) = frame?.into_data() else { continue };
            self.debt.fetch_add(data.len() as u64, Ordering::Relaxed);
            if whole.len() + data.len() > HTTP_REQUEST_BYTES {
                let message =
                    format!("the request's body has more than {HTTP_REQUEST_BYTES} bytes (http_request_bytes)");
                return Ok(Err(HttpFault::new(HttpFaultKind::RequestTooLarge, message)));
            }
            whole.extend_from_slice(&data);
        }
        Ok(Ok(whole))
    }
}

fn rebuilt(head: &http::request::Parts, body: Vec<u8>, options: RequestOptions) -> HttpRequest {
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let ms = |wait: Option<Duration>| wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    HttpRequest {
        method: head.method.as_str().to_owned(),
        scheme: text(head.uri.scheme_str()),
        authority: text(head.uri.authority().map(http::uri::Authority::as_str)),
        path: path.to_owned(),
        headers: headers.collect(),
        body,
        timeouts: HttpTimeouts {
            connect_ms: ms(options.connect_timeout),
            first_byte_ms: ms(options.first_byte_timeout),
            between_bytes_ms: ms(options.between_bytes_timeout),
        },
    }
}

/// Method, scheme and host, for the log: a path may hold what is nobody's business.
fn target(head: &http::request::Parts) -> String {
    let authority = head.uri.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{} {}://{host}", head.method, head.uri.scheme_str().unwrap_or_default())
}

/// The attempt's log, where the author of the function finds what the few words of an error code leave out.
pub(super) struct Told {
    capture: SharedCapture,
    target: String,
}

impl Told {
    /// What the guest gets to see of a fault.
    pub(super) fn fault(&self, fault: &HttpFault) -> Error {
        self.say(fault);
        error(fault)
    }

    /// Writes the line.
    pub(super) fn say(&self, fault: &HttpFault) {
        let message = format!("outgoing request failed: {fault}");
        self.capture.lock().log("warn", &message, &[("request", &self.target)]);
    }
}
