//! What a library keeps beside its vectors: records of files, failures, marks, entries of sounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundseek::library::{Failure, FileRecord, Marks, SoundEntry};

fuzz_target!(|input: &[u8]| {
    if let Ok(entry) = SoundEntry::from_bytes(input) {
        // Not a number is unlike itself, so that bytes are compared.
        let bytes = entry.to_bytes();
        let again = SoundEntry::from_bytes(&bytes).expect("what was written is read");
        assert_eq!(again.to_bytes(), bytes);
    }
    if let Ok(record) = serde_json::from_slice::<FileRecord>(input) {
        let text = serde_json::to_vec(&record).expect("written");
        assert_eq!(serde_json::from_slice::<FileRecord>(&text).expect("read"), record);
    }
    if let Ok(failure) = serde_json::from_slice::<Failure>(input) {
        let text = serde_json::to_vec(&failure).expect("written");
        assert_eq!(serde_json::from_slice::<Failure>(&text).expect("read"), failure);
    }
    if let Ok(marks) = serde_json::from_slice::<Marks>(input) {
        let text = serde_json::to_vec(&marks).expect("written");
        assert_eq!(serde_json::from_slice::<Marks>(&text).expect("read"), marks);
    }
});
