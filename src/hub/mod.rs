//! Where models come from: the program itself, a folder, or the Hugging Face hub.
//!
//! A person names a model ([`ModelName`]); here is found which checkpoint on this machine that is
//! ([`Hub::checkpoint`]), and one that is not there is downloaded when it is asked for
//! ([`Hub::offer`], [`Hub::download`]); nothing else in this program opens a connection. It stands
//! apart from `model/`, which takes a checkpoint that is there and knows nothing of names and
//! networks, and from the library, which keeps vectors of models and none of their files.

mod cache;
mod client;
mod download;
mod error;
mod hash;
mod known;
mod listing;
mod name;
mod roots;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::model::Checkpoint;
use cache::Cache;
use client::Client;
use download::{Download, length_of};
pub use error::HubError;
pub use known::{KnownModel, known_models};
use listing::FileFacts;
pub use name::{ModelName, NameError, Repository};
pub use settings::Settings;

/// The hub as this machine sees it: a cache of what was downloaded, and where more is to be had.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: Settings,
    /// `None` where the user has no home directory and names no folder.
    cache: Option<Cache>,
}

/// What the hub has of a model, and what of it is missing here.
#[derive(Debug, Clone)]
pub struct Offer {
    repository: Repository,
    commit: String,
    /// As the model card states it.
    pub licence: Option<String>,
    files: Vec<(&'static str, FileFacts)>,
    /// The bytes of all its files.
    pub bytes: u64,
    /// Those that are to come.
    pub missing_bytes: u64,
}

/// How far a download is, for whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadEvent {
    /// Another program downloads this file; it is waited for.
    Waiting {
        /// The file's name.
        file: &'static str,
    },
    /// So many bytes of all files are there.
    Arrived {
        /// Bytes that are there.
        bytes: u64,
    },
}

impl Hub {
    /// As the environment says.
    pub fn from_environment() -> Hub {
        Hub::new(Settings::from_environment())
    }

    /// With these settings.
    pub fn new(settings: Settings) -> Hub {
        Hub {
            cache: settings.cache.clone().map(Cache::new),
            settings,
        }
    }

    /// The checkpoint of a name; nothing is downloaded.
    ///
    /// # Errors
    ///
    /// When a model of the hub is not on this machine; the text says how to get it.
    pub fn checkpoint(&self, name: &ModelName) -> Result<Checkpoint> {
        match name {
            ModelName::BuiltIn => Ok(Checkpoint::BuiltIn),
            ModelName::Folder(folder) => Ok(Checkpoint::Folder(folder.clone())),
            ModelName::Hub(repository) => match self.snapshot(repository) {
                Some(folder) => Ok(Checkpoint::Folder(folder)),
                None => bail!(
                    "the model {repository} is not on this machine: `soundseek model get {repository}` downloads it"
                ),
            },
        }
    }

    /// The folder of a model that was downloaded whole.
    pub fn snapshot(&self, repository: &Repository) -> Option<PathBuf> {
        self.cache.as_ref()?.snapshot(repository)
    }

    /// The folder that downloads go to.
    ///
    /// # Errors
    ///
    /// [`HubError::NoCache`].
    pub fn downloads(&self) -> Result<&Path, HubError> {
        Ok(self.cache()?.folder())
    }

    /// Asks the hub what it has of a model.
    ///
    /// # Errors
    ///
    /// [`HubError`].
    pub fn offer(&self, repository: &Repository) -> Result<Offer, HubError> {
        let cache = self.cache()?;
        let client = self.client()?;
        let listing = listing::listing(&client, repository)?;
        let mut files = Vec::new();
        let mut missing_bytes = 0;
        for file in listing.files {
            let facts = listing::facts(&client, repository, &listing.commit, file)?;
            let blob = cache.blob(repository, facts.hash.hex());
            if !blob.is_file() {
                let have = length_of(&download::incomplete(&blob));
                missing_bytes += facts.bytes.saturating_sub(have);
            }
            files.push((file, facts));
        }
        Ok(Offer {
            repository: repository.clone(),
            commit: listing.commit,
            licence: listing.licence,
            bytes: files.iter().map(|(_, facts)| facts.bytes).sum(),
            missing_bytes,
            files,
        })
    }

    /// Sees that there is room for what is missing of an offer.
    ///
    /// # Errors
    ///
    /// [`HubError::TooLittleRoom`]; where the system does not tell, it is taken to suffice.
    pub fn check_room(&self, offer: &Offer) -> Result<(), HubError> {
        let folder = self.cache()?.folder();
        // What is not there yet will be on the drive of the folder that it is made in.
        let there = folder.ancestors().find(|folder| folder.is_dir());
        let free = there.and_then(self.settings.free_bytes);
        match free.filter(|free| *free < offer.missing_bytes) {
            None => Ok(()),
            Some(free) => Err(HubError::TooLittleRoom {
                repository: offer.repository.to_string(),
                needed: offer.missing_bytes,
                free,
                folder: folder.to_path_buf(),
            }),
        }
    }

    /// Downloads what is missing of an offer, and gives the folder of the checkpoint. What an earlier
    /// run left unfinished is taken up where it was.
    ///
    /// # Errors
    ///
    /// [`HubError`]; what was downloaded is kept for the next attempt, unless it was wrong.
    pub fn download(
        &self,
        offer: &Offer,
        on_event: &mut dyn FnMut(DownloadEvent),
    ) -> Result<PathBuf, HubError> {
        self.check_room(offer)?;
        let cache = self.cache()?;
        let client = self.client()?;
        let mut before = 0;
        for (file, facts) in &offer.files {
            let hash = facts.hash.hex();
            let download = Download {
                client: &client,
                repository: &offer.repository,
                commit: &offer.commit,
                file,
                facts,
                blob: &cache.blob(&offer.repository, hash),
                lock: &cache.lock(&offer.repository, hash),
                pause: self.settings.pause,
            };
            download.run(&mut |event| {
                on_event(match event {
                    DownloadEvent::Arrived { bytes } => DownloadEvent::Arrived {
                        bytes: before + bytes,
                    },
                    waiting => waiting,
                });
            })?;
            before += facts.bytes;
            on_event(DownloadEvent::Arrived { bytes: before });
        }
        let names = offer.files.iter();
        let names: Vec<_> = names
            .map(|(file, facts)| (*file, facts.hash.hex()))
            .collect();
        cache.publish(&offer.repository, &offer.commit, &names)
    }

    fn cache(&self) -> Result<&Cache, HubError> {
        self.cache.as_ref().ok_or(HubError::NoCache)
    }

    fn client(&self) -> Result<Client, HubError> {
        let settings = &self.settings;
        if settings.offline {
            return Err(HubError::Offline);
        }
        Client::new(&settings.endpoint, settings.token(), settings.patience)
    }
}
