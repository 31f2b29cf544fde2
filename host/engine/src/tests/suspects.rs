//! What ran when the process ended resumes one at a time (semantics C15), and what else a restart must not forget.

use super::*;

fn one(id: &str, config: &Value) -> Value {
    json!({"id": id, "steps": [{"id": id, "type": "function", "function": id, "config": config}]})
}

async fn start(engine: &Engine, workflow: &str) -> String {
    engine.start_execution(TENANT, request(workflow, Some(workflow))).await.expect("starts").to_string()
}

/// How many calls there are at one time, and the most that there were.
#[derive(Default)]
struct AtOnce(std::sync::atomic::AtomicUsize, std::sync::atomic::AtomicUsize);

impl AtOnce {
    fn runtime(self: &Arc<Self>) -> FakeRuntime {
        use std::sync::atomic::Ordering::SeqCst;
        let count = Arc::clone(self);
        FakeRuntime::slow(move |call| {
            let count = Arc::clone(&count);
            Box::pin(async move {
                let now = count.0.fetch_add(1, SeqCst) + 1;
                count.1.fetch_max(now, SeqCst);
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                count.0.fetch_sub(1, SeqCst);
                own_step(&call)
            })
        })
    }

    fn most(&self) -> usize {
        self.1.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// Dies while `a`, `b` and `c` all run; they fail once first if they may be tried again.
fn died_while_three_ran(config: &Value) -> Disk {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    let running = std::sync::atomic::AtomicUsize::new(0);
    let retried = config["retries"].is_number();
    let hanging = FakeRuntime::slow(move |call| {
        let first = retried && call.context.attempt == 1;
        if !first && running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 2 {
            store.crash();
        }
        Box::pin(async move { if first { Err(retryable("down")) } else { std::future::pending().await } })
    });
    let died = disk.life(hanging, |engine| async move {
        for id in ["a", "b", "c"] {
            deploy(&engine, one(id, config)).await.expect("deploys");
            start(&engine, id).await;
        }
        std::future::pending::<()>().await;
    });
    assert!(died.is_none());
    disk
}

#[test]
fn suspects_resume_one_at_a_time() {
    for config in [json!({}), json!({"retries": 1, "retry": {"delay": 10, "backoff": "constant"}})] {
        let mut disk = died_while_three_ran(&config);
        let count = Arc::new(AtOnce::default());
        let answers = disk.life(count.runtime(), |engine| async move {
            let mut answers = Vec::new();
            for id in ["a", "b", "c"] {
                let id = start(&engine, id).await;
                answers.push(finished(&engine, &id).await["status"].clone());
            }
            answers
        });
        assert_eq!((answers.expect("lives"), count.most()), (vec![json!("completed"); 3], 1), "{config}");
    }
}

#[test]
fn the_most_suspicious_goes_first_so_that_it_takes_no_other_with_it() {
    let mut disk = died_while_three_ran(&json!({}));
    let mut answers = None;
    for _ in 0..4 {
        let store = Arc::clone(&disk.store);
        let poison = FakeRuntime::slow(move |call| {
            let store = Arc::clone(&store);
            Box::pin(async move {
                if call.context.step == "b" {
                    store.crash();
                    std::future::pending::<()>().await;
                }
                own_step(&call)
            })
        });
        answers = disk.life(poison, |engine| async move {
            let mut answers = Vec::new();
            for id in ["a", "b", "c"] {
                let id = start(&engine, id).await;
                answers.push(finished(&engine, &id).await["status"].clone());
            }
            answers
        });
    }
    assert_eq!(answers.expect("lives"), [json!("completed"), json!("failed"), json!("completed")]);
    let calls = disk.calls_by_step();
    assert_eq!(calls["b"].len(), 3, "the first end and two more");
    assert!(calls["a"].len() <= 2 && calls["c"].len() <= 2, "{calls:?}");
}

#[test]
fn who_ran_at_two_ends_goes_before_who_ran_at_one() {
    // The order of their ids must not matter: others before them shift these.
    for others in 0..4 {
        let mut disk = Disk::new();
        for life in 1..=3 {
            let store = Arc::clone(&disk.store);
            let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let dies = FakeRuntime::slow(move |call| {
                let needed = if life == 2 { 3 } else { 1 };
                if call.context.step == "quick" {
                    return Box::pin(async move { own_step(&call) });
                }
                if running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == needed {
                    store.crash();
                }
                Box::pin(std::future::pending())
            });
            let died = disk.life(dies, |engine| async move {
                for id in ["quick", "poison", "a", "c"] {
                    deploy(&engine, one(id, &json!({}))).await.expect("deploys");
                }
                for _ in 0..others {
                    engine.start_execution(TENANT, request("quick", None)).await.expect("starts");
                }
                let started = if life == 1 { vec!["poison"] } else { vec!["a", "c"] };
                for id in started {
                    start(&engine, id).await;
                }
                std::future::pending::<()>().await;
            });
            assert!(died.is_none());
        }
        let calls = disk.calls.lock().expect("calls");
        let last = calls.iter().rev().find(|call| call.context.step != "quick").map(|call| call.context.step.clone());
        assert_eq!(last.as_deref(), Some("poison"), "{others} others: in the third life it ran first, and alone");
    }
}

#[test]
fn a_suspects_deadline_does_not_wait_for_its_turn() {
    let mut disk = Disk::new();
    let store = Arc::clone(&disk.store);
    let never = FakeRuntime::slow(move |call| {
        if call.context.step == "late" {
            store.crash();
        }
        Box::pin(std::future::pending())
    });
    let died = disk.life(never, |engine| async move {
        deploy(&engine, one("blocker", &json!({"timeout": "1h"}))).await.expect("deploys");
        let mut late = one("late", &json!({}));
        late["timeout"] = json!("5s");
        deploy(&engine, late).await.expect("deploys");
        start(&engine, "blocker").await;
        start(&engine, "late").await;
        std::future::pending::<()>().await;
    });
    assert!(died.is_none());
    let answer = disk.life(FakeRuntime::slow(|_| Box::pin(std::future::pending())), |engine| async move {
        let id = start(&engine, "late").await;
        finished(&engine, &id).await
    });
    assert_eq!(answer.expect("lives")["errorDetails"]["code"], "execution_timeout");
}
