//! The models that are worth naming, and the one that is not worth having.
//!
//! Sizes follow from the numbers of parameters in 32 bits and, for `larger_clap_general`, are that of
//! its published file; licences are what the model cards state. Both are asked from the hub again
//! before anything is downloaded, and what the hub says counts.

/// A published model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownModel {
    /// The name that commands take, which is that of its repository.
    pub name: &'static str,
    /// Whose repository it is.
    pub owner: &'static str,
    /// The size of its weight file, about, in bytes.
    pub bytes: u64,
    /// The licence that its card states.
    pub licence: &'static str,
    /// What it is good for.
    pub good_for: &'static str,
}

impl KnownModel {
    /// `owner/name`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// The published models, the one to try first first.
pub fn known_models() -> &'static [KnownModel] {
    &KNOWN
}

const LAION: &str = "laion";

/// As the model cards say; the package and copies of the weights elsewhere are stated to be under
/// other permissive terms (CC0, CC-BY 4.0).
const LICENCE: &str = "apache-2.0";

static KNOWN: [KnownModel; 4] = [
    KnownModel {
        name: "clap-htsat-unfused",
        owner: LAION,
        bytes: 614_000_000,
        licence: LICENCE,
        good_for: "sounds of every kind: effects, field recordings, one-shots; the quickest of these",
    },
    KnownModel {
        name: "clap-htsat-fused",
        owner: LAION,
        bytes: 614_000_000,
        licence: LICENCE,
        good_for: "the same, trained on longer recordings as well",
    },
    KnownModel {
        name: "larger_clap_general",
        owner: LAION,
        bytes: 776_000_000,
        licence: LICENCE,
        good_for: "sounds, music and speech; finds more, takes two and a half times as long to index",
    },
    KnownModel {
        name: "larger_clap_music_and_speech",
        owner: LAION,
        bytes: 776_000_000,
        licence: LICENCE,
        good_for: "collections of music and speech; as slow as larger_clap_general",
    },
];

/// Why a published model is not to be had, if that is so.
pub(super) fn refusal(owner: &str, name: &str) -> Option<&'static str> {
    (owner == LAION && name == "larger_clap_music").then_some(
        "its text tower is collapsed: unrelated texts get the same vector (mean cosine .999 where \
         working models have .18 to .29), so every search would answer the same; \
         larger_clap_music_and_speech and larger_clap_general work",
    )
}
