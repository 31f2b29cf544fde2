//! `limit {key, max}` through the engine: how many run at once, in which order, and what is left after crashes and cancels.

use super::*;
use crate::Control;
use crate::ports::{DocumentKind, Page};
use std::sync::atomic::{AtomicU32, Ordering};
use stepwell_core::ids::ExecutionId;

/// Counts how many calls are under way at once, and the most that there were.
#[derive(Default)]
struct Crowd {
    now: AtomicU32,
    most: AtomicU32,
}

fn crowded(crowd: &Arc<Crowd>) -> FakeRuntime {
    let crowd = Arc::clone(crowd);
    FakeRuntime::slow(move |call| {
        let crowd = Arc::clone(&crowd);
        Box::pin(async move {
            let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
            crowd.most.fetch_max(now, Ordering::SeqCst);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            crowd.now.fetch_sub(1, Ordering::SeqCst);
            own_step(&call)
        })
    })
}

fn one_step(limit: Value, step_limit: Value) -> Value {
    let step = json!({"id": "a", "type": "function", "function": "a", "config": {"limit": step_limit}});
    json!({"id": "one", "limit": limit, "steps": [step]})
}

async fn start(engine: &Engine, customer: u32) -> ExecutionId {
    let input = Payload::from_value(&json!({"customer": customer}));
    let request = StartRequest { input: Some(input), ..request("one", None) };
    engine.start_execution(TENANT, request).await.expect("starts")
}

async fn left_over(engine: &Engine) -> usize {
    let page = Page { after: None, limit: 100 };
    engine.inner.ports.store.documents(TENANT, DocumentKind::Place, "", page).await.expect("reads").len()
}

#[test]
fn executions_of_one_key_run_one_after_the_other_and_others_beside_them() {
    let (mut disk, crowd) = (Disk::new(), Arc::new(Crowd::default()));
    disk.life(crowded(&crowd), |engine| async move {
        let limit = json!({"key": "input.customer", "max": 1});
        deploy(&engine, one_step(limit, Value::Null)).await.expect("deploys");
        let (mut ids, mut shown) = (Vec::new(), Vec::new());
        for customer in [1, 1, 1, 2] {
            ids.push(start(&engine, customer).await.to_string());
        }
        for id in &ids {
            let answer = engine.status(TENANT, id, None).await.expect("answers");
            shown.push(serde_json::from_str::<Value>(&answer).expect("JSON"));
        }
        assert_eq!(shown[2]["limit"], json!({"key": "1", "max": 1, "waiting": true}));
        assert_eq!((&shown[2]["status"], &shown[2]["state"]), (&json!("pending"), &json!("queued")));
        for id in &ids {
            assert_eq!(finished(&engine, id).await["status"], "completed");
        }
        assert_eq!(left_over(&engine).await, 0, "nothing is left of them");
    })
    .expect("lives");
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2, "one of each customer");
    let order: Vec<_> =
        disk.calls.lock().expect("calls").iter().map(|call| call.context.execution_id.clone()).collect();
    assert_eq!(order.len(), 4);
}

#[test]
fn places_outlive_the_process_and_go_on_when_their_owners_are_cancelled() {
    let mut disk = Disk::new();
    let never = FakeRuntime::slow(|_| Box::pin(std::future::pending()));
    let ids = disk.life(never, |engine| async move {
        deploy(&engine, one_step(json!({"max": 1}), Value::Null)).await.expect("deploys");
        let mut ids = Vec::new();
        for customer in 0..4 {
            ids.push(start(&engine, customer).await.to_string());
            tokio::time::advance(Duration::from_millis(5)).await;
        }
        // Long enough for those that wait to leave the memory.
        tokio::time::advance(Duration::from_secs(10)).await;
        ids
    });
    let ids = ids.expect("lives");
    let never = FakeRuntime::slow(|_| Box::pin(std::future::pending()));
    let after = ids.clone();
    disk.life(never, |engine| async move {
        let cancel = |id: String| {
            let engine = engine.clone();
            async move { engine.control(TENANT, &id, Control::Cancel { reason: None }, None).await.expect("cancels") }
        };
        cancel(after[1].clone()).await;
        cancel(after[0].clone()).await;
    })
    .expect("lives");
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        for id in &ids[2..] {
            assert_eq!(finished(&engine, id).await["status"], "completed");
        }
        assert_eq!(left_over(&engine).await, 0);
    })
    .expect("lives");
}

#[test]
fn a_failed_execution_gives_its_place_on_and_a_retry_takes_it_again() {
    let mut disk = Disk::new();
    let fails = AtomicU32::new(1);
    let runtime = FakeRuntime::new(move |call| {
        if fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Fault::OutOfFuel);
        }
        own_step(call)
    });
    disk.life(runtime, |engine| async move {
        deploy(&engine, one_step(json!({"key": "'all-' + input.customer", "max": 1}), Value::Null))
            .await
            .expect("deploys");
        let (first, second) = (start(&engine, 1).await.to_string(), start(&engine, 1).await.to_string());
        assert_eq!(finished(&engine, &first).await["status"], "failed");
        assert_eq!(finished(&engine, &second).await["status"], "completed");
        engine.control(TENANT, &first, Control::Retry, None).await.expect("tries again");
        assert_eq!(finished(&engine, &first).await["status"], "completed");
        assert_eq!(left_over(&engine).await, 0);
    })
    .expect("lives");
}

#[test]
fn a_key_that_cannot_be_told_is_the_failure_of_the_execution() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, one_step(json!({"key": "input.no.such", "max": 1}), Value::Null)).await.expect("deploys");
        let id = start(&engine, 1).await.to_string();
        assert_eq!(finished(&engine, &id).await["errorDetails"]["code"], "expression_error");
        deploy(
            &engine,
            json!({"id": "two", "steps": one_step(Value::Null, json!({"key": "input.no.such", "max": 1}))["steps"]}),
        )
        .await
        .expect("deploys");
        let id = engine.start_execution(TENANT, request("two", None)).await.expect("starts").to_string();
        let ended = finished(&engine, &id).await;
        assert_eq!(
            (&ended["errorDetails"]["code"], &ended["errorDetails"]["step"]),
            (&json!("expression_error"), &json!("a"))
        );
    })
    .expect("lives");
}

#[test]
fn attempts_of_one_key_are_limited_in_all_executions_together() {
    let (mut disk, crowd) = (Disk::new(), Arc::new(Crowd::default()));
    disk.life(crowded(&crowd), |engine| async move {
        let limit = json!({"key": "customer-{{ input.customer }}", "max": 2});
        deploy(&engine, one_step(Value::Null, limit)).await.expect("deploys");
        let mut ids = Vec::new();
        for _ in 0..7 {
            ids.push(start(&engine, 1).await.to_string());
        }
        for id in &ids {
            assert_eq!(finished(&engine, id).await["status"], "completed");
        }
    })
    .expect("lives");
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2);
}
