//! The other end of [`crate::serve`]: asking the process that has a store open.
//!
//! Apart from it, because each runs in another process. A question is answered within a second or the
//! holder counts as gone: then the caller looks anew who has the store ([`crate::store`]).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::holder::{Holder, note};
use crate::serve::check_private;
use crate::wire::{self, Answer, HELLO, Request};

/// How long the holder may take to say hello, and to answer: it does either in milliseconds.
const PATIENCE: Duration = Duration::from_millis(900);

/// A conversation with the process that has the store open.
pub(crate) struct Remote {
    stream: Mutex<UnixStream>,
    holder: Holder,
}

/// Why there is no conversation.
pub(crate) enum Silence {
    /// Nobody listens; whoever did is gone, or has not begun.
    Nobody,
    /// Somebody listens and does not answer, or speaks another version.
    Hangs(Holder),
}

impl Remote {
    /// Calls the process that has `dir` open.
    pub(crate) fn call(dir: &Path) -> Result<Remote, Silence> {
        let Some((holder, Some(socket))) = note(dir) else {
            return Err(Silence::Nobody);
        };
        // A socket in somebody else's folder is nobody's that this process would believe.
        let private = socket.parent().map(check_private);
        if !matches!(private, Some(Ok(()))) {
            return Err(Silence::Nobody);
        }
        match greet(&socket) {
            Ok(stream) => Ok(Remote {
                stream: Mutex::new(stream),
                holder,
            }),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::InvalidData => Silence::Hangs(holder),
                _ => Silence::Nobody,
            }),
        }
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Asks, and waits for the answer. What is too long to be asked is refused. After an error the
    /// conversation is over.
    pub(crate) fn ask(&self, request: &Request) -> io::Result<Answer> {
        let Some(request) = request.to_bytes() else {
            return Ok(Answer::Refused);
        };
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let answer =
            wire::send(&mut *stream, &request).and_then(|()| wire::receive_answer(&mut *stream));
        if answer.is_err() {
            // A late answer must never be taken for that of another question.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        answer
    }
}

fn greet(socket: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&HELLO)?;
    let mut hello = [0; HELLO.len()];
    stream.read_exact(&mut hello)?;
    if hello == HELLO {
        Ok(stream)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
