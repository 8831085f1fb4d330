//! `model`: which models there are, getting one, making it the library's, what one is, and what it gives
//! on this machine.

mod bench;
mod choose;
mod get;
mod info;
mod list;

pub use choose::space_name;

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

use super::args::{Common, ModelCommand};
use super::{Outcome, complain};

/// `soundseek model ...`.
pub fn model(common: &Common, command: &ModelCommand, out: &mut dyn Write) -> Result<Outcome> {
    match command {
        ModelCommand::List { json } => list::list(*json, out),
        ModelCommand::Get { name, yes } => get::get(common, name, *yes, out),
        ModelCommand::Use { name } => choose::choose(common, name, out),
        ModelCommand::Remove { name, yes } => choose::remove(common, name, *yes, out),
        ModelCommand::Bench { sounds, json } => bench::bench(common, sounds, *json, out),
        ModelCommand::Info { name, json } => info::info(common, name.as_deref(), *json, out),
    }
}

/// Says what would be done and asks whether to do it.
fn consent(what: &str, question: &str) -> Result<bool> {
    complain(what);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        bail!("there is no terminal to ask at: say yes with --yes");
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    Ok(matches!(&*answer, "y" | "yes"))
}
