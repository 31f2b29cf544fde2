//! Plays a case: deploys it, makes its runs, and compares how they end.

use crate::case::{Answers, Approval, Case, Run};
use crate::compare;
use crate::kills::Kills;
use crate::moments;
use crate::stage::{PATIENCE_MS, Stage};
use crate::support::Answer;
use serde_json::{Value, json};

/// While something is to be done with an execution, it is looked at so often.
const BUSY_MS: u64 = 10;
/// A look that waits for nothing but the end.
const QUIET_MS: u64 = 10_000;

/// Nobody kills the server.
pub fn in_peace(_: &str, case: &Case) {
    whole(case, &mut Stage::new(None));
}

/// The server is killed at random moments; nothing else may be different.
pub fn under_kills(name: &str, case: &Case) {
    for round in 0..Kills::rounds() {
        eprintln!("round {round}");
        whole(case, &mut Stage::new(Some(Kills::of(&format!("{name}{round}")))));
    }
}

fn whole(case: &Case, stage: &mut Stage) {
    stage.upload(&case.functions);
    stage.keep_secrets(&case.secrets);
    for other in &case.others {
        stage.client().post("/workflows", other).ok(201);
    }
    if let Some(expected) = &case.validate {
        must("validate", expected, &stage.client().post("/workflows/validate", &case.workflow));
    }
    let created = stage.client().post("/workflows", &case.workflow);
    let id = created.body["id"].as_str().unwrap_or_default().to_owned();
    match &case.definition {
        Some(expected) => must("definition", expected, &created),
        None => drop(created.ok(201)),
    }
    for (number, run) in case.runs.iter().enumerate() {
        let name = format!("run {number} {}", run.about);
        stage.begin();
        for execution in start(&name, &id, run, stage) {
            follow(&name, execution, run, stage);
        }
    }
}

fn must(what: &str, expected: &Answers, answer: &Answer) {
    let differences = compare::answer(expected, answer, "");
    assert!(differences.is_empty(), "{what}:\n  {}\n{:#}", differences.join("\n  "), answer.body);
}

/// The ids of what was started.
fn start(name: &str, workflow: &str, run: &Run, stage: &Stage) -> Vec<String> {
    if let Some(event) = &run.publish {
        return publish(name, event, run.started, stage);
    }
    let mut body = json!({"workflowId": workflow});
    let fields = [("input", run.input.clone()), ("idempotencyKey", run.idempotency_key.clone().map(Value::from))];
    for (key, value) in fields {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    let answer = stage.client().post("/workflows/trigger", &body);
    if let Some(refused) = &run.refused {
        must(name, refused, &answer);
        return Vec::new();
    }
    vec![answer.ok(200)["executionId"].as_str().expect("an id").to_owned()]
}

/// The ids of what an event started; their number must be this.
fn publish(name: &str, event: &Value, started: Option<usize>, stage: &Stage) -> Vec<String> {
    let published = stage.client().post("/events", event).ok(201);
    let id = published["id"].as_str().expect("an id");
    let look = || stage.client().get(&format!("/events/{id}")).ok(200);
    let mut shown = look();
    while shown["settled"] == false {
        shown = look();
    }
    let all = shown["started"].as_array().expect("a list of what it started");
    let ids: Vec<_> = all.iter().filter_map(|each| each["executionId"].as_str().map(str::to_owned)).collect();
    assert!(started.is_none_or(|started| started == ids.len()), "{name}: started {started:?}\n{shown:#}");
    ids
}

/// Does what is to be done while an execution runs, and compares its end.
fn follow(name: &str, mut execution: String, run: &Run, stage: &mut Stage) {
    let mut approvals: Vec<Approval> = run.approvals.clone();
    let mut moments = run.moments.iter();
    let mut next = moments.next();
    let mut patience = PATIENCE_MS;
    loop {
        let is_busy = next.is_some() || approvals.iter().any(|approval| !approval.answers.is_empty());
        let (seen, ms) = stage.look(&execution, if is_busy { BUSY_MS } else { QUIET_MS });
        patience = patience.checked_sub(ms).unwrap_or_else(|| panic!("{name}: does not end\n{seen:#}"));
        let is_ended = matches!(seen["status"].as_str(), Some("completed" | "failed"));
        if let Some(moment) = next {
            if moment.when.as_ref().is_none_or(|when| compare::is_part(when, &seen)) {
                execution = moments::act(name, moment, execution, stage);
                next = moments.next();
                continue;
            }
            assert!(!is_ended, "{name}: ended before {} {:?}\n{seen:#}", moment.about, moment.when);
        }
        if is_ended {
            return compare_end(name, run, &seen);
        }
        moments::answer_pending(name, &execution, &mut approvals, stage);
    }
}

fn compare_end(name: &str, run: &Run, seen: &Value) {
    let differences = run.expect.as_ref().map_or_else(Vec::new, |expected| compare::end(expected, seen));
    assert!(differences.is_empty(), "{name}:\n  {}\n{seen:#}", differences.join("\n  "));
}
