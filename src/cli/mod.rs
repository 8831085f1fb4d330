//! The command line: flags to plain options, results to text and JSON, failures to an exit status.
//!
//! Each command is a file; what they share is here: where the library lies, which model runs where,
//! and the three exit statuses. Only this folder prints.

mod adapt;
mod args;
mod captions;
mod clip;
mod compact;
mod demo;
mod embed;
mod index;
mod model;
mod progress;
mod repair;
mod search;
mod status;
mod tag;
mod tui;
mod watch;

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory, Parser};
use soundseek::display::{printable, printable_path};
use soundseek::embed::Embedder;
use soundseek::hub::{Hub, ModelName};
use soundseek::library::Library;
use soundseek::model::{DeviceChoice, LoadOptions};

use args::{Command, CommandLine, Common};

/// How a command ended, as `grep` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was found, or done.
    Found,
    /// Nothing was found.
    NotFound,
    /// Something could not be done.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Found => 0,
            Outcome::NotFound => 1,
            Outcome::Failed => 2,
        })
    }
}

/// Parses the command line and does what it says.
pub fn run() -> Result<Outcome> {
    let line = parse();
    soundseek_index::introduce(&doing());
    let Some(command) = &line.command else {
        return tui::tui(&line.common, &line.tui);
    };
    if let Some(dir) = &line.tui.dir {
        bail!(
            "'{}' stands before a command: write what belongs to a command after it",
            printable_path(dir)
        );
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let outcome = dispatch(&line.common, command, &mut out)?;
    out.flush()?;
    Ok(outcome)
}

/// The command line. What is wrong with it is told by clap, which repeats arguments as they are; names
/// of files come in among them by `*`, so that they are made safe to print before it sees them again.
fn parse() -> CommandLine {
    CommandLine::try_parse().unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let safe = std::env::args_os().map(|argument| printable(&argument.to_string_lossy()));
        match CommandLine::try_parse_from(safe) {
            Err(error) => error.exit(),
            // It was the bytes of an argument that were wrong.
            Ok(_) => error.exit(),
        }
    })
}

/// What this process is doing, for others that want the library: the program and its command.
fn doing() -> String {
    let commands = CommandLine::command();
    let named = |word: &OsString| commands.find_subcommand(word).is_some();
    let command = std::env::args_os().skip(1).find(named);
    let words = ["soundseek".into(), command.unwrap_or_default()];
    let words = words.map(|word| word.to_string_lossy().into_owned());
    words.join(" ").trim_end().to_owned()
}

fn dispatch(common: &Common, command: &Command, out: &mut dyn Write) -> Result<Outcome> {
    match command {
        Command::Index(args) => index::index(common, args, out),
        Command::Watch(args) => watch::watch(common, args, out),
        Command::Search(args) => search::search(common, args, out),
        Command::Similar(args) => search::similar(common, args, out),
        Command::Demo(args) => demo::demo(common, args, out),
        Command::Embed(args) => embed::embed(common, args, out),
        Command::Adapt(args) => adapt::adapt(common, args, out),
        Command::Tag(args) => tag::tag(common, args, out),
        Command::Captions(args) => captions::captions(common, args, out),
        Command::Status(args) => status::status(common, args, out),
        Command::Roots => status::roots(common, out),
        Command::Remove { path } => status::remove(common, path, out),
        Command::Relink { old, new } => status::relink(common, old, new, out),
        Command::Model { command } => model::model(common, command, out),
        Command::Compact => compact::compact(common, out),
        Command::Repair => repair::repair(common, out),
        Command::Completions { shell } => {
            // The generator takes a reader that has seen enough for a bug, and panics.
            let mut script = Vec::new();
            let mut line = CommandLine::command();
            clap_complete::generate(*shell, &mut line, "soundseek", &mut script);
            out.write_all(&script)?;
            Ok(Outcome::Found)
        }
        Command::Man => {
            clap_mangen::Man::new(CommandLine::command()).render(out)?;
            Ok(Outcome::Found)
        }
    }
}

/// Tells the person something that is no result, with every name in it made safe to print. Nobody may be listening any more, which is no reason
/// to stop.
pub fn complain(text: &str) {
    let line = format!("soundseek: {}\n", printable(text));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn library_directory(common: &Common) -> Result<PathBuf> {
    let named = common.library.clone();
    named
        .filter(|directory| !directory.as_os_str().is_empty())
        .map_or_else(Library::default_directory, Ok)
}

fn open_existing_library(common: &Common) -> Result<Library> {
    let opened = Library::open_existing(&library_directory(common)?);
    opened.map_err(|error| match error.downcast_ref() {
        Some(soundseek_index::Error::Missing { .. }) => {
            error.context("run `soundseek index DIR` to index a folder of sounds")
        }
        _ => error,
    })
}

/// The library, where there is one; what needs none works without.
fn library_if_any(common: &Common) -> Result<Option<Library>> {
    let opened = Library::open_existing(&library_directory(common)?);
    match opened {
        Err(error)
            if matches!(
                error.downcast_ref(),
                Some(soundseek_index::Error::Missing { .. })
            ) =>
        {
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// The model that the command line, the environment or else the library names.
fn model_name(common: &Common, library: Option<&Library>) -> Result<ModelName> {
    let named = common.model.clone().map(PathBuf::into_os_string);
    let named = match (named.filter(|name| !name.is_empty()), library) {
        (None, Some(library)) => library.model_name()?,
        (named, _) => named,
    };
    Ok(ModelName::parse(&named.unwrap_or_default())?)
}

fn load_model(common: &Common, library: Option<&Library>) -> Result<Embedder> {
    let embedder = load_named(common, &model_name(common, library)?)?;
    tell_choice(common, &embedder);
    Ok(embedder)
}

/// Says what the precision is that was left to the program, where finding it out took seconds; what an
/// earlier run has found out is said only where a person waits anyway.
fn tell_choice(common: &Common, embedder: &Embedder) {
    if let Some((choice, true)) = embedder.choice()
        && !common.quiet
    {
        complain(&choice.to_string());
    }
}

fn load_named(common: &Common, name: &ModelName) -> Result<Embedder> {
    let (options, _) = load_options(common)?;
    Embedder::load(&Hub::from_environment().checkpoint(name)?, options)
}

/// How the model is computed, and lines that say what was asked for and is not to be had.
fn load_options(common: &Common) -> Result<(LoadOptions, Vec<String>)> {
    let (device, no_device) = common.device.parse::<DeviceChoice>()?.resolve();
    let (precision, no_precision) = common.precision.resolve(device);
    let options = LoadOptions {
        precision,
        ..LoadOptions::from(device)
    };
    Ok((options, no_device.into_iter().chain(no_precision).collect()))
}

/// Says what computes the model where that is not what was asked for or was left to the program, and
/// why, where a person waits for it.
fn tell_device(common: &Common, embedder: &Embedder) -> Result<()> {
    let (_, mut lines) = load_options(common)?;
    if let Some((choice, false)) = embedder.choice() {
        lines.push(choice.to_string());
    }
    for line in lines.iter().filter(|_| !common.quiet) {
        complain(line);
    }
    Ok(())
}
