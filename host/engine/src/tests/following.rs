//! Whoever follows an execution sees each line once, in order, when it is durable, wherever the execution is.

use super::*;
use crate::ports::RecordStatus;
use crate::{Followed, Following};
use futures_util::FutureExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// A step, a human step, a step.
fn asking() -> Value {
    json!({"id": "ask", "steps": [
        {"id": "before", "type": "function", "function": "a", "next": "who"},
        {"id": "who", "type": "human", "next": "after"},
        {"id": "after", "type": "function", "function": "a"}
    ]})
}

async fn follow(engine: &Engine, id: &str, after: Option<u32>) -> Following {
    engine.follow_execution(TENANT, id, after).await.expect("follows")
}

/// All that comes up to the end, and the end.
async fn rest(following: &mut Following) -> (Vec<Value>, Value) {
    let mut lines = Vec::new();
    loop {
        match following.next().await.expect("goes on") {
            Followed::Line { seq, kind, line } => {
                assert_eq!((&line["seq"], &line["entry"]), (&json!(seq), &json!(kind)));
                lines.push(line);
            }
            Followed::End(end) => return (lines, end),
        }
    }
}

async fn history(engine: &Engine, id: &str) -> Vec<Value> {
    engine.history(TENANT, id, (0, 1_000)).await.expect("reads").items
}

/// The kinds of the lines that are there now.
async fn present(following: &mut Following) -> Vec<String> {
    let mut kinds = Vec::new();
    // Memory answers at once: what is not there at once is waited for.
    while let Some(followed) = following.next().now_or_never() {
        let Followed::Line { kind, .. } = followed.expect("goes on") else { panic!("it has not ended") };
        kinds.push(kind);
    }
    kinds
}

async fn answer(engine: &Engine) {
    let wanted = crate::ApprovalRequest { limit: 1, ..crate::ApprovalRequest::default() };
    let approval = engine.approvals(TENANT, &wanted).await.expect("lists").items.remove(0);
    let by = stepwell_core::execution::Answer {
        by: "a".to_owned(),
        groups: Vec::new(),
        approved: true,
        comment: None,
        data: None,
    };
    engine.answer_approval(TENANT, approval["id"].as_str().expect("id"), by).await.expect("answers");
}

async fn waits(engine: &Engine, id: &str) {
    let clock = &engine.inner.ports.clock;
    while !engine.status(TENANT, id, None).await.expect("answers").contains("waiting_approval") {
        clock.sleep_until(clock.now().plus(1)).await;
    }
}

#[test]
fn lines_come_when_they_are_there_and_the_end_comes_last() {
    Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, asking()).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("ask", None)).await.expect("starts").to_string();
        waits(&engine, &id).await;
        let (mut early, mut late) = (follow(&engine, &id, None).await, follow(&engine, &id, Some(0)).await);
        assert_eq!(present(&mut early).await, ["started", "step_succeeded"]);
        assert_eq!(present(&mut late).await, ["step_succeeded"]);
        answer(&engine).await;
        let (lines, end) = rest(&mut early).await;
        assert_eq!(lines, history(&engine, &id).await[2..]);
        assert_eq!(end, json!({"executionId": id, "status": "completed", "state": "completed"}));
        assert_eq!(rest(&mut late).await, (lines, end));
        assert!(late.next().now_or_never().is_none(), "nothing comes after the end");
    });
}

#[test]
fn what_has_ended_is_told_from_any_place() {
    Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let id = run(&engine, "order").await["executionId"].as_str().expect("id").to_owned();
        let all = history(&engine, &id).await;
        assert!(all.len() > 4, "more than are read at once");
        for after in [None, Some(0), Some(3), Some(4), Some(u32::MAX)] {
            let from = after.map_or(0, |after: u32| after.saturating_add(1) as usize).min(all.len());
            let (lines, end) = rest(&mut follow(&engine, &id, after).await).await;
            assert_eq!((lines, &end["status"]), (all[from..].to_vec(), &json!("completed")), "after {after:?}");
        }
        let other = engine.follow_execution(TenantId(2), &id, None).await;
        assert!(matches!(other, Err(Error::NotFound { what: "execution", .. })), "another tenant's");
    });
}

#[test]
fn an_execution_that_is_parked_is_followed_without_bringing_it_back() {
    Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, asking()).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("ask", None)).await.expect("starts").to_string();
        let key = ExecutionKey { tenant: TENANT, id: id.parse().expect("id") };
        let mut before = follow(&engine, &id, None).await;
        let clock = &engine.inner.ports.clock;
        while engine.inner.ports.store.record(key).await.expect("reads").expect("is there").status
            != RecordStatus::Parked
        {
            clock.sleep_until(clock.now().plus(1_000)).await;
        }
        let mut parked = follow(&engine, &id, None).await;
        assert_eq!((present(&mut before).await.len(), present(&mut parked).await.len()), (2, 2));
        assert_eq!(engine.in_memory(), 0);
        answer(&engine).await;
        let (lines, _) = rest(&mut parked).await;
        assert_eq!(lines, history(&engine, &id).await[2..]);
        assert_eq!(rest(&mut before).await.0, lines);
    });
}

#[test]
fn a_retry_is_followed_from_behind_the_first_end() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let runtime =
        FakeRuntime::new(
            move |call: &Invocation| {
                if is_mended.load(Ordering::Acquire) { own_step(call) } else { Err(retryable("busy")) }
            },
        );
    Disk::new().life(runtime, |engine| async move {
        let steps = json!([{"id": "a", "type": "function", "function": "a"}]);
        deploy(&engine, json!({"id": "once", "steps": steps})).await.expect("deploys");
        let id = run(&engine, "once").await["executionId"].as_str().expect("id").to_owned();
        let mut first = follow(&engine, &id, None).await;
        let (failed, end) = rest(&mut first).await;
        assert_eq!(end["status"], "failed");
        mended.store(true, Ordering::Release);
        engine.control(TENANT, &id, crate::Control::Retry, None).await.expect("retries");
        finished(&engine, &id).await;
        let last = failed.last().expect("lines")["seq"].as_u64().expect("a number");
        let (lines, end) = rest(&mut follow(&engine, &id, u32::try_from(last).ok()).await).await;
        assert_eq!((lines[0]["entry"].as_str(), &end["status"]), (Some("retried"), &json!("completed")));
    });
}
