//! What functions ask for, answered by the attempt's host: held to grants, kept, published once, and never said again.

use super::*;
use crate::NewEvent;
use crate::ports::{Answer, Ask, Draft, Expected, Host, Refusal, Refused};
use std::sync::atomic::{AtomicU32, Ordering};
use stepwell_core::grants;

const PLANTED: &str = "planted-value-0123456789";

/// Registers `f` with these grants, and a workflow `w` of one step that calls it up to three times.
pub async fn deploy_f(engine: &Engine, wanted: Value) {
    let grants = grants::grants(&wanted).expect("grants");
    let upload = Upload { grants, ..Upload::new("f", Artifact::wasm(wanted.to_string())) };
    engine.registry().deploy(TENANT, upload).await.expect("deploys");
    let retries = json!({"retries": 2, "retry": {"delay": 1}});
    let workflow = json!({"id": "w", "steps": [{"id": "s", "type": "function", "function": "f", "config": retries}]});
    engine.registry().put_workflow(TENANT, ("w", workflow), &crate::Precondition::default()).await.expect("deploys");
}

/// A new execution of `w`, and its end.
pub async fn run_anew(engine: &Engine) -> Value {
    let id = engine.start_execution(TENANT, super::request("w", None)).await.expect("starts").to_string();
    finished(engine, &id).await
}

/// A life in which each call asks these questions and answers with what came back.
fn asked<F: Future<Output = ()>>(questions: Vec<Ask>, life: impl FnOnce(Engine) -> F) {
    let runtime = FakeRuntime::asking(move |_, host: Arc<dyn Host>| {
        let questions = questions.clone();
        Box::pin(async move {
            let mut answers = Vec::new();
            for question in questions {
                answers.push(shown(host.ask(question).await));
            }
            Ok(Payload::from_value(&json!(answers)))
        })
    });
    Disk::new().life(runtime, life).expect("lives");
}

fn shown(answer: Result<Answer, Refused>) -> Value {
    match answer {
        Ok(Answer::Text(text)) => json!(text),
        Ok(Answer::Secret(secret)) => json!(secret.map(|secret| secret.0.to_string())),
        Ok(Answer::Value(found)) => json!(found.map(|(value, _)| String::from_utf8(value).expect("UTF-8"))),
        Ok(Answer::Version(version)) => json!(version > 0),
        Ok(Answer::Keys(keys, more)) => json!([keys, more]),
        Err(refused) => json!({"why": format!("{:?}", refused.why), "message": refused.message}),
    }
}

fn is_denied(answer: &Value, grant: &str) -> bool {
    answer["why"] == "Denied" && answer["message"].as_str().is_some_and(|message| message.contains(grant))
}

fn put(key: &str, value: &str, expect: Expected) -> Ask {
    Ask::Put { key: key.into(), value: value.into(), expect }
}

fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Ask {
    Ask::Keys { prefix: prefix.into(), after: after.map(str::to_owned), limit }
}

fn publish(kind: &str, id: Option<&str>) -> Ask {
    Ask::Publish(Draft { kind: kind.into(), id: id.map(str::to_owned), data: "{\"n\":1}".into() })
}

#[test]
fn values_are_kept_and_compared() {
    let questions = vec![
        Ask::Get("a".into()),
        put("a", "1", Expected::Absent),
        put("a", "2", Expected::Absent),
        put("a", "3", Expected::Version(1)),
        Ask::Get("a".into()),
        put("a/b", "", Expected::Anything),
        keys("a", None, 1),
        keys("a", Some("a"), 10),
        Ask::Remove { key: "a".into(), expect: Expected::Version(1) },
        Ask::Remove { key: "a".into(), expect: Expected::Anything },
        Ask::Remove { key: "a".into(), expect: Expected::Anything },
        Ask::Get("a".into()),
        put("", "x", Expected::Anything),
        put("a\n", "x", Expected::Anything),
        put(&"k".repeat(501), "x", Expected::Anything),
        put("large", &"x".repeat((64 << 10) + 1), Expected::Anything),
    ];
    asked(questions, |engine| async move {
        deploy_f(&engine, json!({"keyValue": "write"})).await;
        let result = run_anew(&engine).await["result"].clone();
        let answers = result.as_array().expect("answers");
        let plain: Vec<Value> = answers.iter().map(|answer| answer.get("why").unwrap_or(answer).clone()).collect();
        let expected = json!([
            null,
            true,
            "Conflict",
            "Conflict",
            "1",
            true,
            [["a"], true],
            [["a/b"], false],
            "Conflict",
            false,
            false,
            null,
            "Invalid",
            "Invalid",
            "Invalid",
            "Limit",
        ]);
        assert_eq!(json!(plain), expected, "{result:#}");
        // Another tenant has none of it.
        let other = TenantId(7);
        assert!(engine.key_values().get(other, "a/b").await.expect("reads").is_none());
        assert!(engine.key_values().keys(other, "", (None, 10)).await.expect("reads").items.is_empty());
        let version = engine.key_values().put(TENANT, ("a", b"new"), Expected::Absent).await.expect("is kept");
        let again =
            engine.key_values().put(TENANT, ("a", b"newer"), Expected::Version(version)).await.expect("is kept");
        assert!(again > version);
        let late = engine.key_values().put(TENANT, ("a", b"late"), Expected::Version(version)).await;
        assert!(matches!(late, Err(Error::PreconditionFailed { .. })), "{late:?}");
    });
}

#[test]
fn nothing_is_answered_that_was_not_granted() {
    let questions = vec![
        Ask::Config("REGION".into()),
        Ask::Secret("TOKEN".into()),
        Ask::SecretReference("TOKEN".into()),
        Ask::Get("a".into()),
        put("a", "1", Expected::Anything),
        publish("order.placed", None),
    ];
    asked(questions, |engine| async move {
        engine.secrets().put(TENANT, "TOKEN", PLANTED).await.expect("sets");
        engine.configuration().put(TENANT, "REGION", "eu".to_owned()).await.expect("sets");
        deploy_f(&engine, json!({})).await;
        let result = run_anew(&engine).await["result"].clone();
        for (at, grant) in [
            r#"{"config":["REGION"]}"#,
            r#"{"secrets":{"TOKEN":{"read":true}}}"#,
            r#"{"secrets":{"TOKEN":{"hosts":["#,
            r#"{"keyValue":"read"}"#,
            r#"{"keyValue":"write"}"#,
            r#"{"events":["order.placed"]}"#,
        ]
        .into_iter()
        .enumerate()
        {
            assert!(is_denied(&result[at], grant), "{grant}: {result:#}");
        }
        // What is granted for one use is not for another.
        deploy_f(&engine, json!({"keyValue": "read", "secrets": {"TOKEN": {"hosts": ["a.b"]}}, "events": ["order.*"]}))
            .await;
        let result = run_anew(&engine).await["result"].clone();
        assert!(is_denied(&result[1], "read") && result[3].is_null() && is_denied(&result[4], "write"), "{result:#}");
        assert!(result[2].as_str().is_some_and(|text| text.starts_with("stepwell-secret-")), "{result:#}");
        assert!(result[5].is_string(), "{result:#}");
    });
}

#[test]
fn a_policy_counts_at_once_also_for_what_was_pinned_before() {
    asked(vec![Ask::Config("REGION".into())], |engine| async move {
        engine.configuration().put(TENANT, "REGION", "eu".to_owned()).await.expect("sets");
        deploy_f(&engine, json!({"config": ["REGION"]})).await;
        let first = run_anew(&engine).await;
        assert_eq!(first["result"], json!(["eu"]));
        let narrow = grants::policy(&json!({"config": []})).expect("a policy");
        engine.policies().put((TENANT, grants::By::Tenant), narrow).await.expect("is kept");
        // A new version that wants nothing changes nothing for executions that run: they keep their own, and today's policies.
        let id = first["executionId"].as_str().expect("id");
        let again = crate::RerunRequest { from_step: None, input: None, latest: false, by: None };
        let again = engine.rerun(TENANT, id, again).await.expect("starts");
        let ended = finished(&engine, &again.to_string()).await;
        assert!(is_denied(&ended["result"][0], "policy does not allow it"), "{ended:#}");
        let function = engine.registry().function(TENANT, "f").await.expect("reads").expect("is there");
        let function = engine.shown(TENANT, (*function).clone()).await.expect("shows");
        assert!(function.grants.granted.is_empty() && function.grants.refused.len() == 1, "{function:?}");
    });
}

#[test]
fn a_pin_keeps_what_its_version_wanted() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let runtime = FakeRuntime::asking(move |_, host: Arc<dyn Host>| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let answer = shown(host.ask(Ask::Config("REGION".into())).await);
            let message = answer.to_string();
            let failed = Fault::Failed {
                code: "again".into(),
                message,
                details: None,
                retry: Retry::Again { after_ms: Some(60_000) },
            };
            if call == 0 { Err(failed) } else { Ok(Payload::from_value(&answer)) }
        })
    });
    let alive = Disk::new().life(runtime, |engine| async move {
        engine.configuration().put(TENANT, "REGION", "eu".to_owned()).await.expect("sets");
        deploy_f(&engine, json!({"config": ["REGION"]})).await;
        let id = engine.start_execution(TENANT, super::request("w", None)).await.expect("starts").to_string();
        tokio::time::advance(Duration::from_secs(1)).await;
        let nothing = Upload::new("f", Artifact::wasm("another"));
        engine.registry().deploy(TENANT, nothing).await.expect("deploys");
        let ended = finished(&engine, &id).await;
        assert_eq!(ended["result"], "eu", "the execution calls the version that it began with: {ended:#}");
    });
    alive.expect("lives");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn another_attempt_publishes_nothing_twice() {
    let calls = AtomicU32::new(0);
    let runtime = FakeRuntime::asking(move |_, host: Arc<dyn Host>| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let questions =
                [publish("order.placed", None), publish("order.placed", None), publish("order.placed", Some("mine"))];
            let mut ids = Vec::new();
            for question in questions {
                ids.push(shown(host.ask(question).await));
            }
            assert_eq!(shown(host.ask(publish("stepwell.execution.failed", None)).await)["why"], "Invalid");
            assert_eq!(shown(host.ask(publish("a.*", None)).await)["why"], "Invalid");
            if call == 0 { Err(Fault::Trapped("once".into())) } else { Ok(Payload::from_value(&json!(ids))) }
        })
    });
    let alive = Disk::new().life(runtime, |engine| async move {
        deploy_f(&engine, json!({"events": ["order.*", "stepwell"]})).await;
        let result = run_anew(&engine).await["result"].clone();
        let events = engine.events(TENANT, &everything()).await.expect("lists").items;
        assert_eq!(events.len(), 3, "{events:?}");
        let ids: Vec<&str> = result.as_array().expect("ids").iter().filter_map(Value::as_str).collect();
        assert_eq!((ids.len(), ids[2]), (3, "mine"), "{result:#}");
        assert!(events.iter().all(|event| event.as_str().contains("\"source\":\"function/f\"")), "{events:?}");
    });
    alive.expect("lives");
}

#[test]
fn a_circle_of_events_ends() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let runtime = FakeRuntime::asking(move |_, host: Arc<dyn Host>| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(Payload::from_value(&shown(host.ask(publish("again", None)).await))) })
    });
    let alive = Disk::new().life(runtime, |engine| async move {
        deploy_f(&engine, json!({"events": ["again"]})).await;
        let trigger = json!([{"type": "event", "config": {"eventType": "again"}}]);
        let workflow =
            json!({"id": "w", "steps": [{"id": "s", "type": "function", "function": "f"}], "triggers": trigger});
        engine
            .registry()
            .put_workflow(TENANT, ("w", workflow), &crate::Precondition::default())
            .await
            .expect("deploys");
        let first = NewEvent { kind: "again".into(), source: "test".into(), ..NewEvent::default() };
        engine.publish(TENANT, first).await.expect("is kept");
        engine.inner.attempts.idle().await;
    });
    alive.expect("lives");
    let most = Limits::default().event_hops + 1;
    assert_eq!(calls.load(Ordering::SeqCst), most, "the first one, and {} that it led to", most - 1);
}

#[test]
fn what_was_read_is_said_nowhere() {
    let runtime = FakeRuntime::asking(|_, host: Arc<dyn Host>| {
        Box::pin(async move {
            let Ok(Answer::Secret(Some(secret))) = host.ask(Ask::Secret("TOKEN".into())).await else {
                return Err(Fault::Trapped("no secret".into()));
            };
            let data = json!({"said": *secret.0}).to_string();
            let event = Draft { kind: "told".into(), id: None, data };
            let published = shown(host.ask(Ask::Publish(event)).await);
            Ok(Payload::from_value(&json!({"value": *secret.0, "length": secret.0.len(), "event": published})))
        })
    });
    let alive = Disk::new().life(runtime, |engine| async move {
        engine.secrets().put(TENANT, "TOKEN", PLANTED).await.expect("sets");
        deploy_f(&engine, json!({"secrets": {"TOKEN": {"read": true}}, "events": ["told"]})).await;
        let ended = run_anew(&engine).await;
        assert_eq!(
            (&ended["result"]["value"], &ended["result"]["length"]),
            (&json!("***"), &json!(PLANTED.len())),
            "{ended:#}"
        );
        let events = format!("{:?}", engine.events(TENANT, &everything()).await.expect("lists").items);
        assert!(events.contains("***") && !events.contains(PLANTED), "{events}");
        let direct = engine.execute(TENANT, ("f", Payload::empty_object()), None).await.expect("is called");
        assert_eq!(direct.expect("answers").to_value()["value"], "***");
    });
    alive.expect("lives");
}

fn everything() -> crate::EventQuery {
    crate::EventQuery { kind: None, source: None, since: None, after: None, limit: 100 }
}

#[test]
fn refusals_have_a_kind_for_programs() {
    for (error, why) in [
        (Error::Unavailable("x".into()), Refusal::Unavailable),
        (Error::Broken, Refusal::Unavailable),
        (Error::PreconditionFailed { message: String::new() }, Refusal::Conflict),
        (Error::LimitReached { limit: "kv_keys", message: String::new() }, Refusal::Limit),
        (Error::WrongShape { field: "key", message: String::new() }, Refusal::Invalid),
    ] {
        assert_eq!(crate::host::refused(&error).why, why);
    }
}
