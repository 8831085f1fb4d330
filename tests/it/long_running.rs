//! What programs that stay open rely on: the catalogue, its filters and counts, curves over a file, and
//! searching, pausing and stopping while another thread indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use soundseek::ingest::{Control, IngestEvent, IngestOptions, ingest};
use soundseek::library::{
    ContentHash, Facets, FileRecord, LENGTH_EDGES_S, Library, SoundRecord, Stamp,
};
use soundseek::search::{Filters, SearchOptions, Searcher, embed_file};
use tempfile::TempDir;

use crate::support::{Studio, embedder, names, text_part, write_wav};

const FOLDERS: [&str; 6] = [
    "/a",
    "/a/drums",
    "/a/drums/kicks",
    "/a/drums-old",
    "/b",
    "/b/field/2024",
];

fn record(rng: &mut StdRng) -> FileRecord {
    // Lengths on the edges of the buckets as often as between them.
    let length = match rng.random_range(0..3) {
        0 => *LENGTH_EDGES_S.choose(rng).expect("edges"),
        _ => rng.random_range(0.0..1000.0),
    };
    let mut content = [0; 32];
    // Few contents, so that several files hold the same.
    content[0] = rng.random_range(0..120);
    FileRecord {
        stamp: Stamp {
            size: 1,
            modified_ns: rng.random_range(0..100),
        },
        content,
        sound: SoundRecord {
            format: "WAV".into(),
            codec: "16-bit PCM".into(),
            sample_rate_hz: 48_000,
            channels: 1,
            duration_s: length,
            damage: None,
        },
    }
}

/// 400 files with two roots.
fn made_up(rng: &mut StdRng) -> (TempDir, Library) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = Library::open(folder.path()).expect("opens");
    for root in ["/a", "/b"] {
        library.add_root(Path::new(root)).expect("added");
    }
    for n in 0..400 {
        library.put_file(&path(rng, n), &record(rng)).expect("put");
    }
    (folder, library)
}

fn path(rng: &mut StdRng, n: usize) -> PathBuf {
    let folder = FOLDERS.choose(rng).expect("folders");
    let extension = ["wav", "WAV", "flac", "mp3"].choose(rng).expect("some");
    PathBuf::from(format!("{folder}/{n}.{extension}"))
}

fn filters(rng: &mut StdRng) -> Filters {
    let maybe = |rng: &mut StdRng| rng.random_bool(0.4);
    let mut filters = Filters::default();
    if maybe(rng) {
        let two = [FOLDERS.choose(rng), FOLDERS.choose(rng)];
        filters.within = two.into_iter().flatten().map(PathBuf::from).collect();
        filters.within.push(path(rng, 7));
    }
    if maybe(rng) {
        filters.extensions = vec!["wav".into(), "mp3".into()];
    }
    if maybe(rng) {
        filters.longer_s = LENGTH_EDGES_S.choose(rng).copied();
    }
    if maybe(rng) {
        filters.shorter_s = LENGTH_EDGES_S.choose(rng).copied();
    }
    if maybe(rng) {
        filters.newer_than_ns = Some(rng.random_range(0..100));
    }
    if maybe(rng) {
        let glob = globset::Glob::new("*[1-5].*").expect("a pattern");
        filters.name = Some(glob.compile_matcher());
    }
    filters
}

/// The definition, file by file.
fn passing(library: &Library, filters: &Filters) -> BTreeSet<ContentHash> {
    let files = library.files().expect("readable").into_iter();
    files
        .filter(|(path, record)| filters.pass(path, record))
        .map(|(_, record)| record.content)
        .collect()
}

fn asked(library: &Library, filters: &Filters) -> BTreeSet<ContentHash> {
    let passing = library.passing_contents(filters).expect("readable");
    let every: BTreeSet<ContentHash> = (0..=255)
        .map(|first| {
            let mut content = [0; 32];
            content[0] = first;
            content
        })
        .collect();
    match passing {
        // Nothing is refused then.
        None => self::passing(library, filters),
        Some(passing) => every.into_iter().filter(|c| passing.contains(c)).collect(),
    }
}

#[test]
fn the_catalogue_passes_what_a_look_at_every_record_passes() {
    let mut rng = StdRng::seed_from_u64(1);
    let (_folder, library) = made_up(&mut rng);
    let choices: Vec<Filters> = (0..60).map(|_| filters(&mut rng)).collect();
    for loaded in [false, true] {
        if loaded {
            library.load_catalog().expect("loaded");
        }
        for filters in &choices {
            let want = passing(&library, filters);
            assert_eq!(asked(&library, filters), want, "{loaded} {filters:?}");
        }
    }
    let counts: BTreeSet<usize> = choices
        .iter()
        .map(|filters| passing(&library, filters).len())
        .collect();
    assert!(counts.len() > 10, "the filters differ: {counts:?}");
}

#[test]
fn the_catalogue_follows_what_is_written_forgotten_moved_and_removed() {
    let mut rng = StdRng::seed_from_u64(2);
    let (_folder, library) = made_up(&mut rng);
    library.load_catalog().expect("loaded");
    let check = |library: &Library, rng: &mut StdRng| {
        for filters in [Filters::default(), filters(rng), filters(rng)] {
            assert_eq!(
                asked(library, &filters),
                passing(library, &filters),
                "{filters:?}"
            );
        }
        let counted = library.facets(&Filters::default(), None).expect("counted");
        assert_eq!(counted.files, library.file_count().expect("counted"));
    };
    for n in 0..100 {
        let paths: Vec<PathBuf> = library.files().expect("readable").into_keys().collect();
        let known = paths.choose(&mut rng).expect("files");
        match n % 3 {
            0 => library.put_file(known, &record(&mut rng)).expect("put"),
            1 => assert!(library.forget_file(known).expect("forgotten")),
            _ => {
                let path = path(&mut rng, 1000 + n);
                library.put_file(&path, &record(&mut rng)).expect("put");
            }
        }
        check(&library, &mut rng);
    }
    library.remove_tree(Path::new("/a/drums")).expect("removed");
    check(&library, &mut rng);

    let studio = Studio::new();
    studio.put("siren", "old/siren.wav");
    studio.index();
    let (old, new) = (studio.sounds().join("old"), studio.sounds().join("new"));
    let library = studio.library();
    library.load_catalog().expect("loaded");
    std::fs::rename(&old, &new).expect("moved");
    library.relink(&old, &new).expect("relinked");
    let within = |folder: &Path| {
        let within = Filters {
            within: vec![folder.to_path_buf()],
            ..Filters::default()
        };
        library.facets(&within, None).expect("counted").files
    };
    assert_eq!((within(&old), within(&new)), (0, 1));
}

/// [`Facets`] by their definition: what each further narrowing would leave.
fn counted(library: &Library, filters: &Filters, top: Option<&Path>) -> Facets {
    let files = library.files().expect("readable");
    let left = |filters: &Filters| {
        let kept = files.iter().filter(|(path, r)| filters.pass(path, r));
        kept.map(|(path, record)| (path.clone(), record.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let mut facets = Facets {
        files: left(filters).len(),
        ..Facets::default()
    };
    let places: BTreeSet<PathBuf> = match top {
        None => library.roots().expect("readable").into_iter().collect(),
        Some(top) => files
            .keys()
            .filter_map(|path| path.parent()?.strip_prefix(top).ok())
            .filter_map(|rest| rest.components().next())
            .map(|child| top.join(child))
            .collect(),
    };
    for place in places {
        let kept = left(&Filters {
            within: vec![place.clone()],
            ..filters.clone()
        });
        if !kept.is_empty() {
            facets.folders.push((place, kept.len()));
        }
    }
    for extension in ["flac", "mp3", "wav"] {
        let kept = left(&Filters {
            extensions: vec![extension.into()],
            ..filters.clone()
        });
        if !kept.is_empty() {
            facets.extensions.push((extension.into(), kept.len()));
        }
    }
    facets
        .extensions
        .sort_by_key(|(_, files)| std::cmp::Reverse(*files));
    for (bucket, count) in facets.lengths.iter_mut().enumerate() {
        let (longer_s, shorter_s) = Facets::length_bounds_s(bucket);
        let narrowed = Filters {
            longer_s,
            shorter_s,
            ..filters.clone()
        };
        *count = left(&narrowed).len();
    }
    facets
}

#[test]
fn facets_count_what_each_choice_would_leave() {
    let mut rng = StdRng::seed_from_u64(3);
    let (_folder, library) = made_up(&mut rng);
    for top in [None, Some("/a"), Some("/a/drums"), Some("/nowhere")] {
        let top = top.map(Path::new);
        for _ in 0..25 {
            let filters = filters(&mut rng);
            let facets = library.facets(&filters, top).expect("counted");
            assert_eq!(facets, counted(&library, &filters, top), "{filters:?}");
        }
    }
    let all = library.facets(&Filters::default(), None).expect("counted");
    assert_eq!(all.lengths.iter().sum::<usize>(), 400);
    assert_eq!(all.folders.len(), 2);
}

#[test]
fn a_curve_follows_the_file_through_time() {
    let studio = Studio::new();
    let rate = 32_000;
    let render = |name| crate::support::demo_sound(name).render(rate);
    let mut recording = vec![0.0; 20 * rate as usize];
    recording.extend(render("siren"));
    recording.resize(40 * rate as usize, 0.0);
    let path = write_wav(&studio.sounds().join("walk.wav"), rate, &recording);
    studio.put("flute", "flute.wav");
    studio.index();
    let library = studio.library();
    let index = RwLock::new(library.index_for_search(embedder()).expect("opens"));
    let searcher = Searcher::new(&library, &index, embedder());
    let parts = [text_part("a police siren", 1.0)];
    let curve = searcher.curve(&parts, &path).expect("computed");

    let query = embedder().embed_text("a police siren").expect("embedded");
    let moments = embed_file(embedder(), &path, None).expect("embedded");
    assert_eq!(curve.len(), moments.len());
    for (point, (moment, vector)) in curve.iter().zip(&moments) {
        assert_eq!(point.moment, *moment);
        // The same f32 vectors; only the order of summation may differ.
        assert!((point.similarity - vector.dot(&query)).abs() < 1e-5);
    }
    let best = curve
        .iter()
        .max_by(|a, b| a.similarity.total_cmp(&b.similarity))
        .expect("moments");
    let hits = searcher
        .search(&parts, &SearchOptions::default())
        .expect("found");
    assert_eq!(names(&hits)[0], "walk");
    assert_eq!(hits[0].moment, best.moment);
    assert_eq!(hits[0].strength, best.strength);

    let elsewhere = searcher.curve(&parts, &studio.sounds().join("no.wav"));
    assert_eq!(elsewhere.expect("no error"), []);
}

/// Runs indexing on a thread of its own; `meanwhile` gets the events as they come.
fn index_meanwhile<T>(
    studio: &Studio,
    control: &Control,
    meanwhile: impl FnOnce(&Library, &Searcher<'_>, &crossbeam_channel::Receiver<Told>) -> T,
) -> (soundseek::ingest::Report, T) {
    let library = studio.library();
    library.load_catalog().expect("loaded");
    let index = RwLock::new(library.index_for_writing(embedder()).expect("opens"));
    let (tell, told) = crossbeam_channel::unbounded();
    std::thread::scope(|scope| {
        let (library, index) = (&library, &index);
        let run = scope.spawn(move || {
            let options = IngestOptions {
                threads: 1,
                batch: 1,
            };
            let roots = [studio.sounds()];
            let on_event = |event: IngestEvent<'_>| {
                let told = match event {
                    IngestEvent::Scanned { .. } => {
                        control.pause();
                        Told::Scanned
                    }
                    IngestEvent::Indexed { path, .. } => Told::Indexed(path.to_path_buf()),
                    _ => return,
                };
                tell.send(told).expect("the test listens");
            };
            ingest(
                library,
                index,
                embedder(),
                &roots,
                options,
                control,
                &on_event,
            )
            .expect("indexing succeeds")
        });
        let searcher = Searcher::new(library, index, embedder());
        let outcome = meanwhile(library, &searcher, &told);
        (run.join().expect("no panic"), outcome)
    })
}

#[derive(Debug, PartialEq)]
enum Told {
    Scanned,
    Indexed(PathBuf),
}

#[test]
fn a_paused_run_waits_until_it_is_resumed_and_each_file_is_found_once_it_is_written() {
    let studio = Studio::new();
    for name in ["siren", "kick-drum", "flute"] {
        studio.put(name, &format!("{name}.wav"));
    }
    let control = Control::new();
    let found = AtomicUsize::new(0);
    let (report, ()) = index_meanwhile(&studio, &control, |library, searcher, told| {
        assert_eq!(told.recv(), Ok(Told::Scanned));
        let search = || {
            let parts = [text_part("a sound", 1.0)];
            let hits = searcher.search(&parts, &SearchOptions::default());
            names(&hits.expect("found"))
        };
        for _ in 0..20 {
            assert!(search().is_empty() && told.is_empty() && control.is_paused());
        }
        control.resume();
        while let Ok(Told::Indexed(path)) = told.recv() {
            let name = path.file_stem().expect("a name").to_string_lossy();
            assert!(search().contains(&name.into_owned()), "{}", path.display());
            let within = Filters {
                within: vec![path],
                ..Filters::default()
            };
            assert_eq!(library.facets(&within, None).expect("counted").files, 1);
            found.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!((report.embedded, found.into_inner()), (3, 3));
}

#[test]
fn a_paused_run_can_be_stopped() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    let control = Control::new();
    let (report, ()) = index_meanwhile(&studio, &control, |_, _, told| {
        assert_eq!(told.recv(), Ok(Told::Scanned));
        assert!(!control.cancel(), "it was not asked for before");
        assert!(control.cancel(), "it was asked for before");
    });
    assert!(report.interrupted);
    assert_eq!((report.embedded, report.remaining), (0, 1));
}
