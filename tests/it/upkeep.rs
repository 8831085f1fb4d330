//! `repair` and `compact` as their user runs them, on a library with a damage in it and on a whole one.

use soundseek_index::Database;

use crate::support::{Studio, embedder, soundseek, stderr, stdout};

const SOUNDS: [&str; 6] = ["kick-drum", "siren", "flute", "applause", "laser", "coin"];

fn studio() -> Studio {
    let studio = Studio::new();
    for sound in SOUNDS {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    studio
}

/// Flips a bit in the middle of the first vector, wherever the log has it.
fn damage(studio: &Studio) -> usize {
    let log = studio.library_dir().join("store.1/db");
    let mut bytes = std::fs::read(&log).expect("read");
    let mut record = b"space.0.vectors".to_vec();
    record.extend(0u64.to_be_bytes());
    let places: Vec<usize> = bytes
        .windows(record.len())
        .enumerate()
        .filter(|(_, window)| *window == record)
        .map(|(at, _)| at + record.len() + 500)
        .collect();
    for &place in &places {
        bytes[place] ^= 4;
    }
    std::fs::write(log, bytes).expect("written");
    places.len()
}

#[test]
fn a_damaged_library_is_refused_repaired_and_completed_by_the_next_run() {
    let studio = studio();
    let dir = studio.library_dir();
    assert!(damage(&studio) > 0);
    let refused = soundseek(&dir, &["search", "a siren"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr(&refused);
    assert!(
        text.contains(dir.to_str().expect("Unicode")) && text.contains("`soundseek repair`"),
        "{text}"
    );

    let repaired = soundseek(&dir, &["repair"]);
    assert_eq!(repaired.status.code(), Some(0), "{}", stderr(&repaired));
    let told = stdout(&repaired);
    assert!(told.contains("5 sounds and 6 files were whole"), "{told}");
    assert!(told.contains("damaged.1"), "{told}");
    assert!(dir.join("damaged.1/db").is_file());
    let lost = stderr(&repaired);
    assert_eq!(lost.matches("lost its vectors").count(), 1, "{lost}");
    assert!(SOUNDS.iter().any(|sound| lost.contains(sound)), "{lost}");

    let again = soundseek(&dir, &["repair"]);
    assert!(stdout(&again).starts_with("nothing is wrong with "));
    let report = studio.index();
    assert_eq!((report.embedded, report.unchanged), (1, SOUNDS.len() - 1));
    let library = studio.library();
    library.check().expect("whole");
    let index = library.index_for_search(embedder()).expect("opens");
    assert_eq!(index.entries(), SOUNDS.len());
}

#[test]
fn a_compacted_library_is_the_same_library() {
    let studio = studio();
    let dir = studio.library_dir();
    std::fs::remove_file(studio.sounds().join("coin.wav")).expect("deleted");
    studio.index();
    let files = studio.library().files().expect("read");
    let compacted = soundseek(&dir, &["compact"]);
    assert_eq!(compacted.status.code(), Some(0), "{}", stderr(&compacted));
    assert!(stdout(&compacted).contains(" before, "));
    assert!(!dir.join("store.1").exists() && dir.join("store.2").is_dir());
    let library = studio.library();
    library.check().expect("whole");
    assert_eq!(library.files().expect("read"), files);
    let index = library.index_for_search(embedder()).expect("opens");
    assert_eq!(index.entries(), SOUNDS.len() - 1);
}

#[test]
fn a_library_that_has_grown_far_beyond_its_vectors_is_written_anew_by_the_next_run() {
    let studio = studio();
    let dir = studio.library_dir();
    {
        // What is written over and over, in the end for nothing.
        let database = Database::open_existing(&dir).expect("opens");
        let table = database.table("settings").expect("there");
        for round in 0..90u8 {
            let bytes: Vec<u8> = (0..1 << 20)
                .map(|at: u32| (at % 251) as u8 ^ round)
                .collect();
            table.insert(&[b'x', round], &bytes).expect("stored");
        }
        for round in 0..90u8 {
            table.remove(&[b'x', round]).expect("removed");
        }
    }
    let files = studio.library().files().expect("read");
    assert!(studio.library().is_loose().expect("known"));
    let sounds = studio.sounds();
    let index = ["index", sounds.to_str().expect("Unicode")];
    let run = soundseek(&dir, &index);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(
        stderr(&run).contains("was written anew in "),
        "{}",
        stderr(&run)
    );
    assert!(!dir.join("store.1").exists() && dir.join("store.2").is_dir());
    let library = studio.library();
    assert!(!library.is_loose().expect("known"));
    library.check().expect("whole");
    assert_eq!(library.files().expect("read"), files);
    drop(library);
    let again = soundseek(&dir, &index);
    assert!(!stderr(&again).contains("anew"), "{}", stderr(&again));
}
