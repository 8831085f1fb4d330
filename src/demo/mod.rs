//! The sounds of `soundseek demo`: some fifty everyday ones, made by synthesis, so that a first search
//! needs neither a sample library nor a download.
//!
//! It stands apart because nothing else in the program makes sound. [`sounds`] is the whole list, a
//! row per sound; each family's recipes are a file of their own, over the building blocks of `synth` and
//! `signal`.
//! The sounds are deterministic: noise comes from a generator seeded by the sound's name.
//!
//! Where a recipe could take several plausible numbers (a pitch, a decay, a number of strokes), those
//! were kept that the built-in model recognises best: it ranks the right one of all these sounds
//! first for two thirds of the descriptions, and among the first five for all but two.

mod alarms;
mod drums;
mod games;
mod machines;
mod music;
mod nature;
mod people;
mod signal;
mod synth;

use std::path::{Path, PathBuf};

use signal::Signal;
use synth::Studio;

/// The sampling rate of the files that [`write_all`] writes, in hertz.
pub const SAMPLE_RATE_HZ: u32 = 44_100;

/// What the demo searches for: each is the description of a sound that the built-in model ranks first,
/// and still does when the words are wrapped in the usual caption templates.
pub const DEMO_QUERIES: &[&str] = &[
    "a snare drum",
    "a bicycle bell",
    "a crackling fire",
    "a telephone ringing",
    "a referee's whistle",
    "applause",
];

/// One synthesised sound.
pub struct DemoSound {
    /// The folder it is written to, such as `drums`.
    pub folder: &'static str,
    /// The file's name without extension, such as `kick-drum`; unique in the list.
    pub name: &'static str,
    /// What a person would type to find it.
    pub description: &'static str,
    recipe: fn(&mut Studio) -> Signal,
}

impl DemoSound {
    /// Makes the sound: mono samples in [-1, 1] with a peak near 0.9, 0.3 to 5 seconds long.
    ///
    /// `sample_rate_hz` is held within 8,000 to 192,000. The same call always returns the same samples.
    pub fn render(&self, sample_rate_hz: u32) -> Vec<f32> {
        let rate = sample_rate_hz.clamp(8_000, 192_000);
        (self.recipe)(&mut Studio::new(rate, self.name)).master()
    }
}

/// Why the sounds could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A folder could not be made.
    #[error("cannot create the folder {}: {source}; choose a folder that can be written to", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; check free space and permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: hound::Error,
    },
}

const fn sound(
    folder: &'static str,
    name: &'static str,
    description: &'static str,
    recipe: fn(&mut Studio) -> Signal,
) -> DemoSound {
    DemoSound {
        folder,
        name,
        description,
        recipe,
    }
}

static SOUNDS: &[DemoSound] = &[
    sound("drums", "kick-drum", "a kick drum", drums::kick),
    sound("drums", "snare-drum", "a snare drum", drums::snare),
    sound(
        "drums",
        "closed-hi-hat",
        "a closed hi-hat",
        drums::closed_hi_hat,
    ),
    sound("drums", "open-hi-hat", "an open hi-hat", drums::open_hi_hat),
    sound(
        "drums",
        "crash-cymbal",
        "a crash cymbal",
        drums::crash_cymbal,
    ),
    sound("drums", "tom-drum", "a tom drum", drums::tom),
    sound("drums", "hand-clap", "a hand clap", drums::hand_clap),
    sound("drums", "cowbell", "a cowbell", drums::cowbell),
    sound("drums", "wood-block", "a wood block", drums::wood_block),
    sound("drums", "shaker", "a shaker", drums::shaker),
    sound("music", "bass-guitar", "a bass guitar", music::bass_guitar),
    sound(
        "music",
        "acoustic-guitar",
        "strumming an acoustic guitar",
        music::acoustic_guitar,
    ),
    sound("music", "organ-chord", "an organ chord", music::organ_chord),
    sound(
        "music",
        "electric-piano",
        "an electric piano",
        music::electric_piano,
    ),
    sound("music", "piano", "a piano melody", music::piano),
    sound("music", "flute", "a flute", music::flute),
    sound("music", "violin", "a violin", music::violin),
    sound(
        "music",
        "brass-stab",
        "trumpets and trombones",
        music::brass_stab,
    ),
    sound("alarms", "siren", "a police siren", alarms::siren),
    sound(
        "alarms",
        "church-bell",
        "a church bell",
        alarms::church_bell,
    ),
    sound(
        "alarms",
        "bicycle-bell",
        "a bicycle bell",
        alarms::bicycle_bell,
    ),
    sound(
        "alarms",
        "telephone-ring",
        "a telephone ringing",
        alarms::telephone_ring,
    ),
    sound(
        "alarms",
        "dial-tone",
        "a telephone dial tone",
        alarms::dial_tone,
    ),
    sound(
        "alarms",
        "alarm-clock",
        "an alarm clock beeping",
        alarms::alarm_clock,
    ),
    sound("alarms", "car-horn", "a car horn", alarms::car_horn),
    sound(
        "alarms",
        "referee-whistle",
        "a referee's whistle",
        alarms::referee_whistle,
    ),
    sound("nature", "rain", "rain falling", nature::rain),
    sound("nature", "thunder", "thunder", nature::thunder),
    sound("nature", "ocean-waves", "ocean waves", nature::ocean_waves),
    sound("nature", "wind", "howling wind", nature::wind),
    sound("nature", "creek", "a babbling brook", nature::creek),
    sound("nature", "water-drop", "dripping water", nature::water_drop),
    sound("nature", "camp-fire", "a crackling fire", nature::camp_fire),
    sound("nature", "crickets", "crickets chirping", nature::crickets),
    sound("nature", "bird-song", "a bird singing", nature::bird_song),
    sound(
        "machines",
        "car-engine",
        "a car engine",
        machines::car_engine,
    ),
    sound(
        "machines",
        "helicopter",
        "a helicopter",
        machines::helicopter,
    ),
    sound(
        "machines",
        "clock-ticking",
        "a clock ticking",
        machines::clock_ticking,
    ),
    sound(
        "machines",
        "vinyl-crackle",
        "vinyl crackle",
        machines::vinyl_crackle,
    ),
    sound(
        "machines",
        "white-noise",
        "white noise",
        machines::white_noise,
    ),
    sound("games", "laser", "a laser gun", games::laser),
    sound("games", "explosion", "an explosion", games::explosion),
    sound("games", "gun-shot", "a gunshot", games::gun_shot),
    sound(
        "games",
        "coin",
        "picking up a coin in a video game",
        games::coin,
    ),
    sound(
        "games",
        "power-up",
        "a video game power-up",
        games::power_up,
    ),
    sound("people", "heartbeat", "a heartbeat", people::heartbeat),
    sound("people", "footsteps", "footsteps", people::footsteps),
    sound(
        "people",
        "door-knock",
        "knocking on a door",
        people::door_knock,
    ),
    sound("people", "applause", "applause", people::applause),
];

/// All of the demo's sounds.
pub fn sounds() -> &'static [DemoSound] {
    SOUNDS
}

/// Writes every sound as a 16-bit mono WAV at [`SAMPLE_RATE_HZ`] into `dir/<folder>/<name>.wav`, and
/// returns the paths in the order of [`sounds`]. Folders are made as needed, files overwritten.
///
/// # Errors
///
/// [`DemoError`] at the first folder or file that cannot be written.
pub fn write_all(dir: &Path) -> Result<Vec<PathBuf>, DemoError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut paths = Vec::with_capacity(SOUNDS.len());
    for sound in SOUNDS {
        let folder = dir.join(sound.folder);
        std::fs::create_dir_all(&folder).map_err(|source| DemoError::Folder {
            path: folder.clone(),
            source,
        })?;
        let path = folder.join(sound.name).with_extension("wav");
        write_wav(&path, spec, &sound.render(SAMPLE_RATE_HZ)).map_err(|source| {
            DemoError::Write {
                path: path.clone(),
                source,
            }
        })?;
        paths.push(path);
    }
    Ok(paths)
}

fn write_wav(path: &Path, spec: hound::WavSpec, samples: &[f32]) -> Result<(), hound::Error> {
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample((sample * f32::from(i16::MAX)).round() as i16)?;
    }
    writer.finalize()
}
