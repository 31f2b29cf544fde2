//! Results of functions without effects wait for the next commit that must be: few commits, and nobody sees what a crash could take back.

use super::*;
use tokio::sync::Notify;

/// No function has effects.
const NONE: fn(&[u8]) -> bool = |_| false;

/// So many functions, one after the other: `s0`, `s1`, ...
fn chain(steps: usize) -> Value {
    let step = |n: usize| json!({"id": format!("s{n}"), "type": "function", "function": format!("s{n}"), "next": format!("s{}", n + 1)});
    let mut steps: Vec<Value> = (0..steps).map(step).collect();
    let _ = steps.last_mut().and_then(Value::as_object_mut).and_then(|last| last.remove("next"));
    json!({"id": "chain", "steps": steps})
}

/// What running the workflow once costs, and what it comes to.
fn cost(workflow: &Value, effects: fn(&[u8]) -> bool) -> (u64, Value) {
    let mut disk = Disk::new();
    let id = workflow["id"].as_str().expect("an id").to_owned();
    let store = Arc::clone(&disk.store);
    let workflow = workflow.clone();
    let runtime = FakeRuntime::new(own_step).with_effects(effects);
    let answer = disk.life(runtime, |engine| async move {
        deploy(&engine, workflow).await.expect("deploys");
        let before = store.accepted();
        let answer = run(&engine, &id).await;
        (store.accepted() - before, answer)
    });
    let (commits, answer) = answer.expect("lives");
    let id = answer["executionId"].as_str().expect("id").to_owned();
    let lines = disk.journal(&id).len() as u64;
    assert_eq!(answer["status"], "completed");
    (commits, json!({"result": answer["result"], "lines": lines}))
}

#[test]
fn chains_without_effects_cost_few_commits() {
    for steps in [1, 2, 63, 64, 65, 200] {
        let (commits, free) = cost(&chain(steps), NONE);
        assert!(commits <= 2 + (steps as u64).div_ceil(64), "{steps} steps cost {commits} commits");
        let (all, effectful) = cost(&chain(steps), |_| true);
        assert_eq!((all, &free), (1 + steps as u64, &effectful), "{steps}: the same journal, in other parts");
    }
}

#[test]
fn a_large_result_does_not_wait() {
    let mut disk = Disk::new();
    let large = |_: &Invocation| Ok(Payload::from_value(&json!("x".repeat(700 << 10))));
    let store = Arc::clone(&disk.store);
    let runtime = FakeRuntime::new(large).with_effects(NONE);
    let commits = disk.life(runtime, |engine| async move {
        deploy(&engine, chain(5)).await.expect("deploys");
        let before = store.accepted();
        run(&engine, "chain").await;
        store.accepted() - before
    });
    assert_eq!(commits, Some(4), "the start, two pairs of results, and the end");
}

/// Effects only in `mail` and `ship`.
const SOME: fn(&[u8]) -> bool = |artifact| matches!(artifact, b"mail" | b"ship");

/// Panics if a function with effects is called before all that led to it is durable.
fn only_after_commits(store: &MemoryStore, call: &Invocation) {
    let id = call.context.execution_id.parse().expect("id");
    let lines = store.journal(ExecutionKey { tenant: TENANT, id }, 0, 100);
    let Some(lines) = futures_util::FutureExt::now_or_never(lines) else { return }; // it has died already
    let needed = match call.context.step.as_str() {
        "mail" => 2,
        "ship" => 4,
        _ => return,
    };
    let durable = lines.expect("reads").len();
    assert!(durable >= needed, "{} was called after {durable} lines of {needed}", call.context.step);
}

#[test]
fn crash_at_every_commit_of_held_results() {
    for (effects, some) in [(NONE, false), (SOME, true)] {
        let (commits, expected) = cost(&order(), effects);
        let first = FIRST_COMMIT + 6; // behind five functions and the workflow
        for point in [FaultPoint::Before, FaultPoint::After, FaultPoint::Unsure, FaultPoint::Refuse] {
            for commit in first..first + commits {
                let mut disk = Disk::new();
                disk.store.fail_at(commit, point);
                let answer = (0..3).find_map(|_| {
                    let store = Arc::clone(&disk.store);
                    let checked = move |call: &Invocation| {
                        if some {
                            only_after_commits(&store, call);
                        }
                        own_step(call)
                    };
                    disk.life(FakeRuntime::new(checked).with_effects(effects), |engine| async move {
                        let _ = deploy(&engine, order()).await; // what could not be written is written in the next life
                        run(&engine, "order").await
                    })
                });
                let answer = answer.expect("it ends");
                assert_eq!(answer["result"], expected["result"], "{point:?} at {commit}");
                let journal = disk.journal(answer["executionId"].as_str().expect("id"));
                assert_eq!(json!(journal.len()), expected["lines"], "{point:?} at {commit}: nothing is recorded twice");
                for (step, keys) in disk.calls_by_step() {
                    assert!(keys.iter().all(|key| *key == keys[0]), "{commit}: {step} kept its idempotency key");
                }
            }
        }
    }
}

/// Two executions: in each, `free` returns at once, and `mail`, which has an effect, has its turn after that of the execution before.
#[test]
fn what_waits_is_written_before_a_call_with_effects() {
    let (mut disk, told, durable) = (Disk::new(), Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let (store, may_go, lines) = (Arc::clone(&disk.store), Arc::clone(&told), Arc::clone(&durable));
    let runtime = FakeRuntime::slow(move |call| {
        let (store, may_go, lines) = (Arc::clone(&store), Arc::clone(&may_go), Arc::clone(&lines));
        Box::pin(async move {
            if call.context.step != "mail" {
                return own_step(&call);
            }
            let id = call.context.execution_id.parse().expect("id");
            let found = store.journal(ExecutionKey { tenant: TENANT, id }, 0, 10).await.expect("reads").len();
            lines.lock().expect("lines").push(found);
            may_go.notified().await;
            own_step(&call)
        })
    });
    let function = |id: &str| json!({"id": id, "type": "function", "function": id});
    let (mut first, mut mail) = (function("first"), function("mail"));
    first["next"] = json!(["free", "mail"]);
    mail["config"] = json!({"limit": {"key": "input.n", "max": 1}});
    let workflow = json!({"id": "fork", "steps": [first, function("free"), mail]});
    let ended = disk.life(runtime.with_effects(SOME), |engine| async move {
        deploy(&engine, workflow).await.expect("deploys");
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(engine.start_execution(TENANT, request("fork", None)).await.expect("starts").to_string());
            for _ in 0..100 {
                tokio::task::yield_now().await; // `free` returns, and no time passes
            }
        }
        told.notify_one();
        for _ in 0..100 {
            tokio::task::yield_now().await; // the second `mail` is called
        }
        told.notify_one();
        finished(&engine, &ids[0]).await;
        finished(&engine, &ids[1]).await["status"].clone()
    });
    assert_eq!(ended, Some(json!("completed")));
    let durable = durable.lock().expect("lines").clone();
    assert_eq!(durable[1..], [3], "the start, and the results of `first` and `free`");
}

/// A runtime whose `s2` waits until it is told.
fn stops_at_s2(told: &Arc<Notify>) -> FakeRuntime {
    let told = Arc::clone(told);
    let slow = FakeRuntime::slow(move |call| {
        let told = Arc::clone(&told);
        Box::pin(async move {
            if call.context.step == "s2" {
                told.notified().await;
            }
            own_step(&call)
        })
    });
    slow.with_effects(NONE)
}

async fn steps_seen(engine: &Engine, id: &str, wait_ms: u64) -> Vec<String> {
    let answer = engine.status(TENANT, id, Some(Duration::from_millis(wait_ms))).await.expect("answers");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let done = |(step, seen): (&String, &Value)| (seen["status"] == "completed").then(|| step.clone());
    answer["steps"].as_object().into_iter().flatten().filter_map(done).collect()
}

#[test]
fn nobody_sees_what_is_not_durable_and_it_is_soon() {
    let (mut disk, told) = (Disk::new(), Arc::new(Notify::new()));
    let seen = disk.life(stops_at_s2(&told), |engine| async move {
        deploy(&engine, chain(4)).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("chain", None)).await.expect("starts").to_string();
        let at_once = steps_seen(&engine, &id, 10).await;
        let lines = engine.history(TENANT, &id, (0, 100)).await.expect("reads").items.len();
        let soon = steps_seen(&engine, &id, 60).await;
        let more = engine.history(TENANT, &id, (0, 100)).await.expect("reads").items.len();
        told.notify_one();
        let end = finished(&engine, &id).await["status"].clone();
        (at_once, lines, soon, more, end)
    });
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(seen, Some((names(&[]), 1, names(&["s0", "s1"]), 3, json!("completed"))));
}

#[test]
fn whoever_stops_it_stops_what_has_happened() {
    let (mut disk, told) = (Disk::new(), Arc::new(Notify::new()));
    let id = disk.life(stops_at_s2(&told), |engine| async move {
        deploy(&engine, chain(4)).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("chain", None)).await.expect("starts").to_string();
        steps_seen(&engine, &id, 10).await;
        engine.control(TENANT, &id, crate::Control::Cancel { reason: None }, None).await.expect("is cancelled");
        id
    });
    let journal = disk.journal(&id.expect("lives"));
    assert_eq!(journal.len(), 4, "the start, two results, and the cancel: {journal:?}");
    assert!(matches!(journal.last(), Some(Entry::Cancelled { .. })));
}

#[test]
fn a_shutdown_keeps_what_was_computed() {
    let (mut disk, told) = (Disk::new(), Arc::new(Notify::new()));
    let id = disk.life(stops_at_s2(&told), |engine| async move {
        deploy(&engine, chain(4)).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("chain", None)).await.expect("starts").to_string();
        steps_seen(&engine, &id, 10).await;
        engine.inner.live.stop_all();
        engine.shutdown().await;
        id
    });
    assert_eq!(disk.journal(&id.expect("lives")).len(), 3);
}

#[test]
fn a_poisonous_function_behind_held_results_is_found() {
    let mut disk = Disk::new();
    let mut lives = 0;
    let answer = loop {
        lives += 1;
        let store = Arc::clone(&disk.store);
        let dies = FakeRuntime::slow(move |call| {
            let store = Arc::clone(&store);
            Box::pin(async move {
                if call.context.step == "s3" {
                    store.crash();
                    std::future::pending::<()>().await;
                }
                own_step(&call)
            })
        });
        let answer = disk.life(dies.with_effects(NONE), |engine| async move {
            deploy(&engine, chain(5)).await.expect("deploys");
            run(&engine, "chain").await
        });
        if let Some(answer) = answer {
            break answer;
        }
        assert!(lives < 8, "it dies again and again");
    };
    assert_eq!((&answer["status"], &answer["errorDetails"]["step"]), (&json!("failed"), &json!("s3")), "{answer}");
    assert_eq!(lives, 5, "once before the journal told of it, three strikes, and the end");
}

fn patient(workflow: &str, key: Option<&str>) -> StartRequest {
    StartRequest { patient: true, ..request(workflow, key) }
}

#[test]
fn who_waits_for_the_end_waits_for_one_commit() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    let runtime = FakeRuntime::new(own_step).with_effects(NONE);
    let seen = disk.life(runtime, |engine| async move {
        deploy(&engine, chain(5)).await.expect("deploys");
        let before = store.accepted();
        let id = engine.start_execution(TENANT, patient("chain", Some("one"))).await.expect("starts").to_string();
        let commits = store.accepted() - before;
        let answer = finished(&engine, &id).await;
        let again = engine.start_execution(TENANT, patient("chain", Some("one"))).await.expect("starts").to_string();
        (commits, answer["status"].clone(), again == id, id)
    });
    let (commits, status, same, id) = seen.expect("lives");
    assert_eq!((commits, status, same), (1, json!("completed"), true));
    assert_eq!(disk.journal(&id).len(), 6);
}

#[test]
fn nothing_is_seen_of_a_start_that_waits_and_it_is_soon_there() {
    let (mut disk, told) = (Disk::new(), Arc::new(Notify::new()));
    let store = Arc::clone(&disk.store);
    let seen = disk.life(stops_at_s2(&told), |engine| async move {
        deploy(&engine, chain(4)).await.expect("deploys");
        let before = store.accepted();
        let starting = engine.start_execution(TENANT, patient("chain", None));
        tokio::pin!(starting);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(starting.as_mut().poll(cx).is_pending())).await;
        assert!(polled);
        for _ in 0..100 {
            tokio::task::yield_now().await; // the first two steps run
        }
        let (live, commits) = (engine.inner.live.all(), store.accepted() - before);
        let id = live.first().expect("it is under way").key.id.to_string();
        let unseen = engine.status(TENANT, &id, None).await;
        let started = starting.await.expect("starts").to_string();
        told.notify_one();
        (
            commits,
            matches!(unseen, Err(Error::NotFound { .. })),
            started == id,
            finished(&engine, &id).await["status"].clone(),
        )
    });
    assert_eq!(seen, Some((0, true, true, json!("completed"))));
}

#[test]
fn crash_at_every_commit_of_a_start_that_waits() {
    for point in [FaultPoint::Before, FaultPoint::After, FaultPoint::Unsure, FaultPoint::Refuse] {
        for commit in FIRST_COMMIT + 4..FIRST_COMMIT + 8 {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            ask_until_it_ends(&mut disk, &format!("{point:?} at {commit}"));
        }
    }
}

/// Asks with the same idempotency key until it is done; there is one execution, with one journal.
fn ask_until_it_ends(disk: &mut Disk, case: &str) {
    let id = (0..4).find_map(|_| {
        let runtime = FakeRuntime::new(own_step).with_effects(NONE);
        let asked = disk.life(runtime, |engine| async move {
            deploy(&engine, chain(3)).await.ok()?;
            let id = engine.start_execution(TENANT, patient("chain", Some("one"))).await.ok()?.to_string();
            assert_eq!(finished(&engine, &id).await["status"], "completed");
            let all = engine
                .executions(TENANT, &crate::ListRequest { limit: 10, ..Default::default() })
                .await
                .expect("lists");
            assert_eq!(all.items.len(), 1, "{all:?}");
            Some(id)
        });
        asked.flatten()
    });
    let journal = disk.journal(&id.unwrap_or_else(|| panic!("{case}: it never ends")));
    assert_eq!(journal.len(), 4, "{case}");
}

#[test]
fn the_same_request_twice_at_the_same_time_starts_one() {
    let mut disk = Disk::new();
    let runtime = FakeRuntime::new(own_step).with_effects(NONE);
    let ids = disk.life(runtime, |engine| async move {
        deploy(&engine, chain(3)).await.expect("deploys");
        let start = || engine.start_execution(TENANT, patient("chain", Some("one")));
        let (one, two) = tokio::join!(start(), start());
        (one.expect("starts"), two.expect("starts"), engine.in_memory())
    });
    let (one, two, in_memory) = ids.expect("lives");
    assert_eq!((one, in_memory), (two, 0));
}

#[test]
fn who_waits_for_a_start_that_is_given_up_is_told() {
    let (mut disk, told) = (Disk::new(), Arc::new(Notify::new()));
    let answer = disk.life(stops_at_s2(&told), |engine| async move {
        deploy(&engine, chain(4)).await.expect("deploys");
        let starting = engine.start_execution(TENANT, patient("chain", None));
        tokio::pin!(starting);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(starting.as_mut().poll(cx).is_pending())).await;
        assert!(polled);
        // As at the deletion of its tenant.
        for live in engine.inner.live.all() {
            live.abandon();
            engine.let_go(&live);
        }
        starting.await
    });
    assert!(matches!(answer, Some(Err(Error::Unavailable(_)))), "{answer:?}");
}
