//! Searching as a whole: what is found, folded, filtered and told apart, with the built-in model and
//! the demo's sounds.

use std::fs;
use std::path::PathBuf;
use std::sync::RwLock;
use std::time::Duration;

use soundseek::audio::Span;
use soundseek::embed::{mean, weighted_sum};
use soundseek::search::{Clips, Filters, Part, SearchOptions, Searcher, Source, embed_file};

use crate::support::{Studio, demo_sound, embedder, names, text_part, write_wav};

const SOUNDS: [&str; 8] = [
    "kick-drum",
    "siren",
    "church-bell",
    "piano",
    "white-noise",
    "flute",
    "laser",
    "car-engine",
];

fn studio() -> Studio {
    let studio = Studio::new();
    for sound in SOUNDS {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    studio
}

fn clip(path: PathBuf, span: Option<Span>) -> Part {
    Part {
        source: Source::Clip { path, span },
        weight: 1.0,
    }
}

#[test]
fn the_ranking_is_that_of_the_dot_products() {
    let studio = studio();
    let hits = studio.search(
        "a police siren",
        &SearchOptions {
            ..Default::default()
        },
    );
    let query = embedder().embed_text("a police siren").expect("embedded");
    let mut expected: Vec<(f32, String)> = SOUNDS
        .iter()
        .map(|sound| {
            let path = studio.sounds().join(format!("{sound}.wav"));
            let moments = embed_file(embedder(), &path, None).expect("embedded");
            let best = moments
                .iter()
                .map(|(_, v)| v.dot(&query))
                .fold(f32::MIN, f32::max);
            (best, (*sound).to_string())
        })
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let expected_names: Vec<_> = expected.iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(names(&hits), expected_names);
    for (hit, (similarity, _)) in hits.iter().zip(&expected) {
        // The stored vectors are the same f32; only the order of summation may differ.
        assert!(
            (hit.similarity - similarity).abs() < 1e-5,
            "{} {similarity}",
            hit.similarity
        );
    }
    assert!(
        hits.iter()
            .enumerate()
            .all(|(place, hit)| hit.rank == place + 1)
    );
}

#[test]
fn descriptions_find_their_sounds() {
    let studio = studio();
    for (text, name) in [("a kick drum", "kick-drum"), ("a police siren", "siren")] {
        let hits = studio.search(text, &SearchOptions::default());
        assert_eq!(names(&hits)[0], name, "{text}");
        assert!(hits[0].strength > hits[3].strength);
    }
}

#[test]
fn a_clip_finds_its_like_but_not_itself() {
    let studio = studio();
    let siren = studio.sounds().join("siren.wav");
    let lower: Vec<f32> = soundseek::demo::sounds()
        .iter()
        .find(|s| s.name == "siren")
        .expect("a siren")
        .render(48_000);
    write_wav(&studio.sounds().join("slower-siren.wav"), 44_100, &lower);
    studio.index();
    let hits = studio.search_parts(&[clip(siren, None)], &SearchOptions::default());
    assert_eq!(names(&hits)[0], "slower-siren");
    assert!(!names(&hits).contains(&"siren".to_string()));
}

#[test]
fn a_clip_that_is_not_indexed_gives_the_same_as_one_that_is() {
    let studio = studio();
    let inside = studio.sounds().join("piano.wav");
    let outside = studio.folder.path().join("outside.wav");
    fs::copy(&inside, &outside).expect("copied");
    let options = SearchOptions::default();
    let with_inside = studio.search_parts(&[clip(inside, None)], &options);
    let with_outside = studio.search_parts(&[clip(outside, None)], &options);
    // The copy outside is not the file itself, so the file is its own best match.
    assert_eq!(names(&with_outside)[0], "piano");
    assert!(
        with_outside[0].similarity > 0.9999,
        "{}",
        with_outside[0].similarity
    );
    assert_eq!(names(&with_inside), names(&with_outside)[1..]);
}

#[test]
fn parts_are_summed_with_their_weights() {
    let studio = studio();
    let siren = studio.sounds().join("siren.wav");
    let parts = [
        text_part("a church bell", 1.0),
        Part {
            weight: 0.5,
            ..clip(siren.clone(), None)
        },
        text_part("a flute", -0.3),
    ];
    let options = SearchOptions {
        ..Default::default()
    };
    let hits = studio.search_parts(&parts, &options);
    let text = |text: &str| embedder().embed_text(text).expect("embedded");
    let whole = |path: &PathBuf| {
        let moments = embed_file(embedder(), path, None).expect("embedded");
        mean(&moments.into_iter().map(|(_, v)| v).collect::<Vec<_>>()).expect("a mean")
    };
    let query = weighted_sum(&[
        (&text("a church bell"), 1.0),
        (&whole(&siren), 0.5),
        (&text("a flute"), -0.3),
    ])
    .expect("a sum");
    for hit in &hits {
        let moments = embed_file(embedder(), &hit.path, None).expect("embedded");
        let best = moments
            .iter()
            .map(|(_, v)| v.dot(&query))
            .fold(f32::MIN, f32::max);
        assert!(
            (hit.similarity - best).abs() < 1e-5,
            "{}",
            hit.path.display()
        );
    }
    assert_eq!(hits.len(), SOUNDS.len() - 1, "all but the clip itself");
}

#[test]
fn filters_act_before_the_list_is_cut() {
    let studio = studio();
    let worst = names(&studio.search("a kick drum", &SearchOptions::default()))
        .pop()
        .expect("hits");
    let only = |filters: Filters| {
        names(&studio.search(
            "a kick drum",
            &SearchOptions {
                n: 1,
                filters,
                ..Default::default()
            },
        ))
    };
    let glob = globset::Glob::new(&format!("{worst}*"))
        .expect("a pattern")
        .compile_matcher();
    assert_eq!(
        only(Filters {
            name: Some(glob),
            ..Default::default()
        }),
        [worst]
    );
    let none = Filters {
        extensions: vec!["flac".into()],
        ..Default::default()
    };
    assert!(only(none).is_empty());
    let elsewhere = Filters {
        within: vec![studio.sounds().join("no")],
        ..Default::default()
    };
    assert!(only(elsewhere).is_empty());
    let future = Filters {
        newer_than_ns: Some(i64::MAX),
        ..Default::default()
    };
    assert!(only(future).is_empty());
}

#[test]
fn lengths_filter_by_what_was_decoded() {
    let studio = studio();
    let length = |name: &str| {
        let path = studio.sounds().join(format!("{name}.wav"));
        hound::WavReader::open(path).expect("a WAV").duration() as f64 / 44_100.0
    };
    let limit = 1.5;
    let all = |filters| SearchOptions {
        filters,
        ..Default::default()
    };
    let mut longer = names(&studio.search(
        "sound",
        &all(Filters {
            longer_s: Some(limit),
            ..Default::default()
        }),
    ));
    let mut shorter = names(&studio.search(
        "sound",
        &all(Filters {
            shorter_s: Some(limit),
            ..Default::default()
        }),
    ));
    assert!(longer.iter().all(|name| length(name) > limit));
    assert!(shorter.iter().all(|name| length(name) < limit));
    longer.append(&mut shorter);
    longer.sort();
    let mut expected = SOUNDS.map(String::from);
    expected.sort();
    assert_eq!(longer, expected);
}

#[test]
fn copies_are_folded_into_one_line_and_unfolded_on_demand() {
    let studio = Studio::new();
    studio.put("kick-drum", "a/kick.wav");
    studio.put("kick-drum", "b/kick.wav");
    studio.put("siren", "siren.wav");
    studio.index();
    let folded = studio.search("a kick drum", &SearchOptions::default());
    assert_eq!(folded.len(), 2);
    let alike: Vec<_> = folded[0].alike.iter().map(|hit| &hit.path).collect();
    assert_eq!(alike, [&studio.sounds().join("b/kick.wav")]);
    let all = SearchOptions {
        unfold: true,
        ..Default::default()
    };
    let unfolded = studio.search("a kick drum", &all);
    assert_eq!(names(&unfolded), ["kick", "kick", "siren"]);
}

#[test]
fn the_same_sound_in_another_format_is_folded() {
    let studio = Studio::new();
    let kick = soundseek::demo::sounds()[0].render(44_100);
    write_wav(&studio.sounds().join("kick.wav"), 44_100, &kick);
    let quieter: Vec<f32> = kick.iter().map(|x| x * 0.999).collect();
    write_wav(&studio.sounds().join("kick-again.wav"), 44_100, &quieter);
    studio.index();
    let hits = studio.search("a kick drum", &SearchOptions::default());
    assert_eq!((hits.len(), hits[0].alike.len()), (1, 1));
}

#[test]
fn moments_tell_where_in_a_long_recording_it_is() {
    let studio = Studio::new();
    let rate = 32_000;
    let render = |name: &str| {
        let sound = soundseek::demo::sounds()
            .iter()
            .find(|s| s.name == name)
            .expect("a sound");
        sound.render(rate)
    };
    // A minute of wind with a siren at 40 s.
    let mut recording: Vec<f32> = render("wind")
        .into_iter()
        .map(|x| 0.2 * x)
        .cycle()
        .take(60 * rate as usize)
        .collect();
    for (x, siren) in recording[40 * rate as usize..]
        .iter_mut()
        .zip(render("siren"))
    {
        *x = (*x + siren * 0.8).clamp(-1.0, 1.0);
    }
    write_wav(&studio.sounds().join("walk.wav"), rate, &recording);
    studio.index();
    let options = SearchOptions {
        moments: true,
        n: 3,
        ..Default::default()
    };
    let hits = studio.search("a police siren", &options);
    let (start, end) = hits[0].moment;
    assert!(
        start <= 43.0 && end >= 42.0,
        "the best moment is {start}–{end}"
    );
    for (place, hit) in hits.iter().enumerate() {
        for other in &hits[place + 1..] {
            let apart = hit.moment.1 <= other.moment.0 || other.moment.1 <= hit.moment.0;
            assert!(apart, "{:?} and {:?} overlap", hit.moment, other.moment);
        }
    }
    // A part of the recording as the example finds that part of it again among files.
    let span = Span {
        start_s: 40.0,
        end_s: Some(45.0),
    };
    let part = clip(studio.sounds().join("walk.wav"), Some(span));
    studio.put("siren", "siren.wav");
    studio.put("flute", "flute.wav");
    studio.index();
    let hits = studio.search_parts(&[part], &SearchOptions::default());
    assert_eq!(names(&hits)[0], "siren");
}

#[test]
fn a_clip_is_remembered_until_its_file_changes() {
    let studio = studio();
    let clip_of = |sound: &str| {
        let span = Span {
            start_s: 0.0,
            end_s: Some(0.2),
        };
        clip(studio.put(sound, "new.wav"), Some(span))
    };
    let library = studio.library();
    let index = library.index_for_search(embedder()).expect("an index");
    let (index, clips) = (RwLock::new(index), Clips::default());
    let best = |searcher: Searcher<'_>, part: &Part| {
        let hits = searcher.search(std::slice::from_ref(part), &SearchOptions::default());
        names(&hits.expect("found"))[0].clone()
    };
    let forgetful = || Searcher::new(&library, &index, embedder());
    let remembering = || forgetful().remembering(&clips);
    let part = clip_of("siren");
    let path = studio.sounds().join("new.wav");
    let stamp = fs::metadata(&path).expect("a file");
    assert_eq!(best(remembering(), &part), "siren");
    // Another sound of the same size and time: only who remembers the clip does not hear it.
    let other = demo_sound("kick-drum").render(44_100);
    let mut samples = demo_sound("siren").render(44_100);
    samples[..other.len()].copy_from_slice(&other);
    write_wav(&path, 44_100, &samples);
    let set_time = |time| {
        let file = fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(time).expect("its time is set");
    };
    set_time(stamp.modified().expect("a time"));
    assert_eq!(fs::metadata(&path).expect("a file").len(), stamp.len());
    assert_eq!(best(forgetful(), &part), "kick-drum");
    assert_eq!(best(remembering(), &part), "siren");
    set_time(stamp.modified().expect("a time") + Duration::from_secs(1));
    assert_eq!(best(remembering(), &part), "kick-drum");
}
