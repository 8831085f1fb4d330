//! A look at a pickle before it is read: candle believes the lengths that are written in it.
//!
//! A string of a pickle begins with its length in four bytes, and candle makes room for as many before
//! it reads the first; so a file of a few kilobytes could ask for four gigabytes. Here the opcodes are
//! passed one by one, nothing is made of them, and a string that is longer than the pickle ends it.
//! The opcodes are those of Python's pickletools that candle knows; at any other candle stops.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

/// What is wrong with the lengths in the pickles of a zip, if anything is. A file that is no zip or
/// pickle at all is for candle to refuse.
pub(super) fn false_length(path: &Path) -> Option<String> {
    let mut zip = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    for place in 0..zip.len() {
        let Ok(entry) = zip.by_index(place) else {
            continue;
        };
        let is_pickle = entry.name().is_ok_and(|name| name.ends_with("data.pkl"));
        if !is_pickle {
            continue;
        }
        let size = entry.size();
        if let Some(length) = too_long(&mut BufReader::new(entry), size) {
            return Some(format!("a text of {length} bytes in a pickle of {size}"));
        }
    }
    None
}

/// The first length of a string that is above `size`.
fn too_long(pickle: &mut impl Read, size: u64) -> Option<u64> {
    let mut byte = || -> Option<u8> {
        let mut one = [0];
        pickle.read_exact(&mut one).ok()?;
        Some(one[0])
    };
    loop {
        let passed = match byte()? {
            // BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes([byte()?, byte()?, byte()?, byte()?]);
                if u64::from(length) > size {
                    return Some(length.into());
                }
                length
            }
            // GLOBAL: two lines.
            b'c' => {
                for _ in 0..2 {
                    while byte()? != b'\n' {}
                }
                0
            }
            // LONG1
            0x8a => byte()?.into(),
            // BINFLOAT
            b'G' => 8,
            // LONG_BINPUT, LONG_BINGET, BININT
            b'r' | b'j' | b'J' => 4,
            // BININT2
            b'M' => 2,
            // PROTO, BINPUT, BINGET, BININT1
            0x80 | b'q' | b'h' | b'K' => 1,
            // What has no argument: tuples, lists, dicts, marks, constants, calls.
            b')'
            | b'R'
            | b'('
            | b't'
            | b'Q'
            | 0x85..=0x89
            | b'N'
            | b's'
            | b'u'
            | b'}'
            | b'd'
            | b'b'
            | 0x81
            | b']'
            | b'a'
            | b'e' => 0,
            // STOP, and what candle does not know.
            _ => return None,
        };
        for _ in 0..passed {
            byte()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A protocol, a global, a dictionary with an integer under a string, and the end.
    fn pickle(length: u32) -> Vec<u8> {
        let mut bytes = b"\x80\x02ccollections\nOrderedDict\n)R(X".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(b"name");
        bytes.extend(b"K\x07u.");
        bytes
    }

    #[test]
    fn only_a_text_that_is_longer_than_the_pickle_is_refused() {
        let check = |bytes: Vec<u8>| too_long(&mut bytes.as_slice(), bytes.len() as u64);
        assert_eq!(check(pickle(4)), None);
        assert_eq!(check(pickle(u32::MAX)), Some(u32::MAX.into()));
        // After a text that ends where it says, the next opcode is found.
        let mut two = pickle(4);
        two.pop();
        two.extend(b"X\xff\xff\xff\x7f");
        assert_eq!(check(two), Some(0x7fff_ffff));
    }
}
