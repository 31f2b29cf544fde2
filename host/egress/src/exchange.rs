//! One request and the head of its answer over a connection of their own.

use crate::clock::Limit;
use crate::connect::Stream;
use crate::request::{HEADERS, is_of_the_connection};
use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use stepwell_engine::ports::{HttpFault, HttpFaultKind};

/// `http_response_header_bytes`: the head of an answer. The same buffer then takes the body in, part by part.
const BUFFER_BYTES: usize = 64 << 10;
/// Interim answers (1xx) before the real one.
const INTERIM: usize = 16;

type Bare = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// The connection. Nothing moves on it unless whoever waits for the answer drives it: there is nothing to be left behind.
pub(crate) struct Wire(Option<Pin<Box<Bare>>>);

impl Wire {
    /// Reads and writes what can be.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            // Its error, if there is one, is the answer's or the body's as well.
            self.0 = None;
        }
    }

    /// Ends it.
    pub(crate) fn close(&mut self) {
        self.0 = None;
    }
}

/// Sends, and waits for the head.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    mut request: Request<Full<Bytes>>,
    limit: Limit,
) -> Result<(Response<Incoming>, Wire), HttpFault> {
    let interim = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&interim);
    hyper::ext::on_informational(&mut request, move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let mut builder = Builder::new();
    builder.max_buf_size(BUFFER_BYTES).max_headers(HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| fault(&error))?;
    let mut wire = Wire(Some(Box::pin(connection)));
    let answer = {
        let mut answer = pin!(sender.send_request(request));
        let whole = poll_fn(|cx| {
            wire.drive(cx);
            match answer.as_mut().poll(cx) {
                Poll::Pending if interim.load(Ordering::Relaxed) > INTERIM => Poll::Ready(None),
                answer => answer.map(Some),
            }
        });
        limit.keep(whole).await?
    };
    let answer = answer.ok_or_else(|| protocol("the server sends interim answers (1xx) without an end"))?;
    let mut answer = answer.map_err(|error| fault(&error))?;
    if answer.status().is_informational() {
        return Err(protocol("the server wants to switch to another protocol (101)"));
    }
    strip(answer.headers_mut());
    Ok((answer, wire))
}

/// What belongs to the connection is nobody's else.
fn strip(headers: &mut HeaderMap) {
    let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<String> = listed.flat_map(|value| value.split(',')).map(|name| name.trim().to_owned()).collect();
    let ours: Vec<_> = headers.keys().filter(|name| is_of_the_connection(name)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    for name in listed {
        headers.remove(name.as_str());
    }
}

pub(crate) fn protocol(message: &str) -> HttpFault {
    HttpFault::new(HttpFaultKind::Protocol, message)
}

/// What the connection's error was, for the author of the function: not its text, which is about the library.
pub(crate) fn fault(error: &hyper::Error) -> HttpFault {
    if error.is_parse_too_large() {
        return HttpFault::new(
            HttpFaultKind::ResponseTooLarge,
            format!("the answer's headers are too many: at most {HEADERS}, with {BUFFER_BYTES} bytes"),
        );
    }
    protocol(if error.is_parse() {
        "the server's answer is not HTTP"
    } else {
        "the server closed the connection before its answer was complete"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("connection", "keep-alive"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "x"),
            ("upgrade", "h2c"),
            ("x-mine", "1"),
            ("content-length", "3"),
        ] {
            headers.append(name, value.parse().expect("a value"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-mine"]);
    }
}
