//! How a value looks in sled: eight bytes of header with a checksum, then the value or a reference to its file.
//!
//! Header: kind (the letter of the key), version, form (0 inline, 1 in a file), 0, crc32c (big-endian) of the other
//! four bytes and all that follows. Never more than [`STORED_BYTES`], because sled would put larger ones into files
//! that it does not sync (`storage.md`, rail 2).

use bytes::Bytes;
use stepwell_core::ids::{Digest, NAME_BYTES};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{OUTLINE_BYTES, RecordStatus, StoreError, Summary};

/// Longest body that is stored in sled itself, together with the outline if it is a record's.
pub(crate) const INLINE_BYTES: usize = 3_584;
/// Longest value in sled, header included.
pub(crate) const STORED_BYTES: usize = 4_096;
pub(crate) const HEADER_BYTES: usize = 8;
const REFERENCE_BYTES: usize = 40;
/// Status, time of acceptance, length of the workflow's id, the id, whether there is a wake, the wake, length of the outline.
const LONGEST_SUMMARY: usize = 1 + 8 + 1 + NAME_BYTES + 1 + 8 + 2;
const _: () = assert!(HEADER_BYTES + LONGEST_SUMMARY + INLINE_BYTES <= STORED_BYTES && NAME_BYTES <= 255);
const _: () = assert!(OUTLINE_BYTES + REFERENCE_BYTES <= INLINE_BYTES && OUTLINE_BYTES <= u16::MAX as usize);
/// The version that every kind began with. It is read for good.
const FIRST_VERSION: u8 = 1;
/// Records since they have a wake and an outline; before, they ended with the workflow's id.
const RECORD_VERSION: u8 = 2;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Record = b'e',
    Line = b'j',
    Document = b'd',
    Meta = b'm',
}

impl Kind {
    /// The version that is written.
    const fn version(self) -> u8 {
        match self {
            Self::Record => RECORD_VERSION,
            Self::Line | Self::Document | Self::Meta => FIRST_VERSION,
        }
    }
}

/// The bytes that a caller gave, or where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Inline(Bytes),
    Filed(Reference),
}

/// A file of [`crate::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) digest: Digest,
    /// Length of the file in bytes.
    pub(crate) length: u64,
}

fn encode_summary(summary: &Summary) -> Vec<u8> {
    let mut out = vec![summary.status as u8];
    out.extend(summary.created.0.to_be_bytes());
    // The port refuses longer ids than NAME_BYTES, which fits, and longer outlines than OUTLINE_BYTES, which fits too.
    out.push(summary.workflow.len() as u8);
    out.extend(summary.workflow.as_bytes());
    out.push(u8::from(summary.wake.is_some()));
    out.extend(summary.wake.map(|wake| wake.0.to_be_bytes()).into_iter().flatten());
    out.extend((summary.outline.len() as u16).to_be_bytes());
    out.extend(&summary.outline);
    out
}

/// A line of a journal, or a document.
pub(crate) fn encode(kind: Kind, body: &Body) -> Vec<u8> {
    seal(kind, &[], body)
}

pub(crate) fn encode_record(summary: &Summary, body: &Body) -> Vec<u8> {
    seal(Kind::Record, &encode_summary(summary), body)
}

fn seal(kind: Kind, summary: &[u8], body: &Body) -> Vec<u8> {
    let (form, reference);
    let content: &[u8] = match body {
        Body::Inline(bytes) => {
            form = 0;
            bytes
        }
        Body::Filed(file) => {
            form = 1;
            reference = [&file.digest.0[..], &file.length.to_be_bytes()].concat();
            &reference
        }
    };
    let mut out = Vec::with_capacity(HEADER_BYTES + summary.len() + content.len());
    out.extend([kind as u8, kind.version(), form, 0, 0, 0, 0, 0]);
    out.extend(summary);
    out.extend(content);
    let crc = checksum(&out);
    out[4..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Of a header, but for its checksum, and what follows it.
pub(crate) fn checksum(value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&value[..4]), &value[HEADER_BYTES..])
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(kind: Kind, stored: &[u8], at: impl Fn() -> String) -> Result<Body, StoreError> {
    open(kind, stored).and_then(|(_, form, content)| body(form, content)).map_err(|what| damaged(at(), what))
}

/// Reads what [`encode_record`] wrote.
pub(crate) fn decode_record(stored: &[u8], at: impl Fn() -> String) -> Result<(Summary, Body), StoreError> {
    open(Kind::Record, stored)
        .and_then(|(version, form, content)| {
            let (summary, rest) = split_summary(version, content).ok_or("its summary cannot be read")?;
            Ok((summary, body(form, rest)?))
        })
        .map_err(|what| damaged(at(), what))
}

/// Checks the header; gives the version, the form and what follows them.
fn open(kind: Kind, stored: &[u8]) -> Result<(u8, u8, &[u8]), &'static str> {
    let Some((header, content)) = stored.split_first_chunk::<HEADER_BYTES>() else {
        return Err("it is shorter than its header");
    };
    let [stored_kind, version, form, _, crc @ ..] = *header;
    if u32::from_be_bytes(crc) != checksum(stored) {
        return Err("its checksum does not match");
    }
    if stored_kind != kind as u8 {
        return Err("it is of another kind than its key says");
    }
    if !(FIRST_VERSION..=kind.version()).contains(&version) {
        return Err("its encoding is of a version that this program does not know");
    }
    Ok((version, form, content))
}

fn body(form: u8, content: &[u8]) -> Result<Body, &'static str> {
    match form {
        0 => Ok(Body::Inline(Bytes::copy_from_slice(content))),
        1 => reference(content).map(Body::Filed).ok_or("its reference to a file cannot be read"),
        _ => Err("its form is unknown"),
    }
}

fn reference(content: &[u8]) -> Option<Reference> {
    let content: &[u8; REFERENCE_BYTES] = content.try_into().ok()?;
    let (digest, length) = (content.first_chunk()?, content.last_chunk()?);
    Some(Reference { digest: Digest(*digest), length: u64::from_be_bytes(*length) })
}

/// The file that a stored value names, whatever it is; only a glance, for values that were checked when they were written.
pub(crate) fn filed(stored: &[u8]) -> Option<Digest> {
    let (header, content) = stored.split_first_chunk::<HEADER_BYTES>()?;
    let [_, _, form, ..] = *header;
    let reference: &[u8; REFERENCE_BYTES] = content.last_chunk()?;
    (form == 1).then(|| reference.first_chunk().copied().map(Digest))?
}

fn split_summary(version: u8, content: &[u8]) -> Option<(Summary, &[u8])> {
    let (&[status], rest) = content.split_first_chunk()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (&[length], rest) = rest.split_first_chunk()?;
    let (workflow, rest) = rest.split_at_checked(usize::from(length))?;
    let (wake, outline, rest) =
        if version == FIRST_VERSION { (None, Bytes::new(), rest) } else { split_additions(rest)? };
    let status = RecordStatus::ALL.into_iter().find(|known| *known as u8 == status)?;
    let workflow = String::from_utf8(workflow.to_vec()).ok()?;
    Some((Summary { status, created: Timestamp(u64::from_be_bytes(*created)), wake, workflow, outline }, rest))
}

/// What [`RECORD_VERSION`] added.
fn split_additions(content: &[u8]) -> Option<(Option<Timestamp>, Bytes, &[u8])> {
    let (wake, rest) = match content.split_first_chunk()? {
        (&[0], rest) => (None, rest),
        (&[1], rest) => {
            let (wake, rest) = rest.split_first_chunk()?;
            (Some(Timestamp(u64::from_be_bytes(*wake))), rest)
        }
        _ => return None,
    };
    let (length, rest) = rest.split_first_chunk()?;
    let (outline, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((wake, Bytes::copy_from_slice(outline), rest))
}

pub(crate) fn damaged(at: String, what: &str) -> StoreError {
    StoreError::Damaged { at, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> String {
        "here".to_owned()
    }

    fn bodies() -> [Body; 3] {
        let digest = Digest([7; 32]);
        let longest = Bytes::from(vec![1; INLINE_BYTES]);
        [Body::Inline(Bytes::new()), Body::Inline(longest), Body::Filed(Reference { digest, length: 1 << 40 })]
    }

    #[test]
    fn values_read_back_and_fit() {
        for body in bodies() {
            assert_eq!(decode(Kind::Line, &encode(Kind::Line, &body), place), Ok(body.clone()));
        }
        let short = Summary { wake: None, outline: Bytes::new(), workflow: String::new(), ..summary() };
        for (summary, inline) in [(short, INLINE_BYTES), (summary(), INLINE_BYTES - OUTLINE_BYTES)] {
            let longest = Body::Inline(Bytes::from(vec![1; inline]));
            for body in bodies().into_iter().filter(|body| !matches!(body, Body::Inline(_))).chain([longest]) {
                let stored = encode_record(&summary, &body);
                assert!(stored.len() <= STORED_BYTES);
                let named = matches!(body, Body::Filed(_)).then_some(Digest([7; 32]));
                assert_eq!(filed(&stored), named);
                assert_eq!(decode_record(&stored, place), Ok((summary.clone(), body)));
            }
        }
    }

    fn summary() -> Summary {
        Summary {
            status: RecordStatus::Parked,
            created: Timestamp(u64::MAX),
            wake: Some(Timestamp(u64::MAX - 1)),
            workflow: "w".repeat(NAME_BYTES),
            outline: Bytes::from(vec![2; OUTLINE_BYTES]),
        }
    }

    /// Bytes of a record that version 0.1 wrote before there were wakes and outlines.
    #[test]
    fn records_of_the_first_version_are_read() {
        let mut stored = vec![b'e', 1, 0, 0, 0, 0, 0, 0, 2];
        stored.extend(77u64.to_be_bytes());
        stored.extend(b"\x05orderstate");
        let crc = checksum(&stored).to_be_bytes();
        stored[4..HEADER_BYTES].copy_from_slice(&crc);
        let (summary, body) = decode_record(&stored, place).unwrap();
        assert_eq!((summary.status, summary.created, summary.wake), (RecordStatus::Failed, Timestamp(77), None));
        assert_eq!((&*summary.workflow, summary.outline), ("order", Bytes::new()));
        assert_eq!(body, Body::Inline(Bytes::from_static(b"state")));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for body in bodies() {
            let good = encode(Kind::Document, &body);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(matches!(decode(Kind::Document, &bad, place), Err(StoreError::Damaged { .. })), "bit {bit}");
            }
            for length in 0..good.len() {
                assert!(decode(Kind::Document, &good[..length], place).is_err(), "cut to {length}");
            }
        }
    }

    #[test]
    fn another_kind_and_another_version_are_refused() {
        let mut stored = encode(Kind::Document, &bodies()[0]);
        assert!(decode(Kind::Line, &stored, place).is_err());
        stored[1] = FIRST_VERSION + 1;
        let crc = checksum(&stored).to_be_bytes();
        stored[4..HEADER_BYTES].copy_from_slice(&crc);
        let refusal = decode(Kind::Document, &stored, place).unwrap_err();
        assert!(refusal.to_string().contains("here: its encoding is of a version"), "{refusal}");
    }
}
