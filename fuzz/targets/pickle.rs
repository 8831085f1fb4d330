//! `pytorch_model.bin`. After a first byte of 0 the input is the file; after any other it is the pickle
//! inside a sound archive, which a mutated archive hardly ever still holds.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| soundseek_fuzz::checkpoint_without(&["model.safetensors"]));

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let file = if *kind == 0 { rest.to_vec() } else { archive(rest) };
    std::fs::write(FOLDER.path().join("pytorch_model.bin"), file).expect("written");
    soundseek_fuzz::try_checkpoint(FOLDER.path());
});

/// A pickle and one storage, as PyTorch puts them together.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("archive/data.pkl", pickle), ("archive/data/0", &[0; 4096])] {
        archive.start_file(name, options).expect("a name");
        archive.write_all(bytes).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}
