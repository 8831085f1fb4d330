//! From a key to the frame that shows its answer: the query worker, the answer, the drawing. Typing is
//! measured as it is felt, each letter a new description; what a terminal needs to show the frame is
//! not counted. The library is that of the queries' bench; `SOUNDSEEK_BENCH_N` sets its size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use crossbeam_channel::{Receiver, unbounded};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use soundseek::embed::Embedder;
use soundseek::export::Desktop;
use soundseek::library::Library;
use soundseek::model::{Checkpoint, Device};
use soundseek::tui::worker::{Response, Workers};
use soundseek::tui::{
    Action, App, ColourDepth, Command, Ground, Hearing, KeyMap, Palette, Theme, draw, update,
};

use crate::made_up::fill;
use crate::query;

pub fn tui(c: &mut Criterion) {
    let files = query::files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = Library::open(folder.path()).expect("a library");
    let load = || Embedder::load(&Checkpoint::BuiltIn, Device::Cpu);
    fill(&library, &load().expect("the built-in model"), files);
    let mut desk = Desk::new(library, Box::new(load));
    let mut group = c.benchmark_group("tui");
    group.bench_function(format!("{files} files/letter to frame"), |b| {
        b.iter_custom(|letters| (0..letters).map(|_| desk.type_letter()).sum());
    });
    group.bench_function(format!("{files} files/frame"), |b| b.iter(|| desk.draw()));
    group.bench_function(format!("{files} files/move to frame"), |b| {
        b.iter(|| {
            desk.act(Action::Next);
            desk.draw();
        });
    });
    group.finish();
}

/// The terminal UI with its workers and a screen in memory.
struct Desk {
    app: App,
    terminal: Terminal<TestBackend>,
    workers: Workers,
    answers: Receiver<Response>,
    letters: usize,
}

impl Desk {
    fn new(library: Library, load: soundseek::tui::worker::LoadModel) -> Desk {
        let (sender, answers) = unbounded();
        let answer = Arc::new(move |response| drop(sender.send(response)));
        let palette = Palette::of(Ground::Dark);
        let theme = Theme::new(Ground::Dark, ColourDepth::True, palette);
        let hearing = Hearing::new(0.0, false);
        let mut desk = Desk {
            app: App::new(KeyMap::default(), theme, hearing),
            terminal: Terminal::new(TestBackend::new(120, 40)).expect("a terminal"),
            workers: Workers::start(
                library,
                load,
                vec![],
                Desktop::new("".as_ref(), false),
                answer,
            ),
            answers,
            letters: 0,
        };
        desk.act(Action::Resize(120, 40));
        desk.settle();
        desk
    }

    fn act(&mut self, action: Action) {
        for command in update(&mut self.app, action) {
            // The files are not there, so there is nothing to be drawn or heard.
            if let Command::Search(request) = command {
                self.workers.search(request);
            }
        }
    }

    fn draw(&mut self) {
        let app = &self.app;
        self.terminal.draw(|frame| draw(app, frame)).expect("drawn");
    }

    /// Takes answers until the last question is answered.
    fn settle(&mut self) {
        while self.app.opening == soundseek::tui::Opening::Loading || self.app.is_searching() {
            let response = self.answers.recv().expect("the workers work");
            self.act(Action::Answer(Box::new(response)));
        }
    }

    /// Types a letter of a text that was not asked for before, up to the frame with its answer.
    fn type_letter(&mut self) -> Duration {
        if self.letters.is_multiple_of(24) {
            self.act(Action::ClearLine);
            self.settle();
            self.letters += 1;
            for digit in self.letters.to_string().chars() {
                self.act(Action::Type(digit));
            }
            self.settle();
        }
        let letter = char::from(b'a' + (self.letters * 7 % 26) as u8);
        self.letters += 1;
        let pressed = Instant::now();
        self.act(Action::Type(letter));
        self.settle();
        self.draw();
        pressed.elapsed()
    }
}
