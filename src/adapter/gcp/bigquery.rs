//! BigQuery as a [`Warehouse`]: what each call asks, and its answer.
//!
//! Calls wait; the client's own tasks run on a small runtime. A retry of any call is safe: jobs have ids of our own, and
//! everything else only looks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use gcp_bigquery_client::Client;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::client_builder::ClientBuilder;
use gcp_bigquery_client::model::dataset_reference::DatasetReference;
use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::get_query_results_parameters::GetQueryResultsParameters;
use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::job_configuration_query::JobConfigurationQuery;
use gcp_bigquery_client::model::job_reference::JobReference;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_reference::TableReference;
use gcp_bigquery_client::model::table_row::TableRow;
use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};

use super::credentials::{application_default, nobody};
use super::failure::Failure;
use super::job::Work;
use super::retry::{Patience, Retry};
use crate::port::warehouse::{Cells, DryRun, JobDone, LoadJob, Page, QueryJob, TableColumn, Warehouse, WarehouseError};
use crate::record::Type;

const SERVICE: &str = "https://bigquery.googleapis.com";
const CONNECT: Duration = Duration::from_secs(10);
const THREADS: usize = 2;
/// Rows of one page of a result, at most.
const PAGE: i32 = 10_000;
/// Of a file that is sent in one request; it is held in memory.
const FILE_MAX: u64 = 1 << 30;

/// The names of Google's services end so, those of private endpoints too.
const GOOGLE: &str = ".googleapis.com";

/// Where, and as what.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub project: String,
    pub dataset: String,
    pub location: Option<String>,
    /// Another service than Google's: an emulator's, `localhost:9050`.
    pub endpoint: Option<String>,
    /// Of every job.
    pub labels: Vec<(String, String)>,
    pub patience: Patience,
}

pub struct BigQuery {
    options: Options,
    endpoint: String,
    runtime: Runtime,
    client: Client,
    /// For uploads.
    http: reqwest::Client,
    credentials: Arc<dyn Authenticator>,
    retry: Retry,
}

impl BigQuery {
    /// Asks nothing of the service yet.
    pub fn connect(options: Options) -> Result<Self, WarehouseError> {
        let place = format!("{}:{}", options.project, options.dataset);
        let told = |failure: Failure| failure.error("BigQuery", &place);
        // One that is installed already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = options.endpoint.as_deref().map_or_else(|| SERVICE.to_owned(), endpoint);
        let local = local(&endpoint).map_err(told)?;
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("warehouse").enable_all().build();
        let runtime = runtime.map_err(|error| told(Failure::input(error.to_string())))?;
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT);
        if local {
            http = http.no_proxy().tls_built_in_root_certs(false);
        }
        let http = http.build().map_err(|error| told(error.into()))?;
        let made = runtime.block_on(async {
            let credentials = if local { nobody() } else { application_default().await? };
            let mut builder = ClientBuilder::new();
            builder.with_v2_base_url(format!("{endpoint}/bigquery/v2")).with_client(http.clone());
            let client = builder.build_from_authenticator(Arc::clone(&credentials)).await?;
            Ok::<_, Failure>((credentials, client))
        });
        let (credentials, client) = made.map_err(told)?;
        let retry = Retry::new(options.patience);
        Ok(Self { options, endpoint, runtime, client, http, credentials, retry })
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.options.patience
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn credentials(&self) -> &dyn Authenticator {
        self.credentials.as_ref()
    }

    pub(super) fn retry(&self) -> &Retry {
        &self.retry
    }

    pub(super) fn upload_url(&self) -> String {
        format!("{}/upload/bigquery/v2", self.endpoint)
    }

    /// For calls that belong to no job: with all retries.
    pub(super) fn until(&self) -> Instant {
        let patience = self.patience();
        Instant::now() + (patience.call + patience.longest_pause) * (patience.retries + 1)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.options.project, self.options.dataset)
    }

    fn told<T>(&self, answer: Result<T, Failure>, asked: impl Into<String>) -> Result<T, WarehouseError> {
        answer.map_err(|failure| failure.error(asked, &self.place()))
    }

    fn query(&self, sql: &str) -> JobConfigurationQuery {
        JobConfigurationQuery {
            query: sql.to_owned(),
            use_legacy_sql: Some(false),
            default_dataset: Some(DatasetReference {
                dataset_id: self.options.dataset.clone(),
                project_id: self.options.project.clone(),
            }),
            ..JobConfigurationQuery::default()
        }
    }

    fn configuration(&self, labels: &[(String, String)]) -> JobConfiguration {
        let labels: HashMap<String, String> = self.options.labels.iter().chain(labels).cloned().collect();
        JobConfiguration {
            labels: (!labels.is_empty()).then_some(labels),
            job_timeout_ms: Some(self.patience().job.as_millis().to_string()),
            ..JobConfiguration::default()
        }
    }

    async fn dry(&self, sql: &str) -> Result<DryRun, Failure> {
        let job = Job {
            job_reference: Some(JobReference {
                job_id: None,
                location: self.options.location.clone(),
                project_id: Some(self.options.project.clone()),
            }),
            configuration: Some(JobConfiguration {
                dry_run: Some(true),
                query: Some(self.query(sql)),
                job_timeout_ms: None,
                ..self.configuration(&[])
            }),
            ..Job::default()
        };
        let asked =
            || async { self.client.job().insert(&self.options.project, job.clone()).await.map_err(Failure::from) };
        let job = self.retry.call(self.until(), asked).await?;
        if let Some(error) = job.status.as_ref().and_then(|status| status.error_result.as_ref()) {
            return Err(Failure::of_job(error));
        }
        let statistics = job.statistics.as_ref();
        let of_query = statistics.and_then(|all| all.query.as_ref()?.total_bytes_processed.as_ref());
        let bytes = statistics.and_then(|all| all.total_bytes_processed.as_ref()).or(of_query);
        Ok(DryRun { bytes: bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0) })
    }

    /// `None`: the job has not ended.
    async fn results(&self, id: &str, token: Option<&str>) -> Result<Option<Page>, Failure> {
        let parameters = GetQueryResultsParameters {
            location: self.options.location.clone(),
            max_results: Some(PAGE),
            page_token: token.map(str::to_owned),
            ..GetQueryResultsParameters::default()
        };
        let asked = || async {
            let jobs = self.client.job();
            jobs.get_query_results(&self.options.project, id, parameters.clone()).await.map_err(Failure::from)
        };
        let answer = self.retry.call(self.until(), asked).await?;
        if answer.job_complete == Some(false) {
            return Ok(None);
        }
        Ok(Some(Page {
            rows: answer.rows.unwrap_or_default().into_iter().map(cells).collect(),
            total: answer.total_rows.and_then(|total| total.parse().ok()),
            next: answer.page_token.filter(|token| !token.is_empty()),
        }))
    }

    fn table(&self, table: &str) -> Result<Option<Table>, WarehouseError> {
        let place = &self.options;
        let asked = || async {
            self.client.table().get(&place.project, &place.dataset, table, None).await.map_err(Failure::from)
        };
        let found = self.runtime.block_on(self.retry.call(self.until(), asked));
        self.told(there(found), format!("table {table}"))
    }

    fn query_work(&self, job: &QueryJob) -> Work {
        let query = JobConfigurationQuery {
            maximum_bytes_billed: job.max_bytes.map(|bytes| bytes.to_string()),
            ..self.query(&job.sql)
        };
        Work {
            name: job.name.clone(),
            configuration: JobConfiguration { query: Some(query), ..self.configuration(&job.labels) },
            media: None,
            again: job.again,
        }
    }

    fn load_work(&self, job: &LoadJob) -> Result<Work, Failure> {
        let wrong = |error: std::io::Error| Failure::input(format!("{}: {error}", job.file.display()));
        let size = std::fs::metadata(&job.file).map_err(wrong)?.len();
        if size > FILE_MAX {
            let text = format!("{} has {size} bytes; {FILE_MAX} can be loaded at once", job.file.display());
            return Err(Failure::input(text));
        }
        let table = TableReference::new(&self.options.project, &self.options.dataset, &job.table);
        let load = JobConfigurationLoad {
            destination_table: Some(table),
            source_format: Some("PARQUET".to_owned()),
            write_disposition: Some("WRITE_APPEND".to_owned()),
            ..JobConfigurationLoad::default()
        };
        Ok(Work {
            name: job.name.clone(),
            configuration: JobConfiguration { load: Some(load), ..self.configuration(&job.labels) },
            media: Some(job.file.clone()),
            again: job.again,
        })
    }
}

impl Warehouse for BigQuery {
    fn name(&self) -> String {
        self.place()
    }

    fn dry_run(&self, sql: &str) -> Result<DryRun, WarehouseError> {
        self.told(self.runtime.block_on(self.dry(sql)), "dry run")
    }

    fn find(&self, job: &QueryJob) -> Result<Option<JobDone>, WarehouseError> {
        self.told(self.runtime.block_on(self.found(&job.name)), format!("job {}", job.name.0))
    }

    fn run(&self, job: &QueryJob, stop: &AtomicBool) -> Result<JobDone, WarehouseError> {
        let work = self.query_work(job);
        self.told(self.runtime.block_on(self.work(&work, stop)), format!("job {}", job.name.0))
    }

    fn page(&self, id: &str, from: Option<&str>) -> Result<Page, WarehouseError> {
        loop {
            // Not complete: each of these calls waits for it a while.
            if let Some(page) = self.told(self.runtime.block_on(self.results(id, from)), format!("rows of {id}"))? {
                return Ok(page);
            }
        }
    }

    fn load(&self, job: &LoadJob, stop: &AtomicBool) -> Result<JobDone, WarehouseError> {
        let asked = format!("load of {} into {}", job.file.display(), job.table);
        let loaded = self.load_work(job).and_then(|work| self.runtime.block_on(self.work(&work, stop)));
        self.told(loaded, asked)
    }

    fn has_table(&self, table: &str) -> Result<bool, WarehouseError> {
        Ok(self.table(table)?.is_some())
    }

    fn columns(&self, table: &str) -> Result<Option<Vec<TableColumn>>, WarehouseError> {
        let fields = self.table(table)?.map(|table| table.schema.fields.unwrap_or_default());
        Ok(fields.map(|fields| fields.into_iter().map(column).collect()))
    }

    fn has_dataset(&self) -> Result<bool, WarehouseError> {
        let place = &self.options;
        let asked = || async {
            let found = self.client.dataset().get(&place.project, &place.dataset).await;
            found.map(|_| ()).map_err(Failure::from)
        };
        let found = self.runtime.block_on(self.retry.call(self.until(), asked));
        Ok(self.told(there(found), format!("dataset {}", place.dataset))?.is_some())
    }
}

fn there<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn column(field: TableFieldSchema) -> TableColumn {
    let ty = match field.r#type {
        _ if field.mode.as_deref() == Some("REPEATED") => None,
        FieldType::Bool | FieldType::Boolean => Some(Type::Bool),
        FieldType::Int64 | FieldType::Integer => Some(Type::Int64),
        FieldType::Float64 | FieldType::Float => Some(Type::Float64),
        FieldType::String => Some(Type::String),
        FieldType::Bytes => Some(Type::Bytes),
        FieldType::Timestamp => Some(Type::Timestamp),
        FieldType::Date => Some(Type::Date),
        _ => None,
    };
    TableColumn { name: field.name, ty }
}

fn cells(row: TableRow) -> Cells {
    let cell = |value: Option<Json>| match value {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text),
        Some(nested) => Some(nested.to_string()),
    };
    row.columns.unwrap_or_default().into_iter().map(|column| cell(column.value)).collect()
}

/// `localhost:9050` and what else may be given, as `http://localhost:9050`.
fn endpoint(given: &str) -> String {
    let given = given.trim().trim_end_matches('/').trim_end_matches("/bigquery/v2").trim_end_matches('/');
    if given.contains("://") { given.to_owned() } else { format!("http://{given}") }
}

/// Is it plain HTTP on this machine? Elsewhere only Google is spoken to, and never in clear text: credentials go with
/// every call, and a project's file, which may be somebody else's, names the endpoint.
fn local(endpoint: &str) -> Result<bool, Failure> {
    let url = reqwest::Url::parse(endpoint).map_err(|error| Failure::input(format!("endpoint {endpoint}: {error}")))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" if host.ends_with(GOOGLE) => Ok(false),
        "http" if here => Ok(true),
        _ => Err(Failure::input(format!(
            "endpoint {endpoint}: credentials are sent to https://*{GOOGLE} only, and nothing to others but this machine"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{endpoint, local};

    #[test]
    fn an_endpoint_is_a_host_or_an_address() {
        for given in ["localhost:9050", "http://localhost:9050/", "http://localhost:9050/bigquery/v2"] {
            assert_eq!(endpoint(given), "http://localhost:9050");
        }
        assert_eq!(endpoint("https://example.com"), "https://example.com");
    }

    #[test]
    fn credentials_go_to_google_alone() {
        for (endpoint, here) in [
            ("http://localhost:9050", Some(true)),
            ("http://127.0.0.1:9050", Some(true)),
            ("http://[::1]:9050", Some(true)),
            ("https://bigquery.googleapis.com", Some(false)),
            ("https://bigquery-mine.p.googleapis.com", Some(false)),
            ("https://example.com", None),
            ("https://bigquery.googleapis.com.example.com", None),
            ("https://notgoogleapis.com", None),
            ("http://example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("ftp://localhost", None),
        ] {
            assert_eq!(local(endpoint).ok(), here, "{endpoint}");
        }
    }
}
