//! The interfaces of `wit/capabilities`: what a guest asks arrives, and what the host answers comes back.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use crate::common::{Sandbox, fault, guest, invocation};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use stepwell_engine::ports::{
    Answer, Ask, Expected, Fault, Host, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, NoHost, Refusal, Refused,
    SecretText,
};

/// Writes down what it is asked and answers as it was told.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<Result<Answer, Refused>>>,
    asked: Mutex<Vec<Ask>>,
}

#[async_trait::async_trait]
impl Host for Told {
    async fn ask(&self, ask: Ask) -> Result<Answer, Refused> {
        self.asked.lock().expect("lock").push(ask);
        tokio::task::yield_now().await;
        self.answers.lock().expect("lock").pop().unwrap_or(Ok(Answer::Version(0)))
    }

    async fn send(&self, _request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        Err(HttpFault::new(HttpFaultKind::Denied, "no"))
    }
}

const FIXTURE: &str = "fixtures/uses_capabilities";

#[tokio::test]
async fn questions_and_answers_cross_the_boundary() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guest(FIXTURE)).await.expect("fits");
    for interface in ["config", "events", "key-value", "secrets"] {
        let name = format!("stepwell:capabilities/{interface}@1.0.0");
        assert!(prepared.imports.contains(&name), "{:?}", prepared.imports);
    }
    let questions = json!([
        ["config", "REGION"], ["length of secret", "TOKEN"], ["reference", "KEY"], ["get", "a/ü"], ["put", "k", "v", 7],
        ["remove", "k", null], ["keys", "a", "a1", 5], ["publish as", "1", "order.placed", {"n": 1}], ["config", "X"],
    ]);
    let told = Arc::new(Told::default());
    let mut answers = vec![
        Ok(Answer::Text(Some("eu".into()))),
        Ok(Answer::Secret(Some(SecretText("12345".to_owned().into())))),
        Ok(Answer::Text(None)),
        Ok(Answer::Value(Some((b"value".to_vec(), u64::MAX)))),
        Ok(Answer::Version(8)),
        Err(Refused::new(Refusal::Conflict, "too late")),
        Ok(Answer::Keys(vec!["a2".into(), "a3".into()], true)),
        Ok(Answer::Text(Some("evt-1".into()))),
        Ok(Answer::Version(1)), // an answer to another question
    ];
    answers.reverse();
    *told.answers.lock().expect("lock") = answers;
    let outcome = sandbox.runtime.invoke(invocation(&prepared, &questions.to_string()), told.clone()).await;
    let heard = outcome.result.expect("answers").to_value();
    let confused = "the host's answer does not fit the question";
    assert_eq!(
        heard,
        json!([
            "eu", 5, null, ["value", u64::MAX], 8, {"refused": "conflict", "message": "too late"}, [["a2", "a3"], true],
            "evt-1", {"refused": "unavailable", "message": confused},
        ])
    );
    let asked = told.asked.lock().expect("lock");
    assert_eq!(asked[3], Ask::Get("a/ü".into()));
    assert_eq!(asked[4], Ask::Put { key: "k".into(), value: b"v".to_vec(), expect: Expected::Version(7) });
    assert_eq!(asked[5], Ask::Remove { key: "k".into(), expect: Expected::Absent });
    assert_eq!(asked[6], Ask::Keys { prefix: "a".into(), after: Some("a1".into()), limit: 5 });
    let Ask::Publish(draft) = &asked[7] else { panic!("{asked:?}") };
    assert_eq!(
        (draft.kind.as_str(), draft.data.as_str(), draft.id.as_deref()),
        ("order.placed", "{\"n\":1}", Some("1"))
    );
}

#[tokio::test]
async fn a_function_that_uses_nothing_imports_nothing() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guest("fixtures/echo")).await.expect("fits");
    assert!(!prepared.imports.iter().any(|name| name.starts_with("stepwell:capabilities")), "{:?}", prepared.imports);
}

#[tokio::test]
async fn questions_cost_fuel_and_what_costs_too_much_is_not_asked() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guest(FIXTURE)).await.expect("fits");
    let asking = |times: usize| json!(vec![json!(["get", "key"]); times]).to_string();
    let fuel = async |times: usize| {
        let outcome = sandbox.runtime.invoke(invocation(&prepared, &asking(times)), NoHost::shared()).await;
        let answer = outcome.result.expect("refusals are answers").to_value();
        assert_eq!(answer[0]["refused"], Value::from("denied"));
        outcome.usage.fuel
    };
    let (one, eleven) = (fuel(1).await, fuel(11).await);
    assert!(eleven - one >= 10 * 50_000, "{one} {eleven}");
    let told = Arc::new(Told::default());
    let mut starving = invocation(&prepared, &asking(100));
    starving.limits.fuel = one + 200_000;
    assert_eq!(fault(sandbox.runtime.invoke(starving, told.clone()).await), Fault::OutOfFuel);
    assert!(told.asked.lock().expect("lock").len() < 6);
}
