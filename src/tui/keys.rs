//! From a key on the keyboard to what it asks for, by the table of offers and the person's own keys.
//!
//! It stands apart from the state, which never sees a key, and from the config file, which only names
//! keys: here is what a chord is, how it is written, and which meaning wins.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use anyhow::{Result, bail};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;
use super::offers::{Context, OFFERS, Offer};

/// A key with the modifiers that are held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// The keys that are written as words.
const NAMED: &[(&str, KeyCode, &str)] = &[
    ("space", KeyCode::Char(' '), "Space"),
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("tab", KeyCode::Tab, "Tab"),
    ("backtab", KeyCode::BackTab, "Shift-Tab"),
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
    ("backspace", KeyCode::Backspace, "Backspace"),
    ("delete", KeyCode::Delete, "Del"),
    ("insert", KeyCode::Insert, "Ins"),
];

const MODIFIERS: &[(&str, KeyModifiers, &str)] = &[
    ("ctrl-", KeyModifiers::CONTROL, "Ctrl-"),
    ("alt-", KeyModifiers::ALT, "Alt-"),
    ("shift-", KeyModifiers::SHIFT, "Shift-"),
];

impl Chord {
    /// The chord of a key event. Which letter it is says already whether Shift was held.
    pub fn of(key: &KeyEvent) -> Chord {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        if matches!(key.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers -= KeyModifiers::SHIFT;
        }
        Chord {
            code: key.code,
            modifiers,
        }
    }

    /// Reads `j`, `G`, `space`, `ctrl-f`, `alt-left`, `f1`.
    ///
    /// # Errors
    ///
    /// When it is no key; the text says how keys are written.
    pub fn parse(text: &str) -> Result<Chord> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        while let Some((name, modifier, _)) = MODIFIERS
            .iter()
            .find(|(name, _, _)| rest.starts_with(name) && rest.len() > name.len())
        {
            rest = &rest[name.len()..];
            modifiers |= *modifier;
        }
        let mut characters = rest.chars();
        let function = rest.strip_prefix('f').and_then(|n| n.parse::<u8>().ok());
        let named = NAMED.iter().find(|(name, _, _)| *name == rest);
        let code = match (characters.next(), characters.next(), named, function) {
            (Some(character), None, _, _) => KeyCode::Char(character),
            (_, _, Some((_, code, _)), _) => *code,
            (_, _, _, Some(n)) if (1..=24).contains(&n) => KeyCode::F(n),
            _ => bail!(
                "'{text}' is no key: write a character, a name such as space, enter, pageup or f1, \
                 and before it ctrl-, alt- or shift-"
            ),
        };
        Ok(Chord { code, modifiers })
    }

    /// The character that the chord types into a line, if it does.
    pub fn typed(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(character) if self.modifiers.is_empty() => Some(character),
            _ => None,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, modifier, shown) in MODIFIERS {
            if self.modifiers.contains(*modifier) {
                f.write_str(shown)?;
            }
        }
        if let Some((_, _, shown)) = NAMED.iter().find(|(_, code, _)| *code == self.code) {
            return f.write_str(shown);
        }
        match self.code {
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                write!(f, "{}", c.to_uppercase())
            }
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "F{n}"),
            other => write!(f, "{other}"),
        }
    }
}

/// What keys mean.
#[derive(Debug, Clone)]
pub struct KeyMap {
    /// The chords of each offer, by its place in [`OFFERS`].
    chords: Vec<Vec<Chord>>,
    meanings: HashMap<(Context, Chord), usize>,
}

/// Keys of a person's own: for a context, the name of an offer and its keys.
pub type OwnKeys = BTreeMap<String, BTreeMap<String, Vec<String>>>;

impl KeyMap {
    /// The built-in keys, with those of the offers that are named replaced. An own key takes it away
    /// from the built-in meaning that it had in its context.
    ///
    /// # Errors
    ///
    /// When a context, an offer or a key has no meaning, or one key is given two.
    pub fn new(own: &OwnKeys) -> Result<KeyMap> {
        for (context, names) in own {
            let known = Context::ALL.iter().find(|known| known.name() == context);
            let Some(known) = known else {
                bail!(
                    "there is no place '{context}' for keys; there are {}",
                    list(Context::ALL.iter().map(|context| context.name()))
                );
            };
            let offers = || OFFERS.iter().filter(|offer| offer.context == *known);
            for name in names.keys() {
                if !offers().any(|offer| offer.name == name) {
                    bail!(
                        "there is no action '{name}' in {context}; there are {}",
                        list(offers().map(|offer| offer.name))
                    );
                }
            }
        }
        let mut map = KeyMap {
            chords: vec![vec![]; OFFERS.len()],
            meanings: HashMap::new(),
        };
        let own_of = |offer: &Offer| own.get(offer.context.name())?.get(offer.name);
        for (place, offer) in OFFERS.iter().enumerate() {
            for key in own_of(offer).into_iter().flatten() {
                let chord = Chord::parse(key)?;
                if let Some(other) = map.meanings.insert((offer.context, chord), place) {
                    bail!(
                        "the key '{key}' is given to both '{}' and '{}' in {}",
                        OFFERS[other].name,
                        offer.name,
                        offer.context.name()
                    );
                }
                map.chords[place].push(chord);
            }
        }
        for (place, offer) in OFFERS.iter().enumerate() {
            if own_of(offer).is_some() {
                continue;
            }
            for key in offer.keys {
                let chord = Chord::parse(key)?;
                if let Entry::Vacant(free) = map.meanings.entry((offer.context, chord)) {
                    free.insert(place);
                    map.chords[place].push(chord);
                }
            }
        }
        Ok(map)
    }

    /// What a chord asks for in a context, if anything.
    pub fn action(&self, context: Context, chord: Chord) -> Option<&'static Action> {
        let place = self
            .meanings
            .get(&(context, chord))
            .or_else(|| self.meanings.get(&(Context::Everywhere, chord)))?;
        Some(&OFFERS[*place].action)
    }

    /// The offers of a context and their keys, in the order of the help.
    pub fn offers(&self, context: Context) -> impl Iterator<Item = (&'static Offer, &[Chord])> {
        let all = OFFERS.iter().zip(&self.chords);
        all.filter(move |(offer, _)| offer.context == context)
            .map(|(offer, chords)| (offer, chords.as_slice()))
    }

    /// The first key of an action in a context, as it is shown in hints.
    pub fn key_of(&self, context: Context, action: &Action) -> Option<String> {
        let mut offers = self.offers(context);
        let (_, chords) = offers.find(|(offer, _)| offer.action == *action)?;
        chords.first().map(ToString::to_string)
    }
}

impl Default for KeyMap {
    fn default() -> KeyMap {
        KeyMap::new(&OwnKeys::new()).expect("the built-in keys can be read")
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(context: &str, name: &str, keys: &[&str]) -> OwnKeys {
        let keys = keys.iter().map(ToString::to_string).collect();
        OwnKeys::from([(context.into(), BTreeMap::from([(name.into(), keys)]))])
    }

    fn chord(text: &str) -> Chord {
        Chord::parse(text).expect(text)
    }

    #[test]
    fn every_built_in_key_has_one_meaning_in_its_place() {
        let map = KeyMap::default();
        for (offer, chords) in OFFERS.iter().zip(&map.chords) {
            assert_eq!(
                chords.len(),
                offer.keys.len(),
                "a key of '{}' is taken in {}",
                offer.name,
                offer.context.name()
            );
        }
    }

    #[test]
    fn own_keys_replace_those_of_an_action_and_take_them_from_others() {
        let map = KeyMap::new(&own("results", "next", &["s", "ctrl-n"])).expect("a key map");
        let meaning = |key: &str| map.action(Context::Results, chord(key));
        assert_eq!(meaning("s"), Some(&Action::Next));
        assert_eq!(meaning("ctrl-n"), Some(&Action::Next));
        assert_eq!(meaning("j"), None);
        assert_eq!(map.key_of(Context::Results, &Action::Similar), None);
    }

    #[test]
    fn wrong_own_keys_are_explained() {
        for (own, part) in [
            (own("lobby", "next", &["j"]), "there is no place 'lobby'"),
            (
                own("results", "dance", &["j"]),
                "there is no action 'dance'",
            ),
            (own("results", "next", &["hyper-j"]), "'hyper-j' is no key"),
            (own("results", "next", &["j", "j"]), "given to both"),
        ] {
            let error = KeyMap::new(&own).expect_err("refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn chords_are_read_and_shown() {
        for (text, shown) in [
            ("ctrl-f", "Ctrl-F"),
            ("alt-left", "Alt-←"),
            ("-", "-"),
            ("ctrl--", "Ctrl--"),
            ("f12", "F12"),
            ("f", "f"),
            ("space", "Space"),
            ("shift-up", "Shift-↑"),
        ] {
            assert_eq!(chord(text).to_string(), shown);
        }
        let event = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(&event), chord("G"));
    }
}
