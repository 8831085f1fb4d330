//! What the tests share: a library in a temporary folder, the demo's sounds, the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{OnceLock, RwLock};

use soundseek::demo::{DemoSound, sounds};
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestEvent, IngestOptions, Report, ingest};
use soundseek::library::Library;
use soundseek::model::{Checkpoint, Device};
use soundseek::search::{Hit, Part, SearchOptions, Searcher, Source};
use tempfile::TempDir;

/// The built-in model, loaded once for all tests.
pub fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| {
        Embedder::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the built-in model loads")
    })
}

/// A folder of sounds and a library beside it.
pub struct Studio {
    pub folder: TempDir,
}

impl Studio {
    pub fn new() -> Studio {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let studio = Studio { folder };
        std::fs::create_dir(studio.sounds()).expect("a folder for sounds");
        studio
    }

    /// The folder of sounds, as the library names it.
    pub fn sounds(&self) -> PathBuf {
        self.root().join("sounds")
    }

    pub fn library_dir(&self) -> PathBuf {
        self.root().join("library")
    }

    fn root(&self) -> PathBuf {
        self.folder
            .path()
            .canonicalize()
            .expect("the temporary folder is there")
    }

    pub fn library(&self) -> Library {
        Library::open(&self.library_dir()).expect("the library opens")
    }

    /// Writes a sound of the demo, by its name, to a path below the folder of sounds.
    pub fn put(&self, sound: &str, path: &str) -> PathBuf {
        write_wav(
            &self.sounds().join(path),
            44_100,
            &demo_sound(sound).render(44_100),
        )
    }

    /// Indexes the folder of sounds.
    pub fn index(&self) -> Report {
        index_roots(&self.library(), &[self.sounds()])
    }

    /// Searches by one description.
    pub fn search(&self, text: &str, options: &SearchOptions) -> Vec<Hit> {
        self.search_parts(&[text_part(text, 1.0)], options)
    }

    pub fn search_parts(&self, parts: &[Part], options: &SearchOptions) -> Vec<Hit> {
        let library = self.library();
        let index = RwLock::new(
            library
                .index_for_search(embedder())
                .expect("the library has this model"),
        );
        let searcher = Searcher::new(&library, &index, embedder());
        searcher
            .search(parts, options)
            .expect("the search succeeds")
    }
}

pub fn index_roots(library: &Library, roots: &[PathBuf]) -> Report {
    index_with(library, roots, &Control::new(), &|_| {})
}

pub fn index_with(
    library: &Library,
    roots: &[PathBuf],
    control: &Control,
    on_event: &dyn Fn(IngestEvent<'_>),
) -> Report {
    let index = RwLock::new(
        library
            .index_for_writing(embedder())
            .expect("the index opens"),
    );
    let options = IngestOptions {
        threads: 2,
        batch: 2,
    };
    let report = ingest(
        library,
        &index,
        embedder(),
        roots,
        options,
        control,
        on_event,
    );
    index
        .into_inner()
        .expect("nobody panicked")
        .assert_valid()
        .expect("the index is valid");
    report.expect("indexing succeeds")
}

pub fn demo_sound(name: &str) -> &'static DemoSound {
    sounds()
        .iter()
        .find(|sound| sound.name == name)
        .expect("a sound of the demo")
}

pub fn text_part(text: &str, weight: f32) -> Part {
    Part {
        source: Source::Text(text.to_string()),
        weight,
    }
}

/// Writes mono 16-bit samples.
pub fn write_wav(path: &Path, sample_rate: u32, samples: &[f32]) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the file is made");
    for sample in samples {
        writer
            .write_sample((sample * 32_767.0) as i16)
            .expect("a sample is written");
    }
    writer.finalize().expect("the file is finished");
    path.to_path_buf()
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for item in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).expect("copied");
        }
    }
}

/// The names of files, in the order of the hits.
pub fn names(hits: &[Hit]) -> Vec<String> {
    let name = |hit: &Hit| {
        hit.path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    hits.iter().map(name).collect()
}

/// Runs the real binary on a library.
pub fn soundseek(library: &Path, args: &[&str]) -> Output {
    command(library)
        .args(args)
        .output()
        .expect("the binary runs")
}

pub fn command(library: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soundseek"));
    command
        .env("SOUNDSEEK_LIBRARY", library)
        .env_remove("SOUNDSEEK_MODEL");
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}
