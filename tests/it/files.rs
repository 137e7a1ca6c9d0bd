//! Many inputs in one run: in bounded memory, with few descriptors, and with clear words where there are too many.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use tripline::adapter::local::{Embedded, MemoryInput};
use tripline::plan::{self, Plan};
use tripline::port::Input;
use tripline::runtime::outlet::Outlets;
use tripline::runtime::run::{INPUTS_MAX, OPEN_INPUTS_MAX, Progress, RunOptions, run};

use super::TODAY;

/// Resident memory of the whole program.
const MEMORY_KIB_MAX: u64 = 512 << 10;
/// Of a file side by side with others: longer than what is read ahead of it.
const ROWS: usize = 150;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("files::a_thousand_side_by_side_fit_in_memory", side_by_side),
        Trial::test("files::files_after_each_other_need_few_descriptors", after_each_other),
        Trial::test("files::too_many_are_refused", too_many),
    ]
}

/// One NetLog row, so many seconds after midnight.
fn row(second: usize, host: usize) -> String {
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{{\"subscriberId\":\"s{host}\",\"srcIP\":\"10.0.{}.{}\",\"dstIP\":\"192.0.2.1\",\"srcPort\":40000,\
         \"dstPort\":443,\"txBytes\":120,\"rxBytes\":4000,\"tcpFlag\":27,\"protocolNumber\":6,\
         \"endTime\":\"2026-01-05T{hour:02}:{minute:02}:{second:02}Z\"}}\n",
        host / 256,
        host % 256
    )
}

struct Ended {
    code: Option<i32>,
    said: String,
    memory_kib: u64,
}

/// Runs the pack over the folder's files with so many descriptors.
fn play(folder: &Path, descriptors: usize) -> Result<Ended, Failed> {
    let command = format!(
        "ulimit -n {descriptors}; exec {} run --source netlog --input '*.jsonl' --output alerts --summary json",
        env!("CARGO_BIN_EXE_tripline")
    );
    let mut child = Command::new("bash").args(["-c", &command]).current_dir(folder).stderr(Stdio::piped()).spawn()?;
    let mut stderr = child.stderr.take().ok_or("no standard error")?;
    let said = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let status = format!("/proc/{}/status", child.id());
    let mut memory_kib = 0;
    let code = loop {
        if let Some(ended) = child.try_wait()? {
            break ended.code();
        }
        // The peak so far; where there is no such file, memory is not tested.
        let peak = fs::read_to_string(&status).unwrap_or_default();
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        memory_kib = peak.unwrap_or(0).max(memory_kib);
        thread::sleep(Duration::from_millis(10));
    };
    let said = said.join().map_err(|_| "reading has panicked")??;
    Ok(Ended { code, said, memory_kib })
}

fn expect(ended: &Ended, rows: usize) -> Result<(), Failed> {
    println!("{} KiB", ended.memory_kib);
    if ended.code != Some(0) || !ended.said.contains(&format!("\"accepted\":{rows},")) {
        return Err(format!("{:?}: {}", ended.code, ended.said).into());
    }
    if ended.memory_kib > MEMORY_KIB_MAX {
        return Err(format!("{} KiB of memory", ended.memory_kib).into());
    }
    Ok(())
}

fn side_by_side() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    for file in 0..OPEN_INPUTS_MAX {
        let rows: String = (0..ROWS).map(|at| row(at, file)).collect();
        fs::write(folder.path().join(format!("{file:04}.jsonl")), rows)?;
    }
    expect(&play(folder.path(), 1_024)?, OPEN_INPUTS_MAX * ROWS)
}

fn after_each_other() -> Result<(), Failed> {
    const FILES: usize = 1_200;
    let folder = TempDir::new()?;
    for file in 0..FILES {
        let rows: String = (0..40).map(|at| row(file * 60 + at, at)).collect();
        fs::write(folder.path().join(format!("{file:04}.jsonl")), rows)?;
    }
    expect(&play(folder.path(), 64)?, FILES * 40)
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

fn pack() -> Plan {
    let mut plan = plan::resolve(&tripline::definition::load(&Embedded).project, TODAY).plan;
    plan.show(&[]);
    plan
}

fn refused(files: usize, text: &str) -> Result<String, Failed> {
    let plan = pack();
    let source = plan.sources.iter().position(|source| source.name == "netlog").ok_or("no netlog")?;
    let input: Arc<dyn Input> = Arc::new(MemoryInput::new("rows", text.as_bytes().to_vec()));
    let inputs = (0..files).map(|_| (source, Arc::clone(&input))).collect();
    let options = RunOptions {
        spill: None,
        inputs,
        live: None,
        threads: 1,
        generation: String::new(),
        fault: None,
        watch: None,
        history: None,
    };
    let mut out = Outlets::new(&plan, &[], None, &|_, _| Err(io::Error::other("nothing is tapped")))?;
    match run(&plan, &options, &mut out, &Silent, &AtomicBool::new(false)) {
        Ok(_) => Err("the inputs are not refused".into()),
        Err(failed) => Ok(failed.to_string()),
    }
}

fn too_many() -> Result<(), Failed> {
    let text: String = (0..40).map(|at| row(at, 1)).collect();
    let cases =
        [(INPUTS_MAX + 1, "10001 inputs are more than the 10000"), (OPEN_INPUTS_MAX + 1, "side by side in time")];
    for (files, expected) in cases {
        let said = refused(files, &text)?;
        if !said.contains(expected) {
            return Err(format!("{files} inputs: {said}").into());
        }
    }
    Ok(())
}
