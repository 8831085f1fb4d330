//! Where there are no Unix domain sockets, nobody listens: a second process is told who has the
//! store. In place of [`crate::serve`] and [`crate::remote`] there.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::holder::Holder;
use crate::store::Held;
use crate::wire::{Answer, Request};

/// Never there.
pub(crate) struct Server(Infallible);

impl Server {
    pub(crate) fn start(_: &Path, _: &Arc<Held>) -> io::Result<Server> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn socket(&self) -> &Path {
        match self.0 {}
    }
}

/// Never there.
pub(crate) struct Remote(Infallible);

/// Why there is no conversation.
pub(crate) enum Silence {
    /// Nobody listens.
    Nobody,
    /// Cannot be.
    #[expect(dead_code, reason = "it is one of the answers of a real conversation")]
    Hangs(Holder),
}

impl Remote {
    pub(crate) fn call(_: &Path) -> Result<Remote, Silence> {
        Err(Silence::Nobody)
    }

    pub(crate) fn holder(&self) -> &Holder {
        match self.0 {}
    }

    pub(crate) fn ask(&self, _: &Request) -> io::Result<Answer> {
        match self.0 {}
    }
}
