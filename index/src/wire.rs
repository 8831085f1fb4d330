//! What two processes say to each other about one store, as bytes: requests, answers, their bounds.
//!
//! A message is its length (`u32`) and as many bytes. Apart from both ends, which must agree on it,
//! and because whatever comes out of a socket is hostile until it is parsed: no length is believed
//! before the bytes are there, and what is longer than the bounds is refused unread.
//! Numbers are little-endian.

use std::io::{self, ErrorKind, Read, Write};

use crate::local::{Change, Record};

/// What both ends say first: a name, and the version of what follows.
pub(crate) const HELLO: [u8; 16] = *b"soundseek store1";

/// The longest request: many records of a table at once.
const LONGEST_REQUEST: usize = 64 << 20;
/// The longest answer: one record of any size, or [`SCAN_BYTES`] of records.
const LONGEST_ANSWER: usize = 256 << 20;
/// A scan is answered in parts of about this many bytes.
pub(crate) const SCAN_BYTES: usize = 256 << 10;
/// Memory is taken in steps of this size, as bytes arrive.
const STEP: usize = 64 << 10;

/// What a process asks of the one that has the store open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// One value.
    Get { tree: String, key: Vec<u8> },
    /// The records that start with `prefix`, from after `after` on; without the values if `keys`.
    Scan {
        tree: String,
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        keys: bool,
    },
    /// The names of all trees.
    Names,
    /// Bytes on the disk.
    Size,
    /// How often anything was written.
    Changes,
    /// Changes to one table, all or none; whether the first of them had a value.
    Write { tree: String, changes: Vec<Change> },
    /// A change to one record of a table, if it is as expected.
    Swap {
        tree: String,
        key: Vec<u8>,
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(Option<Vec<u8>>),
    /// Records, and whether there are more.
    Records(Vec<Record>, bool),
    Names(Vec<String>),
    Number(u64),
    Truth(bool),
    /// It is not for others to do.
    Refused,
    /// It could not be done, and why.
    Failed(String),
}

/// Sends one message.
pub(crate) fn send(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let mut message = Vec::with_capacity(4 + body.len());
    message.extend(length.to_le_bytes());
    message.extend(body);
    to.write_all(&message)?;
    to.flush()
}

/// Receives one message of at most `longest` bytes.
fn receive(from: &mut impl Read, longest: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > longest {
        return Err(invalid());
    }
    let mut body = Vec::new();
    while body.len() < length {
        let have = body.len();
        body.resize(length.min(have + STEP), 0);
        from.read_exact(&mut body[have..])?;
    }
    Ok(body)
}

pub(crate) fn receive_request(from: &mut impl Read) -> io::Result<Request> {
    Request::parse(&receive(from, LONGEST_REQUEST)?).ok_or_else(invalid)
}

pub(crate) fn receive_answer(from: &mut impl Read) -> io::Result<Answer> {
    Answer::parse(&receive(from, LONGEST_ANSWER)?).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "not a message of this protocol")
}

impl Request {
    /// The request, if it is not too long to be sent.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut to = Writing::default();
        match self {
            Request::Get { tree, key } => to.byte(0).bytes(tree.as_bytes()).bytes(key),
            Request::Scan {
                tree,
                prefix,
                after,
                keys,
            } => to
                .byte(1)
                .bytes(tree.as_bytes())
                .bytes(prefix)
                .maybe(after.as_deref())
                .byte(u8::from(*keys)),
            Request::Names => to.byte(2),
            Request::Size => to.byte(3),
            Request::Changes => to.byte(4),
            Request::Write { tree, changes } => {
                to.byte(5).bytes(tree.as_bytes());
                for (key, value) in changes {
                    to.bytes(key).maybe(value.as_deref());
                }
                &mut to
            }
            Request::Swap {
                tree,
                key,
                old,
                new,
            } => to
                .byte(6)
                .bytes(tree.as_bytes())
                .bytes(key)
                .maybe(old.as_deref())
                .maybe(new.as_deref()),
        };
        (to.0.len() <= LONGEST_REQUEST).then_some(to.0)
    }

    fn parse(bytes: &[u8]) -> Option<Request> {
        let mut from = Reading(bytes);
        let request = match from.byte()? {
            0 => Request::Get {
                tree: from.text()?,
                key: from.bytes()?,
            },
            1 => Request::Scan {
                tree: from.text()?,
                prefix: from.bytes()?,
                after: from.maybe()?,
                keys: from.byte()? == 1,
            },
            2 => Request::Names,
            3 => Request::Size,
            4 => Request::Changes,
            5 => {
                let tree = from.text()?;
                let mut changes = Vec::new();
                while !from.0.is_empty() {
                    changes.push((from.bytes()?, from.maybe()?));
                }
                Request::Write { tree, changes }
            }
            6 => Request::Swap {
                tree: from.text()?,
                key: from.bytes()?,
                old: from.maybe()?,
                new: from.maybe()?,
            },
            _ => return None,
        };
        from.0.is_empty().then_some(request)
    }
}

impl Answer {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writing::default();
        match self {
            Answer::Value(value) => to.byte(0).maybe(value.as_deref()),
            Answer::Records(records, more) => {
                to.byte(1).byte(u8::from(*more));
                for (key, value) in records {
                    to.bytes(key).bytes(value);
                }
                &mut to
            }
            Answer::Names(names) => {
                to.byte(2);
                for name in names {
                    to.bytes(name.as_bytes());
                }
                &mut to
            }
            Answer::Number(number) => {
                to.byte(3);
                to.0.extend(number.to_le_bytes());
                &mut to
            }
            Answer::Truth(truth) => to.byte(4).byte(u8::from(*truth)),
            Answer::Refused => to.byte(5),
            Answer::Failed(why) => to.byte(6).bytes(why.as_bytes()),
        };
        to.0
    }

    fn parse(bytes: &[u8]) -> Option<Answer> {
        let mut from = Reading(bytes);
        let answer = match from.byte()? {
            0 => Answer::Value(from.maybe()?),
            1 => {
                let more = from.byte()? == 1;
                let mut records = Vec::new();
                while !from.0.is_empty() {
                    records.push((from.bytes()?, from.bytes()?));
                }
                Answer::Records(records, more)
            }
            2 => {
                let mut names = Vec::new();
                while !from.0.is_empty() {
                    names.push(from.text()?);
                }
                Answer::Names(names)
            }
            3 => {
                let (number, rest) = from.0.split_first_chunk()?;
                from.0 = rest;
                Answer::Number(u64::from_le_bytes(*number))
            }
            4 => Answer::Truth(from.byte()? == 1),
            5 => Answer::Refused,
            6 => Answer::Failed(from.text()?),
            _ => return None,
        };
        from.0.is_empty().then_some(answer)
    }
}

/// A message that is being made.
#[derive(Default)]
struct Writing(Vec<u8>);

impl Writing {
    fn byte(&mut self, byte: u8) -> &mut Writing {
        self.0.push(byte);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Writing {
        self.0.extend((bytes.len() as u32).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) -> &mut Writing {
        match bytes {
            None => self.byte(0),
            Some(bytes) => self.byte(1).bytes(bytes),
        }
    }
}

/// A message that is being read.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn maybe(&mut self) -> Option<Option<Vec<u8>>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.bytes().map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> Vec<Request> {
        let (tree, key) = ("table.marks".to_owned(), b"key".to_vec());
        vec![
            Request::Get {
                tree: tree.clone(),
                key: key.clone(),
            },
            Request::Scan {
                tree: tree.clone(),
                prefix: vec![],
                after: Some(vec![]),
                keys: true,
            },
            Request::Names,
            Request::Size,
            Request::Changes,
            Request::Write {
                tree: tree.clone(),
                changes: vec![(key.clone(), None), (vec![], Some(vec![1, 2]))],
            },
            Request::Swap {
                tree,
                key,
                old: None,
                new: Some(vec![0; 300]),
            },
        ]
    }

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Value(None),
            Answer::Value(Some(vec![])),
            Answer::Records(vec![(b"k".to_vec(), vec![]), (vec![], b"v".to_vec())], true),
            Answer::Names(vec!["a".to_owned(), String::new()]),
            Answer::Number(u64::MAX),
            Answer::Truth(true),
            Answer::Refused,
            Answer::Failed("the disk is full".to_owned()),
        ]
    }

    #[test]
    fn what_is_sent_is_what_is_received() {
        for request in requests() {
            let mut pipe = Vec::new();
            send(&mut pipe, &request.to_bytes().expect("short")).expect("sent");
            assert_eq!(
                receive_request(&mut pipe.as_slice()).expect("whole"),
                request
            );
        }
        for answer in answers() {
            let mut pipe = Vec::new();
            send(&mut pipe, &answer.to_bytes()).expect("sent");
            assert_eq!(receive_answer(&mut pipe.as_slice()).expect("whole"), answer);
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_refused_before_memory_is_taken() {
        let mut pipe = u32::MAX.to_le_bytes().to_vec();
        pipe.extend([0; 8]);
        assert!(receive_request(&mut pipe.as_slice()).is_err());
        // A length within the bounds, and nothing behind it.
        let pipe = (LONGEST_ANSWER as u32).to_le_bytes();
        assert!(receive_answer(&mut pipe.as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            which in 0usize..7,
            cut in any::<prop::sample::Index>(),
        ) {
            let _ = Request::parse(&bytes);
            let _ = Answer::parse(&bytes);
            let whole = requests()[which].to_bytes().expect("short");
            let cut = cut.index(whole.len());
            // A batch may end after any of its changes; nothing else is whole before its end.
            let early = Request::parse(&whole[..cut]);
            let allowed = early.is_none() || matches!(early, Some(Request::Write { .. }));
            prop_assert!(allowed, "{:?}", early);
        }
    }
}
