//! The pack on two recorded attack days (the APT29 emulation of the OTRF's Security Datasets), as NetLog and as Zeek logs.
//!
//! The recordings are not part of the repository: `TRIPLINE_RECORDINGS` names the folder that has `day1.netlog.jsonl` and
//! `raw/day1_*_conn.log`. Two thirds of their rows are command and control, so finding it is a smoke test.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

/// The emulation's command and control hosts.
const CONTROL: [&str; 2] = ["192.168.0.4", "192.168.0.5"];
const OTHERS_MAX: usize = 3;

pub fn cases() -> Vec<Trial> {
    let folder = std::env::var("TRIPLINE_RECORDINGS").ok();
    if folder.is_none() {
        eprintln!("skipped: recorded::*: TRIPLINE_RECORDINGS names no folder of recordings");
    }
    let forms = [
        ("netlog", "day1.netlog.jsonl"),
        ("netlog", "day2.netlog.jsonl"),
        ("zeek_conn", "raw/day1_*_conn.log"),
        ("zeek_conn", "raw/day2_*_conn.log"),
    ];
    let trials = forms.into_iter().map(|(source, input)| {
        let folder = folder.clone();
        let name = format!("recorded::{source}_{}", if input.contains("day1") { "day1" } else { "day2" });
        let skip = folder.is_none();
        Trial::test(name, move || found(source, &Path::new(&folder.unwrap_or_default()).join(input)))
            .with_ignored_flag(skip)
    });
    trials.collect()
}

/// The control host is an entity of an alert, and few alerts are about anything else.
fn found(source: &str, input: &Path) -> Result<(), Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["run", "--source", source, "--strict", "--input"])
        .arg(input)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let alerts: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let about_control = |alert: &&Value| {
        let entities = alert["entities"].as_array().map(Vec::as_slice).unwrap_or_default();
        entities.iter().any(|entity| entity["value"].as_str().is_some_and(|value| CONTROL.contains(&value)))
    };
    let control = alerts.iter().filter(about_control).count();
    let others = alerts.len() - control;
    if control == 0 || others > OTHERS_MAX {
        return Err(format!("{control} alerts about the control hosts, {others} about others\n{text}").into());
    }
    Ok(())
}
