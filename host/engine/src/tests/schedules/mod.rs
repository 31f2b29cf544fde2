//! Schedules on fakes: what starts when, what is caught up, and that a host that dies at any commit starts every occurrence once.
//!
//! The first life begins at 22:30:00 on a Tuesday, the second at 22:46:40, the third at 23:03:20, whatever happened in those before.

mod crashes;
mod hand;
mod overlaps;

use super::*;

/// What one life made of a schedule.
const ID: &str = "report~0";

fn scheduled(config: &Value) -> Value {
    let steps = json!([{"id": "work", "type": "function", "function": "work", "config": {"when": "{{ event.data.scheduledAt }}"}}]);
    json!({"id": "report", "steps": steps, "triggers": [{"type": "schedule", "config": config}]})
}

/// Functions that answer with what they get.
fn echo() -> FakeRuntime {
    FakeRuntime::new(|call| Ok(call.input.clone()))
}

/// Waits until that time of the day: `22:31:05`.
async fn until(engine: &Engine, time: &str) {
    let at = Timestamp::parse_rfc3339(&format!("2023-11-14T{time}Z")).expect("a time");
    engine.inner.ports.clock.sleep_until(at).await;
}

async fn shown(engine: &Engine, id: &str) -> Value {
    engine.schedule(TENANT, id).await.expect("is there")
}

/// What came of occurrences, the earliest first: `22:31 started`, or with its code.
async fn firings(engine: &Engine, id: &str) -> Vec<String> {
    let shown = shown(engine, id).await;
    let firings = shown["firings"].as_array().expect("a list").iter().rev();
    let brief = |firing: &Value| {
        let (time, word) =
            (firing["scheduledAt"].as_str().expect("a time"), firing["code"].as_str().or(firing["status"].as_str()));
        format!("{} {}", &time[11..16], word.expect("a word"))
    };
    firings.map(brief).collect()
}

/// When the executions of a workflow were due, in order.
async fn started(engine: &Engine, workflow: &str) -> Vec<String> {
    let list = crate::ListRequest { workflow: Some(workflow.to_owned()), limit: 200, ..Default::default() };
    let items = engine.executions(TENANT, &list).await.expect("lists").items;
    let due = |item: &Value| item["trigger"]["scheduledAt"].as_str().expect("a schedule's").to_owned();
    let mut times: Vec<String> = items.iter().map(due).map(|time| time[11..16].to_owned()).collect();
    times.sort();
    times
}

#[test]
fn a_schedule_starts_its_workflow_at_each_occurrence() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let config =
            json!({"cron": "*/2 * * * *", "timezone": "Asia/Kathmandu", "input": {"n": 1, "at": "{{ scheduledAt }}"}});
        deploy(&engine, scheduled(&config)).await.expect("deploys");
        until(&engine, "22:34:30").await;
        // Kathmandu is 5:45 ahead: its even minutes are UTC's odd ones.
        assert_eq!(firings(&engine, ID).await, ["22:31 started", "22:33 started"]);
        let schedule = shown(&engine, ID).await;
        assert_eq!(schedule["nextRuns"].as_array().map(Vec::len), Some(5));
        assert_eq!(schedule["nextRuns"][0], "2023-11-15T04:20:00+05:45");
        let id = schedule["firings"][0]["executionId"].as_str().expect("id");
        let ended = finished(&engine, id).await;
        let at = "2023-11-14T22:33:00.000Z";
        assert_eq!(ended["trigger"], json!({"type": "schedule", "scheduledAt": at}));
        assert_eq!(ended["result"], json!({"n": 1, "at": at, "when": at}), "{ended:#}");
    })
    .expect("lives");
}

#[test]
fn refused_and_quiet_occurrences_are_told_and_start_nothing() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let mut missing = scheduled(&json!({"cron": "* * * * *"}));
        missing["steps"][0]["function"] = json!("nobody");
        engine.registry().create_workflow(TENANT, missing).await.expect("is accepted");
        let more = [
            ("schema", json!({"cron": "* * * * *"}), None),
            (
                "odd",
                json!({"cron": "* * * * *", "input": {"n": 5}}),
                Some("event.data.scheduledAt.includes('22:31') && n === 5 && input.n === 5"),
            ),
            ("throws", json!({"cron": "* * * * *"}), Some("nobody.knows")),
            ("template", json!({"cron": "* * * * *", "input": {"x": "{{ nobody }}"}}), None),
        ];
        for (id, config, condition) in more {
            let mut workflow = scheduled(&config);
            workflow["id"] = json!(id);
            workflow["triggers"][0]["condition"] = json!(condition);
            workflow["inputSchema"] = if id == "schema" { json!({"required": ["total"]}) } else { json!(true) };
            deploy(&engine, workflow).await.expect("deploys");
        }
        until(&engine, "22:32:30").await;
        for (id, expected) in [
            ("report~0", ["22:31 missing_functions", "22:32 missing_functions"]),
            ("schema~0", ["22:31 invalid_input", "22:32 invalid_input"]),
            ("odd~0", ["22:31 started", "22:32 condition_false"]),
            ("throws~0", ["22:31 condition_failed", "22:32 condition_failed"]),
            ("template~0", ["22:31 expression_error", "22:32 expression_error"]),
        ] {
            assert_eq!(firings(&engine, id).await, expected, "{id}");
        }
        let failed = &shown(&engine, ID).await["firings"][0];
        assert_eq!((&failed["status"], failed.get("executionId")), (&json!("failed"), None));
        assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("nobody")), "{failed:#}");
        assert_eq!(started(&engine, "report").await, [""; 0]);
    })
    .expect("lives");
}

#[test]
fn a_schedule_follows_its_definition() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let put = async |config: &Value, enabled: bool| {
            let mut workflow = scheduled(config);
            workflow["enabled"] = json!(enabled);
            engine
                .registry()
                .put_workflow(TENANT, ("report", workflow), &crate::Precondition::default())
                .await
                .expect("puts");
        };
        deploy(&engine, scheduled(&json!({"cron": "* * * * *"}))).await.expect("deploys");
        until(&engine, "22:31:30").await;
        // Other times: what was due before is not due now.
        put(&json!({"cron": "*/4 * * * *", "catchup": "all"}), true).await;
        until(&engine, "22:33:30").await;
        assert_eq!(started(&engine, "report").await, ["22:31", "22:32"]);
        put(&json!({"cron": "*/4 * * * *", "catchup": "all"}), false).await;
        assert_eq!(shown(&engine, ID).await["nextRuns"], json!([]));
        until(&engine, "22:37:30").await;
        // Switched off, it has missed nothing.
        put(&json!({"cron": "*/4 * * * *", "catchup": "all"}), true).await;
        until(&engine, "22:40:30").await;
        assert_eq!(started(&engine, "report").await, ["22:31", "22:32", "22:40"]);
        // The same times, another input: it goes on.
        put(&json!({"cron": "*/4 * * * *", "catchup": "all", "input": {"n": 2}}), true).await;
        let mut two = scheduled(&json!({"cron": "* * * * *", "id": "named"}));
        two["triggers"] = json!([two["triggers"][0], {"type": "schedule", "config": {"cron": "*/2 * * * *"}}]);
        engine.registry().put_workflow(TENANT, ("report", two), &crate::Precondition::default()).await.expect("puts");
        until(&engine, "22:42:30").await;
        assert_eq!(firings(&engine, "report~named").await, ["22:41 started", "22:42 started"]);
        assert_eq!(firings(&engine, "report~1").await, ["22:42 started"]);
        assert!(matches!(engine.schedule(TENANT, ID).await, Err(Error::NotFound { what: "schedule", .. })));
        engine.registry().delete_workflow(TENANT, "report", &crate::Precondition::default()).await.expect("deletes");
        until(&engine, "22:44:30").await;
        let all = crate::ScheduleQuery { limit: 10, ..Default::default() };
        assert_eq!(engine.schedules(TENANT, &all).await.expect("lists").items, [] as [Value; 0]);
        assert_eq!(started(&engine, "report").await.len(), 6, "nothing starts any more");
    })
    .expect("lives");
    let left = |kind| {
        let page = crate::ports::Page { after: None, limit: 9 };
        let found = futures_util::FutureExt::now_or_never(disk.store.documents(TENANT, kind, "", page));
        found.expect("memory answers at once").expect("reads").len()
    };
    use crate::ports::DocumentKind::{Schedule, ScheduleLine, ScheduleMark};
    // Another workflow's index of the same number is another schedule: what was left of `report~0` went when it was replaced.
    assert_eq!([left(Schedule), left(ScheduleMark), left(ScheduleLine)], [0, 0, 0]);
}

#[test]
fn downtime_is_caught_up_as_the_schedule_says() {
    for (catchup, expected, told) in [
        ("none", vec!["22:50"], vec!["22:45 missed", "22:50 started"]),
        ("latest", vec!["22:45", "22:50"], vec!["22:40 missed", "22:45 started", "22:50 started"]),
        (
            "all",
            vec!["22:35", "22:40", "22:45", "22:50"],
            vec!["22:35 started", "22:40 started", "22:45 started", "22:50 started"],
        ),
    ] {
        let mut disk = Disk::new();
        disk.life(echo(), |engine| async move {
            deploy(&engine, scheduled(&json!({"cron": "*/5 * * * *", "catchup": catchup}))).await.expect("deploys");
        });
        disk.life(echo(), |engine| async move {
            until(&engine, "22:50:30").await;
            let mut firings = firings(&engine, ID).await;
            firings.sort();
            assert_eq!(
                (started(&engine, "report").await, firings),
                (expected.iter().map(ToString::to_string).collect(), told.iter().map(ToString::to_string).collect()),
                "{catchup}"
            );
        })
        .expect("lives");
    }
}
