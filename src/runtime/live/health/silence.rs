//! For how long a source is usually silent, and when it has been silent for too long.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::record::{EventTime, Micros};

/// Where no option says otherwise, nobody is told of less.
pub const SILENT_MIN: Micros = Micros(600_000_000);
/// And of no more than so many times the usual silence.
const TIMES: i64 = 3;
/// Shorter ones change nothing.
const KEPT_MIN: Micros = Micros(SILENT_MIN.0 / TIMES);
/// Silences that are remembered, and for how long.
const KEPT_MAX: usize = 1_000;
const KEPT_FOR: Micros = Micros(7 * 86_400_000_000);
/// A silence is usual when there were so many as long as it: an outage or two are not.
const OFTEN: usize = 3;

/// Silences of the last seven days: when each ended, and how long it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silences(VecDeque<(EventTime, Micros)>);

impl Silences {
    /// Something came, after so long.
    pub fn ended(&mut self, at: EventTime, length: Micros) {
        while self.0.pop_front_if(|(ended, _)| ended.plus(KEPT_FOR) < at).is_some() {}
        if length < KEPT_MIN {
            return;
        }
        self.0.push_back((at, length));
        if self.0.len() > KEPT_MAX {
            self.0.pop_front();
        }
    }

    /// After how long somebody is told. `declared`: what the definitions say.
    pub fn limit(&self, declared: Option<Micros>) -> Micros {
        declared.unwrap_or_else(|| {
            let mut lengths: Vec<Micros> = self.0.iter().map(|(_, length)| *length).collect();
            lengths.sort_unstable_by(|one, other| other.cmp(one));
            let usual = lengths.get(OFTEN - 1).copied().unwrap_or_default();
            SILENT_MIN.max(Micros(usual.0.saturating_mul(TIMES)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{EventTime, KEPT_FOR, Micros, Silences};

    #[test]
    fn what_is_usual_is_learnt() {
        const MINUTE: i64 = 60_000_000;
        let limit = |lengths: &[i64], declared: Option<i64>, later: i64| {
            let mut silences = Silences::default();
            for (at, minutes) in (0..).zip(lengths) {
                silences.ended(EventTime(at), Micros(minutes * MINUTE));
            }
            silences.ended(EventTime(later), Micros(0));
            silences.limit(declared.map(|minutes| Micros(minutes * MINUTE))).0 / MINUTE
        };
        assert_eq!(limit(&[], None, 0), 10);
        assert_eq!(limit(&[2, 3, 3], None, 0), 10);
        // Every half an hour; two outages beside that are no habit, three are.
        assert_eq!(limit(&[30, 30, 30], None, 0), 90);
        assert_eq!(limit(&[30, 30], None, 0), 10);
        assert_eq!(limit(&[30, 30, 30, 600, 600], None, 0), 90);
        assert_eq!(limit(&[30, 30, 30, 600, 600, 600], None, 0), 1_800);
        assert_eq!(limit(&[30, 30, 30], Some(5), 0), 5);
        assert_eq!(limit(&[30, 30, 30], None, KEPT_FOR.0 + 10), 10);
    }
}
