//! Human steps: who may answer, what an answer comes to, and that answers survive everything.

use super::*;
use crate::{ApprovalRequest, COMMENT_BYTES};
use stepwell_core::execution::{Answer, ApprovalStatus};

const OTHER: TenantId = TenantId(2);

/// A workflow whose only step asks people.
async fn ask(engine: &Engine, config: Value) -> (String, String) {
    let steps = json!([{"id": "ok", "name": "Release?", "type": "human", "config": config}]);
    deploy(engine, json!({"id": "release", "steps": steps})).await.expect("deploys");
    opened(engine, "release").await
}

/// Starts it: the execution and its approval.
async fn opened(engine: &Engine, workflow: &str) -> (String, String) {
    let execution = engine.start_execution(TENANT, request(workflow, None)).await.expect("starts");
    let of = ApprovalRequest { execution: Some(execution), limit: 10, ..ApprovalRequest::default() };
    let approvals = engine.approvals(TENANT, &of).await.expect("lists").items;
    assert_eq!(approvals.len(), 1, "{approvals:?}");
    (execution.to_string(), approvals[0]["id"].as_str().expect("id").to_owned())
}

fn answer(by: &str, approved: bool) -> Answer {
    Answer { by: by.to_owned(), groups: Vec::new(), approved, comment: None, data: None }
}

/// The status afterwards, or the code of the refusal.
async fn say(engine: &Engine, id: &str, answer: Answer) -> String {
    match engine.answer_approval(TENANT, id, answer).await {
        Ok(view) => view["status"].as_str().expect("status").to_owned(),
        Err(Error::Conflict { code, .. } | Error::Forbidden { code, .. }) => code.to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

async fn ids(engine: &Engine, request: ApprovalRequest) -> Vec<String> {
    let part = engine.approvals(TENANT, &ApprovalRequest { limit: 100, ..request }).await.expect("lists");
    part.items.iter().map(|item| item["id"].as_str().expect("id").to_owned()).collect()
}

fn pending() -> ApprovalRequest {
    ApprovalRequest { statuses: Some(vec![ApprovalStatus::Pending]), ..ApprovalRequest::default() }
}

fn life<T, F: Future<Output = T>>(disk: &mut Disk, life: impl FnOnce(Engine) -> F) -> T {
    disk.life(FakeRuntime::new(own_step), life).expect("lives")
}

#[test]
fn as_many_as_are_required_approve_and_each_of_them_once() {
    life(&mut Disk::new(), |engine| async move {
        let config = json!({"approvers": ["ann", "bob", "cid", "ann"], "requiredApprovals": 2, "title": "Ship it"});
        let (execution, id) = ask(&engine, config).await;
        let view = engine.approval(TENANT, &id).await.expect("is there");
        assert_eq!(view["approvers"], json!(["ann", "bob", "cid"]));
        assert_eq!((&view["executionId"], &view["details"]["title"]), (&json!(execution), &json!("Ship it")));
        assert_eq!(ids(&engine, pending()).await, [id.as_str()]);
        assert_eq!(say(&engine, &id, answer("eve", true)).await, "may_not_answer");
        assert_eq!(say(&engine, &id, answer("Ann", true)).await, "may_not_answer");
        assert_eq!(say(&engine, &id, answer("ann", true)).await, "pending");
        assert_eq!(say(&engine, &id, answer("ann", false)).await, "already_answered");
        let comment = Some("fine".to_owned());
        assert_eq!(say(&engine, &id, Answer { comment, ..answer("cid", true) }).await, "approved");
        for by in ["ann", "bob", "eve"] {
            assert_eq!(say(&engine, &id, answer(by, false)).await, "approval_closed");
        }
        let ended = finished(&engine, &execution).await;
        let result = &ended["result"];
        assert_eq!((&result["approved"], &result["approvedBy"]), (&json!(true), &json!(["ann", "cid"])), "{ended:#}");
        assert_eq!(result["comment"], "fine");
        assert!(ids(&engine, pending()).await.is_empty());
        let approved = ApprovalRequest { statuses: Some(vec![ApprovalStatus::Approved]), ..pending() };
        assert_eq!(ids(&engine, approved).await, [id.as_str()]);
        assert_eq!(engine.approval(TENANT, &id).await.expect("is there")["status"], "approved");
    });
}

#[test]
fn a_rejection_ends_it_unless_only_impossibility_does() {
    life(&mut Disk::new(), |engine| async move {
        let people = json!(["ann", "bob", "cid"]);
        let (execution, id) = ask(&engine, json!({"approvers": people, "requiredApprovals": 2})).await;
        assert_eq!(say(&engine, &id, answer("bob", false)).await, "rejected");
        assert_eq!(finished(&engine, &execution).await["result"]["approved"], false);
        let config = json!({"approvers": people, "requiredApprovals": 2, "rejectOn": "impossible"});
        let steps = json!([{"id": "ok", "type": "human", "config": config}]);
        deploy(&engine, json!({"id": "patient", "steps": steps})).await.expect("deploys");
        let (_, id) = opened(&engine, "patient").await;
        assert_eq!(say(&engine, &id, answer("bob", false)).await, "pending");
        assert_eq!(say(&engine, &id, answer("ann", false)).await, "rejected");
    });
}

#[test]
fn a_group_counts_for_those_whose_key_has_it() {
    life(&mut Disk::new(), |engine| async move {
        let (_, id) = ask(&engine, json!({"approvers": ["group:finance"], "requiredApprovals": 2})).await;
        let of = |by: &str, group: &str| Answer { groups: vec![group.to_owned()], ..answer(by, true) };
        assert_eq!(say(&engine, &id, of("ann", "group:sales")).await, "may_not_answer");
        assert_eq!(say(&engine, &id, of("ann", "group:finance")).await, "pending");
        assert_eq!(say(&engine, &id, of("ann", "group:finance")).await, "already_answered");
        assert_eq!(say(&engine, &id, of("bob", "group:finance")).await, "approved");
    });
}

#[test]
fn who_started_it_may_be_kept_from_answering() {
    life(&mut Disk::new(), |engine| async move {
        let (_, id) = ask(&engine, json!({"allowSelfApproval": false})).await;
        assert_eq!(say(&engine, &id, answer("test", true)).await, "may_not_answer");
        assert_eq!(say(&engine, &id, answer("somebody", true)).await, "approved");
    });
}

#[test]
fn nobody_answers_in_time_and_a_late_answer_changes_nothing() {
    life(&mut Disk::new(), |engine| async move {
        let (execution, id) = ask(&engine, json!({"timeout": "2h"})).await;
        let view = engine.approval(TENANT, &id).await.expect("is there");
        assert!(view["expiresAt"].as_str() > view["createdAt"].as_str());
        let answer_of = engine.status(TENANT, &execution, Some(Duration::from_secs(3 * 3_600))).await.expect("answers");
        let ended: Value = serde_json::from_str(&answer_of).expect("JSON");
        assert_eq!((&ended["result"]["timedOut"], &ended["result"]["approved"]), (&json!(true), &json!(false)));
        assert_eq!(say(&engine, &id, answer("ann", true)).await, "approval_closed");
        assert_eq!(engine.approval(TENANT, &id).await.expect("is there")["status"], "expired");
        let again = engine.status(TENANT, &execution, None).await.expect("answers");
        assert_eq!(serde_json::from_str::<Value>(&again).expect("JSON")["result"], ended["result"]);
    });
}

#[test]
fn answers_survive_the_process_and_the_id_stays() {
    let mut disk = Disk::new();
    let (execution, id) = life(&mut disk, |engine| async move {
        let (execution, id) = ask(&engine, json!({"approvers": ["ann", "bob"], "requiredApprovals": 2})).await;
        assert_eq!(say(&engine, &id, answer("ann", true)).await, "pending");
        (execution, id)
    });
    life(&mut disk, |engine| async move {
        assert_eq!(ids(&engine, pending()).await, [id.as_str()]);
        assert_eq!(say(&engine, &id, answer("ann", true)).await, "already_answered");
        assert_eq!(say(&engine, &id, answer("bob", true)).await, "approved");
        assert_eq!(finished(&engine, &execution).await["result"]["approvedBy"], json!(["ann", "bob"]));
    });
}

#[test]
fn a_death_at_any_commit_leaves_the_answer_given_once_or_not_at_all() {
    for point in [FaultPoint::Before, FaultPoint::After] {
        let mut disk = Disk::new();
        let (execution, id) = life(&mut disk, |engine| async move {
            let asked = ask(&engine, json!({})).await;
            // The event that tells of it is published, too.
            engine.inner.attempts.idle().await;
            asked
        });
        disk.store.fail_at(disk.store.accepted(), point);
        let asked = id.clone();
        let dies = disk
            .life(FakeRuntime::new(own_step), |engine| async move { say(&engine, &asked, answer("ann", true)).await });
        assert_eq!(dies, None, "{point:?}");
        let again = life(&mut disk, |engine| async move {
            let again = say(&engine, &id, answer("ann", true)).await;
            assert_eq!(finished(&engine, &execution).await["result"]["decisions"].as_array().map(Vec::len), Some(1));
            again
        });
        let expected = if matches!(point, FaultPoint::Before) { "approved" } else { "approval_closed" };
        assert_eq!(again, expected, "{point:?}");
    }
}

#[test]
fn data_follows_the_form_and_texts_have_limits() {
    life(&mut Disk::new(), |engine| async move {
        let form = json!({"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}});
        let (execution, id) = ask(&engine, json!({"form": form})).await;
        let with = |data: Value| Answer { data: Some(Payload::from_value(&data)), ..answer("ann", true) };
        for wrong in [answer("ann", true), with(json!({"amount": "x"})), with(json!(null)), with(json!([]))] {
            let refused = engine.answer_approval(TENANT, &id, wrong).await;
            let Err(Error::InvalidInput(violations)) = refused else { panic!("{refused:?}") };
            assert!(violations[0].pointer.starts_with("/data"), "{violations:?}");
        }
        let comment = Some("x".repeat(COMMENT_BYTES + 1));
        let long = engine.answer_approval(TENANT, &id, Answer { comment, ..with(json!({"amount": 1})) }).await;
        assert!(matches!(long, Err(Error::WrongShape { field: "comment", .. })), "{long:?}");
        for name in ["", "a\nb", &"x".repeat(513)] {
            let refused =
                engine.answer_approval(TENANT, &id, Answer { by: name.to_owned(), ..with(json!({"amount": 1})) });
            assert!(matches!(refused.await, Err(Error::WrongShape { field: "by", .. })), "{name:?}");
        }
        let large = engine.answer_approval(TENANT, &id, with(json!("x".repeat(300 << 10)))).await;
        assert!(matches!(large, Err(Error::TooLarge { limit: "payload_bytes", .. })), "{large:?}");
        assert_eq!(say(&engine, &id, with(json!({"amount": 7}))).await, "approved");
        assert_eq!(finished(&engine, &execution).await["result"]["data"], json!({"amount": 7}));
    });
}

#[test]
fn a_rejection_needs_no_data_and_a_form_that_is_none_no_workflow() {
    life(&mut Disk::new(), |engine| async move {
        let form = json!({"type": "object", "required": ["amount"]});
        let (_, id) = ask(&engine, json!({"form": form})).await;
        assert_eq!(say(&engine, &id, answer("ann", false)).await, "rejected");
        let steps = json!([{"id": "ok", "type": "human", "config": {"form": {"type": 7}}}]);
        let refused = deploy(&engine, json!({"id": "bad", "steps": steps})).await;
        let Err(Error::InvalidDefinition(faults)) = refused else { panic!("{refused:?}") };
        assert_eq!((faults[0].code, faults[0].pointer.starts_with("/steps/0/config/form")), ("invalid_schema", true));
    });
}

#[test]
fn lists_go_on_where_they_ended_and_tenants_see_their_own() {
    life(&mut Disk::new(), |engine| async move {
        let (_, first) = ask(&engine, json!({})).await;
        let mut all = vec![first.clone()];
        for _ in 0..4 {
            all.push(opened(&engine, "release").await.1);
        }
        all.sort();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let request = ApprovalRequest { limit: 2, after, ..pending() };
            let part = engine.approvals(TENANT, &request).await.expect("lists");
            assert!(part.items.len() <= 2);
            seen.extend(part.items.iter().map(|item| item["id"].as_str().expect("id").to_owned()));
            let Some(next) = part.next else { break };
            after = Some(next);
        }
        assert_eq!(seen, all);
        let none = ApprovalRequest { workflow: Some("other".to_owned()), ..pending() };
        assert!(ids(&engine, none).await.is_empty());
        assert!(
            engine.approvals(OTHER, &ApprovalRequest { limit: 9, ..pending() }).await.expect("lists").items.is_empty()
        );
        assert!(matches!(engine.approval(OTHER, &first).await, Err(Error::NotFound { what: "approval", .. })));
        let foreign = engine.answer_approval(OTHER, &first, answer("ann", true)).await;
        assert!(matches!(foreign, Err(Error::NotFound { what: "approval", .. })), "{foreign:?}");
    });
}

/// The ids and types of all events, and the links of those that have some.
async fn told(engine: &Engine) -> Vec<(String, String)> {
    let query = crate::EventQuery { limit: 100, ..Default::default() };
    let items = engine.events(TENANT, &query).await.expect("lists").items;
    let text = |event: &Value, key: &str| event[key].as_str().expect("text").to_owned();
    let mut all: Vec<_> =
        items.iter().map(|event| event.to_value()).map(|e| (text(&e, "type"), text(&e, "id"))).collect();
    all.sort();
    all
}

async fn shown(engine: &Engine, event: &str) -> Value {
    serde_json::from_str(&engine.event(TENANT, event).await.expect("is there")).expect("JSON")
}

#[test]
fn what_happens_to_an_approval_is_told_once_wherever_the_host_dies() {
    let live = |disk: &mut Disk| {
        disk.life(FakeRuntime::new(own_step), |engine| async move {
            let steps = json!([{"id": "ok", "type": "human", "config": {"approvers": ["ann"], "timeout": "1h"}}]);
            deploy(&engine, json!({"id": "release", "steps": steps})).await.expect("deploys");
            let started = engine.start_execution(TENANT, request("release", Some("the-order"))).await.expect("starts");
            let of = ApprovalRequest { execution: Some(started), limit: 10, ..ApprovalRequest::default() };
            let asked = engine.approvals(TENANT, &of).await.expect("lists").items;
            let id = asked[0]["id"].as_str().expect("id").to_owned();
            // Also if the life before had it answered already.
            let _ = engine.answer_approval(TENANT, &id, answer("ann", true)).await;
            let clock = &engine.inner.ports.clock;
            clock.sleep_until(clock.now().plus(10_000)).await;
            (id, told(&engine).await)
        })
    };
    let mut disk = Disk::new();
    live(&mut disk);
    let commits = disk.store.accepted();
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in 0..commits {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            let (id, seen) = live(&mut disk).or_else(|| live(&mut disk)).expect("the second life");
            let expected =
                ["decided", "requested"].map(|what| (format!("stepwell.approval.{what}"), format!("{id}.{what}")));
            assert_eq!(seen, expected, "{point:?} commit {commit}");
        }
    }
}

#[test]
fn a_link_is_good_for_its_time_and_an_approval_tells_of_its_end() {
    life(&mut Disk::new(), |engine| async move {
        let (_, patient) = ask(&engine, json!({"approvers": ["ann", "group:leads"]})).await;
        let token = |url: &str| url.rsplit('/').next().expect("a token").to_owned();
        let link = engine.approval_link(TENANT, &patient, ("ann", Vec::new())).await.expect("a link");
        let groups = vec!["group:leads".to_owned(), "group:others".to_owned()];
        let lead = engine.approval_link(TENANT, &patient, ("cid", groups)).await.expect("a link");
        assert!(engine.approval_link(TENANT, &patient, ("cid", vec!["group:others".to_owned()])).await.is_err());
        assert!(engine.approval_link(OTHER, &patient, ("ann", Vec::new())).await.is_err());
        deploy(&engine, json!({"id": "quick", "steps": [{"id": "q", "type": "human", "config": {"timeout": "1h"}}]}))
            .await
            .expect("deploys");
        let (_, quick) = opened(&engine, "quick").await;
        let clock = &engine.inner.ports.clock;
        clock.sleep_until(clock.now().plus(2 * 3_600_000)).await;
        let kinds: Vec<String> = told(&engine).await.into_iter().map(|(kind, _)| kind).collect();
        let requested = "stepwell.approval.requested";
        assert_eq!(kinds, ["stepwell.approval.expired", requested, requested]);
        let data = shown(&engine, &format!("{quick}.expired")).await;
        assert_eq!(data["data"]["status"], "expired");
        let event = shown(&engine, &format!("{patient}.requested")).await;
        let links = event["data"]["links"].as_array().expect("links");
        assert_eq!((links.len(), &links[0]["approver"]), (1, &json!("ann")));
        assert!(engine.linked_approval(&token(links[0]["url"].as_str().expect("url"))).await.is_ok());
        let said = || crate::LinkedAnswer { approved: true, comment: None, data: None };
        let view = engine.answer_by_link(&token(&lead.url), said()).await.expect("the group's").view;
        assert_eq!((&view["status"], &view["decisions"][0]["by"]), (&json!("approved"), &json!("cid")));
        clock.sleep_until(clock.now().plus(31 * 24 * 3_600_000)).await;
        let late = engine.answer_by_link(&token(&link.url), said()).await;
        assert!(matches!(late, Err(Error::Conflict { code: "link_expired", .. })), "{late:?}");
    });
}
