//! Overviews of sounds made for the purpose: what is drawn must be what is there.

use std::cell::Cell;
use std::path::Path;

use soundseek::library::Library;
use soundseek::overview::{BANDS, MAX_COLUMNS, MAX_IMAGE_COLUMNS, Overview, Overviews};

use crate::support::write_wav;

fn tone(rate_hz: u32, hz: f32, amplitude: f32, seconds: f32) -> Vec<f32> {
    let step = std::f32::consts::TAU * hz / rate_hz as f32;
    (0..(seconds * rate_hz as f32) as usize)
        .map(|n| amplitude * (n as f32 * step).sin())
        .collect()
}

fn of_file(path: &Path) -> Overview {
    Overview::of_file(path, &|| false)
        .expect("it decodes")
        .expect("nobody cancels")
}

fn of(folder: &Path, rate_hz: u32, samples: &[f32]) -> Overview {
    of_file(&write_wav(&folder.join("a.wav"), rate_hz, samples))
}

#[test]
fn a_columns_extremes_and_mean_are_those_of_its_samples() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Noise from a congruence (Numerical Recipes' constants), loud first and then quiet.
    let mut state = 1_u32;
    let samples: Vec<f32> = (0..50_000)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
            noise * if n < 25_000 { 0.4 } else { 0.1 }
        })
        .collect();
    let overview = of(folder.path(), 44_100, &samples);
    // 50,000 frames in columns of 32.
    assert_eq!(overview.columns.len(), 1_563);
    assert!((overview.column_s - 32.0 / 44_100.0).abs() < 1e-12);
    // The file has 16 bits.
    let read: Vec<f32> = samples
        .iter()
        .map(|s| f32::from((s * 32_767.0) as i16) / 32_768.0)
        .collect();
    for (column, samples) in overview.columns.iter().zip(read.chunks(32)) {
        let square: f64 = samples.iter().map(|&s| f64::from(s * s)).sum();
        let rms = (square / samples.len() as f64).sqrt();
        assert_eq!(column.min, samples.iter().copied().fold(f32::MAX, f32::min));
        assert_eq!(column.max, samples.iter().copied().fold(f32::MIN, f32::max));
        // Both in double precision, summed in another order.
        assert!((f64::from(column.rms) - rms).abs() < 1e-6);
        assert!(!column.clipped);
    }
}

#[test]
fn columns_are_bounded_whatever_the_length() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for frames in [1, 2, 100, 2_047, 2_048, 2_049, 4_096, 4_097, 700_001] {
        let overview = of(folder.path(), 8_000, &vec![0.25; frames]);
        let columns = overview.columns.len();
        assert!((1..=MAX_COLUMNS).contains(&columns), "{frames}: {columns}");
        assert!(
            frames < MAX_COLUMNS || columns >= MAX_COLUMNS / 2,
            "{frames}: {columns}"
        );
        assert!(overview.image.columns() <= MAX_IMAGE_COLUMNS);
        assert!((overview.duration_s - frames as f64 / 8_000.0).abs() < 1e-9);
        // A quarter in 16 bits, to within a step.
        assert!(
            overview
                .columns
                .iter()
                .all(|c| (c.max - 0.25).abs() < 1e-4 && (c.rms - 0.25).abs() < 1e-4)
        );
    }
}

#[test]
fn a_tone_is_bright_in_its_band_at_its_level_and_dark_elsewhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    for (rate_hz, hz) in [
        (44_100, 440.0),
        (48_000, 5_000.0),
        (16_000, 1_000.0),
        (96_000, 10_000.0),
    ] {
        let overview = of(folder.path(), rate_hz, &tone(rate_hz, hz, 0.5, 8.0));
        let image = &overview.image;
        assert_eq!(image.f_max_hz, 16_000.0_f64.min(f64::from(rate_hz) / 2.0));
        let step = (mel(image.f_max_hz) - mel(40.0)) / (BANDS + 1) as f64;
        let band = ((mel(f64::from(hz)) - mel(40.0)) / step - 1.0).round() as usize;
        let middle = |band: usize| image.level(4.0, band);
        let brightest = (0..BANDS)
            .max_by_key(|&b| middle(b))
            .expect("there are bands");
        assert!(
            brightest.abs_diff(band) <= 1,
            "{hz} Hz: band {brightest}, not {band}"
        );
        // -6 dB of 96 is 239. A sine between two bins or beside a triangle's tip loses up to 6 dB,
        // several bins in one wide triangle add up to 2.
        assert!(
            (222..=245).contains(&middle(brightest)),
            "{hz} Hz: {}",
            middle(brightest)
        );
        let far = (brightest + 20) % BANDS;
        assert!(middle(far) < 90, "{hz} Hz: {}", middle(far));
    }
}

#[test]
fn a_long_steady_noise_has_one_level_all_along() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut state = 7_u32;
    let samples: Vec<f32> = (0..16_000 * 120)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0.25 * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
        })
        .collect();
    let overview = of(folder.path(), 16_000, &samples);
    let image = &overview.image;
    let mean = |columns: std::ops::Range<usize>| {
        let levels = &image.levels[columns.start * BANDS..columns.end * BANDS];
        levels.iter().map(|&l| f64::from(l)).sum::<f64>() / levels.len() as f64
    };
    let (columns, tenth) = (image.columns(), image.columns() / 10);
    // Over some 25 columns of 64 bands the mean of a noise's decibels varies by well below 1 dB,
    // or 2.7 levels.
    let difference = mean(1..tenth) - mean(columns - tenth..columns - 1);
    assert!(difference.abs() < 2.7, "{difference}");
}

#[test]
fn clipping_is_seen_at_full_scale_and_between_samples() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clips = |samples: &[f32]| {
        of(folder.path(), 48_000, samples)
            .columns
            .iter()
            .any(|c| c.clipped)
    };
    assert!(!clips(&tone(48_000, 1_000.0, 0.95, 0.5)));
    assert!(clips(&tone(48_000, 1_000.0, 1.0, 0.5)));
    // A quarter of the rate, 45 degrees off: every sample is at 0.85, the peaks between at 1.2.
    let between: Vec<f32> = (0..4_800)
        .map(|n| 0.85 * [1.0, 1.0, -1.0, -1.0][n % 4])
        .collect();
    assert!(clips(&between));
    // The same at 0.6: its true peak is 0.85.
    let below: Vec<f32> = between.iter().map(|s| s * 0.6 / 0.85).collect();
    // A start from nothing overshoots; a fade keeps that out.
    let faded: Vec<f32> = below
        .iter()
        .enumerate()
        .map(|(n, s)| s * (n as f32 / 480.0).min(1.0))
        .collect();
    assert!(!clips(&faded[..4_700]));
}

#[test]
fn parts_are_gathered_by_their_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let samples: Vec<f32> = (0..8_000)
        .map(|n| if n < 4_000 { 0.1 } else { 0.7 })
        .collect();
    let overview = of(folder.path(), 8_000, &samples);
    let columns = overview.gather(0.0, 2.0, 8);
    let highest: Vec<Option<i32>> = columns
        .iter()
        .map(|c| c.map(|c| (c.max * 10.0).round() as i32))
        .collect();
    assert_eq!(
        highest,
        [Some(1), Some(1), Some(7), Some(7), None, None, None, None]
    );
    // Closer than a column can be seen, each is shown again.
    let close = overview.gather(0.2, 0.2 + overview.column_s, 10);
    assert!(close.iter().all(Option::is_some));
}

#[test]
fn an_overview_is_kept_with_the_library_and_not_made_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_wav(
        &folder.path().join("a.wav"),
        44_100,
        &tone(44_100, 300.0, 0.9, 0.7),
    );
    let library = Library::open(&folder.path().join("library")).expect("it opens");
    let content = [7; 32];
    let made = Overviews::new(&library)
        .expect("the store is whole")
        .get(&content, &path, &|| false)
        .expect("it decodes")
        .expect("nobody cancels");
    assert_eq!(*made, of_file(&path));
    std::fs::remove_file(&path).expect("it is removed");
    let kept = Overviews::new(&library)
        .expect("the store is whole")
        .get(&content, &path, &|| panic!("nothing is decoded"))
        .expect("it is kept")
        .expect("nobody cancels");
    assert_eq!(
        (kept.duration_s, &kept.image),
        (made.duration_s, &made.image)
    );
    for (kept, made) in kept.columns.iter().zip(&made.columns) {
        // Half a step of the stored numbers, and a rounding of the division.
        assert!(
            (kept.min - made.min).abs() <= 0.501 / 24_576.0
                && (kept.rms - made.rms).abs() <= 0.501 / 24_576.0
        );
    }
    let error = Overviews::new(&library)
        .expect("the store is whole")
        .get(&[8; 32], &path, &|| false)
        .expect_err("the file is gone");
    assert!(format!("{error:#}").contains("a.wav"), "{error:#}");
}

#[test]
fn stored_bytes_of_any_other_kind_are_made_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = of(folder.path(), 8_000, &[0.1; 3_000]).to_bytes();
    assert!(Overview::from_bytes(&bytes).is_some());
    for length in 0..60.min(bytes.len()) {
        assert!(Overview::from_bytes(&bytes[..length]).is_none(), "{length}");
    }
    let mut other_version = bytes;
    other_version[0] ^= 0xff;
    assert!(Overview::from_bytes(&other_version).is_none());
}

#[test]
fn looking_stops_when_it_is_cancelled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_wav(&folder.path().join("a.wav"), 8_000, &vec![0.1; 400_000]);
    let asked = Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        asked.get() == 3
    };
    assert_eq!(Overview::of_file(&path, &cancel).expect("it decodes"), None);
    assert_eq!(asked.get(), 3);
}

#[test]
fn a_cache_holds_the_newest_entries_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = Library::open(&folder.path().join("library")).expect("it opens");
    let cache = library.cache("things", 3).expect("the store is whole");
    for n in 0..5_u8 {
        cache.put(&[n; 32], &[n]).expect("it is written");
        cache.put(&[n; 32], &[n, n]).expect("it is written again");
    }
    let held = (0..5_u8).map(|n| cache.get(&[n; 32]).expect("the store is whole"));
    assert_eq!(
        held.collect::<Vec<_>>(),
        [
            None,
            None,
            Some(vec![2, 2]),
            Some(vec![3, 3]),
            Some(vec![4, 4])
        ]
    );
}
