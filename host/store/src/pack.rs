//! Several lines of a journal in one value: what one transition adds is one row for sled, which pays by the row.
//!
//! Each line is in there as it would be alone, with its own header and checksum, so that one that is damaged takes no other with it. Before
//! them: the header of every value (version 2, form 2), the number of lines, and the length of each (big-endian, two bytes). The checksum of
//! the whole covers these only. The key names the first line; only a line that is not in a file has company.

use crate::value::{HEADER_BYTES, Kind, STORED_BYTES, checksum, decode, filed};
use stepwell_engine::ports::StoreError;

/// As written; lines alone are of an earlier version.
const VERSION: u8 = 2;
const FORM: u8 = 2;
/// Before the lengths.
const COUNT_AT: usize = HEADER_BYTES;
const TABLE_AT: usize = COUNT_AT + 1;
/// Of one length.
const LENGTH_BYTES: usize = 2;
/// Lines of one value: their number must fit into a byte.
const MOST_LINES: usize = u8::MAX as usize;

/// A journal line's number, or the first one's, and the stored value.
pub(crate) type Row = (u32, Vec<u8>);

/// Lines that follow each other, as they are alone, become as few rows as they can.
pub(crate) fn packed(lines: Vec<Row>) -> Vec<Row> {
    if lines.len() < 2 {
        return lines;
    }
    let (mut rows, mut together, mut bytes) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        let length = LENGTH_BYTES + line.1.len();
        let is_alone = filed(&line.1).is_some();
        if is_alone || together.len() == MOST_LINES || TABLE_AT + bytes + length > STORED_BYTES {
            close(&mut together, &mut rows);
            bytes = 0;
        }
        bytes += length;
        together.push(line);
        if is_alone {
            close(&mut together, &mut rows);
            bytes = 0;
        }
    }
    close(&mut together, &mut rows);
    rows
}

fn close(together: &mut Vec<Row>, rows: &mut Vec<Row>) {
    let parts: Vec<&[u8]> = together.iter().map(|(_, value)| &**value).collect();
    if let Some((first, _)) = together.first() {
        rows.push((*first, joined(&parts)));
    }
    together.clear();
}

/// One value of these lines, each as it is alone.
pub(crate) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    if let [alone] = parts {
        return alone.to_vec();
    }
    let length = TABLE_AT + parts.iter().map(|part| LENGTH_BYTES + part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(length);
    // Both numbers fit: `packed` counts lines and bytes, and less than what it made is less.
    out.extend([Kind::Line as u8, VERSION, FORM, 0, 0, 0, 0, 0, parts.len() as u8]);
    out.extend(parts.iter().flat_map(|part| (part.len() as u16).to_be_bytes()));
    let crc = checksum(&out);
    out[4..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    parts.iter().for_each(|part| out.extend(*part));
    out
}

/// The lines in a row, each as it is alone. A row that cannot be taken apart is one line, which then does not read back.
pub(crate) fn parts(stored: &[u8]) -> Vec<&[u8]> {
    apart(stored).unwrap_or_else(|| vec![stored])
}

/// How many lines are in a row.
pub(crate) fn count(stored: &[u8], at: impl Fn() -> String) -> Result<u32, StoreError> {
    match apart(stored) {
        Some(parts) => Ok(parts.len() as u32), // at most MOST_LINES
        None => decode(Kind::Line, stored, at).map(|_| 1),
    }
}

/// `None`: it is no value of several lines, or it does not say any more where they are.
fn apart(stored: &[u8]) -> Option<Vec<&[u8]>> {
    let [kind, version, form, ..] = *stored.first_chunk::<HEADER_BYTES>()?;
    if (kind, version, form) != (Kind::Line as u8, VERSION, FORM) {
        return None;
    }
    let lines = usize::from(*stored.get(COUNT_AT)?);
    let (head, mut rest) = stored.split_at_checked(TABLE_AT + lines * LENGTH_BYTES)?;
    let crc = head.get(4..HEADER_BYTES)?;
    if crc != checksum(head).to_be_bytes() {
        return None;
    }
    let lengths = head.get(TABLE_AT..)?.chunks_exact(LENGTH_BYTES);
    let mut parts = Vec::with_capacity(lines);
    for length in lengths {
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        // Of what is cut off, the rest is there.
        let (part, more) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        parts.push(part);
        rest = more;
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Body, INLINE_BYTES, Reference, encode};
    use bytes::Bytes;

    fn line(seq: u32, bytes: usize) -> Row {
        (seq, encode(Kind::Line, &Body::Inline(Bytes::from(vec![seq as u8; bytes]))))
    }

    /// The numbers of the lines in each row.
    fn numbers(rows: &[Row]) -> Vec<Vec<u32>> {
        rows.iter().map(|(first, value)| (*first..).take(parts(value).len()).collect()).collect()
    }

    #[test]
    fn lines_come_back_as_they_were_alone() {
        for lines in [vec![], vec![line(7, 9)], (3..300).map(|seq| line(seq, seq as usize % 40)).collect()] {
            let rows = packed(lines.clone());
            let back: Vec<Row> = rows
                .iter()
                .flat_map(|(first, value)| (*first..).zip(parts(value).into_iter().map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(back, lines);
            assert!(rows.iter().all(|(_, value)| value.len() <= STORED_BYTES && filed(value).is_none()));
            assert!(lines.len() < 2 || rows.len() < 5, "{}", rows.len());
        }
    }

    #[test]
    fn no_value_is_longer_than_sled_may_have_and_one_in_a_file_stays_alone() {
        let file = encode(Kind::Line, &Body::Filed(Reference::of(b"large")));
        let lines = vec![line(0, 5), line(1, INLINE_BYTES), line(2, 5), (3, file), line(4, 5), line(5, 5)];
        let rows = packed(lines);
        assert_eq!(numbers(&rows), [vec![0, 1, 2], vec![3], vec![4, 5]]);
        assert!(rows.iter().all(|(_, value)| value.len() <= STORED_BYTES));
        // Exactly as much as there is room for, and one byte more.
        let head = TABLE_AT + 2 * (LENGTH_BYTES + HEADER_BYTES);
        for (more, rows) in [(0, 1), (1, 2)] {
            let found = packed(vec![line(0, 3_000), line(1, STORED_BYTES - head - 3_000 + more)]);
            assert_eq!(found.len(), rows);
        }
        assert_eq!(packed((0..400).map(|seq| line(seq, 0)).collect()).len(), 2, "a byte counts them");
    }

    #[test]
    fn a_flipped_bit_costs_one_line_or_is_told_of_the_whole() {
        let lines: Vec<Row> = (0..5).map(|seq| line(seq, 20)).collect();
        let (_, good) = packed(lines).remove(0);
        let table = TABLE_AT + 5 * LENGTH_BYTES;
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let damaged = parts(&bad).iter().filter(|part| decode(Kind::Line, part, String::new).is_err()).count();
            assert_eq!(damaged, 1, "bit {bit}");
            let told = count(&bad, String::new);
            assert_eq!(told.ok(), (bit / 8 >= table).then_some(5), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(parts(&good[..length]).iter().any(|part| decode(Kind::Line, part, String::new).is_err()));
        }
    }
}
