//! `config.json` and `preprocessor_config.json`, split at the first NUL byte.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    soundseek_fuzz::checkpoint_without(&["config.json", "preprocessor_config.json"])
});

fuzz_target!(|input: &[u8]| {
    let split = input.iter().position(|byte| *byte == 0);
    let (config, rest) = input.split_at(split.unwrap_or(input.len()));
    let preprocessor = rest.get(1..).unwrap_or_default();
    std::fs::write(FOLDER.path().join("config.json"), config).expect("written");
    std::fs::write(FOLDER.path().join("preprocessor_config.json"), preprocessor).expect("written");
    soundseek_fuzz::try_checkpoint(FOLDER.path());
});
