//! Pictures through the front door: the forms by `Accept`, what browsers are told, and the terminal's drawings.

use crate::order::{deploy, paid};
use crate::support::{Client, KEY, Server, program};
use serde_json::{Value, json};

/// Status, the headers that matter, and the text.
fn picture(client: &Client, path: &str, accept: Option<&str>) -> (u16, String, Vec<String>, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = agent.get(format!("{}{path}", client.address)).header("authorization", format!("Bearer {KEY}"));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let mut response = request.call().expect("an answer");
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let kind = header("content-type");
    let safety = ["content-security-policy", "x-content-type-options", "vary"].map(header).to_vec();
    let status = response.status().as_u16();
    (status, kind, safety, response.body_mut().read_to_string().expect("text"))
}

#[test]
fn a_workflow_is_drawn_in_the_form_that_is_asked_for() {
    let server = Server::start();
    let client = &server.client;
    let id = deploy(client);
    let path = format!("/workflows/{id}/graph");
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    for (query, accept, kind, start) in [
        ("", Some("image/svg+xml"), "image/svg+xml", "<svg "),
        ("", Some(browser), "image/svg+xml", "<svg "),
        ("?format=svg", None, "image/svg+xml", "<svg "),
        ("", Some("text/vnd.mermaid"), "text/vnd.mermaid; charset=utf-8", "flowchart TD\n"),
        ("?format=mermaid", Some("*/*"), "text/vnd.mermaid; charset=utf-8", "flowchart TD\n"),
        ("", Some("*/*"), "application/json", "{"),
        ("?revision=1", None, "application/json", "{"),
    ] {
        let (status, got, safety, text) = picture(client, &format!("{path}{query}"), accept);
        assert_eq!((status, got.as_str()), (200, kind), "{query} {accept:?} {text}");
        assert!(text.starts_with(start), "{text}");
        assert_eq!(
            safety,
            ["default-src 'none'; style-src 'unsafe-inline'; sandbox", "nosniff", "accept, authorization"]
        );
    }
    let (_, _, _, text) = picture(client, &path, None);
    let figure: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&figure["workflow"]["id"], figure["steps"].as_array().map(Vec::len)), (&json!(id), Some(8)));
    assert!(
        figure["edges"]
            .as_array()
            .expect("edges")
            .contains(&json!({"from": "verify-payment", "to": "payment-failed", "kind": "else", "label": "false"}))
    );
}

#[test]
fn a_picture_that_there_is_not_is_an_error_as_json() {
    let server = Server::start();
    let client = &server.client;
    let id = deploy(client);
    let path = format!("/workflows/{id}/graph");
    assert_eq!(client.send("GET", &path, &[("accept", "application/pdf")], b"").error(406), "not_acceptable");
    assert_eq!(client.get(&format!("{path}?format=pdf")).error(400), "invalid_request");
    assert_eq!(client.get("/workflows/nothing/graph").error(404), "workflow_not_found");
    assert_eq!(client.get(&format!("{path}?revision=9&format=svg")).error(404), "revision_not_found");
    assert_eq!(client.get("/workflows/executions/exec-nothing/graph").error(404), "execution_not_found");
    // Every step's handler is the last one: ever more lines pass by each step on their way there.
    let step = |at: usize| {
        let config = json!({"onError": "s200"});
        json!({"id": format!("s{at}"), "type": "condition", "condition": "true", "next": format!("s{}", at + 1), "config": config})
    };
    let mut steps: Vec<Value> = (0..200).map(step).collect();
    steps.push(json!({"id": "s200", "type": "condition", "condition": "true"}));
    client.post("/workflows", &json!({"id": "dense", "steps": steps})).ok(201);
    assert_eq!(client.get("/workflows/dense/graph?format=svg").error(422), "picture_too_large");
    assert_eq!(client.get("/workflows/dense/graph?format=json").ok(200)["edges"].as_array().map(Vec::len), Some(400));
    let mut stranger = client.clone();
    stranger.key = "swk_nobody".to_owned();
    assert_eq!(stranger.get(&path).error(401), "unauthorized");
}

#[test]
fn an_execution_is_drawn_with_the_state_of_its_steps() {
    let server = Server::start();
    let client = &server.client;
    let id = deploy(client);
    let ended = client.run(&id, &json!({"total": 1}));
    let path = format!("/workflows/executions/{}/graph", ended["executionId"].as_str().expect("id"));
    let figure = client.get(&path).ok(200);
    assert_eq!((&figure["execution"]["status"], &figure["execution"]["id"]), (&json!("failed"), &ended["executionId"]));
    let of = |id: &str| {
        let steps = figure["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["id"] == id).expect("the step")["progress"].clone()
    };
    assert_eq!((&of("validate")["status"], &of("validate")["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(of("validate")["error"], "bad_order: orderId missing");
    assert_eq!(of("notify-customer")["status"], "skipped");
    let (_, _, _, svg) = picture(client, &path, Some("image/svg+xml"));
    assert!(svg.contains("failed · bad_order") && svg.contains("skipped"), "{svg}");
    let (_, _, _, mermaid) = picture(client, &path, Some("text/plain"));
    assert!(mermaid.contains("✗ Validate Order"), "{mermaid}");
}

#[test]
fn an_execution_is_drawn_over_time() {
    let server = Server::start();
    let client = &server.client;
    let id = deploy(client);
    let ended = client.run(&id, &paid());
    let path = format!("/workflows/executions/{}/timeline", ended["executionId"].as_str().expect("id"));
    let timeline = client.get(&path).ok(200);
    let bars = timeline["bars"].as_array().expect("bars");
    assert_eq!(
        (bars.len(), &timeline["leftOut"], &bars[0]["step"]),
        (7, &json!(0), &json!("validate")),
        "{timeline:#}"
    );
    assert_eq!((&bars[0]["status"], &bars[0]["spans"][0]["attempt"]), (&json!("completed"), &json!(1)));
    let (status, kind, safety, svg) = picture(client, &path, Some("image/svg+xml"));
    assert_eq!((status, kind.as_str(), safety[1].as_str()), (200, "image/svg+xml", "nosniff"));
    assert!(svg.contains("Update Inventory") && svg.contains("timeline"), "{svg}");
    assert_eq!(client.get(&format!("{path}?format=mermaid")).error(406), "not_acceptable");
    assert_eq!(client.get("/workflows/executions/exec-nothing/timeline").error(404), "execution_not_found");
}

/// The command's output, and whether it ended well.
fn stepwell(server: &Server, args: &[&str], key: &str) -> (bool, String, String) {
    let mut command = program();
    command.args(args).env("STEPWELL_URL", &server.client.address).env("STEPWELL_API_KEY", key);
    let done = command.output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_terminal_shows_workflows_and_executions() {
    let server = Server::start();
    let id = deploy(&server.client);
    let (well, text, error) = stepwell(&server, &["graph", &id], KEY);
    assert!(well, "{error}");
    for line in
        ["● validate ", "◆ verify-payment ", "├─ true", "│  ● update-inventory ", "└─ false", "   ● payment-failed "]
    {
        assert!(text.contains(&format!("\n{line}")), "{line:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours are for terminals: {text:?}");
    let ended = server.client.run(&id, &paid());
    let execution = ended["executionId"].as_str().expect("id");
    let (_, text, _) = stepwell(&server, &["show", execution], KEY);
    assert!(
        text.contains("✓ completed") && text.contains("– payment-failed") && text.contains("completed, true"),
        "{text}"
    );
    let (_, svg, _) = stepwell(&server, &["show", execution, "--format", "svg"], KEY);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    let (well, _, error) = stepwell(&server, &["graph", "nothing"], KEY);
    assert!(!well && error.contains("404"), "{error}");
    let (well, _, error) = stepwell(&server, &["graph", &id], "swk_nobody");
    assert!(!well && error.contains("401"), "{error}");
    let (well, _, error) = stepwell(&server, &["graph", "../functions"], KEY);
    assert!(!well && error.contains("is no id"), "{error}");
}
