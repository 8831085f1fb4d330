//! What the environment says of the hub, in the words of Hugging Face's own programs.
//!
//! Apart from the hub, because tests give other settings, and because of the one secret among them.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where models are looked for.
const HUB: &str = "https://huggingface.co";

/// How long a connection may be silent before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before a broken download is tried again, the first time.
const PAUSE: Duration = Duration::from_secs(1);

/// Where downloads go, and where they come from.
#[derive(Clone)]
pub struct Settings {
    /// The folder that `models--OWNER--NAME` folders lie in.
    pub cache: Option<PathBuf>,
    /// The address of the hub or of a mirror.
    pub endpoint: String,
    /// Sent to that address and to no other host.
    pub token: Option<String>,
    /// Where the token is read from when it is needed and not given.
    pub token_file: Option<PathBuf>,
    /// True when nothing may be downloaded.
    pub offline: bool,
    /// How long a connection may be silent.
    pub patience: Duration,
    /// How long to wait before a download that broke is tried again; twice as long after that.
    pub pause: Duration,
    /// The bytes that may still be written in a folder, where the system tells.
    pub free_bytes: fn(&Path) -> Option<u64>,
}

impl Settings {
    /// `HF_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME` name the cache, `HF_ENDPOINT` the hub, `HF_TOKEN`,
    /// `HF_TOKEN_PATH` or the file `token` in `HF_HOME` have the token, `HF_HUB_OFFLINE` forbids
    /// downloads.
    pub fn from_environment() -> Settings {
        let caches = || {
            let folders = directories::BaseDirs::new()?;
            Some(folders.home_dir().join(".cache"))
        };
        Settings::from_variables(&|name| std::env::var_os(name), &caches)
    }

    fn from_variables(
        variable: &dyn Fn(&str) -> Option<OsString>,
        caches: &dyn Fn() -> Option<PathBuf>,
    ) -> Settings {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name| Some(set(name)?.to_string_lossy().trim().to_owned());
        let path = |name| set(name).map(PathBuf::from);
        let home = path("HF_HOME").or_else(|| {
            let caches = path("XDG_CACHE_HOME").or_else(caches);
            Some(caches?.join("huggingface"))
        });
        let is_true = |value: &str| {
            let value = value.to_ascii_lowercase();
            matches!(&*value, "1" | "on" | "yes" | "true")
        };
        Settings {
            cache: path("HF_HUB_CACHE").or_else(|| Some(home.as_ref()?.join("hub"))),
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()),
            token: text("HF_TOKEN"),
            token_file: path("HF_TOKEN_PATH").or_else(|| Some(home.as_ref()?.join("token"))),
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            patience: PATIENCE,
            pause: PAUSE,
            free_bytes,
        }
    }
}

/// What a person without special rights may still write on the drive of a folder.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let drive = rustix::fs::statvfs(folder).ok()?;
    drive.f_bavail.checked_mul(drive.f_frsize)
}

/// Elsewhere a full drive is told when it is full.
#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

impl Settings {
    /// The token, read from its file if need be.
    pub(super) fn token(&self) -> Option<String> {
        let from_file = || std::fs::read_to_string(self.token_file.as_ref()?).ok();
        let token = self.token.clone().or_else(from_file)?;
        let token = token.trim();
        (!token.is_empty()).then(|| token.to_owned())
    }
}

impl fmt::Debug for Settings {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variable = |name: &str| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| OsString::from(value))
        };
        Settings::from_variables(&variable, &|| Some("/home/.cache".into()))
    }

    #[test]
    fn the_cache_is_where_hugging_face_s_own_programs_look_for_it() {
        let all = [
            ("XDG_CACHE_HOME", "/caches"),
            ("HF_HOME", "/hf"),
            ("HF_HUB_CACHE", "/hub"),
        ];
        for (variables, cache) in [
            (&all[..], "/hub"),
            (&all[..2], "/hf/hub"),
            (&all[..1], "/caches/huggingface/hub"),
            (&[("HF_HOME", "")][..], "/home/.cache/huggingface/hub"),
        ] {
            assert_eq!(settings(variables).cache, Some(cache.into()));
        }
    }

    #[test]
    fn the_token_is_found_and_never_shown() {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("token"), "from-a-file\n").expect("written");
        let home = home.path().to_str().expect("Unicode");
        let from_file = settings(&[("HF_HOME", home)]);
        assert_eq!(from_file.token().as_deref(), Some("from-a-file"));
        let from_variable = settings(&[("HF_HOME", home), ("HF_TOKEN", "secret ")]);
        assert_eq!(from_variable.token().as_deref(), Some("secret"));
        assert!(!format!("{from_variable:?}").contains("secret"));
        assert_eq!(settings(&[]).token(), None);
    }

    #[test]
    fn going_offline_is_said_in_several_words() {
        for (value, offline) in [("1", true), ("TRUE", true), ("0", false), ("", false)] {
            assert_eq!(settings(&[("HF_HUB_OFFLINE", value)]).offline, offline);
        }
        assert_eq!(settings(&[]).endpoint, HUB);
    }
}
