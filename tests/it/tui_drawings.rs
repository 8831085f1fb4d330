//! The drawings of sounds, cell by cell: waveform, spectrogram and the strip of matches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use soundseek::overview::{BANDS, Column, Image, Overview};
use soundseek::search::CurvePoint;
use soundseek::tui::waveform::Extent;
use soundseek::tui::{ColourDepth, Ground, Palette, Theme, spectrogram, strip, waveform};

/// Four seconds: silence, a tone at half scale, one that clips, and one that is quiet and high.
fn overview() -> Overview {
    let column = |peak: f32, clipped| Column {
        min: -peak,
        max: peak,
        rms: peak * 0.7,
        clipped,
    };
    let columns = (0..400).map(|n| match n / 100 {
        0 => column(0.0, false),
        1 => column(0.5, false),
        2 => column(1.0, true),
        _ => column(0.1, false),
    });
    let levels = (0..40).flat_map(|n| {
        (0..BANDS).map(move |band| match (n / 10, band) {
            (1, 0..16) => 200,
            (2, _) => 255,
            (3, 48..) => 120,
            _ => 0,
        })
    });
    Overview {
        duration_s: 4.0,
        sample_rate_hz: 48_000,
        columns: columns.collect(),
        column_s: 0.01,
        image: Image {
            levels: levels.collect(),
            column_s: 0.1,
            f_max_hz: 16_000.0,
        },
    }
}

fn theme(depth: ColourDepth) -> Theme {
    Theme::new(Ground::Dark, depth, Palette::of(Ground::Dark))
}

fn extent() -> Extent {
    Extent {
        from_s: 0.0,
        to_s: 4.0,
        span: None,
        playhead_s: None,
    }
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width);
    let line =
        |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    rows.map(|row| format!("{}|\n", line(row))).collect()
}

fn buffer(width: u16, height: u16) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

#[test]
fn a_waveform_is_as_high_as_the_sound_is_loud() {
    let mut buffer = buffer(24, 5);
    let area = buffer.area;
    waveform::draw(
        &overview(),
        &extent(),
        &theme(ColourDepth::True),
        area,
        &mut buffer,
    );
    insta::assert_snapshot!(text(&buffer), @r"
                ⣿⣿⣿⣿⣿⣿      |
          ⣶⣶⣶⣶⣶⣶⣿⣿⣿⣿⣿⣿      |
    ⠤⠤⠤⠤⠤⠤⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⠶⠶⠶⠶⠶⠶|
          ⠿⠿⠿⠿⠿⠿⣿⣿⣿⣿⣿⣿      |
                ⣿⣿⣿⣿⣿⣿      |
    ");
}

#[test]
fn clipping_has_the_colour_of_errors_and_the_mean_is_set_off_from_the_peaks() {
    let mut buffer = buffer(24, 5);
    let (area, theme) = (buffer.area, theme(ColourDepth::True));
    waveform::draw(&overview(), &extent(), &theme, area, &mut buffer);
    let colour = |x, y| buffer[(x, y)].fg;
    let of = |rgb| theme.depth.colour(rgb);
    assert_eq!(colour(14, 2), of(theme.palette.error));
    assert_eq!(colour(8, 2), of(theme.palette.medium));
    // Half scale reaches 4.75 of 9.5 dots from the middle, its mean 3.3: the cell above the middle
    // one begins at 2 dots, the one above that at 6.
    assert_eq!(colour(8, 1), of(theme.palette.medium));
    assert_eq!(colour(8, 0), Color::Reset);
}

#[test]
fn the_playhead_and_the_moment_are_marked_where_they_are() {
    let mut buffer = buffer(40, 3);
    let (area, theme) = (buffer.area, theme(ColourDepth::True));
    let marked = Extent {
        span: Some((1.0, 2.0)),
        playhead_s: Some(3.05),
        ..extent()
    };
    waveform::draw(&overview(), &marked, &theme, area, &mut buffer);
    let ground = theme.depth.colour(theme.palette.selection);
    let lit: Vec<u16> = (0..40).filter(|&x| buffer[(x, 1)].bg == ground).collect();
    assert_eq!(lit, (10..20).collect::<Vec<u16>>());
    let heads: Vec<u16> = (0..40)
        .filter(|&x| buffer[(x, 0)].symbol() == "┃")
        .collect();
    assert_eq!(heads, [30]);
    assert_eq!(marked.cell(4.0, 40), None);
    assert_eq!(marked.cell(marked.time(17, 40), 40), Some(17));
}

#[test]
fn a_spectrogram_has_low_notes_at_the_bottom_and_brightness_for_level() {
    let mut buffer = buffer(24, 4);
    let (area, theme) = (buffer.area, theme(ColourDepth::True));
    spectrogram::draw(&overview(), &extent(), &theme, area, &mut buffer);
    let brightness = |colour| match colour {
        Color::Rgb(r, g, b) => u32::from(r) + u32::from(g) + u32::from(b),
        other => panic!("{other:?} is no 24-bit colour"),
    };
    // The tone of the second second lies in the lowest quarter: in both halves of the lowest row.
    let (top, bottom) = (&buffer[(8, 0)], &buffer[(8, 3)]);
    assert!(brightness(bottom.bg) > 300 && brightness(bottom.fg) > 300);
    assert!(brightness(top.fg) < 10 && brightness(buffer[(8, 2)].bg) < 10);
    // The loudest is magma's lightest, and the quiet high one lies at the top.
    assert_eq!(buffer[(14, 1)].fg, Color::Rgb(252, 253, 191));
    let high = brightness(buffer[(20, 0)].fg);
    assert!((30..300).contains(&high), "{high}");
}

#[test]
fn a_spectrogram_falls_back_to_256_colours_and_to_none() {
    let mut few = buffer(24, 4);
    let area = few.area;
    spectrogram::draw(
        &overview(),
        &extent(),
        &theme(ColourDepth::Indexed),
        area,
        &mut few,
    );
    assert!(
        few.content
            .iter()
            .all(|cell| matches!(cell.fg, Color::Indexed(_)))
    );
    let mut none = buffer(24, 4);
    spectrogram::draw(
        &overview(),
        &extent(),
        &theme(ColourDepth::Mono),
        area,
        &mut none,
    );
    assert!(
        none.content
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    insta::assert_snapshot!(text(&none), @r"
          ██████░░░░░░|
          ██████      |
          ██████      |
    ▓▓▓▓▓▓██████      |
    ");
}

#[test]
fn nothing_is_drawn_past_the_end_of_a_sound() {
    let beyond = Extent {
        to_s: 8.0,
        ..extent()
    };
    let mut drawn = buffer(20, 3);
    let area = drawn.area;
    waveform::draw(
        &overview(),
        &beyond,
        &theme(ColourDepth::True),
        area,
        &mut drawn,
    );
    spectrogram::draw(
        &overview(),
        &beyond,
        &theme(ColourDepth::True),
        area,
        &mut drawn,
    );
    for y in 0..3 {
        for x in 10..20 {
            assert_eq!(drawn[(x, y)].symbol(), " ");
        }
    }
}

#[test]
fn the_strip_is_highest_where_the_query_matches_best() {
    let point = |n: u16, similarity, strength| CurvePoint {
        moment: (f32::from(n), f32::from(n) + 1.0),
        similarity,
        strength,
    };
    let curve = [
        point(0, 0.1, 0.0),
        point(1, 0.2, 0.3),
        point(2, 0.5, 0.9),
        point(3, 0.3, 0.4),
    ];
    let mut buffer = buffer(16, 1);
    let (area, theme) = (buffer.area, theme(ColourDepth::Mono));
    strip::draw(&curve, &extent(), &theme, area, &mut buffer);
    insta::assert_snapshot!(text(&buffer), @"▁▁▁▁▃▃▃▃████▅▅▅▅|");
    assert!(buffer[(9, 0)].modifier.contains(Modifier::BOLD));
    assert!(buffer[(0, 0)].modifier.contains(Modifier::DIM));
}
