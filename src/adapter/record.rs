//! A sink whose table has each alert once.
//!
//! Before rows are appended it is remembered which, to which stream, and behind how many rows of it. An append that is repeated
//! begins at the same row, and is refused where it was done. Where the same alerts do not come again, because the definition of the
//! sink is another now, the stream is closed, and its length says whether they are there; where the stream is gone the table is asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::port::sink::{Outcome, Sink, Told, Trouble};
use crate::port::table::{AppendError, Table};

/// Alerts of one append.
const BATCH: usize = 500;
/// The service takes 10 MB.
const APPEND_BYTES: usize = 8_000_000;
/// Rows are shorter than their alerts, which have evidence too.
const ALERT_BYTES_MAX: usize = APPEND_BYTES;

/// What must survive a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    stream: Option<String>,
    /// Rows that the stream has.
    rows: u64,
    /// Alerts that may be behind them.
    under_way: Vec<String>,
    /// Alerts that are in the table and come again.
    there: BTreeSet<String>,
}

pub struct Record {
    name: Arc<str>,
    table: Box<dyn Table>,
    memory: Memory,
    /// So many go one by one, so that the one is found that the table refuses.
    careful: usize,
}

impl Record {
    pub fn new(name: Arc<str>, table: Box<dyn Table>) -> Self {
        Self { name, table, memory: Memory::default(), careful: 0 }
    }

    /// Is what is under way what comes now?
    fn is_repeated(&self, alerts: &[Told]) -> bool {
        let under_way = &self.memory.under_way;
        let mut new = alerts.iter().filter(|told| !self.memory.there.contains(&told.id));
        !under_way.is_empty() && under_way.iter().all(|id| new.next().is_some_and(|told| told.id == *id))
    }

    /// Finds out what of what was under way is in the table; there is no stream then.
    fn settle(&mut self) -> Result<(), AppendError> {
        let Memory { stream, rows, under_way, .. } = self.memory.clone();
        if let Some(stream) = stream.filter(|_| !under_way.is_empty()) {
            let all = rows + under_way.len() as u64;
            let there = match self.table.close(&stream) {
                Ok(length) if length == all => under_way.into_iter().collect(),
                Ok(length) if length == rows => BTreeSet::new(),
                Ok(_) | Err(AppendError::Lost(_)) => self.table.which(&under_way)?,
                Err(error) => return Err(error),
            };
            self.memory.there.extend(there);
        }
        (self.memory.stream, self.memory.rows) = (None, 0);
        self.memory.under_way.clear();
        Ok(())
    }

    fn plan(&mut self, alerts: &[Told]) -> Result<(), AppendError> {
        if self.is_repeated(alerts) {
            return Ok(());
        }
        if !self.memory.under_way.is_empty() {
            self.settle()?;
        }
        if self.memory.stream.is_none() {
            (self.memory.stream, self.memory.rows) = (Some(self.table.open()?), 0);
        }
        let mut bytes = 0;
        for told in alerts.iter().filter(|told| !self.memory.there.contains(&told.id)) {
            bytes += told.alert.to_string().len();
            if bytes > APPEND_BYTES && !self.memory.under_way.is_empty() {
                break;
            }
            self.memory.under_way.push(told.id.clone());
        }
        Ok(())
    }

    fn say(&self, what: &str) -> String {
        format!("{}: {what}", self.table.name())
    }

    fn trouble(&self, error: AppendError) -> Trouble {
        let what = match error {
            AppendError::Exists => "rows are there already".to_owned(),
            AppendError::Lost(what) | AppendError::Rows(what) | AppendError::Later(what) => what,
        };
        Trouble::Later { what: self.say(&what), after: None }
    }

    /// So many of the alerts are in the table, from the first: those that were under way, and those that were there.
    fn passed(&mut self, alerts: &[Told]) -> usize {
        let under_way: BTreeSet<String> = std::mem::take(&mut self.memory.under_way).into_iter().collect();
        let is_there = |told: &&Told| under_way.contains(&told.id) || self.memory.there.contains(&told.id);
        let passed = alerts.iter().take_while(is_there).count();
        for told in alerts.iter().take(passed) {
            self.memory.there.remove(&told.id);
        }
        passed
    }
}

impl Sink for Record {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn batch(&self) -> usize {
        if self.careful > 0 { 1 } else { BATCH }
    }

    fn is_record(&self) -> bool {
        true
    }

    fn prepare(&mut self, alerts: &[Told]) -> Option<Trouble> {
        self.plan(alerts).err().map(|error| self.trouble(error))
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        let under_way = &self.memory.under_way;
        let rows: Vec<&Told> = alerts.iter().filter(|told| under_way.contains(&told.id)).collect();
        let appended = match (rows.as_slice(), &self.memory.stream) {
            ([], _) => Ok(()),
            ([told], _) if told.alert.to_string().len() > ALERT_BYTES_MAX => Err(AppendError::Rows(format!(
                "an alert of more than {ALERT_BYTES_MAX} bytes is longer than a row may be"
            ))),
            (_, None) => Err(AppendError::Lost("there is no stream".to_owned())),
            (rows, Some(stream)) => {
                let alerts: Vec<_> = rows.iter().map(|told| &told.alert).collect();
                self.table.append(stream, self.memory.rows, &alerts)
            }
        };
        let count = rows.len();
        match appended {
            Ok(()) | Err(AppendError::Exists) => {
                self.memory.rows += count as u64;
                self.careful = self.careful.saturating_sub(count);
                Outcome { taken: self.passed(alerts), trouble: None }
            }
            Err(AppendError::Rows(what)) if count == 1 => {
                self.careful = self.careful.saturating_sub(1);
                self.memory.under_way.clear();
                let taken = self.passed(alerts);
                Outcome { taken, trouble: Some(Trouble::Refused { what: self.say(&what) }) }
            }
            Err(AppendError::Rows(what)) => {
                self.careful = count;
                self.memory.under_way.clear();
                let trouble = Trouble::Later { what: self.say(&what), after: Some(Duration::ZERO) };
                Outcome { taken: 0, trouble: Some(trouble) }
            }
            Err(AppendError::Lost(what)) => {
                let trouble = match self.settle() {
                    // Nothing of it is lost: the next attempt has a new stream.
                    Ok(()) => Trouble::Later { what: self.say(&what), after: Some(Duration::ZERO) },
                    Err(error) => self.trouble(error),
                };
                Outcome { taken: 0, trouble: Some(trouble) }
            }
            Err(error) => Outcome { taken: 0, trouble: Some(self.trouble(error)) },
        }
    }

    fn memory(&self) -> Option<String> {
        serde_json::to_string(&self.memory).ok()
    }

    fn recall(&mut self, memory: &str) -> Result<(), String> {
        self.memory = serde_json::from_str(memory).map_err(|error| error.to_string())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value as Json, json};

    use super::{AppendError, Record, Sink, Table, Told};

    /// Rows of one stream, which may be gone. It takes rows and does not say so.
    #[derive(Clone, Default)]
    struct Silent(Arc<Mutex<(Vec<String>, bool)>>);

    impl Table for Silent {
        fn name(&self) -> String {
            "silent".to_owned()
        }

        fn open(&mut self) -> Result<String, AppendError> {
            Ok("stream".to_owned())
        }

        fn append(&mut self, _: &str, _: u64, alerts: &[&Json]) -> Result<(), AppendError> {
            let ids = alerts.iter().map(|alert| alert["alert_id"].to_string().replace('"', ""));
            self.0.lock().expect("a lock").0.extend(ids);
            Err(AppendError::Later("no answer".to_owned()))
        }

        fn close(&mut self, _: &str) -> Result<u64, AppendError> {
            let inner = self.0.lock().expect("a lock");
            if inner.1 { Err(AppendError::Lost("gone".to_owned())) } else { Ok(inner.0.len() as u64) }
        }

        fn which(&mut self, alert_ids: &[String]) -> Result<BTreeSet<String>, AppendError> {
            let inner = self.0.lock().expect("a lock");
            Ok(inner.0.iter().filter(|id| alert_ids.contains(id)).cloned().collect())
        }
    }

    fn told(ids: &str) -> Vec<Told> {
        let told =
            |(number, id): (u64, char)| Told { id: id.to_string(), number, alert: json!({"alert_id": id.to_string()}) };
        (0..).zip(ids.chars()).map(told).collect()
    }

    /// The sink was told of some alerts, and then, behind a crash, of others, for its definition is another.
    #[test]
    fn where_other_alerts_come_the_length_of_the_stream_says_what_is_there() {
        for gone in [false, true] {
            for arrived in [false, true] {
                let table = Silent::default();
                let mut first = Record::new("sink".into(), Box::new(table.clone()));
                assert_eq!(first.prepare(&told("abc")), None);
                let memory = first.memory().expect("a memory");
                if arrived {
                    assert_eq!(first.tell(&told("abc")).taken, 0);
                }
                table.0.lock().expect("a lock").1 = gone;
                let mut second = Record::new("sink".into(), Box::new(table.clone()));
                second.recall(&memory).expect("a memory");
                let alerts = told("bxc");
                assert_eq!(second.prepare(&alerts), None);
                second.tell(&alerts);
                let expected = if arrived { "abcx" } else { "bxc" };
                let rows = table.0.lock().expect("a lock").0.concat();
                assert_eq!(rows, expected, "gone {gone}, arrived {arrived}");
            }
        }
    }
}
