//! What functions may use besides computing, through the front door: asked for at the upload, shown, narrowed, used.

use crate::support::{Client, Server, guest};
use serde_json::{Value, json};

const FIXTURE: &str = "fixtures/uses_capabilities";

fn upload(client: &Client, wanted: &Value) -> Value {
    let headers = [("content-type", "application/wasm"), ("stepwell-grants", &*wanted.to_string())];
    client.send("PUT", "/functions/f", &headers, &guest(FIXTURE)).ok(200)
}

fn ask(client: &Client, questions: &Value) -> Value {
    client.post("/functions/execute", &json!({"functionId": "f", "input": questions})).ok(200)
}

#[test]
fn a_function_gets_what_its_upload_asks_for() {
    let server = Server::start();
    let client = &server.client;
    client.put("/config/REGION", &json!({"value": "eu"})).ok(200);
    let wanted = json!({"config": ["REGION"], "keyValue": "write", "events": ["order.*"]});
    let function = upload(client, &wanted);
    assert_eq!((&function["grants"]["wanted"], &function["grants"]["granted"]), (&wanted, &wanted), "{function:#}");
    let warnings = function["warnings"].as_array().expect("warnings");
    assert!(
        warnings.len() == 1 && warnings[0].as_str().is_some_and(|text| text.contains("capabilities/secrets")),
        "{function:#}"
    );
    let questions = json!([
        ["config", "REGION"], ["config", "OTHER"], ["put", "seen/1", "ü"], ["get", "seen/1"], ["keys", "seen/"],
        ["publish", "order.placed", {"n": 1}], ["publish", "mail.sent", {}], ["secret", "TOKEN"],
    ]);
    let answers = ask(client, &questions);
    assert_eq!(
        (&answers[0], &answers[3][0], &answers[4][0]),
        (&json!("eu"), &json!("ü"), &json!(["seen/1"])),
        "{answers:#}"
    );
    for at in [1, 6, 7] {
        assert_eq!(answers[at]["refused"], "denied", "{answers:#}");
    }
    let event = client.get(&format!("/events/{}", answers[5].as_str().expect("an id"))).ok(200);
    assert_eq!((&event["source"], &event["data"]), (&json!("function/f"), &json!({"n": 1})));
    // The same artifact with other wishes is another version.
    let again = upload(client, &json!({}));
    assert_eq!((&function["version"], &again["version"]), (&json!(1), &json!(2)));
    assert_eq!(ask(client, &json!([["config", "REGION"]]))[0]["refused"], "denied");
}

#[test]
fn tenants_and_operators_narrow_it_at_once() {
    let server = Server::start_with(&["--deny-capability", "key-value", "--http-allow", "https://*.example.com"]);
    let client = &server.client;
    client.put("/config/REGION", &json!({"value": "eu"})).ok(200);
    let function = upload(
        client,
        &json!({"config": ["REGION"], "keyValue": "read", "http": ["api.example.com", "b.example.org"]}),
    );
    let grants = &function["grants"];
    assert_eq!(grants["granted"], json!({"config": ["REGION"], "http": ["https://api.example.com"]}), "{function:#}");
    let refused = json!([{"http": ["https://b.example.org"]}, {"keyValue": "read"}]);
    let by: Vec<&Value> = grants["refused"].as_array().expect("a list").iter().map(|one| &one["grant"]).collect();
    assert_eq!(json!(by), refused, "{function:#}");
    assert_eq!(ask(client, &json!([["config", "REGION"], ["get", "a"]]))[1]["refused"], "denied");
    client.put("/grants", &json!({"config": [], "events": ["**"]})).ok(200);
    assert_eq!(client.get("/grants").ok(200), json!({"config": [], "events": ["**"]}));
    let answer = &ask(client, &json!([["config", "REGION"]]))[0];
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("policy")), "{answer:#}");
    assert_eq!(client.get("/functions/f").ok(200)["grants"]["refused"][0]["by"], "tenant");
    // It outlives the process.
    let server = server.kill_and_restart();
    assert_eq!(ask(&server.client, &json!([["config", "REGION"]]))[0]["refused"], "denied");
}

#[test]
fn wishes_are_written_as_they_should_be() {
    let server = Server::start();
    let client = &server.client;
    for wrong in ["{", "[]", r#"{"http": ["https://u:p@a.b"]}"#, r#"{"secrets": {"A": {}}}"#, r#"{"more": 1}"#] {
        let headers = [("content-type", "text/javascript"), ("stepwell-grants", wrong)];
        let answer = client.send("PUT", "/functions/f", &headers, b"export default () => 1");
        assert_eq!(answer.error(400), "invalid_grants", "{wrong}");
    }
    let body = |grants: Value| json!({"id": "f", "source": "export default () => 1", "grants": grants});
    assert_eq!(client.post("/functions", &body(json!({"http": ["a b c"]}))).error(400), "invalid_grants");
    let made = client.post("/functions", &body(json!({"http": ["GET https://API.example.com:443"]}))).ok(201);
    assert_eq!(made["grants"]["wanted"]["http"], json!(["GET https://api.example.com"]));
    assert_eq!(client.put("/grants", &json!({"http": ["ftp://a.b"]})).error(400), "invalid_grants");
    let long = json!({"config": vec!["A".repeat(128); 64], "events": vec!["e".repeat(200); 64]});
    assert_eq!(client.put("/grants", &long).error(413), "grants");
    let step = json!({"id": "s", "type": "function", "function": {"id": "g", "source": "export default () => 1", "grants": {"keyValue": "no"}}});
    let answer = client.post("/workflows", &json!({"name": "w", "steps": [step]}));
    assert_eq!(answer.error(422), "invalid_definition");
    assert_eq!(answer.body["errors"][0]["pointer"], "/steps/0/function/grants/keyValue", "{:#}", answer.body);
}

#[test]
fn people_look_at_values_and_change_them() {
    let server = Server::start();
    let client = &server.client;
    let made = client.put("/kv/a%2Fb", &json!({"value": "one"}));
    let (etag, version) = (made.etag.clone(), made.ok(200)["version"].clone());
    assert_eq!(client.get("/kv/a%2Fb").ok(200), json!({"key": "a/b", "version": version, "value": "one"}));
    assert_eq!(etag, format!("\"{version}\""));
    let json_type = ("content-type", "application/json");
    let put = |headers: &[(&str, &str)]| client.send("PUT", "/kv/a%2Fb", headers, br#"{"base64": "/w=="}"#);
    assert_eq!(put(&[json_type, ("if-none-match", "*")]).error(412), "precondition_failed");
    assert_eq!(put(&[json_type, ("if-match", "\"1\"")]).error(412), "precondition_failed");
    put(&[json_type, ("if-match", &etag)]).ok(200);
    assert_eq!(put(&[json_type, ("if-match", &etag)]).error(412), "precondition_failed");
    assert_eq!(client.get("/kv/a%2Fb").ok(200)["base64"], "/w==");
    client.put("/kv/c", &json!({"value": ""})).ok(200);
    let part = client.get("/kv?limit=1").ok(200);
    assert_eq!((&part["items"][0]["key"], &part["nextCursor"]), (&json!("a/b"), &json!("a/b")));
    assert_eq!(client.get("/kv?cursor=a%2Fb").ok(200)["items"][0]["key"], "c");
    assert_eq!(client.get("/kv?prefix=x").ok(200)["items"], json!([]));
    client.delete("/kv/a%2Fb").ok(200);
    assert_eq!(client.delete("/kv/a%2Fb").error(404), "value_not_found");
    assert_eq!(client.get("/kv/a%2Fb").error(404), "value_not_found");
    assert_eq!(client.put("/kv/c", &json!({"value": "a", "base64": ""})).error(400), "invalid_request");
    assert_eq!(client.put("/kv/c", &json!({"value": "x".repeat(70_000)})).error(413), "kv_value_bytes");
    assert_eq!(client.put(&format!("/kv/{}", "k".repeat(501)), &json!({"value": ""})).error(400), "invalid_request");
    let server = server.kill_and_restart();
    assert_eq!(server.client.get("/kv/c").ok(200)["value"], "");
}

#[test]
fn configuration_is_readable() {
    let server = Server::start();
    let client = &server.client;
    client.put("/config/B", &json!({"value": "2"})).ok(200);
    client.put("/config/A", &json!({"value": ""})).ok(200);
    assert_eq!(client.get("/config/B").ok(200)["value"], "2");
    let part = client.get("/config?limit=1").ok(200);
    assert_eq!((&part["items"][0]["name"], &part["nextCursor"]), (&json!("A"), &json!("A")));
    assert_eq!(client.get("/config?cursor=A").ok(200)["items"][0]["name"], "B");
    client.delete("/config/B").ok(200);
    assert_eq!(client.get("/config/B").error(404), "config_not_found");
    assert_eq!(client.delete("/config/B").error(404), "config_not_found");
    assert_eq!(client.put("/config/a-b", &json!({"value": ""})).error(422), "invalid_config_name");
    assert_eq!(client.put("/config/A", &json!({"value": "x".repeat(9_000)})).error(413), "config_bytes");
}

#[test]
fn the_operator_narrows_one_tenant_over_its_own_policy() {
    let server = Server::start();
    let (operator, acme) = (&server.client, server.client.tenant("acme"));
    let wanted = json!({"config": ["REGION"], "keyValue": "write"});
    for client in [operator, &acme] {
        client.put("/config/REGION", &json!({"value": "eu"})).ok(200);
        upload(client, &wanted);
    }
    acme.put("/grants", &json!({"config": ["*"], "keyValue": "write"})).ok(200);
    let path = "/tenants/acme/grants";
    assert_eq!(operator.get(path).ok(200), json!({}));
    let policy = json!({"keyValue": "read", "config": []});
    assert_eq!(operator.put(path, &policy).ok(200), policy);
    let questions = json!([["config", "REGION"], ["put", "a", "b"], ["keys", ""]]);
    let answers = ask(&acme, &questions);
    assert_eq!((&answers[0]["refused"], &answers[1]["refused"]), (&json!("denied"), &json!("denied")), "{answers:#}");
    assert_eq!(answers[2][0], json!([]), "reading is allowed");
    let grants = &acme.get("/functions/f").ok(200)["grants"];
    assert_eq!(grants["granted"], json!({"keyValue": "read"}));
    assert!(
        grants["refused"].as_array().is_some_and(|all| all.iter().all(|one| one["by"] == "operator")),
        "{grants:#}"
    );
    assert_eq!(acme.get("/grants").ok(200)["keyValue"], "write", "what they said themselves stays");
    assert_eq!(ask(operator, &questions)[0], "eu", "another tenant is not meant");
    assert_eq!(acme.put(path, &json!({})).error(403), "forbidden");
    assert_eq!(operator.put("/tenants/nobody/grants", &json!({})).error(404), "tenant_not_found");
    let server = server.kill_and_restart();
    assert_eq!(server.client.get(path).ok(200), policy);
    server.client.put(path, &json!({})).ok(200);
    let acme = server.client.with_key(&acme.key);
    assert_eq!(ask(&acme, &questions)[0], "eu");
}
