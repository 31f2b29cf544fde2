//! Schedules over HTTP: what fires, what people do about it, and what is refused.

use crate::support::{Client, Server};
use serde_json::{Value, json};

fn deploy(client: &Client, id: &str, config: &Value) -> Value {
    let steps = json!([{"id": "only", "type": "condition", "condition": "input.n === 1 && event.data.scheduledAt"}]);
    let triggers = json!([{"type": "manual"}, {"type": "schedule", "config": config}]);
    client.post("/workflows", &json!({"id": id, "steps": steps, "triggers": triggers})).ok(201)
}

fn schedule(client: &Client, id: &str) -> Value {
    client.get(&format!("/schedules/{id}")).ok(200)
}

/// Asks until the schedule has so many firings with this status.
fn fired(client: &Client, id: &str, status: &str, count: usize) -> Vec<Value> {
    loop {
        let shown = schedule(client, id);
        let firings = shown["firings"].as_array().expect("a list").iter();
        let found: Vec<Value> = firings.filter(|firing| firing["status"] == status).cloned().collect();
        if found.len() >= count {
            return found;
        }
    }
}

#[test]
fn a_schedule_fires_each_second_until_it_is_paused() {
    let server = Server::start();
    let client = &server.client;
    let config = json!({"cron": "* * * * * *", "timezone": "America/New_York", "input": {"n": 1}});
    assert_eq!(deploy(client, "ticks", &config)["warnings"], json!([]));
    let firings = fired(client, "ticks~1", "started", 2);
    let (at, id) = (&firings[0]["scheduledAt"], firings[0]["executionId"].as_str().expect("id"));
    let ended = client.end(id);
    assert_eq!(
        (&ended["status"], &ended["trigger"]),
        (&json!("completed"), &json!({"type": "schedule", "scheduledAt": at}))
    );
    assert!(ended["steps"]["only"]["status"] == "completed" && ended["error"].is_null(), "{ended:#}");

    let listed = client.get("/schedules").ok(200);
    let one = &listed["items"][0];
    assert_eq!((&listed["nextCursor"], listed["items"].as_array().map(Vec::len)), (&json!(null), Some(1)));
    assert_eq!((&one["id"], &one["workflowId"], &one["trigger"]), (&json!("ticks~1"), &json!("ticks"), &json!(1)));
    assert_eq!((&one["catchup"], &one["overlap"], &one["paused"]), (&json!("latest"), &json!("allow"), &json!(false)));
    let next = one["nextRuns"].as_array().expect("a list");
    let offset = |run: &Value| run.as_str().is_some_and(|run| run.ends_with("-05:00") || run.ends_with("-04:00"));
    assert!(next.len() == 5 && next.iter().all(offset), "{one:#}");

    let paused = client.post("/schedules/ticks~1/pause", &json!({})).ok(200);
    assert_eq!(
        (&paused["paused"], &paused["pausedBy"], &paused["nextRuns"]),
        (&json!(true), &json!("admin"), &json!([]))
    );
    let run = client.post("/schedules/ticks~1/run", &json!({})).ok(200);
    let ended = client.end(run["executionId"].as_str().expect("id"));
    assert_eq!((&ended["trigger"]["type"], &ended["trigger"]["by"]), (&json!("schedule"), &json!("admin")));
    let manual = fired(client, "ticks~1", "started", 3).into_iter().find(|firing| firing["cause"] == "manual");
    assert_eq!(manual.expect("is listed")["executionId"], run["executionId"]);

    // What was due before the pause may still be starting.
    let waits = |firings: &Value| firings.as_array().expect("a list").iter().any(|one| one["status"] == "waiting");
    let mut before = schedule(client, "ticks~1")["firings"].clone();
    while waits(&before) {
        before = schedule(client, "ticks~1")["firings"].clone();
    }
    let server = server.kill_and_restart();
    let client = &server.client;
    assert_eq!(schedule(client, "ticks~1")["firings"], before, "a restart does not wake it");
    assert_eq!(client.post("/schedules/ticks~1/resume", &json!({})).ok(200)["paused"], false);
    fired(client, "ticks~1", "started", before.as_array().map_or(0, Vec::len) + 1);
    client.delete("/workflows/ticks").ok(200);
    assert_eq!(client.get("/schedules/ticks~1").error(404), "schedule_not_found");
    assert_eq!(client.get("/schedules").ok(200)["items"], json!([]));
}

#[test]
fn a_past_span_is_run_once() {
    let server = Server::start();
    let client = &server.client;
    deploy(
        client,
        "daily",
        &json!({"cron": "0 9 * * *", "timezone": "Europe/London", "input": {"n": 1}, "id": "nine"}).clone(),
    );
    // Over the night in which the clocks are set back.
    let span = json!({"from": "2025-10-25T00:00:00Z", "to": "2025-10-26T23:00:00Z"});
    let first = client.post("/schedules/daily~nine/backfill", &span).ok(202);
    assert_eq!((&first["occurrences"], &first["starting"]), (&json!(2), &json!(2)), "{first:#}");
    let times: Vec<_> =
        first["items"].as_array().expect("a list").iter().map(|one| one["scheduledAt"].clone()).collect();
    assert_eq!(times, ["2025-10-25T08:00:00.000Z", "2025-10-26T09:00:00.000Z"]);
    fired(client, "daily~nine", "started", 2);
    for one in first["items"].as_array().expect("a list") {
        assert_eq!(client.end(one["executionId"].as_str().expect("id"))["status"], "completed");
    }
    let second = client.post("/schedules/daily~nine/backfill", &span).ok(202);
    assert_eq!((&second["occurrences"], &second["starting"]), (&json!(2), &json!(0)), "{second:#}");
    let again = json!({"from": span["from"], "to": span["to"], "again": true});
    assert_eq!(client.post("/schedules/daily~nine/backfill", &again).ok(202)["starting"], 2);
    fired(client, "daily~nine", "started", 4);
    let all = client.get("/workflows/executions?workflow=daily").ok(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(4));
}

#[test]
fn bad_schedules_are_refused_with_all_their_faults() {
    let server = Server::start();
    let client = &server.client;
    let schedule = |config: Value| json!({"type": "schedule", "config": config});
    let faults = |triggers: Value| {
        let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
        let answer = client.post("/workflows", &json!({"name": "bad", "steps": steps, "triggers": triggers}));
        assert_eq!(answer.error(422), "invalid_definition");
        let errors = answer.body["errors"].as_array().expect("a list").iter();
        errors
            .map(|error| {
                format!("{} {}", error["pointer"].as_str().expect("text"), error["code"].as_str().expect("text"))
            })
            .collect::<Vec<_>>()
    };
    let all = faults(json!([
        schedule(json!({"cron": "0 9 * *", "timezone": "Europe/Berln", "catchup": "some", "overlap": 1, "id": "a b"})),
        schedule(json!({"cron": "*".repeat(10 << 10)})),
        schedule(json!({"cron": "0 0 30 2 *", "input": {"x": "{{ secrets.KEY }}", "y": "{{ ( }}"}})),
        schedule(json!({"cron": 5, "timezone": 5})),
        schedule(json!({})),
        {"type": "schedule"},
        {"type": "schedule", "config": [], "condition": "("},
        schedule(json!({"cron": "@daily", "id": "twice"})),
        schedule(json!({"cron": "@daily", "id": "twice"})),
    ]));
    let expected = [
        "/triggers/0/config/id invalid_id",
        "/triggers/0/config/cron invalid_cron",
        "/triggers/0/config/timezone unknown_timezone",
        "/triggers/0/config/catchup out_of_range",
        "/triggers/0/config/overlap out_of_range",
        "/triggers/1/config/cron too_large",
        "/triggers/2/config/cron never_fires",
        "/triggers/2/config/input/y invalid_expression",
        "/triggers/3/config/cron wrong_type",
        "/triggers/3/config/timezone wrong_type",
        "/triggers/4/config/cron missing",
        "/triggers/5/config missing",
        "/triggers/6/condition invalid_expression",
        "/triggers/6/config wrong_type",
        "/triggers/8/config/id duplicate_id",
    ];
    assert_eq!(all, expected);
    assert_eq!(
        faults(json!([schedule(json!({"cron": "@daily", "input": "{{ secrets.KEY }}"}))])),
        ["/triggers/0/config/input secrets_not_allowed"]
    );
    assert_eq!(client.get("/schedules").ok(200)["items"], json!([]));
    let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
    let near =
        json!({"name": "near", "steps": steps, "triggers": [schedule(json!({"cron": "@daily", "timeZone": "UTC"}))]});
    let warnings = client.post("/workflows", &near).ok(201)["warnings"].clone();
    assert_eq!(
        (&warnings[0]["pointer"], &warnings[0]["code"]),
        (&json!("/triggers/0/config/timeZone"), &json!("near_miss"))
    );
}

#[test]
fn bad_requests_are_refused_and_start_nothing() {
    let server = Server::start();
    let client = &server.client;
    for n in 0..5 {
        deploy(client, &format!("w{n}"), &json!({"cron": "0 0 1 1 *", "input": {"n": 1}}));
    }
    deploy(client, "minutes", &json!({"cron": "* * * * *"}));
    let fill = |body: &Value| client.post("/schedules/minutes~1/backfill", body);
    let century = json!({"from": "1926-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
    assert_eq!(fill(&century).error(422), "backfill_occurrences");
    for (field, body) in [
        ("from", json!({"from": "yesterday", "to": "2026-01-01T00:00:00Z"})),
        ("to", json!({"from": "2026-01-01T00:00:00Z", "to": 5})),
        ("to", json!({"from": "2026-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"})),
        ("from", json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"})),
        ("body", json!({"to": "2026-01-01T00:00:00Z"})),
        ("again", json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "again": "yes"})),
    ] {
        let answer = fill(&body);
        assert_eq!(
            (answer.error(400), &answer.body["errors"][0]["field"]),
            ("invalid_request".into(), &json!(field)),
            "{body}"
        );
    }
    let long = json!({"from": "x".repeat(9 << 10), "to": ""});
    assert_eq!(fill(&long).error(413), "payload_bytes");
    assert_eq!(client.get("/schedules/%E4~1").error(400), "invalid_request");
    for path in ["/schedules/minutes~0", "/schedules/minutes", "/schedules/nobody~1", "/schedules/a%00b~1"] {
        assert_eq!(client.get(path).error(404), "schedule_not_found", "{path}");
        for act in ["pause", "resume", "run"] {
            assert_eq!(client.post(&format!("{path}/{act}"), &json!({})).error(404), "schedule_not_found", "{path}");
        }
    }
    for act in ["pause", "resume", "run"] {
        let path = format!("/schedules/minutes~1/{act}");
        assert_eq!(client.post(&path, &json!([])).error(400), "invalid_request");
        assert_eq!(client.post(&path, &json!("x".repeat(9 << 10))).error(413), "payload_bytes");
    }
    for bad in ["?limit=0", "?limit=201", "?limit=x", "?cursor=x", "?cursor=%00", "?workflow=a%20b"] {
        assert_eq!(client.get(&format!("/schedules{bad}")).error(400), "invalid_request", "{bad}");
    }
    let (mut seen, mut path) = (Vec::new(), "/schedules?limit=2".to_owned());
    loop {
        let part = client.get(&path);
        let next = part.link.split(['<', '>']).nth(1).map(str::to_owned);
        let items = part.ok(200)["items"].as_array().expect("a list").clone();
        seen.extend(items.iter().map(|item| item["workflowId"].as_str().expect("text").to_owned()));
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, ["minutes", "w0", "w1", "w2", "w3", "w4"]);
    let of = client.get("/schedules?workflow=w3").ok(200);
    assert_eq!((of["items"].as_array().map(Vec::len), &of["items"][0]["id"]), (Some(1), &json!("w3~1")));
    for item in client.get("/workflows/executions").ok(200)["items"].as_array().expect("a list") {
        assert_eq!(item["trigger"].get("by"), None, "only the clock started anything: {item:#}");
    }
}
