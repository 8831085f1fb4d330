//! What can go wrong between this machine and the hub.
//!
//! A bad line is tried again, a wrong file is not; so the kinds are told apart
//! ([`HubError::is_passing`]), and every text says what to do.

use std::path::PathBuf;

use indicatif::DecimalBytes;

/// Why a model could not be had from the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// `HF_HUB_OFFLINE` forbids what was asked for.
    #[error(
        "HF_HUB_OFFLINE is set, so nothing is downloaded: unset it, or name a folder that holds the model"
    )]
    Offline,
    /// There is no place for downloads.
    #[error("there is no home directory for downloads: name a folder in HF_HOME")]
    NoCache,
    /// The address of the hub cannot be read.
    #[error("HF_ENDPOINT is {found:?}, expected an address such as https://huggingface.co")]
    Endpoint {
        /// The address given.
        found: String,
    },
    /// A variable names authorities that cannot be read.
    #[error(
        "no certificates can be read from what {variable} names: {why}; unset it, or name a file of certificates in PEM"
    )]
    Certificates {
        /// The variable.
        variable: &'static str,
        /// What the system said.
        why: String,
    },
    /// The server cannot be reached, or the line broke.
    #[error(
        "{url}: {reason}; see that the network is there (HF_ENDPOINT names a mirror) and run it again: what was downloaded is kept"
    )]
    Connection {
        /// Where.
        url: String,
        /// What the system or the protocol said.
        reason: String,
    },
    /// The hub has no such repository, or does not show it.
    #[error(
        "{endpoint} has no model {repository}, or does not show it: check the name, and for a private one set HF_TOKEN"
    )]
    NoRepository {
        /// Which hub.
        endpoint: String,
        /// Which model.
        repository: String,
    },
    /// The repository has no such revision.
    #[error("{repository} is no revision of that model: check what stands after the @")]
    NoRevision {
        /// The model with the revision.
        repository: String,
    },
    /// The owner asks for consent first.
    #[error(
        "{repository} is given only to those who accept its terms: do so at {endpoint}/{page} and set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// Which hub.
        endpoint: String,
        /// The model with the revision.
        repository: String,
        /// The model's page there.
        page: String,
    },
    /// Any other refusal.
    #[error("{url} answered with status {status}{said}{}", if *status == 429 || *status >= 500 { "; try again later" } else { "" })]
    Status {
        /// Where.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// What the server said, if anything, with a colon before.
        said: String,
    },
    /// An answer that means nothing.
    #[error(
        "{url} answered with {problem}; expected what the Hugging Face hub answers, see whether HF_ENDPOINT names one"
    )]
    Answer {
        /// Where.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A repository without what a CLAP checkpoint has.
    #[error(
        "{repository} has no {missing}, so it is no CLAP checkpoint in the Hugging Face format"
    )]
    NoCheckpoint {
        /// The model with the revision.
        repository: String,
        /// The file, or the alternatives.
        missing: &'static str,
    },
    /// What came is not what the hub says the file is.
    #[error(
        "{file}: expected {expected}, received {received}; the line or the mirror alters files, nothing of it was kept: try again, or another HF_ENDPOINT"
    )]
    WrongContent {
        /// The file, with its repository.
        file: String,
        /// What the hub states.
        expected: String,
        /// What came.
        received: String,
    },
    /// The drive is full.
    #[error("no room for {file}, which has {bytes} bytes, below {}: make room, or name a folder on another drive in HF_HOME, and run it again: what was downloaded is kept", folder.display())]
    NoRoom {
        /// The file, with its repository.
        file: String,
        /// Its whole size.
        bytes: u64,
        /// Where it would lie.
        folder: PathBuf,
    },
    /// The drive has too little room for what would come.
    #[error("{repository} takes {} more below {}, where {} are free: make room, or name a folder on another drive in HF_HOME", DecimalBytes(*needed), folder.display(), DecimalBytes(*free))]
    TooLittleRoom {
        /// The model with the revision.
        repository: String,
        /// The bytes that are to come.
        needed: u64,
        /// The bytes that are free.
        free: u64,
        /// Where they would lie.
        folder: PathBuf,
    },
    /// The cache cannot be read or written.
    #[error("{} cannot be used for downloads (HF_HOME names another folder)", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl HubError {
    /// True for what another attempt may mend.
    pub fn is_passing(&self) -> bool {
        match self {
            HubError::Connection { .. } => true,
            HubError::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
