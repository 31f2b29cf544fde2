//! What a call is given, and what its faults become.

use super::*;

fn outcome(fault: Fault) -> Value {
    let mut disk = Disk::new();
    let answer = disk.life(FakeRuntime::new(move |_| Err(fault.clone())), |engine| async move {
        let steps = json!([{"id": "a", "type": "function", "function": "a"}]);
        deploy(&engine, json!({"id": "one", "steps": steps})).await.expect("deploys");
        run(&engine, "one").await
    });
    answer.expect("lives")
}

#[test]
fn every_fault_has_its_code() {
    for (fault, code, source, retryable) in [
        (Fault::Trapped("boom at a.rs:1".into()), "function_trapped", "guest", true),
        (Fault::StackOverflow, "stack_overflow", "guest", false),
        (Fault::Exited(3), "function_exited", "guest", false),
        (Fault::OutOfFuel, "out_of_fuel", "guest", false),
        (Fault::MemoryLimit, "memory_limit", "guest", false),
        (Fault::Timeout, "function_timeout", "guest", true),
        (Fault::OutputLimit, "output_limit", "guest", false),
        (Fault::InvalidOutput("not valid JSON".into()), "invalid_output", "guest", false),
        (Fault::Host("the component is gone".into()), "host_fault", "host", false),
        (Fault::Lost("the process that ran it is gone".into()), "host_fault", "host", true),
        (retryable("their_own"), "their_own", "guest", true),
    ] {
        let answer = outcome(fault);
        let details = &answer["errorDetails"];
        assert_eq!((&answer["status"], &details["code"]), (&json!("failed"), &json!(code)));
        assert_eq!((&details["source"], &details["retryable"]), (&json!(source), &json!(retryable)), "{code}");
        assert!(answer["error"].as_str().is_some_and(|text| text.len() > 20), "{code} says what happened: {answer}");
    }
}

#[test]
fn a_panic_of_the_runtime_is_the_hosts_fault() {
    let mut disk = Disk::new();
    let answer = disk.life(FakeRuntime::new(|_| panic!("a bug")), |engine| async move {
        let steps = json!([{"id": "a", "type": "function", "function": "a"}]);
        deploy(&engine, json!({"id": "one", "steps": steps})).await.expect("deploys");
        run(&engine, "one").await
    });
    let answer = answer.expect("lives");
    assert_eq!((&answer["status"], &answer["errorDetails"]["code"]), (&json!("failed"), &json!("host_fault")));
}

#[test]
fn no_capacity_is_not_an_attempt() {
    let mut disk = Disk::new();
    let refusals = std::sync::atomic::AtomicU32::new(3);
    let busy = FakeRuntime::new(move |call| {
        let left =
            refusals.fetch_update(std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst, |n| {
                n.checked_sub(1)
            });
        if left.is_ok() { Err(Fault::NoCapacity) } else { own_step(call) }
    });
    let answer = disk.life(busy, |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        run(&engine, "order").await
    });
    assert_eq!(answer.expect("lives")["steps"]["validate"]["attempts"], 1);
}

#[test]
fn a_call_is_told_its_place_and_its_limits() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        let steps = json!([{"id": "a", "type": "function", "function": "a", "config": {"timeout": "7s"}}]);
        deploy(&engine, json!({"id": "one", "steps": steps})).await.expect("deploys");
        run(&engine, "one").await;
        let unknown = engine.execute(TENANT, ("nobody", Payload::null()), None).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "function", .. })));
        let output = engine.execute(TENANT, ("a", Payload::null()), None).await.expect("runs").expect("succeeds");
        assert_eq!(output.to_value(), json!({"at": "", "keys": []}));
    });
    let calls = disk.calls.lock().expect("calls");
    let (step, direct) = (&calls[0], &calls[1]);
    assert_eq!((step.context.workflow_id.as_str(), step.context.step.as_str()), ("one", "a"));
    assert_eq!(step.limits.timeout, Duration::from_secs(7));
    assert_eq!((step.limits.fuel, step.limits.memory_bytes), (10_000_000_000, 128 << 20));
    assert!(step.context.deadline_ms > 1_700_000_000_000 && direct.context.execution_id.is_empty());
    assert_ne!(step.context.idempotency_key, direct.context.idempotency_key);
}

#[test]
fn a_damaged_journal_is_quarantined_and_the_rest_goes_on() {
    let mut disk = Disk::new();
    let never = FakeRuntime::slow(|_| Box::pin(std::future::pending()));
    let ids = disk.life(never, |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let bad = engine.start_execution(TENANT, request("order", Some("bad"))).await.expect("starts");
        let good = engine.start_execution(TENANT, request("order", Some("good"))).await.expect("starts");
        // A line that cannot have happened: a second start.
        let key = ExecutionKey { tenant: TENANT, id: bad };
        let first = engine.inner.ports.store.journal(key, 0, 1).await.expect("reads").remove(0);
        let journal = vec![crate::ports::Line { seq: 1, entry: first.entry }];
        let lease = engine.lease(key).expect("ours");
        let claim = crate::ports::Claim { id: bad, lease, journal, record: None };
        let transition = crate::ports::Transition { tenant: TENANT, execution: Some(claim), documents: vec![] };
        engine.inner.committer.commit(transition).await.expect("commits");
        (bad.to_string(), good.to_string())
    });
    let (bad, good) = ids.expect("lives");
    for _ in 0..2 {
        let (bad, good) = (bad.clone(), good.clone());
        disk.life(FakeRuntime::new(own_step), |engine| async move {
            assert_eq!(finished(&engine, &good).await["status"], "completed");
            assert!(matches!(engine.status(TENANT, &bad, None).await, Err(Error::Broken)));
        })
        .expect("the server lives");
    }
}
