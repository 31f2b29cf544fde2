//! Webhooks over HTTP: who has an address, who may send, what starts, what is kept of it.

use crate::support::{Answer, Client, Server};
use serde_json::{Value, json};

const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const GITHUB_BODY: &str = "Hello, World!";
const GITHUB: (&str, &str) =
    ("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");

fn definition(id: &str, config: &Value) -> Value {
    let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
    let output = "{ input: input, event: event, trigger: trigger }";
    let trigger = json!({"type": "webhook", "config": config});
    json!({"id": id, "steps": steps, "output": output, "triggers": [trigger]})
}

fn deploy(client: &Client, id: &str, config: &Value) {
    client.post("/workflows", &definition(id, config)).ok(201);
}

/// Without a key, as strangers do.
fn stranger(server: &Server) -> Client {
    server.client.stranger()
}

fn send(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    stranger(server).send("POST", path, headers, body.as_bytes())
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// What the execution of this answer saw.
fn seen(server: &Server, answer: Answer) -> Value {
    let answer = answer.ok(202);
    server.client.end(answer["executionId"].as_str().expect("an execution"))["result"].take()
}

fn deliveries(server: &Server, query: &str) -> Vec<Value> {
    let list = server.client.get(&format!("/webhook-deliveries{query}")).ok(200);
    list["items"].as_array().expect("items").clone()
}

#[test]
fn a_request_is_the_event_of_what_it_starts() {
    let server = Server::start();
    deploy(&server.client, "w", &json!({"path": "/webhooks/orders/new"}));
    let headers =
        [JSON, ("X-Shop", "a"), ("cookie", "secret=1"), ("authorization", "Bearer x"), ("x-gitlab-token", "t")];
    let answer = send(
        &server,
        "/webhooks/orders/new?n=1&n=2&who=%C3%BC",
        &headers,
        r#"{"total": 1.50, "big": 12345678901234567890}"#,
    );
    let delivery = answer.body["deliveryId"].as_str().expect("a delivery").to_owned();
    let seen = seen(&server, answer);
    assert_eq!(seen["input"]["total"], 1.5);
    assert_eq!(seen["event"]["data"], seen["input"]);
    let webhook = &seen["event"]["webhook"];
    assert_eq!((&webhook["method"], &webhook["path"]), (&json!("POST"), &json!("/webhooks/orders/new")));
    assert_eq!(webhook["query"], json!({"n": ["1", "2"], "who": "ü"}));
    assert_eq!(webhook["headers"]["x-shop"], "a");
    for hidden in ["cookie", "authorization", "x-gitlab-token"] {
        assert!(webhook["headers"].get(hidden).is_none(), "{webhook:#}");
    }
    assert_eq!((&seen["trigger"]["type"], &seen["event"]["id"]), (&json!("webhook"), &json!(delivery)));
    let shown = server.client.get(&format!("/webhook-deliveries/{delivery}")).ok(200);
    assert_eq!((&shown["status"], &shown["signature"]), (&json!("started"), &json!("none")));
    assert_eq!((&shown["body"]["big"], &shown["query"]), (&json!(12345678901234567890_u64), &webhook["query"]));
    assert!(!shown.to_string().contains("Bearer"), "{shown:#}");
    // Of every tenant, also the default one, by its name.
    let by_name = send(&server, "/t/default/webhooks/orders/new", &[JSON], "{}").ok(202);
    assert!(by_name["executionId"].is_string());
}

#[test]
fn the_seeds_webhooks_are_taken_and_wait_for_what_they_miss() {
    let server = Server::start();
    let config = json!({"path": "/webhooks/stripe", "method": "POST", "validateSignature": true});
    let refused = server.client.post("/workflows", &definition("stripe", &config));
    assert_eq!(refused.error(422), "invalid_definition");
    assert_eq!(refused.body["errors"][0]["pointer"], "/triggers/0/config/secret");
    let mut config = config;
    config["secret"] = json!("whsec_1");
    let created = server.client.post("/workflows", &definition("stripe", &config)).ok(201);
    assert_eq!((&created["triggers"][0]["config"]["secret"], &created["warnings"]), (&json!("***"), &json!([])));
    let support = json!({"path": "/webhooks/support", "method": "POST"});
    let open = server.client.post("/workflows", &definition("support", &support)).ok(201);
    assert_eq!(open["warnings"][0]["code"], "open_webhook");
    // Without its functions, nothing can start yet: the delivery says so, and sent again it is tried again.
    let steps = json!([{"id": "a", "type": "function", "function": "not-there"}]);
    let trigger = json!({"type": "webhook", "config": {"path": "/webhooks/early"}});
    server.client.post("/workflows", &json!({"id": "early", "steps": steps, "triggers": [trigger]})).ok(201);
    let early = [JSON, ("x-github-delivery", "d-1")];
    let answer = send(&server, "/webhooks/early", &early, "{}");
    assert_eq!(answer.error(422), "missing_functions");
    assert!(!answer.body.to_string().contains("not-there"), "strangers are not told names: {}", answer.body);
    let failed = deliveries(&server, "?status=failed");
    assert_eq!((&failed[0]["code"], &failed[0]["executionId"]), (&json!("missing_functions"), &Value::Null));
    assert!(failed[0]["reason"].as_str().is_some_and(|reason| reason.contains("not-there")));
    server.client.put_script("/functions/not-there", "export default input => input").ok(200);
    let first = send(&server, "/webhooks/early", &early, "{}").ok(202);
    let again = send(&server, "/webhooks/early", &early, "{}").ok(202);
    assert_eq!(first, again);
}

#[test]
fn an_address_belongs_to_one_workflow() {
    let server = Server::start();
    let config = json!({"path": "/webhooks/a", "secret": "s"});
    deploy(&server.client, "first", &config);
    let second = server.client.post("/workflows", &definition("second", &config));
    assert_eq!(second.error(409), "webhook_taken");
    assert_eq!(server.client.get("/workflows/second").error(404), "workflow_not_found");
    assert_eq!(server.client.put("/workflows/second", &definition("second", &config)).error(409), "webhook_taken");
    let get = json!({"path": "/webhooks/a", "method": "GET", "secret": "s"});
    deploy(&server.client, "second", &get);
    assert_eq!(server.client.put("/workflows/second", &definition("second", &config)).error(409), "webhook_taken");
    server.client.put("/workflows/first", &definition("first", &json!({"path": "/webhooks/b", "secret": "s"}))).ok(200);
    server.client.put("/workflows/second", &definition("second", &config)).ok(200);
    let server = server.kill_and_restart();
    assert_eq!(send(&server, "/webhooks/a", &[], "").error(401), "signature_missing");
    let first = server.client.put("/workflows/first", &definition("first", &config));
    assert_eq!(first.error(409), "webhook_taken");
    server.client.delete("/workflows/second").ok(200);
    assert_eq!(send(&server, "/webhooks/a", &[], "").error(404), "webhook_not_found");
    server.client.put("/workflows/first", &definition("first", &config)).ok(200);
    let twice = json!([{"type": "webhook", "config": config}, {"type": "webhook", "config": config}]);
    let mut body = definition("third", &config);
    body["triggers"] = twice;
    let refused = server.client.post("/workflows", &body);
    assert_eq!(refused.body["errors"][0]["code"], "duplicate_webhook");
    // Many at once: one of them gets it.
    let config = json!({"path": "/webhooks/wanted", "secret": "s"});
    let racing: Vec<_> = (0..8)
        .map(|n| {
            let (client, body) = (server.client.clone(), definition(&format!("racer-{n}"), &config));
            std::thread::spawn(move || client.post("/workflows", &body).status)
        })
        .collect();
    let mut statuses: Vec<u16> = racing.into_iter().map(|thread| thread.join().expect("answers")).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[test]
fn who_does_not_sign_is_refused_and_noted() {
    let server = Server::start();
    deploy(&server.client, "w", &json!({"path": "/webhooks/a", "secrets": ["older", GITHUB_SECRET]}));
    let seen = seen(&server, send(&server, "/webhooks/a", &[GITHUB], GITHUB_BODY));
    assert_eq!(seen["input"], GITHUB_BODY);
    assert!(seen["event"]["webhook"]["headers"].get("x-hub-signature-256").is_none());
    for (headers, body, code, outcome) in [
        (vec![], GITHUB_BODY, "signature_missing", "missing"),
        (vec![("x-signature", "00")], GITHUB_BODY, "signature_missing", "missing"),
        (vec![GITHUB], "Hello, World?", "signature_invalid", "invalid"),
        (vec![GITHUB, GITHUB], GITHUB_BODY, "signature_invalid", "ambiguous"),
        (vec![GITHUB, ("stripe-signature", "t=1,v1=00")], GITHUB_BODY, "signature_invalid", "ambiguous"),
        (vec![("stripe-signature", "t=1,v1=00")], GITHUB_BODY, "signature_invalid", "invalid"),
    ] {
        let answer = send(&server, "/webhooks/a", &headers, body);
        assert_eq!(answer.error(401), code, "{headers:?}");
        let noted = &deliveries(&server, "?status=refused")[0];
        assert_eq!((&noted["signature"], &noted["code"]), (&json!(outcome), &json!(code)), "{headers:?}");
        let id = noted["id"].as_str().expect("id");
        assert!(server.client.get(&format!("/webhook-deliveries/{id}")).ok(200).get("body").is_none());
        let replayed = server.client.post(&format!("/webhook-deliveries/{id}/replay"), &json!({}));
        assert_eq!(replayed.error(409), "delivery_refused");
    }
    // Who knocks all the time leaves few lines.
    for _ in 0..60 {
        send(&server, "/webhooks/a", &[], "x").error(401);
    }
    assert!(deliveries(&server, "?status=refused&limit=200").len() <= 40);
    assert_eq!(deliveries(&server, "?status=started").len(), 1);
    assert_eq!(server.client.get("/workflows/executions").ok(200)["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_secret_may_be_one_of_the_tenants() {
    let server = Server::start();
    let config = json!({"path": "/webhooks/a", "secret": "{{ secrets.HOOK }}"});
    let created = server.client.post("/workflows", &definition("w", &config)).ok(201);
    assert_eq!(
        (&created["warnings"][0]["code"], created["warnings"].as_array().map(Vec::len)),
        (&json!("unknown_secret"), Some(1))
    );
    assert_eq!(send(&server, "/webhooks/a", &[GITHUB], GITHUB_BODY).error(401), "signature_invalid");
    server.client.put("/secrets/HOOK", &json!({"value": GITHUB_SECRET})).ok(200);
    send(&server, "/webhooks/a", &[GITHUB], GITHUB_BODY).ok(202);
    let bad = json!({"path": "/webhooks/b", "scheme": "standard", "secret": "whsec_not base64", "method": "TRACE"});
    let refused = server.client.post("/workflows", &definition("bad", &bad));
    let errors = refused.body["errors"].as_array().expect("errors");
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect();
    assert_eq!(pointers, ["/triggers/0/config/method", "/triggers/0/config/secret"], "{}", refused.body);
}

#[test]
fn a_delivery_that_comes_again_starts_nothing_again() {
    let server = Server::start();
    deploy(&server.client, "w", &json!({"path": "/webhooks/a"}));
    let headers = [JSON, ("webhook-id", "msg_1")];
    let first = send(&server, "/webhooks/a", &headers, r#"{"n": 1}"#).ok(202);
    let server = server.kill_and_restart();
    let again = send(&server, "/webhooks/a", &headers, r#"{"n": 2}"#).ok(202);
    assert_eq!(first, again);
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let client = stranger(&server);
            std::thread::spawn(move || client.send("POST", "/webhooks/a", &[("webhook-id", "msg_2")], b"{}").ok(202))
        })
        .collect();
    let mut ids: Vec<String> =
        racing.into_iter().map(|thread| thread.join().expect("answers")["executionId"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let other = send(&server, "/webhooks/a", &[("webhook-id", "msg_3")], "{}").ok(202);
    assert_ne!(other["executionId"], first["executionId"]);
    assert_eq!(deliveries(&server, "?workflow=w").len(), 3);
}

#[test]
fn conditions_decide_and_are_noted() {
    let server = Server::start();
    for (id, condition) in [("big", "input.total > 10"), ("throws", "input.a.b.c")] {
        let mut body = definition(id, &json!({"path": format!("/webhooks/{id}")}));
        body["triggers"][0]["condition"] = json!(condition);
        server.client.post("/workflows", &body).ok(201);
    }
    let small = send(&server, "/webhooks/big", &[JSON], r#"{"total": 1}"#).ok(202);
    assert_eq!((&small["executionId"], &small["code"]), (&Value::Null, &json!("condition_false")));
    assert!(send(&server, "/webhooks/big", &[JSON], r#"{"total": 11}"#).ok(202)["executionId"].is_string());
    let throws = send(&server, "/webhooks/throws", &[JSON], "{}").ok(202);
    assert_eq!((&throws["executionId"], &throws["code"]), (&Value::Null, &json!("condition_failed")));
    let ignored = deliveries(&server, "?status=ignored");
    assert_eq!(ignored.len(), 2);
    assert!(
        ignored[0]["reason"].as_str().is_some_and(|reason| reason.contains("could not be evaluated")),
        "{ignored:?}"
    );
    assert_eq!(server.client.get("/workflows/executions").ok(200)["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_delivery_is_repeated_by_hand() {
    let server = Server::start();
    deploy(&server.client, "w", &json!({"path": "/webhooks/a", "secret": GITHUB_SECRET}));
    let first = send(&server, "/webhooks/a", &[GITHUB, ("x-github-delivery", "d-1")], GITHUB_BODY).ok(202);
    let id = first["deliveryId"].as_str().expect("id");
    let path = format!("/webhook-deliveries/{id}/replay");
    let second = server.client.post(&path, &json!({})).ok(202);
    assert_ne!(second["executionId"], first["executionId"]);
    let ended = server.client.end(second["executionId"].as_str().expect("an execution"));
    assert_eq!((&ended["result"]["input"], &ended["trigger"]["by"]), (&json!(GITHUB_BODY), &json!("admin")));
    let shown =
        server.client.get(&format!("/webhook-deliveries/{}", second["deliveryId"].as_str().expect("id"))).ok(200);
    assert_eq!((&shown["replayOf"], &shown["by"], &shown["status"]), (&json!(id), &json!("admin"), &json!("started")));
    let unknown = "/webhook-deliveries/dlv-01kan6cc0dw7v8r2gqk3jt5m9x";
    assert_eq!(server.client.get(unknown).error(404), "delivery_not_found");
    assert_eq!(server.client.post(&format!("{unknown}/replay"), &json!({})).error(404), "delivery_not_found");
    server.client.delete("/workflows/w").ok(200);
    assert_eq!(server.client.post(&path, &json!({})).error(404), "webhook_not_found");
    for path in ["/webhook-deliveries", unknown] {
        assert_eq!(stranger(&server).get(path).error(401), "unauthorized");
    }
}

#[test]
fn deliveries_are_listed_newest_first_in_parts() {
    let server = Server::start();
    deploy(&server.client, "a", &json!({"path": "/webhooks/a"}));
    deploy(&server.client, "b", &json!({"path": "/webhooks/b"}));
    let mut sent = Vec::new();
    for n in 0..9 {
        let path = ["/webhooks/a", "/webhooks/b"][n % 2];
        sent.push(send(&server, path, &[JSON], &n.to_string()).ok(202)["deliveryId"].take());
    }
    sent.reverse();
    let (mut all, mut path) = (Vec::new(), "/webhook-deliveries?limit=4".to_owned());
    loop {
        let part = server.client.get(&path);
        let next = part.link.split(['<', '>']).nth(1).map(str::to_owned);
        let part = part.ok(200);
        all.extend(part["items"].as_array().expect("items").iter().map(|item| item["id"].clone()));
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(all, sent);
    assert_eq!((deliveries(&server, "?workflow=a").len(), deliveries(&server, "?status=ignored,failed").len()), (5, 0));
    for bad in ["?limit=0", "?limit=201", "?status=new", "?workflow=a%20b", "?cursor=x"] {
        assert_eq!(server.client.get(&format!("/webhook-deliveries{bad}")).error(400), "invalid_request", "{bad}");
    }
}
