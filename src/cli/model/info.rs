//! `model info`: what a model on this machine is, after every check that loading it makes.

use std::ffi::OsStr;
use std::io::Write;

use anyhow::Result;
use serde_json::json;
use soundseek::display::{printable, printable_path};
use soundseek::hub::{Hub, ModelName};
use soundseek::json;
use soundseek::model::{Checkpoint, ClapModel, Device};

use crate::cli::args::Common;
use crate::cli::{Outcome, library_if_any, model_name};

/// `soundseek model info [NAME|DIR]`; without a name, the model in use.
pub fn info(
    common: &Common,
    name: Option<&OsStr>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let name = match name {
        Some(name) => ModelName::parse(name)?,
        None => model_name(common, library_if_any(common)?.as_ref())?,
    };
    let checkpoint = Hub::from_environment().checkpoint(&name)?;
    let model = ClapModel::load(&checkpoint, Device::Cpu)?;
    let (config, mel) = (model.config(), model.mel_config());
    let fingerprint = model.fingerprint()?;
    let clip_s = mel.max_length_s();
    let audio = &config.audio_config;
    if as_json {
        let mut object = json!({
            "schema": json::SCHEMA,
            "name": name.to_string(),
            "fingerprint": fingerprint,
            "dimension": model.dimension(),
            "sample_rate": mel.sample_rate_hz,
            "clip": clip_s,
            "depths": audio.depths,
            "fusion": audio.enable_fusion,
            "text_layers": config.text_config.num_hidden_layers,
        });
        if let Checkpoint::Folder(folder) = &checkpoint {
            json::put_path(&mut object, "path", folder);
        }
        model.self_test()?;
        writeln!(out, "{}", json::line(&object))?;
        return Ok(Outcome::Found);
    }
    writeln!(out, "name         {}", printable(&name.to_string()))?;
    if let Checkpoint::Folder(folder) = &checkpoint {
        writeln!(out, "folder       {}", printable_path(folder))?;
    }
    writeln!(out, "fingerprint  {fingerprint}")?;
    writeln!(
        out,
        "vectors      of {} dimensions, one for each {clip_s} s of sound at {} Hz",
        model.dimension(),
        mel.sample_rate_hz
    )?;
    let depths: Vec<_> = audio.depths.iter().map(usize::to_string).collect();
    writeln!(
        out,
        "sounds       HTSAT of {} channels, {} blocks{}",
        audio.patch_embeds_hidden_size,
        depths.join("-"),
        if audio.enable_fusion { ", fused" } else { "" }
    )?;
    writeln!(
        out,
        "texts        RoBERTa of {} layers of {}",
        config.text_config.num_hidden_layers, config.text_config.hidden_size
    )?;
    model.self_test()?;
    Ok(Outcome::Found)
}
