//! A rule's fingerprint: its canonical text is golden, and it changes exactly with what the rule means.

use std::fs;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::MemoryTree;
use tripline::diagnostic::Severity;
use tripline::plan::{self, Plan};

use super::TODAY;

const PROJECT: &str = include_str!("../fingerprint/project.txt");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fingerprint/canonical.txt");

/// What is replaced in the project, by what, and whether `net.many` and `net.flow` mean something else then.
const CHANGES: &[(&str, &str, (bool, bool))] = &[
    // What is written, and not what it means.
    ("title: Many", "title: More", (false, false)),
    ("title: '{src_ip}'", "title: '{src_ip}!'", (false, false)),
    ("  FROM pair\n", "  -- a remark\n  FROM   pair\n", (false, false)),
    ("flows >= @least", "(FLOWS >= @least)", (false, false)),
    ("10.0.0.0/8,ann", "10.0.0.0/8,bob", (false, false)),
    ("net.many:\n    params: {least: 6}", "net.many:\n    params: {least: 6}\n    status: shadow", (false, false)),
    ("reason: known", "reason: an owner asked", (false, false)),
    // What the rules do not read.
    ("AVG(dst_port)", "MAX(dst_port)", (false, false)),
    ("COUNTIF(high)", "COUNTIF(NOT high)", (false, false)),
    ("> 1023", "> 49151", (false, false)),
    ("  time: {type", "  more: STRING\n  time: {type", (false, true)),
    // What net.many means.
    ("params: {least: 6}", "params: {least: 7}", (true, false)),
    ("  least: 5", "  least: 4", (false, false)),
    ("missing: {flows: 0}", "missing: {flows: 99}", (true, false)),
    (", missing: {flows: 0}", "", (true, false)),
    ("missing: {owner: nobody}", "missing: {owner: somebody}", (true, false)),
    ("'two  blanks'", "'two blanks'", (true, false)),
    ("dst_port = 22", "dst_port = 2222", (true, false)),
    ("SAFE_DIVIDE(SUM(ssh), COUNT(*))", "SAFE_DIVIDE(SUM(ssh), COUNT(dst_port))", (true, false)),
    ("STRING_AGG(DISTINCT dst_ip", "STRING_AGG(dst_ip", (true, false)),
    ("'|' ORDER BY", "'/' ORDER BY", (true, false)),
    ("ORDER BY dst_ip LIMIT", "ORDER BY dst_ip DESC LIMIT", (true, false)),
    ("LIMIT 9", "LIMIT 8", (true, false)),
    ("COVAR_POP(dst_port, ssh)", "COVAR_SAMP(dst_port, ssh)", (true, false)),
    ("COVAR_POP(dst_port, ssh)", "COVAR_POP(dst_port, dst_port)", (true, false)),
    ("flows * 2", "flows * 3", (true, false)),
    ("NOT IN (SELECT port", "IN (SELECT port", (true, false)),
    ("('7', '8')", "('7', '9')", (true, false)),
    ("NOT IN ('7'", "IN ('7'", (true, false)),
    ("THEN TRUE ELSE FALSE", "THEN TRUE ELSE TRUE", (true, false)),
    ("fourfold / 100", "fourfold / 50", (true, false)),
    ("weight: 0.5", "weight: 0.6", (true, false)),
    ("merge_within: 1h", "merge_within: 2h", (true, false)),
    ("key: [src_ip], merge", "key: [event_time], merge", (true, false)),
    ("role: actor", "role: victim", (true, false)),
    ("'10.0.0.1'", "'10.0.0.2'", (true, false)),
    ("from: 2026-01-01", "from: 2026-01-02", (true, false)),
    ("key: [src_ip]\nwindow: {size: 5m}", "key: [src_ip]\nwindow: {size: 5m, every: 5m}", (false, false)),
    ("window: {size: 5m}", "window: {size: 5m, every: 1m}", (true, false)),
    // What both read of the source.
    ("LOWER(src)", "UPPER(src)", (true, true)),
    ("decode: seconds", "decode: millis", (true, true)),
    ("'src ip'", "'src-ip'", (true, true)),
    ("note IS NOT NULL", "note IS NULL", (true, true)),
    ("dedupe: [src, dst, time]", "dedupe: [src, time]", (true, true)),
    ("format: json", "format: csv", (true, true)),
    ("event_time: time", "event_time: TIMESTAMP_ADD(time, INTERVAL 1 SECOND)", (true, true)),
    ("note AS geo_city", "note AS geo_country", (false, false)),
];

/// The same of `net.chained`, which reads the hits of `net.many`.
const CHAINED: &[(&str, &str, bool)] = &[
    ("title: Many", "title: More", false),
    ("dst_port = 23", "dst_port = 24", false),
    ("title: Many\nseverity: low", "title: Many\nseverity: critical", true),
    ("params: {least: 6}", "params: {least: 7}", true),
    ("fourfold / 100", "fourfold / 50", true),
    ("COVAR_POP(dst_port, ssh)", "COVAR_SAMP(dst_port, ssh)", true),
    ("as_of: window_start", "as_of: window_end", true),
    ("max_age: 2h", "max_age: 3h", true),
    ("missing: {hits: 0}", "missing: {hits: 1}", true),
    ("[OFFSET(1)]", "[OFFSET(2)]", true),
    ("(score, 2)", "(score, 3)", true),
    ("from: hits(net.many)", "from: alerts(net.many)", true),
    ("merge_within: 1h", "merge_within: 2h", true),
];

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("fingerprint::it_changes_with_what_a_rule_means", changes),
        Trial::test("fingerprint::the_canonical_text_is_golden", golden),
    ]
}

fn resolve(text: &str) -> Result<Plan, Failed> {
    let loaded = tripline::definition::load(&MemoryTree::from_sections(text));
    let resolved = plan::resolve(&loaded.project, TODAY);
    let mut found = loaded.diagnostics.into_iter().chain(resolved.diagnostics);
    match found.find(|finding| finding.severity == Severity::Error) {
        Some(error) => Err(error.message.into()),
        None => Ok(resolved.plan),
    }
}

/// Of `net.many`, `net.flow` and `net.chained`.
fn fingerprints(text: &str) -> Result<[String; 3], Failed> {
    let plan = resolve(text)?;
    let of = |name: &str| {
        let rule = plan.rules.iter().find(|rule| rule.name == name);
        rule.map(|rule| rule.fingerprint.clone()).ok_or_else(|| Failed::from(format!("no {name}")))
    };
    Ok([of("net.many")?, of("net.flow")?, of("net.chained")?])
}

fn changes() -> Result<(), Failed> {
    let before = fingerprints(PROJECT)?;
    let changed = |from: &str, to: &str| -> Result<[bool; 3], Failed> {
        let text = PROJECT.replace(from, to);
        if text == PROJECT {
            return Err(format!("`{from}` is not in the project").into());
        }
        let now = fingerprints(&text).map_err(|e| format!("`{to}`: {}", e.message().unwrap_or("")))?;
        Ok([0, 1, 2].map(|rule| now[rule] != before[rule]))
    };
    let mut wrong = String::new();
    for (from, to, expected) in CHANGES {
        let [many, flow, _] = changed(from, to)?;
        if (many, flow) != *expected {
            wrong.push_str(&format!("`{from}` to `{to}`: {:?}, not {expected:?}\n", (many, flow)));
        }
    }
    for (from, to, expected) in CHAINED {
        let [.., chained] = changed(from, to)?;
        if chained != *expected {
            wrong.push_str(&format!("`{from}` to `{to}`: {chained}, not {expected}, of net.chained\n"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

fn golden() -> Result<(), Failed> {
    let plan = resolve(PROJECT)?;
    let texts =
        plan.rules.iter().map(|rule| format!("{} {}\n{}", rule.name, rule.fingerprint, plan::canonical(&plan, rule)));
    let text = texts.collect::<Vec<_>>().join("\n");
    if std::env::var_os("BLESS").is_some() {
        fs::write(GOLDEN, &text)?;
        return Ok(());
    }
    if text == fs::read_to_string(GOLDEN)? {
        return Ok(());
    }
    Err(format!("fingerprints of open alerts would change; found:\n{text}").into())
}
