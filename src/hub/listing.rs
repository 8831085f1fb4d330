//! What the hub says of a model: its commit, its licence, its files, and of each file size and hash.
//!
//! Names of files are taken from the checkpoint format, never from the hub's listing: the listing only
//! answers which of them are there. So nothing that a server calls a file becomes a path.

use serde::Deserialize;
use ureq::http::Method;

use super::cache::is_commit;
use super::client::{Client, Follow, header, refusal};
use super::error::HubError;
use super::hash::StatedHash;
use super::name::Repository;

/// A file of a larger size is no weight file of a CLAP; the largest published has 0.8 GB.
const LARGEST_FILE: u64 = 16 << 30;

/// What the hub says of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    /// 40 hexadecimal digits.
    pub(super) commit: String,
    /// As the model card states it.
    pub(super) licence: Option<String>,
    /// The files that a checkpoint is made of, as many as are needed.
    pub(super) files: Vec<&'static str>,
}

/// What the hub says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileFacts {
    pub(super) bytes: u64,
    pub(super) hash: StatedHash,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, rename = "cardData")]
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

#[derive(Deserialize)]
struct Card {
    #[serde(default)]
    license: Option<serde_json::Value>,
}

/// Asks which commit a revision is, and which files it has.
pub(super) fn listing(client: &Client, repository: &Repository) -> Result<Listing, HubError> {
    let path = format!(
        "api/models/{}/{}/revision/{}",
        repository.owner(),
        repository.name(),
        repository.revision().replace('/', "%2F")
    );
    let (mut response, url) = client.ask(Method::GET, &path, 0, Follow::WithinHub)?;
    if response.status() != 200 {
        return Err(refused(client, repository, &response, url));
    }
    let answer = |problem: String| HubError::Answer {
        url: url.clone(),
        problem,
    };
    let body = response.body_mut().read_to_vec();
    let body = body.map_err(|error| HubError::Connection {
        url: url.clone(),
        reason: error.to_string(),
    })?;
    let info: Info = serde_json::from_slice(&body)
        .map_err(|error| answer(format!("what is no description of a model ({error})")))?;
    if !is_commit(&info.sha) {
        return Err(answer(format!("the commit {:?}", info.sha)));
    }
    let has = |name: &str| info.siblings.iter().any(|file| file.rfilename == name);
    let files = needed(&has).map_err(|missing| HubError::NoCheckpoint {
        repository: repository.to_string(),
        missing,
    })?;
    let stated = info.card.and_then(|card| card.license);
    let stated = stated.and_then(|licence| Some(licence.as_str()?.to_owned()));
    let tagged = || {
        let licence = info
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix("license:"));
        licence.map(str::to_owned)
    };
    Ok(Listing {
        commit: info.sha,
        licence: stated.or_else(tagged),
        files,
    })
}

/// The files to have of those that are there; an error is what is missing.
fn needed(has: &dyn Fn(&str) -> bool) -> Result<Vec<&'static str>, &'static str> {
    let mut files = vec!["config.json", "preprocessor_config.json"];
    if let Some(missing) = files.iter().find(|file| !has(file)) {
        return Err(missing);
    }
    if has("tokenizer.json") {
        files.push("tokenizer.json");
    } else if has("vocab.json") && has("merges.txt") {
        files.extend(["vocab.json", "merges.txt"]);
    } else {
        return Err("tokenizer.json, nor vocab.json with merges.txt");
    }
    // The safer and the quicker of the two to read.
    if has("model.safetensors") {
        files.push("model.safetensors");
    } else if has("pytorch_model.bin") {
        files.push("pytorch_model.bin");
    } else {
        return Err("model.safetensors or pytorch_model.bin");
    }
    Ok(files)
}

/// Asks for size and hash of a file at a commit.
pub(super) fn facts(
    client: &Client,
    repository: &Repository,
    commit: &str,
    file: &str,
) -> Result<FileFacts, HubError> {
    let path = file_path(repository, commit, file);
    let (response, url) = client.ask(Method::HEAD, &path, 0, Follow::WithinHub)?;
    let status = response.status();
    if !status.is_success() && !status.is_redirection() {
        return Err(refused(client, repository, &response, url));
    }
    // A large file's own facts stand beside those of the redirect to where it lies.
    let either = |linked: &str, plain: &str| {
        let value = header(&response, linked).or_else(|| header(&response, plain));
        value.map(str::to_owned)
    };
    let etag = either("x-linked-etag", "etag").unwrap_or_default();
    let hash = StatedHash::from_etag(&etag);
    let length = either("x-linked-size", "content-length");
    let bytes = length
        .and_then(|length| length.parse().ok())
        .filter(|bytes| *bytes <= LARGEST_FILE);
    match (hash, bytes) {
        (Some(hash), Some(bytes)) => Ok(FileFacts { bytes, hash }),
        (None, _) => Err(HubError::Answer {
            url,
            problem: format!("no hash of the file that it could be checked against ({etag:?})"),
        }),
        (_, None) => Err(HubError::Answer {
            url,
            problem: "no size of the file, or one that no model has".to_owned(),
        }),
    }
}

/// Where a file lies, below the hub's address.
pub(super) fn file_path(repository: &Repository, commit: &str, file: &str) -> String {
    let (owner, name) = (repository.owner(), repository.name());
    format!("{owner}/{name}/resolve/{commit}/{file}")
}

/// What a refusal means; the hub tells its kinds apart in a header.
pub(super) fn refused(
    client: &Client,
    repository: &Repository,
    response: &ureq::http::Response<ureq::Body>,
    url: String,
) -> HubError {
    let endpoint = client.endpoint().to_owned();
    let code = header(response, "x-error-code").unwrap_or("");
    match (response.status().as_u16(), code) {
        (404, "RevisionNotFound") => HubError::NoRevision {
            repository: repository.to_string(),
        },
        (403, _) | (_, "GatedRepo") => HubError::Gated {
            endpoint,
            repository: repository.to_string(),
            page: format!("{}/{}", repository.owner(), repository.name()),
        },
        // Without a token the hub answers 401 for what is private and for what does not exist alike.
        (401, _) | (404, "RepoNotFound") => HubError::NoRepository {
            endpoint,
            repository: repository.to_string(),
        },
        _ => refusal(response, url),
    }
}
