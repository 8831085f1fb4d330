//! `tokenizer.json`, or `vocab.json` and `merges.txt` split at a NUL byte; then a few texts.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soundseek::model::{Checkpoint, ClapModel, Device, TextConfig, TextTokenizer};

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| soundseek_fuzz::checkpoint_without(&["tokenizer.json"]));

/// The text encoder's side, of the tiny checkpoint.
static CONFIG: LazyLock<TextConfig> = LazyLock::new(|| {
    let checkpoint = Checkpoint::Folder(soundseek_fuzz::fixture("clap-tiny-unfused"));
    let model = ClapModel::load(&checkpoint, Device::Cpu).expect("the tiny checkpoint loads");
    model.config().text_config.clone()
});

fuzz_target!(
    init: soundseek_fuzz::let_panics_unwind(),
    |input: &[u8]| {
        let split = input.iter().position(|byte| *byte == 0);
        let files = match split {
            Some(at) => vec![("vocab.json", &input[..at]), ("merges.txt", &input[at + 1..])],
            None => vec![("tokenizer.json", input)],
        };
        for (name, bytes) in &files {
            std::fs::write(FOLDER.path().join(name), bytes).expect("written");
        }
        let checkpoint = Checkpoint::Folder(FOLDER.path().to_path_buf());
        if let Ok(tokenizer) = TextTokenizer::load(&checkpoint, &CONFIG) {
            for text in ["", "glass breaking", "  Ünï 音\u{0}\u{202e} ", &"a ".repeat(500)] {
                if let Ok(ids) = tokenizer.encode(text) {
                    assert!(ids.len() <= tokenizer.max_tokens());
                    assert!(ids.iter().all(|id| (*id as usize) < CONFIG.vocab_size));
                }
            }
        }
        for (name, _) in files {
            std::fs::remove_file(FOLDER.path().join(name)).expect("removed");
        }
    }
);
