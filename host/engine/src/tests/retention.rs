//! What has ended is forgotten, whole, and nothing else is.

use super::*;
use crate::ports::{DocumentKind, DocumentWrite, Expect, LogLine, Page, Transition};
use crate::{Control, EventQuery, ListRequest, NewEvent, Quotas, TenantChange};
use futures_util::FutureExt as _;

const DAY_MS: u64 = 86_400_000;

/// All kinds whose documents may belong to an execution or an event.
const KINDS: [DocumentKind; 10] = [
    DocumentKind::Log,
    DocumentKind::Approval,
    DocumentKind::ApprovalIndex,
    DocumentKind::Ended,
    DocumentKind::Erasing,
    DocumentKind::Event,
    DocumentKind::EventKey,
    DocumentKind::EventByTime,
    DocumentKind::EventByType,
    DocumentKind::EventMatches,
];

/// More lines and logs than go in one commit.
fn long() -> Value {
    let items: Vec<u32> = (0..270).collect();
    json!({"id": "long", "steps": [
        {"id": "each", "type": "loop", "next": "body", "config": {"items": items, "done": "end"}},
        {"id": "body", "type": "function", "function": "body"},
        {"id": "end", "type": "function", "function": "end"}
    ]})
}

fn talkative() -> FakeRuntime {
    let line = LogLine { level: "info", message: "said".to_owned(), fields: Vec::new() };
    FakeRuntime::new(own_step).logging(vec![line])
}

fn in_days(engine: &Engine, days: u64) -> Timestamp {
    engine.now().plus(days * DAY_MS)
}

async fn forget(engine: &Engine, now: Timestamp) {
    while engine.forget_some(TENANT, now).await.expect("forgets") {}
}

/// Everything in the store that bears this name; the journal counts as one.
async fn traces(store: &dyn Store, id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for kind in KINDS {
        let page = Page { after: None, limit: 10_000 };
        let all = store.documents(TENANT, kind, "", page).await.expect("reads");
        let named = |key: &String, value: &[u8]| key.contains(id) || String::from_utf8_lossy(value).contains(id);
        found
            .extend(all.into_iter().filter(|(key, value)| named(key, value)).map(|(key, _)| format!("{kind:?} {key}")));
    }
    if let Ok(id) = id.parse() {
        let key = ExecutionKey { tenant: TENANT, id };
        let lines = store.journal(key, 0, 1).await.expect("reads");
        found.extend(lines.first().map(|_| "journal".to_owned()));
        found.extend(store.record(key).await.expect("reads").map(|_| "record".to_owned()));
    }
    found
}

async fn is_listed(engine: &Engine, id: &str) -> bool {
    let wanted = ListRequest { limit: 100, ..ListRequest::default() };
    let listed = engine.executions(TENANT, &wanted).await.expect("lists");
    listed.items.iter().any(|item| item["executionId"] == id)
}

async fn is_there(engine: &Engine, id: &str) -> bool {
    let status = engine.status(TENANT, id, None).await;
    assert!(status.is_ok() || matches!(status, Err(Error::NotFound { .. })), "{status:?}");
    assert_eq!(is_listed(engine, id).await, status.is_ok());
    let history = engine.history(TENANT, id, (0, 1_000)).await;
    assert_eq!(history.is_ok(), status.is_ok(), "{history:?}");
    assert!(history.is_ok_and(|history| !history.items.is_empty()) == status.is_ok());
    status.is_ok()
}

async fn quotas(engine: &Engine, quotas: Quotas) {
    let change = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    engine.change_tenant("default", change).await.expect("changes");
}

async fn write(engine: &Engine, kind: DocumentKind, key: String, value: Option<&'static str>) {
    let value = value.map(|text| Bytes::from_static(text.as_bytes()));
    let documents = vec![DocumentWrite { kind, key, value, expect: Expect::Anything }];
    engine.inner.committer.commit(Transition { tenant: TENANT, execution: None, documents }).await.expect("commits");
}

#[test]
fn what_ended_long_ago_is_gone_with_all_that_belongs_to_it_and_nothing_else() {
    let alive = Disk::new().life(talkative(), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let asks = json!({"id": "asks", "steps": [{"id": "ask", "type": "human"}]});
        deploy(&engine, asks).await.expect("deploys");
        let waits = engine.start_execution(TENANT, request("asks", None)).await.expect("starts").to_string();
        let cancelled = engine.start_execution(TENANT, request("asks", None)).await.expect("starts").to_string();
        let cancel = Control::Cancel { reason: None };
        engine.control(TENANT, &cancelled, cancel, None).await.expect("cancels");
        // What is told of approvals is written by then.
        engine.inner.ports.clock.sleep_until(engine.now().plus(1_000)).await;
        let before = engine.reading(TENANT).stored;
        let ended = run(&engine, "order").await;
        let ended = ended["executionId"].as_str().expect("id");
        let with_it = engine.reading(TENANT).stored;
        assert!(with_it > before);
        let store = Arc::clone(&engine.inner.ports.store);
        forget(&engine, in_days(&engine, 6)).await;
        assert!(is_there(&engine, ended).await && is_there(&engine, &cancelled).await, "not before a week is over");
        forget(&engine, in_days(&engine, 8)).await;
        for id in [ended, &cancelled] {
            assert!(!is_there(&engine, id).await);
            assert_eq!(traces(&*store, id).await, Vec::<String>::new());
        }
        assert!(is_there(&engine, &waits).await, "it has not ended");
        assert!(engine.reading(TENANT).stored < before, "what it took is given back, and more");
        assert!(matches!(engine.control(TENANT, ended, Control::Retry, None).await, Err(Error::NotFound { .. })));
    });
    alive.expect("lives");
}

#[test]
fn a_crash_at_any_commit_of_a_removal_leaves_it_whole_or_gone() {
    let mut halves = 0;
    for (point, nth) in (0..100).flat_map(|nth| [(FaultPoint::Before, nth), (FaultPoint::After, nth)]) {
        let mut disk = Disk::new();
        let id = disk.life(talkative(), |engine| async move {
            deploy(&engine, long()).await.expect("deploys");
            run(&engine, "long").await["executionId"].as_str().expect("id").to_owned()
        });
        let id = id.expect("lives");
        disk.store.fail_at(disk.store.accepted() + nth, point);
        let died = disk.life(talkative(), |engine| async move { forget(&engine, in_days(&engine, 8)).await }).is_none();
        let case = format!("{point:?} {nth}");
        let (name, store) = (id.clone(), Arc::clone(&disk.store));
        let there = disk.life(talkative(), |engine| async move {
            let there = is_there(&engine, &name).await;
            let left = traces(&*store, &name).await.len();
            forget(&engine, in_days(&engine, 8)).await;
            (there, left)
        });
        let (there, left) = there.expect("lives");
        halves += u32::from(!there && left > 0);
        assert_eq!(there, left > 270, "{case}: it is all there, or not to be seen; {left} traces");
        let traces = traces(&*disk.store, &id).now_or_never().expect("memory answers at once");
        assert_eq!(traces, Vec::<String>::new(), "{case}: the next life goes on with it");
        if !died {
            assert!(halves > 5, "a long one takes several commits");
            return;
        }
    }
    panic!("the removal never came to its end");
}

#[test]
fn what_a_retry_has_opened_again_stays_until_it_has_ended_again() {
    let mut disk = Disk::new();
    let fails = FakeRuntime::new(|_| Err(Fault::Exited(1)));
    let id = disk.life(fails, |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        run(&engine, "order").await["executionId"].as_str().expect("id").to_owned()
    });
    let id = id.expect("lives");
    let name = id.clone();
    let never = FakeRuntime::slow(|_| Box::pin(std::future::pending()));
    disk.life(never, |engine| async move {
        engine.control(TENANT, &name, Control::Retry, None).await.expect("retries");
        forget(&engine, in_days(&engine, 8)).await;
        assert!(is_there(&engine, &name).await, "it runs");
    });
    let alive = disk.life(FakeRuntime::new(own_step), |engine| async move {
        assert_eq!(finished(&engine, &id).await["status"], "completed");
        forget(&engine, in_days(&engine, 6)).await;
        assert!(is_there(&engine, &id).await, "its second end counts");
        forget(&engine, in_days(&engine, 8)).await;
        assert!(!is_there(&engine, &id).await);
        assert_eq!(traces(&*engine.inner.ports.store, &id).await, Vec::<String>::new());
    });
    alive.expect("lives");
}

#[test]
fn what_somebody_still_waits_for_or_would_start_again_stays() {
    let mut disk = Disk::new();
    let alive = disk.life(FakeRuntime::new(own_step), |engine| async move {
        let parent =
            json!({"id": "parent", "steps": [{"id": "child", "type": "workflow", "config": {"workflow": "child"}}]});
        let child = json!({"id": "child", "steps": [{"id": "one", "type": "function", "function": "one"}]});
        let hears = json!({"id": "hears", "steps": [{"id": "one", "type": "function", "function": "one"}],
            "triggers": [{"type": "event", "config": {"eventType": "order.placed"}}]});
        for workflow in [parent, child, hears] {
            deploy(&engine, workflow).await.expect("deploys");
        }
        let parent = run(&engine, "parent").await;
        let child = parent["steps"]["child"]["childExecutionId"].as_str().expect("a child").to_owned();
        let event = NewEvent { kind: "order.placed".into(), source: "shop".into(), ..NewEvent::default() };
        let event = engine.publish(TENANT, event).await.expect("publishes").event.to_value();
        let event = event["id"].as_str().expect("id").to_owned();
        let came = engine.event(TENANT, &event).await.expect("reads");
        let came: Value = serde_json::from_str(&came).expect("JSON");
        let started = came["started"][0]["executionId"].as_str().expect("started").to_owned();
        finished(&engine, &started).await;
        // As if the last process had died before these were settled.
        let page = Page { after: None, limit: 9 };
        let store = &engine.inner.ports.store;
        let places = store.documents(TENANT, DocumentKind::EventByTime, "", page).await.expect("reads");
        let (place, _) = places.iter().find(|(place, _)| place.ends_with(&event)).expect("its place");
        let received = !u64::from_str_radix(&place[..16], 16).expect("a moment");
        let (notice, pending) = (format!("ended/{child}"), format!("{received:016x}{event}"));
        write(&engine, DocumentKind::Notice, notice.clone(), Some("{}")).await;
        write(&engine, DocumentKind::EventPending, pending.clone(), Some("")).await;
        forget(&engine, in_days(&engine, 8)).await;
        assert!(is_there(&engine, &child).await && is_there(&engine, &started).await);
        assert!(engine.event(TENANT, &event).await.is_ok());
        assert!(!is_there(&engine, parent["executionId"].as_str().expect("id")).await);
        write(&engine, DocumentKind::Notice, notice, None).await;
        write(&engine, DocumentKind::EventPending, pending, None).await;
        forget(&engine, in_days(&engine, 8)).await;
        assert!(!is_there(&engine, &child).await && !is_there(&engine, &started).await);
        assert!(engine.event(TENANT, &event).await.is_err());
        assert_eq!(traces(&*engine.inner.ports.store, &event).await, Vec::<String>::new());
    });
    alive.expect("lives");
}

#[test]
fn a_tenant_keeps_as_many_as_it_wants_and_for_as_long() {
    let alive = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let mut ids = Vec::new();
        for _ in 0..5 {
            let id = engine.start_execution(TENANT, request("order", None)).await.expect("starts").to_string();
            finished(&engine, &id).await;
            engine.inner.ports.clock.sleep_until(engine.now().plus(5)).await;
            ids.push(id);
        }
        let there = async |engine: &Engine| {
            let mut there = Vec::new();
            for id in &ids {
                there.push(is_there(engine, id).await);
            }
            there
        };
        quotas(&engine, Quotas { retention_executions: Some(3), ..Quotas::default() }).await;
        let now = engine.now();
        forget(&engine, now.plus(60_000)).await;
        assert_eq!(there(&engine).await, [true; 5], "whoever waits for an end sees it");
        forget(&engine, now.plus(DAY_MS)).await;
        assert_eq!(there(&engine).await, [false, false, true, true, true], "the latest stay");
        quotas(&engine, Quotas { retention_executions: Some(2), ..Quotas::default() }).await;
        forget(&engine, now.plus(DAY_MS)).await;
        assert_eq!(there(&engine).await, [false, false, false, true, true]);
        quotas(&engine, Quotas { retention_days: Some(30), ..Quotas::default() }).await;
        forget(&engine, now.plus(29 * DAY_MS)).await;
        assert_eq!(there(&engine).await, [false, false, false, true, true]);
        quotas(&engine, Quotas { retention_days: Some(1), ..Quotas::default() }).await;
        forget(&engine, now.plus(2 * DAY_MS)).await;
        assert_eq!(there(&engine).await, [false; 5]);
        let refused = engine.change_tenant(
            "default",
            TenantChange {
                quotas: Some(Quotas { retention_days: Some(0), ..Quotas::default() }),
                ..TenantChange::default()
            },
        );
        assert!(matches!(refused.await, Err(Error::WrongShape { field: "quotas.retention_days", .. })));
    });
    alive.expect("lives");
}

#[test]
fn events_keys_and_days_have_an_age() {
    let alive = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, order()).await.expect("deploys");
        let placed = |id: &str| NewEvent {
            kind: "order.placed".into(),
            source: "shop".into(),
            id: Some(id.into()),
            ..NewEvent::default()
        };
        for id in ["e1", "a/b"] {
            engine.publish(TENANT, placed(id)).await.expect("publishes");
        }
        run(&engine, "order").await;
        write(&engine, DocumentKind::Usage, "2020-01-31".to_owned(), Some("{}")).await;
        let store = Arc::clone(&engine.inner.ports.store);
        let count =
            async |kind| store.documents(TENANT, kind, "", Page { after: None, limit: 99 }).await.expect("reads").len();
        forget(&engine, engine.now().plus(DAY_MS - 60_000)).await;
        assert_eq!((count(DocumentKind::Event).await, count(DocumentKind::Idempotency).await), (2, 1));
        assert_eq!(count(DocumentKind::Usage).await, 0, "what was used five years ago");
        forget(&engine, engine.now().plus(DAY_MS + 60_000)).await;
        assert_eq!((count(DocumentKind::Event).await, count(DocumentKind::Idempotency).await), (2, 0));
        assert_eq!(count(DocumentKind::IdempotencyAge).await, 0);
        forget(&engine, in_days(&engine, 8)).await;
        for kind in KINDS {
            assert_eq!(count(kind).await, 0, "{kind:?}");
        }
        assert!(engine.publish(TENANT, placed("e1")).await.expect("publishes").is_new, "it is forgotten");
        let listed = engine.events(TENANT, &EventQuery { limit: 9, ..EventQuery::default() }).await.expect("lists");
        assert_eq!(listed.items.len(), 1);
    });
    alive.expect("lives");
}
