//! Hosts that die, and stores that are unsure.

use super::*;
use std::collections::BTreeSet;

const ENOUGH: [&str; 3] = ["22:31", "22:32", "22:33"];

/// Lives until all that was due in the first minutes has run; what ran, in the order of occurrences.
fn through_deaths(disk: &mut Disk) -> Vec<String> {
    for _ in 0..4 {
        let seen = disk.life(echo(), |engine| async move {
            deploy(&engine, scheduled(&json!({"cron": "* * * * *", "catchup": "all"}))).await.expect("deploys");
            until(&engine, "22:33:30").await;
            let clock = &engine.inner.ports.clock;
            clock.sleep_until(clock.now().plus(61_000)).await;
            let list = crate::ListRequest { limit: 200, ..Default::default() };
            for item in engine.executions(TENANT, &list).await.expect("lists").items {
                finished(&engine, item["executionId"].as_str().expect("id")).await;
            }
            started(&engine, "report").await
        });
        if let Some(seen) = seen {
            return seen;
        }
    }
    panic!("it dies again and again");
}

/// Minute after minute, none twice.
fn is_whole(started: &[String]) -> bool {
    let minute = |time: &String| time[..2].parse::<u32>().unwrap_or(0) * 60 + time[3..].parse::<u32>().unwrap_or(0);
    started.windows(2).all(|two| minute(&two[0]) + 1 == minute(&two[1]))
}

#[test]
fn a_host_that_dies_at_any_commit_starts_every_occurrence_once() {
    let mut disk = Disk::new();
    let started = through_deaths(&mut disk);
    assert!(ENOUGH.iter().all(|time| started.contains(&(*time).to_owned())) && is_whole(&started), "{started:?}");
    let commits = disk.store.accepted();
    assert!(commits > 15, "{commits}");
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in 0..commits {
            let mut disk = Disk::new();
            disk.store.fail_at(commit, point);
            let started = through_deaths(&mut disk);
            let case = format!("{point:?} commit {commit}: {started:?}");
            assert!(!started.is_empty() && is_whole(&started), "{case}");
            let called = disk.calls_by_step();
            let keys: BTreeSet<_> = called["work"].iter().collect();
            assert_eq!(keys.len(), started.len(), "{case}");
            let left = crate::ports::Page { after: None, limit: 9 };
            let left = disk.store.documents(TENANT, crate::ports::DocumentKind::ScheduleMark, "", left);
            let left = futures_util::FutureExt::now_or_never(left).expect("memory answers at once");
            assert_eq!(left.expect("reads"), [], "{case}");
        }
    }
}

#[test]
fn a_store_that_is_unsure_loses_no_occurrence() {
    for overlap in ["allow", "skip", "queue", "cancel"] {
        let deployed = || {
            let mut disk = Disk::new();
            disk.life(echo(), |engine| async move {
                let config = json!({"cron": "*/10 * * * *", "catchup": "all", "overlap": overlap});
                deploy(&engine, scheduled(&config)).await.expect("deploys");
            });
            disk
        };
        unsure(overlap, deployed);
    }
}

fn unsure(overlap: &str, deployed: impl Fn() -> Disk) {
    let run = |disk: &mut Disk| {
        let seen = disk.life(echo(), |engine| async move {
            until(&engine, "22:50:30").await;
            assert_eq!(firings(&engine, ID).await, ["22:40 started", "22:50 started"], "{overlap}");
            started(&engine, "report").await
        });
        seen.expect("lives")
    };
    let mut disk = deployed();
    let before = disk.store.accepted();
    assert_eq!(run(&mut disk), ["22:40", "22:50"]);
    for point in [FaultPoint::Refuse, FaultPoint::Unsure] {
        for commit in before..disk.store.accepted() {
            let mut disk = deployed();
            disk.store.fail_at(commit, point);
            assert_eq!(run(&mut disk), ["22:40", "22:50"], "{overlap} {point:?} commit {commit}");
        }
    }
}
