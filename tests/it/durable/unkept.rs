//! What a run keeps of records whose accounts become pseudonyms: nothing that nobody asked for.

use std::io::Read;

use libtest_mimic::Failed;
use tripline::plan::Plan;
use tripline::record::Micros;

use super::sinks::{Mood, Place};
use super::{END, Machine, Message, machine};
use crate::plan_of;

pub const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ACCOUNT: &str = "ACCOUNT";
/// How the frames of compressed logs and snapshots begin.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The account is read twice: what refuses a record is the column that is no pseudonym, and that nothing reads.
fn plan() -> Result<Plan, Failed> {
    let project = super::PROJECT
        .replace("name: durable\n", "name: durable\npseudonym_keys: {subscriber: {id: k1, env: NO_SUCH_VARIABLE}}\n")
        .replace(
            "  sub: STRING\n",
            "  again: {type: STRING, field: sub}\n  sub: {type: STRING, pseudonymize: subscriber}\n",
        );
    let mut plan = plan_of(&project)?;
    plan.pseudonym_keys.iter_mut().for_each(|key| key.set(Ok(KEY.to_owned())));
    Ok(plan)
}

/// Good ones, and one for each way in which a record is refused.
fn messages() -> Vec<Message> {
    let at = END - super::DAY;
    let later = END + 10 * super::DAY;
    let mut records: Vec<String> =
        (0..40).map(|n| format!("{{\"at\": {}, \"sub\": \"{ACCOUNT} {n}\", \"port\": 22}}", at + n)).collect();
    records.extend([
        format!("{{\"at\": {at}, \"sub\": \"{ACCOUNT}\", \"port\": \"http\"}}"),
        format!("{{\"at\": {at}, \"sub\": {{\"name\": \"{ACCOUNT}\"}}}}"),
        format!("{{\"at\": {at}, \"sub\": [\"{ACCOUNT}\"]}}"),
        format!("{{\"at\": {at}, \"sub\": \"{ACCOUNT}"),
        format!("[\"{ACCOUNT}\"]"),
        format!("\"{ACCOUNT}\""),
        format!("{{\"at\": {later}, \"sub\": \"{ACCOUNT}\"}}"),
        format!("{{\"sub\": \"{ACCOUNT}\"}}"),
        format!("{{\"at\": {END}}}"),
    ]);
    (1000..).zip(records).map(|(id, data)| Message { id, data }).collect()
}

/// What a file says, and what is compressed in it.
fn said(content: &[u8]) -> Vec<u8> {
    let mut said = content.to_vec();
    for at in (0..content.len()).filter(|at| content[*at..].starts_with(&ZSTD)) {
        if let Ok(mut frame) = zstd::stream::read::Decoder::new(&content[at..]) {
            // It ends in the middle of a file, with what is no frame.
            let _ = frame.read_to_end(&mut said);
        }
    }
    said
}

/// The files of a folder in which accounts are, and how many logs and snapshots there are.
fn with_accounts(machine: &Machine) -> (Vec<String>, [usize; 2]) {
    let files = machine.disk.names("");
    let count = |end: &str| files.iter().filter(|file| file.ends_with(end)).count();
    let counts = [count(".log"), count(".snapshot")];
    let has = |file: &&String| {
        let said = said(&machine.disk.content(file));
        said.windows(ACCOUNT.len()).any(|part| part == ACCOUNT.as_bytes())
    };
    (files.iter().filter(has).cloned().collect(), counts)
}

/// Where nobody keeps refused records, they are nowhere; where somebody does, they are in the log alone.
pub fn nothing_raw() -> Result<(), Failed> {
    let plan = plan()?;
    for letters in [None, Some(Place::new("dead letters", Mood::Away, 1))] {
        let kept = letters.is_some();
        let machine = Machine { snapshot_rows: 12, letters, ..machine(&messages(), 1) };
        machine.start_with(&plan, "one", &mut |options| options.keeping.retain = Micros(i64::MAX / 4))?;
        let (found, [logs, snapshots]) = with_accounts(&machine);
        if logs == 0 || snapshots == 0 {
            return Err(format!("{logs} logs, {snapshots} snapshots").into());
        }
        let beside: Vec<&String> = found.iter().filter(|file| !kept || !file.ends_with(".log")).collect();
        if !beside.is_empty() {
            return Err(format!("refused records are kept: {kept}, and accounts are in {beside:?}").into());
        }
        if kept && found.is_empty() {
            return Err("refused records that are kept are not found: nothing is looked through".into());
        }
    }
    Ok(())
}
