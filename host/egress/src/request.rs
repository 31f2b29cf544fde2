//! A request, made anew from its parts: nothing of what the function wrote reaches the wire unread. Pure.

use crate::limits::EgressLimits;
use crate::target::Target;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use http_body_util::Full;
use stepwell_engine::ports::{HttpFault, HttpFaultKind, HttpRequest};

/// Longest method.
const METHOD_BYTES: usize = 32;
/// Longest path with its query: servers and proxies refuse more.
const PATH_BYTES: usize = 8 << 10;
/// `http_headers`: headers of a request or of an answer.
pub(crate) const HEADERS: usize = 100;
/// `http_header_bytes`: names and values of all headers of a request.
const HEADER_BYTES: usize = 32 << 10;
/// What the wire adds to each header: a colon, a space, the end of the line.
const HEADER_FRAME: usize = 4;

/// Who asks, for services that want to know. A function can say something else.
const AGENT: HeaderValue = HeaderValue::from_static("stepwell");

/// Headers that belong to one connection (RFC 9110, 7.6.1), and those that the sender itself decides.
pub(crate) fn is_of_the_connection(name: &HeaderName) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "http2-settings",
        "alt-used",
    ];
    NAMES.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// The request as it goes out.
pub(crate) fn rebuilt(
    request: HttpRequest,
    target: &Target,
    limits: &EgressLimits,
) -> Result<Request<Full<Bytes>>, HttpFault> {
    if request.body.len() > limits.request_bytes {
        let most = limits.request_bytes;
        let message = format!("the request's body has {} bytes; at most {most} are sent", request.body.len());
        return Err(HttpFault::new(HttpFaultKind::RequestTooLarge, message));
    }
    let method = method(&request.method)?;
    let uri = path(&request.path)?;
    let mut headers = headers(&request, target)?;
    if !request.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    }
    let mut made = Request::new(Full::new(Bytes::from(request.body)));
    *made.method_mut() = method;
    *made.uri_mut() = uri;
    *made.headers_mut() = headers;
    Ok(made)
}

fn invalid(message: impl Into<String>) -> HttpFault {
    HttpFault::new(HttpFaultKind::Invalid, message)
}

/// Any token but two: `CONNECT` opens a tunnel, and `TRACE` shows a function the headers that were added outside of the sandbox.
fn method(text: &str) -> Result<Method, HttpFault> {
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| text.len() <= METHOD_BYTES);
    let method = method.ok_or_else(|| invalid("the method is not a token of letters, at most 32"))?;
    if method.as_str().eq_ignore_ascii_case("CONNECT") || method.as_str().eq_ignore_ascii_case("TRACE") {
        return Err(invalid("the methods CONNECT and TRACE are not sent"));
    }
    Ok(method)
}

fn path(text: &str) -> Result<Uri, HttpFault> {
    if text.len() > PATH_BYTES {
        return Err(invalid(format!("the path has {} bytes; at most {PATH_BYTES} are sent", text.len())));
    }
    let plain = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let path = if plain { text.parse::<PathAndQuery>().ok() } else { None };
    let path = path.ok_or_else(|| {
        invalid("the path begins with / and has neither spaces, control characters, letters beyond ASCII nor #: encode them (%20)")
    })?;
    Ok(Uri::from(path))
}

fn headers(request: &HttpRequest, target: &Target) -> Result<HeaderMap, HttpFault> {
    let bytes: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_FRAME).sum();
    if request.headers.len() > HEADERS || bytes > HEADER_BYTES {
        let message = format!("the headers are too many: at most {HEADERS} with {HEADER_BYTES} bytes are sent");
        return Err(invalid(message));
    }
    let host = target.authority();
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    headers.insert(HOST, HeaderValue::try_from(&host).map_err(|_| invalid("the host is no header's value"))?);
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("a header's name is not a token"))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| invalid(format!("the value of the header {name} has control characters")))?;
        if is_ours(&name, &value, request, target)? {
            continue;
        }
        headers.append(name, value);
    }
    headers.entry(USER_AGENT).or_insert(AGENT);
    Ok(headers)
}

/// Whether the sender writes this header itself. What contradicts it is refused: it is a mistake, or an attempt to be understood
/// in two ways.
fn is_ours(name: &HeaderName, value: &HeaderValue, request: &HttpRequest, target: &Target) -> Result<bool, HttpFault> {
    if name == TRANSFER_ENCODING {
        return Err(invalid("the header transfer-encoding is not sent: the length of the body is known"));
    }
    if name == CONTENT_LENGTH {
        let right = value.as_bytes() == request.body.len().to_string().as_bytes();
        return if right {
            Ok(true)
        } else {
            Err(invalid("content-length is not the length of the body: leave it out"))
        };
    }
    if name == HOST {
        let text = value.to_str().unwrap_or_default();
        let right = Target::parse(target.scheme.word(), text).is_ok_and(|host| host == *target);
        return if right { Ok(true) } else { Err(invalid("the header host is not the request's host: leave it out")) };
    }
    Ok(is_of_the_connection(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwell_engine::ports::HttpTimeouts;

    fn plain() -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            scheme: "http".to_owned(),
            authority: "a.example:81".to_owned(),
            path: "/x?y=1".to_owned(),
            headers: vec![],
            body: b"body".to_vec(),
            timeouts: HttpTimeouts::default(),
        }
    }

    fn rebuild(change: impl FnOnce(&mut HttpRequest)) -> Result<Request<Full<Bytes>>, HttpFault> {
        let mut request = plain();
        change(&mut request);
        let target = Target::parse(&request.scheme, &request.authority).expect("a target");
        rebuilt(request, &target, &EgressLimits { request_bytes: 10, ..EgressLimits::default() })
    }

    fn with_header(name: &str, value: &[u8]) -> Result<Request<Full<Bytes>>, HttpFault> {
        rebuild(|request| request.headers.push((name.to_owned(), value.to_vec())))
    }

    #[test]
    fn host_length_and_agent_are_ours() {
        let request = with_header("x-a", b"1").expect("fine");
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "/x?y=1"));
        let headers: Vec<_> =
            request.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap_or("?"))).collect();
        assert_eq!(headers, ["host: a.example:81", "x-a: 1", "user-agent: stepwell", "content-length: 4"]);
        let agent = with_header("user-agent", b"mine").expect("fine");
        assert_eq!(agent.headers().get_all("user-agent").iter().collect::<Vec<_>>(), ["mine"]);
        let empty = rebuild(|request| request.body.clear()).expect("fine");
        assert_eq!(empty.headers()["content-length"], "0");
        let get = rebuild(|request| (request.method, request.body) = ("GET".to_owned(), vec![])).expect("fine");
        assert!(!get.headers().contains_key("content-length"));
    }

    #[test]
    fn headers_of_the_connection_are_left_out() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "Connection",
        ] {
            let request = with_header(name, b"100-continue").expect("fine");
            assert!(!request.headers().contains_key(name), "{name}");
        }
        for (name, value) in [("content-length", "4"), ("host", "a.example:81"), ("Host", "A.example:81")] {
            let request = with_header(name, value.as_bytes()).expect("fine");
            assert_eq!(request.headers().get_all(name).iter().count(), 1, "{name}");
        }
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        for (name, value) in [
            ("content-length", "5"),
            ("content-length", "4, 4"),
            ("content-length", "+4"),
            ("content-length", "04"),
            ("host", "b.example"),
            ("host", "a.example"),
            ("host", "a.example:81, b"),
            ("host", ""),
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "identity"),
            ("x-a", "1\r\nx-b: 2"),
            ("x-a", "1\n 2"),
            ("x-a", "1\0"),
            ("x-a", "\r"),
            ("x-a", "\x7f"),
            ("x a", "1"),
            ("x-a:", "1"),
            ("", "1"),
            ("x-a\r\nhost", "1"),
            ("transfer-encoding ", "chunked"),
            (":authority", "b"),
        ] {
            let fault = with_header(name, value.as_bytes()).expect_err(name);
            assert_eq!(fault.kind, HttpFaultKind::Invalid, "{name}: {value:?}");
        }
        let twice = rebuild(|request| {
            request.headers =
                vec![("content-length".to_owned(), b"4".to_vec()), ("Content-Length".to_owned(), b"40".to_vec())];
        });
        assert_eq!(twice.expect_err("two lengths").kind, HttpFaultKind::Invalid);
    }

    #[test]
    fn methods_and_paths_are_checked() {
        for method in
            ["", "GET ", "G\r\nT", "GÖT", "CONNECT", "connect", "TRACE", "GET / HTTP/1.1\r\nx: y", &"A".repeat(33)]
        {
            assert_eq!(rebuild(|r| r.method = method.to_owned()).expect_err(method).kind, HttpFaultKind::Invalid);
        }
        assert_eq!(rebuild(|r| r.method = "PROPFIND".to_owned()).expect("fine").method(), "PROPFIND");
        let long = format!("/{}", "a".repeat(PATH_BYTES));
        for path in [
            "",
            "x",
            "*",
            "http://b.example/",
            "/a b",
            "/a\r\nb",
            "/a\tb",
            "/ü",
            "/a#b",
            "/a HTTP/1.1\r\nhost: b\r\n\r\n",
            "/\0",
            &long,
        ] {
            assert_eq!(rebuild(|r| r.path = path.to_owned()).expect_err(path).kind, HttpFaultKind::Invalid);
        }
        for path in ["/", "//b.example/c", "/a?b=%20&c={}", "/?", "/..%2f/../a"] {
            assert_eq!(rebuild(|r| r.path = path.to_owned()).expect("fine").uri().to_string(), path);
        }
    }

    #[test]
    fn a_request_has_bounds() {
        let fault = rebuild(|request| request.body = vec![0; 11]).expect_err("too large");
        assert_eq!(fault.kind, HttpFaultKind::RequestTooLarge);
        let many = |count: usize, bytes: usize| {
            rebuild(move |request| request.headers = vec![("x-a".to_owned(), vec![b'a'; bytes]); count])
        };
        assert!(many(100, 10).is_ok());
        assert_eq!(many(101, 1).expect_err("too many").kind, HttpFaultKind::Invalid);
        assert_eq!(many(2, 20_000).expect_err("too large").kind, HttpFaultKind::Invalid);
    }
}
