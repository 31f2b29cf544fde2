//! Where deliveries stand in the store, and what they are called.

use crate::admission::sha256;
use stepwell_core::ids::{ExecutionId, ulid};
use stepwell_core::time::Timestamp;

const PREFIX: &str = "dlv-";

/// The id of a delivery: `dlv-` and a ULID.
pub(super) fn id(bytes: [u8; 16]) -> String {
    format!("{PREFIX}{}", ulid(bytes))
}

/// The bytes of a delivery's id, if it is one.
pub(super) fn bytes(id: &str) -> Option<[u8; 16]> {
    let ulid = id.strip_prefix(PREFIX)?;
    format!("exec-{ulid}").parse::<ExecutionId>().ok().map(ExecutionId::to_bytes)
}

/// Its place in lists: the newest first.
pub(super) fn place(bytes: [u8; 16]) -> String {
    format!("{:032x}", !u128::from_be_bytes(bytes))
}

/// Its place among those that are to be forgotten: the oldest first.
pub(super) fn age(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The delivery at such a place.
pub(super) fn id_of_age(key: &str) -> Option<String> {
    u128::from_str_radix(key, 16).ok().map(|number| id(number.to_be_bytes()))
}

/// When the delivery at such a place came.
pub(super) fn received(age: &str) -> Option<Timestamp> {
    u64::from_str_radix(age.get(..12)?, 16).ok().map(Timestamp)
}

/// Of two deliveries that a sender calls the same, only the first starts something (T10).
pub(super) fn dedupe_key((path, method): (&str, &str), scheme: &str, key: &str) -> String {
    sha256(&[b"webhook", path.as_bytes(), method.as_bytes(), scheme.as_bytes(), key.as_bytes()]).hex()
}

/// When such a key is forgotten: the oldest first.
pub(super) fn expiry(expires: Timestamp, key: &str) -> String {
    format!("{:016x}{key}", expires.0)
}

/// The moment and the key of an expiry.
pub(super) fn expired(expiry: &str) -> Option<(Timestamp, &str)> {
    let (at, key) = expiry.split_at_checked(16)?;
    Some((Timestamp(u64::from_str_radix(at, 16).ok()?), key))
}

/// The id of the execution that a delivery starts: the same whenever it is started again (T12).
pub(super) fn execution_id(delivery: &str, received: Timestamp, workflow: &str) -> ExecutionId {
    let hash = sha256(&[b"webhook", delivery.as_bytes(), workflow.as_bytes()]);
    let mut random = [0; 10];
    random.iter_mut().zip(hash.0).for_each(|(byte, hashed)| *byte = hashed);
    ExecutionId::new(received.0, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort() {
        let at = |ms: u64| ExecutionId::new(ms, [7; 10]).to_bytes();
        let (old, new) = (at(1_700_000_000_000), at(1_700_000_000_001));
        assert_eq!(bytes(&id(old)), Some(old));
        assert!(place(new) < place(old) && age(old) < age(new));
        assert_eq!((id_of_age(&age(old)), received(&age(old))), (Some(id(old)), Some(Timestamp(1_700_000_000_000))));
        for bad in ["", "dlv-", "dlv-x", "exec-01kan6cc0dw7v8r2gqk3jt5m9x", "dlv-01KAN6CC0DW7V8R2GQK3JT5M9X"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        let expiry = expiry(Timestamp(9), "abc");
        assert_eq!(expired(&expiry), Some((Timestamp(9), "abc")));
        assert_eq!((expired("zz"), received("zz"), id_of_age("zz")), (None, None, None));
        assert_ne!(dedupe_key(("a", "b"), "c", "d"), dedupe_key(("a", "bc"), "", "d"));
    }
}
