//! Secrets as tenants see them, and what lies in the store.

use super::*;
use crate::ports::{DocumentKind, Page};
use crate::{KeyringError, SECRET_BYTES, SECRETS_PAGE};

const OTHER: TenantId = TenantId(2);
const PLANTED: &str = "planted-value-0123456789";

fn with_engine<T, F: Future<Output = T>>(test: impl FnOnce(Engine) -> F) -> T {
    Disk::new().life(FakeRuntime::new(own_step), test).expect("lives")
}

async fn documents(engine: &Engine, tenant: TenantId, kind: DocumentKind) -> Vec<(String, Bytes)> {
    let page = Page { after: None, limit: 10_000 };
    engine.inner.ports.store.documents(tenant, kind, "", page).await.expect("reads")
}

#[test]
fn a_secret_is_set_listed_and_forgotten() {
    with_engine(|engine| async move {
        let secrets = engine.secrets();
        let first = secrets.put(TENANT, "API_KEY", "one").await.expect("sets");
        let again = secrets.put(TENANT, "API_KEY", "two").await.expect("sets");
        assert_eq!((first.version, again.version, again.created_at), (1, 2, first.created_at));
        assert_eq!(secrets.facts(TENANT, "API_KEY").await.expect("is there"), again);
        assert!(matches!(secrets.facts(OTHER, "API_KEY").await, Err(Error::NotFound { what: "secret", .. })));
        secrets.delete(TENANT, "API_KEY").await.expect("forgets");
        for name in ["API_KEY", "a/b", "\0", ""] {
            assert!(matches!(secrets.facts(TENANT, name).await, Err(Error::NotFound { .. })), "{name:?}");
            assert!(matches!(secrets.delete(TENANT, name).await, Err(Error::NotFound { .. })), "{name:?}");
        }
        assert!(documents(&engine, TENANT, DocumentKind::Secret).await.is_empty());
    });
}

#[test]
fn names_values_and_their_number_have_limits() {
    with_engine(|engine| async move {
        let secrets = engine.secrets();
        for name in ["", "1A", "a-b", "a.b", "ü", "a\0b", &"x".repeat(129)] {
            let refused = secrets.put(TENANT, name, "v").await;
            assert!(matches!(refused, Err(Error::Refused { code: "invalid_secret_name", .. })), "{name:?}");
        }
        for value in ["", " \n"] {
            assert!(matches!(secrets.put(TENANT, "A", value).await, Err(Error::WrongShape { field: "value", .. })));
        }
        secrets.put(TENANT, "A", &"x".repeat(SECRET_BYTES)).await.expect("just fits");
        let large = secrets.put(TENANT, "A", &"x".repeat(SECRET_BYTES + 1)).await;
        assert!(matches!(large, Err(Error::TooLarge { limit: "secret_bytes", .. })));
        for number in 1..1_000 {
            secrets.put(TENANT, &format!("S{number}"), "v").await.expect("fits");
        }
        let more = secrets.put(TENANT, "ONE_MORE", "v").await;
        assert!(matches!(more, Err(Error::LimitReached { limit: "secrets", .. })));
        secrets.put(TENANT, "A", "another value").await.expect("no new secret");
        secrets.put(OTHER, "ONE_MORE", "v").await.expect("another tenant has room");
    });
}

#[test]
fn the_list_comes_in_pages() {
    with_engine(|engine| async move {
        let secrets = engine.secrets();
        for number in 0..SECRETS_PAGE + 1 {
            secrets.put(TENANT, &format!("S{number:04}"), "v").await.expect("sets");
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = secrets.list(TENANT, after, 40).await.expect("lists");
            assert!(page.items.len() <= 40);
            seen.extend(page.items.into_iter().map(|item| item.name));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        let expected: Vec<String> = (0..SECRETS_PAGE + 1).map(|number| format!("S{number:04}")).collect();
        assert_eq!(seen, expected);
        assert_eq!(secrets.list(TENANT, None, usize::MAX).await.expect("lists").items.len(), SECRETS_PAGE);
        assert_eq!(secrets.list(TENANT, None, 0).await.expect("lists").items.len(), 1);
    });
}

#[test]
fn writes_of_one_secret_at_the_same_time_are_all_accepted() {
    with_engine(|engine| async move {
        let puts = (0..8).map(|_| engine.secrets().put(TENANT, "A", PLANTED));
        let all = futures_util::future::join_all(puts).await;
        let mut versions: Vec<u32> = all.into_iter().map(|one| one.expect("accepted").version).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=8).collect::<Vec<u32>>());
    });
}

#[test]
fn the_store_holds_no_value_in_the_clear_and_no_two_alike() {
    with_engine(|engine| async move {
        for (tenant, name) in [(TENANT, "A"), (TENANT, "B"), (OTHER, "A")] {
            engine.secrets().put(tenant, name, PLANTED).await.expect("sets");
        }
        let mut sealed = Vec::new();
        for tenant in [TENANT, OTHER] {
            for kind in [DocumentKind::Secret, DocumentKind::Setting] {
                for (_, bytes) in documents(&engine, tenant, kind).await {
                    let text = String::from_utf8(bytes.to_vec()).expect("text");
                    assert!(!text.contains("planted") && !text.contains("cGxhbnRlZ"), "{text}");
                    let value: Value = serde_json::from_str(&text).expect("JSON");
                    sealed.push(value.get("sealed").unwrap_or(&value).as_str().expect("sealed").to_owned());
                }
            }
        }
        let all = sealed.len();
        sealed.sort_unstable();
        sealed.dedup();
        assert_eq!(
            (all, sealed.len()),
            (7, 7),
            "three secrets, two data keys, one check value, the key that signs links"
        );
    });
}

#[test]
fn a_wrong_master_key_is_refused_and_changes_nothing() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        engine.secrets().put(TENANT, "A", PLANTED).await.expect("sets");
    });
    let (store, wrong) = (Arc::clone(&disk.store), SealingKey::parse(&"5b".repeat(32)).expect("a key"));
    let opened = futures_util::FutureExt::now_or_never(async {
        assert!(Keyring::is_in_use(store.as_ref()).await.expect("reads"));
        Keyring::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(FakeEntropy::new(1)), wrong).await
    });
    let refused = opened.expect("memory answers at once").err().expect("is refused");
    assert!(matches!(refused, KeyringError::WrongMasterKey) && refused.to_string().contains("master key"));
    let version = disk.life(FakeRuntime::new(own_step), |engine| async move {
        engine.secrets().facts(TENANT, "A").await.expect("is there").version
    });
    assert_eq!(version, Some(1));
}

fn webhook(secret: Value) -> Value {
    let config = json!({"path": "/webhooks/a", "method": "POST", "secret": secret});
    json!({"id": "w", "steps": [{"id": "a", "type": "function", "function": "a"}], "triggers": [{"type": "webhook", "config": config}]})
}

#[test]
fn the_secrets_of_webhooks_are_sealed_and_can_be_opened_again() {
    with_engine(|engine| async move {
        for (id, secret) in [("one", json!(PLANTED)), ("two", json!([PLANTED, "whsec_planted"]))] {
            let mut body = webhook(secret.clone());
            body["id"] = json!(id);
            body["triggers"][0]["config"]["path"] = json!(format!("/webhooks/{id}"));
            let created = engine.registry().create_workflow(TENANT, body).await.expect("creates");
            let shown = created.answer()["triggers"][0]["config"]["secret"].clone();
            assert_eq!(shown, if secret.is_array() { json!(["***", "***"]) } else { json!("***") });
            let opened = engine.registry().webhook_secrets(TENANT, &created, 0).await.expect("opens");
            let opened: Vec<&str> = opened.iter().map(|text| text.as_str()).collect();
            assert_eq!(json!(opened), if secret.is_array() { secret } else { json!([secret]) });
            assert!(engine.registry().webhook_secrets(TENANT, &created, 1).await.expect("none").is_empty());
        }
        for kind in [DocumentKind::Workflow, DocumentKind::WorkflowRevision] {
            for (key, bytes) in documents(&engine, TENANT, kind).await {
                assert!(!String::from_utf8_lossy(&bytes).contains("planted"), "{key}");
            }
        }
    });
}

#[test]
fn a_definitions_secret_that_cannot_be_kept_is_a_fault() {
    with_engine(|engine| async move {
        for (secret, pointer, code) in [
            (json!("***"), "/triggers/0/config/secret", "missing"),
            (json!(""), "/triggers/0/config/secret", "missing"),
            (json!(5), "/triggers/0/config/secret", "wrong_type"),
            (json!({"a": "b"}), "/triggers/0/config/secret", "wrong_type"),
            (json!(["good", ["bad"]]), "/triggers/0/config/secret/1", "wrong_type"),
            (json!("x".repeat(SECRET_BYTES + 1)), "/triggers/0/config/secret", "out_of_range"),
        ] {
            let refused = engine.registry().create_workflow(TENANT, webhook(secret)).await;
            let Err(Error::InvalidDefinition(faults)) = refused else { panic!("{pointer} {code} is accepted") };
            assert_eq!((faults[0].pointer.as_str(), faults[0].code, faults.len()), (pointer, code, 1));
        }
        engine.registry().create_workflow(TENANT, webhook(Value::Null)).await.expect("no secret is no fault");
    });
}
