//! What a message says beside its data: columns of a source that no record has.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value as Json;

use super::place::{Outcome, PATIENCE};
use super::queue::Queue;
use super::server::{SUBSCRIPTION, Server};
use crate::program::Started;

const SOURCE: &str = "source: scored
format: json
columns:
  ended: TIMESTAMP
  src: STRING
  score: {type: STRING, attribute: score}
  tenant: {type: STRING, attribute: tenant}
  sent: {type: TIMESTAMP, metadata: publish_time}
  message: {type: STRING, metadata: message_id}
  key: {type: STRING, metadata: ordering_key}
  from_where: {type: STRING, metadata: subscription_name}
event_time: ended
lateness: 12h
";
const FLOWS: &str = "SELECT src AS src_ip, CONCAT(COALESCE(tenant, 'none'), ' ', COALESCE(message, 'none'), ' ',
  COALESCE(key, 'none'), ' ', COALESCE(from_where, 'none')) AS subscriber_id, sent AS start_time
FROM scored WHERE COALESCE(SAFE_CAST(score AS FLOAT64), 1.0) >= 0.5
";

/// Two records of one message have its attributes, those of another have others, a record's own field of that name counts for
/// nothing, and a start that reads the log again gives the same. In rows of a file all are NULL.
pub fn attributes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("project/sql/scored"))?;
    fs::write(path("project/tripline.yaml"), "name: scored\n")?;
    fs::write(path("project/sql/scored/source.yaml"), SOURCE)?;
    fs::write(path("project/sql/scored/flows.sql"), FLOWS)?;
    let server = Server::start(Queue::new(false, 5))?;
    let record =
        |ip: &str| format!(r#"{{"ended":"2026-01-05T09:00:00Z","src":"{ip}","tenant":"forged","score":"0.9"}}"#);
    let two = format!("{}\nno record\n{}", record("10.0.0.1"), record("10.0.0.2"));
    server.queue().publish(two.into_bytes(), &[("tenant", "a"), ("score", "0.75")]);
    server.queue().publish(record("10.0.0.3").into_bytes(), &[("tenant", "b"), ("score", "0.25")]);
    server.queue().publish(record("10.0.0.4").into_bytes(), &[("score", "no number")]);
    let start = |output: &str| -> Result<Started, Failed> {
        let child = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(["run", "--source", "scored", "--subscription", SUBSCRIPTION, "--summary", "json", "--project"])
            .arg(path("project"))
            .arg("--state")
            .arg(path("state"))
            .arg("--output")
            .arg(path("alerts.jsonl"))
            .arg("--tap")
            .arg(format!("flows={}", path(output).display()))
            .env("PUBSUB_EMULATOR_HOST", server.address())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("stderr"))?)
            .spawn()?;
        Ok(Started::of(child))
    };
    let rows = |output: &str| -> Result<BTreeMap<String, (String, bool)>, Failed> {
        let mut rows = BTreeMap::new();
        for line in fs::read_to_string(path(output)).unwrap_or_default().lines() {
            let row: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            rows.insert(text("src_ip"), (text("subscriber_id"), row["start_time"].is_string()));
        }
        Ok(rows)
    };
    let expected: BTreeMap<String, (String, bool)> = [("10.0.0.1", "a 1"), ("10.0.0.2", "a 1"), ("10.0.0.4", "none 3")]
        .map(|(ip, said)| (ip.to_owned(), (format!("{said} none {SUBSCRIPTION}"), true)))
        .into();
    let settles = |output: &str| -> Outcome {
        let until = Instant::now() + PATIENCE;
        while rows(output)?.len() < 3 || server.queue().unacknowledged() > 0 {
            if Instant::now() > until {
                return Err(format!("{:?}: {}", rows(output), fs::read_to_string(path("stderr"))?).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let found = rows(output)?;
        if found == expected { Ok(()) } else { Err(format!("{output}: {found:#?}").into()) }
    };
    let run = start("first.jsonl")?;
    settles("first.jsonl")?;
    // SIGKILL: the next start reads the log.
    drop(run);
    let run = start("again.jsonl")?;
    settles("again.jsonl")?;
    drop(run);
    fs::write(path("file.jsonl"), record("10.0.0.5"))?;
    let done = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["run", "--source", "scored", "--input"])
        .arg(path("file.jsonl"))
        .arg("--project")
        .arg(path("project"))
        .arg("--tap")
        .arg(format!("flows={}", path("of_file.jsonl").display()))
        .output()?;
    let found = rows("of_file.jsonl")?;
    if found != [("10.0.0.5".to_owned(), ("none none none none".to_owned(), false))].into() {
        return Err(format!("{found:#?}: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(())
}
