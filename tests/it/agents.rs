//! `/agents`: kept, listed, changed, and not asked anything yet.

use crate::support::{Client, Server, failure};
use serde_json::{Value, json};

fn triage() -> Value {
    json!({
        "name": "Support Triage", "role": "support-triage", "instructions": "Say how urgent it is.", "model": "small",
        "tools": ["sentiment-analysis", "intent"], "outputSchema": {"type": "object", "required": ["urgency"]},
        "metadata": {"team": "support"}, "unknown": {"kept": [1, null]}
    })
}

fn ids(client: &Client) -> Vec<Value> {
    client.get("/agents").ok(200).as_array().expect("a list").iter().map(|agent| agent["id"].clone()).collect()
}

#[test]
fn agents_are_created_listed_changed_and_deleted_and_outlive_the_process() {
    let server = Server::start();
    let client = &server.client;
    assert_eq!(client.get("/agents").ok(200), json!([]));
    client.put_script("/functions/intent", "export default () => 1").ok(200);
    let created = client.post("/agents", &triage());
    assert_eq!(created.etag, "\"1\"");
    let agent = created.ok(201);
    for (field, value) in triage().as_object().expect("fields") {
        assert_eq!(&agent[field], value, "{field}");
    }
    assert_eq!((&agent["id"], &agent["version"]), (&json!("support-triage"), &json!(1)));
    let warnings = agent["warnings"].as_array().expect("warnings");
    assert_eq!(
        (warnings.len(), &warnings[0]["pointer"], &warnings[0]["code"]),
        (1, &json!("/tools/0"), &json!("unregistered_function"))
    );
    assert_eq!(
        client.post("/agents", &triage()).ok(201)["id"],
        "support-triage-2",
        "a slug that is taken gets a number"
    );
    assert_eq!(client.post("/agents", &json!({"id": "support-triage"})).error(409), "id_taken");
    assert_eq!(client.post("/agents", &json!({"id": "writer"})).ok(201)["name"], "Writer");
    assert_eq!(client.put("/agents/writer", &json!({"name": "Ghost"})).ok(200)["version"], 2);
    let same = client.put("/agents/writer", &client.get("/agents/writer").ok(200)).ok(200);
    assert_eq!((&same["version"], &same["name"]), (&json!(2), &json!("Ghost")), "what was answered can be sent back");
    assert_eq!(client.put("/agents/new", &json!({})).ok(201)["version"], 1);

    let server = server.kill_and_restart();
    let client = &server.client;
    assert_eq!(client.get("/agents/support-triage").ok(200), agent);
    assert_eq!(ids(client), ["new", "support-triage", "support-triage-2", "writer"]);
    assert_eq!(client.delete("/agents/writer").ok(200), json!({}));
    for answer in [client.get("/agents/writer"), client.delete("/agents/writer"), client.get("/agents/%2e%2e")] {
        assert_eq!(answer.error(404), "agent_not_found");
    }
    assert_eq!(
        client.post("/agents", &json!({"id": "writer"})).ok(201)["version"],
        3,
        "a number never means another agent"
    );
}

#[test]
fn a_change_can_be_tied_to_what_was_read() {
    let server = Server::start();
    let client = &server.client;
    client.put("/agents/a", &json!({"role": "x"})).ok(201);
    let body = br#"{"role": "y"}"#;
    let put = |headers: &[(&str, &str)]| client.send("PUT", "/agents/a", headers, body);
    assert_eq!(put(&[("if-match", "\"2\"")]).error(412), "precondition_failed");
    assert_eq!(put(&[("if-none-match", "*")]).error(412), "precondition_failed");
    assert_eq!(put(&[("if-match", "\"1\"")]).etag, "\"2\"");
    assert_eq!(client.send("DELETE", "/agents/a", &[("if-match", "\"1\"")], b"").error(412), "precondition_failed");
    client.send("DELETE", "/agents/a", &[("if-match", "\"2\"")], b"").ok(200);
}

#[test]
fn agents_of_a_wrong_shape_are_refused() {
    let server = Server::start();
    let client = &server.client;
    let tools: Vec<String> = (0..129).map(|n| format!("t{n}")).collect();
    for (body, field) in [
        (json!([]), "body"),
        (json!("triage"), "body"),
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"id": "a/b"}), "id"),
        (json!({"id": 7}), "id"),
        (json!({"id": "a", "role": {}}), "role"),
        (json!({"id": "a", "tools": "intent"}), "tools"),
        (json!({"id": "a", "tools": ["in tent"]}), "tools"),
        (json!({"id": "a", "tools": tools}), "tools"),
        (json!({"id": "a", "metadata": []}), "metadata"),
    ] {
        let answer = client.post("/agents", &body);
        assert_eq!(
            (answer.error(400).as_str(), &answer.body["errors"][0]["field"]),
            ("invalid_request", &json!(field)),
            "{body}"
        );
    }
    let answer = client.post("/agents", &json!({"id": "a", "outputSchema": {"type": "text"}}));
    assert_eq!(answer.error(422), "invalid_definition");
    assert!(answer.body["errors"][0]["pointer"].as_str().is_some_and(|at| at.starts_with("/outputSchema")));
    assert_eq!(client.put("/agents/a", &json!({"id": "b"})).error(400), "invalid_request");
    let long = json!({"id": "a", "instructions": "x".repeat(64 << 10)});
    assert_eq!(client.post("/agents", &long).error(413), "agent_bytes");
    let deep = format!("{{\"id\":\"a\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let headers = [("content-type", "application/json")];
    assert_eq!(client.send("POST", "/agents", &headers, deep.as_bytes()).error(400), "json_depth");
    assert_eq!(client.get("/agents").ok(200), json!([]), "nothing of it was kept");
}

#[test]
fn nothing_is_asked_of_an_agent_while_there_is_no_provider() {
    let server = Server::start();
    let client = &server.client;
    client.post("/agents", &triage()).ok(201);
    let what = json!({"type": "triage", "input": {"ticket": 7}});
    assert_eq!(client.post("/agents/support-triage/assign", &what).error(422), "agent_provider_not_configured");
    assert_eq!(client.post("/agents/nobody/assign", &what).error(404), "agent_not_found");
    assert_eq!(client.send("POST", "/agents/support-triage/assign", &[], b"{").error(400), "invalid_json");
    let step = json!({"id": "s", "type": "agent", "config": {"agentRole": "support-triage"}});
    client.put("/workflows/w", &json!({ "steps": [step] })).ok(201);
    assert_eq!(failure(&client.run("w", &json!({}))).0, "agent_provider_not_configured");
}
