//! A file that a sink appends lines of JSON to. It is opened for each attempt, so that somebody else may move it away at any time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::appended::append_to;
use crate::port::disk::{Append, is_full};
use crate::port::sink::{Outcome, Sink, Told, Trouble};

const BATCH: usize = 500;

pub struct Lines {
    name: Arc<str>,
    path: PathBuf,
}

impl Lines {
    pub fn new(name: Arc<str>, path: &Path) -> Self {
        Self { name, path: path.to_owned() }
    }
}

impl Sink for Lines {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        let lines: String = alerts.iter().map(|told| format!("{}\n", told.alert)).collect();
        // Half a line of a crash is a line of its own then.
        let written = append_to(&self.path, u64::MAX, &|_| 0).and_then(|(mut file, bytes, _)| {
            file.append(lines.as_bytes()).and_then(|()| file.sync()).inspect_err(|error| {
                if is_full(error) {
                    let _ = file.cut(bytes);
                }
            })
        });
        match written {
            Ok(()) => Outcome::all(alerts),
            Err(error) => {
                let what =
                    format!("{}: {error}\nhelp: it is tried again; mend the disk or the folder", self.path.display());
                Outcome { taken: 0, trouble: Some(Trouble::Later { what, after: None }) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Lines, Outcome, Sink, Told, Trouble};

    #[test]
    fn lines_are_appended_and_the_file_may_be_moved_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letters.jsonl");
        std::fs::write(&path, "{\"torn").expect("writes");
        let mut lines = Lines::new("lines".into(), &path);
        let told = |number: u64| Told { id: number.to_string(), number, alert: json!({"n": number}) };
        assert_eq!(lines.tell(&[told(1), told(2)]), Outcome { taken: 2, trouble: None });
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "{\"torn\n{\"n\":1}\n{\"n\":2}\n");
        std::fs::rename(&path, folder.path().join("letters.1")).expect("moves");
        assert_eq!(lines.tell(&[told(3)]).taken, 1);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "{\"n\":3}\n");
        let mut nowhere = Lines::new("lines".into(), &folder.path().join("no/such/letters.jsonl"));
        assert!(
            matches!(nowhere.tell(&[told(1)]).trouble, Some(Trouble::Later { what, .. }) if what.contains("help: "))
        );
    }
}
