//! The player, driven step by step against a device that records what it is given.
//!
//! Sounds are ramps and steps whose samples tell where in the file they come from, so that what was
//! played can be read off the recording.

use std::path::{Path, PathBuf};

use crossbeam_channel::Receiver;
use soundseek::audio::AudioStream;
use soundseek::playback::{Capture, Device, Play, PlaybackEvent, Player, ProgramPlayer};

const RATE_HZ: u32 = 48_000;

/// A second in which sample `n` is `n / RATE_HZ` on the left and its negative on the right.
fn ramp(folder: &Path, seconds: f64) -> PathBuf {
    let path = folder.join("ramp.wav");
    let frames = (seconds * f64::from(RATE_HZ)) as usize;
    let values = (0..frames).map(|n| n as f32 / RATE_HZ as f32);
    write_stereo(&path, RATE_HZ, values.map(|value| [value, -value]))
}

fn write_stereo(path: &Path, rate_hz: u32, frames: impl Iterator<Item = [f32; 2]>) -> PathBuf {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the file is made");
    for sample in frames.flatten() {
        writer.write_sample(sample).expect("a sample is written");
    }
    writer.finalize().expect("the file is finished");
    path.to_owned()
}

fn whole(path: &Path) -> Play {
    Play {
        path: path.to_owned(),
        start_s: 0.0,
        end_s: None,
        looped: false,
    }
}

struct Rig {
    player: Player,
    capture: Capture,
    events: Receiver<PlaybackEvent>,
    plays: std::cell::Cell<u64>,
    folder: tempfile::TempDir,
}

fn rig() -> Rig {
    let capture = Capture::new(RATE_HZ);
    rig_on(vec![Box::new(capture.clone())], capture)
}

fn rig_on(devices: Vec<Box<dyn Device>>, capture: Capture) -> Rig {
    let (sender, events) = crossbeam_channel::unbounded();
    let player = Player::new(devices, move |event| {
        let _ = sender.send(event);
    });
    Rig {
        player,
        capture,
        events,
        plays: std::cell::Cell::new(0),
        folder: tempfile::tempdir().expect("a temporary folder"),
    }
}

impl Rig {
    /// Plays, under the next number.
    fn play(&self, play: Play) -> u64 {
        let id = self.plays.get() + 1;
        self.plays.set(id);
        self.player.play(id, play);
        id
    }

    /// Lets everything pass and gives the events up to the end or failure of `play`.
    fn finish(&self, play: u64) -> Vec<PlaybackEvent> {
        self.capture.run_free();
        let mut events = Vec::new();
        loop {
            let event = self.events.recv().expect("the player is there");
            let last = matches!(&event, PlaybackEvent::Ended { play: p } | PlaybackEvent::Failed { play: p, .. } if *p == play);
            events.push(event);
            if last {
                return events;
            }
        }
    }

    fn left(&self) -> Vec<f32> {
        self.capture.frames().iter().map(|frame| frame[0]).collect()
    }
}

/// The samples of a ramp from one place on.
fn expected(from: usize, count: usize) -> Vec<f32> {
    (from..from + count)
        .map(|n| n as f32 / RATE_HZ as f32)
        .collect()
}

/// Compares long signals, naming only the first difference.
#[track_caller]
fn assert_same(left: &[f32], right: &[f32]) {
    assert_eq!(left.len(), right.len());
    if let Some(at) = left.iter().zip(right).position(|(a, b)| a != b) {
        panic!("sample {at} is {} instead of {}", left[at], right[at]);
    }
}

#[test]
fn a_sound_is_played_sample_for_sample_in_stereo_and_then_ends() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 0.1);
    let play = rig.play(whole(&path));
    let events = rig.finish(play);
    let frames = rig.capture.frames();
    let played: Vec<f32> = frames.iter().flatten().copied().collect();
    let wanted: Vec<f32> = expected(0, 4_800).iter().flat_map(|&v| [v, -v]).collect();
    assert_same(&played[..9_600], &wanted);
    assert!(frames[4_800..].iter().all(|frame| *frame == [0.0, 0.0]));
    assert_eq!(
        events[0],
        PlaybackEvent::Started {
            play,
            output: "recording".into()
        }
    );
    assert!(matches!(events.last(), Some(PlaybackEvent::Ended { .. })));
}

#[test]
fn mono_is_heard_on_both_sides_and_another_rate_is_converted_as_the_resampler_does() {
    let rig = rig();
    let tone: Vec<f32> = (0..44_100)
        .map(|n| 0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / 44_100.0).sin())
        .collect();
    let path = crate::support::write_wav(&rig.folder.path().join("a.wav"), 44_100, &tone);
    let play = rig.play(whole(&path));
    rig.finish(play);
    let mut samples = Vec::new();
    let mut stream = AudioStream::open(&path).expect("it opens");
    while stream.next_block(&mut samples).expect("it decodes") {}
    let mut resampler = soundseek::audio::Resampler::new(44_100, RATE_HZ).expect("usual rates");
    let mut converted = Vec::new();
    resampler.push(&samples, &mut converted);
    resampler.finish(&mut converted);
    let frames = rig.capture.frames();
    assert_eq!(converted.len(), 48_000);
    for (frame, &wanted) in frames.iter().zip(&converted) {
        assert_eq!(*frame, [wanted, wanted]);
    }
}

#[test]
fn a_part_begins_at_its_start_with_a_fade_and_ends_at_its_end() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 1.0);
    let play = rig.play(Play {
        start_s: 0.5,
        end_s: Some(0.6),
        ..whole(&path)
    });
    rig.finish(play);
    let left = rig.left();
    // The fades are 3 ms (144 frames) and 5 ms (240 frames) long; between them every sample stands.
    assert_eq!(left[0], 0.0);
    assert_same(&left[144..4_560], &expected(24_144, 4_416));
    assert!(left[..144].windows(2).all(|pair| pair[0] < pair[1]));
    assert!(left[4_560..4_800].windows(2).all(|pair| pair[0] > pair[1]));
    assert!(left[4_800..].iter().all(|&sample| sample == 0.0));
}

#[test]
fn a_loop_turns_back_without_a_gap_until_it_is_switched_off() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 1.0);
    let play = rig.play(Play {
        end_s: Some(0.05),
        looped: true,
        ..whole(&path)
    });
    rig.capture.advance(6_000);
    rig.player.set_looped(false);
    let events = rig.finish(play);
    let left = rig.left();
    let lap = expected(0, 2_400);
    assert_same(&left[..2_400], &lap);
    assert_same(&left[2_400..4_800], &lap);
    // Two laps and a half were let through, and the third is played to its end.
    let end = left
        .iter()
        .rposition(|&sample| sample != 0.0)
        .expect("there is sound");
    assert_eq!(end, 7_199);
    let places: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            PlaybackEvent::Position { at_s, .. } => Some(*at_s),
            _ => None,
        })
        .collect();
    assert!(
        places.iter().all(|&at_s| (0.0..0.05).contains(&at_s)),
        "{places:?}"
    );
}

#[test]
fn seeking_goes_on_at_the_new_place_with_fades_on_both_sides() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 2.0);
    let play = rig.play(whole(&path));
    rig.capture.advance(960);
    rig.player.seek(1.5);
    rig.finish(play);
    let left = rig.left();
    // One block may have been under way when the command came.
    let jump = left
        .iter()
        .position(|&sample| sample > 1.4)
        .expect("it arrives");
    assert!(jump <= 960 + 480 + 480, "{jump}");
    let sounding = left
        .iter()
        .rposition(|&sample| sample != 0.0)
        .expect("there is sound");
    let from_end = expected(96_000 - 10_000, 10_000);
    assert_same(&left[sounding - 9_999..=sounding], &from_end);
    // Ramp steps are 1/48,000; the fades change by up to 1.5 over 144 frames.
    let steepest = left[..jump + 480]
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs());
    assert!(steepest.fold(0.0, f32::max) < 0.02);
}

#[test]
fn stopping_fades_within_a_block_and_no_end_is_told() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 2.0);
    rig.play(whole(&path));
    rig.capture.advance(9_600);
    rig.player.stop();
    rig.capture.run_free();
    rig.capture.wait_until_closed();
    let left = rig.left();
    let end = left
        .iter()
        .rposition(|&sample| sample != 0.0)
        .expect("there is sound");
    // What was let through, a block under way, and a fade of 240 frames.
    assert!((9_600..9_600 + 480 + 240).contains(&end), "{end}");
    assert!(left[end] < 0.01 * left[end - 240]);
    let told: Vec<_> = rig.events.try_iter().collect();
    assert!(
        !told
            .iter()
            .any(|event| matches!(event, PlaybackEvent::Ended { .. }))
    );
}

#[test]
fn the_latest_of_several_wishes_wins() {
    let rig = rig();
    let path = ramp(rig.folder.path(), 1.0);
    rig.play(whole(&path));
    rig.capture.advance(480);
    for tenth in 1..9 {
        rig.play(Play {
            start_s: f64::from(tenth) / 10.0,
            ..whole(&path)
        });
    }
    let last = rig.play(Play {
        start_s: 0.9,
        ..whole(&path)
    });
    let events = rig.finish(last);
    let started = events.iter().filter_map(|event| match event {
        PlaybackEvent::Started { play, .. } => Some(*play),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [1, last]);
    let left = rig.left();
    let sounding = left
        .iter()
        .rposition(|&sample| sample != 0.0)
        .expect("there is sound");
    // All of it but what the faded end of the first play lies over.
    assert_same(
        &left[sounding + 1 - 4_500..=sounding],
        &expected(48_000 - 4_500, 4_500),
    );
}

#[test]
fn the_volume_is_squared_and_changes_without_a_step() {
    let rig = rig();
    let path = write_stereo(
        &rig.folder.path().join("flat.wav"),
        RATE_HZ,
        std::iter::repeat_n([0.5, 0.5], 48_000),
    );
    let play = rig.play(whole(&path));
    rig.capture.advance(960);
    rig.player.set_volume(0.5);
    rig.finish(play);
    let left = rig.left();
    assert_same(&left[..960], &[0.5; 960]);
    assert_same(&left[2_400..47_000], &[0.125; 44_600]);
    // From 0.5 to 0.125 over a block of 480.
    let steps = left[..47_000]
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs());
    assert!(steps.fold(0.0, f32::max) < 0.001);
}

#[test]
fn the_device_is_opened_by_the_first_sound_and_released_after_a_second_of_silence() {
    let rig = rig();
    assert_eq!(rig.capture.openings(), (0, 0));
    let path = ramp(rig.folder.path(), 0.1);
    rig.player.set_volume(1.0);
    rig.play(whole(&path));
    rig.capture.run_free();
    rig.capture.wait_until_closed();
    assert_eq!(rig.capture.openings(), (1, 1));
    let frames = rig.capture.frames().len();
    assert_eq!(frames, 4_800 + RATE_HZ as usize);
    rig.play(whole(&path));
    rig.events
        .iter()
        .find(|event| matches!(event, PlaybackEvent::Ended { play: 2 }));
    assert_eq!(rig.capture.openings().0, 2);
}

#[test]
fn a_file_that_cannot_be_decoded_fails_by_name_and_the_next_one_plays() {
    let rig = rig();
    rig.capture.run_free();
    let bad = rig.folder.path().join("bad.wav");
    std::fs::write(&bad, b"not a sound at all, but some text").expect("it is written");
    let play = rig.play(whole(&bad));
    let events = rig.finish(play);
    let Some(PlaybackEvent::Failed { message, .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert!(
        message.contains("bad.wav") && !message.contains('\n'),
        "{message}"
    );
    let play = rig.play(whole(&ramp(rig.folder.path(), 0.05)));
    assert!(matches!(
        rig.finish(play).last(),
        Some(PlaybackEvent::Ended { .. })
    ));
}

#[test]
fn without_any_device_one_line_says_so() {
    let capture = Capture::new(RATE_HZ);
    let rig = rig_on(vec![], capture);
    let play = rig.play(whole(&ramp(rig.folder.path(), 0.05)));
    let events = rig.finish(play);
    let message = "no sound: no device and none of the players is there".into();
    assert_eq!(events, [PlaybackEvent::Failed { play, message }]);
}

#[test]
fn sound_goes_on_with_the_next_device_when_one_is_unplugged() {
    let (first, second) = (Capture::new(RATE_HZ), Capture::new(RATE_HZ));
    let devices: Vec<Box<dyn Device>> = vec![Box::new(first.clone()), Box::new(second.clone())];
    let rig = rig_on(devices, second);
    let play = rig.play(whole(&ramp(rig.folder.path(), 1.0)));
    first.advance(4_800);
    first.unplug();
    rig.finish(play);
    let left = rig.left();
    let end = left
        .iter()
        .rposition(|&sample| sample != 0.0)
        .expect("there is sound");
    assert_eq!(left[end], 47_999.0 / 48_000.0);
    // It goes on with the block that the first device refused.
    assert!((43_199..=47_999 - 4_800).contains(&end), "{end}");
}

#[cfg(unix)]
mod programs {
    //! The command-line players, as scripts on a `PATH` of the test's own.
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn script(folder: &Path, name: &str, body: &str) {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("the script is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("it is made executable");
    }

    fn players(folder: &Path) -> Vec<Box<dyn Device>> {
        ProgramPlayer::found_on(folder.as_os_str())
            .into_iter()
            .map(|player| Box::new(player) as Box<dyn Device>)
            .collect()
    }

    #[test]
    fn the_best_player_on_the_path_is_fed_the_samples() {
        let bin = tempfile::tempdir().expect("a temporary folder");
        let heard = bin.path().join("heard");
        script(
            bin.path(),
            "aplay",
            &format!("exec /bin/cat > '{}'", heard.display()),
        );
        script(bin.path(), "mpv", "exit 1");
        std::fs::write(bin.path().join("pw-play"), "not executable").expect("it is written");
        let rig = rig_on(players(bin.path()), Capture::new(RATE_HZ));
        let play = rig.play(Play {
            start_s: 0.2,
            ..whole(&ramp(rig.folder.path(), 0.4))
        });
        let events = rig.finish(play);
        assert_eq!(
            events[0],
            PlaybackEvent::Started {
                play,
                output: "aplay".into()
            }
        );
        let bytes = std::fs::read(heard).expect("the player was run");
        let samples: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")))
            .collect();
        let left: Vec<f32> = samples
            .iter()
            .copied()
            .step_by(2)
            .skip(144)
            .take(9_456)
            .collect();
        assert_same(&left, &expected(9_600 + 144, 9_456));
    }

    #[test]
    fn a_player_that_ends_at_once_is_followed_by_the_next() {
        let bin = tempfile::tempdir().expect("a temporary folder");
        let heard = bin.path().join("heard");
        script(bin.path(), "pw-play", "exit 1");
        script(
            bin.path(),
            "ffplay",
            &format!("exec /bin/cat > '{}'", heard.display()),
        );
        let rig = rig_on(players(bin.path()), Capture::new(RATE_HZ));
        let play = rig.play(whole(&ramp(rig.folder.path(), 0.5)));
        let events = rig.finish(play);
        assert!(
            matches!(events.last(), Some(PlaybackEvent::Ended { .. })),
            "{events:?}"
        );
        let bytes = std::fs::read(heard).expect("the player was run");
        assert_eq!(&bytes[..4], b"RIFF");
        assert_eq!(&bytes[8..16], b"WAVEfmt ");
        let last = f32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().expect("four"));
        assert_eq!(last, 0.0, "silence follows");
        let sounding = bytes
            .chunks_exact(8)
            .filter(|frame| frame[..4] != [0; 4])
            .count();
        // What the first player swallowed before it was found dead is lost: at most its lead of
        // 0.2 s and a pipe of 64 KiB (8,192 frames), of 24,000.
        assert!(sounding > 24_000 - 9_600 - 8_192, "{sounding}");
    }

    #[test]
    fn players_that_all_fail_are_one_line() {
        let bin = tempfile::tempdir().expect("a temporary folder");
        script(bin.path(), "paplay", "exit 1");
        let rig = rig_on(players(bin.path()), Capture::new(RATE_HZ));
        let play = rig.play(whole(&ramp(rig.folder.path(), 5.0)));
        let events = rig.finish(play);
        let Some(PlaybackEvent::Failed { message, .. }) = events.last() else {
            panic!("{events:?}")
        };
        assert!(message.starts_with("no sound: paplay: "), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn alsa_plays_to_its_null_device_and_names_a_missing_one() {
    use soundseek::playback::Alsa;
    let rig = rig_on(vec![Box::new(Alsa::new("null"))], Capture::new(RATE_HZ));
    let path = ramp(rig.folder.path(), 0.2);
    let play = rig.play(whole(&path));
    let events = rig.finish(play);
    if let Some(PlaybackEvent::Failed { message, .. }) = events.last() {
        assert!(
            message.contains("libasound.so.2 is not installed"),
            "{message}"
        );
        println!("skipped: {message}");
        return;
    }
    assert_eq!(
        events[0],
        PlaybackEvent::Started {
            play,
            output: "ALSA null".into()
        }
    );
    let rig = rig_on(vec![Box::new(Alsa::new("hw:77"))], Capture::new(RATE_HZ));
    let play = rig.play(whole(&path));
    let events = rig.finish(play);
    let [PlaybackEvent::Failed { message, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(message.starts_with("no sound: ALSA hw:77: "), "{message}");
}
