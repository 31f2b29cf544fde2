//! The faults of the port in the words of `wasi:http`. Where those carry a text, it is the fault's.

use stepwell_engine::ports::{HttpFault, HttpFaultKind};
use wasmtime_wasi_http::Error;

/// What a guest is told.
pub(super) fn error(fault: &HttpFault) -> Error {
    let text = || Some(fault.message.clone());
    match fault.kind {
        HttpFaultKind::Denied => Error::HttpRequestDenied,
        HttpFaultKind::Dns => Error::DnsError { rcode: text(), info_code: None },
        HttpFaultKind::Connect => Error::ConnectionRefused,
        HttpFaultKind::Tls => Error::TlsCertificateError,
        HttpFaultKind::Timeout => Error::HttpResponseTimeout,
        HttpFaultKind::Invalid => Error::HttpRequestUriInvalid,
        HttpFaultKind::RequestTooLarge => Error::HttpRequestBodySize(None),
        HttpFaultKind::ResponseTooLarge => Error::HttpResponseBodySize(None),
        HttpFaultKind::Protocol => Error::HttpProtocolError,
        HttpFaultKind::Limit => Error::ConnectionLimitReached,
        HttpFaultKind::Internal => Error::InternalError(text()),
    }
}
