//! Other keys for what is sealed: a tenant's data key while it is used, and the master key between two starts; wherever the host dies.

use super::*;
use crate::KeyringError;
use crate::ports::{DocumentKind, Page};

const OTHER: TenantId = TenantId(2);

async fn settings(store: &dyn Store, tenant: TenantId, kind: DocumentKind) -> BTreeMap<String, Bytes> {
    let page = Page { after: None, limit: 1_000 };
    store.documents(tenant, kind, "", page).await.expect("reads").into_iter().collect()
}

async fn plant(engine: &Engine) {
    for (tenant, name) in [(TENANT, "A"), (TENANT, "B"), (OTHER, "A")] {
        engine.secrets().put(tenant, name, &format!("{name} of {}", tenant.0)).await.expect("sets");
    }
    let hook = json!([{"type": "webhook", "config": {"path": "/webhooks/a", "secret": "hook"}}]);
    let step = json!({"id": "a", "type": "function", "function": "a"});
    engine
        .registry()
        .create_workflow(TENANT, json!({"id": "w", "steps": [step], "triggers": hook}))
        .await
        .expect("creates");
}

/// Everything that is sealed opens.
async fn all_opens(engine: &Engine) {
    for (tenant, name) in [(TENANT, "A"), (TENANT, "B"), (OTHER, "A")] {
        let values = engine.inner.secrets.values(tenant, [&name.to_owned()]).await.expect("opens");
        assert_eq!(values.get(name), Some(&*format!("{name} of {}", tenant.0)));
    }
    let workflow = engine.registry().workflow(TENANT, "w").await.expect("is there");
    let secrets = engine.registry().webhook_secrets(TENANT, &workflow, 0).await.expect("opens");
    assert_eq!(secrets.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["hook"]);
    let revision = engine.registry().revision(TENANT, "w", 1).await.expect("is there");
    assert_eq!(engine.registry().webhook_secrets(TENANT, &revision, 0).await.expect("opens").len(), 1);
}

#[test]
fn a_tenants_secrets_are_sealed_with_a_new_key() {
    let alive = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
        assert_eq!(engine.rotate_secrets(TENANT).await.expect("rotates"), 0, "nothing is sealed yet");
        plant(&engine).await;
        let store = Arc::clone(&engine.inner.ports.store);
        let before = settings(&*store, TENANT, DocumentKind::Secret).await;
        let others = settings(&*store, OTHER, DocumentKind::Secret).await;
        for _ in 0..3 {
            assert_eq!(engine.rotate_secrets(TENANT).await.expect("rotates"), 4, "two secrets, and a webhook's twice");
            all_opens(&engine).await;
        }
        let after = settings(&*store, TENANT, DocumentKind::Secret).await;
        assert!(before.iter().all(|(name, bytes)| after.get(name).is_some_and(|now| now != bytes)));
        assert_eq!(settings(&*store, OTHER, DocumentKind::Secret).await, others, "other tenants are left alone");
        assert!(!settings(&*store, TENANT, DocumentKind::Setting).await.contains_key("data-key-resealing"));
        let facts = engine.secrets().facts(TENANT, "A").await.expect("is there");
        assert_eq!(facts.version, 1, "the value is the same one");
    });
    alive.expect("lives");
}

#[test]
fn a_rotation_goes_on_wherever_the_host_dies() {
    for point in [FaultPoint::Before, FaultPoint::After, FaultPoint::Refuse] {
        for commit in 0..6 {
            let mut disk = Disk::new();
            disk.life(FakeRuntime::new(own_step), |engine| async move { plant(&engine).await }).expect("lives");
            disk.store.fail_at(disk.store.accepted() + commit, point);
            disk.life(FakeRuntime::new(own_step), |engine| async move {
                // Refused or not: what is sealed opens all the time.
                let _ = engine.rotate_secrets(TENANT).await;
                all_opens(&engine).await;
            });
            let alive = disk.life(FakeRuntime::new(own_step), |engine| async move {
                all_opens(&engine).await;
                engine.inner.attempts.idle().await;
                let settings = settings(&*engine.inner.ports.store, TENANT, DocumentKind::Setting).await;
                assert!(!settings.contains_key("data-key-resealing"), "{point:?} {commit}: it has ended");
                engine.rotate_secrets(TENANT).await.expect("rotates");
                all_opens(&engine).await;
            });
            alive.expect("lives");
        }
    }
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    futures_util::FutureExt::now_or_never(future)
}

fn other_key() -> SealingKey {
    SealingKey::parse(&"5b".repeat(32)).expect("a key")
}

fn change(store: &Arc<MemoryStore>) -> Option<Result<bool, KeyringError>> {
    let (old, new) = (master_key(), other_key());
    now(Keyring::change_master(&**store, &FakeEntropy::new(99), (&old, &new)))
}

fn opened(store: &Arc<MemoryStore>, key: SealingKey) -> Result<Keyring, KeyringError> {
    let keyring = Keyring::new(Arc::clone(store) as Arc<dyn Store>, Arc::new(FakeEntropy::new(1)), key);
    now(keyring).expect("memory answers at once")
}

#[test]
fn the_master_key_changes_wherever_the_host_dies() {
    for point in [FaultPoint::Before, FaultPoint::After] {
        for commit in 0..4 {
            let mut disk = Disk::new();
            let token = disk.life(FakeRuntime::new(own_step), |engine| async move {
                plant(&engine).await;
                engine.rotate_secrets(TENANT).await.expect("rotates");
                engine.inner.signer.sign(crate::tokens::Purpose::Callback, &1)
            });
            // The other tenant's document is what its keys are found by.
            let tenant = DocumentKind::Tenant;
            let row = crate::ports::DocumentWrite {
                kind: tenant,
                key: format!("{:010}", OTHER.0),
                value: Some("{}".into()),
                expect: crate::ports::Expect::Anything,
            };
            let transition = crate::ports::Transition { tenant: TENANT, execution: None, documents: vec![row] };
            assert!(now(disk.store.commit(vec![transition])).expect("answers").iter().all(Result::is_ok));
            let begun = disk.store.accepted();
            disk.store.fail_at(begun + commit, point);
            let first = change(&disk.store);
            disk.store = Arc::new(disk.store.reopen());
            let case = format!("{point:?} {commit}: {first:?}");
            let is_half = first.is_none() && disk.store.accepted() > begun && disk.store.accepted() < begun + 4;
            if is_half {
                assert!(matches!(opened(&disk.store, master_key()), Err(KeyringError::Changing)), "{case}");
                assert!(matches!(opened(&disk.store, other_key()), Err(KeyringError::WrongMasterKey)), "{case}");
            }
            assert!(change(&disk.store).is_some_and(|changed| changed.is_ok()), "{case}");
            assert!(matches!(opened(&disk.store, master_key()), Err(KeyringError::WrongMasterKey)), "{case}");
            let keyring = opened(&disk.store, other_key()).expect("the new key");
            let all = async {
                for (tenant, name) in [(TENANT, "A"), (TENANT, "B"), (OTHER, "A")] {
                    let stored = settings(&*disk.store, tenant, DocumentKind::Secret).await;
                    let document: Value = serde_json::from_slice(&stored[name]).expect("JSON");
                    let sealed = serde_json::from_value(document["sealed"].clone()).expect("sealed");
                    let text = keyring.open(tenant, crate::secrets::Place::Secret(name), &sealed).await.expect("opens");
                    assert_eq!(*text, format!("{name} of {}", tenant.0), "{case}");
                }
                let stored = settings(&*disk.store, TENANT, DocumentKind::Setting).await;
                let sealed = serde_json::from_slice(&stored["signing-key"]).expect("sealed");
                keyring.open_setting("signing-key", &sealed).expect("opens").len()
            };
            assert_eq!((now(all), token.is_some()), (Some(32), true), "{case}");
            assert_eq!(change(&disk.store).map(|changed| changed.expect("nothing to do")), Some(false), "{case}");
        }
    }
}

#[test]
fn a_key_that_was_never_the_one_changes_nothing() {
    let mut disk = Disk::new();
    disk.life(FakeRuntime::new(own_step), |engine| async move { plant(&engine).await }).expect("lives");
    let (wrong, new) = (SealingKey::parse(&"5c".repeat(32)).expect("a key"), other_key());
    let store = Arc::clone(&disk.store);
    let refused = now(Keyring::change_master(&*store, &FakeEntropy::new(9), (&wrong, &new)));
    assert!(matches!(refused, Some(Err(KeyringError::WrongMasterKey))));
    opened(&disk.store, master_key()).expect("the old key");
}
