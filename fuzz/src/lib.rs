//! What the targets share: files to put an input into, and panics that the product catches.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use soundseek::model::{Checkpoint, ClapModel, Device};

/// A folder in memory where the system has one, so that writing an input costs next to nothing.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary folder")
}

/// Lets panics unwind to whoever catches them. libFuzzer's hook ends the process at once, though the
/// product promises that a decoder's panic costs one file; one that nobody catches still ends the run.
/// Each place is named once.
pub fn let_panics_unwind() {
    static TOLD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(place) {
            eprintln!("panic: {panic}");
        }
    }));
}

/// A file of `tests/data`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// A folder with the files of the tiny checkpoint, but for those that the input takes the place of.
pub fn checkpoint_without(names: &[&str]) -> tempfile::TempDir {
    let folder = folder();
    for name in [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
        "tokenizer.json",
    ] {
        if !names.contains(&name) {
            let from = fixture("clap-tiny-unfused").join(name);
            std::fs::copy(from, folder.path().join(name)).expect("copied");
        }
    }
    folder
}

/// Loads a checkpoint and, if that is allowed, computes with it, so that its weights are read, too.
pub fn try_checkpoint(folder: &Path) {
    let checkpoint = Checkpoint::Folder(folder.to_path_buf());
    if let Ok(model) = ClapModel::load(&checkpoint, Device::Cpu) {
        let _ = model.text_embeddings(&["glass breaking"]);
        let _ = model.tokenizer().encode("");
    }
}
