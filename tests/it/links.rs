//! Signed links: the page that somebody without a key answers on, and the events that carry them.

use crate::support::{Client, Server};
use serde_json::{Value, json};

/// A workflow of one human step, started: (execution, approval).
fn ask(client: &Client, id: &str, config: &Value) -> (String, String) {
    let step = json!({"id": "ok", "name": "Ship <it>?", "type": "human", "config": config});
    client.put(&format!("/workflows/{id}"), &json!({"name": "Shop & Co", "steps": [step]}));
    let started = client.post("/workflows/trigger", &json!({"workflowId": id})).ok(200);
    let execution = started["executionId"].as_str().expect("id").to_owned();
    let listed = client.get(&format!("/approvals?execution={execution}")).ok(200);
    (execution, listed["items"][0]["id"].as_str().expect("id").to_owned())
}

/// Somebody with a browser and without a key.
struct Visitor(Client);

impl Visitor {
    fn of(server: &Server) -> Self {
        let mut client = server.client.clone();
        client.key = String::new();
        Self(client)
    }

    fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&self.0.address).expect("an address of this server")
    }

    fn look(&self, url: &str) -> (u16, String) {
        let (parts, text) = self.0.exchange("GET", self.path(url), &[("accept", "text/html")], b"");
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert!(header("content-security-policy").contains("default-src 'none'"));
        let private = (header("referrer-policy"), header("cache-control"), header("x-content-type-options"));
        assert_eq!(private, ("no-referrer".to_owned(), "no-store".to_owned(), "nosniff".to_owned()));
        assert!(!text.contains("<script"), "{text}");
        (parts.status.as_u16(), text)
    }

    fn press(&self, url: &str, form: &str) -> (u16, String) {
        let headers = [("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
        let (parts, text) = self.0.exchange("POST", self.path(url), &headers, form.as_bytes());
        (parts.status.as_u16(), text)
    }
}

fn link(client: &Client, approval: &str, approver: &str) -> String {
    let body = json!({ "approver": approver });
    let link = client.post(&format!("/approvals/{approval}/links"), &body).ok(201);
    assert_eq!(link["approver"], approver);
    assert!(link["expiresAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{link}");
    link["url"].as_str().expect("url").to_owned()
}

#[test]
fn a_person_answers_on_the_page_behind_their_link() {
    let server = Server::start();
    let form = json!({"required": ["count"], "properties": {
        "count": {"type": "integer", "title": "How many", "minimum": 1}, "express": {"type": "boolean"},
        "size": {"enum": ["S", "M"]},
    }});
    let config =
        json!({"approvers": ["ann@example.org", "bob"], "form": form, "title": "Release 7", "note": "<b>now</b>"});
    let (execution, approval) = ask(&server.client, "ship", &config);
    let (url, visitor) = (link(&server.client, &approval, "ann@example.org"), Visitor::of(&server));
    for _ in 0..2 {
        let (status, page) = visitor.look(&url);
        assert_eq!(status, 200);
        for shown in ["Release 7", "Shop &amp; Co", "ann@example.org", "&lt;b&gt;now", "How many *", ">Approve<"] {
            assert!(page.contains(shown), "{shown} in {page}");
        }
    }
    let read = || server.client.get(&format!("/approvals/{approval}")).ok(200);
    assert_eq!(read()["decisions"], json!([]), "looking answers nothing");
    let (status, page) = visitor.press(&url, "decision=approve&data.count=0&comment=a%20%3Cb%3E&data.size=1");
    assert_eq!(status, 422, "{page}");
    for kept in
        ["value=\"0\"", "a &lt;b&gt;", "<option value=\"1\" selected>M", "class=\"said\" role=\"alert\">count: "]
    {
        assert!(page.contains(kept), "{kept} in {page}");
    }
    let (status, page) =
        visitor.press(&url, "decision=approve&data.count=3&data.express=true&data.size=1&comment=fine");
    assert!(status == 200 && page.contains("You approved this"), "{status} {page}");
    let ended = server.client.end(&execution);
    assert_eq!(ended["result"]["data"], json!({"count": 3, "express": true, "size": "M"}));
    assert_eq!(
        (&ended["result"]["approvedBy"], &ended["result"]["comment"]),
        (&json!(["ann@example.org"]), &json!("fine"))
    );
    let (status, page) = visitor.press(&url, "decision=reject");
    assert!(status == 409 && page.contains("no longer pending"), "{status} {page}");
    let (status, page) = visitor.look(&url);
    assert!(status == 200 && page.contains("It is approved") && !page.contains("<form"), "{page}");
}

#[test]
fn a_link_works_once_and_for_its_person_only() {
    let server = Server::start();
    let config = json!({"approvers": ["ann", "bob", "group:leads"], "requiredApprovals": 2});
    let (_, approval) = ask(&server.client, "two", &config);
    let (ann, bob) = (link(&server.client, &approval, "ann"), link(&server.client, &approval, "bob"));
    let visitor = Visitor::of(&server);
    assert_eq!(visitor.press(&ann, "decision=approve").0, 200);
    assert_eq!(visitor.press(&ann, "decision=reject").0, 409, "once");
    let asked =
        |approver: &str| server.client.post(&format!("/approvals/{approval}/links"), &json!({ "approver": approver }));
    assert_eq!(asked("ann").error(409), "already_answered");
    assert_eq!(asked("eve").error(403), "may_not_answer");
    assert_eq!(asked("").error(400), "invalid_request");
    assert_eq!(server.client.post("/approvals/appr-x/links", &json!({})).error(404), "approval_not_found");
    let (_, page) = visitor.press(&bob, "decision=reject&comment=no");
    assert!(page.contains("You rejected this") && page.contains("It is rejected"), "{page}");
    let view = server.client.get(&format!("/approvals/{approval}")).ok(200);
    let by: Vec<_> = view["decisions"].as_array().expect("list").iter().map(|d| (&d["by"], &d["approved"])).collect();
    assert_eq!(by, [(&json!("ann"), &json!(true)), (&json!("bob"), &json!(false))]);
    assert_eq!(asked("bob").error(409), "approval_closed");
}

#[test]
fn what_is_no_link_is_refused_as_a_page_or_as_json() {
    let server = Server::start();
    let (_, approval) = ask(&server.client, "one", &json!({"approvers": ["ann"]}));
    let (url, visitor) = (link(&server.client, &approval, "ann"), Visitor::of(&server));
    let path = visitor.path(&url).to_owned();
    let cut = &url[..url.len() - 2];
    assert!(visitor.look(cut).1.contains("This link leads nowhere"));
    for bad in [visitor.path(cut), "/approve/x", "/approve/%00", &format!("/approve/{}", "A".repeat(10_000))] {
        let answer = visitor.0.get(bad);
        assert_eq!(answer.error(404), "link_not_found", "{bad}");
        assert!(!answer.body.to_string().contains(bad), "the address is a secret: {:#}", answer.body);
    }
    let json_body = visitor.0.post(&path, &json!({"decision": "approve"}));
    assert_eq!(json_body.error(415), "unsupported_media_type");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let send = |body: &[u8]| visitor.0.send("POST", &path, &form, body);
    assert_eq!(send(b"decision=maybe").error(400), "invalid_request");
    assert_eq!(send(b"").error(400), "invalid_request");
    assert_eq!(send(&b"x".repeat(4 << 20)).error(413), "payload_bytes");
    assert_eq!(visitor.0.send("PUT", &path, &[], b"").error(405), "method_not_allowed");
    let long = format!("decision=approve&comment={}", "x".repeat(5_000));
    assert_eq!(visitor.press(&url, &long).0, 422);
    assert_eq!(
        server.client.get(&format!("/approvals/{approval}")).ok(200)["decisions"],
        json!([]),
        "nothing came of these"
    );
}

#[test]
fn events_tell_who_is_asked_with_a_link_for_each_and_what_became_of_it() {
    let server = Server::start();
    let client = &server.client;
    let trigger = json!({"type": "event", "config": {"eventType": "stepwell.approval.*"}});
    let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
    client
        .post("/workflows", &json!({"id": "notice", "steps": steps, "triggers": [trigger], "output": "event.type"}))
        .ok(201);
    let (execution, approval) = ask(client, "told", &json!({"approvers": ["ann", "group:leads"], "title": "T"}));
    let requested = the_event(client, "stepwell.approval.requested");
    let data = &requested["data"];
    assert_eq!((&data["approvalId"], &data["executionId"]), (&json!(approval), &json!(execution)));
    assert_eq!((&data["step"], &data["details"]["title"]), (&json!("ok"), &json!("T")));
    let links = data["links"].as_array().expect("links");
    assert_eq!((links.len(), &links[0]["approver"]), (1, &json!("ann")));
    let visitor = Visitor::of(&server);
    assert_eq!(visitor.press(links[0]["url"].as_str().expect("url"), "decision=approve&comment=yes").0, 200);
    let decided = the_event(client, "stepwell.approval.decided");
    assert_eq!(
        (&decided["data"]["status"], &decided["data"]["decisions"][0]["by"]),
        (&json!("approved"), &json!("ann"))
    );
    assert_eq!(decided["data"].get("links"), None);
    ask(client, "late", &json!({"approvers": ["ann"], "timeout": 1}));
    assert_eq!(the_event(client, "stepwell.approval.expired")["data"]["status"], "expired");
    let mut started = 0;
    while started < 4 {
        let runs = client.get("/workflows/executions?workflow=notice&status=completed&limit=100").ok(200);
        started = runs["items"].as_array().expect("list").len();
    }
}

/// The first event of this type, as soon as there is one.
fn the_event(client: &Client, kind: &str) -> Value {
    loop {
        let found = client.get(&format!("/events?type={kind}&limit=1")).ok(200);
        let first = found.get(0).or_else(|| found["items"].get(0));
        if let Some(event) = first {
            return event.clone();
        }
    }
}
