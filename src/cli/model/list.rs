//! `model list`: the models that have a name, and which of them are on this machine.

use std::io::Write;

use anyhow::Result;
use serde_json::json;
use soundseek::hub::{Hub, KnownModel, Repository, known_models};
use soundseek::json;

use crate::cli::Outcome;

/// `soundseek model list`.
pub fn list(as_json: bool, out: &mut dyn Write) -> Result<Outcome> {
    let hub = Hub::from_environment();
    let here = |known: &KnownModel| -> Result<bool> {
        let repository = Repository::parse(&known.repository())?;
        Ok(hub.snapshot(&repository).is_some())
    };
    if !as_json {
        writeln!(
            out,
            "builtin  44 MB in the program, MIT or Apache-2.0\n  \
             drums, instruments, interface and game sounds; weak at animals, weather and household sounds"
        )?;
    }
    for known in known_models() {
        let (repository, downloaded) = (known.repository(), here(known)?);
        if as_json {
            let object = json!({
                "schema": json::SCHEMA,
                "name": known.name,
                "source": repository,
                "bytes": known.bytes,
                "licence": known.licence,
                "good_for": known.good_for,
                "downloaded": downloaded,
            });
            writeln!(out, "{}", json::line(&object))?;
            continue;
        }
        writeln!(
            out,
            "{}  about {} MB, {}{}\n  {}",
            repository,
            known.bytes / 1_000_000,
            known.licence,
            if downloaded { ", downloaded" } else { "" },
            known.good_for
        )?;
    }
    if !as_json {
        writeln!(
            out,
            "\nBesides: any CLAP checkpoint on the hub as owner/name[@revision], and any folder that holds one."
        )?;
    }
    Ok(Outcome::Found)
}
