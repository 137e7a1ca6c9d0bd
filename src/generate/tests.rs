use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::Value;

use super::{Attack, Options, Summary, generate};
use crate::record::EventTime;

const FIELDS: [&str; 17] = [
    "subscriberId",
    "srcIP",
    "dstIP",
    "srcPort",
    "dstPort",
    "txBytes",
    "rxBytes",
    "tcpFlag",
    "startTime",
    "endTime",
    "timestamp",
    "protocolName",
    "protocolNumber",
    "geoCountry",
    "geoCity",
    "latitude",
    "longitude",
];

fn run(options: &Options) -> (Vec<u8>, String, Summary) {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    let summary = generate(options, &mut rows, Some(&mut labels), &mut |_| {}).unwrap();
    (rows, String::from_utf8(labels).unwrap(), summary)
}

fn parse(rows: &[u8]) -> Vec<Value> {
    std::str::from_utf8(rows).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn micros(row: &Value, field: &str) -> i64 {
    DateTime::parse_from_rfc3339(row[field].as_str().unwrap()).unwrap().timestamp_micros()
}

fn small(seed: u64) -> Options {
    Options { events: 30_000, seed, ..Options::demo() }
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    let (rows, labels, _) = run(&small(7));
    assert_eq!((fingerprint(&rows), fingerprint(labels.as_bytes())), (GOLDEN_ROWS, GOLDEN_LABELS));
    let (other, _, _) = run(&small(8));
    assert_ne!(rows, other);
}

/// A change here changes every file that was ever generated: say so in the changelog.
const GOLDEN_ROWS: u64 = 6_894_137_675_344_801_663;
const GOLDEN_LABELS: u64 = 8_354_430_425_102_462_280;

#[test]
fn the_number_of_rows_is_exact() {
    for events in [0, 1, 2, 99, 1_000, 20_000] {
        for attacks in [Vec::new(), Attack::ALL.to_vec(), vec![Attack::SynFlood; 5]] {
            let (rows, labels, summary) = run(&Options { events, attacks, rate: 50.0, ..Options::demo() });
            let lines = rows.iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(u64::try_from(lines).unwrap(), events);
            assert_eq!(summary.rows, events);
            assert_eq!(summary.first.is_some(), events > 0);
            let of_attacks: u64 = summary.attacks.iter().map(|attack| attack.rows).sum();
            assert_eq!(u64::try_from(labels.lines().count()).unwrap(), of_attacks + 1);
        }
    }
}

#[test]
fn every_row_has_all_fields_and_they_agree() {
    let (rows, _, summary) = run(&small(1));
    let (mut v6, mut names, mut nulls) = (0, 0, 0);
    for row in parse(&rows) {
        let fields: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(FIELDS));
        let (start, end) = (micros(&row, "startTime"), micros(&row, "endTime"));
        assert!(start <= end, "{row}");
        assert!(summary.first.unwrap() <= EventTime(end) && EventTime(end) <= summary.last.unwrap());
        assert!(row["timestamp"].is_null() || row["timestamp"] == row["endTime"]);
        let src: std::net::IpAddr = row["srcIP"].as_str().unwrap().parse().unwrap();
        let dst: std::net::IpAddr = row["dstIP"].as_str().unwrap().parse().unwrap();
        assert_eq!(src.is_ipv6(), dst.is_ipv6(), "{row}");
        let name = match row["protocolNumber"].as_u64().unwrap() {
            1 => "ICMP",
            6 => "TCP",
            17 => "UDP",
            other => unreachable!("protocol {other}"),
        };
        assert_eq!(row["protocolName"], name);
        assert_eq!(row["dstPort"].is_null(), name == "ICMP");
        v6 += u32::from(src.is_ipv6());
        names += u32::from(row["tcpFlag"].is_string());
        let optional = ["geoCountry", "timestamp", "tcpFlag"];
        let lost = optional.iter().any(|&field| row[field].is_null()) || (row["srcPort"].is_null() && name != "ICMP");
        nulls += u32::from(lost);
    }
    assert!((2_000..5_000).contains(&v6), "about a tenth is IPv6, not {v6}");
    assert!((300..1_500).contains(&names), "{names}");
    assert!((400..800).contains(&nulls), "{nulls}");
}

#[test]
fn rows_are_late_by_less_than_the_lateness() {
    let (rows, _, _) = run(&small(2));
    let (mut newest, mut late, mut latest) = (i64::MIN, 0, 0);
    for row in parse(&rows) {
        let end = micros(&row, "endTime");
        latest = latest.max(newest.saturating_sub(end));
        late += u32::from(end < newest);
        newest = newest.max(end);
    }
    assert!((400..800).contains(&late), "{late}");
    assert!((15_000_000..=20_000_000).contains(&latest), "{latest}");

    let (rows, _, _) = run(&Options { out_of_order: 0.0, ..small(2) });
    let ends: Vec<i64> = parse(&rows).iter().map(|row| micros(row, "endTime")).collect();
    assert!(ends.is_sorted());
}

#[test]
fn labels_name_the_lines_of_attacks() {
    let options = Options::demo();
    let (rows, labels, summary) = run(&options);
    let rows: Vec<&str> = std::str::from_utf8(&rows).unwrap().lines().collect();
    let mut by_class: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut lines = labels.lines();
    assert_eq!(lines.next(), Some("line,label,class,detail,weight"));
    let mut labelled = BTreeSet::new();
    for line in lines {
        let [number, label, class, detail, weight] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((label, weight), ("1", "1"));
        let number: usize = number.parse().unwrap();
        let row: Value = serde_json::from_str(rows[number - 1]).unwrap();
        let (actor, victim) = detail.split_once('>').unwrap();
        assert!(actor == "*" || row["srcIP"] == actor, "{detail} is not {row}");
        assert!(victim == "*" || row["dstIP"] == victim, "{detail} is not {row}");
        by_class.entry(class).or_default().push(row);
        assert!(labelled.insert(number));
    }
    // No benign row looks as if it came from an attacker outside or went there.
    for (i, row) in rows.iter().enumerate() {
        assert!(labelled.contains(&(i + 1)) || !row.contains("\"203.0.113."), "{row}");
    }
    assert_eq!(summary.attacks.len(), options.attacks.len());
    for attack in &summary.attacks {
        let rows = &by_class[attack.attack.name()];
        assert_eq!(u64::try_from(rows.len()).unwrap(), attack.rows);
        assert_eq!(attack.note, None);
        let ends: Vec<i64> = rows.iter().map(|row| micros(row, "endTime")).collect();
        assert_eq!(ends.iter().min(), Some(&attack.start.0));
        assert_eq!(ends.iter().max(), Some(&attack.end.0));
        check_shape(attack.attack, rows, (attack.end.0 - attack.start.0) / 1_000_000);
    }
    let actors: BTreeSet<&str> = summary.attacks.iter().map(|attack| attack.actor.as_str()).collect();
    assert_eq!(actors.len(), options.attacks.len());
}

/// Is it what its name says?
fn check_shape(attack: Attack, rows: &[Value], seconds: i64) {
    let distinct = |field: &str| rows.iter().map(|row| row[field].to_string()).collect::<BTreeSet<_>>().len();
    let unserved = rows.iter().filter(|row| row["rxBytes"].as_u64().unwrap() <= 40).count();
    match attack {
        Attack::PortScan => {
            assert_eq!((distinct("srcIP"), distinct("dstIP"), distinct("dstPort")), (1, 1, rows.len()));
            assert!(rows.len() >= 300 && unserved * 10 >= rows.len() * 9 && (50..=240).contains(&seconds));
        }
        Attack::HostScan => {
            assert_eq!((distinct("srcIP"), distinct("dstIP"), distinct("dstPort")), (1, rows.len(), 1));
            assert!(rows.len() >= 150 && unserved == rows.len() && (50..=240).contains(&seconds));
        }
        Attack::SynFlood => {
            assert_eq!((distinct("dstIP"), distinct("dstPort")), (1, 1));
            assert!(distinct("srcIP") * 100 >= rows.len() * 99 && unserved == rows.len() && seconds <= 180);
        }
        Attack::Exfiltration => {
            assert_eq!((distinct("srcIP"), distinct("dstIP")), (1, 1));
            let tx: u64 = rows.iter().map(|row| row["txBytes"].as_u64().unwrap()).sum();
            assert!((400_000_000..2_000_000_000).contains(&tx) && (600..=1_200).contains(&seconds), "{tx} {seconds}");
        }
        Attack::Beacon => {
            assert_eq!((distinct("srcIP"), distinct("dstIP"), distinct("dstPort")), (1, 1, 1));
            let mut ends: Vec<i64> = rows.iter().map(|row| micros(row, "endTime")).collect();
            ends.sort_unstable();
            assert!(ends.windows(2).all(|pair| (50_000_000..70_000_000).contains(&(pair[1] - pair[0]))));
            assert!(seconds >= 2_400);
        }
        Attack::BruteForce => {
            assert_eq!((distinct("srcIP"), distinct("dstIP"), distinct("dstPort")), (1, 1, 1));
            assert!((100..=400).contains(&rows.len()) && unserved == 0 && seconds <= 300);
            assert!(rows.iter().all(|row| micros(row, "endTime") - micros(row, "startTime") < 5_000_000));
        }
        Attack::Travel | Attack::Silence => unreachable!("{attack} needs days"),
    }
}

/// Eleven and a half days.
fn days(seed: u64) -> Options {
    let attacks = vec![Attack::Travel, Attack::PortScan, Attack::Silence];
    Options { events: 60_000, rate: 0.06, subscribers: 40, attacks, seed, ..Options::demo() }
}

#[test]
fn breaks_of_habits_move_no_other_attack() {
    let six = |attack: &Attack| !attack.breaks_a_habit();
    assert_eq!(Options::demo().attacks, Attack::ALL.into_iter().filter(six).collect::<Vec<_>>());
    let (rows, labels, _) = run(&small(7));
    let (all_rows, all_labels, all) = run(&Options { attacks: Attack::ALL.to_vec(), ..small(7) });
    assert_eq!((fingerprint(&rows), labels), (fingerprint(&all_rows), all_labels));
    for left_out in &all.attacks[6..] {
        assert_eq!((left_out.rows, left_out.note.is_some()), (0, true), "{left_out:?}");
    }
    let scans = |attacks: &[Attack]| {
        let options = Options { attacks: attacks.to_vec(), ..days(3) };
        let (rows, _, summary) = run(&options);
        assert_eq!(u64::try_from(rows.iter().filter(|&&byte| byte == b'\n').count()).unwrap(), options.events);
        let scan = summary.attacks.into_iter().find(|attack| attack.attack == Attack::PortScan).unwrap();
        (scan.rows, scan.start, scan.victim)
    };
    assert_eq!(scans(&[Attack::PortScan]), scans(&[Attack::PortScan, Attack::Silence, Attack::Travel]));
    let (rows, _, _) = run(&days(3));
    assert_eq!(fingerprint(&rows), GOLDEN_DAYS);
}

const GOLDEN_DAYS: u64 = 9_682_090_302_913_301_077;

/// Of the life of an attack: ends of rows with their sources, in order of time, and which are labelled.
fn life(rows: &[u8], labels: &str, class: &str) -> Vec<(i64, String, bool)> {
    let labelled: BTreeSet<usize> = labels
        .lines()
        .filter(|line| line.split(',').nth(2) == Some(class))
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    let lines: Vec<&str> = std::str::from_utf8(rows).unwrap().lines().collect();
    let (subscriber, _) = lines[labelled.first().unwrap() - 1].split_once(',').unwrap();
    let mut life: Vec<_> = (1..)
        .zip(lines)
        .filter(|(_, line)| line.starts_with(subscriber))
        .map(|(number, line)| {
            let row: Value = serde_json::from_str(line).unwrap();
            (micros(&row, "endTime"), row["srcIP"].as_str().unwrap().to_owned(), labelled.contains(&number))
        })
        .collect();
    life.sort();
    assert_eq!(life.iter().filter(|row| row.2).count(), labelled.len(), "labels are about one subscriber");
    life
}

/// The number before a word of the story.
fn before(story: &str, word: &str) -> i64 {
    let words: Vec<&str> = story.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|one| *one == word).unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn a_traveller_is_elsewhere_as_soon_as_was_drawn() {
    let (mut gaps, mut kms, mut slow) = (Vec::new(), Vec::new(), 0);
    for seed in 1..=16 {
        let (rows, labels, summary) = run(&Options { attacks: vec![Attack::Travel], ..days(seed) });
        let story = &summary.attacks[0].victim;
        let life = life(&rows, &labels, "travel");
        let first = life.iter().position(|row| row.2).unwrap();
        let elsewhere = life.iter().filter(|row| row.2).count();
        assert!((3..=60).contains(&elsewhere) && first > 100, "{elsewhere} rows after {first}");
        assert!(life[first..first + elsewhere].iter().all(|row| row.2), "nobody is at home meanwhile: {story}");
        assert!(life.iter().all(|row| row.2 == row.1.starts_with("240.")));
        let (minutes, km) = (before(story, "min"), before(story, "km"));
        assert_eq!((life[first].0 - life[first - 1].0) / 60_000_000, minutes, "{story}");
        if let Some(home) = life.get(first + elsewhere) {
            assert_eq!((home.0 - life[first + elsewhere - 1].0) / 60_000_000, minutes, "{story}");
        }
        gaps.push(minutes);
        kms.push(km);
        slow += u32::from(km * 60 < minutes * 900);
    }
    assert!(gaps.iter().min() < Some(&10) && gaps.iter().max() > Some(&500), "{gaps:?}");
    assert!(kms.iter().min() < Some(&700) && kms.iter().max() > Some(&9_000), "{kms:?}");
    assert!((2..20).contains(&slow), "some can be flown: {slow}");
}

#[test]
fn a_silent_source_had_flows_in_nearly_every_hour() {
    let (mut lengths, mut busy) = (Vec::new(), Vec::new());
    for seed in 1..=16 {
        let (rows, labels, summary) = run(&Options { attacks: vec![Attack::Silence], ..days(seed) });
        let story = &summary.attacks[0].victim;
        let life = life(&rows, &labels, "silence");
        let last = life.iter().position(|row| row.2).unwrap();
        let minutes = before(story, "min");
        if let Some(back) = life.get(last + 1) {
            assert!(back.2 && (back.0 - life[last].0) / 60_000_000 == minutes, "{story}");
        }
        assert!(life.iter().skip(last + 2).all(|row| !row.2));
        let week = life[last].0 - 168 * 3_600_000_000;
        let hours: BTreeSet<i64> =
            life[..last].iter().map(|row| row.0).filter(|&at| at > week).map(|at| at / 3_600_000_000).collect();
        assert!(hours.len() >= 160, "{} hours: {story}", hours.len());
        lengths.push(minutes);
        busy.push(life[..last].iter().filter(|row| row.0 > week).count() / 168);
    }
    assert!(lengths.iter().min() < Some(&180) && lengths.iter().max() > Some(&1_200), "{lengths:?}");
    assert!(busy.iter().min() < Some(&10) && busy.iter().max() > Some(&30), "{busy:?}");
}

#[test]
fn what_does_not_fit_is_said() {
    let (_, _, summary) = run(&Options { events: 20_000, rate: 50.0, ..Options::demo() });
    for attack in &summary.attacks {
        assert!(attack.rows >= 5, "{attack:?}");
    }
    let beacon = summary.attacks.iter().find(|attack| attack.attack == Attack::Beacon).unwrap();
    assert!(beacon.note.as_deref().is_some_and(|note| note.contains("the span has no room")), "{beacon:?}");

    let (_, _, summary) = run(&Options { events: 60, rate: 50.0, ..Options::demo() });
    for attack in &summary.attacks {
        assert_eq!(attack.rows, 0);
        assert!(attack.note.as_deref().is_some_and(|note| note.starts_with("left out")), "{attack:?}");
    }
}

#[test]
fn the_rate_is_kept_at_any_time_of_the_day() {
    for (hour, rate) in [(2, 12.0), (12, 2_000.0)] {
        let start = EventTime(1_767_571_200_000_000 + hour * 3_600_000_000);
        let (_, _, summary) = run(&Options { events: 60_000, rate, start, ..Options::demo() });
        let first = summary.first.unwrap().0;
        let seconds = u32::try_from((summary.last.unwrap().0 - first) / 1_000_000).unwrap();
        let measured = 60_000.0 / f64::from(seconds.max(1));
        assert!((measured / rate - 1.0).abs() < 0.12, "{measured} in place of {rate}");
    }
}

#[test]
fn options_out_of_bounds_are_refused() {
    let demo = Options::demo;
    for bad in [
        Options { rate: 0.0, ..demo() },
        Options { rate: f64::NAN, ..demo() },
        Options { nulls: 1.5, ..demo() },
        Options { out_of_order: -0.1, ..demo() },
        Options { subscribers: 0, ..demo() },
        Options { events: u64::MAX, ..demo() },
        Options { start: EventTime(-1), ..demo() },
        Options { attacks: vec![Attack::Beacon; 65], ..demo() },
    ] {
        let error = generate(&bad, &mut Vec::new(), None, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!("beacon".parse(), Ok(Attack::Beacon));
    assert!("beacons".parse::<Attack>().unwrap_err().contains("port_scan, host_scan"));
}
