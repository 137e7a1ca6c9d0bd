//! What is said beside the results.

use std::io::Write;

/// Writes to standard error; when that is full or closed, the command counts all the same.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A line that begins with `note:`.
pub fn note(text: &str) {
    say(&format!("note: {text}\n"));
}
