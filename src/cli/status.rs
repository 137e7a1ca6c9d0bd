//! `tripline status`: how a run over subscriptions is.

use std::fmt::Write;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount};
use serde_json::Value as Json;

use crate::record::Micros;

use super::exit::Exit;
use super::summary::{by_phase, counted, duration, share, shortened};
use super::wire;

/// Where a run listens, unless it was said otherwise.
pub const ADDRESS: &str = "127.0.0.1:9464";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Where the run listens, as `run --listen` was told
    #[arg(long, default_value = ADDRESS, value_name = "ADDRESS")]
    address: String,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Status {
    pub fn run(self) -> anyhow::Result<Exit> {
        let said = wire::ask(&self.address, "/status").with_context(|| {
            let help = "help: `tripline run --subscription … --listen ADDRESS` listens; is it running?";
            format!("no run answers at {}\n{help}", self.address)
        });
        let (code, body) = said?;
        let status: Option<Json> = serde_json::from_str(&body).ok();
        let Some(status) = status.filter(|status| code == 200 && status["phase"].is_string()) else {
            bail!("what answers at {} is no run of tripline\nhelp: --address HOST:PORT", self.address);
        };
        let text = match self.format {
            Format::Text => text(&status),
            Format::Json => format!("{status}\n"),
        };
        std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
        Ok(if status["healthy"] == true { Exit::Fine } else { Exit::Findings })
    }
}

/// Rules that are shown, those of most hits first.
const RULES_SHOWN: usize = 20;
const NAME_CHARS: usize = 120;

/// Lines with a name in front, as those of the closing summary.
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: &str) {
        // A reason may have several lines, and a place among them means something.
        let mut parts = value.lines().map(|part| shortened(part, 400));
        let _ = writeln!(self.0, "{name:<10} {}", parts.next().unwrap_or_default());
        for part in parts {
            let _ = writeln!(self.0, "{:<10} {part}", "");
        }
    }
}

fn text(status: &Json) -> String {
    let mut lines = Lines(String::new());
    let ready = if status["ready"] == true || status["phase"] != "running" { "" } else { ", not ready" };
    let started = format!("since {} ({})", instant(&status["started_at"]), span(&status["seconds"]));
    lines.line(&word(&status["phase"]), &format!("{started}, version {}{ready}", word(&status["version"])));
    let problems: Vec<String> = items(&status["problems"]).iter().map(word).collect();
    if status["healthy"] == true {
        lines.line("healthy", "yes");
    } else {
        problems.iter().for_each(|problem| lines.line("unhealthy", problem));
    }
    if status["generation_since"].is_string() {
        let (generation, since) = (word(&status["generation"]), instant(&status["generation_since"]));
        lines.line("in force", &format!("generation {generation} since {since}"));
        reload(&status["reload"], &mut lines);
        for lookup in items(&status["lookups"]) {
            let rows =
                if lookup["rows"].is_null() { String::new() } else { format!(", {} rows", count(&lookup["rows"])) };
            lines.line("lookup", &format!("{}: version {}{rows}", name(&lookup["name"]), word(&lookup["version"])));
        }
    }
    if status["phase"] == "recovering" {
        let recovery = &status["recovery"];
        lines.line("log", &format!("{} of {} read", count(&recovery["entries"]), counts_of(&recovery["of"], "entry")));
    }
    if status.get("rows").is_some() {
        counts(status, &mut lines);
        rules(status, &mut lines);
        features(status, &mut lines);
    }
    for lane in items(&status["subscriptions"]) {
        let heard = if lane["last_heard"].is_null() {
            "nothing heard yet".to_owned()
        } else {
            format!("heard {}", instant(&lane["last_heard"]))
        };
        let waits = if lane["waiting_rows"] == 1 { "waits" } else { "wait" };
        let waiting = counts_of(&lane["waiting_rows"], "row");
        lines.line("from", &format!("{}: {heard}, {waiting} {waits} for others", name(&lane["name"])));
        late(lane, &mut lines);
    }
    for sink in items(&status["sinks"]) {
        lines.line("to", &of_sink(sink));
    }
    if let Some(log) = status.get("log") {
        let (entries, size) = (counts_of(&log["entries"], "entry"), bytes(&log["bytes"]));
        let (last, largest) = (millis(&log["last_sync_seconds"]), millis(&log["largest_sync_seconds"]));
        lines.line("log", &format!("{entries}, {size}; last sync {last}, largest of the last minutes {largest}"));
    }
    let snapshot = &status["snapshot"];
    if !snapshot.is_null() {
        let (entries, size) = (counts_of(&snapshot["entries"], "entry"), bytes(&snapshot["bytes"]));
        lines.line("snapshot", &format!("{} of {entries}, {size}", instant(&snapshot["at"])));
    }
    if !status["memory_bytes"].is_null() {
        let limit = &status["memory_limit_bytes"];
        let of = if limit.is_null() { String::new() } else { format!(", {} may be used", bytes(limit)) };
        lines.line("memory", &(bytes(&status["memory_bytes"]) + &of));
    }
    lines.0
}

/// What became of the definitions that were read anew last.
fn reload(reload: &Json, lines: &mut Lines) {
    if reload["checking"] == true {
        lines.line("reload", "the project is being checked");
    }
    if let Some(next) = reload["under_way"].as_str() {
        lines.line("reload", &format!("generation {next} is made ready"));
    }
    let last = &reload["last"];
    if let Some(outcome) = last["outcome"].as_str() {
        lines.line("reload", &format!("{outcome} at {}: {}", instant(&last["at"]), word(&last["what"])));
    }
}

/// Rows that came behind the watermark, and what to do.
fn late(lane: &Json, lines: &mut Lines) {
    let late = lane["late_rows"].as_u64().unwrap_or(0);
    if late == 0 {
        return;
    }
    let of = lane["rows"].as_u64().unwrap_or(0);
    let since = instant(&lane["late_since"]);
    lines.line("late", &format!("{} ({}) behind the watermark, since {since}", counted(late, "row"), share(late, of)));
    let help = "is the exporter's clock right? Otherwise raise the source's `lateness`; `tripline source profile` shows by how much";
    lines.line("help", help);
}

fn counts(status: &Json, lines: &mut Lines) {
    let watermark = if status["watermark"].is_null() {
        "none yet".to_owned()
    } else {
        format!("{}, {} behind the clock", instant(&status["watermark"]), span(&status["lag_seconds"]))
    };
    lines.line("watermark", &watermark);
    let rows = &status["rows"];
    let terms = ["accepted", "filtered", "rejected", "duplicate", "late"];
    let terms: Vec<String> = terms.iter().map(|term| format!("{} {term}", count(&rows[*term]))).collect();
    let unread = if rows["unread"] == 0 { String::new() } else { format!(" + {} unread", count(&rows["unread"])) };
    lines.line("rows", &format!("{} offered = {}{unread}", count(&rows["offered"]), terms.join(" + ")));
    for (reason, rejected) in status["rejected"].as_object().into_iter().flatten() {
        lines.line("rejected", &format!("{} {reason}", count(rejected)));
    }
    let late = &status["late_windows"];
    if *late != 0 {
        lines.line("", &format!("{} missed by late rows", counts_of(late, "window")));
    }
    let errors = &status["row_errors"];
    if *errors != 0 {
        lines.line("errors", &format!("{} could not be computed", counts_of(errors, "row")));
    }
    let told = by_phase(|phase| status["told"][phase.name()].as_u64().unwrap_or(0));
    let (hits, open) = (counts_of(&status["hits"], "hit"), counts_of(&status["open_incidents"], "incident"));
    lines.line("alerts", &format!("{told}; {open} open; {hits}"));
    for open in items(&status["health"]) {
        let (rule, title) = (name(&open["rule"]), word(&open["title"]));
        lines.line("health", &format!("{rule} since {}: {title}", instant(&open["since"])));
    }
    for mute in items(&status["mutes"]) {
        let key = mute["key"].as_object().into_iter().flatten();
        let key: String = key.map(|(column, value)| format!(" {column}={}", word(value))).collect();
        let reason = mute["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.line("muted", &format!("{}{key} until {}{reason}", name(&mute["rule"]), instant(&mute["until"])));
    }
}

fn rules(status: &Json, lines: &mut Lines) {
    let mut rules: Vec<&Json> = items(&status["rules"]).iter().filter(|rule| rule["hits"] != 0).collect();
    rules.sort_by_key(|rule| (std::cmp::Reverse(rule["hits"].as_u64()), rule["name"].as_str()));
    let width = rules.iter().take(RULES_SHOWN).map(|rule| name(&rule["name"]).chars().count()).max().unwrap_or(0);
    for rule in rules.iter().take(RULES_SHOWN) {
        let (hits, alerts) = (counts_of(&rule["hits"], "hit"), counts_of(&rule["alerts"], "alert"));
        lines.line("rule", &format!("{:<width$}  {hits}, {alerts}", name(&rule["name"])));
    }
    if rules.len() > RULES_SHOWN {
        lines.line("", &format!("and {} more", rules.len() - RULES_SHOWN));
    }
}

/// Those that are in trouble.
fn features(status: &Json, lines: &mut Lines) {
    for feature in items(&status["features"]).iter().filter(|feature| feature["evicted_keys"] != 0) {
        let (keys, evicted) = (counts_of(&feature["keys"], "key"), count(&feature["evicted_keys"]));
        lines.line("evicted", &format!("{}: {keys} held, {evicted} let go", name(&feature["name"])));
    }
}

fn of_sink(sink: &Json) -> String {
    let mut text = format!(
        "{}: {} {}",
        name(&sink["name"]),
        counts_of(&sink["pending"], if sink["waiting"] == "entries" { "entry" } else { "alert" }),
        if sink["pending"] == 1 { "waits" } else { "wait" }
    );
    if !sink["waits_seconds"].is_null() {
        let _ = write!(text, ", the first for {}", span(&sink["waits_seconds"]));
    }
    for (key, what) in [("refused", "refused"), ("muted", "muted"), ("held", "held back")] {
        if sink[key].as_u64().is_some_and(|count| count > 0) {
            let _ = write!(text, ", {} {what}", count(&sink[key]));
        }
    }
    if !sink["error"].is_null() {
        let _ = write!(text, "; {}, the last: {}", counts_of(&sink["failures"], "failure"), word(&sink["error"]));
    }
    text
}

fn items(list: &Json) -> &[Json] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Json) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

/// Without parts of a second.
fn instant(value: &Json) -> String {
    let at = word(value);
    at.split_once('.').map_or(at.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn name(value: &Json) -> String {
    shortened(value.as_str().unwrap_or("?"), NAME_CHARS)
}

fn count(value: &Json) -> String {
    HumanCount(value.as_u64().unwrap_or(0)).to_string()
}

fn counts_of(value: &Json, one: &str) -> String {
    counted(value.as_u64().unwrap_or(0), one)
}

fn bytes(value: &Json) -> String {
    HumanBytes(value.as_u64().unwrap_or(0)).to_string()
}

#[expect(clippy::cast_possible_truncation, reason = "shown to people")]
fn span(seconds: &Json) -> String {
    duration(Micros((seconds.as_f64().unwrap_or(0.0) * 1e6) as i64))
}

fn millis(seconds: &Json) -> String {
    format!("{:.1} ms", seconds.as_f64().unwrap_or(0.0) * 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn a_run_in_trouble() {
        let status = json!({
            "phase": "running", "started_at": "2026-01-05T09:00:00.250Z", "seconds": 90.0, "version": "1", "ready": true,
            "healthy": false, "problems": ["the run has got on with nothing for 42 s"],
            "rows": {"offered": 3000, "accepted": 2990, "filtered": 0, "rejected": 6, "duplicate": 0, "late": 0, "unread": 4},
            "rejected": {"ingest.bad-record": 6}, "late_windows": 0, "row_errors": 2, "hits": 12, "alerts": 1,
            "told": {"first": 3, "update": 0, "final": 1, "withdrawn": 0},
            "health": [{"rule": "tripline.source.silent", "since": "2026-01-05T09:00:00.5Z", "title": "s is silent"}],
            "mutes": [{"rule": "net.scan", "key": {"src_ip": "10.0.0.5"}, "until": "2026-01-06T00:00:00Z", "reason": "auditors"}],
            "open_incidents": 1, "watermark": null, "lag_seconds": null,
            "rules": [{"name": "a", "hits": 1, "alerts": 0}, {"name": "long", "hits": 11, "alerts": 1},
                      {"name": "quiet", "hits": 0, "alerts": 0}],
            "features": [{"name": "f", "keys": 5, "evicted_keys": 0}, {"name": "g", "keys": 7, "evicted_keys": 3}],
            "subscriptions": [{"name": "s\u{1b}[2J", "last_heard": null, "waiting_rows": 4, "rows": 2000,
                               "late_rows": 1, "late_since": "2026-01-05T09:00:00.5Z"}],
            "sinks": [{"name": "hook", "pending": 2, "waits_seconds": 400.0, "refused": 1, "failures": 3,
                       "error": "timeout"}, {"name": "other", "pending": 0, "waits_seconds": null, "refused": 0,
                       "failures": 3, "error": null}],
            "log": {"entries": 5, "bytes": 2048, "last_sync_seconds": 0.0021, "largest_sync_seconds": 0.5},
            "lookups": [{"name": "feed", "rows": 1_000_000, "version": "0a1b2c3d"}, {"name": "geo", "rows": null, "version": "f0"}],
            "generation": "abc", "generation_since": "2026-01-05T09:00:01.5Z",
            "reload": {"checking": true, "under_way": "def", "last": {"outcome": "refused", "what": "it has\nerrors", "at": "2026-01-05T09:01:00Z"}},
            "snapshot": {"at": "2026-01-05T09:00:01Z", "entries": 4, "bytes": 1024},
            "memory_bytes": 1024,
        });
        let expected = "\
running    since 2026-01-05T09:00:00Z (1.5 min), version 1
unhealthy  the run has got on with nothing for 42 s
in force   generation abc since 2026-01-05T09:00:01Z
reload     the project is being checked
reload     generation def is made ready
reload     refused at 2026-01-05T09:01:00Z: it has
           errors
lookup     feed: version 0a1b2c3d, 1,000,000 rows
lookup     geo: version f0
watermark  none yet
rows       3,000 offered = 2,990 accepted + 0 filtered + 6 rejected + 0 duplicate + 0 late + 4 unread
rejected   6 ingest.bad-record
errors     2 rows could not be computed
alerts     3 first, 0 update, 1 final, 0 withdrawn; 1 incident open; 12 hits
health     tripline.source.silent since 2026-01-05T09:00:00Z: s is silent
muted      net.scan src_ip=10.0.0.5 until 2026-01-06T00:00:00Z: auditors
rule       long  11 hits, 1 alert
rule       a     1 hit, 0 alerts
evicted    g: 7 keys held, 3 let go
from       s [2J: nothing heard yet, 4 rows wait for others
late       1 row (<0.1%) behind the watermark, since 2026-01-05T09:00:00Z
help       is the exporter's clock right? Otherwise raise the source's `lateness`; `tripline source profile` shows by how much
to         hook: 2 alerts wait, the first for 6.7 min, 1 refused; 3 failures, the last: timeout
to         other: 0 alerts wait
log        5 entries, 2.00 KiB; last sync 2.1 ms, largest of the last minutes 500.0 ms
snapshot   2026-01-05T09:00:01Z of 4 entries, 1.00 KiB
memory     1.00 KiB
";
        assert_eq!(text(&status), expected);
    }

    #[test]
    fn a_run_that_reads_its_log() {
        let status = json!({
            "phase": "recovering", "started_at": "2026-01-05T09:00:00Z", "seconds": 2.0, "version": "1", "ready": false,
            "healthy": true, "problems": [], "recovery": {"entries": 5, "of": 2000}, "snapshot": null,
            "subscriptions": [], "sinks": [], "memory_bytes": null,
        });
        let expected = "\
recovering since 2026-01-05T09:00:00Z (2.0 s), version 1
healthy    yes
log        5 of 2,000 entries read
";
        assert_eq!(text(&status), expected);
    }
}
