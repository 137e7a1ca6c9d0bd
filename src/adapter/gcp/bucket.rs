//! A bucket: how it is reached, who asks, and what its errors mean to a person. Credentials go to googleapis.com alone.

use std::future::Future;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{env, io};

use object_store::client::{HttpConnector, ReqwestConnector};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, HeaderMap, HeaderValue, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    StaticCredentialProvider,
};
use tokio::runtime::Runtime;

use super::listing::MarkNames;

const ENDPOINT: &str = "https://storage.googleapis.com";
/// An emulator, or another way to the same service.
const ENDPOINT_VARIABLE: &str = "STORAGE_EMULATOR_HOST";
const CREDENTIALS_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const CREDENTIALS_HOST: &str = "googleapis.com";
const RETRIES_MAX: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const THREADS: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error(
        "{name} names no object: {why}\nhelp: write gs://BUCKET/OBJECT, or a glob such as 'gs://BUCKET/logs/*.jsonl'"
    )]
    Name { name: String, why: String },
    #[error("no object matches {pattern}\nhelp: `gcloud storage ls {near}` shows what is there")]
    NoMatch { pattern: String, near: String },
    #[error(
        "{name} cannot be read: a part of its name is empty, `.` or `..`\nhelp: give it another name, or write a glob that \
         it does not match"
    )]
    OddName { name: String },
    #[error("{name} is a folder\nhelp: name its objects with a glob such as '{name}/*'")]
    Folder { name: String },
    #[error("more than {most} objects match {pattern}\nhelp: name fewer of them, such as one day's")]
    TooMany { pattern: String, most: usize },
    #[error("{ENDPOINT_VARIABLE} is {value}, which is no address\nhelp: write it as http://127.0.0.1:4443")]
    Endpoint { value: String },
    #[error("there is no bucket gs://{bucket}\nhelp: `gcloud storage buckets list` shows those of a project")]
    NoBucket { bucket: String },
    #[error(
        "no permission to {action} {name}\nhelp: the role roles/storage.objectViewer on gs://{bucket} gives it; \
         `gcloud auth application-default login` signs in as somebody else"
    )]
    Denied { action: &'static str, name: String, bucket: String },
    #[error(
        "no valid credentials for gs://{bucket}: {detail}\nhelp: sign in with `gcloud auth application-default login`, \
         or name a service account's key file in {CREDENTIALS_VARIABLE}"
    )]
    Credentials { bucket: String, detail: String },
    #[error(
        "{name} was changed or removed while it was read\nhelp: run again, over objects that are no longer written to"
    )]
    Changed { name: String },
    #[error("cannot {action} {name}: {detail}\nhelp: tried up to {} times; look at {via}", RETRIES_MAX + 1)]
    Failed { action: &'static str, name: String, detail: String, via: String },
    #[error(
        "cannot keep {name}, which is read by position, as a temporary file: {source}\nhelp: TMPDIR names the folder \
         that it is kept in"
    )]
    Keep { name: String, source: io::Error },
    #[error("cannot start the threads that read gs://: {0}")]
    Threads(io::Error),
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        Self::other(error)
    }
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    base: String,
    /// With credentials?
    signed: bool,
}

impl Endpoint {
    fn new(named: Option<&str>) -> Result<Self, StorageError> {
        let Some(value) = named.map(str::trim).filter(|value| !value.is_empty()) else {
            return Ok(Self { base: ENDPOINT.to_owned(), signed: true });
        };
        let (scheme, place) = value.split_once("://").unwrap_or(("http", value));
        let place = place.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if !["http", "https"].contains(&scheme) || place.is_empty() || !place.chars().all(plain) {
            return Err(StorageError::Endpoint { value: value.to_owned() });
        }
        let host = place.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let google = host.strip_suffix(CREDENTIALS_HOST).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        Ok(Self { base: format!("{scheme}://{place}"), signed: scheme == "https" && google })
    }

    fn store(
        &self,
        bucket: &str,
        headers: HeaderMap,
        connector: impl HttpConnector,
    ) -> Result<GoogleCloudStorage, object_store::Error> {
        let client = ClientOptions::new()
            .with_allow_http(self.base.starts_with("http://"))
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_default_headers(headers);
        let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        // Not from the environment: that could name another host to send credentials to.
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(bucket)
            .with_base_url(&self.base)
            .with_client_options(client)
            .with_http_connector(connector)
            .with_retry(retry);
        if !self.signed {
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            builder = builder.with_credentials(Arc::new(nobody)).with_skip_signature(true);
        } else if let Ok(path) = env::var(CREDENTIALS_VARIABLE) {
            builder = builder.with_application_credentials(path);
        }
        builder.build()
    }
}

pub struct Bucket {
    pub name: String,
    endpoint: Endpoint,
    lists: GoogleCloudStorage,
    /// Asks for bytes as they are stored: the service would decompress what is marked as gzip, and then knows no ranges.
    reads: GoogleCloudStorage,
}

impl Bucket {
    pub fn open(name: &str) -> Result<Arc<Self>, StorageError> {
        let endpoint = Endpoint::new(env::var(ENDPOINT_VARIABLE).ok().as_deref())?;
        let refused = |error: object_store::Error| StorageError::Credentials {
            bucket: name.to_owned(),
            detail: innermost(&error),
        };
        let lists = endpoint.store(name, HeaderMap::new(), MarkNames::default()).map_err(refused)?;
        let mut stored = HeaderMap::new();
        stored.insert("accept-encoding", HeaderValue::from_static("gzip"));
        let reads = endpoint.store(name, stored, ReqwestConnector::default()).map_err(refused)?;
        if endpoint.signed {
            let credentials = Arc::clone(reads.credentials());
            wait(async move { credentials.get_credential().await.map(|_| ()) })?.map_err(refused)?;
        }
        Ok(Arc::new(Self { name: name.to_owned(), endpoint, lists, reads }))
    }

    pub fn full_name(&self, key: &str) -> String {
        format!("gs://{}/{key}", self.name)
    }

    /// One page of the objects whose names begin with `prefix`; with `flat`, not those in folders below.
    pub fn list(&self, prefix: &str, flat: bool, page: Option<String>) -> Result<PaginatedListResult, StorageError> {
        let (store, wanted) = (self.lists.clone(), prefix.to_owned());
        let options = PaginatedListOptions {
            delimiter: flat.then(|| "/".into()),
            page_token: page,
            ..PaginatedListOptions::default()
        };
        let prefix_or_none = move || (!wanted.is_empty()).then_some(wanted);
        let listed = wait(async move { store.list_paginated(prefix_or_none().as_deref(), options).await })?;
        listed.map_err(|error| match status(&error) {
            Some(404) => StorageError::NoBucket { bucket: self.name.clone() },
            _ => self.failed("list", &self.full_name(prefix), &error),
        })
    }

    /// The object as it is now; `None` when it is not there.
    pub fn head(&self, path: &Path) -> Result<Option<ObjectMeta>, StorageError> {
        let (store, wanted) = (self.reads.clone(), path.clone());
        match wait(async move { store.head(&wanted).await })? {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", &self.full_name(path.as_ref()), &error)),
        }
    }

    /// Begins to read `bytes` of a generation; a cut connection is taken up where it was cut.
    pub fn read(
        self: &Arc<Self>,
        path: &Path,
        generation: &str,
        bytes: std::ops::Range<u64>,
    ) -> Result<Receiver<Result<Vec<u8>, StorageError>>, StorageError> {
        let (bucket, path, generation) = (Arc::clone(self), path.clone(), generation.to_owned());
        start(async move {
            let wanted = bytes.end - bytes.start;
            let options = GetOptions {
                range: Some(GetRange::Bounded(bytes)),
                version: Some(generation.clone()),
                ..GetOptions::default()
            };
            let read = async { bucket.reads.get_opts(&path, options).await?.bytes().await }.await;
            let name = bucket.full_name(path.as_ref());
            match read {
                Ok(read) if u64::try_from(read.len()).is_ok_and(|read| read == wanted) => Ok(Vec::from(read)),
                Ok(read) => {
                    let detail = format!("{} bytes came in the place of {wanted}", read.len());
                    Err(bucket.unread("read", &name, detail))
                }
                // It tells the first error, which may be the cut that came before it.
                Err(error) => match bucket.still(&path, &generation).await {
                    Err(object_store::Error::NotFound { .. }) => Err(StorageError::Changed { name }),
                    _ => Err(bucket.failed("read", &name, &error)),
                },
            }
        })
    }

    async fn still(&self, path: &Path, generation: &str) -> Result<(), object_store::Error> {
        let options = GetOptions { head: true, version: Some(generation.to_owned()), ..GetOptions::default() };
        self.reads.get_opts(path, options).await.map(|_| ())
    }

    fn failed(&self, action: &'static str, name: &str, error: &object_store::Error) -> StorageError {
        let bucket = self.name.clone();
        match status(error) {
            Some(401) => StorageError::Credentials { bucket, detail: "they were refused (401)".to_owned() },
            Some(403) => StorageError::Denied { action, name: name.to_owned(), bucket },
            _ => self.unread(action, name, innermost(error)),
        }
    }

    fn unread(&self, action: &'static str, name: &str, detail: String) -> StorageError {
        let via = if self.endpoint.base == ENDPOINT {
            "the network".to_owned()
        } else {
            format!("{ENDPOINT_VARIABLE}, {}", self.endpoint.base)
        };
        StorageError::Failed { action, name: name.to_owned(), detail, via }
    }
}

/// The answer's HTTP status: the library has it in its texts alone where it lists.
fn status(error: &object_store::Error) -> Option<u16> {
    match error {
        object_store::Error::NotFound { .. } => return Some(404),
        object_store::Error::PermissionDenied { .. } => return Some(403),
        object_store::Error::Unauthenticated { .. } => return Some(401),
        _ => {}
    }
    let text = innermost(error);
    let (_, code) = text.split_once("status code: ")?;
    code.get(..3)?.parse().ok()
}

/// What the last cause says, on one line.
fn innermost(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The threads that talk to the service, for as long as the program lives.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Begins the work on the service's threads: the caller's may be of a runtime, where waiting for another is not allowed.
fn start<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<Receiver<T>, StorageError> {
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let built = builder.worker_threads(THREADS).thread_name("gcs").enable_all().build();
            let built = built.map_err(StorageError::Threads)?;
            RUNTIME.get_or_init(|| built)
        }
    };
    let (done, result) = sync_channel(1);
    runtime.spawn(async move {
        // Nobody waits for what was read ahead of an input that was closed.
        let _ = done.send(work.await);
    });
    Ok(result)
}

fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, StorageError> {
    received(&start(work)?)
}

pub fn received<T>(result: &Receiver<T>) -> Result<T, StorageError> {
    result.recv().map_err(|_| StorageError::Threads(io::Error::other("one of them stopped")))
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn credentials_go_to_google_alone() {
        for (named, base, signed) in [
            ("", "https://storage.googleapis.com", true),
            ("127.0.0.1:4443", "http://127.0.0.1:4443", false),
            ("http://storage.googleapis.com/", "http://storage.googleapis.com", false),
            ("https://storage-x.p.googleapis.com", "https://storage-x.p.googleapis.com", true),
            ("https://STORAGE.googleapis.com:443", "https://STORAGE.googleapis.com:443", true),
            ("https://evilgoogleapis.com", "https://evilgoogleapis.com", false),
            ("https://googleapis.com.evil.net", "https://googleapis.com.evil.net", false),
        ] {
            let endpoint = Endpoint::new(Some(named)).unwrap();
            assert_eq!((endpoint.base.as_str(), endpoint.signed), (base, signed), "{named}");
        }
        for named in ["https://storage.googleapis.com@evil.net", "ftp://x", "http://", "http://a/b", "http://a?b"] {
            assert!(Endpoint::new(Some(named)).is_err(), "{named}");
        }
    }
}
