//! Hearing the selected sound: what plays, from where, and the part that is selected in it.
//!
//! It stands apart because it follows another clock than the rest: the player tells where it is, and
//! what it tells of an earlier play is passed over.

use std::path::{Path, PathBuf};

use super::{Action, App, Command, Mode, matched_span};
use crate::audio::Span;
use crate::playback::{Play, PlayId, PlaybackEvent};

/// How much one key press changes the volume.
const VOLUME_STEP: f32 = 0.05;

/// The share of a sound that one step of seeking passes, and the most and least that it is in seconds.
const SEEK_SHARE: f64 = 0.05;
const SEEK_BOUNDS_S: (f64, f64) = (0.05, 5.0);

/// The least strength of a peak that is worth going to, as a share of the best one's.
const PEAK_SHARE: f32 = 0.6;

/// What is heard, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Hearing {
    /// What plays now.
    pub playing: Option<Playing>,
    /// From 0 to 1.
    pub volume: f32,
    /// Over and over.
    pub looped: bool,
    /// What is selected is played at once.
    pub audition: bool,
    /// The part of the selected sound that is selected, in seconds.
    pub part: Option<(f64, f64)>,
    /// The last play's name.
    last: PlayId,
}

/// A sound that plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Playing {
    /// Its name for the player.
    play: PlayId,
    /// The file.
    pub path: PathBuf,
    /// Where the sound is that is heard now, in seconds.
    pub at_s: f64,
}

impl Hearing {
    /// Silence.
    pub fn new(volume: f32, audition: bool) -> Hearing {
        Hearing {
            playing: None,
            volume,
            looped: false,
            audition,
            part: None,
            last: 0,
        }
    }

    /// Where a file plays now, in seconds.
    pub fn at_s(&self, path: &Path) -> Option<f64> {
        let playing = self.playing.as_ref()?;
        (playing.path == path).then_some(playing.at_s)
    }
}

/// Takes an action that is about hearing.
pub fn act(app: &mut App, action: &Action) -> Vec<Command> {
    match action {
        Action::PlayStop if at_s(app).is_some() => {
            app.hearing.playing = None;
            vec![Command::Stop]
        }
        Action::PlayStop | Action::PlayMoment => play_moment(app),
        Action::PlayStart => play_from(app, 0.0, None),
        Action::SeekBack => seek_by(app, -1.0),
        Action::SeekOn => seek_by(app, 1.0),
        Action::SeekTo(share) => {
            app.hearing.part = None;
            let Some(length_s) = length_s(app) else {
                return vec![];
            };
            seek_to(app, share * length_s)
        }
        Action::DragTo(share) => {
            drag_to(app, *share);
            vec![]
        }
        Action::NextPeak => to_peak(app, true),
        Action::PreviousPeak => to_peak(app, false),
        Action::Loop => {
            app.hearing.looped = !app.hearing.looped;
            app.tell(if app.hearing.looped { "loop" } else { "once" });
            vec![Command::SetLoop(app.hearing.looped)]
        }
        Action::Louder => set_volume(app, VOLUME_STEP),
        Action::Softer => set_volume(app, -VOLUME_STEP),
        Action::Audition => {
            app.hearing.audition = !app.hearing.audition;
            app.tell(if app.hearing.audition {
                "what is selected is played at once"
            } else {
                "sounds are played when asked"
            });
            vec![]
        }
        Action::SelectFrom => {
            set_part(app, |_, end_s, at_s| (at_s, end_s));
            vec![]
        }
        Action::SelectTo => {
            set_part(app, |start_s, _, at_s| (start_s, at_s));
            vec![]
        }
        _ => vec![],
    }
}

/// What a change of the selection sounds like: the new sound, if it is to be heard at once.
pub fn audition(app: &mut App) -> Vec<Command> {
    if app.hearing.audition && app.mode == Mode::Results {
        return play_moment(app);
    }
    vec![]
}

/// Takes in what the player tells.
pub fn hear(app: &mut App, event: PlaybackEvent) {
    let is_now = |app: &App, play| {
        let playing = app.hearing.playing.as_ref();
        playing.is_some_and(|playing| playing.play == play)
    };
    match event {
        PlaybackEvent::Position { play, at_s } if is_now(app, play) => {
            if let Some(playing) = &mut app.hearing.playing {
                playing.at_s = at_s;
            }
        }
        PlaybackEvent::Ended { play } if is_now(app, play) => app.hearing.playing = None,
        PlaybackEvent::Failed { play, message } if is_now(app, play) => {
            app.hearing.playing = None;
            app.complain(message);
        }
        _ => {}
    }
}

/// The part that is selected, or else the moment that matched.
pub fn chosen_span(app: &App) -> Option<Span> {
    match app.hearing.part {
        Some((start_s, end_s)) => Some(Span {
            start_s,
            end_s: Some(end_s),
        }),
        None => app.results.hit().and_then(matched_span),
    }
}

fn play_moment(app: &mut App) -> Vec<Command> {
    let (start_s, end_s) = match app.hearing.part {
        Some((start_s, end_s)) => (start_s, Some(end_s)),
        // Beyond the moment it goes on: who has found it wants to hear what follows.
        None => {
            let moment = app.results.hit().and_then(matched_span);
            (moment.map_or(0.0, |span| span.start_s), None)
        }
    };
    play_from(app, start_s, end_s)
}

fn play_from(app: &mut App, start_s: f64, end_s: Option<f64>) -> Vec<Command> {
    let Some(path) = app.results.path().map(Path::to_path_buf) else {
        return vec![];
    };
    play_file(app, path, start_s, end_s)
}

/// Plays any file, whether or not it is a result.
pub fn play_file(app: &mut App, path: PathBuf, start_s: f64, end_s: Option<f64>) -> Vec<Command> {
    app.hearing.last += 1;
    app.hearing.playing = Some(Playing {
        play: app.hearing.last,
        path: path.clone(),
        at_s: start_s,
    });
    vec![Command::Play(
        app.hearing.last,
        Play {
            path,
            start_s,
            end_s,
            looped: app.hearing.looped,
        },
    )]
}

fn length_s(app: &App) -> Option<f64> {
    app.results.hit().map(|hit| hit.record.sound.duration_s)
}

fn at_s(app: &App) -> Option<f64> {
    app.hearing.at_s(app.results.path()?)
}

fn seek_by(app: &mut App, steps: f64) -> Vec<Command> {
    let (Some(at_s), Some(length_s)) = (at_s(app), length_s(app)) else {
        return play_moment(app);
    };
    let step_s = (length_s * SEEK_SHARE).clamp(SEEK_BOUNDS_S.0, SEEK_BOUNDS_S.1);
    seek_to(app, at_s + steps * step_s)
}

fn seek_to(app: &mut App, to_s: f64) -> Vec<Command> {
    let Some(length_s) = length_s(app) else {
        return vec![];
    };
    let to_s = to_s.clamp(0.0, length_s);
    if at_s(app).is_none() {
        return play_from(app, to_s, None);
    }
    if let Some(playing) = &mut app.hearing.playing {
        playing.at_s = to_s;
    }
    vec![Command::Seek(to_s)]
}

fn set_volume(app: &mut App, change: f32) -> Vec<Command> {
    let volume = (app.hearing.volume + change).clamp(0.0, 1.0);
    app.hearing.volume = volume;
    app.tell(format!("volume {:.0} %", volume * 100.0));
    vec![Command::SetVolume(volume)]
}

/// Sets an edge of the selected part at the playhead; what would be turned round starts anew.
fn set_part(app: &mut App, how: impl FnOnce(f64, f64, f64) -> (f64, f64)) {
    let (Some(at_s), Some(length_s)) = (at_s(app), length_s(app)) else {
        app.tell("play the sound and press this where the part is to begin or end");
        return;
    };
    let (start_s, end_s) = app.hearing.part.unwrap_or((0.0, length_s));
    let (start_s, end_s) = how(start_s, end_s, at_s);
    app.hearing.part = Some(if start_s < end_s {
        (start_s, end_s)
    } else if at_s == start_s {
        (at_s, length_s)
    } else {
        (0.0, at_s)
    });
}

/// Selects from where the mouse was pressed to where it is.
fn drag_to(app: &mut App, share: f64) {
    let (Some(length_s), Some(pressed)) = (length_s(app), app.pressed) else {
        return;
    };
    let (a, b) = (pressed * length_s, share * length_s);
    app.hearing.part = (a != b).then_some((a.min(b), a.max(b)));
}

/// To the next moment that matches well, or the one before.
fn to_peak(app: &mut App, forward: bool) -> Vec<Command> {
    let at_s = at_s(app).or_else(|| app.results.hit().map(|hit| f64::from(hit.moment.0)));
    let Some(at_s) = at_s else {
        return vec![];
    };
    let peaks = peaks(app);
    // A playhead that has just been sent to a peak has gone on a little since.
    let next = if forward {
        peaks.iter().copied().find(|peak| *peak > at_s + 0.01)
    } else {
        peaks.iter().rev().copied().find(|peak| *peak < at_s - 1.0)
    };
    match next {
        Some(peak) => seek_to(app, peak),
        None => {
            app.tell("there is no other moment that matches as well");
            vec![]
        }
    }
}

/// Where the moments begin that match better than those beside them, in seconds.
fn peaks(app: &App) -> Vec<f64> {
    let curve = app.drawing.curve.as_slice();
    let best = curve.iter().map(|point| point.strength).fold(0.0, f32::max);
    let strength = |place: usize| curve.get(place).map_or(0.0, |point| point.strength);
    let is_peak = |place: usize| {
        let here = strength(place);
        here >= best * PEAK_SHARE
            && here >= strength(place + 1)
            && place
                .checked_sub(1)
                .is_none_or(|before| here > strength(before))
    };
    let starts = (0..curve.len()).filter(|place| is_peak(*place));
    starts
        .map(|place| f64::from(curve[place].moment.0))
        .collect()
}
