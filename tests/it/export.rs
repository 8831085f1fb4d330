//! Lists, copies, cuts and hand-overs, on a disk of the test's own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use soundseek::audio::{AudioStream, Span};
use soundseek::export::{
    Item, Placing, cut_to_wav, drag_out, open_with, place_files, to_csv, to_json, to_m3u, write_new,
};

fn item(path: &str) -> Item {
    Item {
        path: path.into(),
        duration_s: 61.7,
        span: None,
        strength: None,
        tags: vec![],
    }
}

#[test]
fn a_playlist_has_lengths_and_the_moments_that_matched() {
    let moment = Item {
        span: Some((10.0, 12.5)),
        ..item("/s/long take.wav")
    };
    let list = to_m3u(&[item("/s/a.wav"), moment, item("/s/two\nlines.wav")]);
    let list = String::from_utf8(list).expect("these names are Unicode");
    insta::assert_snapshot!(list, @r"
    #EXTM3U
    #EXTINF:62,a
    /s/a.wav
    #EXTINF:2,long take
    #EXTVLCOPT:start-time=10.000
    #EXTVLCOPT:stop-time=12.500
    /s/long take.wav
    # left out: a name with a line break in it
    ");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_unicode_keep_their_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut odd = item("");
    odd.path = PathBuf::from(OsStr::from_bytes(b"/s/caf\xe9.wav"));
    let list = to_m3u(std::slice::from_ref(&odd));
    assert!(list.windows(11).any(|bytes| bytes == b"/s/caf\xe9.wav"));
    let json: serde_json::Value = serde_json::from_str(&to_json(&[odd])).expect("it is JSON");
    assert_eq!(json[0]["path_hex"], "2f732f636166e92e776176");
}

#[test]
fn a_table_holds_no_formula_and_every_quote() {
    let mut tagged = item("=HYPERLINK(\"evil\").wav");
    tagged.tags = vec!["-dark".into(), "big, room".into()];
    tagged.strength = Some(0.5);
    let csv = to_csv(&[tagged, item("plain.wav")]);
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(
        lines[1],
        "\"'=HYPERLINK(\"\"evil\"\").wav\",0.000,61.700,61.700,0.500,\"'-dark; big, room\""
    );
    assert_eq!(lines[2], "\"plain.wav\",0.000,61.700,61.700,,\"\"");
}

#[test]
fn a_list_is_never_written_over_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wanted = folder.path().join("list.json");
    let written: Vec<PathBuf> = (0..3)
        .map(|n| write_new(&wanted, &[n]).expect("it is written"))
        .collect();
    let names: Vec<&OsStr> = written.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["list.json", "list (2).json", "list (3).json"]);
    assert_eq!(std::fs::read(&written[1]).expect("it is there"), [1]);
    let error = write_new(&folder.path().join("none/list.json"), b"").expect_err("no such folder");
    assert!(
        format!("{error:#}").contains("list.json cannot be written"),
        "{error:#}"
    );
}

#[test]
fn files_are_placed_without_overwriting_and_one_that_is_gone_stops_none() {
    for placing in [Placing::Copy, Placing::HardLink, Placing::SymLink] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            std::fs::write(&path, content).expect("it is written");
            path
        };
        let files = [
            file("a/kick.wav", "one"),
            folder.path().join("gone.wav"),
            file("b/kick.wav", "two"),
        ];
        let target = folder.path().join("new/project");
        file("new/project/kick.wav", "mine");
        let placed = place_files(&files, &target, placing).expect("the folder is made");
        assert_eq!(
            *placed[0].as_ref().expect("it is placed"),
            target.join("kick (2).wav")
        );
        assert!(format!("{:#}", placed[1].as_ref().expect_err("it is gone")).contains("gone.wav"));
        assert_eq!(
            *placed[2].as_ref().expect("it is placed"),
            target.join("kick (3).wav")
        );
        let read = |name: &str| std::fs::read_to_string(target.join(name)).expect("it is there");
        assert_eq!(
            [read("kick.wav"), read("kick (2).wav"), read("kick (3).wav")],
            ["mine", "one", "two"]
        );
        let link = target
            .join("kick (2).wav")
            .symlink_metadata()
            .expect("it is there");
        assert_eq!(link.is_symlink(), placing == Placing::SymLink);
    }
}

/// Ten thousand stereo frames whose samples are all different.
fn source(folder: &Path, bits: u16) -> PathBuf {
    let path = folder.join(format!("{bits}.wav"));
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 22_050,
        bits_per_sample: bits,
        sample_format: if bits == 32 {
            hound::SampleFormat::Float
        } else {
            hound::SampleFormat::Int
        },
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("the file is made");
    for n in 0..20_000 {
        if bits == 32 {
            writer
                .write_sample(n as f32 / 10_000.0 - 1.0)
                .expect("it is written");
        } else {
            writer.write_sample(n - 10_000).expect("it is written");
        }
    }
    writer.finalize().expect("the file is finished");
    path
}

fn samples(path: &Path) -> Vec<f32> {
    let mut stream = AudioStream::open_with_channels(path).expect("it opens");
    let mut samples = Vec::new();
    while stream.next_block(&mut samples).expect("it decodes") {}
    samples
}

#[test]
fn a_cut_has_the_very_samples_the_rate_and_the_channels() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (bits, format) in [
        (16, "24-bit PCM"),
        (24, "24-bit PCM"),
        (32, "32-bit float PCM"),
    ] {
        let file = source(folder.path(), bits);
        let span = Span {
            start_s: 0.1,
            end_s: Some(0.3),
        };
        let cut = cut_to_wav(&file, &span, &folder.path().join("cut.wav")).expect("it is cut");
        let stream = AudioStream::open(&cut).expect("it opens");
        let info = stream.info();
        assert_eq!(
            (info.sample_rate_hz, info.channels, info.codec.as_str()),
            (22_050, 2, format)
        );
        // 0.1 s and 0.3 s are frames 2,205 and 6,615.
        assert_eq!(
            samples(&cut),
            samples(&file)[2 * 2_205..2 * 6_615],
            "{bits} bits"
        );
    }
    let names = std::fs::read_dir(folder.path()).expect("it is there");
    let mut names: Vec<String> = names
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "16.wav",
            "24.wav",
            "32.wav",
            "cut (2).wav",
            "cut (3).wav",
            "cut.wav"
        ]
    );
}

#[test]
fn a_cut_past_the_end_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = source(folder.path(), 16);
    let span = Span {
        start_s: 3.0,
        end_s: None,
    };
    let error =
        cut_to_wav(&file, &span, &folder.path().join("cut.wav")).expect_err("it is shorter");
    assert!(
        format!("{error:#}").contains("nothing lies at 3.000 s"),
        "{error:#}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("it is there")
            .count(),
        1
    );
}

#[cfg(unix)]
#[test]
fn other_programs_get_names_as_they_are_and_never_through_a_shell() {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = tempfile::tempdir().expect("a temporary folder");
    // A FIFO, so that reading waits for the program's writing.
    let told = bin.path().join("told");
    let made = std::process::Command::new("mkfifo")
        .arg(&told)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\n", told.display());
    let program = bin.path().join("dragon");
    std::fs::write(&program, script).expect("it is written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it may run");
    let files = [
        PathBuf::from("/s/a $(reboot); b.wav"),
        PathBuf::from("/s/c.wav"),
    ];
    assert_eq!(
        drag_out(&files, bin.path().as_os_str()).expect("it starts"),
        "dragon"
    );
    let heard = std::fs::read_to_string(&told).expect("it is told");
    assert_eq!(heard, "--and-exit\n/s/a $(reboot); b.wav\n/s/c.wav\n");
    let command = [
        program.to_string_lossy().into_owned(),
        "-x".into(),
        "{}".into(),
        "-y".into(),
    ];
    open_with(&command, &files).expect("it starts");
    let heard = std::fs::read_to_string(&told).expect("it is told");
    assert_eq!(heard, "-x\n/s/a $(reboot); b.wav\n/s/c.wav\n-y\n");
    let error = drag_out(&files, OsStr::new("/nowhere")).expect_err("there is none");
    assert!(
        error.to_string().contains("get ripdrag or dragon"),
        "{error}"
    );
}
