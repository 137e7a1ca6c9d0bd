//! Pseudonym keys of runs: which are noted and when, and that another one in the place of one is refused.

use std::sync::{Arc, Mutex};

use libtest_mimic::Failed;
use tripline::plan::Plan;
use tripline::runtime::live::{Definitions, Fresh, LiveOptions, Offered};
use tripline::runtime::run::Progress;

use super::unkept::KEY;
use super::{END, Machine, Message, machine};
use crate::plan_of;

const OTHER: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const NOTED: &str = "pseudonym-keys.json";

/// A source that the run has, and one that it has not; each has a key.
fn plan(id: &str, key: &str) -> Result<Plan, Failed> {
    let settings = format!(
        "name: durable\npseudonym_keys: {{subscriber: {{id: {id}, env: NOWHERE}}, other: {{id: k9, env: NOWHERE}}}}\n"
    );
    let zlog = "--- sql/zlog/source.yaml
source: zlog
format: json
columns:
  time: {type: TIMESTAMP, field: at}
  who: {type: STRING, pseudonymize: other}
event_time: time
--- sql/zlog/flows.sql
SELECT who AS subscriber_id FROM zlog
";
    let project = super::PROJECT
        .replace("name: durable\n", &settings)
        .replace("  sub: STRING\n", "  sub: {type: STRING, pseudonymize: subscriber}\n");
    let mut plan = plan_of(&(project + zlog))?;
    plan.pseudonym_keys.iter_mut().for_each(|own| own.set(Ok(key.to_owned())));
    Ok(plan)
}

fn messages(from: u64) -> Vec<Message> {
    let at = END - super::DAY;
    (from..from + 5)
        .map(|id| Message { id, data: format!("{{\"at\": {at}, \"sub\": \"a{id}\", \"port\": 22}}") })
        .collect()
}

fn noted(machine: &Machine) -> String {
    String::from_utf8_lossy(&machine.disk.content(NOTED)).into_owned()
}

/// The queue of a machine, and a disk that is there already.
fn with(disk: &Machine, messages: &[Message]) -> Machine {
    Machine { disk: Arc::clone(&disk.disk), ..machine(messages, 2) }
}

/// A key is noted with the first rows that were made with it, and another one under its id is refused from then on.
pub fn noted_with_rows() -> Result<(), Failed> {
    let idle = machine(&[], 2);
    idle.start(&plan("k1", OTHER)?, "one")?;
    if !noted(&idle).is_empty() {
        return Err(format!("a start without rows has noted {}", noted(&idle)).into());
    }
    // The wrong key of a start that came to nothing keeps nobody out.
    let run = with(&idle, &messages(1));
    run.start(&plan("k1", KEY)?, "one")?;
    let first = noted(&run);
    if !first.contains("\"k1\"") || first.contains("k9") {
        return Err(format!("noted: {first}").into());
    }
    let refused = with(&idle, &messages(11)).start(&plan("k1", OTHER)?, "one").err().unwrap_or_default();
    if !refused.contains("pseudonyms of another key with the id `k1`") || noted(&run) != first {
        return Err(format!("another key is taken: {refused}").into());
    }
    // A new key under an id of its own is noted beside the one before, which is not forgotten.
    with(&idle, &messages(11)).start(&plan("k2", OTHER)?, "one")?;
    with(&idle, &messages(21)).start(&plan("k1", KEY)?, "one")?;
    if with(&idle, &messages(31)).start(&plan("k1", OTHER)?, "one").is_ok() || !noted(&run).contains("\"k2\"") {
        return Err(format!("a key is forgotten: {}", noted(&run)).into());
    }
    Ok(())
}

struct Once(Option<Offered>);

impl Definitions for Once {
    fn next(&mut self, entries: u64) -> Option<Offered> {
        if entries == 0 { None } else { self.0.take() }
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn advanced(&self, _: u64, _: u64, _: u64) {}

    fn notes(&self, what: &str) {
        if let Ok(mut heard) = self.0.lock() {
            heard.push(what.to_owned());
        }
    }
}

/// A reload under another key, or under none, is refused with what to do; under the same one it is not.
pub fn reloaded() -> Result<(), Failed> {
    let mut gone = plan("k1", KEY)?;
    gone.pseudonym_keys.iter_mut().for_each(|key| key.set(Err("is not set".to_owned())));
    for (offered, generation, refused) in [
        (plan("k1", OTHER)?, "one", true),
        (plan("k1", OTHER)?, "two", true),
        (gone, "one", true),
        (plan("k1", KEY)?, "one", false),
        (plan("k1", KEY)?, "two", false),
    ] {
        let machine = machine(&messages(1), 2);
        let heard = Heard::default();
        let fresh =
            Fresh { plan: offered, generation: generation.to_owned(), lookups: Vec::new(), files: None, asked: true };
        let mut once = Some(Once(Some(Ok(Box::new(fresh)))));
        let mut offer = |options: &mut LiveOptions| {
            options.definitions = once.take().map(|once| Box::new(once) as Box<dyn Definitions>);
        };
        machine.start_noting(&plan("k1", KEY)?, "one", &heard, &mut offer)?;
        let heard = heard.0.into_inner().map_err(|_| "poisoned")?.join("\n");
        let told = heard.contains("the pseudonym key `subscriber` is another than before, or is not there");
        if told != refused || (refused && !heard.contains("help: give the new key an id of its own")) {
            return Err(format!("{generation}, {refused}: {heard}").into());
        }
    }
    Ok(())
}
