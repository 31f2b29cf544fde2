//! Parking: what waits for long leaves the memory, is read without coming back, and comes back in time, whatever happens to the host.

use super::{Disk, TENANT, deploy, finished, own_step, request, retryable};
use crate::fakes::{FakeRuntime, FaultPoint};
use crate::ports::{Claim, ExecutionKey, Fault, Invocation, Record, RecordStatus, Store, Transition};
use crate::{Engine, ListRequest};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use stepwell_core::execution::{AttemptUsage, Entry, RunIx};
use stepwell_core::payload::Payload;

const HOUR_MS: u64 = 3_600_000;
/// Shorter than the hour for which the tests wait.
const PAUSE_MS: u64 = 3_000_000;

/// Two steps; the first one fails once and is tried again after fifty minutes.
fn patient(more: &Value) -> Value {
    let retry = json!({"delay": PAUSE_MS, "maxDelay": PAUSE_MS, "backoff": "constant"});
    let mut workflow = json!({"id": "patient", "steps": [
        {"id": "first", "type": "function", "function": "first", "config": {"retries": 1, "retry": retry}, "next": "second"},
        {"id": "second", "type": "function", "function": "second"}
    ]});
    for (key, value) in more.as_object().into_iter().flatten() {
        workflow[key] = value.clone();
    }
    workflow
}

fn fails_once(call: &Invocation) -> Result<Payload, Fault> {
    if call.context.step == "first" && call.context.attempt == 1 { Err(retryable("busy")) } else { own_step(call) }
}

async fn start(engine: &Engine) -> ExecutionKey {
    deploy(engine, patient(&json!({}))).await.expect("deploys");
    let id = engine.start_execution(TENANT, request("patient", Some("the-key"))).await.expect("starts");
    ExecutionKey { tenant: TENANT, id }
}

/// So much time passes for everybody.
async fn pass(engine: &Engine, ms: u64) {
    let clock = &engine.inner.ports.clock;
    clock.sleep_until(clock.now().plus(ms)).await;
}

async fn stored(engine: &Engine, key: ExecutionKey) -> Record {
    engine.inner.ports.store.record(key).await.expect("reads").expect("is there")
}

async fn status(engine: &Engine, key: ExecutionKey) -> Value {
    let answer = engine.status(TENANT, &key.id.to_string(), None).await.expect("answers");
    serde_json::from_str(&answer).expect("JSON")
}

#[test]
fn a_long_pause_is_spent_out_of_memory_and_ends_in_time() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let key = start(&engine).await;
        pass(&engine, 10_000).await;
        assert_eq!((engine.in_memory(), engine.inner.timers.next()), (0, None));
        let parked = stored(&engine, key).await;
        assert_eq!(parked.status, RecordStatus::Parked);
        let wake = parked.wake.expect("it has a wake");

        // It is read as it is, and nothing is written or brought back for that.
        let written = store.accepted();
        let seen = status(&engine, key).await;
        assert_eq!((&seen["status"], &seen["state"]), (&json!("running"), &json!("retrying")));
        assert_eq!(seen["steps"]["first"]["attempts"], 2, "{seen:#}");
        let history = engine.history(TENANT, &key.id.to_string(), (0, 99)).await.expect("has a history");
        assert_eq!(history.items.len(), 2);
        let listed =
            engine.executions(TENANT, &ListRequest { limit: 9, ..ListRequest::default() }).await.expect("lists");
        assert_eq!((&listed.items[0]["status"], &listed.items[0]["state"]), (&json!("running"), &json!("retrying")));
        assert_eq!((engine.in_memory(), store.accepted()), (0, written));

        // Whoever waits for its end hears of it.
        let ended = finished(&engine, &key.id.to_string()).await;
        assert_eq!((&ended["status"], &ended["result"]["at"]), (&json!("completed"), &json!("second")));
        let now = engine.inner.ports.clock.now();
        assert!(now >= wake && now.since(wake) < 1_000, "{now:?} is not just after {wake:?}");
        assert_eq!(stored(&engine, key).await.status, RecordStatus::Completed);
    });
    assert_eq!(disk.calls_by_step()["first"].len(), 2);
}

#[test]
fn a_start_does_not_read_what_is_parked_and_misses_no_wake() {
    // A life begins 1,000 s after the one before: at the third one the wake is ahead, later it is overdue.
    for missed in [0, 5] {
        let mut disk = Disk::new();
        let key = disk.life(FakeRuntime::new(fails_once), |engine| async move {
            let key = start(&engine).await;
            pass(&engine, 10_000).await;
            key
        });
        let (key, store) = (key.expect("lives"), Arc::clone(&disk.store));
        let written = store.accepted();
        disk.life(FakeRuntime::new(|_| panic!("not yet")), |engine| async move {
            pass(&engine, 100_000).await;
            assert_eq!((engine.in_memory(), store.accepted()), (0, written));
        });
        disk.lives += missed;
        disk.life(FakeRuntime::new(fails_once), |engine| async move {
            let wake = stored(&engine, key).await.wake.expect("it has a wake");
            let due = wake.max(engine.inner.ports.clock.now());
            assert_eq!(finished(&engine, &key.id.to_string()).await["status"], "completed");
            assert!(engine.inner.ports.clock.now().since(due) < 1_000, "it comes in time");
        });
        assert_eq!(disk.calls_by_step()["second"].len(), 1);
    }
}

/// Dies before and after each commit, and meets a store that refuses or does not know, at each commit.
#[test]
fn no_commit_loses_a_parked_execution() {
    let points = [FaultPoint::Before, FaultPoint::After, FaultPoint::Refuse, FaultPoint::Unsure];
    let undisturbed = {
        let mut disk = Disk::new();
        disk.life(FakeRuntime::new(fails_once), |engine| async move {
            let key = start(&engine).await;
            finished(&engine, &key.id.to_string()).await
        });
        disk.store.accepted()
    };
    for accepted in super::FIRST_COMMIT..undisturbed {
        for point in points {
            let mut disk = Disk::new();
            disk.store.fail_at(accepted, point);
            let mut ended = None;
            for _ in 0..8 {
                ended = disk.life(FakeRuntime::new(fails_once), |engine| async move {
                    for _ in 0..3 {
                        if deploy(&engine, patient(&json!({}))).await.is_err() {
                            continue; // refused: once more
                        }
                        if let Ok(id) = engine.start_execution(TENANT, request("patient", Some("the-key"))).await {
                            return finished(&engine, &id.to_string()).await;
                        }
                    }
                    panic!("it is refused again and again");
                });
                if ended.is_some() {
                    break;
                }
            }
            let ended = ended.unwrap_or_else(|| panic!("it dies again and again: {accepted} {point:?}"));
            assert_eq!(ended["status"], "completed", "{accepted} {point:?}: {ended:#}");
            let journal = disk.journal(ended["executionId"].as_str().expect("id"));
            let results = journal.iter().filter(|entry| matches!(entry, Entry::StepSucceeded { .. })).count();
            assert_eq!(results, 2, "{accepted} {point:?}: each result is recorded once");
        }
    }
}

#[test]
fn two_who_rouse_it_get_the_same_one_and_it_leaves_again_without_a_write() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let key = start(&engine).await;
        pass(&engine, 10_000).await;
        let written = store.accepted();
        let (one, two) = tokio::join!(engine.rouse(key), engine.rouse(key));
        let (one, two) = (one.expect("reads").expect("is there"), two.expect("reads").expect("is there"));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(engine.in_memory(), 1);
        pass(&engine, 10_000).await;
        assert_eq!((engine.in_memory(), store.accepted()), (0, written));
        let nobody = ExecutionKey { id: stepwell_core::ids::ExecutionId::from_bytes([1; 16]), ..key };
        assert!(engine.rouse(nobody).await.expect("reads").is_none());
        finished(&engine, &key.id.to_string()).await;
        assert!(engine.rouse(key).await.expect("reads").is_none(), "it has ended");
    });
}

#[test]
fn an_entry_for_one_that_has_left_reaches_the_one_in_its_place() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let key = start(&engine).await;
        pass(&engine, 1_000).await;
        let before = engine.inner.live.get(key).expect("still in memory");
        pass(&engine, 10_000).await;
        assert!(before.has_left() && before.begin(RunIx(0), 2).is_none());
        let output = Payload::from_value(&json!({"at": "elsewhere"}));
        let late = Entry::StepSucceeded { run: RunIx(0), attempt: 2, output, usage: AttemptUsage::default() };
        engine.happened(&before, &late).await;
        assert_eq!(stored(&engine, key).await.status, RecordStatus::Unfinished, "a start loads it from now on");
        assert_eq!(finished(&engine, &key.id.to_string()).await["status"], "completed");
    });
    assert_eq!(disk.calls_by_step()["first"].len(), 1);
}

#[test]
fn the_deadline_is_a_wake_too() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(|_| Err(retryable("busy"))), |engine| async move {
        let retry = json!({"delay": "30d", "maxDelay": "30d", "backoff": "constant"});
        let step =
            json!({"id": "only", "type": "function", "function": "only", "config": {"retries": 1, "retry": retry}});
        deploy(&engine, json!({"id": "w", "timeout": "2h", "steps": [step]})).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("w", None)).await.expect("starts");
        let (key, began) = (ExecutionKey { tenant: TENANT, id }, engine.inner.ports.clock.now());
        pass(&engine, HOUR_MS).await;
        assert_eq!((engine.in_memory(), stored(&engine, key).await.wake), (0, Some(began.plus(2 * HOUR_MS))));
        pass(&engine, HOUR_MS + 1_000).await;
        let ended = status(&engine, key).await;
        assert_eq!((&ended["state"], engine.in_memory()), (&json!("timed_out"), 0));
    });
}

/// People, timers and pauses; each beside nothing that would keep the execution in memory.
#[test]
fn whatever_it_waits_for_it_leaves_the_memory() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let now = engine.inner.ports.clock.now();
        for (id, step, wake) in [
            ("asks", json!({"id": "s", "type": "human"}), None),
            ("asks-for-a-day", json!({"id": "s", "type": "human", "config": {"timeout": "24h"}}), Some(24 * HOUR_MS)),
            ("waits", json!({"id": "s", "type": "wait", "config": {"duration": "2h"}}), Some(2 * HOUR_MS)),
            ("listens", json!({"id": "s", "type": "event", "config": {"eventType": "a.b"}}), None),
        ] {
            deploy(&engine, json!({"id": id, "steps": [step]})).await.expect("deploys");
            let id = engine.start_execution(TENANT, request(id, None)).await.expect("starts");
            let key = ExecutionKey { tenant: TENANT, id };
            let began = engine.inner.ports.clock.now();
            pass(&engine, 10_000).await;
            let parked = stored(&engine, key).await;
            let expected = (RecordStatus::Parked, wake.map(|after| began.plus(after)));
            assert_eq!(((parked.status, parked.wake), engine.in_memory()), (expected, 0), "{id} at {now:?}");
            let seen = status(&engine, key).await;
            assert_eq!(seen["status"], "running", "{seen:#}");
            assert!(seen["state"].as_str().is_some_and(|state| state.starts_with("waiting_")), "{seen:#}");
        }
        // Timers end what they are for, and nothing else.
        pass(&engine, 3 * HOUR_MS).await;
        let all = engine.executions(TENANT, &ListRequest { limit: 9, ..ListRequest::default() }).await.expect("lists");
        let ended = all.items.iter().filter(|item| item["status"] == "completed").count();
        assert_eq!((all.items.len(), ended, engine.in_memory()), (4, 1, 0));
    });
}

#[test]
fn a_paused_execution_rests_until_it_is_resumed() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let key = start(&engine).await;
        pass(&engine, 1_000).await;
        let live = engine.inner.live.get(key).expect("in memory");
        engine.tell(&live, &Entry::Paused { by: None }).await.expect("pauses");
        pass(&engine, 10 * HOUR_MS).await;
        let parked = stored(&engine, key).await;
        assert_eq!((parked.status, parked.wake, engine.in_memory()), (RecordStatus::Parked, None, 0));
        assert_eq!(status(&engine, key).await["state"], "paused");
        let live = engine.rouse(key).await.expect("reads").expect("is there");
        engine.tell(&live, &Entry::Resumed { by: None }).await.expect("resumes");
        assert_eq!(finished(&engine, &key.id.to_string()).await["status"], "completed");
    });
    assert_eq!(disk.calls_by_step()["first"].len(), 2);
}

#[test]
fn many_wakes_at_once_are_all_served() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        deploy(&engine, patient(&json!({}))).await.expect("deploys");
        let mut ids = Vec::new();
        for _ in 0..300 {
            ids.push(engine.start_execution(TENANT, request("patient", None)).await.expect("starts").to_string());
        }
        pass(&engine, 20_000).await;
        assert!(engine.in_memory() < 10, "{} are in memory", engine.in_memory());
        pass(&engine, HOUR_MS).await;
        for id in ids {
            assert_eq!(finished(&engine, &id).await["status"], "completed");
        }
        assert_eq!(engine.in_memory(), 0);
    });
    assert_eq!(disk.calls_by_step()["second"].len(), 300);
}

#[test]
fn a_snapshot_that_cannot_be_read_costs_a_longer_replay() {
    for body in [&b"{"[..], b"{\"v\":99,\"snapshot\":{}}", b""] {
        let mut disk = Disk::new();
        let store = Arc::clone(&disk.store);
        disk.life(FakeRuntime::new(fails_once), |engine| async move {
            let key = start(&engine).await;
            pass(&engine, 10_000).await;
            let record = Record { body: Bytes::from_static(body), ..stored(&engine, key).await };
            let lease = store.leases().into_iter().find(|lease| lease.shard == key.shard()).expect("is ours");
            let claim = Claim { id: key.id, lease, journal: vec![], record: Some(record) };
            let transition = Transition { tenant: TENANT, execution: Some(claim), documents: vec![] };
            assert_eq!(store.commit(vec![transition]).await, [Ok(())]);
            assert_eq!(status(&engine, key).await["steps"]["first"]["attempts"], 2);
            assert_eq!(finished(&engine, &key.id.to_string()).await["status"], "completed");
        });
    }
}

/// A store that does not know whether it has the snapshot: the next entry says in any case that a start must load the execution.
#[test]
fn after_a_parking_of_which_nobody_knows_the_record_follows_the_entry() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    let key = disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let key = start(&engine).await;
        pass(&engine, 1_000).await;
        store.fail_at(store.accepted(), FaultPoint::Unsure);
        pass(&engine, 3_000).await;
        assert_eq!((stored(&engine, key).await.status, engine.in_memory()), (RecordStatus::Parked, 1));
        let live = engine.inner.live.get(key).expect("it stayed");
        let output = Payload::from_value(&json!({"at": "elsewhere"}));
        let entry = Entry::StepSucceeded { run: RunIx(0), attempt: 2, output, usage: AttemptUsage::default() };
        store.fail_at(store.accepted() + 1, FaultPoint::Before);
        engine.happened(&live, &entry).await;
        assert_eq!(stored(&engine, key).await.status, RecordStatus::Unfinished);
        key
    });
    let key = key.expect("lives");
    let ended = disk.life(FakeRuntime::new(fails_once), |engine| async move {
        assert_eq!(engine.in_memory(), 1, "a start loads it");
        finished(&engine, &key.id.to_string()).await
    });
    assert_eq!(ended.expect("lives")["status"], "completed");
}

/// Leaving and coming back are writes: what is over soon, or goes on all the time, costs none.
#[test]
fn what_does_not_wait_for_long_stays_in_memory() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(fails_once), |engine| async move {
        let step = json!({"id": "s", "type": "wait", "config": {"duration": "6s"}});
        deploy(&engine, json!({"id": "short", "steps": [step]})).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("short", None)).await.expect("starts");
        let short = ExecutionKey { tenant: TENANT, id };
        for _ in 0..5 {
            pass(&engine, 1_000).await;
            assert_eq!(stored(&engine, short).await.status, RecordStatus::Unfinished);
        }
        finished(&engine, &short.id.to_string()).await;
        let key = start(&engine).await;
        for nth in 0..6 {
            pass(&engine, 1_500).await;
            assert_eq!(stored(&engine, key).await.status, RecordStatus::Unfinished, "{nth}");
            let live = engine.inner.live.get(key).expect("in memory");
            let entry = if nth % 2 == 0 { Entry::Paused { by: None } } else { Entry::Resumed { by: None } };
            engine.tell(&live, &entry).await.expect("happens");
        }
        pass(&engine, 3_000).await;
        assert_eq!(stored(&engine, key).await.status, RecordStatus::Parked);
    });
}
