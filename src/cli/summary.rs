//! What a run did, and how far it is, for people.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::outlet::Uncomputed;
use crate::port::Input;
use crate::record::alert::Phase;
use crate::record::{Disposition, Micros, plural};
use crate::runtime::report::RunReport;
use crate::runtime::run::Progress;

use super::say::note_once;

/// Short work shows no bar.
const BAR_AFTER: Duration = Duration::from_millis(700);

/// `1 row`, `2,000 rows`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{} {}", HumanCount(count), plural(count, one))
}

/// A bar on standard error when that is a terminal.
pub fn progress_bar(total: Option<u64>, unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    let known = format!("{{bar:30}} {{percent}}%  {{human_pos}} of {{human_len}} {unit}  {{msg}}  {{eta}} left");
    let unknown = format!("{{spinner}} {{human_pos}} {unit}  {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(if total.is_some() { &known } else { &unknown }) {
        bar.set_style(style);
    }
    bar
}

/// Says on a terminal what is going on and for how long, until it is dropped.
pub struct Waiting(ProgressBar);

impl Waiting {
    pub fn on(what: String) -> Self {
        let bar = progress_bar(None, "");
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(BAR_AFTER);
        }
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Progress of a run over the stored bytes of its inputs.
pub struct RunBar {
    bar: ProgressBar,
    rows: AtomicU64,
    /// Rows alone are told: nothing is computed from them.
    rows_only: bool,
}

impl RunBar {
    pub fn new(inputs: &[Arc<dyn Input>]) -> Self {
        let bytes: Option<u64> = inputs.iter().map(|input| input.size_bytes()).sum();
        Self { bar: progress_bar(bytes, "bytes"), rows: AtomicU64::new(0), rows_only: false }
    }

    pub fn of_rows(inputs: &[Arc<dyn Input>]) -> Self {
        Self { rows_only: true, ..Self::new(inputs) }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for RunBar {
    fn advanced(&self, bytes: u64, rows: u64, alerts: u64) {
        if self.bar.is_hidden() && std::io::stderr().is_terminal() && self.bar.elapsed() > BAR_AFTER {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        // Of a compressed file, the compressed bytes.
        self.bar.inc(bytes);
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let alerts = if self.rows_only { String::new() } else { format!(", {}", counted(alerts, "alert")) };
        self.bar.set_message(format!("{}{alerts}", counted(rows, "row")));
    }

    fn notes(&self, what: &str) {
        self.bar.suspend(|| super::say::note(what));
    }
}

/// The closing lines of a run.
pub fn summary(report: &RunReport) -> String {
    let ledger = &report.ledger;
    let count = |n: u64| HumanCount(n).to_string();
    let mut text = row_lines(report);
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<10} {value}\n"));
    if let Some(warmed) = &report.warmed {
        let rows = counted(warmed.rows, "row");
        let told = if warmed.rows == 0 {
            "it has none that count here".to_owned()
        } else {
            format!("windows that ended by {} were told before", warmed.until)
        };
        line("history", format!("{rows}; {told}"));
    }
    line("windows", format!("{}, with {}", count(ledger.windows), counted(ledger.feature_rows, "row")));
    let hits = Disposition::ALL.iter().map(|d| format!("{} {}", count(ledger.disposed(*d)), d.name()));
    line("hits", format!("{} = {}", count(ledger.hits), hits.collect::<Vec<_>>().join(" + ")));
    let open = if ledger.open_incidents > 0 {
        format!(", {} still open", counted(ledger.open_incidents, "incident"))
    } else {
        String::new()
    };
    let before_the_end = ledger.told.iter().sum::<u64>() - ledger.told(Phase::Final);
    let alerts = match before_the_end {
        0 => count(ledger.alerts),
        _ => by_phase(|phase| ledger.told(phase)),
    };
    line("alerts", format!("{alerts}{open}"));
    evicted(&ledger.evicted_keys).into_iter().for_each(|told| line("evicted", told));
    uncomputed(&report.row_errors, ledger.saturated).into_iter().for_each(|error| line("errors", error));
    line("time", format!("{:.2} s, {:.0} rows/s", report.elapsed.as_secs_f64(), report.rows_per_second()));
    if report.interrupted || report.failed {
        line("stopped", "before the end: windows that were open are not closed".to_owned());
    }
    text
}

/// What was said of incidents: `2 first, 0 update, 1 final, 0 withdrawn`.
pub fn by_phase(told: impl Fn(Phase) -> u64) -> String {
    let parts = Phase::ALL.map(|phase| format!("{} {}", HumanCount(told(phase)), phase.name()));
    parts.join(", ")
}

/// What could not be computed.
fn uncomputed(rows: &[Uncomputed], saturated: u64) -> Vec<String> {
    let of = |(name, count, first): &Uncomputed| {
        let (rows, first) = (counted(*count, "row"), &first.message);
        format!("{name}: {rows} could not be computed, the first: {first}")
    };
    let sums = (saturated > 0).then(|| format!("{} stopped at the bounds of INT64", counted(saturated, "sum")));
    rows.iter().map(of).chain(sums).collect()
}

/// Which features let keys go.
fn evicted(keys: &BTreeMap<String, u64>) -> Vec<String> {
    let of = |(feature, keys): (&String, &u64)| {
        let keys = counted(*keys, "time");
        format!("{feature} let keys go {keys}, those seen longest ago: it had more than `keys_max`")
    };
    keys.iter().map(of).collect()
}

/// The same beside rows that were asked for, which may be less for it.
pub fn note_evicted(keys: &BTreeMap<String, u64>) {
    evicted(keys).iter().for_each(|told| note_once(told));
}

/// The same beside rows that were asked for; once, also where several passes find it.
pub fn note_uncomputed(rows: &[Uncomputed], saturated: u64) {
    uncomputed(rows, saturated).iter().for_each(|error| note_once(error));
}

/// What became of the records.
pub fn row_lines(report: &RunReport) -> String {
    let ledger = &report.ledger;
    let count = |n: u64| HumanCount(n).to_string();
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<10} {value}\n"));
    line(
        "rows",
        format!(
            "{} offered = {} accepted + {} filtered + {} rejected + {} duplicate + {} late{}",
            count(ledger.offered),
            count(ledger.accepted),
            count(ledger.filtered),
            count(ledger.rejected_total()),
            count(ledger.duplicate),
            count(ledger.late),
            if ledger.unread > 0 { format!(" + {} unread", count(ledger.unread)) } else { String::new() },
        ),
    );
    for (reason, rejected) in &ledger.rejected {
        line("rejected", format!("{} {}", count(*rejected), reason.code()));
        if let Some(first) = ledger.first_rejects.get(reason) {
            let place = format!("{}:{}", first.origin.file, first.origin.line);
            line("", format!("first: {place}: {}", shortened(&first.detail, DETAIL_CHARS)));
        }
    }
    if ledger.offered > 0 && ledger.rejected_total() == ledger.offered {
        line("help", "every record was rejected; is --source right?".to_owned());
    }
    if ledger.late_windows > 0 {
        line("", format!("{} missed by late rows", counted(ledger.late_windows, "window")));
    }
    if ledger.late_windows + ledger.late > 0 {
        let help = "rows came later than the source's `lateness`; `tripline source profile` shows by how much";
        line("help", help.to_owned());
    }
    if let Some(ignored) = ignored(ledger.ignored_fields.counts()) {
        line("ignored", ignored);
    }
    text
}

/// Ignored fields that are named.
const IGNORED_SHOWN: usize = 6;
/// Characters of a reject's detail.
const DETAIL_CHARS: usize = 200;

/// Fields that the source does not declare, those of most records first; `None` when there are none.
pub fn ignored(fields: &BTreeMap<String, u64>) -> Option<String> {
    if fields.is_empty() {
        return None;
    }
    let mut fields: Vec<(&String, &u64)> = fields.iter().collect();
    fields.sort_by_key(|(name, rows)| (std::cmp::Reverse(**rows), *name));
    let shown = fields.iter().take(IGNORED_SHOWN);
    let shown: Vec<String> =
        shown.map(|(name, rows)| format!("`{}` ({})", shortened(name, DETAIL_CHARS), counted(**rows, "row"))).collect();
    let word = if fields.len() == 1 { "field" } else { "fields" };
    let more = match fields.len().saturating_sub(IGNORED_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("{} undeclared {word}: {}{more}", fields.len(), shown.join(", ")))
}

/// A text cut to `max` characters, without line breaks and what else moves a terminal's cursor.
pub fn shortened(text: &str, max: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= max {
        return text.chars().map(clean).collect();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).map(clean).collect();
    cut.push('…');
    cut
}

/// `12%`; what is not none, but nearly, is `<1%`.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
pub fn share(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / (whole.max(1) as f64);
    match percent {
        p if part > 0 && p < 0.1 => "<0.1%".to_owned(),
        p if p > 0.0 && p < 10.0 => format!("{p:.1}%"),
        p if part < whole && p > 99.9 => ">99.9%".to_owned(),
        p => format!("{p:.0}%"),
    }
}

/// A length of time for people: `2m5.1s`.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
pub fn duration(length: Micros) -> String {
    let seconds = length.0 as f64 / 1e6;
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
