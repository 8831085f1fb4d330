//! A terminal UI without a terminal: keys in, commands and screens out, and a worker that the test
//! itself plays, as late and as out of order as it likes.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use soundseek::library::{FileRecord, SoundRecord, Stamp};
use soundseek::overview::Overview;
use soundseek::search::{CurvePoint, Hit};
use soundseek::tui::worker::{LibraryFacts, Request, Response};
use soundseek::tui::{
    Action, App, Chord, ColourDepth, Command, Ground, Hearing, KeyMap, Palette, Theme, draw, update,
};

/// The state, and what it has asked for since it was last looked.
pub struct Desk {
    pub app: App,
    pub commands: Vec<Command>,
    /// The last request for a drawing, and for a match.
    drawing: u64,
    matching: u64,
}

impl Desk {
    /// A screen of 80 by 24, with nothing known yet.
    pub fn new() -> Desk {
        Desk::with_colours(ColourDepth::True)
    }

    pub fn with_colours(depth: ColourDepth) -> Desk {
        let palette = Palette::of(Ground::Dark);
        let theme = Theme::new(Ground::Dark, depth, palette);
        let hearing = Hearing::new(0.8, true);
        let mut desk = Desk {
            app: App::new(KeyMap::default(), theme, hearing),
            commands: vec![],
            drawing: 0,
            matching: 0,
        };
        desk.act(Action::Resize(80, 24));
        desk
    }

    /// With an open library of so many files below `/sounds`.
    pub fn open(files: usize) -> Desk {
        let mut desk = Desk::new();
        desk.hear(Response::Library(facts(files)));
        desk
    }

    /// With results in the list and the keys on it.
    pub fn with_results(hits: Vec<Hit>) -> Desk {
        let mut desk = Desk::open(2_128);
        desk.type_text("drum");
        desk.answer(hits);
        desk.press("enter");
        desk.commands.clear();
        desk
    }

    pub fn act(&mut self, action: Action) {
        let commands = update(&mut self.app, action);
        for command in &commands {
            match command {
                Command::Draw(request) => self.drawing = request.generation,
                Command::Match(request) => self.matching = request.generation,
                _ => {}
            }
        }
        self.commands.extend(commands);
    }

    /// Presses keys, written as in the config file with spaces between them.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            let chord = Chord::parse(key).expect("a key");
            if let Some(action) = self.app.action_of(chord) {
                self.act(action);
            }
        }
    }

    /// Types a text, letter by letter.
    pub fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            let chord = match letter {
                ' ' => Chord::parse("space"),
                letter => Chord::parse(&letter.to_string()),
            };
            let action = self.app.action_of(chord.expect("a key"));
            self.act(action.expect("a letter means something"));
        }
    }

    /// Presses the left button of the mouse.
    pub fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    }

    pub fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let event = MouseEvent {
            kind,
            column,
            row,
            modifiers: crossterm::event::KeyModifiers::NONE,
        };
        if let Some(action) = soundseek::tui::mouse_action(&self.app, &event) {
            self.act(action);
        }
    }

    pub fn hear(&mut self, response: Response) {
        self.act(Action::Answer(Box::new(response)));
    }

    /// The last question that was asked.
    pub fn question(&self) -> &Request {
        self.questions().last().expect("a question was asked")
    }

    pub fn questions(&self) -> Vec<&Request> {
        let commands = self.commands.iter();
        commands
            .filter_map(|command| match command {
                Command::Search(request) => Some(request),
                _ => None,
            })
            .collect()
    }

    /// Answers the last question.
    pub fn answer(&mut self, hits: Vec<Hit>) {
        let generation = self.question().generation;
        self.answer_to(generation, Ok(hits));
    }

    pub fn answer_to(&mut self, generation: u64, hits: Result<Vec<Hit>, String>) {
        self.hear(Response::Found { generation, hits });
    }

    /// Answers the last request for a drawing.
    pub fn drawn(&mut self, overview: Result<Arc<Overview>, String>) {
        let generation = self.drawing;
        self.hear(Response::Drawn {
            generation,
            overview,
        });
    }

    /// Answers the last request for a match: moments of these strengths, of `length_s` every `hop_s`.
    pub fn matched(&mut self, hop_s: f32, length_s: f32, strengths: &[f32]) {
        let point = |(place, &strength): (usize, &f32)| CurvePoint {
            moment: (place as f32 * hop_s, place as f32 * hop_s + length_s),
            similarity: strength,
            strength,
        };
        let generation = self.matching;
        self.hear(Response::Matched {
            generation,
            curve: strengths.iter().enumerate().map(point).collect(),
        });
    }

    /// The name of the selected file.
    pub fn selected(&self) -> String {
        let path = self.app.results.path().expect("something is selected");
        path.file_name().expect("a name").to_string_lossy().into()
    }

    /// What is on a screen of this size.
    pub fn screen(&mut self, width: u16, height: u16) -> String {
        text_of(&self.buffer(width, height))
    }

    pub fn buffer(&mut self, width: u16, height: u16) -> Buffer {
        self.act(Action::Resize(width, height));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal
            .draw(|frame| draw(&self.app, frame))
            .expect("drawn");
        terminal.backend().buffer().clone()
    }
}

/// The characters of a screen, line by line, without the spaces at the ends.
pub fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut hidden = 0;
        for column in row.columns() {
            let symbol = buffer[(column.x, column.y)].symbol();
            if hidden == 0 {
                line.push_str(symbol);
                hidden = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            hidden -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

pub fn facts(files: usize) -> LibraryFacts {
    LibraryFacts {
        files,
        roots: vec![PathBuf::from("/sounds")],
        failed: vec![],
    }
}

/// A hit below `/sounds` that matches as a whole.
pub fn hit(rank: usize, path: &str, strength: f32, length_s: f64) -> Hit {
    let sound = SoundRecord {
        format: "WAV".into(),
        codec: "16-bit PCM".into(),
        sample_rate_hz: 44_100,
        channels: 2,
        duration_s: length_s,
        damage: None,
    };
    Hit {
        rank,
        path: PathBuf::from("/sounds").join(path),
        record: FileRecord {
            stamp: Stamp {
                size: 1,
                modified_ns: 0,
            },
            content: [rank as u8; 32],
            sound,
        },
        moment: (0.0, length_s as f32),
        similarity: strength,
        strength,
        alike: vec![],
    }
}

/// So many hits, each weaker than the one before.
pub fn hits(count: usize) -> Vec<Hit> {
    let one = |place: usize| {
        let strength = 0.97 * 0.9f32.powi(place as i32);
        let path = format!("drums/kit-{}/hit-{:03}.wav", place % 4, place + 1);
        hit(place + 1, &path, strength, 0.4 + place as f64 * 0.3)
    };
    (0..count).map(one).collect()
}
