//! The text of a key: `swk_`, the number of its tenant, `_`, 64 random hexadecimal digits, and 8 of their hash, by which scanners for leaked
//! keys know one from a random text.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use stepwell_core::ids::TenantId;

/// How all of them begin.
const PREFIX: &str = "swk_";
/// Random bytes of a key.
pub(super) const RANDOM_BYTES: usize = 32;
const RANDOM_DIGITS: usize = 2 * RANDOM_BYTES;
const CHECK_BYTES: usize = 4;
/// Last characters that are shown: they are of the checksum and tell nothing of the rest.
const SHOWN: usize = 4;

/// The key of this tenant with these random bytes.
pub(super) fn key(tenant: TenantId, random: &[u8; RANDOM_BYTES]) -> String {
    let mut text = format!("{PREFIX}{}_", tenant.0);
    append(&mut text, random);
    let check = check(&text);
    append(&mut text, &check);
    text
}

/// Its first and last characters.
pub(super) fn hint(key: &str) -> String {
    let first = key.rsplit_once('_').map_or(PREFIX, |(first, _)| first);
    let last: String = key.chars().skip(key.len().saturating_sub(SHOWN)).collect();
    format!("{first}_…{last}")
}

/// Whose key this is, if it is written as one.
pub(super) fn tenant(text: &str) -> Option<TenantId> {
    let rest = text.strip_prefix(PREFIX)?;
    let Some((number, digits)) = rest.split_once('_') else {
        // As the first version made them, for the first tenant.
        return (rest.len() == RANDOM_DIGITS && is_hex(rest)).then_some(TenantId::DEFAULT);
    };
    let tenant = number.parse().ok().map(TenantId).filter(|tenant| tenant.0.to_string() == number)?;
    if digits.len() != RANDOM_DIGITS + 2 * CHECK_BYTES || !is_hex(digits) {
        return None;
    }
    let (random, given) = text.split_at_checked(text.len() - 2 * CHECK_BYTES)?;
    let mut wanted = String::new();
    append(&mut wanted, &check(random));
    (wanted == given).then_some(tenant)
}

fn check(text: &str) -> [u8; CHECK_BYTES] {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn append(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_whose_it_is_and_nothing_else_does() {
        for number in [1, 7, u32::MAX] {
            let key = key(TenantId(number), &[0xa5; RANDOM_BYTES]);
            assert_eq!(tenant(&key), Some(TenantId(number)), "{key}");
            for at in 0..key.len() {
                let mut bytes = key.clone().into_bytes();
                bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
                assert_eq!(tenant(&String::from_utf8(bytes).expect("ASCII")), None, "{at}");
            }
            for bad in [&key[1..], &key[..key.len() - 1], &key.to_uppercase(), &format!("{key}0"), ""] {
                assert_eq!(tenant(bad), None, "{bad}");
            }
        }
        assert_eq!(tenant(&format!("swk_{}", "ab".repeat(32))), Some(TenantId::DEFAULT), "an early one");
        assert_eq!(tenant(&format!("swk_{}", "ab".repeat(31))), None);
        assert_eq!(hint(&key(TenantId(7), &[0; RANDOM_BYTES])).chars().take(7).collect::<String>(), "swk_7_…");
    }
}
