//! Pause, resume, run now, backfill.

use super::*;
use crate::Backfill;

fn by() -> Option<String> {
    Some("ada".to_owned())
}

fn span(from: &str, to: &str, again: bool) -> Backfill {
    let at = |time: &str| Timestamp::parse_rfc3339(&format!("2023-11-14T{time}Z")).expect("a time");
    Backfill { from: at(from), to: at(to), again, by: by() }
}

#[test]
fn a_paused_schedule_rests_and_makes_up_for_nothing() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        deploy(&engine, scheduled(&json!({"cron": "* * * * *", "catchup": "all"}))).await.expect("deploys");
        until(&engine, "22:31:30").await;
        for _ in 0..2 {
            let paused = engine.pause_schedule(TENANT, ID, (true, by())).await.expect("pauses");
            assert_eq!(
                (&paused["paused"], &paused["pausedBy"], &paused["nextRuns"]),
                (&json!(true), &json!("ada"), &json!([]))
            );
        }
        until(&engine, "22:40:00").await;
        assert_eq!(started(&engine, "report").await, ["22:31"]);
        // By hand it runs, also while it rests.
        let id = engine.run_schedule(TENANT, ID, by()).await.expect("runs").to_string();
        let ended = finished(&engine, &id).await;
        let expected = json!({"type": "schedule", "by": "ada", "scheduledAt": "2023-11-14T22:40:00.000Z"});
        assert_eq!((&ended["status"], &ended["trigger"]), (&json!("completed"), &expected));
    });
    disk.life(echo(), |engine| async move {
        until(&engine, "22:50:30").await;
        assert_eq!(started(&engine, "report").await, ["22:31", "22:40"], "a restart does not wake it");
        engine.pause_schedule(TENANT, ID, (false, by())).await.expect("resumes");
        until(&engine, "22:52:30").await;
        assert_eq!(started(&engine, "report").await, ["22:31", "22:40", "22:51", "22:52"]);
    })
    .expect("lives");
}

#[test]
fn a_backfill_runs_each_occurrence_once() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        deploy(&engine, scheduled(&json!({"cron": "* * * * *"}))).await.expect("deploys");
        until(&engine, "22:32:30").await;
        for expected in [[false, false, true, true], [true; 4]] {
            let occurrences = engine.backfill(TENANT, ID, span("22:29:00", "22:32:10", false)).await.expect("fills");
            assert_eq!(occurrences.iter().map(|one| one.already).collect::<Vec<_>>(), expected);
            for one in &occurrences {
                until(&engine, "22:32:31").await;
                assert_eq!(finished(&engine, &one.execution.to_string()).await["status"], "completed");
            }
            assert_eq!(started(&engine, "report").await, ["22:29", "22:30", "22:31", "22:32"]);
        }
        let again = engine.backfill(TENANT, ID, span("22:31:00", "22:31:00", true)).await.expect("fills");
        until(&engine, "22:32:40").await;
        assert_eq!((again.len(), again[0].already), (1, false));
        assert_eq!(started(&engine, "report").await, ["22:29", "22:30", "22:31", "22:31", "22:32"]);
        let line = &shown(&engine, ID).await["firings"][0];
        assert_eq!(
            (&line["cause"], &line["by"], &line["status"]),
            (&json!("backfill"), &json!("ada"), &json!("started"))
        );
    })
    .expect("lives");
}

#[test]
fn a_backfill_is_bounded_and_runs_one_by_one_where_executions_must_not_meet() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let mut workflow = scheduled(&json!({"cron": "0 * * * *", "overlap": "skip"}));
        workflow["steps"] = json!([{"id": "wait", "type": "wait", "config": {"duration": "10s"}}]);
        deploy(&engine, workflow).await.expect("deploys");
        let occurrences = engine.backfill(TENANT, ID, span("18:00:00", "22:00:00", false)).await.expect("fills");
        assert_eq!(occurrences.len(), 5);
        until(&engine, "22:30:25").await;
        assert_eq!(started(&engine, "report").await, ["18:00", "19:00", "20:00"]);
        until(&engine, "22:31:00").await;
        assert_eq!(started(&engine, "report").await.len(), 5);
        let year = Backfill { from: Timestamp(0), ..span("00:00:00", "22:00:00", false) };
        let refused = engine.backfill(TENANT, ID, year).await;
        assert!(matches!(refused, Err(Error::Refused { code: "backfill_occurrences", .. })), "{refused:?}");
        for (field, bad) in [("to", span("22:00:00", "23:00:00", false)), ("from", span("22:10:00", "22:00:00", false))]
        {
            let refused = engine.backfill(TENANT, ID, bad).await;
            assert!(matches!(&refused, Err(Error::WrongShape { field: at, .. }) if *at == field), "{refused:?}");
        }
        assert_eq!(engine.backfill(TENANT, ID, span("18:10:00", "18:20:00", false)).await.expect("fills"), []);
        for unknown in ["report~1", "nobody~0", "report", "", "a/b~0", &"x".repeat(9_999)] {
            let answer = engine.run_schedule(TENANT, unknown, None).await;
            assert!(matches!(answer, Err(Error::NotFound { what: "schedule", .. })), "{unknown}");
        }
        assert!(matches!(engine.schedule(TenantId(2), ID).await, Err(Error::NotFound { .. })));
    })
    .expect("lives");
}

#[test]
fn a_run_by_hand_that_is_refused_is_told_to_both() {
    let mut disk = Disk::new();
    disk.life(echo(), |engine| async move {
        let mut missing = scheduled(&json!({"cron": "@daily"}));
        missing["steps"][0]["function"] = json!("nobody");
        engine.registry().create_workflow(TENANT, missing).await.expect("is accepted");
        let refused = engine.run_schedule(TENANT, ID, by()).await;
        assert!(matches!(refused, Err(Error::MissingFunctions(_))), "{refused:?}");
        let line = &shown(&engine, ID).await["firings"][0];
        assert_eq!(
            (&line["cause"], &line["by"], &line["code"]),
            (&json!("manual"), &json!("ada"), &json!("missing_functions"))
        );
    })
    .expect("lives");
}
