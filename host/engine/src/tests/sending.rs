//! Requests of functions: held to grants, completed by the host, and with secrets only where they may go.

use super::hosts::{deploy_f, run_anew};
use super::*;
use crate::ports::{
    Answer, Ask, Connection, Egress, Host, HttpBody, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, HttpTimeouts,
};

const PLANTED: &str = "planted-value-0123456789";

/// Writes down what goes out, and answers with an empty body.
#[derive(Default)]
struct Written(Mutex<Vec<(Connection, HttpRequest)>>);

struct Empty;

#[async_trait::async_trait]
impl HttpBody for Empty {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
        Ok(None)
    }
}

#[async_trait::async_trait]
impl Egress for Written {
    async fn send(&self, connection: Connection, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        self.0.lock().expect("lock").push((connection, request));
        Ok(HttpResponse { status: 204, headers: Vec::new(), body: Box::new(Empty) })
    }
}

/// A request to this place; `REF` in its parts stands for a reference to the secret `TOKEN`.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    authority: &'static str,
    path: &'static str,
    header: (&'static str, &'static str),
    body: &'static str,
}

const PLAIN: Sent = Sent { method: "GET", authority: "a.b", path: "/", header: ("accept", "*/*"), body: "" };

/// What a function that wants this and sends these gets, and what goes out.
fn sent(wanted: Value, requests: Vec<Sent>) -> (Value, Vec<HttpRequest>) {
    let runtime = FakeRuntime::asking(move |_, host: Arc<dyn Host>| {
        let requests = requests.clone();
        Box::pin(async move {
            let reference = match host.ask(Ask::SecretReference("TOKEN".into())).await {
                Ok(Answer::Text(Some(text))) => text,
                _ => "none".to_owned(),
            };
            let mut answers = Vec::new();
            for request in requests {
                answers.push(match host.send(made(&request, &reference)).await {
                    Ok(answer) => json!(answer.status),
                    Err(fault) => json!([format!("{:?}", fault.kind), fault.message]),
                });
            }
            Ok(Payload::from_value(&json!(answers)))
        })
    });
    let written = Arc::new(Written::default());
    let mut disk = Disk::new();
    disk.egress = Arc::clone(&written) as Arc<dyn Egress>;
    let answers = disk.life(runtime, |engine| async move {
        engine.secrets().put(TENANT, "TOKEN", PLANTED).await.expect("sets");
        deploy_f(&engine, wanted).await;
        run_anew(&engine).await["result"].clone()
    });
    let all = written.0.lock().expect("lock").iter().map(|(_, request)| request.clone()).collect();
    (answers.expect("lives"), all)
}

fn made(sent: &Sent, reference: &str) -> HttpRequest {
    let with = |text: &str| text.replace("REF", reference);
    HttpRequest {
        method: sent.method.into(),
        scheme: "https".into(),
        authority: sent.authority.into(),
        path: with(sent.path),
        headers: vec![(sent.header.0.into(), with(sent.header.1).into_bytes())],
        body: with(sent.body).into_bytes(),
        timeouts: HttpTimeouts::default(),
    }
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| std::str::from_utf8(value).expect("UTF-8"))
}

#[test]
fn only_what_is_granted_goes_out() {
    let requests = vec![
        PLAIN,
        Sent { authority: "A.B.:443", ..PLAIN },
        Sent { method: "POST", ..PLAIN },
        Sent { authority: "a.b:8443", ..PLAIN },
        Sent { authority: "x.a.b", ..PLAIN },
        Sent { authority: "user@a.b", ..PLAIN },
        Sent { authority: "127.1", ..PLAIN },
    ];
    let (answers, out) = sent(json!({"http": ["GET https://a.b"]}), requests);
    let kinds: Vec<&Value> = answers.as_array().expect("answers").iter().map(|one| one.get(0).unwrap_or(one)).collect();
    assert_eq!(json!(kinds), json!([204, 204, "Denied", "Denied", "Denied", "Invalid", "Invalid"]), "{answers:#}");
    assert!(
        out.iter().all(|request| request.authority == "a.b") && out.len() == 2,
        "the form that was checked: {out:?}"
    );
    assert!(
        answers[2][1].as_str().is_some_and(|text| text.contains(r#"{"http":["POST https://a.b"]}"#)),
        "{answers:#}"
    );
}

#[test]
fn the_host_adds_what_makes_requests_known_again() {
    let own = Sent { method: "POST", header: ("Idempotency-Key", "own"), ..PLAIN };
    let post = Sent { method: "POST", ..PLAIN };
    let (answers, out) = sent(json!({"http": ["a.b"]}), vec![PLAIN, post.clone(), post, own]);
    assert_eq!(answers, json!([204, 204, 204, 204]));
    assert_eq!(header(&out[0], "idempotency-key"), None);
    let key = |at: usize| header(&out[at], "idempotency-key").unwrap_or_default();
    assert!(key(1).starts_with("exec-") && key(1).ends_with("/s/-/1/2") && key(2).ends_with("/s/-/1/3"), "{out:?}");
    assert_eq!((header(&out[3], "Idempotency-Key"), header(&out[3], "idempotency-key")), (Some("own"), None));
}

#[test]
fn an_attempt_sends_so_many_requests_and_no_more() {
    let (answers, out) = sent(json!({"http": ["a.b"]}), vec![PLAIN; 102]);
    assert_eq!(out.len(), 100);
    assert_eq!((&answers[99], &answers[100][0], &answers[101][0]), (&json!(204), &json!("Limit"), &json!("Limit")));
}

#[test]
fn a_secret_goes_where_its_grant_says_and_nowhere_else() {
    let wanted = json!({"http": ["a.b", "c.d"], "secrets": {"TOKEN": {"hosts": ["a.b"]}}});
    let in_header = Sent { header: ("authorization", "Bearer REF"), ..PLAIN };
    let in_path = Sent { path: "/x?k=REF", ..PLAIN };
    let in_body =
        Sent { method: "POST", header: ("content-type", "application/json"), body: "{\"k\":\"REF\"}", ..PLAIN };
    let elsewhere = Sent { authority: "c.d", ..in_header.clone() };
    let (answers, out) = sent(wanted, vec![in_header, in_path, in_body, elsewhere, Sent { authority: "c.d", ..PLAIN }]);
    assert_eq!(
        (&answers[0], &answers[2], &answers[3][0], &answers[4]),
        (&json!(204), &json!(204), &json!("Denied"), &json!(204))
    );
    assert_eq!(header(&out[0], "authorization"), Some(&*format!("Bearer {PLANTED}")));
    assert_eq!(out[1].path, format!("/x?k={PLANTED}"));
    assert_eq!(out[2].body, format!("{{\"k\":\"{PLANTED}\"}}").into_bytes());
    assert!(!format!("{:?}{answers}", &out[3..]).contains(PLANTED));
    assert!(answers[3][1].as_str().is_some_and(|text| text.contains(r#"{"hosts":["c.d"]}"#)), "{answers:#}");
}

#[test]
fn without_a_sender_it_is_said_so() {
    let runtime = FakeRuntime::asking(|_, host: Arc<dyn Host>| {
        Box::pin(async move {
            let kind = host.send(made(&PLAIN, "")).await.err().map(|fault| fault.kind);
            assert_eq!(kind, Some(HttpFaultKind::Connect));
            Ok(Payload::null())
        })
    });
    let alive = Disk::new().life(runtime, |engine| async move {
        deploy_f(&engine, json!({"http": ["a.b"]})).await;
        assert_eq!(run_anew(&engine).await["status"], "completed");
    });
    alive.expect("lives");
}
