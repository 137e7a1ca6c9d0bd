//! A sink that is told of some severities only. The others count as taken: there is nothing to do for them.

use std::sync::Arc;

use crate::port::sink::{Outcome, Sink, Told, Trouble};

/// Alerts that are looked at, at least, to find some for the sink.
const LOOKED_AT: usize = 256;

pub struct Severe {
    sink: Box<dyn Sink>,
    severities: Vec<&'static str>,
}

impl Severe {
    pub fn new(sink: Box<dyn Sink>, severities: Vec<&'static str>) -> Self {
        Self { sink, severities }
    }

    /// Those that the sink is told of at once, and the places of all that it is told of.
    fn told(&self, alerts: &[Told]) -> (Vec<Told>, Vec<usize>) {
        let all = alerts.iter().enumerate().filter(|(_, told)| self.is_told(told));
        let places: Vec<usize> = all.map(|(at, _)| at).collect();
        let handed = self.sink.batch().min(places.len());
        (places.iter().take(handed).filter_map(|at| alerts.get(*at).cloned()).collect(), places)
    }

    fn is_told(&self, told: &Told) -> bool {
        // An alert without a severity would be a defect, which is better told than lost.
        told.alert["severity"].as_str().is_none_or(|severity| self.severities.contains(&severity))
    }
}

impl Sink for Severe {
    fn name(&self) -> Arc<str> {
        self.sink.name()
    }

    fn batch(&self) -> usize {
        self.sink.batch().max(LOOKED_AT)
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        let (given, mut places) = self.told(alerts);
        // Behind the last: all that are not told.
        places.push(alerts.len());
        let outcome = if given.is_empty() { Outcome::all(&given) } else { self.sink.tell(&given) };
        let taken = places.get(outcome.taken).copied().unwrap_or(alerts.len());
        Outcome { taken, ..outcome }
    }

    fn is_record(&self) -> bool {
        self.sink.is_record()
    }

    fn prepare(&mut self, alerts: &[Told]) -> Option<Trouble> {
        let (given, _) = self.told(alerts);
        if given.is_empty() { None } else { self.sink.prepare(&given) }
    }

    fn memory(&self) -> Option<String> {
        self.sink.memory()
    }

    fn recall(&mut self, memory: &str) -> Result<(), String> {
        self.sink.recall(memory)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::Severe;
    use crate::port::sink::{Outcome, Sink, Told, Trouble};

    /// Takes two at once, and nothing but what it has room for.
    struct Room(Arc<Mutex<Vec<u64>>>, usize);

    impl Sink for Room {
        fn name(&self) -> Arc<str> {
            "room".into()
        }

        fn batch(&self) -> usize {
            2
        }

        fn tell(&mut self, alerts: &[Told]) -> Outcome {
            assert!(alerts.len() <= 2);
            let mut has = self.0.lock().expect("a lock");
            let taken = alerts.len().min(self.1 - has.len());
            has.extend(alerts.iter().take(taken).map(|told| told.number));
            let full = taken < alerts.len();
            Outcome { taken, trouble: full.then(|| Trouble::Refused { what: "full".to_owned() }) }
        }
    }

    fn told(severities: &str) -> Vec<Told> {
        let name = |c| if c == 'h' { "high" } else { "low" };
        let alert = |(number, c)| Told { id: format!("a{number}"), number, alert: json!({"severity": name(c)}) };
        (0..).zip(severities.chars()).map(alert).collect()
    }

    fn outcome(severities: &str, room: usize) -> (usize, bool, Vec<u64>) {
        let has = Arc::new(Mutex::new(Vec::new()));
        let mut sink = Severe::new(Box::new(Room(Arc::clone(&has), room)), vec!["high", "critical"]);
        let outcome = sink.tell(&told(severities));
        let has = has.lock().expect("a lock").clone();
        (outcome.taken, outcome.trouble.is_some(), has)
    }

    #[test]
    fn what_is_not_told_counts_as_taken() {
        assert_eq!(outcome("lll", 9), (3, false, vec![]));
        assert_eq!(outcome("lhl", 9), (3, false, vec![1]));
        assert_eq!(outcome("lhlhlhl", 9), (5, false, vec![1, 3]));
        assert_eq!(outcome("lhlhl", 1), (3, true, vec![1]));
        assert_eq!(outcome("llhl", 0), (2, true, vec![]));
        assert_eq!(outcome("", 9), (0, false, vec![]));
    }
}
