//! Without a command: the terminal UI.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
use soundseek::display::printable_path;
use soundseek::library::Library;
use soundseek::tui::{Config, Session, run};

use super::Outcome;
use super::args::{CommandLine, Common, TuiArgs};

/// `soundseek` and `soundseek DIR`.
pub fn tui(common: &Common, args: &TuiArgs) -> Result<Outcome> {
    if let Some(dir) = &args.dir {
        // A mistyped command is taken for a folder, too.
        std::fs::metadata(dir).with_context(|| {
            format!(
                "'{}' is neither a command nor a folder to index: `soundseek --help` lists the commands",
                printable_path(dir)
            )
        })?;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        if args.dir.is_some() {
            bail!("the terminal UI needs a terminal: without one, use `soundseek index DIR`");
        }
        let help = CommandLine::command().render_help();
        std::io::stderr().write_all(help.to_string().as_bytes())?;
        return Ok(Outcome::Failed);
    }
    let named = args.config.clone();
    let path = named.filter(|path| !path.as_os_str().is_empty());
    let config = match path.or_else(Config::default_path) {
        Some(path) => Config::read_if_there(&path)?,
        None => Config::default(),
    };
    let library = Library::open(&super::library_directory(common)?)?;
    let (common, name) = (common.clone(), super::model_name(common, Some(&library))?);
    run(Session {
        library,
        load_model: Box::new(move || super::load_named(&common, &name)),
        folders: args.dir.iter().cloned().collect(),
        config,
    })?;
    Ok(Outcome::Found)
}
