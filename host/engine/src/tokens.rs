//! Signed words in addresses: whoever has one may do the one thing that it says. Nothing is stored for them.

use crate::Error;
use crate::committer::Committer;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Entropy, Expect, Store, Transition};
use crate::secrets::{Keyring, Sealed};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use stepwell_core::ids::TenantId;
use zeroize::Zeroizing;

/// Where the key is kept.
const SETTING: &str = "signing-key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// SHA-256 works on blocks of this size.
const BLOCK_BYTES: usize = 64;
/// Longest token that is looked at: ours are shorter, also with the longest name of an approver.
const TOKEN_BYTES: usize = 8 << 10;

/// What a token is good for: a token for one thing is none for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// To complete a step (C22).
    Callback,
    /// To answer an approval as one of its approvers (H6).
    Approval,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Callback => b"stepwell callback 1\0",
            Self::Approval => b"stepwell approval 1\0",
        }
    }
}

/// Signs and reads tokens.
pub(crate) struct Signer {
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl Signer {
    /// With the key of this installation, which the first start makes.
    pub(crate) async fn load(
        (store, committer): (&dyn Store, &Committer),
        entropy: &dyn Entropy,
        keyring: &Keyring,
    ) -> Result<Self, Error> {
        loop {
            let stored = store.document(TenantId::DEFAULT, DocumentKind::Setting, SETTING).await?;
            let (key, expect) = match stored {
                // As an earlier version left it, in the clear.
                Some(stored) if stored.len() == KEY_BYTES => (key(&stored)?, Expect::Value(stored)),
                Some(stored) => {
                    let unreadable = |e| Error::broken("the signing key cannot be read", &e);
                    let sealed: Sealed = serde_json::from_slice(&stored).map_err(unreadable)?;
                    return Ok(Self { key: key(&keyring.open_setting(SETTING, &sealed)?)? });
                }
                None => {
                    let mut key = Zeroizing::new([0; KEY_BYTES]);
                    entropy.fill(&mut *key);
                    (key, Expect::Absent)
                }
            };
            let sealed = serde_json::to_vec(&keyring.seal_setting(SETTING, &*key)?);
            let value = sealed.map(Bytes::from).map_err(|e| Error::broken("the signing key cannot be written", &e))?;
            let value = Some(value);
            let write = DocumentWrite { kind: DocumentKind::Setting, key: SETTING.to_owned(), value, expect };
            let transition = Transition { tenant: TenantId::DEFAULT, execution: None, documents: vec![write] };
            match committer.commit(transition).await {
                Ok(()) | Err(CommitError::Unexpected { .. }) => {} // read it: another host may have been faster
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A token that says this.
    pub(crate) fn sign(&self, purpose: Purpose, what: &impl Serialize) -> String {
        // Values of ours, which can always be written.
        let mut bytes = serde_json::to_vec(what).unwrap_or_default();
        let mac = self.mac(purpose, &bytes).finalize().into_bytes();
        bytes.extend(mac);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says; `None` if it is none of ours for this purpose.
    pub(crate) fn read<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Option<T> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (what, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        // Compared in a time that does not depend on where they differ.
        self.mac(purpose, what).verify_slice(mac).ok()?;
        serde_json::from_slice(what).ok()
    }

    fn mac(&self, purpose: Purpose, what: &[u8]) -> Hmac<Sha256> {
        // HMAC fills a short key up with zeros.
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        block.iter_mut().zip(self.key.iter()).for_each(|(byte, key)| *byte = *key);
        let mut mac = Hmac::<Sha256>::new(&(*block).into());
        mac.update(purpose.label());
        mac.update(what);
        mac
    }
}

fn key(bytes: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, Error> {
    let key = <[u8; KEY_BYTES]>::try_from(bytes);
    key.map(Zeroizing::new).map_err(|e| Error::broken("the signing key cannot be read", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(byte: u8) -> Signer {
        Signer { key: Zeroizing::new([byte; KEY_BYTES]) }
    }

    #[test]
    fn a_token_says_what_was_signed_and_nothing_else_is_one() {
        let ours = signer(7);
        let token = ours.sign(Purpose::Callback, &(1, "a"));
        assert_eq!(ours.read(Purpose::Callback, &token), Some((1, "a".to_owned())));
        assert_eq!(signer(8).read::<(u32, String)>(Purpose::Callback, &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(ours.read::<(u32, String)>(Purpose::Callback, &changed), None, "{at}");
        }
        assert_eq!(ours.read::<(u32, String)>(Purpose::Approval, &token), None, "good for one thing");
        for bad in ["", "A", &token[1..], &format!("{token}A"), &"A".repeat(TOKEN_BYTES + 1)] {
            assert_eq!(ours.read::<(u32, String)>(Purpose::Callback, bad), None);
        }
    }
}
