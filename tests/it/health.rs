//! Alerts about what a run is given: each rule holds in one story, and does not in one that differs in one thing.

use std::io;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use libtest_mimic::{Failed, Trial};
use tripline::pipeline::alert::AlertRecord;
use tripline::pipeline::batch::FlowBatch;
use tripline::pipeline::detect::Hit;
use tripline::pipeline::graph::Graph;
use tripline::pipeline::ingest::Ignored;
use tripline::pipeline::merge::{Merge, Step};
use tripline::pipeline::outlet::{Outlet, OutletError};
use tripline::pipeline::saved::{Loader, Saved, Saver};
use tripline::plan::Plan;
use tripline::record::{Disposition, EventTime, Micros, Origin, Reject, RejectReason};
use tripline::runtime::live::health::Health;
use tripline::state::entry::Given;
use tripline::target::datafusion::Lookups;

use super::plan_of;

const MINUTE: i64 = 60_000_000;
/// 2026-01-05, a minute that begins a quarter of an hour.
const START: i64 = 1_767_603_600_000_000;

const PROJECT: &str = "--- tripline.yaml
name: health
HEALTH
--- sql/netlog/source.yaml
source: netlog
format: json
columns: {time: TIMESTAMP, src: STRING}
event_time: time
lateness: 1m
SOURCE
--- sql/netlog/flows.sql
SELECT time AS end_time, src AS src_ip FROM netlog
";

/// What comes in a minute.
#[derive(Debug, Clone, Copy)]
struct Feed {
    rows: usize,
    /// Of them without `src_ip`, and older than the watermark.
    nulls: usize,
    late: usize,
    rejected: usize,
}

const USUAL: Feed = Feed { rows: 100, nulls: 2, late: 0, rejected: 0 };
const NOTHING: Feed = Feed { rows: 0, nulls: 0, late: 0, rejected: 0 };

/// So many minutes each.
type Story = Vec<(i64, Feed)>;

type Said = (&'static str, &'static str, i64);

struct Case {
    name: &'static str,
    health: &'static str,
    source: &'static str,
    story: Story,
    /// Rule, phase, the minute in which it was said.
    said: Vec<Said>,
}

pub fn cases() -> Vec<Trial> {
    let mut trials: Vec<Trial> = stories()
        .into_iter()
        .map(|case| {
            let name = format!("health::{}", case.name.replace(' ', "_"));
            Trial::test(name, move || run(&case))
        })
        .collect();
    trials.push(Trial::test("health::each_said_has_what_a_person_needs", whole));
    trials
}

fn stories() -> Vec<Case> {
    let case = |name, story: &[(i64, Feed)], said: &[Said]| Case {
        name,
        health: "",
        source: "",
        story: story.to_vec(),
        said: said.to_vec(),
    };
    let bad = |nulls| Feed { nulls, ..USUAL };
    let refused = |rejected| Feed { rejected, ..USUAL };
    let late = |late| Feed { late, ..USUAL };
    let silent = "tripline.source.silent";
    let nulls = "tripline.source.nulls";
    let rejected = "tripline.source.rejected";
    let behind = "tripline.source.late";
    vec![
        // 2 % are usual: 22 % of a quarter of an hour are not, which half of the rows are after 7 minutes.
        case(
            "nulls jump",
            &[(180, USUAL), (10, bad(50)), (40, USUAL)],
            &[(nulls, "first", 187), (nulls, "final", 202)],
        ),
        case("nulls rise a little", &[(180, USUAL), (10, bad(20)), (40, USUAL)], &[]),
        case("nulls jump on the first day", &[(100, USUAL), (10, bad(50)), (40, USUAL)], &[]),
        case(
            "nulls of few rows",
            &[(180, USUAL), (15, NOTHING), (1, Feed { rows: 1, nulls: 1, ..USUAL })],
            &[(silent, "first", 189), (silent, "final", 195)],
        ),
        // It was so for half of what is known: that is usual now.
        case("nulls that stay", &[(360, USUAL), (400, bad(100))], &[(nulls, "first", 364), (nulls, "final", 721)]),
        case(
            "records are rejected",
            &[(60, USUAL), (5, refused(60)), (30, USUAL)],
            &[(rejected, "first", 62), (rejected, "final", 80)],
        ),
        case(
            "all are rejected from the beginning",
            &[(30, Feed { rejected: 100, ..NOTHING })],
            &[(rejected, "first", 2)],
        ),
        case("few records are rejected", &[(60, USUAL), (5, refused(10)), (30, USUAL)], &[]),
        case(
            "as many are rejected as ever",
            &[(240, refused(20))],
            &[(rejected, "first", 2), (rejected, "final", 121)],
        ),
        case(
            "rows are late",
            &[(60, USUAL), (5, late(60)), (30, USUAL)],
            &[(behind, "first", 62), (behind, "final", 80)],
        ),
        case("few rows are late", &[(60, USUAL), (5, late(10)), (30, USUAL)], &[]),
        case(
            "a source is silent",
            &[(30, USUAL), (30, NOTHING), (3, USUAL)],
            &[(silent, "first", 39), (silent, "final", 60)],
        ),
        case("a source is silent for a while", &[(30, USUAL), (8, NOTHING), (3, USUAL)], &[]),
        case("a source that never gave anything", &[(60, NOTHING)], &[]),
        Case {
            source: "silent_after: 45m",
            ..case("a source may be silent for longer", &[(30, USUAL), (30, NOTHING), (3, USUAL)], &[])
        },
        Case {
            health: "health: {silent_after: 45m}",
            ..case("every source may be silent for longer", &[(30, USUAL), (30, NOTHING), (3, USUAL)], &[])
        },
        Case {
            health: "health: {silent_after: 45m}",
            source: "silent_after: 15m",
            ..case(
                "a source says it itself",
                &[(30, USUAL), (30, NOTHING), (3, USUAL)],
                &[(silent, "first", 44), (silent, "final", 60)],
            )
        },
        Case {
            health: "health: {alerts: false}",
            ..case("nobody wants to know", &[(180, USUAL), (15, bad(50)), (30, NOTHING), (15, refused(60))], &[])
        },
        case("a source that comes every half an hour", &hourly(), &[]),
    ]
}

/// A burst each half an hour, of which three have made it usual; before that somebody is told.
fn hourly() -> Story {
    let mut story: Story = vec![(1, USUAL)];
    for _ in 0..12 {
        // The first ones are outside of what is judged here.
        story.extend([(29, NOTHING), (1, USUAL)]);
    }
    story
}

/// Keeps alerts.
#[derive(Default)]
struct Kept(Vec<AlertRecord>);

impl Outlet for Kept {
    fn wants(&self, _: &str) -> bool {
        false
    }
    fn rows(&mut self, _: &str, _: &RecordBatch, _: bool) -> Result<(), OutletError> {
        Ok(())
    }
    fn flows(&mut self, _: &str, _: &RecordBatch, _: &[i64]) -> Result<(), OutletError> {
        Ok(())
    }
    fn reject(&mut self, _: Reject) -> Result<(), OutletError> {
        Ok(())
    }
    fn hit(&mut self, _: &str, _: &Hit, _: Disposition) -> Result<(), OutletError> {
        Ok(())
    }
    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        self.0.push(alert.clone());
        Ok(())
    }
}

/// Rows of a minute; every second row is of its beginning, late ones are an hour older.
fn flows(feed: Feed, at: i64) -> Result<FlowBatch, Failed> {
    let Feed { rows, nulls, late, .. } = feed;
    let times: Vec<i64> = (0..rows).map(|row| if row + late >= rows { at - 60 * MINUTE } else { at }).collect();
    let mut flows = FlowBatch::empty();
    let schema = flows.rows.schema();
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| -> ArrayRef {
        match (field.name().as_str(), field.data_type()) {
            ("src_ip", _) => {
                Arc::new((0..rows).map(|row| (row >= nulls).then_some("10.0.0.1")).collect::<StringArray>())
            }
            ("end_time" | "event_time", _) => {
                Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC"))
            }
            (_, ty) if field.is_nullable() => datafusion::arrow::array::new_null_array(ty, rows),
            (_, DataType::Int64) => Arc::new(Int64Array::from(vec![1; rows])),
            _ => Arc::new(StringArray::from(vec!["netlog"; rows])),
        }
    };
    let columns: Vec<ArrayRef> = schema.fields().iter().map(column).collect();
    flows.rows = RecordBatch::try_new(schema, columns)?;
    flows.times = times;
    Ok(flows)
}

fn reject() -> Reject {
    let origin = Origin { file: "s".into(), line: 0, offset: 0 };
    Reject { reason: RejectReason::BadRecord, detail: String::new(), origin, raw: String::new() }
}

/// What is said in a story; its state is written and read again now and then.
fn told(plan: &Plan, story: &Story) -> Result<Vec<AlertRecord>, Failed> {
    let graph = Graph::new(plan, &Lookups::new(&plan.lookups), "one".to_owned(), None)?;
    let new = || Health::new(plan, "one", &[(0, "s".to_owned())]);
    let (mut health, mut merge, mut out) = (new(), Merge::new(&[Micros(MINUTE)]), Kept::default());
    let (mut minute, mut heard) = (0, 0);
    for feed in story.iter().flat_map(|(minutes, feed)| (0..*minutes).map(|_| *feed)) {
        let now = START + minute * MINUTE;
        minute += 1;
        let silent = health.is_silent(0, EventTime(heard), EventTime(now));
        if silent {
            health.look(EventTime(now), &graph, &mut out)?;
            health.silent(0, (EventTime(heard), EventTime(now)), true, &mut out)?;
        }
        if feed.rows + feed.rejected == 0 {
            continue;
        }
        let flows = flows(feed, now)?;
        let given = Given {
            lane: 0,
            rejects: vec![reject(); feed.rejected],
            offered: (feed.rows + feed.rejected) as u64,
            filtered: 0,
            bytes: 0,
            ignored: Ignored::default(),
            ceiling: EventTime(now),
            messages: Vec::new(),
            places: Vec::new(),
            generation: String::new(),
            arrived: EventTime(now),
            quiet: Micros(if heard == 0 { 0 } else { now - heard }),
            flows,
        };
        heard = now;
        health.look(EventTime(now), &graph, &mut out)?;
        health.took(&given, &mut out)?;
        if feed.rows > 0 {
            merge.give(0, Some(given.flows));
            while matches!(merge.step()?, Step::Rows(_)) {}
        }
        health.merged(&merge);
        if minute % 7 == 0 {
            let mut bytes = Vec::new();
            health.save(&mut Saver::new(&mut bytes))?;
            health = new();
            health.load(&mut Loader::new(&mut io::Cursor::new(bytes)))?;
        }
    }
    Ok(out.0)
}

fn run(case: &Case) -> Result<(), Failed> {
    let project = PROJECT.replace("HEALTH\n", &format!("{}\n", case.health));
    let plan = plan_of(&project.replace("SOURCE\n", &format!("{}\n", case.source)))?;
    let said = told(&plan, &case.story)?;
    let mut found: Vec<(String, &str, i64)> = said
        .iter()
        .map(|alert| (alert.rule.clone(), alert.phase.name(), (alert.last_time_us - START) / MINUTE))
        .collect();
    if case.name == "a source that comes every half an hour" {
        // Until it is known that it does.
        found.retain(|(.., minute)| *minute > 100);
        if found.len() == said.len() {
            return Err("nothing was learnt".into());
        }
    }
    let expected: Vec<(String, &str, i64)> =
        case.said.iter().map(|(rule, phase, minute)| ((*rule).to_owned(), *phase, *minute)).collect();
    if found != expected {
        return Err(format!("{found:?}, and not {expected:?}").into());
    }
    for (place, alert) in said.iter().enumerate().filter(|(_, alert)| alert.phase.name() == "final") {
        let first = said[..place].iter().rfind(|first| first.rule == alert.rule && first.key == alert.key);
        if first.is_none_or(|first| first.alert_id != alert.alert_id || first.message_id() == alert.message_id()) {
            return Err(format!("{alert:?} is the end of {first:?}").into());
        }
    }
    Ok(())
}

/// A title without holes, what to do, and what was measured.
fn whole() -> Result<(), Failed> {
    let plan = plan_of(&PROJECT.replace("HEALTH\n", "").replace("SOURCE\n", ""))?;
    let story = vec![
        (180, USUAL),
        (10, Feed { nulls: 60, ..USUAL }),
        (30, USUAL),
        (5, Feed { rejected: 70, late: 70, ..USUAL }),
        (15, NOTHING),
    ];
    let said = told(&plan, &story)?;
    let titles: Vec<String> =
        said.iter().filter(|alert| alert.phase.name() == "first").map(|alert| alert.title.clone()).collect();
    let expected = [
        "rows of netlog whose src_ip is NULL: 25%, usually 2%",
        "records of netlog that are rejected: 9%, usually 0%",
        "rows of netlog that come behind the watermark: 9%, usually 0%",
        "netlog is silent: nothing has come since 2026-01-05T12:44:00Z",
    ];
    if titles != expected {
        return Err(format!("{titles:#?}").into());
    }
    for alert in &said {
        let json = alert.json();
        let has = json["hit"]["values"].as_object().is_some_and(|values| values.len() > 2)
            && json["params"].as_object().is_some_and(|params| !params.is_empty())
            && json["key"]["source"] == "netlog"
            && json["key"]["subscription"] == "s"
            && json["runbook"].as_str().is_some_and(|runbook| runbook.len() > 50 && !runbook.contains("  "));
        if !has {
            return Err(json.to_string().into());
        }
    }
    Ok(())
}
