//! Outgoing requests of guests: what reaches the host, what comes back, and that nothing of it outlives the attempt.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use crate::common::{Sandbox, guest, invocation};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwell_engine::ports::{
    Answer, Ask, Fault, Host, HttpBody, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, Outcome, Refusal, Refused,
};

/// How the host answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// A body of so many parts of this size.
    Parts(usize, usize),
    /// A head, one part, and then nothing more.
    Stalls,
    /// A part, then a fault.
    BreaksOff,
    /// Nothing.
    Never,
    /// A fault.
    Fails(HttpFaultKind),
}

/// A host that counts what is under way.
struct Scripted {
    way: Way,
    requests: Mutex<Vec<HttpRequest>>,
    open: Arc<AtomicUsize>,
    most: AtomicUsize,
    pulled: Arc<AtomicUsize>,
}

/// Counts down when it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Body {
    way: Way,
    given: usize,
    pulled: Arc<AtomicUsize>,
    _open: Open,
}

fn broken(kind: HttpFaultKind) -> HttpFault {
    HttpFault::new(kind, "as the test says")
}

#[async_trait::async_trait]
impl HttpBody for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
        self.pulled.fetch_add(1, Ordering::SeqCst);
        self.given += 1;
        match self.way {
            Way::Parts(parts, size) if self.given <= parts => Ok(Some(Bytes::from(vec![b'a'; size]))),
            Way::Stalls | Way::BreaksOff if self.given == 1 => Ok(Some(Bytes::from_static(b"begin"))),
            Way::Stalls => std::future::pending().await,
            Way::BreaksOff => Err(broken(HttpFaultKind::Protocol)),
            _ => Ok(None),
        }
    }
}

#[async_trait::async_trait]
impl Host for Scripted {
    async fn ask(&self, _ask: Ask) -> Result<Answer, Refused> {
        Err(Refused::new(Refusal::Denied, "not asked"))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let now = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        let open = Open(Arc::clone(&self.open));
        self.most.fetch_max(now, Ordering::SeqCst);
        self.requests.lock().expect("sound").push(request);
        match self.way {
            Way::Never => std::future::pending().await,
            Way::Fails(kind) => Err(broken(kind)),
            way => {
                let body = Body { way, given: 0, pulled: Arc::clone(&self.pulled), _open: open };
                let headers = vec![("x-a".to_owned(), b"1".to_vec()), ("x-a".to_owned(), vec![0xff])];
                Ok(HttpResponse { status: 201, headers, body: Box::new(body) })
            }
        }
    }
}

fn host(way: Way) -> Arc<Scripted> {
    Arc::new(Scripted {
        way,
        requests: Mutex::default(),
        open: Arc::default(),
        most: AtomicUsize::new(0),
        pulled: Arc::default(),
    })
}

/// Calls a fixture; then nothing is under way any more.
async fn call(fixture: &str, input: serde_json::Value, host: &Arc<Scripted>) -> Outcome {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guest(&format!("fixtures/{fixture}"))).await.expect("fits");
    assert!(
        prepared.imports.iter().any(|name| name.starts_with("wasi:http/outgoing-handler@0.2.")),
        "{:?}",
        prepared.imports
    );
    let mut invocation = invocation(&prepared, &input.to_string());
    invocation.limits.timeout = Duration::from_millis(700);
    let outcome = sandbox.runtime.invoke(invocation, Arc::clone(host) as Arc<dyn Host>).await;
    while host.open.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await; // what was stopped is dropped on its own thread
    }
    outcome
}

async fn misuse(how: &str, way: Way) -> (Outcome, Arc<Scripted>) {
    let host = host(way);
    (call("misuses_http", serde_json::json!({"how": how, "authority": "a.example"}), &host).await, host)
}

fn said(outcome: &Outcome) -> serde_json::Value {
    outcome.result.as_ref().expect("an answer").to_value()
}

fn lines(outcome: &Outcome) -> Vec<&str> {
    outcome.log.iter().map(|line| line.message.as_str()).collect()
}

#[tokio::test]
async fn a_request_goes_to_the_host_and_its_answer_to_the_guest() {
    let host = host(Way::Parts(3, 60_000));
    let body = "ü".repeat(100_000);
    let input = serde_json::json!({
        "method": "PUT", "url": "https://a.example:8443/p?q=1#f", "headers": [["X-One", "1"], ["content-type", "text/plain"]], "body": body
    });
    let outcome = call("calls_http", input, &host).await;
    let answer = said(&outcome);
    assert_eq!(answer["status"], 201);
    assert_eq!(answer["headers"], serde_json::json!([["x-a", "1"], ["x-a", "\u{fffd}"]]));
    assert_eq!(answer["body"].as_str().map(str::len), Some(180_000));
    let requests = host.requests.lock().expect("sound");
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!((request.method.as_str(), request.scheme.as_str()), ("PUT", "https"));
    assert_eq!((request.authority.as_str(), request.path.as_str()), ("a.example:8443", "/p?q=1"));
    assert_eq!(request.body, body.as_bytes());
    let headers: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["x-one", "content-type"], "nothing is added here");
    // Two hundred thousand bytes out, nearly as many back, and the request itself.
    assert!(outcome.usage.fuel > 1_380_000, "{}", outcome.usage.fuel);
}

#[tokio::test]
async fn each_fault_has_its_word_and_a_line_in_the_log() {
    for (kind, code) in [
        (HttpFaultKind::Denied, "http_denied"),
        (HttpFaultKind::Dns, "http_failed"),
        (HttpFaultKind::Connect, "http_failed"),
        (HttpFaultKind::Tls, "http_failed"),
        (HttpFaultKind::Timeout, "http_timeout"),
        (HttpFaultKind::Invalid, "http_invalid_request"),
        (HttpFaultKind::RequestTooLarge, "http_too_large"),
        (HttpFaultKind::ResponseTooLarge, "http_too_large"),
        (HttpFaultKind::Protocol, "http_failed"),
        (HttpFaultKind::Limit, "http_failed"),
        (HttpFaultKind::Internal, "http_failed"),
    ] {
        let outcome =
            call("calls_http", serde_json::json!({"url": "http://a.example/secret?path"}), &host(Way::Fails(kind)))
                .await;
        assert_eq!(lines(&outcome), ["outgoing request failed: as the test says"]);
        assert_eq!(outcome.log[0].fields, [("request".to_owned(), "GET http://a.example".to_owned())]);
        let Err(Fault::Failed { code: found, message, .. }) = outcome.result else { panic!("{kind:?}: no failure") };
        assert_eq!(found, code, "{kind:?}: {message}");
        assert!(!message.contains("?path"), "{message}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_functions_failure() {
    let outcome = call("calls_http", serde_json::json!({"url": "http://a.example"}), &host(Way::BreaksOff)).await;
    assert_eq!(lines(&outcome), ["outgoing request failed: as the test says"]);
    let Err(Fault::Failed { code, message, .. }) = outcome.result else { panic!("no failure") };
    assert!(code == "http_failed" && message.contains("as the test says"), "{message}");
}

#[tokio::test]
async fn what_waits_for_ever_ends_with_the_attempt() {
    for (how, way) in [
        ("leaves_the_body_open", Way::Parts(1, 1)),
        ("writes_nothing_for_ever", Way::Parts(1, 1)),
        ("waits_for_the_head", Way::Never),
        ("waits_for_the_body", Way::Stalls),
        ("polls_without_end", Way::Never),
    ] {
        let (outcome, _) = misuse(how, way).await;
        let fault = outcome.result.expect_err(how);
        // A computing guest may run out of fuel first, on a fast machine.
        assert!(matches!(fault, Fault::Timeout | Fault::OutOfFuel), "{how}: {fault:?}");
    }
}

#[tokio::test]
async fn eight_requests_are_under_way_and_a_flood_ends_with_the_fuel() {
    let (outcome, host) = misuse("sends_without_end", Way::Never).await;
    assert!(outcome.result.is_err(), "{outcome:?}");
    assert!(host.most.load(Ordering::SeqCst) <= 8);
    let (outcome, host) = misuse("forgets_its_requests", Way::Never).await;
    assert_eq!(said(&outcome), "forgotten");
    assert!(host.most.load(Ordering::SeqCst) <= 8);
    assert!(outcome.usage.fuel >= 200_000_000, "{}", outcome.usage.fuel);
}

#[tokio::test]
async fn a_request_that_is_too_large_never_reaches_the_host() {
    let (outcome, host) = misuse("writes_too_much", Way::Parts(0, 0)).await;
    assert!(said(&outcome).as_str().is_some_and(|text| text.contains("HttpRequestBodySize")), "{outcome:?}");
    assert!(host.requests.lock().expect("sound").is_empty());
    assert!(lines(&outcome)[0].contains("http_request_bytes"), "{:?}", outcome.log);
}

#[tokio::test]
async fn a_guest_takes_what_it_wants_and_no_more_is_asked_for() {
    let (outcome, host) = misuse("never_reads", Way::Parts(1_000, 60_000)).await;
    assert_eq!(said(&outcome), "status 201, unread");
    assert_eq!(host.pulled.load(Ordering::SeqCst), 0);
    let (outcome, _) = misuse("waits_for_the_body", Way::Parts(100, 1_000)).await;
    assert_eq!(said(&outcome), "100000 bytes");
}

#[tokio::test]
async fn a_body_that_the_guest_breaks_off_is_not_sent() {
    let (outcome, host) = misuse("breaks_the_body_off", Way::Parts(0, 0)).await;
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert!(host.requests.lock().expect("sound").is_empty());
}

#[tokio::test]
async fn headers_have_bounds() {
    let (outcome, _) = misuse("collects_headers", Way::Never).await;
    assert!(matches!(outcome.result, Err(Fault::Trapped(_))), "{:?}", outcome.result);
}
