//! Hits of a rule over flows, read by features: counted in windows, in sessions, and one after the other beside those of
//! another rule.

use std::collections::BTreeMap;

use tripline::record::Micros;

use super::{DAY, Incident, MERGE_WITHIN, Scene, counted, hits_of_busy, logins_known};
use crate::arrival::Logged;
use crate::oracle::{self, Answer, Counts, Hops, Pauses};

/// What the rule over flows has of them.
type Hits = Vec<(Vec<String>, i64, i64)>;

pub fn definitions(other: Hops, visits: Pauses, max_gap: i64) -> String {
    let (size, every, max_gap) = (Micros(other.size), Micros(other.every), Micros(max_gap));
    let (gap, max) = (Micros(visits.gap), Micros(visits.max));
    format!(
        "--- features/logged.yaml
feature: logged
from: hits(login)
key: [src_ip]
window: {{size: {size}, every: {every}}}
columns:
  hits: COUNT(*)
  most: MAX(score)
--- features/logged_first.yaml
feature: logged_first
from: alerts(login)
key: [actor]
window: {{size: {size}, every: {every}}}
columns:
  alerts: COUNT(*)
  most: MAX(score)
--- features/logged_on.yaml
feature: logged_on
from: hits(login)
key: [actor]
window: {{session_gap: {gap}, max: {max}}}
columns:
  hits: COUNT(*)
derive: {{began: UNIX_MICROS(window_start)}}
--- features/either.yaml
feature: either
from: hits(login, busy)
previous: {{columns: [event_time], max_gap: {max_gap}}}
row:
  gap: TIMESTAMP_DIFF(event_time, previous_event_time, MICROSECOND)
key: [rule]
window: {{size: {size}, every: {every}}}
columns:
  hits: COUNT(*)
  gaps: COUNT(gap)
  longest: MAX(gap)
"
    )
}

pub const RELATIONS: [&str; 4] = ["logged", "logged_first", "logged_on", "either"];

pub fn differences(
    log: &[Logged],
    (by_subscriber, everybody): (&Answer, &Answer),
    scene: &Scene,
    counts: Counts,
    found: impl Fn(&str, usize) -> Answer,
) -> Vec<String> {
    // What an answer says of a row that is not late.
    const SCORE: i64 = 10;
    let known = logins_known(log);
    let in_time = |time: &i64, known: &i64| counts(time + 1, if known > time { *known } else { i64::MIN });
    let hits: Hits = known.iter().filter(|(_, time, at)| in_time(time, at)).map(of_key).collect();
    let opening = opening(known.clone());
    let opening: Hits = opening.iter().filter(|(_, time, at)| in_time(time, at)).map(of_key).collect();
    let of = |hits: &Hits| counted(hits.iter().map(|(key, time, _)| (key, *time, SCORE)), scene);
    let mut all = oracle::differences(&of(&hits), &found("logged", 1));
    all.extend(oracle::differences(&of(&opening), &found("logged_first", 1)));
    all.extend(oracle::differences(&sessions(&hits, scene), &found("logged_on", 1)));
    let busy = hits_of_busy(by_subscriber, everybody).map(|(_, at, _)| at).collect();
    let login = hits.iter().map(|(_, time, _)| *time).collect();
    let either = one_by_one([("busy", busy), ("login", login)], scene);
    all.extend(oracle::differences(&either, &found("either", 1)));
    all
}

fn of_key((key, time, known): &(String, i64, i64)) -> (Vec<String>, i64, i64) {
    (vec![key.clone()], *time, *known)
}

/// Those before which there is none for a while that was known then: late ones count too.
fn opening(mut hits: Vec<(String, i64, i64)>) -> Vec<(String, i64, i64)> {
    hits.sort_by_key(|(_, time, known)| (*known, *time));
    let mut last: BTreeMap<(String, i64, i64), i64> = BTreeMap::new();
    hits.retain(|(key, time, known)| {
        let days = (key.clone(), time.div_euclid(DAY), known.div_euclid(DAY));
        last.insert(days, *known).is_none_or(|before| known - before > MERGE_WITHIN)
    });
    hits
}

fn sessions(hits: &Hits, scene: &Scene) -> Answer {
    let mut of_key: BTreeMap<&Vec<String>, Vec<i64>> = BTreeMap::new();
    hits.iter().for_each(|(key, time, _)| of_key.entry(key).or_default().push(*time));
    let mut answer = Answer::new();
    for (key, mut times) in of_key {
        times.sort_unstable();
        for (end, times) in oracle::sessions(&times, |time| *time, scene.visits) {
            answer.insert((end, key.clone()), vec![oracle::int(times.len()), oracle::Cell::Int(times[0])]);
        }
    }
    answer
}

/// Of each rule: hits, those with one shortly before, and the longest such gap.
fn one_by_one(hits: [(&str, Vec<i64>); 2], scene: &Scene) -> Answer {
    let rows = hits.into_iter().flat_map(|(rule, mut times)| {
        times.sort_unstable();
        let gaps = times.iter().enumerate().map(|(place, time)| {
            let before = place.checked_sub(1).map(|before| time - times[before]);
            ((rule, before.filter(|gap| *gap <= scene.max_gap)), *time, i64::MIN)
        });
        gaps.collect::<Vec<_>>()
    });
    let windows = oracle::windows(rows, scene.other, |(rule, _)| Some(vec![oracle::text(Some(rule))]), oracle::after);
    let aggregate = |rows: Vec<(&str, Option<i64>)>| {
        let gaps = || rows.iter().filter_map(|(_, gap)| *gap);
        vec![oracle::int(rows.len()), oracle::int(gaps().count()), oracle::extreme(gaps().max())]
    };
    windows.into_iter().map(|(key, rows)| (key, aggregate(rows))).collect()
}

/// Incidents of the rule, with how many hits each has.
pub fn incidents(log: &[Logged]) -> Vec<Incident> {
    super::incidents(logins_known(log))
}
