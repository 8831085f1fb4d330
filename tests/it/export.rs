//! Copies, links, lists, cuts and other programs: that what is written is right and complete, that
//! nothing is ever overwritten or left half written, and that no name can do harm.

use std::path::{Path, PathBuf};

use soundseek::export::{
    Desktop, ListFormat, Listed, Placed, Placing, cut_moment, place_files, write_list,
};
use soundseek::library::{FileRecord, Marks, SoundRecord, Stamp, Tag};
use soundseek::search::Hit;
use tempfile::TempDir;

use crate::support::write_wav;

/// A folder with an empty one in it that things are put into.
fn desk() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path().canonicalize().expect("there");
    let to = here.join("to");
    (folder, here, to)
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, text).expect("written");
    path
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("readable")
}

/// The names in a folder, hidden ones, too.
fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn place(files: &[PathBuf], folder: &Path, placing: Placing) -> Placed {
    place_files(files, folder, placing, &|| false).expect("the folder is made")
}

#[test]
fn files_of_one_name_are_numbered_and_one_that_is_there_is_not_copied_twice() {
    let (_folder, here, to) = desk();
    let one = write(here.join("a/kick.wav"), "one");
    let other = write(here.join("b/kick.wav"), "two");
    let files = [one, other];
    let placed = place(&files, &to, Placing::Copy);
    assert_eq!(placed.made, [to.join("kick.wav"), to.join("kick (2).wav")]);
    assert_eq!(read(&placed.made[0]), "one");
    assert_eq!(read(&placed.made[1]), "two");
    let again = place(&files, &to, Placing::Copy);
    assert_eq!((again.made.len(), again.already), (0, 2));
    assert_eq!(listing(&to), ["kick (2).wav", "kick.wav"]);
    let own_folder = place(&files[..1], &here.join("a"), Placing::Copy);
    assert_eq!((own_folder.made.len(), own_folder.already), (0, 1));
}

#[test]
fn a_copy_has_the_time_of_its_original_and_is_readable_like_any_file() {
    let (_folder, here, to) = desk();
    let file = write(here.join("kick.wav"), "one");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let opened = std::fs::File::options().write(true).open(&file);
    opened.expect("opened").set_modified(time).expect("set");
    let copy = &place(std::slice::from_ref(&file), &to, Placing::Copy).made[0];
    let of = |path: &Path| std::fs::metadata(path).expect("there");
    assert_eq!(of(copy).modified().expect("a time"), time);
    assert_eq!(of(copy).permissions(), of(&file).permissions());
}

#[test]
fn what_cannot_be_copied_is_told_and_stops_nothing() {
    let (_folder, here, to) = desk();
    let missing = here.join("gone.wav");
    let file = write(here.join("kick.wav"), "one");
    let placed = place(&[missing.clone(), here.clone(), file], &to, Placing::Copy);
    assert_eq!(placed.made, [to.join("kick.wav")]);
    let failed: Vec<&Path> = placed
        .failed
        .iter()
        .map(|(path, _)| path.as_path())
        .collect();
    assert_eq!(failed, [missing.as_path(), here.as_path()]);
    assert!(placed.failed[0].1.starts_with("it cannot be read"));
    assert_eq!(placed.failed[1].1, "it is no file");
    let error = place_files(&[], &to.join("kick.wav"), Placing::Copy, &|| false);
    let error = format!("{:#}", error.expect_err("a file is in its place"));
    assert!(error.contains("kick.wav cannot be made"), "{error}");
}

#[test]
fn copying_stops_between_two_files_when_it_is_asked_to() {
    let (_folder, here, to) = desk();
    let files = [
        write(here.join("a.wav"), "a"),
        write(here.join("b.wav"), "b"),
    ];
    let placed = place_files(&files, &to, Placing::Copy, &|| to.join("a.wav").exists());
    assert_eq!(placed.expect("made").made, [to.join("a.wav")]);
    assert_eq!(listing(&to), ["a.wav"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_their_files_and_clash_with_nothing() {
    let (_folder, here, to) = desk();
    let file = write(here.join("kick.wav"), "one");
    write(to.join("kick.wav"), "another");
    for placing in [Placing::Link, Placing::HardLink] {
        let placed = place(std::slice::from_ref(&file), &to, placing);
        assert_eq!(placed.made.len(), 1, "{placing:?}: {placed:?}");
        assert_eq!(read(&placed.made[0]), "one");
        let again = place(std::slice::from_ref(&file), &to, placing);
        assert_eq!((again.made.len(), again.already), (0, 1), "{placing:?}");
    }
    let link = to.join("kick (2).wav");
    assert_eq!(std::fs::read_link(link).expect("a link"), file);
    assert_eq!(read(&to.join("kick.wav")), "another");
    write(file, "edited");
    assert_eq!(read(&to.join("kick (3).wav")), "edited", "the hard link");
}

/// Two channels whose samples say which frame and channel they are of.
fn write_stereo(path: &Path, bits: u16, frames: i32) {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("made");
    for frame in 0..frames {
        writer.write_sample(frame - 5_000).expect("written");
        writer.write_sample(-frame).expect("written");
    }
    writer.finalize().expect("finished");
}

fn samples_of<S: hound::Sample>(path: &Path) -> (hound::WavSpec, Vec<S>) {
    let reader = hound::WavReader::open(path).expect("a WAV");
    let spec = reader.spec();
    let samples = reader.into_samples::<S>();
    (
        spec,
        samples.map(|sample| sample.expect("a sample")).collect(),
    )
}

#[test]
fn a_cut_has_exactly_the_samples_between_its_times_in_all_channels() {
    let (_folder, here, to) = desk();
    for bits in [16, 24] {
        let file = here.join(format!("{bits}.wav"));
        write_stereo(&file, bits, 20_000);
        // 0.1 s is frame 4,410 and 0.25 s frame 11,025.
        let cut = cut_moment(&file, (0.1, 0.25), &to, &|| false).expect("cut");
        assert_eq!(cut, to.join(format!("{bits}_0.10-0.25s.wav")));
        let (spec, samples) = samples_of::<i32>(&cut);
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (2, 44_100, 24)
        );
        let scale = 1 << (24 - bits);
        let expected: Vec<i32> = (4_410..11_025)
            .flat_map(|frame| [(frame - 5_000) * scale, -frame * scale])
            .collect();
        assert!(samples == expected, "{bits} bits: other samples");
    }
    assert_eq!(listing(&to), ["16_0.10-0.25s.wav", "24_0.10-0.25s.wav"]);
}

#[test]
fn a_cut_of_floats_keeps_them_and_an_end_beyond_the_file_is_the_files() {
    let (_folder, here, to) = desk();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let file = here.join("loud.wav");
    let mut writer = hound::WavWriter::create(&file, spec).expect("made");
    let loud: Vec<f32> = (0..8_000_i16).map(|n| f32::from(n) * 0.001 - 1.5).collect();
    for sample in &loud {
        writer.write_sample(*sample).expect("written");
    }
    writer.finalize().expect("finished");
    let cut = cut_moment(&file, (0.5, 99.0), &to, &|| false).expect("cut");
    let (cut_spec, samples) = samples_of::<f32>(&cut);
    assert_eq!(cut_spec, spec);
    assert!(samples == loud[4_000..], "other samples");
}

#[test]
fn what_cannot_be_cut_is_told_and_leaves_nothing() {
    let (_folder, here, to) = desk();
    let file = write_wav(&here.join("short.wav"), 8_000, &[0.1; 8_000]);
    let text = write(here.join("text.wav"), "this is no sound");
    for (file, span, cancelled, expected) in [
        (&file, (2.0, 3.0), false, "is only 1.00 s long"),
        (&file, (0.5, 0.5), false, "nothing between 0.5 s and 0.5 s"),
        (&file, (0.0, 0.5), true, "stopped"),
        (&text, (0.0, 0.5), false, "text.wav"),
    ] {
        let error = cut_moment(file, span, &to, &|| cancelled).expect_err(expected);
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{error}");
    }
    assert!(!to.exists() || listing(&to).is_empty());
}

/// A hit of a file of ten seconds.
fn hit(path: impl Into<PathBuf>, moment: (f32, f32)) -> Hit {
    Hit {
        rank: 1,
        path: path.into(),
        record: FileRecord {
            stamp: Stamp {
                size: 1,
                modified_ns: 0,
            },
            content: [7; 32],
            sound: SoundRecord {
                format: "WAV".into(),
                codec: "16-bit PCM".into(),
                sample_rate_hz: 44_100,
                channels: 2,
                duration_s: 10.0,
                damage: None,
            },
        },
        moment,
        similarity: 0.25,
        strength: 0.875,
        alike: vec![],
    }
}

fn export(name: &str, hits: &[Hit], marks: &Marks) -> String {
    let (_folder, _here, to) = desk();
    let path = to.join(name);
    let format = ListFormat::of_path(&path).expect("a format");
    let list: Vec<Listed<'_>> = hits.iter().map(|hit| Listed { hit, marks }).collect();
    let written = write_list(&path, format, &list).expect("written");
    assert_eq!(written, path);
    assert_eq!(listing(&to), [name]);
    read(&written)
}

#[test]
fn a_playlist_has_lengths_moments_and_addresses_for_names_that_are_no_lines() {
    let hits = [
        hit("/sounds/kick.wav", (0.0, 10.0)),
        hit("/sounds/rain.wav", (2.5, 7.5)),
        hit("/sounds/a\n#b.wav", (0.0, 10.0)),
    ];
    insta::assert_snapshot!(export("list.m3u8", &hits, &Marks::default()), @r"
    #EXTM3U
    #EXTINF:10,kick
    /sounds/kick.wav
    #EXTINF:10,rain
    #EXTVLCOPT:start-time=2.500
    #EXTVLCOPT:stop-time=7.500
    /sounds/rain.wav
    #EXTINF:10,a\n#b
    file:///sounds/a%0A%23b.wav
    ");
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_unicode_come_through_a_playlist_and_json() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"/sounds/k\xffck.wav");
    let hits = [hit(name, (0.0, 10.0))];
    let playlist = export("list.m3u", &hits, &Marks::default());
    assert!(
        playlist.ends_with("\nfile:///sounds/k%FFck.wav\n"),
        "{playlist}"
    );
    let json = export("list.json", &hits, &Marks::default());
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[0]["path"], "/sounds/k\u{fffd}ck.wav");
    assert_eq!(json[0]["path_hex"], "2f736f756e64732f6bff636b2e776176");
}

#[test]
fn a_table_is_what_a_spreadsheet_reads_and_none_of_its_formulas() {
    let marks = Marks {
        favourite: true,
        tags: ["deep", "drum"]
            .map(|tag| Tag::new(tag).expect("a tag"))
            .into(),
    };
    let hits = [
        hit("/sounds/kick.wav", (0.0, 10.0)),
        hit("/sounds/=HYPERLINK(\"x\",1).wav", (2.5, 7.5)),
    ];
    let table = export("list.csv", &hits, &marks);
    assert_eq!(table.matches("\r\n").count(), 3);
    insta::assert_snapshot!(table.replace("\r\n", "\n"), @r#"
    path,name,start_s,end_s,duration_s,similarity,strength,format,codec,sample_rate_hz,channels,favourite,tags
    /sounds/kick.wav,kick.wav,0.000,10.000,10.000,0.2500,0.875,WAV,16-bit PCM,44100,2,true,"deep, drum"
    "/sounds/=HYPERLINK(""x"",1).wav","'=HYPERLINK(""x"",1).wav",2.500,7.500,10.000,0.2500,0.875,WAV,16-bit PCM,44100,2,true,"deep, drum"
    "#);
}

#[test]
fn a_list_in_json_is_one_array_of_what_a_search_prints() {
    let marks = Marks {
        favourite: true,
        tags: [Tag::new("deep").expect("a tag")].into(),
    };
    let hits = [hit("/a.wav", (0.0, 10.0)), hit("/b.wav", (0.0, 10.0))];
    let json = export("list.json", &hits, &marks);
    let values: Vec<serde_json::Value> = serde_json::from_str(&json).expect("an array");
    assert_eq!(values.len(), 2);
    assert_eq!(values[1]["path"], "/b.wav");
    assert_eq!(values[1]["strength"], 0.875);
    assert_eq!(values[1]["tags"], serde_json::json!(["deep"]));
    assert_eq!(values[1]["favourite"], true);
    assert_eq!(json.lines().count(), 4, "a line for each, and the brackets");
}

#[test]
fn a_list_never_replaces_one_and_says_what_it_can_be() {
    let (_folder, _here, to) = desk();
    let path = write(to.join("list.csv"), "mine");
    let written = write_list(&path, ListFormat::Csv, &[]).expect("written");
    assert_eq!(written, to.join("list (2).csv"));
    assert_eq!(read(&path), "mine");
    let error = ListFormat::of_path(Path::new("list.xlsx")).expect_err("unknown");
    assert!(error.to_string().contains(".m3u8, .csv and .json"));
}

#[cfg(unix)]
mod programs {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that writes its arguments, a line each, to a file named like it.
    fn install(folder: &Path, name: &str, exit: u8) {
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}/{name}.said'\nexit {exit}\n",
            folder.display()
        );
        let path = write(folder.join(name), &script);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, executable).expect("executable");
    }

    fn said(folder: &Path, name: &str) -> Vec<String> {
        let text = read(&folder.join(format!("{name}.said")));
        text.lines().map(str::to_string).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_manager_is_asked_to_select_and_else_to_open_the_folder() {
        let (_folder, here, _) = desk();
        let desktop = Desktop::new(here.as_os_str(), true);
        let file = Path::new("/sounds/a, b.wav");
        let error = desktop.reveal(file).expect_err("there is none");
        assert!(error.to_string().ends_with("it is in /sounds"), "{error}");
        install(&here, "xdg-open", 0);
        install(&here, "dbus-send", 1);
        desktop.reveal(file).expect("opened");
        assert_eq!(said(&here, "xdg-open"), ["/sounds"]);
        let asked = said(&here, "dbus-send");
        assert!(asked.contains(&"array:string:file:///sounds/a%2C%20b.wav".to_string()));
        let on_ssh = Desktop::new(here.as_os_str(), false);
        let error = on_ssh.reveal(file).expect_err("there is no screen");
        assert!(error.to_string().contains("no desktop"), "{error}");
    }

    #[test]
    fn files_are_dragged_from_whichever_program_is_installed() {
        let (_folder, here, _) = desk();
        let desktop = Desktop::new(here.as_os_str(), true);
        let files = [PathBuf::from("/a b.wav"), PathBuf::from("/c.wav")];
        let error = desktop.drag(&files).expect_err("there is none");
        assert!(error.to_string().contains("install"), "{error}");
        install(&here, "dragon", 0);
        assert_eq!(desktop.drag_source(), Some("dragon"));
        desktop.drag(&files).expect("dragged");
        let expected = ["--all", "--and-exit", "/a b.wav", "/c.wav"];
        assert_eq!(said(&here, "dragon"), expected);
    }

    #[test]
    fn a_configured_command_gets_the_files_as_words_of_their_own() {
        let (_folder, here, _) = desk();
        let desktop = Desktop::new(here.as_os_str(), true);
        install(&here, "daw", 0);
        let words = |text: &str| -> Vec<String> { text.split(' ').map(String::from).collect() };
        let files = [PathBuf::from("/a; rm b.wav"), PathBuf::from("/$c.wav")];
        desktop.open(&words("daw"), &files).expect("opened");
        assert_eq!(said(&here, "daw"), ["/a; rm b.wav", "/$c.wav"]);
        desktop
            .open(&words("daw -i {} -x"), &files)
            .expect("opened");
        assert_eq!(said(&here, "daw"), ["-i", "/a; rm b.wav", "/$c.wav", "-x"]);
        install(&here, "broken", 3);
        for (command, expected) in [
            (vec![], "no command is set"),
            (words("unheard-of"), "no program 'unheard-of'"),
            (words("broken"), "'broken' ended with exit status: 3"),
        ] {
            let error = desktop.open(&command, &files).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
