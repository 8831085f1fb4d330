//! Acting on sounds: those that are marked, or else the selected one, are copied, cut, exported,
//! tagged and handed to other programs.
//!
//! It stands apart because nothing here changes the query or what is heard; the deeds themselves are
//! done by a worker, which tells in a line how each of them went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::hearing::chosen_span;
use super::{Action, App, Ask, Command, Line, Mode, matched_span, step};
use crate::display::count;
use crate::export::{Item, Placing};
use crate::library::ContentHash;
use crate::library::marks::{Marks, tag};
use crate::tui::worker::Deed;

/// What is marked for a deed, and what is marked for good.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Acting {
    /// The sounds that the next deed is done to, in the order in which they were marked.
    marked: Vec<Target>,
    /// Favourites and tags of all sounds that have any.
    pub marks: BTreeMap<ContentHash, Marks>,
    /// The folder that was last asked for.
    folder: String,
}

/// A sound that something is done to.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    item: Item,
    content: ContentHash,
}

impl Acting {
    /// True when a file is marked.
    pub fn is_marked(&self, path: &Path) -> bool {
        self.marked.iter().any(|target| target.item.path == path)
    }

    /// How many files are marked.
    pub fn count(&self) -> usize {
        self.marked.len()
    }

    /// True when a content is a favourite.
    pub fn is_favourite(&self, content: &ContentHash) -> bool {
        self.marks.get(content).is_some_and(|marks| marks.favourite)
    }

    /// The tags of a content, in one line.
    pub fn tags(&self, content: &ContentHash) -> String {
        let marks = self.marks.get(content);
        let tags = marks.into_iter().flat_map(|marks| &marks.tags);
        tags.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// How many sounds are favourites.
    pub fn favourites(&self) -> usize {
        self.marks.values().filter(|marks| marks.favourite).count()
    }

    /// All tags, in order, with how many sounds have each.
    pub fn all_tags(&self) -> BTreeMap<&str, usize> {
        let mut tags = BTreeMap::new();
        for tag in self.marks.values().flat_map(|marks| &marks.tags) {
            *tags.entry(tag.as_str()).or_default() += 1;
        }
        tags
    }
}

/// Takes an action that does something to sounds.
pub fn act(app: &mut App, action: &Action) -> Vec<Command> {
    if matches!(action, Action::UnmarkAll) {
        app.acting.marked.clear();
        return vec![];
    }
    let targets = targets(app);
    let Some(first) = targets.first() else {
        app.tell("no sound is selected");
        return vec![];
    };
    let paths = || -> Vec<PathBuf> { targets.iter().map(|t| t.item.path.clone()).collect() };
    match action {
        Action::Mark => return mark(app),
        Action::Favourite => return favourite(app, &targets),
        Action::CopyPaths => return copy_paths(app, &paths()),
        Action::Drag => return vec![Command::Do(Deed::Drag(paths()))],
        Action::Open => return vec![Command::Do(Deed::Open(paths()))],
        Action::Reveal => return vec![Command::Do(Deed::Reveal(first.item.path.clone()))],
        Action::Tag => {
            // Of one sound the tags are edited, to several they are added.
            let tags = match targets.as_slice() {
                [only] => app.acting.tags(&only.content),
                _ => String::new(),
            };
            ask(app, Ask::Tags, tags);
        }
        Action::CopyFiles => {
            let folder = app.acting.folder.clone();
            ask(app, Ask::CopyTo, folder);
        }
        Action::LinkFiles => {
            let folder = app.acting.folder.clone();
            ask(app, Ask::LinkTo, folder);
        }
        Action::Export => ask(app, Ask::Export, "soundseek.m3u".to_string()),
        Action::Cut => {
            let name = name_of_cut(app);
            ask(app, Ask::CutTo, name);
        }
        _ => {}
    }
    vec![]
}

/// Does what a line was asked for.
pub fn choose(app: &mut App, asked: Ask) -> Vec<Command> {
    let typed = app.prompt.take();
    let typed = typed.trim().to_string();
    app.close();
    let targets = targets(app);
    if asked == Ask::Tags {
        return set_tags(app, &targets, &typed);
    }
    if typed.is_empty() || targets.is_empty() {
        return vec![];
    }
    let to = PathBuf::from(&typed);
    let deed = match asked {
        Ask::CopyTo | Ask::LinkTo => {
            app.acting.folder = typed;
            Deed::Place {
                files: targets.into_iter().map(|t| t.item.path).collect(),
                folder: to,
                placing: match asked {
                    Ask::LinkTo => Placing::SymLink,
                    _ => Placing::Copy,
                },
            }
        }
        Ask::Export => Deed::Export {
            items: targets.into_iter().map(|t| t.item).collect(),
            to,
        },
        Ask::CutTo => {
            let Some((path, span)) = app.results.path().map(Path::to_path_buf).zip(span(app))
            else {
                return vec![];
            };
            Deed::Cut { path, span, to }
        }
        Ask::Folder | Ask::Name | Ask::Tags => return vec![],
    };
    vec![Command::Do(deed)]
}

fn ask(app: &mut App, what: Ask, text: String) {
    app.open_over(Mode::Prompt(what));
    app.prompt = Line::new(text);
}

/// The marked sounds, or else the selected one.
fn targets(app: &App) -> Vec<Target> {
    if app.acting.marked.is_empty() {
        return selected(app).into_iter().collect();
    }
    // Tags may have changed since a sound was marked.
    let mut targets = app.acting.marked.clone();
    for target in &mut targets {
        target.item.tags = tags_of(app, &target.content);
    }
    targets
}

fn selected(app: &App) -> Option<Target> {
    let hit = app.results.hit()?;
    let content = hit.record.content;
    Some(Target {
        item: Item {
            path: app.results.path()?.to_path_buf(),
            duration_s: hit.record.sound.duration_s,
            span: matched_span(hit).map(|span| {
                let end_s = span.end_s.unwrap_or(hit.record.sound.duration_s);
                (span.start_s, end_s)
            }),
            strength: app.results.ranked().then_some(hit.strength),
            tags: tags_of(app, &content),
        },
        content,
    })
}

fn tags_of(app: &App, content: &ContentHash) -> Vec<String> {
    let marks = app.acting.marks.get(content);
    marks.map_or(vec![], |marks| marks.tags.iter().cloned().collect())
}

/// Marks the selected sound, or takes its mark away, and goes on to the next one.
fn mark(app: &mut App) -> Vec<Command> {
    let Some(target) = selected(app) else {
        return vec![];
    };
    let marked = &mut app.acting.marked;
    match marked.iter().position(|t| t.item.path == target.item.path) {
        Some(place) => {
            marked.remove(place);
        }
        None => marked.push(target),
    }
    step(app, 1)
}

/// Makes all of them favourites; none of them, when all are.
fn favourite(app: &mut App, targets: &[Target]) -> Vec<Command> {
    let all = targets.iter().all(|t| app.acting.is_favourite(&t.content));
    let changed = targets.iter().map(|target| {
        let marks = app.acting.marks.get(&target.content);
        let marks = marks.cloned().unwrap_or_default();
        (
            target.content,
            Marks {
                favourite: !all,
                ..marks
            },
        )
    });
    let changed = changed.collect();
    put_marks(app, changed)
}

fn set_tags(app: &mut App, targets: &[Target], typed: &str) -> Vec<Command> {
    let typed = typed.split(',').filter(|part| !part.trim().is_empty());
    let tags = match typed.map(tag).collect::<Result<Vec<_>, _>>() {
        Ok(tags) => tags,
        Err(error) => {
            app.complain(error.to_string());
            return vec![];
        }
    };
    let replace = targets.len() == 1;
    let changed = targets.iter().map(|target| {
        let marks = app.acting.marks.get(&target.content);
        let mut marks = marks.cloned().unwrap_or_default();
        if replace {
            marks.tags.clear();
        }
        marks.tags.extend(tags.iter().cloned());
        (target.content, marks)
    });
    let changed = changed.collect();
    put_marks(app, changed)
}

/// Takes marks in at once and has them written.
fn put_marks(app: &mut App, changed: Vec<(ContentHash, Marks)>) -> Vec<Command> {
    for (content, marks) in &changed {
        if marks.is_empty() {
            app.acting.marks.remove(content);
        } else {
            app.acting.marks.insert(*content, marks.clone());
        }
    }
    vec![Command::Do(Deed::Mark(changed))]
}

fn copy_paths(app: &mut App, paths: &[PathBuf]) -> Vec<Command> {
    let text: Option<Vec<&str>> = paths.iter().map(|path| path.to_str()).collect();
    let Some(text) = text else {
        app.complain("a path that is no Unicode cannot be put on the clipboard");
        return vec![];
    };
    app.tell(match text.as_slice() {
        [only] => format!("copied {only}"),
        several => format!("copied {}", count(several.len(), "path")),
    });
    vec![Command::CopyText(text.join("\n"))]
}

/// The selected part, the moment that matched, or all of the sound.
fn span(app: &App) -> Option<crate::audio::Span> {
    app.results.hit()?;
    Some(chosen_span(app).unwrap_or(crate::audio::Span {
        start_s: 0.0,
        end_s: None,
    }))
}

/// `take 3 1m02.5s.wav`: the sound's name and where in it the cut begins.
fn name_of_cut(app: &App) -> String {
    let path = app.results.path().unwrap_or(Path::new("cut"));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let start_s = span(app).map_or(0.0, |span| span.start_s);
    let (minutes, seconds) = ((start_s / 60.0) as u64, start_s % 60.0);
    format!("{stem} {minutes}m{seconds:04.1}s.wav")
}
