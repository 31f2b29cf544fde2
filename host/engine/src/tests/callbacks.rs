//! Steps that somebody outside completes.

use super::*;
use stepwell_core::failure::Failure;

fn workflow(config: Value) -> Value {
    json!({"id": "later", "steps": [{"id": "ask", "type": "function", "function": "ask", "config": config}]})
}

/// The token that the latest call of the function got.
pub(super) async fn token(calls: &Mutex<Vec<Invocation>>, count: usize) -> String {
    loop {
        if let Some(call) = calls.lock().expect("calls").get(count - 1) {
            let (name, url) = &call.context.extra[0];
            assert_eq!(name, "callback-url");
            return url.strip_prefix("https://stepwell.example/callbacks/").expect("our address").to_owned();
        }
        tokio::task::yield_now().await;
    }
}

fn code(result: Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "done",
        Err(Error::Conflict { code, .. }) => code,
        Err(Error::NotFound { .. }) => "not_found",
        Err(_) => "other",
    }
}

#[test]
fn a_callback_completes_its_step_once_and_after_a_restart() {
    let mut disk = Disk::new();
    let runtime = FakeRuntime::new(own_step);
    let calls = runtime.calls();
    let (id, token) = disk
        .life(runtime, |engine| async move {
            deploy(&engine, workflow(json!({"async": true}))).await.expect("deploys");
            let id = engine.start_execution(TENANT, request("later", None)).await.expect("starts").to_string();
            (id, token(&calls, 1).await)
        })
        .expect("lives");
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        assert_eq!(code(engine.complete("nonsense", Ok(Payload::null())).await), "not_found");
        assert_eq!(code(engine.complete(&token, Ok(Payload::from_value(&json!({"n": 7})))).await), "done");
        assert_eq!(code(engine.complete(&token, Ok(Payload::null())).await), "callback_used");
        assert_eq!(finished(&engine, &id).await["result"], json!({"n": 7}));
    })
    .expect("lives");
}

#[test]
fn a_failure_from_outside_is_retried_with_an_address_of_its_own() {
    let runtime = FakeRuntime::new(own_step);
    let calls = runtime.calls();
    let lived = Disk::new().life(runtime, |engine| async move {
        let config = json!({"async": true, "retries": 1, "retry": {"delay": 10}});
        deploy(&engine, workflow(config)).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("later", None)).await.expect("starts").to_string();
        let first = token(&calls, 1).await;
        let failure = || Failure::guest("function_error", "the carrier said no");
        assert_eq!(code(engine.complete(&first, Err(failure())).await), "done");
        assert_eq!(code(engine.complete(&first, Ok(Payload::null())).await), "callback_used");
        let clock = &engine.inner.ports.clock;
        clock.sleep_until(clock.now().plus(60_000)).await;
        let second = token(&calls, 2).await;
        assert_ne!(first, second);
        assert_eq!(code(engine.complete(&second, Ok(Payload::from_value(&json!("fine")))).await), "done");
        assert_eq!(finished(&engine, &id).await["result"], "fine");
    });
    lived.expect("lives");
}

#[test]
fn nobody_calls_back_in_time() {
    let runtime = FakeRuntime::new(own_step);
    let calls = runtime.calls();
    let lived = Disk::new().life(runtime, |engine| async move {
        deploy(&engine, workflow(json!({"async": true, "timeout": "10m"}))).await.expect("deploys");
        let id = engine.start_execution(TENANT, request("later", None)).await.expect("starts").to_string();
        let token = token(&calls, 1).await;
        assert_eq!(finished(&engine, &id).await["errorDetails"]["code"], "function_timeout");
        assert_eq!(code(engine.complete(&token, Ok(Payload::null())).await), "callback_used");
    });
    lived.expect("lives");
}
