//! Admission: what is started, what is refused, what is started once.

use super::*;

fn with_order<T, F: Future<Output = T>>(test: impl FnOnce(Engine) -> F) -> T {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        test(engine).await
    })
    .expect("lives")
}

#[test]
fn the_same_idempotency_key_starts_one_execution() {
    with_order(|engine| async move {
        let first = engine.start_execution(TENANT, request("order", Some("k"))).await.expect("starts");
        let again = engine.start_execution(TENANT, request("order", Some("k"))).await.expect("starts");
        let other = engine.start_execution(TENANT, request("order", Some("l"))).await.expect("starts");
        assert!(first == again && first != other);
        let mut different = request("order", Some("k"));
        different.input = None;
        let refused = engine.start_execution(TENANT, different).await;
        assert!(matches!(refused, Err(Error::Refused { code: "idempotency_key_reused", .. })), "{refused:?}");
    });
}

#[test]
fn the_same_key_at_the_same_time_starts_one_execution() {
    with_order(|engine| async move {
        let starts = (0..10).map(|_| engine.start_execution(TENANT, request("order", Some("k"))));
        let ids: Vec<_> =
            futures_util::future::join_all(starts).await.into_iter().map(|id| id.expect("starts")).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    });
}

#[test]
fn what_cannot_be_started_is_refused_with_a_reason() {
    with_order(|engine| async move {
        let unknown = engine.start_execution(TENANT, request("nothing", None)).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "workflow", .. })));
        let other_tenant = engine.start_execution(TenantId(2), request("order", None)).await;
        assert!(matches!(other_tenant, Err(Error::NotFound { .. })), "another tenant's id does not exist");
        let mut large = request("order", None);
        large.input = Some(Payload::from_value(&json!("x".repeat(300 << 10))));
        let large = engine.start_execution(TENANT, large).await;
        assert!(matches!(large, Err(Error::TooLarge { limit: "payload_bytes", .. })));
        let steps = json!([{"id": "a", "type": "function", "function": "nobody"}]);
        let missing =
            engine.registry().create_workflow(TENANT, json!({"name": "m", "steps": steps})).await.expect("accepted");
        assert_eq!(missing.answer()["warnings"][0]["code"], "unregistered_function");
        let missing = engine.start_execution(TENANT, request("m", None)).await;
        assert!(matches!(missing, Err(Error::MissingFunctions(ids)) if ids == ["nobody"]));
        let disabled = json!({"id": "off", "enabled": false, "steps": order()["steps"]});
        engine.registry().create_workflow(TENANT, disabled).await.expect("accepted");
        let disabled = engine.start_execution(TENANT, request("off", None)).await;
        assert!(matches!(disabled, Err(Error::Refused { code: "workflow_disabled", .. })));
    });
}

#[test]
fn a_workflow_of_conditions_ends_with_its_start() {
    with_order(|engine| async move {
        let steps = json!([{"id": "x", "type": "condition", "condition": "input.n === 1"}]);
        engine.registry().create_workflow(TENANT, json!({"id": "c", "steps": steps})).await.expect("accepted");
        let answer = run(&engine, "c").await;
        assert_eq!((&answer["status"], &answer["result"]), (&json!("completed"), &json!({"n": 1})));
    });
}

#[test]
fn an_execution_keeps_the_functions_that_it_started_with() {
    let mut disk = Disk::new();
    let seen = disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let before = engine.registry().function(TENANT, "ship").await.expect("reads").expect("is there").digest;
        let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts");
        let upload = Upload::new("ship", Artifact::wasm(&b"another one"[..]));
        let deployed = engine.registry().deploy(TENANT, upload).await.expect("deploys");
        assert_eq!(deployed.functions[0].version, 2);
        finished(&engine, &id.to_string()).await;
        before
    });
    let called =
        disk.calls.lock().expect("calls").iter().find(|call| call.context.step == "ship").map(|call| call.component);
    assert_eq!(called, seen);
}

#[test]
fn the_history_tells_each_step() {
    with_order(|engine| async move {
        let answer = run(&engine, "order").await;
        let id = answer["executionId"].as_str().expect("id");
        let all = engine.history(TENANT, id, (0, 100)).await.expect("reads");
        let steps: Vec<_> = all.items.iter().filter_map(|line| line["step"].as_str()).collect();
        assert_eq!((steps.len(), steps[0], steps[3]), (4, "validate", "ship"));
        assert_eq!((&all.items[0]["entry"], all.next), (&json!("started"), None));
        let part = engine.history(TENANT, id, (1, 2)).await.expect("reads");
        assert_eq!((part.items.len(), part.next), (2, Some(3)));
        assert!(matches!(engine.history(TenantId(9), id, (0, 1)).await, Err(Error::NotFound { .. })));
    });
}

#[test]
fn the_same_request_gets_the_same_answer_even_if_nothing_else_is_accepted() {
    let mut disk = Disk::new();
    let first = disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        engine.start_execution(TENANT, request("order", Some("k"))).await.expect("starts")
    });
    // As if the workflow had been disabled since.
    let stored = futures_util::FutureExt::now_or_never(async {
        let kind = crate::ports::DocumentKind::Workflow;
        let bytes = disk.store.document(TENANT, kind, "order").await.expect("reads").expect("is there");
        let mut document: Value = serde_json::from_slice(&bytes).expect("JSON");
        document["definition"]["enabled"] = json!(false);
        let value = Some(Bytes::from(document.to_string()));
        let write =
            crate::ports::DocumentWrite { kind, key: "order".into(), value, expect: crate::ports::Expect::Anything };
        let transition = crate::ports::Transition { tenant: TENANT, execution: None, documents: vec![write] };
        disk.store.commit(vec![transition]).await
    });
    assert!(stored.expect("at once")[0].is_ok());
    let again = disk.life(FakeRuntime::new(own_step), |engine| async move {
        let other = engine.start_execution(TENANT, request("order", None)).await;
        assert!(matches!(other, Err(Error::Refused { code: "workflow_disabled", .. })));
        engine.start_execution(TENANT, request("order", Some("k"))).await.expect("the first answer")
    });
    assert_eq!(again, first);
}

#[test]
fn a_caller_who_hangs_up_leaves_no_execution_lying() {
    with_order(|engine| async move {
        // Polled once: until the start waits for its commit, and no further.
        let start = engine.start_execution(TENANT, request("order", Some("k")));
        assert!(futures_util::FutureExt::now_or_never(start).is_none());
        engine.inner.committer.settled().await;
        let answer = run_with(&engine, "k").await;
        assert_eq!(answer["status"], "completed");
    });
}

async fn run_with(engine: &Engine, key: &str) -> Value {
    let id = engine.start_execution(TENANT, request("order", Some(key))).await.expect("starts").to_string();
    finished(engine, &id).await
}

#[test]
fn a_start_is_seen_in_the_moment_between_its_commit_and_its_place_in_the_table() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::slow(|_| Box::pin(std::future::pending())), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts");
        let key = ExecutionKey { tenant: TENANT, id };
        let live = engine.inner.live.get(key).expect("under way");
        engine.inner.live.remove(key);
        let placing = {
            let engine = engine.clone();
            Box::new(move || engine.inner.live.insert(live))
        };
        let nothing = crate::ports::Transition { tenant: TENANT, execution: None, documents: Vec::new() };
        let committed = engine.inner.committer.commit_then(nothing, placing);
        let id = id.to_string();
        let seen = futures_util::future::join(committed, engine.status(TENANT, &id, None)).await;
        assert!(matches!(seen, (Ok(()), Ok(_))), "{seen:?}");
    })
    .expect("lives");
}

#[test]
fn a_commit_that_the_store_is_unsure_of_neither_loses_nor_doubles() {
    let lines = with_order(|engine| async move { run_with(&engine, "k").await["steps"].clone() });
    for commit in FIRST_COMMIT + 6..FIRST_COMMIT + 13 {
        let mut disk = Disk::new();
        disk.store.fail_at(commit, FaultPoint::Unsure);
        let answer = disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy(&engine, order()).await.expect("deploys");
            run_with(&engine, "k").await
        });
        let answer = answer.expect("lives");
        assert_eq!((&answer["status"], disk.calls_by_step().len()), (&json!("completed"), 4), "commit {commit}");
        assert!(disk.calls_by_step().values().all(|keys| keys.len() == 1), "commit {commit}");
        assert_eq!(answer["steps"]["ship"]["runs"], lines["ship"]["runs"]);
    }
}

#[test]
fn what_ended_leaves_no_timers_behind() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let mut timed = order();
        timed["timeout"] = json!("7d");
        deploy(&engine, timed).await.expect("deploys");
        assert_eq!(run(&engine, "order").await["status"], "completed");
        assert_eq!(engine.inner.timers.next(), None);
    })
    .expect("lives");
}
