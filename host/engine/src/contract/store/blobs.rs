//! Blobs: bytes by their SHA-256.

use super::Subject;
use super::sample::ACME;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use stepwell_core::ids::Digest;

/// The digest is that of the bytes, the same bytes are kept once, and they stay.
pub async fn blobs_are_kept_by_digest(subject: &mut dyn Subject) {
    let blobs = [Bytes::new(), Bytes::from_static(b"x"), Bytes::from(vec![7; 5 << 20])];
    let digests = blobs.clone().map(|blob| Digest(Sha256::digest(&blob).into()));
    let store = subject.open().await;
    for (blob, digest) in blobs.iter().zip(digests) {
        assert_eq!(store.blob(ACME, digest).await, Ok(None));
        for _ in 0..2 {
            assert_eq!(store.put_blob(ACME, blob.clone()).await, Ok(digest));
        }
    }
    drop(store);
    let store = subject.open().await;
    for (blob, digest) in blobs.into_iter().zip(digests) {
        assert!(store.blob(ACME, digest).await == Ok(Some(blob)), "{digest}");
    }
    let same = futures_util::future::join_all((0..8).map(|_| store.put_blob(ACME, Bytes::from_static(b"race")))).await;
    assert!(same.iter().all(|digest| digest.is_ok() && *digest == same[0]));
    assert_eq!(store.health().await, Ok(()));
}
