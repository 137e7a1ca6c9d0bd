//! What a run did, and how far it is, for people.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::record::Disposition;
use crate::runtime::report::RunReport;
use crate::runtime::run::Progress;

/// Short work shows no bar.
const BAR_AFTER: Duration = Duration::from_millis(700);

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

/// Progress of a run over bytes of its inputs.
pub struct RunBar {
    bar: ProgressBar,
    rows: std::sync::atomic::AtomicU64,
}

impl RunBar {
    pub fn new(bytes: Option<u64>) -> Self {
        Self { bar: progress_bar(bytes, "bytes"), rows: std::sync::atomic::AtomicU64::new(0) }
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
        self.bar.inc(bytes);
        let rows = self.rows.fetch_add(rows, std::sync::atomic::Ordering::Relaxed) + rows;
        self.bar.set_message(format!("{} rows, {} alerts", HumanCount(rows), HumanCount(alerts)));
    }
}

/// The closing lines of a run.
pub fn summary(report: &RunReport) -> String {
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
        line("", format!("rejected {}: {}", reason.code(), count(*rejected)));
    }
    if ledger.late_windows > 0 {
        line("", format!("{} windows missed by late rows", count(ledger.late_windows)));
    }
    for (field, rows) in &ledger.ignored_fields {
        line("", format!("field `{field}` is not declared: ignored in {} rows", count(*rows)));
    }
    line("windows", format!("{}, with {} rows", count(ledger.windows), count(ledger.feature_rows)));
    let hits = Disposition::ALL.iter().map(|d| format!("{} {}", count(ledger.disposed(*d)), d.name()));
    line("hits", format!("{} = {}", count(ledger.hits), hits.collect::<Vec<_>>().join(" + ")));
    let open = if ledger.open_incidents > 0 {
        format!(", {} incidents still open", count(ledger.open_incidents))
    } else {
        String::new()
    };
    line("alerts", format!("{}{open}", count(ledger.alerts)));
    for (name, rows, error) in &report.row_errors {
        line("errors", format!("{name}: {} rows could not be computed, the first: {error}", count(*rows)));
    }
    if ledger.saturated > 0 {
        line("errors", format!("{} sums stopped at the bounds of INT64", count(ledger.saturated)));
    }
    line("time", format!("{:.2} s, {:.0} rows/s", report.elapsed.as_secs_f64(), report.rows_per_second()));
    if report.interrupted {
        line("stopped", "before the end: windows that were open are not closed".to_owned());
    }
    text
}
