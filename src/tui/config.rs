//! The config file: keys, theme, colours.
//!
//! It stands apart because it is what a person writes: everything in it is optional, everything that
//! is not understood is told with the file's name and what could stand there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::keys::{KeyMap, OwnKeys};
use super::theme::{ColourDepth, Ground, Palette, Rgb, Theme};

/// What a person has set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `dark` or `light`.
    pub theme: Ground,
    /// How many colours to use: `24bit`, `256` or `none`; what the terminal says of itself otherwise.
    pub colour_depth: Option<ColourDepth>,
    /// Colours by name, as `#rrggbb`.
    pub colours: BTreeMap<String, String>,
    /// Whether the selected sound is played at once, at the start.
    pub audition: bool,
    /// The volume at the start, from 0 to 1.
    pub volume: f32,
    /// The name of the device that plays; the system's own otherwise.
    pub device: Option<String>,
    /// The command that opens sounds, in words: `{}` stands for the files, which come last without it.
    pub open: Vec<String>,
    /// Keys by place and action.
    pub keys: OwnKeys,
}

/// What opens a file as a double click would.
const SYSTEM_OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

impl Default for Config {
    fn default() -> Config {
        Config {
            theme: Ground::default(),
            colour_depth: None,
            colours: BTreeMap::new(),
            audition: true,
            volume: 0.8,
            device: None,
            open: vec![SYSTEM_OPENER.to_string()],
            keys: OwnKeys::new(),
        }
    }
}

impl Config {
    /// The file that is read when none is named: `soundseek/config.toml` in the platform's folder for
    /// settings; `None` when the user has no home directory.
    pub fn default_path() -> Option<PathBuf> {
        let directories = directories::ProjectDirs::from("", "", "soundseek")?;
        Some(directories.config_dir().join("config.toml"))
    }

    /// Reads a file that may be absent.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read or understood.
    pub fn read_if_there(path: &Path) -> Result<Config> {
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&text)
                .with_context(|| format!("the settings in {} are wrong", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// When it is no TOML, or holds a name, colour or key that means nothing.
    pub fn parse(text: &str) -> Result<Config> {
        let config: Config = toml::from_str(text)?;
        if !(0.0..=1.0).contains(&config.volume) {
            bail!("the volume {} is not between 0 and 1", config.volume);
        }
        config.palette()?;
        KeyMap::new(&config.keys)?;
        Ok(config)
    }

    fn palette(&self) -> Result<Palette> {
        let mut palette = Palette::of(self.theme);
        for (name, colour) in &self.colours {
            let Some(place) = palette.named(name) else {
                bail!(
                    "there is no colour '{name}'; there are {}",
                    Palette::NAMES.join(", ")
                );
            };
            *place = Rgb::parse(colour).with_context(|| {
                format!("'{colour}' is no colour: write #rrggbb, such as #5fd7d7")
            })?;
        }
        Ok(palette)
    }

    /// The theme on a terminal with this environment. `NO_COLOR` wins over everything.
    pub fn theme(&self, variable: impl Fn(&str) -> Option<String>) -> Theme {
        let told = ColourDepth::of_terminal(variable);
        let depth = match (told, self.colour_depth) {
            (ColourDepth::Mono, _) => told,
            (_, Some(set)) => set,
            (_, None) => told,
        };
        let palette = self.palette();
        Theme::new(
            self.theme,
            depth,
            palette.unwrap_or_else(|_| Palette::of(self.theme)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_changes_nothing_and_a_full_one_all() {
        let config = Config::parse("").expect("empty");
        let theme = config.theme(|name| (name == "COLORTERM").then(|| "truecolor".into()));
        let built_in = Palette::of(Ground::Dark);
        assert_eq!(theme, Theme::new(Ground::Dark, ColourDepth::True, built_in));
        let config = Config::parse(
            "theme = 'light'\ncolour_depth = '256'\n[colours]\naccent = '#ff0000'\n\
             [keys.results]\nnext = ['n', 'down']\nnew-query = []\n",
        )
        .expect("full");
        let theme = config.theme(|name| (name == "TERM").then(|| "xterm".into()));
        assert_eq!(theme.ground, Ground::Light);
        assert_eq!(theme.depth, ColourDepth::Indexed);
        assert_eq!(theme.palette.accent, Rgb(255, 0, 0));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (text, part) in [
            ("volume = 80", "the volume 80 is not between 0 and 1"),
            ("teme = 'dark'", "unknown field `teme`"),
            ("theme = 'blue'", "unknown variant `blue`"),
            ("[colours]\nmauve = '#000000'", "there is no colour 'mauve'"),
            ("[colours]\ntext = 'red'", "write #rrggbb"),
            (
                "[keys.results]\ndance = ['x']",
                "there is no action 'dance'",
            ),
            ("[keys.results]\nnext = ['hyper-x']", "'hyper-x' is no key"),
        ] {
            let error = format!("{:#}", Config::parse(text).expect_err(text));
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn no_color_wins_over_the_settings() {
        let config = Config::parse("colour_depth = '24bit'").expect("a depth");
        let theme = config.theme(|name| (name == "NO_COLOR").then(|| "1".into()));
        assert_eq!(theme.depth, ColourDepth::Mono);
    }
}
