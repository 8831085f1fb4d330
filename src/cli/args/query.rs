//! What is searched for, what may be found, and how it is shown: the flags that `search` and `similar`
//! share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueHint};
use soundseek::notation;

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What it sounds like; several words need no quotes
    #[arg(value_name = "DESCRIPTION")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub query: QueryArgs,
}

#[derive(Debug, Args)]
pub struct SimilarArgs {
    /// The clip, or a part of it in seconds or h:mm:ss
    #[arg(value_name = "FILE[@START[-END]]", value_hint = ValueHint::FilePath)]
    pub clip: OsString,
    #[command(flatten)]
    pub query: QueryArgs,
}

/// What a query may have besides its main part.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// Also like this clip; in times a colon has two digits after it (1:05), any other begins the weight
    #[arg(
        long,
        value_name = "FILE[@START[-END]][:WEIGHT]",
        help_heading = "Query"
    )]
    pub like: Vec<OsString>,
    /// Also like this description
    #[arg(long, value_name = "TEXT[:WEIGHT]", help_heading = "Query")]
    pub more: Vec<String>,
    /// Away from this description
    #[arg(long, value_name = "TEXT[:WEIGHT]", help_heading = "Query")]
    pub less: Vec<String>,
    /// Only files in this folder
    #[arg(long = "in", value_name = "DIR", help_heading = "Filters", value_hint = ValueHint::DirPath)]
    pub within: Vec<PathBuf>,
    /// Only files with this extension
    #[arg(
        long,
        value_name = "EXT",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub ext: Vec<String>,
    /// Only sounds at least this long: seconds, h:m:s, or 1m30s
    #[arg(long, value_name = "LENGTH", help_heading = "Filters")]
    pub longer: Option<String>,
    /// Only sounds shorter than this
    #[arg(long, value_name = "LENGTH", help_heading = "Filters")]
    pub shorter: Option<String>,
    /// Only files modified within this time (7d, 2h) or since this date (2026-01-31)
    #[arg(long, value_name = "AGE|DATE", help_heading = "Filters")]
    pub newer: Option<String>,
    /// Only files with a name like this: *kick*
    #[arg(long, value_name = "GLOB", help_heading = "Filters")]
    pub name: Option<String>,
    /// Only sounds with this tag; with several, only those that have them all
    #[arg(
        long,
        value_name = "TAG",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub tag: Vec<String>,
    /// Only favourites
    #[arg(long, help_heading = "Filters")]
    pub favourite: bool,
    /// Only sounds with this label of `soundseek tag --all`; may be given again, for sounds that have them all
    #[arg(long, value_name = "LABEL", help_heading = "Filters")]
    pub label: Vec<String>,
    /// How many results at most
    #[arg(
        short = 'n',
        value_name = "N",
        default_value_t = 10,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..),
        help_heading = "Results"
    )]
    pub n: usize,
    /// The least cosine similarity, from -1 to 1
    #[arg(long, value_name = "COSINE", default_value_t = -1.0, value_parser = notation::cosine, allow_negative_numbers = true, help_heading = "Results")]
    pub min_similarity: f32,
    /// How far the graph looks: more finds more and takes longer
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..),
        help_heading = "Results"
    )]
    pub ef: usize,
    /// Rank moments instead of files: where in a long recording it is
    #[arg(long, help_heading = "Results")]
    pub moments: bool,
    /// Show copies and near-identical sounds each on a line of their own
    #[arg(long, help_heading = "Results")]
    pub all: bool,
    /// One JSON object a line
    #[arg(long, help_heading = "Results")]
    pub json: bool,
    /// Paths only, each ended by a NUL byte, for `xargs -0`
    #[arg(short = '0', conflicts_with = "json", help_heading = "Results")]
    pub nul: bool,
}
