//! Whole projects: what is read from correct files, and that wrong ones never stop the loading.

use super::model::{AlertWhen, FeatureKind, JoinTarget, Level, Project, Status};
use super::{Loaded, load};
use crate::adapter::local::{Embedded, MemoryTree};
use crate::diagnostic::{Diagnostic, Severity, render_text};
use crate::record::{Decode, EventTime, Format, Micros, Type, Value};

fn clean(tree: &MemoryTree) -> Project {
    let Loaded { project, files, diagnostics } = load(tree);
    assert!(diagnostics.is_empty(), "{}", render_text(&diagnostics, &files, false));
    project
}

const SOURCE: &str = "\
source: netlog
description: Raw flows
format: json
columns:
  srcIP: STRING
  startTime: {type: TIMESTAMP, decode: millis}
  endTime: TIMESTAMP
  tcpFlag: {type: INT64, decode: tcp_flags}
  orig_bytes: {type: INT64, field: [orig_bytes, 'id.orig_b'], required: true}
event_time: \"COALESCE(endTime, startTime)\"
lateness: 45s
future_skew: 4m
idle_after: 1m
dedupe: [srcIP, startTime]
";

#[test]
fn every_key_of_a_source_is_read() {
    let tree = MemoryTree::default().with("sql/netlog/source.yaml", SOURCE).with("sql/netlog/flows.sql", "SELECT 1\n");
    let project = clean(&tree);
    let source = &project.sources[0];
    assert_eq!((source.name.as_str(), source.format), ("netlog", Format::Json));
    let columns: Vec<(&str, Type, Decode, bool)> =
        source.columns.iter().map(|c| (c.name.as_str(), c.ty, c.decode, c.required)).collect();
    assert_eq!(
        columns,
        [
            ("srcIP", Type::String, Decode::Plain, false),
            ("startTime", Type::Timestamp, Decode::TimeMillis, false),
            ("endTime", Type::Timestamp, Decode::TimeAuto, false),
            ("tcpFlag", Type::Int64, Decode::TcpFlags, false),
            ("orig_bytes", Type::Int64, Decode::Plain, true),
        ]
    );
    assert_eq!(source.columns[0].fields, ["srcIP"]);
    assert_eq!(source.columns[4].fields, ["orig_bytes", "id.orig_b"]);
    assert_eq!(source.event_time.as_str(), "COALESCE(endTime, startTime)");
    let times = (source.lateness, source.future_skew, source.idle_after);
    assert_eq!(times, (Micros(45_000_000), Micros(240_000_000), Micros(60_000_000)));
    assert_eq!(source.dedupe.iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["srcIP", "startTime"]);
    assert_eq!(source.flows.as_str(), "SELECT 1\n");
}

#[test]
fn lookups_are_typed() {
    let yaml = "\
lookup: networks
columns: {net: {type: STRING, cidr: true}, zone: {type: STRING, nullable: true}, rank: INT64, since: DATE}
key: [net]
";
    let csv = "since,net,rank,zone,valid_to\n1970-01-03,10.0.0.0/8,7,,2026-01-01\n1970-01-01,::/0,-1,\"\",\n";
    let tree = MemoryTree::default().with("sql/lookups/networks.yaml", yaml).with("sql/lookups/networks.csv", csv);
    let project = clean(&tree);
    let lookup = &project.lookups[0];
    let network = |text: &str| Value::String(text.to_owned());
    assert_eq!(
        lookup.rows[0].values,
        [network("10.0.0.0/8"), Value::Null(Type::String), Value::Int64(7), Value::Date(2)]
    );
    assert_eq!(lookup.rows[1].values, [network("::/0"), network(""), Value::Int64(-1), Value::Date(0)]);
    assert_eq!(lookup.rows[0].valid_to, Some(EventTime(1_767_225_600_000_000)));
    assert_eq!((lookup.rows[0].valid_from, lookup.rows[1].valid_to), (None, None));
}

const FEATURE: &str = "\
feature: pair_5m
description: What one source does to one destination
from: flows
join:
  - {feature: everybody_5m, as: a, window: same, missing: {flows: 0}}
  - {lookup: networks, as: n, match: {src_ip: cidr}, how: longest_prefix}
row: {port: dst_port}
where: protocol_number = 6
key: [src_ip, dst_ip]
window: {size: 5m, every: 1m}
columns:
  z: COUNT(*)
  a: COUNT(DISTINCT IF(outcome IN ('refused'), dst_port, NULL))
derive:
  ratio: SAFE_DIVIDE(a, z)
";

#[test]
fn every_key_of_a_feature_is_read() {
    let project = clean(&MemoryTree::default().with("features/pair_5m.yaml", FEATURE));
    let feature = &project.features[0];
    assert_eq!((feature.name.as_str(), feature.from.as_str()), ("pair_5m", "flows"));
    let FeatureKind::Windows { key, window, columns, .. } = &feature.kind else { panic!("{feature:?}") };
    assert_eq!((window.size, window.every), (Micros(300_000_000), Micros(60_000_000)));
    let columns: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(columns, ["z", "a"], "the order of the file is kept");
    assert_eq!(feature.filter.as_ref().map(|t| t.as_str()), Some("protocol_number = 6"));
    assert_eq!((feature.row.len(), feature.derive.len(), key.len()), (1, 1, 2));
    assert!(matches!(&feature.join[0].target, JoinTarget::Feature { name, .. } if name.as_str() == "everybody_5m"));
    assert_eq!(feature.join[0].missing[0].1, Value::Int64(0));
    assert!(
        matches!(&feature.join[1].target, JoinTarget::Lookup { longest_prefix: true, pairs, .. } if pairs.len() == 1)
    );
}

const RULE: &str = "\
# yaml-language-server: $schema=../.tripline/schema/rule.json
rule: net.scan.vertical
title: Vertical port scan
description: d
status: shadow
severity: critical
owner: netsec@example.org
attack: [T1046]
references: [https://attack.mitre.org/techniques/T1046/]
false_positives: [licensed scanners]
params: {min_ports: {default: 100, min: 10, max: 1_000, description: how many}, ratio: 0.5, name: 1h, all: true}
sql: |
  SELECT * FROM pair_5m
  WHERE dead_ports >= @min_ports            -- # monotone
entities: [{type: ip, column: src_ip, role: actor}]
score: {value: 'LEAST(1.0, dead_ports / 1000)', weight: 0.85}
alert: {when: risk, title: \"{src_ip} scanned\", key: [src_ip], merge_within: 2h}
exceptions:
  - {when: \"dst_ip = '10.9.9.9'\", reason: honeypot, owner: netsec, from: 2026-01-01, to: 2027-03-31T00:00:00Z}
runbook: |
  1. Look.
tests:
  - name: a scan
    start: 2026-01-05T09:00:00Z
    given:
      - {at: 4m50s, every: 50ms, repeat: 400, row: {src_ip: 10.0.0.5, dst_port: \"${1 + i}\", geo: NO, t: 22:30, n: null, f: [SYN, ACK]}}
    lookups: {allow_scanners: [{value: 10.0.0.1}]}
    params: {min_ports: 5}
    shuffle: {max_delay: 30s, seeds: 20}
    expect: {alerts: 1, fields: [{src_ip: 10.0.0.5}], rows: {pair_5m: [{dead_ports: 400}]}}
";

#[test]
fn every_key_of_a_rule_is_read() {
    let project = clean(&MemoryTree::default().with("rules/net_scan_vertical.yaml", RULE));
    let rule = &project.rules[0];
    assert_eq!(
        (rule.name.as_str(), rule.status, rule.severity),
        ("net.scan.vertical", Status::Shadow, Level::Critical)
    );
    assert_eq!((rule.runbook.as_str(), rule.owner.as_str()), ("1. Look.", "netsec@example.org"));
    let defaults: Vec<&Value> = rule.params.iter().map(|p| &p.default).collect();
    let text = Value::String("1h".to_owned());
    assert_eq!(defaults, [&Value::Int64(100), &Value::Float64(0.5), &text, &Value::Bool(true)]);
    assert_eq!((&rule.params[0].min, &rule.params[0].max), (&Some(Value::Int64(10)), &Some(Value::Int64(1000))));
    assert!(rule.sql.as_str().ends_with("-- # monotone\n"));
    let at = rule.sql.as_str().find("dead_ports").expect("there");
    let place = rule.sql.span_of(at, at + 10);
    assert_eq!(&RULE[place.start as usize..place.end as usize], "dead_ports");
    assert_eq!((rule.alert.when, rule.alert.merge_within), (AlertWhen::Risk, Micros(7_200_000_000)));
    assert_eq!(rule.alert.key.as_ref().map(Vec::len), Some(1));
    assert!(rule.score.as_ref().is_some_and(|score| (score.weight - 0.85).abs() < f64::EPSILON));
    assert_eq!(rule.exceptions[0].to, Some(EventTime(1_806_451_200_000_000)));
    assert_eq!((rule.entities.len(), rule.attack.len(), rule.references.len()), (1, 1, 1));
}

#[test]
fn test_values_keep_their_text() {
    let project = clean(&MemoryTree::default().with("rules/vertical.yaml", RULE));
    let case = &project.rules[0].tests[0];
    let given = &case.given[0];
    assert_eq!((given.at, given.every, given.repeat), (Micros(290_000_000), Micros(50_000), 400));
    let texts: Vec<Option<&str>> = given.row.iter().map(|(_, s)| s.text.as_ref().map(|t| t.as_str())).collect();
    assert_eq!(texts, [Some("10.0.0.5"), Some("${1 + i}"), Some("NO"), Some("22:30"), None, None]);
    assert!(given.row[1].1.quoted && !given.row[2].1.quoted);
    assert_eq!(given.row[5].1.list.as_ref().map(Vec::len), Some(2));
    assert_eq!((case.lookups.len(), case.params.len(), case.expect.alerts), (1, 1, Some(1)));
    assert_eq!((case.expect.fields.len(), case.expect.rows[0].1.len()), (1, 1));
    assert_eq!(case.shuffle.as_ref().map(|s| (s.max_delay, s.seeds)), Some((Micros(30_000_000), 20)));
}

#[test]
fn overrides_are_read() {
    let yaml = "\
name: mine
evidence: 0
rules:
  net.scan.vertical:
    params: {min_ports: 50}
    status: draft
    exceptions: [{when: 'TRUE', reason: move}]
";
    let config =
        clean(&MemoryTree::default().with("tripline.yaml", yaml).with("features/pair_5m.yaml", FEATURE)).config;
    let change = &config.overrides["net.scan.vertical"];
    assert_eq!((config.evidence, change.status, change.exceptions.len()), (0, Some(Status::Draft), 1));
    assert_eq!(change.params[0].1, Value::Int64(50));
    assert_eq!(Project::default().config.evidence, 3);
}

#[test]
fn the_rest_is_loaded_beside_every_mistake() {
    let rule = RULE.replace("severity: critical", "severity: [high]\ncolour: red").replace("sql: |", "sql: >");
    let tree = MemoryTree::default()
        .with("rules/vertical.yaml", rule)
        .with("features/pair_5m.yaml", FEATURE)
        .with("features/bad.yaml", "feature: [bad\n")
        .with("features/worse.yaml", "feature: worse\nwindow: x\n");
    let loaded = load(&tree);
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|d: &Diagnostic| d.code).collect();
    assert!(codes.contains(&"yaml.syntax") && codes.contains(&"definition.unknown-key"), "{codes:?}");
    assert_eq!((loaded.project.rules.len(), loaded.project.features.len()), (1, 1));
    let broken: Vec<&str> = loaded.project.broken.iter().map(String::as_str).collect();
    assert_eq!(broken, ["bad", "net.scan.vertical", "worse"]);
}

#[test]
fn the_pack_is_clean() {
    let Loaded { files, diagnostics, project } = load(&Embedded);
    assert!(diagnostics.is_empty(), "{}", render_text(&diagnostics, &files, false));
    assert!(!project.rules.is_empty() && !project.features.is_empty() && !project.sources.is_empty());
}

/// What is computed depends on a file of networks as on every text: the generation is a hash over all that was read.
#[test]
fn a_file_of_networks_counts_among_what_was_read() {
    const GEO: &str =
        "lookup: geo\nmmdb: geo.mmdb\noptional: true\ncolumns: {net: {type: STRING, cidr: true}}\nkey: [net]\n";
    let tree = MemoryTree::default().with("sql/lookups/geo.yaml", GEO);
    let read = |tree: &MemoryTree| {
        let files = load(tree).files;
        let found = files.iter().find(|(_, path, _)| *path == "sql/lookups/geo.mmdb");
        found.map(|(_, _, text)| text.to_owned())
    };
    let files: [&[u8]; 2] = [include_bytes!("../../tests/mmdb/city.mmdb"), include_bytes!("../../tests/mmdb/asn.mmdb")];
    let [city, asn] = files.map(|bytes| read(&tree.clone().with_bytes("sql/lookups/geo.mmdb", bytes)));
    assert!(city.as_ref().is_some_and(|digest| digest.len() == 64) && asn.is_some() && city != asn);
    assert_eq!(read(&tree), Some(String::new()));
}

/// Cutting or doubling any part of a correct file may make it wrong, never makes loading fail.
#[test]
fn no_damage_makes_loading_panic() {
    for (path, text) in [("features/a.yaml", FEATURE), ("rules/a.yaml", RULE), ("sql/a/source.yaml", SOURCE)] {
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (head, tail) = text.split_at(at);
            for damaged in [head.to_owned(), tail.to_owned(), format!("{head}{{{tail}"), format!("{head}\n\"ö{tail}")]
            {
                let loaded = load(&MemoryTree::default().with(path, damaged));
                let text = render_text(&loaded.diagnostics, &loaded.files, false);
                let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
                assert!(errors == 0 || text.contains("error"), "{text}");
                for d in &loaded.diagnostics {
                    assert!(super::codes::CODES.contains(&d.code), "{} is not in the list of codes", d.code);
                }
            }
        }
    }
}

/// All of `check` has one second for 500 rules in a release build. The bound here is wide, for slow builds
/// on busy machines: it catches work that grows with the square of the project.
#[test]
fn five_hundred_rules_load_quickly() {
    let tree = (0..500).fold(MemoryTree::default(), |tree, i| {
        tree.with(format!("rules/r{i}.yaml"), RULE.replace("net.scan.vertical", &format!("net.r{i}")))
    });
    let started = std::time::Instant::now();
    assert_eq!(clean(&tree).rules.len(), 500);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_flood_of_mistakes_is_cut_and_stays_an_error() {
    let keys: String = (0..5000).map(|i| format!("k{i}: 1\n")).collect();
    let loaded = load(&MemoryTree::default().with("features/a.yaml", keys));
    assert_eq!(loaded.diagnostics.len(), super::load::FINDINGS_MAX + 1);
    assert!(loaded.diagnostics.iter().all(|d| d.severity == Severity::Error));

    let yaml = "lookup: a\ncolumns: {value: INT64}\nkey: [value]\n";
    let csv = format!("value\n{}", "x\n".repeat(5000));
    let tree = MemoryTree::default().with("sql/lookups/a.yaml", yaml).with("sql/lookups/a.csv", csv);
    let last = load(&tree).diagnostics.pop().expect("found");
    assert!(last.code == "lookup.bad-row" && last.label.contains("not read"), "{last:?}");
}
