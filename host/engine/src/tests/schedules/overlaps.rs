//! What becomes of an occurrence while the one before it runs.

use super::*;

/// Each execution takes ninety seconds, most of them parked.
fn long(overlap: &str) -> Value {
    let steps = json!([{"id": "wait", "type": "wait", "config": {"duration": "90s"}}]);
    let config = json!({"cron": "* * * * *", "overlap": overlap});
    json!({"id": "report", "steps": steps, "triggers": [{"type": "schedule", "config": config}]})
}

/// How each execution ended, in the order of occurrences.
async fn ends(engine: &Engine) -> Vec<String> {
    let list = crate::ListRequest { workflow: Some("report".to_owned()), limit: 200, ..Default::default() };
    let items = engine.executions(TENANT, &list).await.expect("lists").items;
    let mut ends: Vec<String> = items
        .iter()
        .map(|item| {
            let text = |of: &Value| of.as_str().unwrap_or("-").to_owned();
            let clock = |of: &Value| of.as_str().map_or("-".to_owned(), |at| at[14..19].to_owned());
            let due = clock(&item["trigger"]["scheduledAt"]);
            format!("{due} {} to {}: {}", clock(&item["startedAt"]), clock(&item["endedAt"]), text(&item["state"]))
        })
        .collect();
    ends.sort();
    ends
}

#[test]
fn each_mode_does_what_it_says() {
    for (overlap, expected) in [
        (
            "allow",
            vec![
                "31:00 31:00 to 32:30: completed",
                "32:00 32:00 to 33:30: completed",
                "33:00 33:00 to -: waiting_timer",
                "34:00 34:00 to -: waiting_timer",
            ],
        ),
        ("skip", vec!["31:00 31:00 to 32:30: completed", "33:00 33:00 to -: waiting_timer"]),
        (
            "queue",
            vec![
                "31:00 31:00 to 32:30: completed",
                "32:00 32:30 to 34:00: completed",
                "33:00 34:00 to -: waiting_timer",
            ],
        ),
        (
            "cancel",
            vec![
                "31:00 31:00 to 32:00: cancelled",
                "32:00 32:00 to 33:00: cancelled",
                "33:00 33:00 to 34:00: cancelled",
                "34:00 34:00 to -: waiting_timer",
            ],
        ),
    ] {
        let mut disk = Disk::new();
        let seen = disk.life(echo(), |engine| async move {
            deploy(&engine, long(overlap)).await.expect("deploys");
            until(&engine, "22:34:20").await;
            if overlap == "skip" {
                let told = ["22:31 started", "22:32 overlap_skipped", "22:33 started", "22:34 overlap_skipped"];
                assert_eq!(firings(&engine, ID).await, told);
            }
            if overlap == "queue" {
                let firings = firings(&engine, ID).await;
                assert!(firings.contains(&"22:34 waiting".to_owned()), "{firings:?}");
            }
            ends(&engine).await
        });
        assert_eq!(seen.expect("lives"), expected, "{overlap}");
    }
}

#[test]
fn a_queue_outlives_the_process_and_is_bounded() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        deploy(&engine, long("queue")).await.expect("deploys");
        until(&engine, "22:32:10").await;
    });
    // 22:46:40: the first one ended while nobody was there; the second waits its turn.
    disk.life(echo(), |engine| async move {
        until(&engine, "22:47:05").await;
        let ends = ends(&engine).await;
        assert!(ends[0].starts_with("31:00 31:00 to 46:40") && ends[1].starts_with("32:00 46:40 to"), "{ends:?}");
        until(&engine, "23:59:59").await;
    });
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let mut forever = long("queue");
        forever["steps"][0]["config"]["duration"] = json!("7d");
        forever["triggers"][0]["config"]["cron"] = json!("* * * * * *");
        deploy(&engine, forever).await.expect("deploys");
        until(&engine, "22:50:00").await;
        let (shown, firings) = (shown(&engine, ID).await, firings(&engine, ID).await);
        assert_eq!(started(&engine, "report").await.len(), 1);
        assert!(firings.iter().any(|firing| firing.ends_with("schedule_queue")), "{shown:#}");
        assert_eq!(firings.iter().filter(|firing| firing.ends_with("waiting")).count(), 50, "{shown:#}");
        let lines = count(&engine, crate::ports::DocumentKind::ScheduleLine).await;
        assert!((50..60).contains(&lines), "what is too old goes: {lines}");
        assert_eq!(count(&engine, crate::ports::DocumentKind::ScheduleMark).await, 1_000);
        // Nobody waits for a workflow that is not there any more.
        engine.registry().delete_workflow(TENANT, "report", &crate::Precondition::default()).await.expect("deletes");
        until(&engine, "22:51:00").await;
        assert_eq!(count(&engine, crate::ports::DocumentKind::ScheduleMark).await, 0);
    })
    .expect("lives");
}

async fn count(engine: &Engine, kind: crate::ports::DocumentKind) -> usize {
    let page = crate::ports::Page { after: None, limit: 9_999 };
    engine.inner.ports.store.documents(TENANT, kind, "", page).await.expect("reads").len()
}

#[test]
fn a_long_execution_is_not_forgotten_over_many_that_were_left_out() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let mut workflow = long("skip");
        workflow["steps"][0]["config"]["duration"] = json!("20m");
        workflow["triggers"][0]["config"]["cron"] = json!("* * * * * *");
        deploy(&engine, workflow).await.expect("deploys");
        until(&engine, "22:33:00").await;
        assert!(firings(&engine, ID).await.iter().all(|firing| firing.ends_with("overlap_skipped")));
    });
    disk.life(echo(), |engine| async move {
        until(&engine, "22:49:00").await;
        assert_eq!(started(&engine, "report").await, ["22:30"]);
        until(&engine, "22:51:00").await;
        assert_eq!(started(&engine, "report").await, ["22:30", "22:50"]);
        assert_eq!(count(&engine, crate::ports::DocumentKind::ScheduleOpen).await, 1, "the one that runs");
    })
    .expect("lives");
}
