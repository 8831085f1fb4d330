//! The length and the header of `model.safetensors`, before the tiny checkpoint's own numbers.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| soundseek_fuzz::checkpoint_without(&["model.safetensors"]));

static NUMBERS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let whole = std::fs::read(soundseek_fuzz::fixture("clap-tiny-unfused/model.safetensors"));
    let whole = whole.expect("read");
    let length = u64::from_le_bytes(*whole.first_chunk().expect("a length"));
    whole[8 + length as usize..].to_vec()
});

fuzz_target!(|input: &[u8]| {
    let file = [input, &NUMBERS].concat();
    std::fs::write(FOLDER.path().join("model.safetensors"), file).expect("written");
    soundseek_fuzz::try_checkpoint(FOLDER.path());
});
