//! What is said beside the results.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;

static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Writes to standard error; when that is full or closed, the command counts all the same.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A line that begins with `note:`.
pub fn note(text: &str) {
    say(&format!("note: {text}\n"));
}

/// As [`note`], unless it has been said: of a second pass over the same.
pub fn note_once(text: &str) {
    let new = NOTED.lock().map_or(true, |mut noted| noted.insert(text.to_owned()));
    if new {
        note(text);
    }
}
