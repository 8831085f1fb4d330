//! The frame around each stored value: it says of itself whose it is, and whether it is whole.
//!
//! A log that is damaged in one place may not open at all, and what opens may hold wrong bytes.
//! With a frame each record is proof against both: a checksum over all of it is compared at every
//! reading, and [`carve`] finds records in the bare bytes of a log that nothing else can read. For
//! that a frame repeats the names of its tree and its key, and has a number that grows with every
//! write, by which the newest of several versions is known. A removed record leaves a frame that
//! says so, or carving would bring it back; rewriting the store drops those. (It also keeps sled from
//! merging the nodes of its trees, which readers in other threads were seen to wait for by seconds.)
//!
//! It costs 26 bytes, the tree's name and the key: some 50 bytes on a vector of 384 numbers, which
//! takes 1,536 (three in a hundred).
//!
//! | bytes | |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | CRC-32 of all that follows |
//! | 8 | sequence number |
//! | 1 | 0 a value, 1 none any more |
//! | 1, 4, 4 | the lengths of tree name, key and value |
//! | | tree name, key, value |
//!
//! Numbers are little-endian.

use std::ops::Range;

/// How a frame begins.
const MAGIC: [u8; 4] = *b"\xf5sk2";

const HEADER_BYTES: usize = 26;
/// What the checksum covers begins here.
const COVERED: usize = 8;

const VALUE: u8 = 0;
const GONE: u8 = 1;

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A value: which bytes of the frame.
    Value(Range<usize>),
    /// The record was removed.
    Gone,
}

/// A frame that was found among other bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) tree: &'a str,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) sequence: u64,
}

/// The frame of a value, or of the lack of one.
pub(crate) fn write(tree: &str, key: &[u8], value: Option<&[u8]>, sequence: u64) -> Vec<u8> {
    let (kind, value) = match value {
        Some(value) => (VALUE, value),
        None => (GONE, &[][..]),
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + tree.len() + key.len() + value.len());
    bytes.extend(MAGIC);
    bytes.extend([0; 4]);
    bytes.extend(sequence.to_le_bytes());
    bytes.push(kind);
    bytes.push(u8::try_from(tree.len()).expect("names of trees are short"));
    bytes.extend((key.len() as u32).to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(tree.as_bytes());
    bytes.extend(key);
    bytes.extend(value);
    let checksum = crc32fast::hash(&bytes[COVERED..]);
    bytes[4..COVERED].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// What a stored frame holds, if it is whole and of this key.
pub(crate) fn read(tree: &str, key: &[u8], stored: &[u8]) -> Option<Content> {
    let (found, length) = parse(stored)?;
    let whole = length == stored.len() && found.tree == tree && found.key == key;
    whole.then(|| match found.value {
        Some(value) => Content::Value(length - value.len()..length),
        None => Content::Gone,
    })
}

/// Every whole frame in these bytes, in their order; and where each begins that is not whole.
pub(crate) fn carve<'a>(
    bytes: &'a [u8],
    found: &mut dyn FnMut(Found<'a>),
    broken: &mut dyn FnMut(usize),
) {
    let mut at = 0;
    while let Some(next) = bytes
        .get(at..)
        .and_then(|rest| rest.windows(MAGIC.len()).position(|window| window == MAGIC))
    {
        at += next;
        match parse(&bytes[at..]) {
            Some((frame, length)) => {
                found(frame);
                at += length;
            }
            None => {
                broken(at);
                at += MAGIC.len();
            }
        }
    }
}

/// The frame at the beginning of `bytes` and its length, if it is whole.
fn parse(bytes: &[u8]) -> Option<(Found<'_>, usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    let (tree, key, value) = (
        header[17] as usize,
        number(18) as usize,
        number(22) as usize,
    );
    let length = HEADER_BYTES
        .checked_add(tree)?
        .checked_add(key)?
        .checked_add(value)?;
    let body = bytes.get(COVERED..length)?;
    if header[..4] != MAGIC || number(4) != crc32fast::hash(body) {
        return None;
    }
    let (tree, rest) = bytes[HEADER_BYTES..length].split_at(tree);
    let (key, value) = rest.split_at(key);
    let value = match header[16] {
        VALUE => Some(value),
        GONE => None,
        _ => return None,
    };
    let sequence = u64::from_le_bytes(*header[COVERED..].first_chunk()?);
    let found = Found {
        tree: std::str::from_utf8(tree).ok()?,
        key,
        value,
        sequence,
    };
    Some((found, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_gives_back_what_went_in_and_no_other_key_gets_it(
            key in prop::collection::vec(any::<u8>(), 0..40),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        ) {
            let frame = write("table.files", &key, value.as_deref(), 7);
            match read("table.files", &key, &frame) {
                Some(Content::Value(range)) => prop_assert_eq!(Some(&frame[range]), value.as_deref()),
                Some(Content::Gone) => prop_assert_eq!(value, None),
                None => prop_assert!(false, "not read"),
            }
            prop_assert_eq!(read("table.links", &key, &frame), None);
            prop_assert_eq!(read("table.files", b"another key", &frame), None);
        }

        #[test]
        fn no_frame_with_a_wrong_byte_is_read(
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
            value in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut frame = write("t", b"key", Some(&value), 9);
            let at = at.index(frame.len());
            frame[at] ^= flip;
            prop_assert_eq!(read("t", b"key", &frame), None);
            let mut found = 0;
            carve(&frame, &mut |_| found += 1, &mut |_| ());
            prop_assert_eq!(found, 0);
        }

        #[test]
        fn carving_finds_every_frame_between_other_bytes(
            pieces in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..20)),
                0..8,
            ),
        ) {
            let mut bytes = Vec::new();
            for (number, (noise, value)) in pieces.iter().enumerate() {
                bytes.extend(noise);
                bytes.extend(write("t", &[number as u8], Some(value), number as u64));
            }
            let mut found = Vec::new();
            carve(&bytes, &mut |frame| found.push((frame.sequence, frame.value)), &mut |_| ());
            let want: Vec<_> = pieces
                .iter()
                .enumerate()
                .map(|(number, (_, value))| (number as u64, Some(value.as_slice())))
                .collect();
            prop_assert_eq!(found, want);
        }
    }
}
