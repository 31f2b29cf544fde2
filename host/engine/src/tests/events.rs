//! Events: what they start, whom they reach, and that a host that dies at any commit starts nothing twice and leaves nothing out.

use super::*;
use crate::NewEvent;
use std::collections::BTreeSet;

fn on(id: &str, kind: &str, condition: Option<&str>) -> Value {
    let trigger = json!({"type": "event", "config": {"eventType": kind}, "condition": condition});
    let steps = json!([{"id": "only", "type": "function", "function": "work"}]);
    json!({"id": id, "steps": steps, "triggers": [trigger]})
}

fn placed(id: &str, data: &Value) -> NewEvent {
    NewEvent {
        kind: "order.placed".into(),
        source: "shop".into(),
        id: Some(id.into()),
        data: Some(Payload::from_value(data)),
        ..NewEvent::default()
    }
}

async fn shown(engine: &Engine, id: &str) -> Value {
    serde_json::from_str(&engine.event(TENANT, id).await.expect("is there")).expect("JSON")
}

fn column(list: &Value, name: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items.map(|item| item[name].as_str().expect("text").to_owned()).collect()
}

/// Waits until an execution is in this state.
async fn until(engine: &Engine, id: &str, state: &str) {
    for _ in 0..1_000 {
        let seen: Value = serde_json::from_str(&engine.status(TENANT, id, None).await.expect("answers")).expect("JSON");
        if seen["state"] == state {
            return;
        }
        let clock = &engine.inner.ports.clock;
        clock.sleep_until(clock.now().plus(1)).await;
    }
    panic!("{id} is never {state}");
}

#[test]
fn an_event_starts_what_it_matches_and_says_why_the_rest_stays_quiet() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, on("always", "order.placed", None)).await.expect("deploys");
        deploy(&engine, on("large", "order.*", Some("total > 1000"))).await.expect("deploys");
        deploy(&engine, on("throws", "**", Some("event.data.no.such"))).await.expect("deploys");
        deploy(&engine, on("other", "order.cancelled", None)).await.expect("deploys");
        let mut off = on("off", "order.placed", None);
        off["enabled"] = json!(false);
        deploy(&engine, off).await.expect("deploys");
        let mut missing = on("missing", "order.placed", None);
        missing["steps"][0]["function"] = json!("nobody");
        engine.registry().create_workflow(TENANT, missing).await.expect("accepted");
        let published = engine.publish(TENANT, placed("e1", &json!({"total": 5}))).await.expect("publishes");
        assert!(published.is_new);
        let event = shown(&engine, "e1").await;
        assert_eq!(column(&event["started"], "workflowId"), ["always"], "{event:#}");
        let quiet: BTreeMap<_, _> =
            column(&event["notStarted"], "workflowId").into_iter().zip(column(&event["notStarted"], "code")).collect();
        let expected = [
            ("large", "condition_false"),
            ("missing", "missing_functions"),
            ("off", "workflow_disabled"),
            ("throws", "condition_failed"),
        ];
        let expected: BTreeMap<_, _> = expected.map(|(id, code)| (id.to_owned(), code.to_owned())).into();
        assert_eq!((quiet, &event["settled"]), (expected, &json!(true)));
        let ended = finished(&engine, event["started"][0]["executionId"].as_str().expect("id")).await;
        assert_eq!(ended["trigger"], json!({"type": "event", "eventId": "e1"}));
        assert_eq!(ended["result"]["keys"], json!(["total"]), "the input is the event's data: {ended:#}");
    })
    .expect("lives");
}

#[test]
fn the_same_event_is_the_first_one_and_another_sources_id_is_another_event() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, on("w", "order.placed", None)).await.expect("deploys");
        let all = (0..10).map(|n| engine.publish(TENANT, placed("e1", &json!({ "n": n }))));
        let all: Vec<_> =
            futures_util::future::join_all(all).await.into_iter().map(|p| p.expect("publishes")).collect();
        assert_eq!(all.iter().filter(|publication| publication.is_new).count(), 1);
        assert!(all.iter().all(|publication| publication.event == all[0].event));
        let other = NewEvent { source: "till".into(), ..placed("e1", &json!({})) };
        let other = engine.publish(TENANT, other.clone()).await.expect("publishes").event.to_value();
        assert_eq!(other["metadata"]["sourceId"], "e1");
        assert!(other["id"].as_str().expect("id").starts_with("evt-"));
        let path = NewEvent { id: Some("a/b".into()), ..placed("", &json!({})) };
        let path = engine.publish(TENANT, path).await.expect("publishes").event.to_value();
        assert_eq!(path["metadata"]["sourceId"], "a/b", "an id that cannot stand in an address");
        let list = engine.events(TENANT, &crate::EventQuery { limit: 9, ..Default::default() }).await.expect("lists");
        assert_eq!((list.items.len(), list.next), (3, None));
    })
    .expect("lives");
}

const MATCHING: usize = 5;

async fn deploy_some(engine: &Engine) {
    if engine.registry().workflow(TENANT, "waits").await.is_ok() {
        return;
    }
    for n in 0..MATCHING {
        deploy(engine, on(&format!("w{n}"), "order.placed", None)).await.expect("deploys");
    }
    let waits = json!({"id": "waits", "steps": [
        {"id": "wait", "type": "event", "config": {"eventType": "order.*", "match": "event.data.n === input.n"}, "next": "wait"}
    ]});
    match engine.registry().create_workflow(TENANT, waits).await {
        Ok(_) | Err(Error::Conflict { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Publishes, again and again until there is an answer; the executions that it started, and the journal of the one that waits.
fn publish_through_deaths(disk: &mut Disk) -> (Vec<String>, String) {
    for _ in 0..4 {
        let seen = disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy_some(&engine).await;
            let waiting = engine.start_execution(TENANT, request("waits", Some("one"))).await.expect("starts");
            until(&engine, &waiting.to_string(), "waiting_event").await;
            engine.publish(TENANT, placed("e1", &json!({"n": 1}))).await.expect("publishes");
            let event = shown(&engine, "e1").await;
            assert_eq!((&event["settled"], event["notStarted"].as_array().map(Vec::len)), (&json!(true), Some(0)));
            assert_eq!(column(&event["delivered"], "executionId"), [waiting.to_string()], "{event:#}");
            let started = column(&event["started"], "executionId");
            for id in &started {
                assert_eq!(finished(&engine, id).await["status"], "completed");
            }
            (started, waiting.to_string())
        });
        if let Some(seen) = seen {
            return seen;
        }
    }
    panic!("it dies again and again");
}

#[test]
fn a_host_that_dies_at_any_commit_starts_everything_once() {
    let mut disk = Disk::new();
    let (started, _) = publish_through_deaths(&mut disk);
    let commits = disk.store.accepted();
    assert!(started.len() == MATCHING && commits > 15, "{commits}");
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in 0..commits {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            let (started, waiting) = publish_through_deaths(&mut disk);
            let case = format!("{point:?} commit {commit}");
            assert_eq!(started.iter().collect::<BTreeSet<_>>().len(), MATCHING, "{case}");
            let listed = disk.life(FakeRuntime::new(own_step), |engine| async move {
                let list = crate::ListRequest { limit: 100, ..Default::default() };
                engine.executions(TENANT, &list).await.expect("lists").items.len()
            });
            assert_eq!(listed, Some(MATCHING + 1), "{case}: nothing was started twice");
            let got = disk.journal(&waiting).into_iter().filter(|entry| matches!(entry, Entry::EventReceived { .. }));
            assert_eq!(got.count(), 1, "{case}: the step got it once");
        }
    }
}

#[test]
fn a_store_that_is_unsure_loses_no_event() {
    let deployed = || {
        let mut disk = Disk::new();
        disk.life(FakeRuntime::new(own_step), |engine| async move { deploy_some(&engine).await }).expect("lives");
        disk
    };
    let mut disk = deployed();
    let before = disk.store.accepted();
    publish_through_deaths(&mut disk);
    for point in [FaultPoint::Refuse, FaultPoint::Unsure] {
        for commit in before..disk.store.accepted() {
            let mut disk = deployed();
            disk.store.fail_at(commit, point);
            let (started, _) = publish_through_deaths(&mut disk);
            assert_eq!((started.len(), disk.lives), (MATCHING, 2), "{point:?} commit {commit}");
        }
    }
}

#[test]
fn an_event_reaches_every_step_that_waits_for_it_and_no_other() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, on("w", "never", None)).await.expect("deploys");
        let types = json!(["order.placed", "order.*", "*.*"]);
        let mut waiting = BTreeSet::new();
        for (id, config) in [
            ("all", json!({"eventTypes": types})),
            ("exact", json!({"eventType": "order.placed"})),
            ("match", json!({"eventType": "*.placed", "match": "event.data.n === input.n"})),
            ("source", json!({"eventType": "order.placed", "source": "till"})),
            ("type", json!({"eventType": "order.cancelled"})),
            ("throws", json!({"eventType": "order.placed", "match": "nobody.knows"})),
            ("no-match", json!({"eventType": "order.placed", "match": "event.data.n === 2"})),
        ] {
            let steps = json!([{"id": "wait", "type": "event", "config": config}]);
            engine.registry().create_workflow(TENANT, json!({"id": id, "steps": steps})).await.expect("accepted");
            let execution = engine.start_execution(TENANT, request(id, None)).await.expect("starts").to_string();
            until(&engine, &execution, "waiting_event").await;
            waiting.insert((id, execution));
        }
        engine.publish(TENANT, placed("e1", &json!({"n": 1}))).await.expect("publishes");
        let event = shown(&engine, "e1").await;
        let got: BTreeSet<_> = column(&event["delivered"], "executionId").into_iter().collect();
        for (id, execution) in waiting {
            assert_eq!(got.contains(&execution), ["all", "exact", "match"].contains(&id), "{id}: {event:#}");
            if got.contains(&execution) {
                assert_eq!(finished(&engine, &execution).await["result"]["data"], json!({"n": 1}), "{id}");
            }
        }
        assert!(column(&event["notDelivered"], "reason")[0].contains("nobody"), "{event:#}");
    })
    .expect("lives");
}

#[test]
fn a_step_that_waits_since_the_start_sees_what_came_before() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let steps = json!([
            {"id": "first", "type": "wait", "config": {"duration": "1h"}, "next": "second"},
            {"id": "second", "type": "event", "config": {"eventType": "order.*", "since": "start", "match": "event.data.n >= input.n"}}
        ]);
        engine.registry().create_workflow(TENANT, json!({"id": "w", "steps": steps})).await.expect("accepted");
        let publish = |id: &'static str, n: u32| engine.publish(TENANT, placed(id, &json!({ "n": n })));
        publish("too-early", 5).await.expect("publishes");
        let clock = engine.inner.ports.clock.clone();
        clock.sleep_until(clock.now().plus(10)).await;
        let id = engine.start_execution(TENANT, request("w", None)).await.expect("starts").to_string();
        for (id, n) in [("other", 0), ("this", 3), ("later", 4)] {
            clock.sleep_until(clock.now().plus(10)).await;
            publish(id, n).await.expect("publishes");
        }
        let ended = finished(&engine, &id).await;
        assert_eq!((&ended["status"], &ended["result"]["id"]), (&json!("completed"), &json!("this")), "{ended:#}");
        assert_eq!(column(&shown(&engine, "this").await["delivered"], "step"), ["second"]);
    })
    .expect("lives");
}

#[test]
fn a_step_that_waits_in_vain_times_out_and_a_late_event_changes_nothing() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let steps = json!([{"id": "wait", "type": "event", "config": {"eventType": "order.placed", "timeout": "1s"}}]);
        engine.registry().create_workflow(TENANT, json!({"id": "w", "steps": steps})).await.expect("accepted");
        let ended = run(&engine, "w").await;
        assert_eq!(ended["errorDetails"]["code"], "event_timeout", "{ended:#}");
        engine.publish(TENANT, placed("late", &json!({}))).await.expect("publishes");
        assert_eq!(shown(&engine, "late").await["delivered"], json!([]));
        let left = engine.inner.ports.store.documents(
            TENANT,
            crate::ports::DocumentKind::EventWait,
            "",
            crate::ports::Page { after: None, limit: 9 },
        );
        assert_eq!(left.await.expect("reads"), [], "nobody waits any more");
    })
    .expect("lives");
}

#[test]
fn what_cannot_be_an_event_is_refused() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        for (field, bad) in [
            ("type", NewEvent { kind: "order.*".into(), ..placed("e", &json!({})) }),
            ("type", NewEvent { kind: "x".repeat(10 << 10), ..placed("e", &json!({})) }),
            ("type", NewEvent { kind: String::new(), ..placed("e", &json!({})) }),
            ("source", NewEvent { source: String::new(), ..placed("e", &json!({})) }),
            ("id", placed("", &json!({}))),
            ("id", placed("a\0b", &json!({}))),
            ("timestamp", NewEvent { timestamp: Some("yesterday".into()), ..placed("e", &json!({})) }),
            ("metadata", NewEvent { metadata: Some(Payload::null()), ..placed("e", &json!({})) }),
        ] {
            let refused = engine.publish(TENANT, bad).await;
            assert!(matches!(refused, Err(Error::WrongShape { field: f, .. }) if f == field), "{field}: {refused:?}");
        }
        let own = NewEvent { kind: "stepwell.execution.completed".into(), ..placed("e", &json!({})) };
        assert!(matches!(engine.publish(TENANT, own).await, Err(Error::Refused { code: "reserved_type", .. })));
        let large = engine.publish(TENANT, placed("e", &json!("x".repeat(300 << 10)))).await;
        assert!(matches!(large, Err(Error::TooLarge { limit: "payload_bytes", .. })));
        assert!(matches!(engine.event(TENANT, "e").await, Err(Error::NotFound { what: "event", .. })));
        engine.publish(TENANT, placed("e", &json!({}))).await.expect("publishes");
        assert!(matches!(engine.event(TenantId(2), "e").await, Err(Error::NotFound { .. })));
    })
    .expect("lives");
}

#[test]
fn the_ends_of_executions_are_events_where_somebody_names_them_and_no_circle_goes_on_for_ever() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, on("all", "**", None)).await.expect("deploys");
        deploy(&engine, on("plain", "never", None)).await.expect("deploys");
        run(&engine, "plain").await;
        engine.inner.attempts.idle().await;
        let query = crate::EventQuery { limit: 100, ..Default::default() };
        assert_eq!(engine.events(TENANT, &query).await.expect("lists").items, [], "nobody asked for ends");
        deploy(&engine, on("circle", "stepwell.execution.*", Some("event.data.workflowId === 'circle'")))
            .await
            .expect("deploys");
        let first = engine.start_execution(TENANT, request("circle", None)).await.expect("starts").to_string();
        finished(&engine, &first).await;
        engine.inner.attempts.idle().await;
        let events = engine.events(TENANT, &query).await.expect("lists").items;
        assert_eq!(events.len(), 17, "the first end, and those of sixteen more");
        let last = shown(&engine, events[0].to_value()["id"].as_str().expect("id")).await;
        assert_eq!(last["notStarted"][0]["code"], "depth_limit", "{last:#}");
        assert_eq!(last["data"]["trigger"]["type"], "event");
    })
    .expect("lives");
}

#[test]
fn an_end_is_told_once_wherever_the_host_dies() {
    let live = |disk: &mut Disk| {
        disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy(&engine, on("notice", "stepwell.execution.completed", Some("event.data.workflowId === 'plain'")))
                .await
                .expect("deploys");
            deploy(&engine, on("plain", "never", None)).await.expect("deploys");
            let ended = run(&engine, "plain").await;
            // Time jumps only when nothing else can go on.
            let clock = &engine.inner.ports.clock;
            clock.sleep_until(clock.now().plus(10_000)).await;
            let list = crate::ListRequest { workflow: Some("notice".into()), limit: 10, ..Default::default() };
            let told = engine.executions(TENANT, &list).await.expect("lists").items.len();
            (ended["status"].clone(), told)
        })
    };
    let mut disk = Disk::new();
    live(&mut disk);
    let commits = disk.store.accepted();
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in 0..commits {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            let seen = live(&mut disk).or_else(|| live(&mut disk));
            assert_eq!(seen, Some((json!("completed"), 1)), "{point:?} commit {commit}");
        }
    }
}
