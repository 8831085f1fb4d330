//! What people type and files are called: notations, settings, tags, and names made safe to print.
#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use soundseek::display::{printable, steers};
use soundseek::library::Tag;
use soundseek::notation;
use soundseek::tui::Config;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    assert!(!printable(&text).contains(steers));
    let _ = notation::text_part(&text);
    let _ = notation::weight(&text);
    let _ = notation::cosine(&text);
    if let Ok(seconds) = notation::seconds(&text) {
        assert!(seconds.is_finite() && seconds >= 0.0);
    }
    let _ = notation::newer_than(&text, SystemTime::now());
    let _ = Config::parse(&text);
    if let Ok(tag) = Tag::new(&text) {
        assert_eq!(Tag::new(tag.as_str()), Ok(tag));
    }
});
