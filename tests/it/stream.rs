//! The program on a stream: what closes comes out before the input ends, and Ctrl-C ends a run cleanly.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

const PATIENCE: Duration = Duration::from_secs(60);

pub fn cases() -> Vec<Trial> {
    vec![Trial::test("stream::alerts_come_before_the_end_and_ctrl_c_is_clean", interrupted)]
}

/// Ends the program when a test fails midway.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A scan of 200 ports, and a flow an hour later that closes its windows.
fn rows() -> String {
    let flow = |minute: u32, second: u32, port: u32| {
        format!(
            "{{\"subscriberId\":\"s\",\"srcIP\":\"10.0.0.5\",\"dstIP\":\"10.0.0.9\",\"dstPort\":{port},\
             \"protocolNumber\":6,\"tcpFlag\":2,\"txBytes\":60,\"rxBytes\":0,\
             \"endTime\":\"2026-01-05T{:02}:{:02}:{second:02}Z\"}}\n",
            9 + minute / 60,
            minute % 60
        )
    };
    let scan: String = (0..200).map(|port| flow(0, port / 4, port + 1)).collect();
    scan + &flow(180, 0, 443)
}

fn interrupted() -> Result<(), Failed> {
    let project = concat!(env!("CARGO_MANIFEST_DIR"), "");
    let child = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["run", "--project", project, "--source", "netlog", "--input", "-", "--summary", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut running = Running(child);
    let mut stdin = running.0.stdin.take().ok_or("no standard input")?;
    let stdout = running.0.stdout.take().ok_or("no standard output")?;
    let mut stderr = running.0.stderr.take().ok_or("no standard error")?;
    stdin.write_all(rows().as_bytes())?;
    stdin.flush()?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let first = lines.recv_timeout(PATIENCE).map_err(|_| "no alert came while the input was open")?;
    if !first.contains("net.scan.vertical") {
        return Err(format!("another alert came: {first}").into());
    }
    let sent = Command::new("kill").args(["-INT", &running.0.id().to_string()]).status()?;
    if !sent.success() {
        return Err("the signal could not be sent".into());
    }
    let status = running.0.wait()?;
    drop(stdin);
    let mut said = String::new();
    stderr.read_to_string(&mut said)?;
    if status.code() != Some(130) {
        return Err(format!("ended with {status}: {said}").into());
    }
    let summary = said.lines().find(|line| line.starts_with('{')).ok_or("no summary was written")?;
    let summary: serde_json::Value = serde_json::from_str(summary)?;
    let expected = [("/rows/offered", 201.into()), ("/interrupted", true.into()), ("/conserved", true.into())];
    for (place, expected) in expected {
        let expected: serde_json::Value = expected;
        if summary.pointer(place) != Some(&expected) {
            return Err(format!("{place} is not {expected}: {summary}").into());
        }
    }
    Ok(())
}
