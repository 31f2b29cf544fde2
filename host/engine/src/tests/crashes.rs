//! The host dies: before or after any commit, at any step.

use super::*;

/// What the workflow comes to if nothing goes wrong.
fn undisturbed() -> (Value, u64) {
    let mut disk = Disk::new();
    let answer = disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        run(&engine, "order").await
    });
    (answer.expect("lives")["result"].clone(), disk.store.accepted())
}

/// Panics if a step of the order is called before the results that lead to it are durable.
fn only_after_its_commit(store: &MemoryStore, call: &Invocation) {
    let id = call.context.execution_id.parse().expect("id");
    let lines = store.journal(ExecutionKey { tenant: TENANT, id }, 0, 100);
    let Some(lines) = futures_util::FutureExt::now_or_never(lines) else { return }; // it has died already
    let needed = match call.context.step.as_str() {
        "validate" => 1,
        "stock" | "mail" => 2,
        _ => 4,
    };
    let durable = lines.expect("reads").len();
    assert!(durable >= needed, "{} was called after {durable} lines of {needed}", call.context.step);
}

/// Lives until the order is done; whoever waits for an answer that never comes asks again, with the same idempotency key.
fn live_until_done(
    disk: &mut Disk,
    behaviour: impl Fn(&Invocation) -> Result<Payload, Fault> + Clone + Send + Sync + 'static,
) -> Value {
    for _ in 0..5 {
        let (store, behaviour) = (Arc::clone(&disk.store), behaviour.clone());
        let checked = move |call: &Invocation| {
            only_after_its_commit(&store, call);
            behaviour(call)
        };
        let answer = disk.life(FakeRuntime::new(checked), |engine| async move {
            deploy(&engine, order()).await.expect("deploys");
            run(&engine, "order").await
        });
        if let Some(answer) = answer {
            return answer;
        }
    }
    panic!("it dies again and again");
}

fn results_recorded(journal: &[Entry]) -> BTreeMap<u32, u32> {
    let mut recorded = BTreeMap::new();
    for entry in journal {
        if let Entry::StepSucceeded { run, .. } = entry {
            *recorded.entry(run.0).or_insert(0) += 1;
        }
    }
    recorded
}

#[test]
fn crash_at_every_commit() {
    let (expected, commits) = undisturbed();
    assert!(commits >= 10, "five functions, the workflow, and the lines of the journal: {commits}");
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in FIRST_COMMIT..commits {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            let answer = live_until_done(&mut disk, own_step);
            let case = format!("{point:?} commit {commit}");
            assert_eq!(disk.lives, 2, "{case}: it died once");
            assert_eq!((&answer["status"], &answer["result"]), (&json!("completed"), &expected), "{case}");
            let journal = disk.journal(answer["executionId"].as_str().expect("id"));
            assert_eq!(results_recorded(&journal).into_values().max(), Some(1), "{case}: recorded exactly once");
            for (step, keys) in disk.calls_by_step() {
                assert!(keys.iter().all(|key| *key == keys[0]), "{case}: {step} kept its idempotency key");
                assert!(keys.len() <= 2, "{case}: {step} ran {} times", keys.len());
            }
            assert_eq!(disk.calls_by_step().len(), 4, "{case}: each effect at least once");
        }
    }
}

#[test]
fn every_step_runs_twice() {
    // Dying before the commit of a step's result: it runs again, under the same key.
    let mut twice = std::collections::BTreeSet::new();
    let (_, commits) = undisturbed();
    for commit in FIRST_COMMIT..commits {
        let mut disk = Disk::new();
        disk.store.fail_at(commit, FaultPoint::Before);
        live_until_done(&mut disk, own_step);
        let calls = disk.calls_by_step();
        twice.extend(calls.into_iter().filter(|(_, keys)| keys.len() == 2 && keys[0] == keys[1]).map(|(step, _)| step));
    }
    assert_eq!(twice.into_iter().collect::<Vec<_>>(), ["mail", "ship", "stock", "validate"]);
    // Dying while it runs: likewise, although that is noted as a loss.
    for step in ["validate", "stock", "mail", "ship"] {
        let mut disk = Disk::new();
        let store = Arc::clone(&disk.store);
        let dies = FakeRuntime::slow(move |call| {
            let store = Arc::clone(&store);
            Box::pin(async move {
                if call.context.step == step {
                    store.crash();
                    std::future::pending::<()>().await;
                }
                own_step(&call)
            })
        });
        let died = disk.life(dies, |engine| async move {
            deploy(&engine, order()).await.expect("deploys");
            run(&engine, "order").await
        });
        assert!(died.is_none());
        live_until_done(&mut disk, own_step);
        let keys = &disk.calls_by_step()[step];
        assert!(keys.len() == 2 && keys[0] == keys[1], "{step}: {keys:?}");
    }
}

#[test]
fn every_step_fails_once() {
    let (expected, _) = undisturbed();
    for failing in ["validate", "stock", "mail", "ship"] {
        let mut disk = Disk::new();
        let answer = live_until_done(&mut disk, move |call| {
            if call.context.step == failing && call.context.attempt == 1 {
                Err(retryable("down"))
            } else {
                own_step(call)
            }
        });
        assert_eq!(answer["result"], expected, "{failing}");
        for (step, seen) in answer["steps"].as_object().expect("steps") {
            let attempts = if step == failing { 2 } else { u64::from(seen["status"] == "completed") };
            assert_eq!(seen["attempts"], attempts, "{failing}: {step}");
        }
    }
}

#[test]
fn late_result_is_dropped() {
    let mut disk = Disk::new();
    let slow = FakeRuntime::slow(|call| {
        Box::pin(async move {
            let never: std::future::Pending<()> = std::future::pending();
            if call.context.step == "validate" {
                never.await;
            }
            own_step(&call)
        })
    });
    let answer = disk.life(slow, |engine| async move {
        let mut timed = order();
        timed["timeout"] = json!("2s");
        deploy(&engine, timed).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts");
        let key = ExecutionKey { tenant: TENANT, id };
        let live = engine.inner.live.get(key).expect("under way");
        let answer = finished(&engine, &id.to_string()).await;
        // What the attempt would have reported, had it not been stopped.
        let run = stepwell_core::execution::RunIx(0);
        let late = Entry::StepSucceeded { run, attempt: 1, output: Payload::null(), usage: Default::default() };
        engine.happened(&live, &late).await;
        assert!(live.begin(run, 1).is_none(), "and an attempt that had waited for its turn does not begin");
        assert_eq!(finished(&engine, &id.to_string()).await, answer);
        assert_eq!(engine.inner.scheduler.running(), 0, "the stopped attempt gave its turn back");
        answer
    });
    let answer = answer.expect("lives");
    assert_eq!((&answer["state"], &answer["errorDetails"]["code"]), (&json!("timed_out"), &json!("execution_timeout")));
    let journal = disk.journal(answer["executionId"].as_str().expect("id"));
    assert!(matches!(journal.as_slice(), [Entry::Started(_), Entry::DeadlinePassed]), "{journal:?}");
}

#[test]
fn one_poisonous_function_never_keeps_a_server_down() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    // `stock` takes the process with it, whenever it runs.
    let poison = |store: Arc<MemoryStore>| {
        FakeRuntime::slow(move |call| {
            let store = Arc::clone(&store);
            Box::pin(async move {
                if call.context.step == "stock" {
                    store.crash();
                    std::future::pending::<()>().await;
                }
                own_step(&call)
            })
        })
    };
    let died = disk.life(poison(store), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        run(&engine, "order").await
    });
    assert!(died.is_none());
    for strike in 2..=3 {
        let store = Arc::clone(&disk.store);
        assert!(
            disk.life(poison(store), |engine| async move { run(&engine, "order").await }).is_none(),
            "strike {strike}"
        );
    }
    let store = Arc::clone(&disk.store);
    let answer =
        disk.life(poison(store), |engine| async move { run(&engine, "order").await }).expect("the server lives");
    assert_eq!((&answer["status"], &answer["errorDetails"]["code"]), (&json!("failed"), &json!("host_fault")));
    assert_eq!(answer["errorDetails"]["step"], "stock");
    assert_eq!(disk.calls_by_step()["stock"].len(), 3);
    assert_eq!(answer["steps"]["stock"]["attempts"], 1, "none of the ends was counted as an attempt");
}

#[test]
fn a_shutdown_is_no_strike_and_its_attempts_run_again_uncounted() {
    let mut disk = Disk::new();
    let never = || FakeRuntime::slow(|_| Box::pin(std::future::pending()));
    for life in 0..4 {
        let stopped = disk.life(never(), |engine| async move {
            if life == 0 {
                deploy(&engine, order()).await.expect("deploys");
                engine.start_execution(TENANT, request("order", Some("the-order"))).await.expect("starts");
            }
            while engine.inner.scheduler.running() == 0 {
                tokio::task::yield_now().await;
            }
            engine.shutdown().await;
            assert!(matches!(engine.start_execution(TENANT, request("order", None)).await, Err(Error::Unavailable(_))));
        });
        assert!(stopped.is_some());
    }
    let answer = disk.life(FakeRuntime::new(own_step), |engine| async move { run(&engine, "order").await });
    let answer = answer.expect("lives");
    assert_eq!((&answer["status"], &answer["steps"]["validate"]["attempts"]), (&json!("completed"), &json!(1)));
}

#[test]
fn a_store_that_refuses_for_a_while_loses_nothing() {
    let (expected, commits) = undisturbed();
    // The first seven are uploads, the definition and the start itself: there the caller is told.
    for commit in FIRST_COMMIT + 7..commits {
        let mut disk = Disk::new();
        disk.store.fail_at(commit, FaultPoint::Refuse);
        let answer = disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy(&engine, order()).await.expect("deploys");
            run(&engine, "order").await
        });
        assert_eq!(answer.expect("lives")["result"], expected, "commit {commit}");
        assert!(disk.calls_by_step().values().all(|keys| keys.len() == 1), "and nothing ran twice");
    }
}
