//! A look at a pickle before it is read: candle believes what is written in it.
//!
//! A string of a pickle begins with its length in four bytes, and candle makes room for as many before
//! it reads the first; so a file of a few kilobytes could ask for four gigabytes. What a pickle puts
//! into its memo and gets out again is copied by candle each time, and a pair of copies of a pair of
//! copies doubles with every few bytes; what lies in one another a million times ends the process when
//! it is dropped. So the opcodes are gone through here as candle does, but of each object only its
//! weight and its depth are kept. The opcodes are those of Python's pickletools that candle knows; at
//! any other candle stops.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

/// What an object of candle's takes in memory, about, beside what is in it.
const OBJECT_BYTES: u64 = 64;

/// The most that all objects and their copies may take. The pickle of a large CLAP checkpoint, of a
/// thousand tensors, makes 20 MB of them.
const MOST_BYTES: u64 = 256 << 20;

/// How deep objects may lie in one another; those of a state dict lie six deep.
const DEEPEST: u32 = 200;

/// What is wrong with the pickles of a zip, if anything is. A file that is no zip or pickle at all is
/// for candle to refuse.
pub(super) fn fault(path: &Path) -> Option<String> {
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
        if let Err(Some(fault)) = Weighing::of(BufReader::new(entry), size).run() {
            return Some(fault);
        }
    }
    None
}

/// What is kept of an object.
#[derive(Clone, Copy)]
struct Thing {
    bytes: u64,
    depth: u32,
    is_mark: bool,
}

const SMALL: Thing = Thing {
    bytes: OBJECT_BYTES,
    depth: 1,
    is_mark: false,
};

/// One pickle on its way through.
struct Weighing<R> {
    pickle: R,
    size: u64,
    stack: Vec<Thing>,
    memo: HashMap<u32, Thing>,
    /// All that was made or copied.
    bytes: u64,
}

/// Ends with `Err(None)` where candle ends, too, and with words where it must not begin.
type Step<T> = Result<T, Option<String>>;

impl<R: Read> Weighing<R> {
    fn of(pickle: R, size: u64) -> Weighing<R> {
        Weighing {
            pickle,
            size,
            stack: Vec::new(),
            memo: HashMap::new(),
            bytes: 0,
        }
    }

    fn run(&mut self) -> Step<()> {
        loop {
            match self.byte()? {
                // PROTO
                0x80 => self.skip(1)?,
                // GLOBAL: two lines.
                b'c' => {
                    let mut length = 0;
                    for _ in 0..2 {
                        while self.byte()? != b'\n' {
                            length += 1;
                        }
                    }
                    self.text(length)?;
                }
                // BINUNICODE
                b'X' => {
                    let length = self.number()?.into();
                    if length > self.size {
                        let size = self.size;
                        let what = format!("a text of {length} bytes in a pickle of {size}");
                        return Err(Some(what));
                    }
                    self.skip(length)?;
                    self.text(length)?;
                }
                // LONG1
                0x8a => {
                    let length = self.byte()?.into();
                    self.skip(length)?;
                    self.push(SMALL)?;
                }
                // BINFLOAT, BININT, BININT2, BININT1: numbers of so many bytes.
                b'G' => self.sized(8)?,
                b'J' => self.sized(4)?,
                b'M' => self.sized(2)?,
                b'K' => self.sized(1)?,
                // Constants, and what is empty.
                b'N' | 0x88 | 0x89 | b')' | b']' | b'}' => self.push(SMALL)?,
                // MARK
                b'(' => self.push(Thing {
                    is_mark: true,
                    ..SMALL
                })?,
                // BINPERSID, TUPLE1, TUPLE2, TUPLE3
                b'Q' | 0x85 => self.join(1)?,
                0x86 => self.join(2)?,
                0x87 => self.join(3)?,
                // REDUCE, BUILD, NEWOBJ
                b'R' | b'b' | 0x81 => self.join(2)?,
                // TUPLE; candle takes DICT for an empty one.
                b't' => {
                    let count = self.above_mark()?;
                    self.join(count)?;
                    self.drop_mark()?;
                }
                b'd' => self.push(SMALL)?,
                // APPEND, SETITEM
                b'a' => self.put_in(1)?,
                b's' => self.put_in(2)?,
                // APPENDS, SETITEMS
                b'e' | b'u' => {
                    let count = self.above_mark()?;
                    let within = self.take(count)?;
                    self.stack.pop();
                    self.add_to_last(within)?;
                }
                // BINPUT, LONG_BINPUT
                b'q' => {
                    let key = self.byte()?.into();
                    self.remember(key)?;
                }
                b'r' => {
                    let key = self.number()?;
                    self.remember(key)?;
                }
                // BINGET, LONG_BINGET
                b'h' => {
                    let key = self.byte()?.into();
                    self.recall(key)?;
                }
                b'j' => {
                    let key = self.number()?;
                    self.recall(key)?;
                }
                // STOP, and what candle does not know.
                _ => return Err(None),
            }
        }
    }

    fn byte(&mut self) -> Step<u8> {
        let mut one = [0];
        self.pickle.read_exact(&mut one).map_err(|_| None)?;
        Ok(one[0])
    }

    fn number(&mut self) -> Step<u32> {
        let mut four = [0; 4];
        self.pickle.read_exact(&mut four).map_err(|_| None)?;
        Ok(u32::from_le_bytes(four))
    }

    fn skip(&mut self, length: u64) -> Step<()> {
        let mut passed = self.pickle.by_ref().take(length);
        let there = std::io::copy(&mut passed, &mut std::io::sink());
        let all = there.is_ok_and(|there| there == length);
        all.then_some(()).ok_or(None)
    }

    fn sized(&mut self, length: u64) -> Step<()> {
        self.skip(length)?;
        self.push(SMALL)
    }

    fn text(&mut self, length: u64) -> Step<()> {
        let bytes = OBJECT_BYTES + length;
        self.push(Thing { bytes, ..SMALL })
    }

    /// Counts what is made or copied.
    fn count(&mut self, thing: Thing) -> Step<()> {
        self.bytes = self.bytes.saturating_add(thing.bytes);
        if self.bytes > MOST_BYTES {
            let what = format!("a pickle that takes more than {MOST_BYTES} bytes when it is read");
            return Err(Some(what));
        }
        Ok(())
    }

    fn push(&mut self, thing: Thing) -> Step<()> {
        self.count(thing)?;
        self.stack.push(thing);
        Ok(())
    }

    /// Takes the uppermost things off the stack, as what an object holds.
    fn take(&mut self, count: usize) -> Step<Thing> {
        let rest = self.stack.len().checked_sub(count).ok_or(None)?;
        let taken = self.stack.drain(rest..);
        Ok(taken.fold(Thing { bytes: 0, ..SMALL }, |all, thing| Thing {
            bytes: all.bytes.saturating_add(thing.bytes),
            depth: all.depth.max(thing.depth),
            is_mark: false,
        }))
    }

    /// Makes one object of the uppermost things.
    fn join(&mut self, count: usize) -> Step<()> {
        let within = self.take(count)?;
        self.push(SMALL)?;
        self.add_to_last(within)
    }

    fn put_in(&mut self, count: usize) -> Step<()> {
        let within = self.take(count)?;
        self.add_to_last(within)
    }

    fn add_to_last(&mut self, within: Thing) -> Step<()> {
        let last = self.stack.last_mut().ok_or(None)?;
        last.bytes = last.bytes.saturating_add(within.bytes);
        last.depth = last.depth.max(within.depth + 1);
        if last.depth > DEEPEST {
            let what = format!("objects in a pickle that lie more than {DEEPEST} deep");
            return Err(Some(what));
        }
        Ok(())
    }

    /// How many things lie above the uppermost mark.
    fn above_mark(&self) -> Step<usize> {
        let mut down = self.stack.iter().rev();
        down.position(|thing| thing.is_mark).ok_or(None)
    }

    /// Removes the mark below the uppermost object.
    fn drop_mark(&mut self) -> Step<()> {
        let made = self.stack.pop().ok_or(None)?;
        self.stack.pop();
        self.stack.push(made);
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Step<()> {
        let last = *self.stack.last().ok_or(None)?;
        self.count(last)?;
        self.memo.insert(key, last);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Step<()> {
        let thing = *self.memo.get(&key).ok_or(None)?;
        self.push(thing)
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

    fn check(bytes: &[u8]) -> Option<String> {
        Weighing::of(bytes, bytes.len() as u64).run().err()?
    }

    #[test]
    fn only_a_text_that_is_longer_than_the_pickle_is_refused() {
        assert_eq!(check(&pickle(4)), None);
        let refused = check(&pickle(u32::MAX)).expect("refused");
        assert!(refused.contains("4294967295"), "{refused}");
        // After a text that ends where it says, the next opcode is found.
        let mut two = pickle(4);
        two.pop();
        two.extend(b"X\xff\xff\xff\x7f");
        assert!(check(&two).is_some());
    }

    #[test]
    fn a_pickle_that_doubles_with_every_few_bytes_is_refused() {
        // An empty tuple, and over and over: remembered, taken out once more, a pair of both.
        let doubling = |times: usize| {
            let mut bytes = b"\x80\x02)".to_vec();
            for _ in 0..times {
                bytes.extend(b"q\x00h\x00\x86");
            }
            bytes.push(b'.');
            bytes
        };
        assert_eq!(check(&doubling(10)), None);
        let refused = check(&doubling(40)).expect("refused");
        assert!(refused.contains("when it is read"), "{refused}");
        // And a list that is copied again and again.
        let mut bytes = b"\x80\x02](".to_vec();
        bytes.extend(b"K\x01".repeat(50_000));
        bytes.push(b'e');
        bytes.extend(b"q\x00".repeat(50_000));
        assert!(check(&bytes).is_some());
    }

    #[test]
    fn a_pickle_of_objects_within_objects_without_end_is_refused() {
        let nested = |times: usize| [&b"\x80\x02)"[..], &b"\x85".repeat(times), b"."].concat();
        assert_eq!(check(&nested(50)), None);
        let refused = check(&nested(100_000)).expect("refused");
        assert!(refused.contains("deep"), "{refused}");
    }
}
