//! Documents: tables of keys and bytes, by tenant.

use super::Subject;
use super::sample::{ACME, KIND, OTHER, append, commit, document, journal, key, put, read, record};
use crate::ports::{CommitError, DocumentKind, ExecutionKey, Expect, KEY_BYTES, Page, RecordStatus};
use bytes::Bytes;

/// [`Expect`], word for word.
pub async fn expectations_decide_whether_a_document_is_written(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let value = |text: &'static str| Expect::Value(Bytes::from_static(text.as_bytes()));
    let refused = Err(CommitError::Unexpected { key: "k".to_owned() });
    for (expect, new, answer, then) in [
        (value(""), Some("0"), &refused, None),
        (Expect::Absent, None, &Ok(()), None),
        (Expect::Absent, Some(""), &Ok(()), Some("")),
        (Expect::Absent, Some("1"), &refused, Some("")),
        (value("x"), Some("1"), &refused, Some("")),
        (value(""), Some("1"), &Ok(()), Some("1")),
        (Expect::Anything, Some("2"), &Ok(()), Some("2")),
        (value("1"), None, &refused, Some("2")),
        (value("2"), None, &Ok(()), None),
        (Expect::Anything, None, &Ok(()), None),
        (Expect::Anything, Some("3"), &Ok(()), Some("3")),
    ] {
        let case = format!("{expect:?}, {new:?}");
        assert_eq!(commit(&*store, put(ACME, document("k", new, expect))).await, *answer, "{case}");
        assert_eq!(read(&*store, "k").await.as_deref(), then.map(str::as_bytes), "{case}");
    }
}

/// Keys greater than `after`, at most `limit`, only of the prefix.
pub async fn documents_of_a_prefix_are_paged_in_order(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let names = ["a", "a/1", "a/10", "a/2", "a0", "b", "é", "z"];
    let group = names.iter().rev().map(|name| put(ACME, document(name, Some(name), Expect::Absent))).collect();
    assert!(store.commit(group).await.iter().all(Result::is_ok));
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let page = Page { after: after.map(str::to_owned), limit };
        let found = store.documents(ACME, KIND, prefix, page).await.expect("lists can be read");
        assert!(found.iter().all(|(key, value)| key.as_bytes() == value), "{found:?}");
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(list("a/", None, 9).await, ["a/1", "a/10", "a/2"]);
    assert_eq!(list("a/", Some("a/1"), 9).await, ["a/10", "a/2"]);
    assert_eq!(list("a/", Some("a/1"), 1).await, ["a/10"]);
    assert_eq!(list("a/", Some("a/19"), 9).await, ["a/2"]);
    assert_eq!(list("a/", Some(""), 9).await, ["a/1", "a/10", "a/2"]);
    assert_eq!(list("a/", Some("b"), 9).await, [""; 0]);
    assert_eq!(list("", None, 99).await, ["a", "a/1", "a/10", "a/2", "a0", "b", "z", "é"]);
    assert_eq!(list("", Some("b"), 99).await, ["z", "é"]);
    assert_eq!(list("", None, 0).await, [""; 0]);
    assert_eq!(list("a/3", None, 9).await, [""; 0]);
}

/// What looks like a separator, an end or another key is none.
pub async fn awkward_keys_are_kept_apart(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let longest = "k".repeat(KEY_BYTES);
    let mut keys = vec!["", " ", "/", "//", "a/", "a/../b", "\u{1}", "\u{7f}", "\u{10ffff}", "日本/語", &longest];
    let group = keys.iter().map(|name| put(ACME, document(name, Some(name), Expect::Absent))).collect();
    assert!(store.commit(group).await.iter().all(Result::is_ok));
    for name in &keys {
        assert_eq!(read(&*store, name).await.as_deref(), Some(name.as_bytes()), "{name:?}");
    }
    keys.sort_unstable();
    let all = store.documents(ACME, KIND, "", Page { after: None, limit: 99 }).await.expect("lists can be read");
    assert_eq!(all.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
}

/// Nothing can be there either.
pub async fn keys_that_the_port_does_not_allow_are_refused(subject: &mut dyn Subject) {
    let store = subject.open().await;
    for name in ["a\0b".to_owned(), "\0".to_owned(), "k".repeat(KEY_BYTES + 1), "é".repeat(KEY_BYTES / 2 + 1)] {
        let refusal = commit(&*store, put(ACME, document(&name, Some("x"), Expect::Anything))).await;
        assert!(matches!(refusal, Err(CommitError::Invalid(_))), "{refusal:?}");
        assert_eq!(read(&*store, &name).await, None);
    }
    let mut twice = put(ACME, document("a", Some("1"), Expect::Absent));
    twice.documents.push(document("a", Some("2"), Expect::Anything));
    assert!(matches!(commit(&*store, twice).await, Err(CommitError::Invalid(_))));
    assert_eq!(read(&*store, "a").await, None);
}

/// The same keys, ids and bytes of two tenants are two things.
pub async fn tenants_never_see_each_other(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let theirs = ExecutionKey { tenant: OTHER, id: key(1).id };
    let mut transition = append(&*store, key(1), 0, &["entry"]);
    let claim = transition.execution.as_mut().expect("it has a claim");
    claim.record = Some(record(RecordStatus::Unfinished, "state"));
    transition.documents = vec![document("k", Some("v"), Expect::Absent)];
    assert_eq!(commit(&*store, transition).await, Ok(()));
    let blob = store.put_blob(ACME, Bytes::from_static(b"blob")).await.expect("blobs can be written");

    assert_eq!(store.record(theirs).await, Ok(None));
    assert_eq!(journal(&*store, theirs).await, []);
    assert_eq!(store.document(OTHER, KIND, "k").await, Ok(None));
    assert_eq!(store.documents(OTHER, KIND, "", Page { after: None, limit: 9 }).await, Ok(vec![]));
    assert_eq!(store.blob(OTHER, blob).await, Ok(None));
    // Nor do tables meet.
    assert_eq!(store.document(ACME, DocumentKind::ApiKey, "k").await, Ok(None));

    assert_eq!(commit(&*store, put(OTHER, document("k", None, Expect::Absent))).await, Ok(()));
    assert_eq!(read(&*store, "k").await.as_deref(), Some(&b"v"[..]));
    assert_eq!(commit(&*store, append(&*store, theirs, 0, &["theirs"])).await, Ok(()));
    assert_eq!(journal(&*store, key(1)).await.len(), 1);
}
