//! `model`: which models there are, getting one, and what one is.

mod get;
mod info;
mod list;

use std::io::Write;

use anyhow::Result;

use super::Outcome;
use super::args::{Common, ModelCommand};

/// `soundseek model ...`.
pub fn model(common: &Common, command: &ModelCommand, out: &mut dyn Write) -> Result<Outcome> {
    match command {
        ModelCommand::List { json } => list::list(*json, out),
        ModelCommand::Get { name, yes } => get::get(common, name, *yes, out),
        ModelCommand::Info { name, json } => info::info(common, name.as_deref(), *json, out),
    }
}
