//! Colours and emphasis by role, for dark and light terminals and for as many colours as there are.
//!
//! It stands apart from the views so that none of them names a colour: they ask for what a thing
//! *is* (a dimmed folder, a strong match, something to steer away from), and here that becomes a
//! style. Without colours the roles differ by bold, dim, underlined and reversed text alone.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ColourDepth {
    /// 24-bit colours.
    #[serde(rename = "24bit")]
    True,
    /// The 256 colours of xterm.
    #[serde(rename = "256")]
    Indexed,
    /// None.
    #[serde(rename = "none")]
    Mono,
}

impl ColourDepth {
    /// What a terminal says of itself in its environment: `NO_COLOR` (<https://no-color.org>),
    /// `COLORTERM` and `TERM`.
    pub fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> ColourDepth {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            return ColourDepth::Mono;
        }
        let colour_term = set("COLORTERM").unwrap_or_default();
        if ["truecolor", "24bit"].contains(&colour_term.as_str()) {
            return ColourDepth::True;
        }
        let term = set("TERM").unwrap_or_default();
        if term.ends_with("-direct") {
            return ColourDepth::True;
        }
        match term.as_str() {
            "" | "dumb" | "linux" | "vt100" | "vt102" | "vt220" => ColourDepth::Mono,
            _ => ColourDepth::Indexed,
        }
    }

    /// A colour as this terminal shows it; without colours the terminal's own.
    pub fn colour(self, rgb: Rgb) -> Color {
        match self {
            ColourDepth::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
            ColourDepth::Indexed => Color::Indexed(nearest_indexed(rgb)),
            ColourDepth::Mono => Color::Reset,
        }
    }
}

/// Red, green and blue, each from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// `#rrggbb`.
    pub fn parse(text: &str) -> Option<Rgb> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let value = u32::from_str_radix(digits, 16).ok()?;
        Some(Rgb((value >> 16) as u8, (value >> 8) as u8, value as u8))
    }

    /// The colour at a `share`, in [0, 1], of the way to another.
    pub fn mix(self, other: Rgb, share: f32) -> Rgb {
        let part = |a: u8, b: u8| {
            // Casts saturate.
            (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8
        };
        Rgb(
            part(self.0, other.0),
            part(self.1, other.1),
            part(self.2, other.2),
        )
    }
}

/// The nearest of xterm's 256 colours: the cube of six steps a side from 16 on, and the greys from
/// 232 on. The first sixteen are the person's own and never meant.
fn nearest_indexed(Rgb(r, g, b): Rgb) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a: Rgb| {
        let part = |x: u8, y: u8| (i32::from(x) - i32::from(y)).pow(2);
        part(a.0, r) + part(a.1, g) + part(a.2, b)
    };
    let step = |x: u8| (0..6).min_by_key(|&i| STEPS[i].abs_diff(x)).unwrap_or(0);
    let (i, j, k) = (step(r), step(g), step(b));
    let cube = (16 + 36 * i + 6 * j + k) as u8;
    let mean = (u32::from(r) + u32::from(g) + u32::from(b)) / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let level = 8 + 10 * grey;
    if distance(Rgb(level, level, level)) < distance(Rgb(STEPS[i], STEPS[j], STEPS[k])) {
        232 + grey
    } else {
        cube
    }
}

/// Dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    /// Light text on a dark ground.
    #[default]
    Dark,
    /// Dark text on a light ground.
    Light,
}

/// The colours of a theme; each can be set in the config file under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Names and what is typed.
    pub text: Rgb,
    /// Folders, lengths, hints.
    pub dim: Rgb,
    /// Lines between parts of the screen, and the empty part of a bar.
    pub faint: Rgb,
    /// The program's own colour: the prompt, keys in hints, the playhead.
    pub accent: Rgb,
    /// The ground of the selected row.
    pub selection: Rgb,
    /// The bar of a match that is likely right.
    pub strong: Rgb,
    /// The bar of a match that may be right.
    pub medium: Rgb,
    /// The bar of a match that is likely wrong.
    pub weak: Rgb,
    /// Clips in a query.
    pub clip: Rgb,
    /// What a query steers away from.
    pub less: Rgb,
    /// Filters.
    pub filter: Rgb,
    /// Errors and clipping.
    pub error: Rgb,
}

impl Palette {
    /// The built-in colours.
    pub fn of(ground: Ground) -> Palette {
        match ground {
            Ground::Dark => Palette {
                text: Rgb(0xd8, 0xde, 0xe9),
                dim: Rgb(0x86, 0x90, 0xa2),
                faint: Rgb(0x45, 0x4c, 0x59),
                accent: Rgb(0x5f, 0xd7, 0xd7),
                selection: Rgb(0x26, 0x32, 0x3d),
                strong: Rgb(0x8f, 0xe3, 0x88),
                medium: Rgb(0x5f, 0xaf, 0xd7),
                weak: Rgb(0x6b, 0x75, 0x88),
                clip: Rgb(0xc7, 0x92, 0xea),
                less: Rgb(0xf0, 0x80, 0x8a),
                filter: Rgb(0xf2, 0xc0, 0x6b),
                error: Rgb(0xff, 0x5f, 0x5f),
            },
            Ground::Light => Palette {
                text: Rgb(0x22, 0x2a, 0x35),
                dim: Rgb(0x5f, 0x68, 0x77),
                faint: Rgb(0xb4, 0xbb, 0xc6),
                accent: Rgb(0x00, 0x79, 0x80),
                selection: Rgb(0xd9, 0xe8, 0xee),
                strong: Rgb(0x1f, 0x85, 0x32),
                medium: Rgb(0x1f, 0x6f, 0xb2),
                weak: Rgb(0x8a, 0x93, 0xa3),
                clip: Rgb(0x80, 0x3f, 0xb0),
                less: Rgb(0xb8, 0x30, 0x44),
                filter: Rgb(0x8a, 0x5a, 0x00),
                error: Rgb(0xc4, 0x1e, 0x1e),
            },
        }
    }

    /// The colour with a name, to be set; `None` when there is none of that name.
    pub fn named(&mut self, name: &str) -> Option<&mut Rgb> {
        Some(match name {
            "text" => &mut self.text,
            "dim" => &mut self.dim,
            "faint" => &mut self.faint,
            "accent" => &mut self.accent,
            "selection" => &mut self.selection,
            "strong" => &mut self.strong,
            "medium" => &mut self.medium,
            "weak" => &mut self.weak,
            "clip" => &mut self.clip,
            "less" => &mut self.less,
            "filter" => &mut self.filter,
            "error" => &mut self.error,
            _ => return None,
        })
    }

    /// The names that [`Palette::named`] knows.
    pub const NAMES: &'static [&'static str] = &[
        "text",
        "dim",
        "faint",
        "accent",
        "selection",
        "strong",
        "medium",
        "weak",
        "clip",
        "less",
        "filter",
        "error",
    ];
}

/// How many groups of sounds have a colour of their own on the map.
pub const GROUPS: usize = 7;

/// Styles by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// How many colours there are; drawings that make colours of their own ask for it.
    pub depth: ColourDepth,
    /// Dark or light.
    pub ground: Ground,
    /// The colours behind the styles.
    pub palette: Palette,
}

impl Theme {
    /// A theme of these colours.
    pub fn new(ground: Ground, depth: ColourDepth, palette: Palette) -> Theme {
        Theme {
            depth,
            ground,
            palette,
        }
    }

    fn coloured(&self, rgb: Rgb) -> Style {
        Style::new().fg(self.depth.colour(rgb))
    }

    /// In colour without emphasis, or emphasised where there are no colours.
    fn or(&self, rgb: Rgb, emphasis: Modifier) -> Style {
        match self.depth {
            ColourDepth::Mono => Style::new().add_modifier(emphasis),
            _ => self.coloured(rgb),
        }
    }

    /// Names and what is typed. The terminal's own colour, which the person can read.
    pub fn text(&self) -> Style {
        match self.depth {
            ColourDepth::True => self.coloured(self.palette.text),
            _ => Style::new(),
        }
    }

    /// Folders, lengths, hints.
    pub fn dim(&self) -> Style {
        self.or(self.palette.dim, Modifier::DIM)
    }

    /// Lines and the empty part of a bar.
    pub fn faint(&self) -> Style {
        self.or(self.palette.faint, Modifier::DIM)
    }

    /// The prompt, keys in hints, the playhead.
    pub fn accent(&self) -> Style {
        self.or(self.palette.accent, Modifier::BOLD)
    }

    /// Titles.
    pub fn title(&self) -> Style {
        self.text().add_modifier(Modifier::BOLD)
    }

    /// The selected row, over the styles of what is in it. `active` when keys go to it.
    pub fn selected(&self, active: bool) -> Style {
        match (self.depth, active) {
            (ColourDepth::Mono, true) => Style::new().add_modifier(Modifier::REVERSED),
            (ColourDepth::Mono, false) => Style::new().add_modifier(Modifier::UNDERLINED),
            _ => Style::new().bg(self.depth.colour(self.palette.selection)),
        }
    }

    /// The bar and number of a match, `strength` in [0, 1]: from a half on it is more likely right
    /// than wrong.
    pub fn strength(&self, strength: f32) -> Style {
        match strength {
            s if s >= 0.5 => self.or(self.palette.strong, Modifier::BOLD),
            s if s >= 0.2 => self.coloured(self.palette.medium),
            _ => self.or(self.palette.weak, Modifier::DIM),
        }
    }

    /// A clip in a query.
    pub fn clip(&self) -> Style {
        self.or(self.palette.clip, Modifier::BOLD)
    }

    /// What a query steers away from.
    pub fn less(&self) -> Style {
        self.or(self.palette.less, Modifier::UNDERLINED)
    }

    /// Filters.
    pub fn filter(&self) -> Style {
        self.or(self.palette.filter, Modifier::BOLD)
    }

    /// Errors and clipping.
    pub fn error(&self) -> Style {
        self.or(self.palette.error, Modifier::BOLD)
    }

    /// The body of a waveform: its mean.
    pub fn wave(&self) -> Style {
        self.coloured(self.palette.medium)
    }

    /// The peaks of a waveform, around its body.
    pub fn wave_peak(&self) -> Style {
        self.or(self.palette.weak, Modifier::DIM)
    }

    /// The ground of the moment that matched, in a drawing.
    pub fn span(&self) -> Style {
        match self.depth {
            ColourDepth::Mono => Style::new().add_modifier(Modifier::UNDERLINED),
            _ => Style::new().bg(self.depth.colour(self.palette.selection)),
        }
    }

    /// A group of sounds on the map, by its number; those from `GROUPS` on are all others.
    pub fn group(&self, number: usize) -> Style {
        self.coloured(self.group_colour(number))
    }

    /// The same while others are lit, standing back: half way to what the ground likely is.
    pub fn group_unlit(&self, number: usize) -> Style {
        let ground = match self.ground {
            Ground::Dark => Rgb(0x12, 0x16, 0x1c),
            Ground::Light => Rgb(0xff, 0xff, 0xff),
        };
        match self.group_colour(number) {
            _ if self.depth == ColourDepth::Mono => Style::new().add_modifier(Modifier::DIM),
            rgb => self.coloured(rgb.mix(ground, 0.5)),
        }
    }

    fn group_colour(&self, number: usize) -> Rgb {
        let palette = &self.palette;
        let colours: [Rgb; GROUPS] = [
            palette.medium,
            palette.filter,
            palette.clip,
            palette.strong,
            palette.less,
            palette.accent,
            palette.error,
        ];
        colours.get(number).copied().unwrap_or(palette.weak)
    }

    /// What the cursor of a panel is on, when it is a single word.
    pub fn cursor(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_tells_its_colours_by_its_environment() {
        for (environment, expected) in [
            (&[("TERM", "xterm-256color")][..], ColourDepth::Indexed),
            (
                &[("TERM", "xterm"), ("COLORTERM", "truecolor")],
                ColourDepth::True,
            ),
            (&[("TERM", "xterm-direct")], ColourDepth::True),
            (&[("TERM", "linux")], ColourDepth::Mono),
            (
                &[("COLORTERM", "24bit"), ("NO_COLOR", "1")],
                ColourDepth::Mono,
            ),
            (
                &[("COLORTERM", "24bit"), ("NO_COLOR", "")],
                ColourDepth::True,
            ),
            (&[], ColourDepth::Mono),
        ] {
            let variable = |name: &str| {
                let pair = environment.iter().find(|(known, _)| *known == name);
                pair.map(|(_, value)| (*value).to_string())
            };
            assert_eq!(
                ColourDepth::of_terminal(variable),
                expected,
                "{environment:?}"
            );
        }
    }

    #[test]
    fn colours_become_the_nearest_of_the_256() {
        for (rgb, index) in [
            (Rgb(0, 0, 0), 16),
            (Rgb(255, 255, 255), 231),
            (Rgb(255, 0, 0), 196),
            (Rgb(95, 135, 175), 67),
            (Rgb(128, 128, 128), 244),
        ] {
            assert_eq!(nearest_indexed(rgb), index, "{rgb:?}");
        }
    }

    #[test]
    fn every_named_colour_can_be_set() {
        let mut palette = Palette::of(Ground::Dark);
        for name in Palette::NAMES {
            *palette.named(name).expect("a colour of that name") = Rgb(1, 2, 3);
        }
        assert_eq!(palette.less, Rgb(1, 2, 3));
        assert!(palette.named("mauve").is_none());
        assert_eq!(Rgb::parse("#0a141e"), Some(Rgb(10, 20, 30)));
        assert!(Rgb::parse("0a141e").is_none() && Rgb::parse("#12").is_none());
    }
}
