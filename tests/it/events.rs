//! Events over HTTP: published, listed, refused; what they start and whom they wake; `kill -9` between.

use crate::support::{Client, Server};
use serde_json::{Value, json};

fn publish(client: &Client, body: &Value) -> Value {
    client.post("/events", body).ok(201)
}

fn deploy(client: &Client, id: &str, trigger: &Value) {
    let steps = json!([{"id": "only", "type": "condition", "condition": "input.total > 0"}]);
    client.post("/workflows", &json!({"id": id, "steps": steps, "triggers": [trigger]})).ok(201);
}

fn on(kind: &str, condition: &str) -> Value {
    json!({"type": "event", "config": {"eventType": kind}, "condition": condition})
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items.map(|item| item[name].as_str().expect("text").to_owned()).collect()
}

#[test]
fn an_event_starts_workflows_and_shows_what_it_did() {
    let server = Server::start();
    deploy(&server.client, "exact", &on("order.placed", "true"));
    deploy(&server.client, "glob", &on("order.*", "total > 10"));
    deploy(&server.client, "rest", &on("**", "total > 1000"));
    deploy(&server.client, "throws", &on("order.placed", "event.data.a.b"));
    let body = json!({
        "type": "order.placed", "source": "shop", "data": {"total": 100, "big": 12345678901234567890_u64}, "resources": [{"id": 1}],
        "metadata": {"n": 1}, "unknown": true
    });
    let event = publish(&server.client, &body);
    let id = event["id"].as_str().expect("id");
    for field in ["type", "source", "data", "resources", "metadata"] {
        assert_eq!(event[field], body[field], "{field}");
    }
    assert!(event["timestamp"].is_string() && event.get("unknown").is_none(), "{event:#}");
    let mut shown = server.client.get(&format!("/events/{id}")).ok(200);
    assert_eq!(
        (ids(&shown["started"], "workflowId"), &shown["settled"]),
        (vec!["exact".into(), "glob".into()], &json!(true))
    );
    assert_eq!(ids(&shown["notStarted"], "code"), ["condition_false", "condition_failed"], "{shown:#}");
    for execution in ids(&shown["started"], "executionId") {
        let ended = server.client.end(&execution);
        assert_eq!((&ended["status"], &ended["trigger"]["eventId"]), (&json!("completed"), &json!(id)));
    }
    shown.as_object_mut().expect("an object").retain(|key, _| event.get(key).is_some());
    assert_eq!(shown, event);
}

#[test]
fn the_same_event_again_is_the_first_one_also_after_a_kill() {
    let server = Server::start();
    deploy(&server.client, "w", &on("order.placed", "true"));
    let body = |total: u32| json!({"type": "order.placed", "source": "shop", "id": "o-1", "data": {"total": total}});
    let first = publish(&server.client, &body(1));
    assert_eq!((first["id"].as_str(), server.client.post("/events", &body(2)).ok(200)), (Some("o-1"), first.clone()));
    let server = server.kill_and_restart();
    assert_eq!(server.client.post("/events", &body(3)).ok(200), first);
    let shown = server.client.get("/events/o-1").ok(200);
    assert_eq!(shown["started"].as_array().map(Vec::len), Some(1), "{shown:#}");
    let all = server.client.get("/workflows/executions").ok(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1));
    let other = publish(&server.client, &json!({"type": "order.placed", "source": "till", "id": "o-1"}));
    assert_eq!(other["metadata"], json!({"sourceId": "o-1"}));
}

#[test]
fn events_are_listed_newest_first_in_parts() {
    let server = Server::start();
    for n in 0..9 {
        let kind = ["order.placed", "order.paid", "mail"][n % 3];
        publish(&server.client, &json!({"type": kind, "source": format!("s{}", n % 2), "data": n}));
    }
    let list = |query: &str| server.client.get(&format!("/events{query}")).ok(200);
    let count = |query: &str| list(query).as_array().map(Vec::len);
    for (query, expected) in [
        ("", 9),
        ("?type=order.placed", 3),
        ("?type=order.*", 6),
        ("?type=**", 9),
        ("?type=order", 0),
        ("?source=s0", 5),
        ("?type=mail&source=s0", 2),
        ("?since=2999-01-01T00:00:00Z", 0),
        ("?since=1970-01-01T00:00:00Z&limit=4", 4),
        ("?limit=1000", 9),
    ] {
        assert_eq!(count(query), Some(expected), "{query}");
    }
    let (mut seen, mut path) = (Vec::new(), "/events?type=order.*&limit=4".to_owned());
    loop {
        let part = server.client.get(&path);
        let next = part.link.split(['<', '>']).nth(1).map(str::to_owned);
        seen.extend(ids(&part.ok(200), "id"));
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, ids(&list("?type=order.*"), "id"));
    for bad in ["?limit=0", "?limit=1001", "?limit=x", "?since=yesterday", "?type=a..b", "?cursor=%00", "?cursor=AAAA"]
    {
        assert_eq!(server.client.get(&format!("/events{bad}")).error(400), "invalid_request", "{bad}");
    }
}

#[test]
fn bad_events_are_refused_and_nothing_is_kept() {
    let server = Server::start();
    let field = |body: &Value, field: &str| {
        let answer = server.client.post("/events", body);
        assert_eq!(
            (answer.error(400).as_str(), &answer.body["errors"][0]["field"]),
            ("invalid_request", &json!(field)),
            "{body}"
        );
    };
    field(&json!({}), "type");
    field(&json!({"type": "a"}), "source");
    field(&json!({"type": null, "source": "s"}), "type");
    field(&json!({"type": 1, "source": "s"}), "type");
    field(&json!({"type": "a b", "source": "s"}), "type");
    field(&json!({"type": "order.*", "source": "s"}), "type");
    field(&json!({"type": "x".repeat(10 << 10), "source": "s"}), "type");
    field(&json!({"type": "a", "source": ""}), "source");
    field(&json!({"type": "a", "source": "s", "id": ""}), "id");
    field(&json!({"type": "a", "source": "s", "id": "x".repeat(600)}), "id");
    field(&json!({"type": "a", "source": "s", "id": "a\nb"}), "id");
    field(&json!({"type": "a", "source": "s", "timestamp": "today"}), "timestamp");
    field(&json!({"type": "a", "source": "s", "metadata": [1]}), "metadata");
    field(&json!([{"type": "a", "source": "s"}]), "body");
    let send =
        |body: &str| server.client.send("POST", "/events", &[("content-type", "application/json")], body.as_bytes());
    let with = |data: &str| format!(r#"{{"type":"a","source":"s","data":{data}}}"#);
    assert_eq!(send(&with(r#""\ud800""#)).error(400), "invalid_json_value");
    assert_eq!(send(&with("1e999")).error(400), "invalid_json_value");
    assert_eq!(send(&with(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))).error(400), "json_depth");
    assert_eq!(send("{").error(400), "invalid_json");
    assert_eq!(send(&with(&format!("\"{}\"", "x".repeat(256 << 10)))).error(413), "payload_bytes");
    assert_eq!(send(&with(&format!("\"{}\"", "x".repeat(2 << 20)))).error(413), "payload_bytes");
    let own = json!({"type": "stepwell.execution.completed", "source": "s"});
    assert_eq!(server.client.post("/events", &own).error(422), "reserved_type");
    for unknown in ["nothing", "%00", "a%2Fb", "%ff"] {
        let answer = server.client.get(&format!("/events/{unknown}"));
        assert!(matches!(answer.status, 400 | 404), "{unknown}: {answer:?}");
        answer.error(answer.status);
    }
    assert_eq!(server.client.get("/events").ok(200), json!([]));
}

#[test]
fn a_step_waits_for_its_event_over_a_kill_and_others_time_out() {
    let server = Server::start();
    let wait = |config: Value| json!([{"id": "wait", "type": "event", "config": config}]);
    let config = json!({"eventType": "order.*", "match": "event.data.order === input.order"});
    server.client.post("/workflows", &json!({"id": "w", "steps": wait(config)})).ok(201);
    let brief = json!({"eventType": "order.never", "timeout": 50});
    server.client.post("/workflows", &json!({"id": "brief", "steps": wait(brief)})).ok(201);
    let start = |n: u32| {
        let body = json!({"workflowId": "w", "input": {"order": n}});
        let id =
            server.client.post("/workflows/trigger", &body).ok(200)["executionId"].as_str().expect("id").to_owned();
        while server.client.get(&format!("/workflows/executions/{id}")).ok(200)["state"] != "waiting_event" {}
        id
    };
    let waiting = [start(1), start(2)];
    let ended = server.client.run("brief", &json!({}));
    assert_eq!(ended["errorDetails"]["code"], "event_timeout", "{ended:#}");
    let server = server.kill_and_restart();
    let event = publish(&server.client, &json!({"type": "order.paid", "source": "bank", "data": {"order": 2}}));
    let ended = server.client.end(&waiting[1]);
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &event));
    let shown = server.client.get(&format!("/events/{}", event["id"].as_str().expect("id"))).ok(200);
    assert_eq!(shown["delivered"], json!([{"executionId": waiting[1], "step": "wait"}]));
    let other = server.client.get(&format!("/workflows/executions/{}", waiting[0])).ok(200);
    assert_eq!(other["state"], "waiting_event");
}

#[test]
fn kills_between_publications_and_starts_lose_and_double_nothing() {
    let mut server = Server::start();
    for n in 0..20 {
        deploy(&server.client, &format!("w{n}"), &on("order.placed", "true"));
    }
    let mut published = Vec::new();
    for round in 0..4 {
        for n in 0..=round {
            let id = format!("e-{round}-{n}");
            publish(&server.client, &json!({"type": "order.placed", "source": "shop", "id": id, "data": {"total": 1}}));
            published.push(id);
        }
        server = server.kill_and_restart(); // at once: the starts are under way
    }
    let mut started = std::collections::BTreeSet::new();
    for id in &published {
        let shown =
            (0..20).map(|_| server.client.get(&format!("/events/{id}")).ok(200)).find(|shown| shown["settled"] == true);
        let shown = shown.expect("settles");
        assert_eq!(ids(&shown["started"], "workflowId").len(), 20, "{shown:#}");
        started.extend(ids(&shown["started"], "executionId"));
    }
    assert_eq!(started.len(), published.len() * 20);
    for id in &started {
        assert_eq!(server.client.end(id)["status"], "completed");
    }
    let of = server.client.get("/workflows/executions?workflow=w7&limit=200").ok(200);
    assert_eq!(of["items"].as_array().map(Vec::len), Some(published.len()), "nothing was started twice");
}
