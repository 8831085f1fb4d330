//! The headers that the product reads itself (WAV, RF64, Wave64, AU, AIFF, CAF) and the first block
//! behind any header: the fast half of `decode`, for small inputs.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soundseek::audio::AudioStream;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(soundseek_fuzz::folder);

fuzz_target!(
    init: soundseek_fuzz::let_panics_unwind(),
    |input: &[u8]| {
        let path = FOLDER.path().join("input");
        std::fs::write(&path, input).expect("written");
        if let Ok(mut stream) = AudioStream::open(&path) {
            let _ = stream.next_block(&mut Vec::new());
        }
    }
);
