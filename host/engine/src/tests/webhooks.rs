//! Webhooks: a delivery starts what it must, once, wherever the host dies.

use super::*;
use crate::ports::{DocumentKind, Page};
use crate::{DeliveryQuery, Incoming, Received, Route};

fn hook(id: &str, function: &str) -> Value {
    let trigger = json!({"type": "webhook", "config": {"path": format!("/webhooks/{id}")}});
    let steps = json!([{"id": "only", "type": "function", "function": function}]);
    json!({"id": id, "steps": steps, "triggers": [trigger]})
}

fn request(id: &str, name: Option<&str>, body: &str) -> Incoming {
    let headers = name.map(|name| ("webhook-id".to_owned(), Bytes::copy_from_slice(name.as_bytes())));
    Incoming {
        method: "POST".to_owned(),
        path: format!("/webhooks/{id}"),
        query: serde_json::Map::new(),
        headers: headers.into_iter().collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

async fn deliver(engine: &Engine, request: Incoming) -> Result<Received, Error> {
    let Route::Here(webhook) = engine.webhook(TENANT, &request.path, &request.method).await? else {
        panic!("nobody has {}", request.path)
    };
    let read =
        |request: &Incoming| Ok(Payload::parse(std::str::from_utf8(&request.body).expect("text")).expect("JSON"));
    engine.receive(webhook, request, read).await
}

async fn listed(engine: &Engine) -> Vec<Value> {
    let query = DeliveryQuery { limit: 100, ..DeliveryQuery::default() };
    engine.deliveries(TENANT, &query).await.expect("lists").items
}

fn started(received: Received) -> String {
    match received {
        Received::Accepted { execution, .. } => execution.to_string(),
        other => panic!("it is not accepted: {other:?}"),
    }
}

/// Sends the same delivery until there is an answer, as its sender does; the execution that it started.
fn deliver_through_deaths(disk: &mut Disk) -> String {
    for _ in 0..4 {
        let seen = disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy(&engine, hook("w", "work")).await.expect("deploys");
            let received = deliver(&engine, request("w", Some("msg_1"), r#"{"n": 1}"#)).await.expect("receives");
            let id = started(received);
            assert_eq!(finished(&engine, &id).await["status"], "completed");
            id
        });
        if let Some(seen) = seen {
            return seen;
        }
    }
    panic!("it dies again and again");
}

#[test]
fn a_host_that_dies_at_any_commit_starts_a_delivery_once() {
    let mut disk = Disk::new();
    deliver_through_deaths(&mut disk);
    let commits = disk.store.accepted();
    assert!(commits > 6, "{commits}");
    for point in [FaultPoint::Before, FaultPoint::After, FaultPoint::Refuse, FaultPoint::Unsure] {
        for commit in FIRST_COMMIT..commits {
            let mut disk = Disk::new();
            disk.life(FakeRuntime::new(own_step), |engine| async move {
                deploy(&engine, hook("w", "work")).await.expect("deploys");
            });
            let deployed = disk.store.accepted();
            if commit < deployed {
                continue;
            }
            disk.store.fail_at(commit, point);
            let id = deliver_through_deaths(&mut disk);
            let case = format!("{point:?} commit {commit}");
            let (executions, deliveries) = disk
                .life(FakeRuntime::new(own_step), |engine| async move {
                    let list = crate::ListRequest { limit: 100, ..Default::default() };
                    let executions = engine.executions(TENANT, &list).await.expect("lists").items.len();
                    let again = deliver(&engine, request("w", Some("msg_1"), "{}")).await.expect("receives");
                    assert_eq!(started(again), id, "it is known");
                    (executions, listed(&engine).await)
                })
                .expect("lives");
            assert_eq!((executions, deliveries.len()), (1, 1), "{case}: nothing was started twice");
            assert_eq!(deliveries[0]["status"], "started", "{case}");
        }
    }
}

#[test]
fn a_delivery_that_its_sender_gave_up_is_kept_and_started_or_neither() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, hook("w", "work")).await.expect("deploys");
        for polls in 0..60 {
            let mut sending = Box::pin(deliver(&engine, request("w", None, "{}")));
            for _ in 0..polls {
                let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(sending.as_mut().poll(cx))).await;
                if poll.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(sending);
        }
        engine.inner.committer.settled().await;
        engine.inner.attempts.idle().await;
        let deliveries = listed(&engine).await;
        assert!(deliveries.len() > 20, "{}", deliveries.len());
        for delivery in deliveries {
            assert_eq!(delivery["status"], "started");
            finished(&engine, delivery["executionId"].as_str().expect("id")).await;
        }
    })
    .expect("lives");
}

#[test]
fn a_refused_start_is_kept_and_tried_again_when_it_is_sent_again() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        engine.registry().create_workflow(TENANT, hook("w", "later")).await.expect("accepted");
        let first = deliver(&engine, request("w", Some("msg_1"), "{}")).await.expect("receives");
        assert!(matches!(first, Received::NotStarted { error: Error::MissingFunctions(_), .. }), "{first:?}");
        let upload = Upload::new("later", Artifact::wasm("later"));
        engine.registry().deploy(TENANT, upload).await.expect("deploys");
        let second = started(deliver(&engine, request("w", Some("msg_1"), "{}")).await.expect("receives"));
        assert_eq!(finished(&engine, &second).await["trigger"]["type"], "webhook");
        let words: Vec<_> = listed(&engine).await.iter().map(|delivery| delivery["status"].clone()).collect();
        assert_eq!(words, ["started", "failed"]);
    })
    .expect("lives");
}

/// A disk that nobody has used for so many days: the time of each life is a thousand seconds after the one before.
fn days_later(disk: &mut Disk, days: u64) {
    disk.lives += days * 87;
}

#[test]
fn a_name_is_known_for_a_day() {
    let mut disk = Disk::new();
    let mut ids = Vec::new();
    for days in [0, 0, 1] {
        days_later(&mut disk, days);
        let id = disk.life(FakeRuntime::new(own_step), |engine| async move {
            deploy(&engine, hook("w", "work")).await.expect("deploys");
            started(deliver(&engine, request("w", Some("msg_1"), "{}")).await.expect("receives"))
        });
        ids.push(id.expect("lives"));
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

async fn deliver_many(engine: &Engine, names: &str, count: usize) {
    deploy(engine, hook("w", "work")).await.expect("deploys");
    for n in 0..count {
        deliver(engine, request("w", Some(&format!("{names}-{n}")), "{}")).await.expect("receives");
    }
    engine.inner.attempts.idle().await;
}

#[test]
fn old_deliveries_are_forgotten() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deliver_many(&engine, "old", 40).await;
        assert_eq!(listed(&engine).await.len(), 40);
    });
    days_later(&mut disk, 8);
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deliver_many(&engine, "new", 48).await;
        let left = listed(&engine).await;
        assert!(
            left.iter().all(|delivery| delivery["deliveryKey"].as_str().is_some_and(|key| key.starts_with("new-")))
        );
        for (kind, expected) in [
            (DocumentKind::WebhookDelivery, 48),
            (DocumentKind::WebhookEvent, 48),
            (DocumentKind::WebhookAge, 48),
            (DocumentKind::WebhookKey, 48),
            (DocumentKind::WebhookKeyAge, 48),
            (DocumentKind::WebhookPending, 0),
        ] {
            let page = Page { after: None, limit: 1_000 };
            let found = engine.inner.ports.store.documents(TENANT, kind, "", page).await.expect("lists");
            assert_eq!(found.len(), expected, "{kind:?}");
        }
    })
    .expect("lives");
}

#[test]
fn a_definition_of_an_older_version_gets_its_webhook_when_it_is_put_again() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        deploy(&engine, hook("w", "work")).await.expect("deploys");
        let key = "/webhooks/w\u{1}POST".to_owned();
        let claim = crate::ports::DocumentWrite {
            kind: DocumentKind::Webhook,
            key,
            value: None,
            expect: crate::ports::Expect::Anything,
        };
        let transition = crate::ports::Transition { tenant: TENANT, execution: None, documents: vec![claim] };
        engine.inner.committer.commit(transition).await.expect("commits");
        let route = engine.webhook(TENANT, "/webhooks/w", "POST").await.expect("reads");
        assert!(matches!(route, Route::Nothing), "{route:?}");
        let put = async || {
            let nothing = crate::Precondition::default();
            let put = engine.registry().put_workflow(TENANT, ("w", hook("w", "work")), &nothing).await.expect("puts");
            match put {
                crate::Put::Created(stored) | crate::Put::Stored(stored) => stored.answer()["revision"].clone(),
            }
        };
        assert_eq!((put().await, put().await), (json!(2), json!(2)), "once");
        let route = engine.webhook(TENANT, "/webhooks/w", "POST").await.expect("reads");
        assert!(matches!(route, Route::Here(_)), "{route:?}");
    })
    .expect("lives");
}
