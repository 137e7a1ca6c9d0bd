//! Checking a large project stays quick.

use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::{Embedded, MemoryTree};
use tripline::diagnostic::{Diagnostic, SourceFiles};
use tripline::port::FileTree;

use super::check;

/// Copies of the pack: 505 rules.
const COPIES: usize = 20;
/// Without optimization six megabytes of definitions and their tests take ten seconds; more than linear would be minutes.
const LIMIT: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("scale::checking_five_hundred_rules_is_quick", five_hundred_rules),
        Trial::test("scale::checking_a_long_lookup_is_quick", long_lookup),
    ]
}

/// The pack's rules and features many times over, each with names of its own.
fn copies() -> Result<MemoryTree, Failed> {
    let mut tree = MemoryTree::default();
    let paths = Embedded.paths()?;
    let stem = |path: &str| path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml").to_owned();
    let features: Vec<String> = paths.iter().filter(|p| p.starts_with("features/")).map(|p| stem(p)).collect();
    let mut rules: Vec<String> = Vec::new();
    for path in paths.iter().filter(|p| p.starts_with("rules/")) {
        let text = Embedded.read(path)?;
        rules.extend(text.strip_prefix("rule: ").and_then(|rest| rest.lines().next()).map(str::to_owned));
    }
    for path in &paths {
        let text = Embedded.read(path)?;
        if !path.starts_with("features/") && !path.starts_with("rules/") {
            tree = tree.with(path.clone(), text);
            continue;
        }
        // Risk is of all rules together: there is one.
        for copy in 0..if path.contains("risk") { 1 } else { COPIES } {
            let mut text = text.clone();
            for feature in &features {
                text = renamed(&text, feature, &format!("{feature}_x{copy}"));
            }
            // `from: hits(rule, …)`, and the tests of risk.
            let own = text.strip_prefix("rule: ").and_then(|rest| rest.lines().next()).map(str::to_owned);
            let named =
                |rule: &&String| (path.starts_with("features/") || path.contains("risk")) && own.as_ref() != Some(rule);
            for rule in rules.iter().filter(named) {
                text = renamed(&text, rule, &format!("{rule}_x{copy}"));
            }
            if let Some(rest) = text.strip_prefix("rule: ") {
                let name = rest.lines().next().ok_or("a rule without a name")?.to_owned();
                text = renamed(&text, &name, &format!("{name}_x{copy}"));
            }
            tree = tree.with(path.replace(".yaml", &format!("_x{copy}.yaml")), text);
        }
    }
    Ok(tree)
}

/// With another name in the place of a whole one.
fn renamed(text: &str, name: &str, other: &str) -> String {
    let within = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
    let mut renamed = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(name) {
        if within(text[..at].chars().next_back()) || within(text[at + name.len()..].chars().next()) {
            continue;
        }
        renamed.push_str(&text[done..at]);
        renamed.push_str(other);
        done = at + name.len();
    }
    renamed + &text[done..]
}

/// How long this thread has run: what else the machine does is not counted.
fn on_processor() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Rows of a lookup: each looked at for each would be a minute.
const LOOKUP_ROWS: usize = 100_000;
const LOOKUP_LIMIT: Duration = Duration::from_secs(12);

fn long_lookup() -> Result<(), Failed> {
    let path = "sql/lookups/allow_scanners.csv";
    let mut tree = MemoryTree::default();
    for own in Embedded.paths()? {
        tree = tree.with(own.clone(), Embedded.read(&own)?);
    }
    let head = Embedded.read(path)?.lines().next().ok_or("no columns")?.to_owned();
    let row = |number: usize| format!("10.{}.{}.{},a scanner\n", number >> 16, (number >> 8) & 255, number & 255);
    let rows: String = (0..LOOKUP_ROWS).map(row).collect();
    let tree = tree.with(path, format!("{head}\n{rows}"));
    let (found, took) = checked(&tree);
    println!("{LOOKUP_ROWS} rows checked in {took:?}");
    match found.0.first() {
        Some(first) => Err(tripline::diagnostic::render_text(std::slice::from_ref(first), &found.1, false).into()),
        None if took > LOOKUP_LIMIT => Err(format!("{LOOKUP_ROWS} rows took {took:?}").into()),
        None => Ok(()),
    }
}

type Found = (Vec<Diagnostic>, SourceFiles);

fn checked(tree: &MemoryTree) -> (Found, Duration) {
    let (started, before) = (Instant::now(), on_processor());
    let found = check(tree);
    let took = match (before, on_processor()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => started.elapsed(),
    };
    (found, took)
}

fn five_hundred_rules() -> Result<(), Failed> {
    let tree = copies()?;
    let rules = tree.paths()?.iter().filter(|path| path.starts_with("rules/")).count();
    let ((found, files), took) = checked(&tree);
    println!("{rules} rules checked in {took:?}");
    if let Some(first) = found.first() {
        let text = tripline::diagnostic::render_text(std::slice::from_ref(first), &files, false);
        return Err(format!("{} findings, the first is\n{text}", found.len()).into());
    }
    if rules < 500 || took > LIMIT {
        return Err(format!("{rules} rules took {took:?}").into());
    }
    Ok(())
}
