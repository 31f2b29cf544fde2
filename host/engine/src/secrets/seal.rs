//! Sealing: authenticated encryption bound to a place. Pure: the nonce is an argument.
//!
//! XChaCha20-Poly1305. Its nonce of 24 bytes may be drawn at random for any number of values under one key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, AeadInOut as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// The first byte of what is sealed, so that another method can be told apart one day.
const METHOD: u8 = 1;

/// A key. It is wiped when it is dropped, and never shown.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is {KEY_BYTES} random bytes, written as 64 hexadecimal digits or as base64")]
pub struct NoKey;

impl SealingKey {
    /// From its bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits, or base64 of 32 bytes (either alphabet, with or without padding). White space round it is ignored.
    ///
    /// # Errors
    /// [`NoKey`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        let text = text.trim();
        let bytes = if text.len() == 2 * KEY_BYTES { from_hex(text) } else { from_base64(text) };
        bytes.map(Self).ok_or(NoKey)
    }

    /// As [`SealingKey::parse`] reads it: hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(***)")
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in digits {
            let digit = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(digit).ok()?;
        }
    }
    Some(bytes)
}

fn from_base64(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let url_safe = |c| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let unpadded: Zeroizing<String> = Zeroizing::new(text.trim_end_matches('=').chars().map(url_safe).collect());
    let mut decoded = URL_SAFE_NO_PAD.decode(unpadded.as_bytes()).ok()?;
    let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).ok().map(Zeroizing::new);
    decoded.zeroize();
    bytes
}

/// What a sealed value belongs to. It opens for nothing else: a copy in another place is a forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<'a> {
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Whose it is.
    pub tenant: u32,
    /// Its name among the tenant's things of this kind.
    pub name: &'a str,
}

impl Bound<'_> {
    /// No two differ in their parts and agree in this.
    fn data(&self) -> Vec<u8> {
        let tenant = self.tenant.to_be_bytes();
        [b"stepwell\0", self.kind.as_bytes(), b"\0", &tenant, self.name.as_bytes()].concat()
    }
}

/// A sealed value: it may lie anywhere.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// It was changed, moved, or sealed under another key: which, nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open: it was changed or moved, or sealed under another key")]
pub struct DoesNotOpen;

impl Sealed {
    /// Seals. The nonce must never come twice under one key.
    ///
    /// # Errors
    /// None that can happen: the cipher takes up to 256 GiB.
    pub fn seal(
        key: &SealingKey,
        nonce: [u8; NONCE_BYTES],
        bound: Bound<'_>,
        clear: &[u8],
    ) -> Result<Self, DoesNotOpen> {
        let payload = Payload { msg: clear, aad: &bound.data() };
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| DoesNotOpen)?;
        Ok(Self(STANDARD.encode([&[METHOD], nonce.as_slice(), &sealed].concat())))
    }

    /// Opens.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn open(&self, key: &SealingKey, bound: Bound<'_>) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let bytes = STANDARD.decode(&self.0).map_err(|_| DoesNotOpen)?;
        let rest = bytes.strip_prefix(&[METHOD]).ok_or(DoesNotOpen)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DoesNotOpen)?;
        // Opened in a buffer that is wiped whatever comes of it.
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let opened = key.cipher().decrypt_in_place(&XNonce::from(*nonce), &bound.data(), &mut *buffer);
        opened.map(|()| buffer).map_err(|_| DoesNotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(Zeroizing::new([byte; KEY_BYTES]))
    }

    const HERE: Bound<'static> = Bound { kind: "secret", tenant: 7, name: "TOKEN" };

    #[test]
    fn what_is_sealed_opens_where_it_belongs_and_nowhere_else() {
        for clear in [&b""[..], b"x", &[0xff; 40_000]] {
            let sealed = Sealed::seal(&key(1), [9; NONCE_BYTES], HERE, clear).expect("seals");
            assert_eq!(sealed.open(&key(1), HERE).expect("opens").as_slice(), clear);
            assert_eq!(sealed.open(&key(2), HERE), Err(DoesNotOpen), "another key");
            for elsewhere in [
                Bound { kind: "definition", ..HERE },
                Bound { tenant: 8, ..HERE },
                Bound { name: "TOKE", ..HERE },
                Bound { name: "TOKEN2", ..HERE },
            ] {
                assert_eq!(sealed.open(&key(1), elsewhere), Err(DoesNotOpen), "{elsewhere:?}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let sealed = Sealed::seal(&key(1), [9; NONCE_BYTES], HERE, b"clear text").expect("seals");
        let bytes = STANDARD.decode(&sealed.0).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Sealed(STANDARD.encode(changed)).open(&key(1), HERE), Err(DoesNotOpen), "byte {at}");
        }
        for short in 0..bytes.len() {
            assert_eq!(Sealed(STANDARD.encode(&bytes[..short])).open(&key(1), HERE), Err(DoesNotOpen), "{short} bytes");
        }
        assert_eq!(Sealed("no base64!".into()).open(&key(1), HERE), Err(DoesNotOpen));
    }

    #[test]
    fn keys_are_read_in_both_forms_and_never_shown() {
        let bytes: [u8; KEY_BYTES] = std::array::from_fn(|at| (at * 37 + 251) as u8);
        let key = SealingKey::new(Zeroizing::new(bytes));
        let forms = [
            key.to_text().to_string(),
            key.to_text().to_uppercase(),
            format!("  {}\n", STANDARD.encode(bytes)),
            URL_SAFE_NO_PAD.encode(bytes),
        ];
        for form in forms {
            assert_eq!(SealingKey::parse(&form).expect("a key").bytes(), bytes, "{form}");
        }
        for wrong in ["", "short", &"zz".repeat(32), &"é".repeat(32), &STANDARD.encode([0; 31]), &"00".repeat(33)] {
            let refused = SealingKey::parse(wrong).expect_err(wrong);
            assert!(wrong.is_empty() || !refused.to_string().contains(wrong));
        }
        assert_eq!(format!("{key:?}"), "SealingKey(***)");
    }
}
