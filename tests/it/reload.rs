//! Definitions that change under a run, as an operator sees it: signals, crashes, files that are written while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use super::program::{Started, project, tripline};
use super::pubsub::{Emulator, JAR, Place, SUBSCRIPTION};

type Outcome = Result<(), Failed>;
type Case = fn(&Emulator) -> Outcome;

/// Opening fails where nobody reads.
const NONBLOCK: i32 = 0o4000;
const PATIENCE: Duration = Duration::from_secs(60);
const RULE: &str = "project/rules/net_scan_vertical.yaml";
const PIPE: &str = "project/nets/networks.mmdb";
const NETS: &str = "lookup: nets
mmdb: nets/networks.mmdb
owner: o@example.org
columns:
  network: {type: STRING, cidr: true}
  asn: INT64
key: [network]
";
const LOOKUP: &str = "project/sql/lookups/allow_scanners.csv";

pub fn cases() -> Vec<Trial> {
    let jar = std::env::var(JAR).ok();
    let cases: [(&str, Case); 4] = [
        ("errors_of_files_that_change_are_said_once", discarded),
        ("a_crash_between_an_edit_and_its_reload", crash),
        ("a_crash_and_a_project_that_is_broken_or_gone", broken),
        ("files_that_are_watched_are_read_once_they_are_whole", watched),
    ];
    let with_emulator = cases.into_iter().map(|(name, case)| {
        let jar = jar.clone();
        let skip = jar.is_none();
        Trial::test(format!("reload::{name}"), move || case(&Emulator::start(&jar.unwrap_or_default())?))
            .with_ignored_flag(skip)
    });
    let early = Trial::test("reload::a_hangup_while_the_project_is_read_ends_nothing", early);
    with_emulator.chain([early]).collect()
}

fn signal(run: &Started, name: &str) -> Outcome {
    let sent = Command::new("kill").args([name, &run.0.id().to_string()]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("kill {name}: {sent}").into()) }
}

/// A file of the project is a pipe: the run waits for it while it reads its project.
fn early() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("project/nets"))?;
    project(&path("project"), "12h", "")?;
    if !Command::new("mkfifo").arg(path(PIPE)).status()?.success() {
        return Err("no pipe was made".into());
    }
    fs::write(path("project/sql/lookups/nets.yaml"), NETS)?;
    let child = tripline()
        .args(["run", "--source", "netlog", "--subscription", SUBSCRIPTION, "--project"])
        .arg(path("project"))
        .arg("--state")
        .arg(path("state"))
        .env("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut run = Started(child);
    let until = Instant::now() + PATIENCE;
    let pipe = loop {
        match OpenOptions::new().write(true).custom_flags(NONBLOCK).open(path(PIPE)) {
            Ok(pipe) => break pipe,
            Err(error) if Instant::now() > until => return Err(format!("nobody reads the project: {error}").into()),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    signal(&run, "-HUP")?;
    thread::sleep(Duration::from_millis(200));
    drop(pipe);
    let ended = run.0.wait()?;
    // It is no file of networks, which is said.
    if ended.code().is_some() { Ok(()) } else { Err(format!("{ended}").into()) }
}

fn begun(emulator: &Emulator, more: &[&str]) -> Result<(Place, Started), Failed> {
    let place = Place::plain()?;
    fs::create_dir(place.path("project"))?;
    project(&place.path("project"), "12h", "")?;
    emulator.create()?;
    let run = place.start_with(emulator, more)?;
    Ok((place, run))
}

fn said(place: &Place) -> Result<String, Failed> {
    Ok(fs::read_to_string(place.path("stderr"))?)
}

fn wait_for(place: &Place, wanted: &str) -> Outcome {
    place.wait_for(wanted, || Ok(said(place)?.contains(wanted)))
}

/// SIGKILL, and the files are others by then: the next start goes on under those that it was under, and then takes the others.
fn crash(emulator: &Emulator) -> Outcome {
    let (place, mut run) = begun(emulator, &[])?;
    let made = tripline().args(["generate", "--events", "300", "--attacks", "port_scan", "--seed", "5"]).output()?;
    let flows: Vec<String> = String::from_utf8(made.stdout)?.lines().map(str::to_owned).collect();
    emulator.publish(flows.chunks(50).map(|lines| lines.join("\n")).collect())?;
    place.wait_for("flows", || Ok(place.rows() == flows.len()))?;
    let good = fs::read_to_string(place.path(RULE))?;
    fs::write(place.path(RULE), format!("{good}# Another one.\n"))?;
    signal(&run, "-HUP")?;
    run.0.kill()?;
    run.0.wait()?;
    let mut run = place.start_with(emulator, &[])?;
    wait_for(&place, "reloaded: generation ")?;
    signal(&run, "-TERM")?;
    let ended = run.0.wait()?;
    let text = said(&place)?;
    if !ended.success() || !text.contains("the run goes on under generation ") {
        return Err(format!("{ended}: {text}").into());
    }
    // And is of the new ones from now on.
    let mut run = place.start_with(emulator, &[])?;
    // Once it can take one.
    thread::sleep(Duration::from_secs(1));
    signal(&run, "-HUP")?;
    wait_for(&place, "nothing to reload")?;
    signal(&run, "-TERM")?;
    let ended = run.0.wait()?;
    let text = said(&place)?;
    let again =
        text.matches("not left cleanly").count() > 1 || text.contains("the definitions or the program have changed");
    if ended.success() && !again { Ok(()) } else { Err(format!("{ended}: {text}").into()) }
}

/// An address of this machine that nobody answers at.
fn address() -> Result<String, Failed> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn status(address: &str) -> Result<Json, Failed> {
    let status = tripline().args(["status", "--address", address, "--format", "json"]).output()?;
    serde_json::from_slice(&status.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&status.stderr)).into())
}

fn flows(emulator: &Emulator, seed: &str) -> Result<usize, Failed> {
    let made = tripline().args(["generate", "--events", "200", "--seed", seed]).output()?;
    let flows: Vec<String> = String::from_utf8(made.stdout)?.lines().map(str::to_owned).collect();
    emulator.publish(flows.chunks(50).map(|lines| lines.join("\n")).collect())?;
    Ok(flows.len())
}

/// SIGKILL, and nobody can read the project by then: the run goes on with what it keeps, and says that it is not well until it can.
fn broken(emulator: &Emulator) -> Outcome {
    let (place, mut run) = begun(emulator, &[])?;
    let mut given = flows(emulator, "5")?;
    place.wait_for("flows", || Ok(place.rows() == given))?;
    let good = fs::read_to_string(place.path(RULE))?;
    fs::write(place.path(RULE), good.replace("sql:", "slq:"))?;
    run.0.kill()?;
    run.0.wait()?;
    let at = address()?;
    let mut run = place.start_with(emulator, &["--listen", &at])?;
    wait_for(&place, "not reloaded, the definitions before stay in force: the project has errors")?;
    given += flows(emulator, "6")?;
    place.wait_for("flows", || Ok(place.rows() == given))?;
    let unwell = |at: &str| -> Outcome {
        let status = status(at)?;
        let why = status["problems"][0].as_str().unwrap_or_default();
        let refused = status["reload"]["last"]["outcome"] == "refused";
        let said = why.contains("the project cannot be read since the start, and kept definitions, generation ");
        if status["healthy"] == false && said && refused { Ok(()) } else { Err(format!("{status:#}").into()) }
    };
    unwell(&at)?;
    // Somebody who starts another over the same folder is told that alone.
    let second = tripline()
        .args(["run", "--source", "netlog", "--subscription", SUBSCRIPTION, "--project"])
        .arg(place.path("project"))
        .arg("--state")
        .arg(place.path("state"))
        .env("PUBSUB_EMULATOR_HOST", emulator.host())
        .output()?;
    let second = String::from_utf8_lossy(&second.stderr).into_owned();
    if !second.contains("is used by another run") || second.lines().count() > 2 {
        return Err(format!("two runs of one folder: {second}").into());
    }
    run.0.kill()?;
    run.0.wait()?;
    fs::rename(place.path("project"), place.path("gone"))?;
    let at = address()?;
    let mut run = place.start_with(emulator, &["--watch", "--listen", &at])?;
    wait_for(&place, "project is not a folder")?;
    given += flows(emulator, "7")?;
    place.wait_for("flows", || Ok(place.rows() == given))?;
    unwell(&at)?;
    fs::write(place.path("gone/rules/net_scan_vertical.yaml"), &good)?;
    fs::rename(place.path("gone"), place.path("project"))?;
    wait_for(&place, "nothing to reload")?;
    let status = status(&at)?;
    signal(&run, "-TERM")?;
    let ended = run.0.wait()?;
    if status["healthy"] == true && ended.success() { Ok(()) } else { Err(format!("{ended}: {status:#}").into()) }
}

/// A project that is wrong, and changes once while it is checked: its errors are said once, and `status` says that it is checked.
fn discarded(emulator: &Emulator) -> Outcome {
    let at = address()?;
    let (place, mut run) = begun(emulator, &["--listen", &at])?;
    place.wait_for("a start", || Ok(status(&at).is_ok_and(|status| status["phase"] == "running")))?;
    // Which takes a while.
    let rows: String = (0..100_000).map(|row| format!("2001:db8::{row:x},a scanner\n")).collect();
    fs::write(place.path(LOOKUP), fs::read_to_string(place.path(LOOKUP))? + &rows)?;
    let rule = fs::read_to_string(place.path(RULE))?;
    fs::write(place.path(RULE), rule.replace("sql:", "slq:"))?;
    signal(&run, "-HUP")?;
    place.wait_for("a check", || Ok(status(&at)?["reload"]["checking"] == true))?;
    let config = place.path("project/tripline.yaml");
    fs::write(&config, fs::read_to_string(&config)? + "# A remark.\n")?;
    wait_for(&place, "not reloaded")?;
    let (text, status) = (said(&place)?, status(&at)?);
    signal(&run, "-TERM")?;
    let ended = run.0.wait()?;
    let found = text.matches("unknown key `slq`").count();
    if found == 1 && status["reload"]["checking"] == false && ended.success() {
        return Ok(());
    }
    Err(format!("{ended}, found {found} times: {status:#}\n{text}").into())
}

/// A table that is written piece by piece, and a rule that is broken for a while.
fn watched(emulator: &Emulator) -> Outcome {
    let (place, mut run) = begun(emulator, &["--watch"])?;
    place.wait_for("a start", || Ok(place.path("flows.jsonl").exists()))?;
    thread::sleep(Duration::from_secs(2));
    let good = fs::read_to_string(place.path(LOOKUP))?;
    let mut table = fs::File::create(place.path(LOOKUP))?;
    write!(table, "{good}")?;
    for part in 0..6 {
        // Half a row is none: taken now, the table would be refused.
        write!(table, "198.51.100.{part}")?;
        table.flush()?;
        thread::sleep(Duration::from_millis(1_500));
        writeln!(table, ",a scanner")?;
    }
    drop(table);
    wait_for(&place, "reloaded: generation ")?;
    let text = said(&place)?;
    if text.contains("not reloaded") || text.matches("reloaded: generation ").count() != 1 {
        return Err(format!("half a table was read: {text}").into());
    }
    let rule = fs::read_to_string(place.path(RULE))?;
    fs::write(place.path(RULE), rule.replace("sql:", "slq:"))?;
    wait_for(&place, "not reloaded, the definitions before stay in force: the project has errors")?;
    thread::sleep(Duration::from_secs(10));
    let refused = said(&place)?.matches("not reloaded").count();
    fs::write(place.path(RULE), &rule)?;
    wait_for(&place, "nothing to reload")?;
    // A feed that gave nothing is taken by whoever asks for it.
    let table = fs::read_to_string(place.path(LOOKUP))?;
    fs::write(place.path(LOOKUP), table.lines().take(1).map(|line| format!("{line}\n")).collect::<String>())?;
    wait_for(&place, "not reloaded, the definitions before stay in force: the lookup allow_scanners has no rows")?;
    signal(&run, "-HUP")?;
    wait_for(&place, "; the lookup allow_scanners has 0 rows, and had ")?;
    signal(&run, "-TERM")?;
    let ended = run.0.wait()?;
    if refused == 1 && ended.success() {
        return Ok(());
    }
    Err(format!("{ended}, refused {refused} times: {}", said(&place)?).into())
}
