//! bqemulator, started once for many tests and ended with the last of them.
//!
//! It has one connection to its DuckDB, which the threads of its Storage API use beside the one of its REST interface: when both
//! are at work at the same moment, it may stand still for ever. What appends rows therefore has one of its own, and nothing
//! waits for an answer without a limit.
//!
//! It speaks BigQuery's protocol and is DuckDB inside: what its statements give proves nothing of BigQuery's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value as Json, json};

pub const PROJECT: &str = "test-project";
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where it is installed, if it is.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("TRIPLINE_BQEMULATOR").map(PathBuf::from).filter(|home| home.join("bin/bqemulator").is_file())
}

/// Started when it is first needed.
#[derive(Default)]
pub struct Emulator {
    running: Mutex<Option<(Child, [SocketAddr; 2])>>,
}

impl Emulator {
    pub fn address(&self) -> Result<SocketAddr, Failed> {
        Ok(self.addresses()?[0])
    }

    /// Of the Storage API.
    pub fn storage_address(&self) -> Result<SocketAddr, Failed> {
        Ok(self.addresses()?[1])
    }

    fn addresses(&self) -> Result<[SocketAddr; 2], Failed> {
        let mut running = self.running.lock().expect("an emulator");
        if let Some((_, addresses)) = running.as_ref() {
            return Ok(*addresses);
        }
        let program = home().ok_or("no emulator")?.join("bin/bqemulator");
        // It ends when our end of its input is closed, in whatever way we end.
        let script = r#""$0" start --project "$1" --rest-port 0 --grpc-port 0 2>&1 & emulator=$!
            read -r _; kill -KILL $emulator"#;
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .arg(PROJECT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut port_behind = |event: &str, mark: &str| -> Result<SocketAddr, Failed> {
            loop {
                let line = lines.next().ok_or("the emulator ended")??;
                let rest = line.split(mark).nth(1).filter(|_| line.contains(event));
                let port = rest.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
                if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
                    return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
                }
            }
        };
        // `Uvicorn running on http://127.0.0.1:43210 (…)`, `{…, "port": 43211, "event": "grpc.listen", …}`
        let rest = port_behind("running on", "http://127.0.0.1:")?;
        let addresses = [rest, port_behind("grpc.listen", "\"port\": ")?];
        thread::spawn(move || lines.for_each(drop));
        *running = Some((child, addresses));
        Ok(addresses)
    }

    pub fn make_dataset(&self, dataset: &str) -> Result<(), Failed> {
        let body = json!({"datasetReference": {"projectId": PROJECT, "datasetId": dataset}}).to_string();
        self.ask("POST", "datasets", &body).map(drop)
    }

    /// What the emulator itself answers, without the client.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Json, Failed> {
        let mut connection = TcpStream::connect_timeout(&self.address()?, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        write!(
            connection,
            "{method} /bigquery/v2/projects/{PROJECT}/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        if !head.contains(" 200 ") {
            return Err(answer.into());
        }
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Ok(Some((child, _))) = self.running.get_mut() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
