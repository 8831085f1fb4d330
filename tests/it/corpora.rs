//! Real sounds: what the built-in model finds among freely licensed samples, where they are at hand.
//!
//! `SOUNDSEEK_CORPORA` names a folder with Debian packages' sounds below `debian/`; `.ci/run` brings
//! them. Without it the tests say that they skip. The assertions hold with margin: measured shares are
//! given beside the asserted ones.

#![expect(
    clippy::print_stdout,
    reason = "a skipped test says so, and counts are worth seeing"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use soundseek::search::{Hit, Part, SearchOptions, Source};

use crate::support::{Studio, index_roots};

/// The sounds of Sonic Pi (CC0): 166 well-named FLAC files and a WAV, indexed once.
pub fn sonic_pi() -> Option<&'static Mutex<(Studio, PathBuf)>> {
    static LIBRARY: OnceLock<Option<Mutex<(Studio, PathBuf)>>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let corpora = PathBuf::from(std::env::var_os("SOUNDSEEK_CORPORA")?);
        let sounds = corpora.join("debian/sonic-pi-samples/usr/share/sonic-pi/samples");
        let sounds = sounds.canonicalize().ok()?;
        let studio = Studio::new();
        let report = index_roots(&studio.library(), std::slice::from_ref(&sounds));
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert!(report.embedded + report.recognised >= 160, "{report:?}");
        Some(Mutex::new((studio, sounds)))
    });
    if library.is_none() {
        println!("skipped: SOUNDSEEK_CORPORA names no folder with sonic-pi-samples");
    }
    library.as_ref()
}

fn search(studio: &Studio, source: Source, n: usize) -> Vec<Hit> {
    let options = SearchOptions {
        n,
        unfold: true,
        ..Default::default()
    };
    studio.search_parts(
        &[Part {
            source,
            weight: 1.0,
        }],
        &options,
    )
}

/// How many of the hits have names that start in one of these ways.
fn of_family(hits: &[Hit], prefixes: &[&str]) -> usize {
    let is_one = |hit: &&Hit| {
        let name = hit.path.file_name().expect("a name").to_string_lossy();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    hits.iter().filter(is_one).count()
}

#[test]
fn descriptions_find_families_of_real_samples() {
    let Some(library) = sonic_pi() else {
        return;
    };
    let (studio, _) = &*library.lock().expect("the other tests passed");
    // Of the ten best hits; the comments give what was measured, and what chance would give.
    for (text, prefixes, at_least) in [
        // 6, by chance 0.5
        (
            "hi-hat cymbal",
            &["drum_cymbal", "drum_splash", "elec_cymbal"][..],
            4,
        ),
        // 9, by chance 1.7
        ("tabla", &["tabla_", "loop_tabla"], 6),
        // 4, by chance 0.4
        (
            "bell",
            &["perc_bell", "elec_bell", "elec_triangle", "drum_cowbell"],
            3,
        ),
        // 5, by chance 1.6
        (
            "kick drum",
            &[
                "bd_",
                "drum_bass",
                "drum_heavy_kick",
                "elec_soft_kick",
                "elec_hollow",
            ],
            3,
        ),
    ] {
        let hits = search(studio, Source::Text(text.into()), 10);
        let found = of_family(&hits, prefixes);
        println!("{text}: {found} of 10");
        assert!(
            found >= at_least,
            "{text}: {found} of the ten best are right"
        );
    }
}

#[test]
fn a_singular_sound_comes_first() {
    let Some(library) = sonic_pi() else {
        return;
    };
    let (studio, _) = &*library.lock().expect("the other tests passed");
    for (text, name) in [("crow", "misc_crow.flac"), ("burp", "misc_burp.flac")] {
        let hits = search(studio, Source::Text(text.into()), 2);
        assert_eq!(of_family(&hits[..1], &[name]), 1, "{text}");
        assert!(
            hits[0].strength > 2.0 * hits[1].strength.min(0.4),
            "{text} stands out"
        );
    }
}

#[test]
fn a_sample_finds_its_own_family() {
    let Some(library) = sonic_pi() else {
        return;
    };
    let (studio, sounds) = &*library.lock().expect("the other tests passed");
    for (seed, prefix, at_least) in [
        ("tabla_na.flac", "tabla_", 6),
        ("drum_cymbal_open.flac", "drum_", 3),
        ("bd_haus.flac", "bd_", 4),
    ] {
        let source = Source::Clip {
            path: sounds.join(seed),
            span: None,
        };
        let hits = search(studio, source, 10);
        let found = of_family(&hits, &[prefix]);
        println!("{seed}: {found} of 10");
        assert!(
            found >= at_least,
            "{seed}: {found} of the ten most similar are {prefix}*"
        );
        let paths: BTreeSet<_> = hits.iter().map(|hit| &hit.path).collect();
        assert!(
            !paths.contains(&sounds.join(seed)),
            "the seed is not its own result"
        );
    }
}
