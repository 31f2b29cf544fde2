//! Secrets on their way through an execution: into functions, and nowhere else.

use super::*;
use crate::ports::{DocumentKind, DocumentWrite, Expect, LogLine, Outcome, Page, Transition, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PLANTED: &str = "planted-value-0123456789";

fn step(id: &str, next: Value, config: Value) -> Value {
    json!({"id": id, "type": "function", "function": id, "next": next, "config": config})
}

async fn set(engine: &Engine, name: &str) {
    engine.secrets().put(TENANT, name, PLANTED).await.expect("sets");
}

/// Everything that is stored and everything that is answered, as one text.
async fn everything(engine: &Engine, id: &str) -> String {
    let key = ExecutionKey { tenant: TENANT, id: id.parse().expect("id") };
    let store = &engine.inner.ports.store;
    let mut all = engine.status(TENANT, id, None).await.expect("answers");
    for line in store.journal(key, 0, 10_000).await.expect("reads") {
        all.push_str(&String::from_utf8_lossy(&line.entry));
    }
    all.push_str(&format!("{:?}", store.record(key).await.expect("reads")));
    for kind in [DocumentKind::Secret, DocumentKind::Setting, DocumentKind::Workflow, DocumentKind::Idempotency] {
        all.push_str(&format!("{:?}", store.documents(TENANT, kind, "", Page { after: None, limit: 1_000 }).await));
    }
    all
}

#[test]
fn what_a_function_says_of_a_secret_is_not_kept() {
    let mut disk = Disk::new();
    // The first one repeats all that it is given; the second one is given nothing, and says the value all the same.
    let echoes = |call: &Invocation| match call.context.step.as_str() {
        "first" => Ok(call.input.clone()),
        _ => Ok(Payload::from_value(&json!({"said": PLANTED, "b64": STANDARD.encode(format!("user:{PLANTED}"))}))),
    };
    let (id, first) = disk
        .life(FakeRuntime::new(echoes), |engine| async move {
            set(&engine, "TOKEN").await;
            let config = json!({"input": {"auth": "Bearer {{ secrets.TOKEN }}", "plain": "kept"}});
            let workflow = json!({"id": "w", "steps": [step("first", json!("second"), config), step("second", Value::Null, json!({}))]});
            deploy(&engine, workflow).await.expect("deploys");
            let ended = run(&engine, "w").await;
            assert_eq!((&ended["status"], &ended["result"]["said"]), (&json!("completed"), &json!("***")), "{ended:#}");
            let id = ended["executionId"].as_str().expect("id").to_owned();
            let all = everything(&engine, &id).await;
            assert!(all.contains("Bearer ***") && all.contains("kept"), "{all}");
            assert!(!all.contains(PLANTED) && !all.contains(&STANDARD.encode(PLANTED)[..24]), "{all}");
            (id, ended["steps"]["first"].clone())
        })
        .expect("lives");
    assert_eq!(first["status"], "completed");
    assert!(!format!("{:?}", disk.journal(&id)).contains("planted"));
    let given = disk.calls.lock().expect("calls")[0].input.to_value();
    assert_eq!(given["auth"], format!("Bearer {PLANTED}"), "the function itself gets the value");
}

#[test]
fn a_failure_that_quotes_a_secret_is_redacted_and_its_handler_sees_stars() {
    let fails = |call: &Invocation| match call.context.step.as_str() {
        "a" => Err(Fault::Failed {
            code: PLANTED.into(),
            message: format!("cannot log in with {PLANTED}"),
            details: Some(Payload::from_value(&json!({ "tried": [PLANTED] }))),
            retry: Retry::Never,
        }),
        _ => Ok(call.input.clone()),
    };
    let ended = Disk::new().life(FakeRuntime::new(fails), |engine| async move {
        set(&engine, "TOKEN").await;
        let config = json!({"key": "{{ secrets.TOKEN }}", "onError": "h"});
        let workflow = json!({"id": "w", "steps": [step("a", Value::Null, config), step("h", Value::Null, json!({}))]});
        deploy(&engine, workflow).await.expect("deploys");
        let ended = run(&engine, "w").await;
        let all = everything(&engine, ended["executionId"].as_str().expect("id")).await;
        assert!(!all.contains(PLANTED), "{all}");
        ended
    });
    let result = &ended.expect("lives")["result"];
    assert_eq!((&result["input"]["key"], &result["error"]["code"]), (&json!("***"), &json!("function_error")));
    assert_eq!(result["error"]["message"], "cannot log in with ***");
}

#[test]
fn a_secret_that_is_not_set_or_not_ours_is_a_failure() {
    let ended = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        let workflow = json!({"id": "w", "steps": [step("a", Value::Null, json!({"key": "{{ secrets.COPY }}"}))]});
        deploy(&engine, workflow).await.expect("deploys");
        let warnings = engine.registry().workflow(TENANT, "w").await.expect("is there").answer()["warnings"].clone();
        assert_eq!(
            (&warnings[0]["code"], &warnings[0]["pointer"]),
            (&json!("unknown_secret"), &json!("/steps/0/config"))
        );
        let unset = engine.start_execution(TENANT, request("w", None)).await.expect("starts").to_string();
        let unset = finished(&engine, &unset).await;
        // Somebody with access to the disk moves a sealed value to another name: it does not open there.
        set(&engine, "TOKEN").await;
        let store = &engine.inner.ports.store;
        let value = store.document(TENANT, DocumentKind::Secret, "TOKEN").await.expect("reads");
        let write = DocumentWrite { kind: DocumentKind::Secret, key: "COPY".into(), value, expect: Expect::Absent };
        let copied = Transition { tenant: TENANT, execution: None, documents: vec![write] };
        assert_eq!(store.commit(vec![copied]).await, [Ok(())]);
        let moved = engine.start_execution(TENANT, request("w", None)).await.expect("starts").to_string();
        (unset, finished(&engine, &moved).await)
    });
    let (unset, moved) = ended.expect("lives");
    assert_eq!(
        (&unset["errorDetails"]["code"], &unset["errorDetails"]["retryable"]),
        (&json!("unknown_secret"), &json!(false))
    );
    assert!(unset["error"].as_str().is_some_and(|error| error.contains("COPY")), "{unset}");
    assert_eq!(moved["errorDetails"]["code"], "host_fault");
}

#[test]
fn a_secret_is_read_when_the_attempt_begins() {
    let mut disk = Disk::new();
    let id = disk.life(FakeRuntime::slow(|_| Box::pin(std::future::pending())), |engine| async move {
        set(&engine, "TOKEN").await;
        let workflow = json!({"id": "w", "steps": [step("a", Value::Null, json!({"key": "{{ secrets.TOKEN }}"}))]});
        deploy(&engine, workflow).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("w", None)).await.expect("starts").to_string();
        engine.secrets().put(TENANT, "TOKEN", "rotated-value").await.expect("sets");
        id
    });
    let id = id.expect("lives");
    let ended = disk
        .life(FakeRuntime::new(|call| Ok(call.input.clone())), |engine| async move { finished(&engine, &id).await });
    assert_eq!(ended.expect("lives")["result"], json!({"n": 1, "key": "***"}));
    let last = disk.calls.lock().expect("calls").last().expect("a call").input.to_value();
    assert_eq!(last["key"], "rotated-value");
}

#[test]
fn who_completes_a_step_from_outside_may_repeat_the_secret() {
    let runtime = FakeRuntime::new(own_step);
    let calls = runtime.calls();
    let lived = Disk::new().life(runtime, |engine| async move {
        set(&engine, "TOKEN").await;
        for (id, outcome) in [
            ("good", Ok(Payload::from_value(&json!({ "used": PLANTED })))),
            ("bad", Err(stepwell_core::failure::Failure::guest(PLANTED, format!("{PLANTED} is expired")))),
        ] {
            let config = json!({"async": true, "key": "{{ secrets.TOKEN }}"});
            deploy(&engine, json!({"id": id, "steps": [step("a", Value::Null, config)]})).await.expect("deploys");
            let started = engine.start_execution(TENANT, request(id, None)).await.expect("starts").to_string();
            let token = super::callbacks::token(&calls, if id == "good" { 1 } else { 2 }).await;
            engine.complete(&token, outcome).await.expect("is taken");
            let ended = finished(&engine, &started).await;
            assert!(ended.to_string().contains("***"), "{ended:#}");
            let all = everything(&engine, &started).await;
            assert!(!all.contains(PLANTED), "{all}");
        }
    });
    lived.expect("lives");
}

#[test]
fn log_lines_are_redacted_before_anybody_gets_them() {
    let line = LogLine { level: "info", message: PLANTED.into(), fields: vec![("key".into(), PLANTED.into())] };
    let values = [("T".to_owned(), PLANTED.to_owned().into())].into_iter().collect();
    let redactor = crate::secrets::Redactor::new(&values).expect("there is one");
    let outcome = redactor.outcome(Outcome { result: Ok(Payload::null()), usage: Usage::default(), log: vec![line] });
    assert_eq!((outcome.log[0].message.as_str(), outcome.log[0].fields[0].1.as_str()), ("***", "***"));
}
