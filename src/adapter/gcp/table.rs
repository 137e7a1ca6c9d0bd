//! A table of BigQuery that alerts are appended to: the Storage Write API, a committed stream, and explicit offsets.
//!
//! The generated client of `gcp-bigquery-client` is used, not what it has around it, which knows neither offsets nor another
//! place than Google's. Each append is a call of its own: alerts are few, and a call that ended leaves nothing under way.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::{ProtoData, Rows};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest, ProtoRows, WriteStream, write_stream,
};
use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use url::form_urlencoded::byte_serialize;

use super::bigquery::{BigQuery, Options};
use super::credentials::{application_default, nobody};
use super::refusal::Refusal;
use super::{row, table_schema};
use crate::port::table::{AppendError, Table};
use crate::port::warehouse::{JobName, QueryJob, Warehouse, WarehouseError};

const SERVICE: &str = "https://bigquerystorage.googleapis.com";
const CONNECT: Duration = Duration::from_secs(10);

pub struct TableOptions {
    pub project: String,
    pub dataset: String,
    pub table: String,
    /// Emulators in the place of the service: of the Storage API, and of the others.
    pub emulators: Option<(String, String)>,
    /// For one attempt.
    pub timeout: Duration,
}

pub struct BigQueryTable {
    options: TableOptions,
    runtime: Option<Runtime>,
    client: BigQueryWriteClient<Channel>,
    credentials: Option<Arc<dyn Authenticator>>,
}

impl BigQueryTable {
    /// Asks nothing of the service yet, but who asks has to be known.
    pub fn new(options: TableOptions) -> io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("table").enable_all().build()?;
        let emulator = options.emulators.as_ref().map(|(storage, _)| storage.clone());
        let (client, credentials) = runtime.block_on(async {
            let credentials = match emulator {
                Some(_) => nobody(),
                None => application_default()
                    .await
                    .map_err(|failure| io::Error::other(failure.error("BigQuery", &options.project)))?,
            };
            Ok::<_, io::Error>((channel(emulator.as_deref())?, credentials))
        })?;
        let client = BigQueryWriteClient::new(client);
        Ok(Self { options, runtime: Some(runtime), client, credentials: Some(credentials) })
    }

    fn parent(&self) -> String {
        let TableOptions { project, dataset, table, .. } = &self.options;
        format!("projects/{project}/datasets/{dataset}/tables/{table}")
    }

    fn refusal(&self) -> Refusal<'_> {
        let TableOptions { project, dataset, table, .. } = &self.options;
        Refusal { project, dataset, table }
    }

    /// One call, with its limit. `routed`: what the service finds its own place by.
    fn call<Q, A>(
        &self,
        message: Q,
        routed: (&str, &str),
        ask: impl AsyncFnOnce(BigQueryWriteClient<Channel>, Request<Q>) -> Result<A, Status>,
    ) -> Result<A, Status> {
        let (Some(runtime), Some(credentials)) = (&self.runtime, &self.credentials) else {
            return Err(Status::unavailable("it is closed"));
        };
        let asked = async {
            let token = credentials.access_token().await.map_err(|error| Status::unauthenticated(error.to_string()))?;
            let mut request = Request::new(message);
            let (key, value) = routed;
            let routed = format!("{key}={}", byte_serialize(value.as_bytes()).collect::<String>());
            for (name, value) in [("authorization", format!("Bearer {token}")), ("x-goog-request-params", routed)] {
                let value = value.parse().map_err(|_| Status::internal(format!("{name} cannot be sent")))?;
                request.metadata_mut().insert(name, value);
            }
            ask(self.client.clone(), request).await
        };
        let timeout = self.options.timeout;
        let answered = runtime.block_on(async { tokio::time::timeout(timeout, asked).await });
        answered.unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer within {timeout:?}"))))
    }

    /// For what is asked when a stream is gone.
    fn warehouse(&self) -> Result<BigQuery, WarehouseError> {
        BigQuery::connect(Options {
            project: self.options.project.clone(),
            dataset: self.options.dataset.clone(),
            endpoint: self.options.emulators.as_ref().map(|(_, rest)| rest.clone()),
            ..Options::default()
        })
    }

    fn found(&self, alert_ids: &[String]) -> Result<BTreeSet<String>, WarehouseError> {
        let warehouse = self.warehouse()?;
        let TableOptions { project, dataset, table, .. } = &self.options;
        let ids: Vec<String> = alert_ids.iter().map(|id| Json::from(id.as_str()).to_string()).collect();
        let sql = format!("SELECT alert_id FROM `{project}.{dataset}.{table}` WHERE alert_id IN ({})", ids.join(", "));
        // Another job each time: what an earlier one found may not be so any more.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = JobName(format!("tripline-sink-{now}"));
        let job = QueryJob { name, sql, labels: Vec::new(), max_bytes: None, again: false };
        let done = warehouse.run(&job, &AtomicBool::new(false))?;
        let mut found = BTreeSet::new();
        warehouse.rows(&done.id, &mut |rows| {
            found.extend(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()));
        })?;
        Ok(found)
    }
}

/// Connects when it is first asked, and again when the connection broke.
fn channel(emulator: Option<&str>) -> io::Result<Channel> {
    let endpoint = match emulator {
        Some(host) => Endpoint::from_shared(format!("http://{host}")).map_err(io::Error::other)?,
        None => {
            let endpoint = Endpoint::from_static(SERVICE);
            endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots()).map_err(io::Error::other)?
        }
    };
    Ok(endpoint.connect_timeout(CONNECT).connect_lazy())
}

impl Table for BigQueryTable {
    fn name(&self) -> String {
        let TableOptions { project, dataset, table, .. } = &self.options;
        format!("{project}.{dataset}.{table}")
    }

    fn open(&mut self) -> Result<String, AppendError> {
        let parent = self.parent();
        let stream = WriteStream { r#type: write_stream::Type::Committed.into(), ..WriteStream::default() };
        let message = CreateWriteStreamRequest { parent: parent.clone(), write_stream: Some(stream) };
        let opened = self.call(message, ("parent", &parent), async |mut client, request| {
            Ok(client.create_write_stream(request).await?.into_inner())
        });
        let stream = opened.map_err(|status| match self.refusal().of_call(&status) {
            // Nothing is appended by this call.
            AppendError::Lost(what) => AppendError::Later(what),
            other => other,
        })?;
        if let Some(what) = stream.table_schema.as_ref().and_then(table_schema::mismatch) {
            return Err(AppendError::Later(self.refusal().with_help(Code::InvalidArgument, &what)));
        }
        Ok(stream.name)
    }

    fn append(&mut self, stream: &str, rows: u64, alerts: &[&Json]) -> Result<(), AppendError> {
        let serialized_rows = alerts.iter().map(|alert| row::bytes(alert)).collect();
        let data = ProtoData { writer_schema: Some(row::schema()), rows: Some(ProtoRows { serialized_rows }) };
        let message = AppendRowsRequest {
            write_stream: stream.to_owned(),
            offset: Some(i64::try_from(rows).unwrap_or(i64::MAX)),
            rows: Some(Rows::ProtoRows(data)),
            ..AppendRowsRequest::default()
        };
        let answer =
            self.call(tokio_stream::once(message), ("write_stream", stream), async |mut client, request| match client
                .append_rows(request)
                .await?
                .into_inner()
                .message()
                .await?
            {
                Some(answer) => Ok(answer),
                None => Err(Status::unavailable("the call ended without an answer")),
            });
        let answer = answer.map_err(|status| self.refusal().of_call(&status))?;
        match answer.response {
            Some(Response::AppendResult(_)) => Ok(()),
            Some(Response::Error(status)) => Err(self.refusal().of_append(&status, &answer.row_errors)),
            None => Err(AppendError::Later("an answer that says nothing".to_owned())),
        }
    }

    fn close(&mut self, stream: &str) -> Result<u64, AppendError> {
        let message = FinalizeWriteStreamRequest { name: stream.to_owned() };
        let closed = self.call(message, ("name", stream), async |mut client, request| {
            Ok(client.finalize_write_stream(request).await?.into_inner())
        });
        let closed = closed.map_err(|status| self.refusal().of_call(&status))?;
        Ok(u64::try_from(closed.row_count).unwrap_or(0))
    }

    fn which(&mut self, alert_ids: &[String]) -> Result<BTreeSet<String>, AppendError> {
        self.found(alert_ids).map_err(|error| AppendError::Later(error.to_string()))
    }
}

impl Drop for BigQueryTable {
    fn drop(&mut self) {
        self.credentials = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::channel;

    #[test]
    fn the_service_is_reached_with_the_programs_own_encryption() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let made = runtime.block_on(async { channel(None).map(drop) });
        assert!(made.is_ok(), "{made:?}");
    }
}
