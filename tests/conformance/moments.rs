//! What people and other systems do to an execution while it runs.

use crate::case::{Approval, Moment};
use crate::compare;
use crate::stage::Stage;
use crate::support::Answer;
use serde_json::{Value, json};

/// A request is sent so often until it is answered as it should be.
const REQUESTS: u32 = 5_000;

/// Does it; returns the execution to follow from then on.
pub fn act(name: &str, moment: &Moment, execution: String, stage: &Stage) -> String {
    let mut answer = send(moment, &execution, stage);
    if let Some(until) = &moment.until {
        let has_come = |answer: &Option<Answer>| answer.as_ref().is_some_and(|a| compare::is_part(until, &a.body));
        for _ in 0..REQUESTS {
            if has_come(&answer) {
                break;
            }
            answer = send(moment, &execution, stage);
        }
        assert!(has_come(&answer), "{name} {}: {until} does not come: {answer:#?}", moment.about);
    }
    let Some(answer) = answer else { return execution };
    match &moment.answers {
        Some(expected) => {
            let differences = compare::answer(expected, &answer, &execution);
            let about = &moment.about;
            assert!(differences.is_empty(), "{name} {about}:\n  {}\n{:#}", differences.join("\n  "), answer.body);
        }
        None => assert!((200..300).contains(&answer.status), "{name} {}: {:#}", moment.about, answer.body),
    }
    let is_rerun = moment.control.as_deref() == Some("rerun") && answer.status < 300;
    if is_rerun { answer.body["executionId"].as_str().expect("an id").to_owned() } else { execution }
}

fn send(moment: &Moment, execution: &str, stage: &Stage) -> Option<Answer> {
    let client = stage.client();
    let empty = json!({});
    if let Some(request) = &moment.request {
        let path = request.path.replace("{execution}", execution);
        let body = request.body.as_ref().map(|body| compare::named(body, execution).to_string()).unwrap_or_default();
        return Some(client.send(&request.method, &path, &[("content-type", "application/json")], body.as_bytes()));
    }
    if let Some(control) = &moment.control {
        let path = format!("/workflows/executions/{execution}/{control}");
        return Some(client.post(&path, moment.body.as_ref().unwrap_or(&empty)));
    }
    if let Some(event) = &moment.publish {
        return Some(client.post("/events", event));
    }
    if let Some(answer) = &moment.answer {
        let approvals = stage.approvals(execution, None);
        let newest = approvals.iter().rfind(|approval| approval["step"] == answer["step"]);
        return Some(give(newest.unwrap_or_else(|| panic!("no approval of {answer}: {approvals:#?}")), answer, stage));
    }
    if let Some(callback) = &moment.callback {
        let path = format!("/callbacks/{}", token(callback, execution, stage));
        return Some(client.post(&path, &callback["body"]));
    }
    if let Some(workflow) = &moment.put {
        let (path, text) = (format!("/workflows/{}", workflow["id"].as_str().expect("an id")), workflow.to_string());
        return Some(client.send("PUT", &path, &[("content-type", "application/json")], text.as_bytes()));
    }
    stage.upload(moment.functions.as_ref()?);
    None
}

/// The token that a step's function was given; it answered with the URL, and so the journal has it.
fn token(callback: &Value, execution: &str, stage: &Stage) -> String {
    let history = stage.client().get(&format!("/workflows/executions/{execution}/history")).ok(200);
    let lines = history["items"].as_array().expect("items").iter().rev();
    let mut texts = lines.filter(|line| line["step"] == callback["step"]).map(Value::to_string);
    let found = texts.find_map(|text| Some(text.split_once("/callbacks/")?.1.split('"').next()?.to_owned()));
    found.unwrap_or_else(|| panic!("no URL in {history:#}"))
}

/// Gives an answer to an approval.
fn give(approval: &Value, answer: &Value, stage: &Stage) -> Answer {
    let mut body = answer.clone();
    if let Some(body) = body.as_object_mut() {
        body.retain(|key, _| key != "step");
    }
    stage.client().post(&format!("/approvals/{}", approval["id"].as_str().expect("an id")), &body)
}

/// Gives the answers of the steps that wait now; each entry is for one approval.
pub fn answer_pending(name: &str, execution: &str, approvals: &mut Vec<Approval>, stage: &Stage) {
    if approvals.is_empty() {
        return;
    }
    for pending in stage.approvals(execution, Some("pending")) {
        let Some(at) = approvals.iter().position(|approval| pending["step"] == approval.step.as_str()) else {
            continue;
        };
        for answer in approvals.remove(at).answers {
            let given = give(&pending, &answer, stage);
            assert_eq!(given.status, 200, "{name}: {answer}: {:#}", given.body);
        }
    }
}
