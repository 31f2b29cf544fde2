//! Workflows and functions as tenants see them.

use super::*;

fn with_engine<T, F: Future<Output = T>>(test: impl FnOnce(Engine) -> F) -> T {
    Disk::new().life(FakeRuntime::new(own_step), test).expect("lives")
}

fn one_step(body: Value) -> Value {
    let mut body = body;
    body["steps"] = json!([{"id": "do-it", "type": "function", "function": "a", "note": {"kept": [1.50]}}]);
    body
}

#[test]
fn ids_are_given_or_made_from_names() {
    with_engine(|engine| async move {
        let create = |body| engine.registry().create_workflow(TENANT, one_step(body));
        let ids = [
            json!({"name": "Process Order"}),
            json!({"name": "Process Order"}),
            json!({"id": "mine"}),
            json!({"name": "Trigger"}),
        ];
        for (body, id) in ids.into_iter().zip(["process-order", "process-order-2", "mine", "trigger-2"]) {
            assert_eq!(create(body).await.expect("creates").answer()["id"], id);
        }
        for (id, code) in [("mine", "id_taken"), ("trigger", "id_taken")] {
            assert!(matches!(create(json!({ "id": id })).await, Err(Error::Conflict { code: c, .. }) if c == code));
        }
        assert!(matches!(create(json!({"id": "../etc"})).await, Err(Error::WrongShape { field: "id", .. })));
        assert_eq!(engine.registry().workflows(TENANT).await.expect("lists").len(), 4);
        assert!(engine.registry().workflows(TenantId(2)).await.expect("lists").is_empty());
    });
}

#[test]
fn definitions_come_back_as_they_were_given() {
    with_engine(|engine| async move {
        let body = one_step(json!({"name": "N", "unknown": {"field": "kept"}, "metadata": {"b": 1, "a": 2}}));
        let answer = engine.registry().create_workflow(TENANT, body).await.expect("creates").answer();
        assert_eq!(
            (&answer["unknown"]["field"], &answer["steps"][0]["note"]),
            (&json!("kept"), &json!({"kept": [1.5]}))
        );
        assert_eq!((&answer["steps"][0]["name"], &answer["revision"]), (&json!("Do It"), &json!(1)));
        assert_eq!(serde_json::to_string(&answer["metadata"]).expect("text"), r#"{"b":1,"a":2}"#);
        let read = engine.registry().workflow(TENANT, "n").await.expect("reads").answer();
        assert_eq!(read, answer);
    });
}

#[test]
fn a_webhook_secret_is_not_kept_in_the_open() {
    with_engine(|engine| async move {
        let mut body = one_step(json!({"id": "w"}));
        body["triggers"] = json!([{"type": "webhook", "config": {"path": "/webhooks/a", "secret": "whsec_planted"}}]);
        let answer = engine.registry().create_workflow(TENANT, body).await.expect("creates").answer().to_string();
        assert!(!answer.contains("planted") && answer.contains("***"), "{answer}");
        let stored = engine.inner.ports.store.document(TENANT, crate::ports::DocumentKind::Workflow, "w").await;
        let stored = String::from_utf8(stored.expect("reads").expect("is there").to_vec()).expect("text");
        assert!(!stored.contains("planted"));
    });
}

#[test]
fn the_same_artifact_again_is_no_new_version() {
    with_engine(|engine| async move {
        let deploy = |id: &str, bytes: &'static str| {
            let upload = Upload::new(id, Artifact::wasm(bytes));
            engine.registry().deploy(TENANT, upload)
        };
        for (bytes, version) in [("one", 1), ("one", 1), ("two", 2), ("one", 3)] {
            assert_eq!(deploy("f", bytes).await.expect("deploys").functions[0].version, version);
        }
        assert!(matches!(deploy("execute", "one").await, Err(Error::Refused { code: "id_reserved", .. })));
        assert!(matches!(deploy("a/b", "one").await, Err(Error::Refused { code: "invalid_id", .. })));
    });
}

#[test]
fn uploads_of_one_id_at_the_same_time_are_all_accepted() {
    with_engine(|engine| async move {
        let deploy = |bytes: &'static str| {
            let upload = Upload::new("f", Artifact::wasm(bytes));
            engine.registry().deploy(TENANT, upload)
        };
        let all = futures_util::future::join_all(["one", "one", "two", "one", "two"].map(deploy)).await;
        let versions: Vec<u32> = all.into_iter().map(|one| one.expect("accepted").functions[0].version).collect();
        assert!(versions[0] == 1 && versions.iter().all(|version| (1..=5).contains(version)), "{versions:?}");
    });
}

#[test]
fn what_was_registered_outlives_the_process() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move { deploy(&engine, order()).await.expect("deploys") });
    let answer = disk.life(FakeRuntime::new(own_step), |engine| async move { run(&engine, "order").await });
    assert_eq!(answer.expect("lives")["status"], "completed");
}

#[test]
fn a_new_secret_is_a_change_and_stars_are_none() {
    with_engine(|engine| async move {
        let put = async |secret: &str| {
            let mut body = one_step(json!({"id": "w"}));
            body["triggers"] = json!([{"type": "webhook", "config": {"path": "/webhooks/a", "secret": secret}}]);
            let put = engine.registry().put_workflow(TENANT, ("w", body), &crate::Precondition::default()).await;
            match put.expect("puts") {
                crate::Put::Created(stored) | crate::Put::Stored(stored) => stored,
            }
        };
        for (secret, revision, opened) in [("one", 1, "one"), ("***", 1, "one"), ("two", 2, "two"), ("***", 2, "two")] {
            let stored = put(secret).await;
            assert_eq!(stored.answer()["revision"], revision, "{secret}");
            let secrets = engine.registry().webhook_secrets(TENANT, &stored, 0).await.expect("opens");
            assert!(secrets.len() == 1 && *secrets[0] == opened);
        }
    });
}

#[test]
fn what_is_read_while_a_workflow_is_deleted_is_not_kept() {
    with_engine(|engine| async move {
        engine.registry().create_workflow(TENANT, one_step(json!({"id": "w"}))).await.expect("creates");
        let nothing = crate::Precondition::default();
        let (read, deleted) = tokio::join!(
            engine.registry().workflow(TENANT, "w"),
            engine.registry().delete_workflow(TENANT, "w", &nothing)
        );
        assert!(read.is_ok() && deleted.is_ok());
        assert!(matches!(engine.registry().workflow(TENANT, "w").await, Err(Error::NotFound { .. })));
        assert!(engine.registry().revision(TENANT, "w", 1).await.is_ok(), "what executions run stays");
    });
}
