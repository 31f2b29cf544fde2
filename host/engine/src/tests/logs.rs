//! Logs are durable with the attempts that wrote them, and bounded.

use super::*;
use crate::ports::LogLine;
use crate::{LogPlace, Logs};

fn line(message: &str) -> LogLine {
    LogLine { level: "info", message: message.to_owned(), fields: vec![("k".to_owned(), "v".to_owned())] }
}

/// One function step that fails at first and is tried again `retries` times.
fn stubborn(retries: u32) -> Value {
    let config = json!({"retries": retries, "retry": {"delay": 1, "backoff": "constant"}});
    json!({"id": "s", "steps": [{"id": "a", "type": "function", "function": "a", "config": config}]})
}

async fn all(engine: &Engine, id: &str) -> Vec<Value> {
    let (mut items, mut from) = (Vec::new(), LogPlace::default());
    loop {
        let Logs { items: more, next } = engine.logs(TENANT, (id, None), (from, 7)).await.expect("reads");
        items.extend(more);
        let Some(next) = next else { return items };
        from = next.to_string().parse().expect("reads back");
    }
}

fn failing() -> FakeRuntime {
    FakeRuntime::new(|_| Err(retryable("busy")))
}

#[test]
fn each_attempt_s_lines_are_kept_in_order() {
    let mut disk = Disk::new();
    let lines = disk.life(failing().logging(vec![line("one"), line("two")]), |engine| async move {
        deploy(&engine, stubborn(4)).await.expect("deploys");
        let ended = run(&engine, "s").await;
        all(&engine, ended["executionId"].as_str().expect("id")).await
    });
    let lines = lines.expect("lives");
    let seen: Vec<_> = lines.iter().map(|line| (line["attempt"].as_u64(), line["message"].as_str())).collect();
    let wanted: Vec<_> = (1..=5).flat_map(|n| [(Some(n), Some("one")), (Some(n), Some("two"))]).collect();
    assert_eq!(seen, wanted);
    assert_eq!((&lines[0]["fields"], &lines[0]["step"]), (&json!({"k": "v"}), &json!("a")));
}

#[test]
fn an_execution_s_log_has_an_end_that_says_so() {
    let mut disk = Disk::new();
    // 64 KiB for each attempt, and four megabytes in all: the restart in the middle does not start the count again.
    let long = || failing().logging(vec![line(&"x".repeat(64 << 10))]);
    let id = disk.life(long(), |engine| async move {
        deploy(&engine, stubborn(90)).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("s", None)).await.expect("starts").to_string();
        let clock = &engine.inner.ports.clock;
        while engine
            .inner
            .live
            .get(ExecutionKey { tenant: TENANT, id: id.parse().expect("id") })
            .is_some_and(|l| l.execution().lines < 40)
        {
            clock.sleep_until(clock.now().plus(1)).await;
        }
        id
    });
    let id = id.expect("lives");
    let lines = disk.life(long(), |engine| async move {
        finished(&engine, &id).await;
        all(&engine, &id).await
    });
    let lines = lines.expect("lives");
    let last = lines.last().expect("lines");
    assert!(last["message"].as_str().is_some_and(|text| text.contains("limit `execution_log_bytes`")), "{last:.200}");
    assert!((60..=64).contains(&lines.len()), "{}", lines.len());
}

#[test]
fn nothing_logged_leaves_nothing() {
    let mut disk = Disk::new();
    disk.life(failing(), |engine| async move {
        deploy(&engine, stubborn(1)).await.expect("deploys");
        let ended = run(&engine, "s").await;
        assert!(all(&engine, ended["executionId"].as_str().expect("id")).await.is_empty());
        let page = crate::ports::Page { after: None, limit: 9 };
        let kind = crate::ports::DocumentKind::Log;
        assert!(engine.inner.ports.store.documents(TENANT, kind, "", page).await.expect("reads").is_empty());
    });
}
