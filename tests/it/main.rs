//! The integration tests of `soundseek`, one binary.
//!
//! Each module says in its first lines what belongs in it.

mod support;

mod accelerator;
mod adapt;
mod audio;
mod audio_damage;
mod audio_resampling;
mod audio_segments;
mod checkpoint;
mod checkpoint_refusals;
mod cli;
mod corpora;
mod crash;
mod demo;
mod desk;
mod export;
#[cfg(target_os = "linux")]
mod failing_disk;
#[cfg(target_os = "linux")]
#[path = "../../index/tests/it/faulty_disk.rs"]
mod faulty_disk;
mod format;
mod golden;
mod golden_mel;
mod hostile_names;
mod hub;
mod hub_refusals;
mod hub_server;
mod hub_ways;
mod ingest;
mod labels;
mod long_running;
mod map;
mod marks;
mod models;
mod no_network;
mod odd_files;
mod odd_input;
mod out_of_reach;
mod overview;
mod playback;
mod precision;
mod search;
#[cfg(unix)]
mod sharing;
mod telling;
mod terminal;
mod tui;
mod tui_acting;
mod tui_deeds;
mod tui_drawings;
mod tui_following;
mod tui_map;
mod tui_screens;
mod unread;
mod upkeep;
mod watch;
