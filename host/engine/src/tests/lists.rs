//! Lists: what is live as it is now, what has ended as it was, and nothing that the request does not ask for.

use super::{Disk, TENANT, deploy, finished, order, own_step, request, run};
use crate::fakes::FakeRuntime;
use crate::ports::{
    Claim, ExecutionFilter, ExecutionKey, Fault, OUTLINE_BYTES, Record, RecordStatus, Store, Transition,
};
use crate::{Engine, ListRequest, ShownStatus};
use bytes::Bytes;
use serde_json::{Value, json};
use stepwell_core::failure::Retry;

async fn list(engine: &Engine, statuses: &[ShownStatus]) -> Vec<Value> {
    let statuses = (!statuses.is_empty()).then(|| statuses.iter().copied().collect());
    let request = ListRequest { statuses, limit: 200, ..ListRequest::default() };
    engine.executions(TENANT, &request).await.expect("lists").items
}

fn words(items: &[Value]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (item["status"].as_str().unwrap_or(""), item["state"].as_str().unwrap_or(""))).collect()
}

/// A step that never ends in this life.
fn endless() -> FakeRuntime {
    FakeRuntime::new(|call| if call.context.step == "ship" { Err(Fault::NoCapacity) } else { own_step(call) })
}

#[test]
fn an_execution_is_listed_as_it_is_now() {
    let mut disk = Disk::new();
    let id = disk.life(endless(), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts").to_string();
        let waited = std::time::Duration::from_secs(1);
        engine.status(TENANT, &id, Some(waited)).await.expect("waits");
        assert_eq!(words(&list(&engine, &[ShownStatus::Running]).await), [("running", "running")]);
        assert_eq!(list(&engine, &[ShownStatus::Pending]).await, [Value::Null; 0]);
        // More than there are turns for.
        let turns = engine.limits().slots.total;
        for _ in 0..turns {
            engine.start_execution(TENANT, request("order", None)).await.expect("starts");
        }
        engine.status(TENANT, &id, Some(waited)).await.expect("waits");
        assert_eq!(words(&list(&engine, &[ShownStatus::Pending]).await), [("pending", "queued")]);
        let all = list(&engine, &[]).await;
        assert_eq!((all.len(), all.iter().filter(|item| item["status"] == "running").count()), (turns + 1, turns));
        id
    });
    let id = id.expect("lives");
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let ended = finished(&engine, &id).await;
        let listed = list(&engine, &[ShownStatus::Completed]).await;
        let listed: Vec<_> = listed.into_iter().filter(|item| item["executionId"] == id).collect();
        assert_eq!(words(&listed), [("completed", "completed")]);
        assert_eq!(listed[0]["endedAt"], ended["endedAt"]);
        assert_eq!((listed[0].get("steps"), listed[0].get("result")), (None, None));
        assert_eq!(list(&engine, &[ShownStatus::Failed]).await, [Value::Null; 0]);
    });
}

#[test]
fn errors_are_listed_short_and_whole_where_they_cannot_be_stored_short() {
    let mut disk = Disk::new();
    // Each character of the second one is six bytes of JSON.
    for message in ["ü".repeat(3_000), "\u{1}".repeat(3_000)] {
        let text = message.clone();
        let fails = FakeRuntime::new(move |_| {
            let details = Some(stepwell_core::payload::Payload::from_value(&json!({"large": "x".repeat(9_000)})));
            Err(Fault::Failed { code: "bad".into(), message: text.clone(), details, retry: Retry::Never })
        });
        disk.life(fails, |engine| async move {
            deploy(&engine, order()).await.expect("deploys");
            let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts").to_string();
            finished(&engine, &id).await;
            let listed = list(&engine, &[ShownStatus::Failed]).await;
            let newest = listed.iter().find(|item| item["executionId"] == id).expect("it is listed");
            assert_eq!((&newest["errorDetails"]["code"], &newest["status"]), (&json!("bad"), &json!("failed")));
            let shown = newest["errorDetails"]["message"].as_str().expect("text");
            assert!(shown.ends_with('…') && shown.len() < 500 && message.starts_with(shown.trim_end_matches('…')));
            assert!(newest["error"].as_str().is_some_and(|error| error.ends_with('…')));
            assert_eq!(newest["errorDetails"].get("details"), None);
        });
    }
    let all = ExecutionFilter::default();
    let stored = disk.store.executions(TENANT, &all, None, 9);
    let stored = futures_util::FutureExt::now_or_never(stored).expect("memory answers at once").expect("lists");
    let lengths: Vec<_> = stored.items.iter().map(|(_, summary)| summary.outline.len()).collect();
    assert!(lengths.contains(&0) && lengths.iter().all(|length| *length <= OUTLINE_BYTES), "{lengths:?}");
}

/// Records of an earlier version have no outline.
#[test]
fn records_without_an_outline_are_listed_from_their_state() {
    let mut disk = Disk::new();
    let id = disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        run(&engine, "order").await["executionId"].as_str().expect("id").to_owned()
    });
    let key = ExecutionKey { tenant: TENANT, id: id.expect("lives").parse().expect("id") };
    let shown = disk.life(FakeRuntime::new(own_step), |engine| async move { list(&engine, &[]).await }).expect("lives");
    let store = std::sync::Arc::clone(&disk.store);
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let record = store.record(key).await.expect("reads").expect("is there");
        let without = |record| async {
            let lease = store.leases().into_iter().find(|lease| lease.shard == key.shard()).expect("is ours");
            let claim = Claim { id: key.id, lease, journal: vec![], record: Some(record) };
            let transition = Transition { tenant: TENANT, execution: Some(claim), documents: vec![] };
            assert_eq!(store.commit(vec![transition]).await, [Ok(())]);
        };
        without(Record { outline: Bytes::new(), ..record.clone() }).await;
        assert_eq!(list(&engine, &[]).await, shown);
        for (status, words_of_it) in [
            (RecordStatus::Unfinished, ("pending", "queued")),
            (RecordStatus::Parked, ("running", "running")),
            (RecordStatus::Quarantined, ("failed", "failed")),
        ] {
            without(Record { status, outline: Bytes::new(), ..record.clone() }).await;
            let listed = list(&engine, &[]).await;
            assert_eq!((words(&listed), &listed[0]["workflowId"]), (vec![words_of_it], &json!("order")));
        }
    });
}
