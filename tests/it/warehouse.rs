//! The BigQuery client against bqemulator, and against a service of our own that fails as we like: the protocol of jobs, loads and
//! pages, and what is done when connections break.
//!
//! The statements are written by hand: the emulator is DuckDB inside and no judge of what is compiled. Where it is not
//! installed (`tests/emulator/install`, `TRIPLINE_BQEMULATOR`) what needs it is left out; `.ci/run` leaves nothing out.

#![allow(clippy::expect_used, reason = "a test may end so")]

#[path = "warehouse/appended.rs"]
mod appended;
#[path = "warehouse/command.rs"]
mod command;
#[path = "warehouse/days.rs"]
mod days;
#[path = "warehouse/emulator.rs"]
pub mod emulator;
#[path = "warehouse/fault.rs"]
mod fault;
#[path = "warehouse/fetched.rs"]
mod fetched;
#[path = "warehouse/keys.rs"]
mod keys;
#[path = "warehouse/loaded.rs"]
mod loaded;
#[path = "warehouse/proxy.rs"]
mod proxy;
#[path = "warehouse/service.rs"]
mod service;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::gcp::{BigQuery, Options, Patience};
use tripline::port::warehouse::{JobDone, JobName, QueryJob, Warehouse, WarehouseError};

use emulator::{Emulator, PROJECT};

pub fn cases() -> Vec<Trial> {
    let emulator = Arc::new(Emulator::default());
    let skip = emulator::home().is_none();
    if skip {
        eprintln!("skipped: warehouse::*: TRIPLINE_BQEMULATOR names no folder of bqemulator");
    }
    let cases = service::CASES.iter().chain(fault::CASES).chain(command::CASES).chain(loaded::CASES);
    let shared = cases.chain(fetched::CASES).chain(keys::CASES).map(|case| (case, Arc::clone(&emulator)));
    let own = appended::CASES.iter().map(|case| (case, Arc::new(Emulator::default())));
    let with_emulator = shared.chain(own).map(|((name, case), emulator)| {
        let dataset = name.to_owned();
        let trial = Trial::test(format!("warehouse::{name}"), move || {
            emulator.make_dataset(dataset)?;
            case(&Place { emulator, dataset })
        });
        trial.with_ignored_flag(skip)
    });
    let alone = fault::ALONE
        .iter()
        .chain(command::ALONE)
        .chain(days::ALONE)
        .map(|(name, case)| Trial::test(format!("warehouse::{name}"), case));
    with_emulator.chain(alone).collect()
}

/// An emulator, and a dataset of a test's own.
pub struct Place {
    emulator: Arc<Emulator>,
    dataset: &'static str,
}

pub type Case = (&'static str, fn(&Place) -> Result<(), Failed>);

impl Place {
    fn client(&self) -> Result<BigQuery, Failed> {
        Ok(client(self.emulator.address()?, self.dataset)?)
    }

    /// One that asks through a proxy.
    fn client_through(&self, proxy: &proxy::Proxy) -> Result<BigQuery, Failed> {
        Ok(client(proxy.address, self.dataset)?)
    }

    /// The rows of a query, asked of the emulator without a proxy.
    fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Failed> {
        let client = self.client()?;
        let done = run(&client, &query(&format!("rows_{}_{}", self.dataset, name_of(sql)), sql).again())?;
        let mut rows = Vec::new();
        client.rows(&done.id, &mut |page| rows.extend(page))?;
        Ok(rows)
    }

    fn count(&self, table: &str) -> Result<u64, Failed> {
        let rows = self.rows(&format!("SELECT COUNT(*) FROM {table}"))?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        Ok(count.ok_or("no count")?)
    }
}

fn name_of(sql: &str) -> String {
    format!("{:x}", tripline::record::fingerprint64(sql.as_bytes()))
}

/// Impatient, so that tests are quick; enough retries for what they break.
fn patience() -> Patience {
    Patience {
        pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(40),
        retries: 4,
        call: Duration::from_secs(20),
        job: Duration::from_secs(30),
        poll: Duration::from_millis(5),
        longest_poll: Duration::from_millis(20),
        ..Patience::default()
    }
}

fn options(address: SocketAddr, dataset: &str) -> Options {
    Options {
        project: PROJECT.to_owned(),
        dataset: dataset.to_owned(),
        location: Some("US".to_owned()),
        endpoint: Some(address.to_string()),
        labels: vec![("tripline".to_owned(), "test".to_owned())],
        patience: patience(),
    }
}

fn client(address: SocketAddr, dataset: &str) -> Result<BigQuery, WarehouseError> {
    BigQuery::connect(options(address, dataset))
}

fn query(name: &str, sql: &str) -> QueryJob {
    QueryJob { name: JobName(name.to_owned()), sql: sql.to_owned(), labels: vec![], max_bytes: None, again: false }
}

trait Again {
    fn again(self) -> Self;
}

impl Again for QueryJob {
    fn again(self) -> Self {
        Self { again: true, ..self }
    }
}

fn run(client: &BigQuery, job: &QueryJob) -> Result<JobDone, WarehouseError> {
    client.run(job, &AtomicBool::new(false))
}
