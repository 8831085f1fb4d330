//! The command line as clap sees it; its help, completions and man page come from here alone.
//!
//! It stands apart from the commands so that nothing below it knows a flag's name. What queries are made
//! of, and what sounds are told and taught by, have files of their own.

mod labels;
mod query;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use soundseek::model::Precision;

pub use labels::{AdaptArgs, CaptionsArgs, TagArgs};
pub use query::{QueryArgs, SearchArgs, SimilarArgs};

/// Find sounds by what they sound like.
///
/// Index folders of samples, effects or field recordings, then search them by description ("glass
/// breaking in a large hall"), by example ("more like this clip"), or both. Everything runs on this
/// machine; nothing leaves it.
#[derive(Debug, Parser)]
#[command(name = "soundseek", version, max_term_width = 100)]
pub struct CommandLine {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub tui: TuiArgs,
    /// Without one the terminal UI is opened.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the terminal UI, which is opened without a command, is started with.
#[derive(Debug, Args)]
pub struct TuiArgs {
    /// Without a command: open the terminal UI, and index this folder meanwhile
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// The settings of the terminal UI [default: soundseek/config.toml in the platform's folder for them]
    #[arg(long, value_name = "FILE", env = "SOUNDSEEK_CONFIG", hide_env_values = true, value_parser = maybe_empty(), value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The folder that the library lies in [default: in the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "SOUNDSEEK_LIBRARY", hide_env_values = true, value_parser = maybe_empty(), value_hint = ValueHint::DirPath)]
    pub library: Option<PathBuf>,
    /// The model: `builtin`, a name of `soundseek model list`, owner/name[@revision] on the Hugging Face hub, or a checkpoint's folder [default: what `soundseek model use` has set, or builtin]
    #[arg(long, global = true, value_name = "MODEL", env = "SOUNDSEEK_MODEL", hide_env_values = true, value_parser = maybe_empty(), value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
    /// Where the model runs: auto, cpu, cuda[:N] or metal
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// What the processor multiplies in: f32, bf16 (if it can), int8, each faster than the one before, or
    /// auto, the fastest that agrees with f32, measured once (see `soundseek model bench`)
    #[arg(long, global = true, value_name = "PRECISION", default_value = "f32")]
    pub precision: Precision,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// An empty variable is as good as none, and clap would refuse it as a path.
fn maybe_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Index folders, or refresh all known ones when none is named
    ///
    /// Unchanged files are skipped without being opened; moved and copied files are recognised by their
    /// content. Ctrl-C stops at any moment and loses nothing. Hidden files and what `.soundseekignore`
    /// files name (in the syntax of .gitignore) are left aside.
    Index(IndexArgs),
    /// Keep the library up to date while files change, until Ctrl-C
    ///
    /// Follows what the system tells of changes below the folders, or below all known ones, and walks
    /// them now and then for what it does not tell: drives over a network send nothing.
    Watch(WatchArgs),
    /// Search by description
    ///
    /// Exit status: 0 when something was found, 1 when nothing was, 2 on an error.
    Search(SearchArgs),
    /// Find what sounds like a clip, whether it is indexed or not
    ///
    /// Exit status: 0 when something was found, 1 when nothing was, 2 on an error.
    Similar(SimilarArgs),
    /// Make some forty sounds by synthesis, index them, and answer a few searches
    Demo(DemoArgs),
    /// Print the vectors of files or texts
    Embed(EmbedArgs),
    /// Tell what sounds are, by labels of a set, or label the whole library
    ///
    /// Labels are the model's and are kept apart from a person's own tags. `search --label` finds by
    /// them, and the filters of the terminal UI offer them.
    ///
    /// Exit status: 0 when all files were told, 2 on an error.
    Tag(TagArgs),
    /// Teach searches by description this library's own words
    ///
    /// Learns a small adapter on top of the model, from files and descriptions or from the files' own
    /// names, and keeps it only when it finds more among descriptions that it has not seen. Nothing is
    /// indexed again, and it can be turned off at any time.
    ///
    /// Exit status: 0 when it was kept, 1 when it finds no more than before, 2 on an error.
    Adapt(AdaptArgs),
    /// Rank given sentences by how well they describe a sound
    ///
    /// Exit status: 0 when all files were told, 2 on an error.
    Captions(CaptionsArgs),
    /// Show what the library holds
    Status(StatusArgs),
    /// List the folders that are indexed
    Roots,
    /// Forget a folder or file; nothing is deleted but the library's knowledge of it
    Remove {
        /// The folder or file
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
    },
    /// Say that a folder has moved, as when a drive has another mount point
    Relink {
        /// Where the files were
        #[arg(value_hint = ValueHint::AnyPath)]
        old: PathBuf,
        /// Where they are now
        #[arg(value_hint = ValueHint::AnyPath)]
        new: PathBuf,
    },
    /// List, download, choose and show models
    Model {
        /// What to do
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Write the library anew, without what is no longer used
    ///
    /// It gives back the space of what was removed or indexed again, and forgets the vectors of sounds that
    /// no file has any more. Stopped half-way, it has changed nothing.
    Compact,
    /// Get everything that is whole out of a damaged library
    ///
    /// Writes a new library out of it, puts that in its place, and keeps the damaged one beside it. What
    /// could not be read is listed; the next `soundseek index` reads those files again.
    Repair,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// What can be done about models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the models that have a name: size, licence, what they are good for
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Download a model from the Hugging Face hub
    ///
    /// Size and licence are said and consent is asked before anything comes. An interrupted download goes
    /// on where it was; every file is checked against the hash that the hub states. HF_HOME, HF_ENDPOINT,
    /// HF_TOKEN and HF_HUB_OFFLINE are honoured, and what Hugging Face's own programs have downloaded is
    /// used. No other command opens a connection.
    Get {
        /// A name of `soundseek model list`, or owner/name[@revision]
        #[arg(value_name = "NAME")]
        name: OsString,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make a model the one that this library uses
    ///
    /// It says how many files have no vectors of it, and how long embedding them would take here.
    /// `soundseek index`, or the terminal UI meanwhile, embeds them. Vectors of other models stay.
    Use {
        /// `builtin`, a model on this machine, or a checkpoint's folder
        #[arg(value_name = "NAME|DIR", value_hint = ValueHint::DirPath)]
        name: OsString,
    },
    /// Drop the vectors of a model from this library
    ///
    /// The model's own files stay where they are.
    Remove {
        /// The model, or the first digits of its fingerprint
        #[arg(value_name = "NAME")]
        name: OsString,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Measure what each precision gives on this processor, and how well it agrees with f32
    ///
    /// Clips a second on all cores, milliseconds for a text, and cosines and rankings beside those of f32,
    /// over the sounds that are named or else the demo's.
    Bench {
        /// Sound files, or folders of them; of many, 200 are taken
        #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
        sounds: Vec<PathBuf>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Check a model and show what it is
    Info {
        /// A model on this machine [default: the one in use]
        #[arg(value_name = "NAME|DIR", value_hint = ValueHint::DirPath)]
        name: Option<OsString>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct IndexArgs {
    /// Folders or files; all known folders when none is named
    #[arg(value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub roots: Vec<PathBuf>,
    /// How many cores to use, 1 to 256 [default: all, giving way to other programs]
    #[arg(long, short = 'j', value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub threads: Option<usize>,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    pub index: IndexArgs,
    /// How often everything is walked, at least a minute: 10m, 1h30m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = interval)]
    pub every: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < Duration::from_secs(60) {
        return Err("it has to be a minute or more: changes are followed meanwhile".into());
    }
    Ok(time)
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Make the sounds and their library in this folder and keep them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Sound files; each gives a vector for each segment
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// A text, taken as it stands
    #[arg(long, value_name = "TEXT")]
    pub text: Vec<String>,
    /// Write the vectors, and nothing else, to a NumPy file of shape (vectors, dimensions)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub npy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// List the files that could not be indexed, with the reasons
    #[arg(long)]
    pub failed: bool,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}
