//! One job, from its name to its end.
//!
//! Its id is the name and the number of the attempt. Before anything is inserted the attempts are looked up: one that ended well
//! is the answer, one that runs is waited for, and only after one that failed comes the next number. When the connection
//! breaks while a job is inserted, the same id is inserted again: the service says that it has it, and it is waited for.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_reference::JobReference;
use tokio::time::sleep;

use super::bigquery::BigQuery;
use super::failure::Failure;
use crate::port::warehouse::{JobDone, JobName};

/// A name whose attempts fail more often than this is not tried any more.
const ATTEMPTS: u32 = 100;
/// How long a stop may go unseen.
const STOP_SEEN: Duration = Duration::from_millis(200);
const RUNNING: [&str; 2] = ["PENDING", "RUNNING"];

/// What is inserted under a job's id.
pub struct Work {
    pub name: JobName,
    pub configuration: JobConfiguration,
    /// The file of a load.
    pub media: Option<PathBuf>,
    pub again: bool,
}

/// The newest of a name's attempts.
enum Newest {
    None,
    Running(u32),
    Done(u32, Box<Job>),
    Failed(u32),
}

impl BigQuery {
    /// The attempt that ended well, when the newest did.
    pub(super) async fn found(&self, name: &JobName) -> Result<Option<JobDone>, Failure> {
        Ok(match self.newest(name).await? {
            Newest::Done(attempt, job) => Some(done(name.id(attempt), attempt, &job, true)),
            _ => None,
        })
    }

    pub(super) async fn work(&self, work: &Work, stop: &AtomicBool) -> Result<JobDone, Failure> {
        let until = Instant::now() + self.patience().job;
        let mut attempt = match self.newest(&work.name).await? {
            Newest::None => 1,
            Newest::Done(attempt, job) if !work.again => {
                return Ok(done(work.name.id(attempt), attempt, &job, true));
            }
            Newest::Done(attempt, _) | Newest::Failed(attempt) => attempt + 1,
            Newest::Running(attempt) => {
                let id = work.name.id(attempt);
                match self.wait(&id, None, until, stop).await {
                    Ok(job) => return Ok(done(id, attempt, &job, true)),
                    Err(failure) if failure.passes() => attempt + 1,
                    Err(failure) => return Err(failure),
                }
            }
        };
        let mut failures = 0;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::stopped());
            }
            let id = work.name.id(attempt);
            let (inserted, id) = self.insert(work, &id, until).await?;
            match self.wait(&id, inserted, until, stop).await {
                Ok(job) => return Ok(done(id, attempt, &job, false)),
                Err(failure) if failure.passes() && failures < self.patience().retries => {
                    failures += 1;
                    attempt += 1;
                }
                Err(failure) => return Err(failure.after(failures)),
            }
        }
    }

    async fn newest(&self, name: &JobName) -> Result<Newest, Failure> {
        let mut newest = Newest::None;
        for attempt in 1..=ATTEMPTS {
            let Some(job) = self.job(&name.id(attempt), self.until()).await? else { return Ok(newest) };
            newest = match (state(&job), failed(&job)) {
                (Some(state), _) if RUNNING.contains(&state) => Newest::Running(attempt),
                (_, Some(_)) => Newest::Failed(attempt),
                _ => Newest::Done(attempt, Box::new(job)),
            };
        }
        Err(Failure::input(format!("{ATTEMPTS} jobs named {} are there already", name.0)))
    }

    async fn job(&self, id: &str, until: Instant) -> Result<Option<Job>, Failure> {
        let place = self.options();
        let get = || async {
            let asked = self.client().job().get_job(&place.project, id, place.location.as_deref()).await;
            asked.map_err(Failure::from)
        };
        match self.retry().call(until, get).await {
            Ok(job) => Ok(Some(job)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The job as it is after its insertion, and its id. `None`: it was there already.
    async fn insert(&self, work: &Work, id: &str, until: Instant) -> Result<(Option<Job>, String), Failure> {
        let job = Job {
            job_reference: Some(JobReference {
                job_id: Some(id.to_owned()),
                location: self.options().location.clone(),
                project_id: Some(self.options().project.clone()),
            }),
            configuration: Some(work.configuration.clone()),
            ..Job::default()
        };
        let insert = || async {
            match &work.media {
                Some(media) => self.upload(&job, media).await,
                None => self.client().job().insert(&self.options().project, job.clone()).await.map_err(Failure::from),
            }
        };
        match self.retry().call(until, insert).await {
            Ok(job) => {
                // The same, but an emulator names uploads itself.
                let named = job.job_reference.as_ref().and_then(|reference| reference.job_id.clone());
                Ok((Some(job), named.unwrap_or_else(|| id.to_owned())))
            }
            Err(failure) if failure.is_duplicate() => Ok((None, id.to_owned())),
            Err(failure) => Err(failure),
        }
    }

    /// Until the job is done. One that is not done in time is cancelled.
    async fn wait(&self, id: &str, known: Option<Job>, until: Instant, stop: &AtomicBool) -> Result<Job, Failure> {
        let mut known = known;
        let mut pause = self.patience().poll;
        loop {
            let job = match known.take() {
                Some(job) => job,
                None => match self.job(id, until).await? {
                    Some(job) => job,
                    None => return Err(Failure::input(format!("the service does not know its job {id}"))),
                },
            };
            if let Some(error) = failed(&job) {
                return Err(error);
            }
            if state(&job) == Some("DONE") {
                return Ok(job);
            }
            let next = Instant::now() + pause;
            if next >= until {
                self.cancel(id).await;
                return Err(Failure::deadline(self.patience().job));
            }
            while Instant::now() < next {
                if stop.load(Ordering::Relaxed) {
                    return Err(Failure::stopped());
                }
                sleep(STOP_SEEN.min(next.saturating_duration_since(Instant::now()))).await;
            }
            pause = (pause * 2).min(self.patience().longest_poll);
        }
    }

    /// As well as it can be done: whoever asked is told of the deadline either way.
    async fn cancel(&self, id: &str) {
        let place = self.options();
        let asked = self.client().job().cancel_job(&place.project, id, place.location.as_deref());
        let _ = tokio::time::timeout(self.patience().call, asked).await;
    }
}

fn state(job: &Job) -> Option<&str> {
    job.status.as_ref()?.state.as_deref()
}

fn failed(job: &Job) -> Option<Failure> {
    job.status.as_ref()?.error_result.as_ref().map(Failure::of_job)
}

fn done(id: String, attempt: u32, job: &Job, found: bool) -> JobDone {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    let statistics = job.statistics.as_ref();
    let query = statistics.and_then(|all| all.query.as_ref());
    let load = statistics.and_then(|all| all.load.as_ref());
    let bytes = query.and_then(|query| number(&query.total_bytes_billed).or(number(&query.total_bytes_processed)));
    let rows = query.and_then(|query| number(&query.num_dml_affected_rows));
    JobDone {
        id,
        found,
        attempt,
        bytes: bytes.or(statistics.and_then(|all| number(&all.total_bytes_processed))).unwrap_or(0),
        rows: rows.or(load.and_then(|load| number(&load.output_rows))),
    }
}
