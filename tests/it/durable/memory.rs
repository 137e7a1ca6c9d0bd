//! What a run holds that waits, and what it does when there is no memory: what it does not take stays where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tripline::adapter::local::LocalSpill;
use tripline::port::pages::Pages;
use tripline::port::subscription::Subscription;
use tripline::record::EventTime;
use tripline::runtime::live::vitals::{About, Vitals, VitalsPages};
use tripline::runtime::live::{Bounds, Memory};

use super::queue::{Message, Queue};
use super::{DAY, END, Fixed, Machine, PROJECT, machine, messages, plan_of, same, undisturbed};
use crate::random::Random;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

type Outcome = Result<(), Failed>;

/// A run beside which something is looked at: what it says of itself.
struct Beside<'a> {
    machine: &'a Machine,
    pages: VitalsPages,
}

impl Beside<'_> {
    fn metric(&self, name: &str) -> Option<u64> {
        let body = self.pages.page("/metrics")?.body;
        body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    fn wait_for(&self, what: &str, done: impl Fn() -> bool) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while !done() {
            if Instant::now() > until {
                return Err(format!("no {what} in time").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Until nothing is acknowledged for a while: how many are.
    fn stands_still(&self) -> usize {
        let (mut known, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(1_500) {
            let now = self.machine.queues[0].acknowledged();
            if now > known {
                (known, since) = (now, Instant::now());
            }
            thread::sleep(Duration::from_millis(10));
        }
        known
    }
}

fn run_beside(machine: &Machine, memory: Memory, look: impl FnOnce(&Beside<'_>) -> Outcome) -> Outcome {
    let plan = plan_of(PROJECT)?;
    let lanes: Vec<String> = machine.queues.iter().map(|queue| queue.name().to_string()).collect();
    let vitals = Vitals::new(About::new(&plan, "one", &lanes, EventTime(END)));
    let pages = VitalsPages::new(Arc::clone(&vitals), Arc::new(Fixed), || None);
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            machine.start_with(&plan, "one", &mut |options| {
                (options.group_entries, options.memory) = (64, memory);
                options.vitals = Arc::clone(&vitals);
                options.spill = Some(Arc::new(LocalSpill::default()));
            })
        });
        let looked = look(&Beside { machine, pages });
        if looked.is_err() {
            // It ends when it has everything.
            machine.queues.iter().for_each(Queue::give_up);
        }
        let ended = run.join().map_err(|_| "the run died")?;
        looked?;
        ended.map(drop).map_err(Failed::from)
    })
}

/// A subscription is far ahead of another that says nothing: of what it could give only as much is taken as may wait.
pub fn bounded() -> Outcome {
    let messages = messages(&mut Random::new(3), 8_000);
    let expected = undisturbed(&plan_of(PROJECT)?, &messages)?;
    let mut machine = machine(&messages, 3);
    machine.queues.push(Queue::new("projects/p/subscriptions/t", vec![], 4, EventTime(END + DAY)));
    let memory = Memory { limit: 64 * MIB, ..Memory::default() };
    let bounds = Bounds::of(memory.limit, 2);
    run_beside(&machine, memory, |beside| {
        // It has to be the watch of the run that ends it, not this queue without messages.
        let taken = beside.stands_still();
        let waiting = "tripline_subscription_waiting_bytes{subscription=\"projects/p/subscriptions/s\"}";
        thread::sleep(Duration::from_millis(1_100));
        let bytes = beside.metric(waiting).ok_or("nothing is said of what waits")?;
        if taken == messages.len() || bytes < bounds.rows || bytes > bounds.rows + bounds.decoded + MIB / 4 {
            let all = messages.len();
            return Err(format!("{taken} of {all} messages are taken, {bytes} bytes wait, of {}", bounds.rows).into());
        }
        machine.queues[1].add(Message { id: 9_000_000, data: format!("{{\"at\": {END}}}") });
        Ok(())
    })?;
    same("of two subscriptions", &expected, &machine.alerts()?)
}

static USED: AtomicU64 = AtomicU64::new(0);

/// Nearly all memory is used: nothing is taken, and that is said; then there is some, and nothing is lost.
pub fn exhausted() -> Outcome {
    let messages = messages(&mut Random::new(8), 2_000);
    let expected = undisturbed(&plan_of(PROJECT)?, &messages)?;
    let machine = machine(&messages, 8);
    let memory = Memory { limit: 100 * MIB, used: || Some(USED.load(Ordering::Relaxed)) };
    USED.store(95 * MIB, Ordering::Relaxed);
    run_beside(&machine, memory, |beside| {
        let taken = beside.stands_still();
        let ready = beside.pages.page("/readyz").ok_or("no page")?;
        if taken > 0 || ready.status != 503 || !ready.body.contains("--memory") {
            return Err(format!("{taken} messages are taken, and it says {}", ready.body).into());
        }
        // So little that it goes on slowly.
        USED.store(80 * MIB, Ordering::Relaxed);
        beside.wait_for("message", || machine.queues[0].acknowledged() > 0)?;
        beside.wait_for("readiness", || beside.pages.page("/readyz").is_some_and(|ready| ready.status == 200))?;
        USED.store(95 * MIB, Ordering::Relaxed);
        let taken = beside.stands_still();
        if taken == messages.len() {
            return Err("all messages are taken".into());
        }
        USED.store(10 * MIB, Ordering::Relaxed);
        Ok(())
    })?;
    same("after a while without memory", &expected, &machine.alerts()?)
}
