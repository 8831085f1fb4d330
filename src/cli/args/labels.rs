//! What sounds are told by, in words: the flags of `tag`, `captions` and `adapt`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueHint};
use soundseek::labels::{BuiltInSet, TEMPLATE};
use soundseek::notation;

#[derive(Debug, Args)]
pub struct TagArgs {
    /// Sound files, indexed or not
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Label the whole library from its stored vectors; what was indexed since the last time is added
    #[arg(long, conflicts_with_all = ["files", "moments"])]
    pub all: bool,
    /// Drop the labels that --all gave: of the set that is named, else of all sets
    #[arg(long, conflicts_with_all = ["files", "all", "moments"])]
    pub clear: bool,
    /// The labels: audioset, ucs, esc50, drums or moods [default: audioset]
    #[arg(long, value_name = "SET")]
    pub set: Option<BuiltInSet>,
    /// Labels of a file: one on a line, after a tab what stands for it in the caption; # begins a comment
    #[arg(long, value_name = "FILE", conflicts_with = "set", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// The caption, with {} where the label stands
    #[arg(long, value_name = "TEXT", default_value = TEMPLATE, value_parser = notation::template)]
    pub template: String,
    /// How many labels of a file are shown
    #[arg(short = 'n', value_name = "N", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub n: usize,
    /// How probable a label has to be for --all to give it, from 0 to 1 [default: 1.5 / √labels, at most .9]
    #[arg(long, value_name = "P", value_parser = notation::probability)]
    pub threshold: Option<f32>,
    /// Tell each moment of a file on its own
    #[arg(long)]
    pub moments: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AdaptArgs {
    /// Files and descriptions: a table with commas or tabs, a row for each file
    #[arg(value_name = "PAIRS", value_hint = ValueHint::FilePath)]
    pub pairs: Option<PathBuf>,
    /// Learn from the names of the library's files
    #[arg(long, conflicts_with = "pairs")]
    pub from_names: bool,
    /// Only files in this folder
    #[arg(long = "in", value_name = "DIR", requires = "from_names", value_hint = ValueHint::DirPath)]
    pub within: Vec<PathBuf>,
    /// Write the adapter to a file instead of turning it on
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Decides what is held out and how it starts; the same one learns the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Turn on an adapter that was written to a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pairs", "from_names", "out", "on", "off"], value_hint = ValueHint::FilePath)]
    pub r#use: Option<PathBuf>,
    /// Turn the library's adapter on again
    #[arg(long, conflicts_with_all = ["pairs", "from_names", "out", "off"])]
    pub on: bool,
    /// Turn the library's adapter off
    #[arg(long, conflicts_with_all = ["pairs", "from_names", "out"])]
    pub off: bool,
    /// A JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CaptionsArgs {
    /// Sound files, indexed or not
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The sentences, one on a line; `-` for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: PathBuf,
    /// How many sentences are shown
    #[arg(short = 'n', value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub n: usize,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}
