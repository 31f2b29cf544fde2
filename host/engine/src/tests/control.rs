//! Children, and what people do to executions, over crashes.

use super::*;
use crate::{Control, RerunRequest};

/// A parent that waits for a child with two steps.
fn family() -> [Value; 2] {
    [
        json!({"id": "parent", "steps": [
            {"id": "before", "type": "function", "function": "before", "next": "child"},
            {"id": "child", "type": "workflow", "config": {"workflow": "child", "input": {"n": "{{ result.at }}"}}, "next": "after"},
            {"id": "after", "type": "function", "function": "after"}
        ]}),
        json!({"id": "child", "steps": [
            {"id": "one", "type": "function", "function": "one", "next": "two"},
            {"id": "two", "type": "function", "function": "two"}
        ]}),
    ]
}

async fn deploy_family(engine: &Engine) {
    for workflow in family() {
        deploy(engine, workflow).await.expect("deploys");
    }
}

#[test]
fn a_crash_at_any_commit_starts_no_child_twice_and_loses_no_end() {
    for point in 1..80 {
        let mut disk = Disk::new();
        let deployed = disk.life(FakeRuntime::new(own_step), |engine| async move { deploy_family(&engine).await });
        assert!(deployed.is_some());
        disk.store.fail_at(disk.store.accepted() + point, FaultPoint::After);
        let first = disk.life(FakeRuntime::new(own_step), |engine| async move { run(&engine, "parent").await });
        let ended = match &first {
            Some(answer) => answer.clone(),
            None => disk
                .life(FakeRuntime::new(own_step), |engine| async move { run(&engine, "parent").await })
                .expect("the second life sees the end"),
        };
        assert_eq!(ended["status"], "completed", "{point}: {ended}");
        let by_step = disk.calls_by_step();
        for step in ["before", "one", "two", "after"] {
            let keys: std::collections::BTreeSet<&String> = by_step[step].iter().collect();
            assert_eq!(keys.len(), 1, "{point}: one child, one key of {step}: {keys:?}");
        }
        if first.is_some() {
            return; // the fault lies behind the end
        }
    }
    panic!("the run never got past the faults");
}

#[test]
fn a_missing_workflow_fails_the_step() {
    let answer = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, family()[0].clone()).await.expect("deploys");
        run(&engine, "parent").await
    });
    let answer = answer.expect("lives");
    assert_eq!((&answer["status"], &answer["errorDetails"]["code"]), (&json!("failed"), &json!("workflow_not_found")));
}

#[test]
fn cancelling_a_parent_cancels_its_child() {
    let answer = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, family()[0].clone()).await.expect("deploys");
        let child = json!({"id": "child", "steps": [{"id": "ask", "type": "human"}]});
        deploy(&engine, child).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("parent", None)).await.expect("starts").to_string();
        let child = loop {
            let answer = engine.status(TENANT, &id, Some(Duration::from_millis(10))).await.expect("answers");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            if let Some(child) = answer["steps"]["child"]["childExecutionId"].as_str()
                && engine.status(TENANT, child, None).await.is_ok()
            {
                break child.to_owned();
            }
        };
        let reason = Some("enough".to_owned());
        engine.control(TENANT, &id, Control::Cancel { reason }, Some("me".to_owned())).await.expect("cancels");
        (finished(&engine, &id).await, finished(&engine, &child).await)
    });
    let (parent, child) = answer.expect("lives");
    assert_eq!((&parent["state"], &child["state"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(parent["error"], "the execution was cancelled by me: enough");
}

#[test]
fn a_failed_execution_is_tried_again_and_rerun() {
    let runtime = || {
        let failed = std::sync::atomic::AtomicBool::new(false);
        FakeRuntime::new(move |call: &Invocation| {
            let first = call.context.step == "ship" && !failed.swap(true, std::sync::atomic::Ordering::SeqCst);
            if first {
                let (code, message) = ("no_stock".into(), "nothing left".into());
                return Err(Fault::Failed { code, message, details: None, retry: Retry::Never });
            }
            own_step(call)
        })
    };
    let mut disk = Disk::new();
    let answer = disk.life(runtime(), |engine| async move {
        let mut workflow = order();
        workflow["steps"][4]["config"] = json!({});
        deploy(&engine, workflow).await.expect("deploys");
        let failed = run(&engine, "order").await;
        let id = failed["executionId"].as_str().expect("an id").to_owned();
        let refused = engine.control(TENANT, &id, Control::Pause, None).await;
        engine.control(TENANT, &id, Control::Retry, Some("me".to_owned())).await.expect("tries again");
        let retried = finished(&engine, &id).await;
        let again = engine.control(TENANT, &id, Control::Retry, None).await;
        let request = RerunRequest { from_step: Some("stock".to_owned()), ..RerunRequest::default() };
        let rerun = engine.rerun(TENANT, &id, request).await.expect("starts").to_string();
        let unknown = RerunRequest { from_step: Some("refuse".to_owned()), ..RerunRequest::default() };
        let unreached = engine.rerun(TENANT, &id, unknown).await;
        (failed, refused, retried, again, finished(&engine, &rerun).await, unreached)
    });
    let (failed, refused, retried, again, rerun, unreached) = answer.expect("lives");
    assert_eq!(failed["errorDetails"]["code"], "no_stock");
    assert!(matches!(refused, Err(Error::Conflict { code: "execution_ended", .. })), "{refused:?}");
    assert_eq!((&retried["status"], &retried["steps"]["ship"]["attempts"]), (&json!("completed"), &json!(2)));
    assert!(matches!(again, Err(Error::Conflict { code: "not_failed", .. })), "{again:?}");
    assert_eq!((&rerun["status"], &rerun["trigger"]["type"]), (&json!("completed"), &json!("rerun")));
    assert!(matches!(unreached, Err(Error::Refused { code: "step_not_reached", .. })), "{unreached:?}");
    let calls = disk.calls_by_step();
    let count = |step: &str| calls[step].len();
    assert_eq!((count("validate"), count("mail"), count("stock"), count("ship")), (1, 1, 2, 3));
    assert_eq!(calls["ship"][0], calls["ship"][1], "a retry keeps its idempotency key");
    assert_ne!(calls["ship"][1], calls["ship"][2], "a rerun is another execution");
}

#[test]
fn a_paused_execution_stays_paused_over_a_restart() {
    let mut disk = Disk::new();
    let id = disk.life(FakeRuntime::new(own_step), |engine| async move {
        let waits = json!({"id": "w", "type": "wait", "config": {"duration": 50}, "next": "validate"});
        let mut workflow = order();
        workflow["steps"].as_array_mut().expect("steps").insert(0, waits);
        deploy(&engine, workflow).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts").to_string();
        engine.control(TENANT, &id, Control::Pause, Some("me".to_owned())).await.expect("pauses");
        id
    });
    let id = id.expect("lives");
    let ended = disk.life(FakeRuntime::new(own_step), |engine| async move {
        let before = engine.status(TENANT, &id, Some(Duration::from_secs(60))).await.expect("answers");
        let before: Value = serde_json::from_str(&before).expect("JSON");
        engine.control(TENANT, &id, Control::Resume, None).await.expect("goes on");
        engine.control(TENANT, &id, Control::Resume, None).await.expect("is not an error");
        (before, finished(&engine, &id).await)
    });
    let (before, after) = ended.expect("lives");
    assert_eq!((&before["state"], &after["status"]), (&json!("paused"), &json!("completed")));
}
