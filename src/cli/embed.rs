//! `embed`: the vectors themselves, for whoever builds on them.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::{Context, Result, ensure};
use npyz::WriterBuilder;
use serde_json::json;
use soundseek::display::printable_path;
use soundseek::json;
use soundseek::search::embed_file;

use super::args::{Common, EmbedArgs};
use super::{Outcome, complain};

/// `soundseek embed`.
pub fn embed(common: &Common, args: &EmbedArgs, out: &mut dyn Write) -> Result<Outcome> {
    ensure!(
        !(args.files.is_empty() && args.text.is_empty()),
        "there is nothing to embed: name files, or give --text \"...\""
    );
    // Hours of work should not end in a folder that cannot be written. What FILE holds stays until then.
    let npy = args.npy.as_deref().map(|path| {
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("{} cannot be written", printable_path(path)))
    });
    let npy = npy.transpose()?;
    let embedder = super::load_model(common, super::library_if_any(common)?.as_ref())?;
    let mut vectors = Vec::new();
    let mut put = |object: serde_json::Value, vector: &[f32]| -> Result<()> {
        if npy.is_some() {
            vectors.extend_from_slice(vector);
        } else {
            let mut object = object;
            object["vector"] = json!(vector);
            writeln!(out, "{}", json::line(&object))?;
        }
        Ok(())
    };
    for text in &args.text {
        let vector = embedder.embed_text(text)?;
        put(
            json!({ "schema": json::SCHEMA, "text": text }),
            vector.as_slice(),
        )?;
    }
    let mut outcome = Outcome::Found;
    for path in &args.files {
        match embed_file(&embedder, path, None) {
            Ok(moments) => {
                for ((start, end), vector) in moments {
                    let mut object = json!({
                        "schema": json::SCHEMA,
                        "start": start,
                        "end": end,
                    });
                    json::put_path(&mut object, "path", path);
                    put(object, vector.as_slice())?;
                }
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                outcome = Outcome::Failed;
            }
        }
    }
    if let Some(file) = npy {
        let dimension = embedder.model().dimension();
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        let shape = [(vectors.len() / dimension) as u64, dimension as u64];
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(BufWriter::new(file))
            .begin_nd()?;
        writer.extend(vectors)?;
        writer.finish()?;
    }
    Ok(outcome)
}
