//! The only file that names adapters.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use datafusion::arrow::datatypes::SchemaRef;

use crate::adapter::gcp::table::{BigQueryTable, TableOptions};
use crate::adapter::gcp::topic::{OF_ALERTS, OF_LETTERS, Topic, TopicOptions};
use crate::adapter::gcp::{BigQuery, Options, Patience, pubsub, storage};
pub use crate::adapter::http::Serving;
use crate::adapter::http::{self, Secret, Webhook, WebhookOptions};
use crate::adapter::local::appended::LocalOutput;
use crate::adapter::local::child::{self, Ended};
use crate::adapter::local::clock::SystemClock;
use crate::adapter::local::credential::credential;
pub use crate::adapter::local::folder::Stamp;
use crate::adapter::local::lines::Lines;
use crate::adapter::local::process;
use crate::adapter::local::{
    Embedded, Folder, LocalDisk, LocalSpill, LocalStore, MemoryInput, MemoryTree, Revision, RevisionError, input,
    output,
};
use crate::adapter::record::Record;
use crate::adapter::severe::Severe;
use crate::alert_format::AlertFormat;
use crate::definition::model::{Config, DeadLetters, Level, SinkConfig, SinkFormat, SinkPlace, SinkUrl, WebhookConfig};
use crate::port::disk::{Disk, Output};
use crate::port::pages::Pages;
use crate::port::sink::Sink;
use crate::port::subscription::Subscription;
use crate::port::warehouse::{Warehouse, WarehouseError};
use crate::port::{Clock, FileTree, Input, RowFormat, RowWriter, Spill, Store};
use crate::runtime::live::{Listener, Memory};
use crate::state::definitions::Files;

use crate::record::{KeyPlace, WebAddress};

use super::warehouse::{Dataset, EMULATOR};

/// Their name among sinks, which no other can have.
const DEAD_LETTERS: &str = "dead letters";
/// For one attempt.
const LETTERS_TIMEOUT: Duration = Duration::from_secs(10);
/// Of BigQuery's Storage API.
const STORAGE_EMULATOR: &str = "BIGQUERY_STORAGE_EMULATOR_HOST";

pub fn folder(path: &Path) -> Box<dyn FileTree> {
    Box::new(Folder::new(path))
}

/// Tells files of a project from what they were; `beside` are read and lie elsewhere in its folder.
pub fn stamps(folder: &Path, beside: &BTreeSet<String>) -> io::Result<Vec<Stamp>> {
    Folder::new(folder).stamps(beside)
}

/// A project of files at hand.
pub fn files(files: Files) -> Box<dyn FileTree> {
    Box::new(files.into_iter().fold(MemoryTree::default(), |tree, (path, bytes)| tree.with_bytes(path, bytes)))
}

/// The project of a folder as a revision of its repository has it.
pub fn revision(folder: &Path, name: &str) -> Result<Box<dyn FileTree>, RevisionError> {
    Ok(Box::new(Revision::new(folder, name)?))
}

/// The built-in pack.
pub fn embedded() -> Box<dyn FileTree> {
    Box::new(Embedded)
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A temporary file for what does not fit into memory, made when something does not.
pub fn spill() -> Arc<dyn Spill> {
    Arc::new(LocalSpill::default())
}

/// Does it name objects of Cloud Storage, and not files?
pub fn names_objects(path: &str) -> bool {
    storage::names_objects(path)
}

/// Files, then objects.
pub fn inputs(patterns: &[String]) -> anyhow::Result<Vec<Arc<dyn Input>>> {
    let (objects, files): (Vec<String>, Vec<String>) =
        patterns.iter().cloned().partition(|pattern| storage::names_objects(pattern));
    let mut inputs = input::inputs(&files)?;
    inputs.extend(storage::inputs(&objects)?);
    Ok(inputs)
}

pub fn row_writer(path: &str, schema: SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    output::row_writer(path, schema)
}

/// A file that is there when all is written; until then, what had its name.
pub fn whole_writer(path: &str, schema: SchemaRef, format: RowFormat) -> io::Result<Box<dyn RowWriter>> {
    output::whole_writer(path, schema, format)
}

/// Does a [`whole_writer`] keep what is there until all is written?
pub fn comes_whole(path: &str) -> bool {
    output::comes_whole(path)
}

pub fn text_writer(path: &str) -> io::Result<Box<dyn Write + Send>> {
    output::text_writer(path)
}

/// This program once more, in a process of its own.
pub fn run_self(arguments: &[String], patience: Duration) -> io::Result<Ended> {
    child::run(arguments, patience)
}

/// Limits of this process.
pub fn limit(seconds: u64, bytes: u64) -> io::Result<()> {
    process::limit(seconds, bytes)
}

/// A folder whose files are appended to.
pub fn disk(folder: &Path) -> Arc<dyn Disk> {
    Arc::new(LocalDisk::new(folder))
}

/// A file that is appended to.
pub fn output(file: &Path) -> Box<dyn Output> {
    Box::new(LocalOutput::new(file))
}

pub fn is_subscription(name: &str) -> bool {
    pubsub::is_subscription(name)
}

/// Where alerts go. Secrets are read here, and nowhere else.
pub fn sinks(config: &Config) -> anyhow::Result<Vec<Listener>> {
    config
        .sinks
        .iter()
        .map(|own| Ok(Listener { sink: sink(own)?, per_hour: own.per_hour, phases: own.phases.clone() }))
        .collect()
}

/// Where refused records go.
pub fn dead_letters(config: &DeadLetters) -> anyhow::Result<Box<dyn Sink>> {
    match config {
        DeadLetters::File(path) => Ok(Box::new(Lines::new(DEAD_LETTERS.into(), Path::new(path)))),
        DeadLetters::Topic(topic) => {
            let options = TopicOptions {
                name: DEAD_LETTERS.into(),
                topic: topic.clone(),
                format: AlertFormat::Json,
                attributes: OF_LETTERS,
                ordering: false,
                timeout: LETTERS_TIMEOUT,
            };
            Ok(Box::new(Topic::new(options).context("dead letters")?))
        }
    }
}

fn sink(config: &SinkConfig) -> anyhow::Result<Box<dyn Sink>> {
    let about = || format!("the sink `{}`", config.name);
    let sink: Box<dyn Sink> = match &config.place {
        SinkPlace::Webhook(place) => {
            Box::new(Webhook::new(webhook(config, place).with_context(about)?).with_context(about)?)
        }
        SinkPlace::Topic { topic, ordering } => {
            let options = TopicOptions {
                name: config.name.as_str().into(),
                topic: topic.clone(),
                format: format(config.format, ""),
                attributes: OF_ALERTS,
                ordering: *ordering,
                timeout: timeout(config),
            };
            Box::new(Topic::new(options).with_context(about)?)
        }
        SinkPlace::Table { project, dataset, table } => {
            let options = TableOptions {
                project: project.clone(),
                dataset: dataset.clone(),
                table: table.clone(),
                emulators: emulators()?,
                timeout: timeout(config),
            };
            let table = BigQueryTable::new(options).with_context(about)?;
            Box::new(Record::new(config.name.as_str().into(), Box::new(table)))
        }
    };
    let Some(least) = config.min_severity else { return Ok(sink) };
    let told = Level::ALL.into_iter().filter(|level| *level >= least).map(Level::name);
    Ok(Box::new(Severe::new(sink, told.collect())))
}

/// Of BigQuery's Storage API, and of the rest of it. Rows may not go to one place, and what is asked of them to another.
fn emulators() -> anyhow::Result<Option<(String, String)>> {
    let named = [STORAGE_EMULATOR, EMULATOR].map(|name| std::env::var(name).ok().filter(|host| !host.is_empty()));
    match named {
        [Some(storage), Some(rest)] => Ok(Some((storage, rest))),
        [None, None] => Ok(None),
        [storage, _] => {
            let missing = if storage.is_some() { EMULATOR } else { STORAGE_EMULATOR };
            bail!("one of two emulators is named\nhelp: set {missing} too")
        }
    }
}

fn webhook(config: &SinkConfig, place: &WebhookConfig) -> anyhow::Result<WebhookOptions> {
    let (address, variable) = match &place.url {
        SinkUrl::Written(address) => (address.clone(), None),
        SinkUrl::Variable(name) => {
            let address = WebAddress::parse(&environment(name)?);
            (address.map_err(|wrong| anyhow!("the URL in {name} {wrong}"))?, Some(name.clone()))
        }
    };
    let token = place.token_env.as_deref().map(environment).transpose()?.unwrap_or_default();
    let mut secret_headers = Vec::new();
    for (header, name) in &place.headers_env {
        secret_headers.push((header.clone(), environment(name)?));
    }
    if config.format == SinkFormat::Splunk {
        secret_headers.push(("Authorization".to_owned(), format!("Splunk {token}")));
    }
    let mut secrets = vec![token.clone()];
    let signature = match &place.secret_env {
        Some(name) => {
            let text = environment(name)?;
            let secret = Secret::parse(&text).map_err(|wrong| anyhow!("the secret in {name} {wrong}"))?;
            secrets.push(text);
            Some(secret)
        }
        None => None,
    };
    Ok(WebhookOptions {
        name: config.name.as_str().into(),
        address,
        variable,
        format: format(config.format, &token),
        headers: place.headers.clone(),
        secret_headers,
        secrets,
        signature,
        timeout: timeout(config),
    })
}

fn format(format: SinkFormat, token: &str) -> AlertFormat {
    match format {
        SinkFormat::Json => AlertFormat::Json,
        SinkFormat::Slack => AlertFormat::Slack,
        SinkFormat::PagerDuty => AlertFormat::PagerDuty { routing_key: token.to_owned() },
        SinkFormat::Splunk => AlertFormat::Splunk,
        SinkFormat::Ocsf => AlertFormat::Ocsf,
    }
}

fn timeout(config: &SinkConfig) -> Duration {
    Duration::from_micros(u64::try_from(config.timeout.0).unwrap_or(0))
}

/// What the place of a secret key has, or why it has nothing; a relative path begins in the project's folder.
pub fn key_text(place: &KeyPlace, folder: Option<&Path>) -> Result<String, String> {
    match place {
        KeyPlace::Env(name) => match std::env::var(name) {
            Ok(text) => Ok(text),
            Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
            Err(std::env::VarError::NotUnicode(_)) => Err("is no text".to_owned()),
        },
        KeyPlace::File(path) => credential(path, folder),
    }
}

/// What an environment variable has, without the line end that a file leaves.
fn environment(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).unwrap_or_default().trim().to_owned();
    if value.is_empty() {
        bail!("the environment variable {name} is not set, or is empty or no text");
    }
    Ok(value)
}

/// `bytes`: of its messages that may be under way.
pub fn subscription(name: &str, bytes: u64) -> io::Result<Box<dyn Subscription>> {
    Ok(Box::new(pubsub::PubSub::subscribe(name, bytes)?))
}

/// Shows pages at an address until what it gives is dropped.
pub fn serve(address: SocketAddr, pages: Arc<dyn Pages>) -> io::Result<Serving> {
    http::serve(address, pages)
}

/// A page of another process: its status and text.
pub fn ask(address: &str, path: &str) -> io::Result<(u16, String)> {
    http::ask(address, path)
}

/// How much memory this process has, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    process::resident_bytes()
}

/// What a run may use: what it is given, or all that the system allows it.
pub fn memory_of(given: Option<u64>) -> Memory {
    Memory { limit: given.or_else(process::allowed_bytes).unwrap_or(u64::MAX), used: process::used_bytes }
}

/// A folder of files that come whole.
pub fn store(folder: &Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(folder))
}

pub fn memory(name: &str, bytes: Vec<u8>) -> Arc<dyn Input> {
    Arc::new(MemoryInput::new(name, bytes))
}

pub fn warehouse(place: &Dataset) -> Result<Box<dyn Warehouse>, WarehouseError> {
    let options = Options {
        project: place.project.clone(),
        dataset: place.dataset.clone(),
        location: place.location.clone(),
        endpoint: place.endpoint.clone(),
        labels: place.labels.clone(),
        patience: Patience::default(),
    };
    Ok(Box::new(BigQuery::connect(options)?))
}
