//! A load job with its file in the request: two parts, the job and the rows. The client does not have it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use gcp_bigquery_client::error::ResponseError;
use gcp_bigquery_client::model::job::Job;

use super::bigquery::BigQuery;
use super::failure::Failure;

/// Stands in no Parquet file by chance.
const BOUNDARY: &str = "tripline-6f1d0b6a4c5e4f0f9d3a8f6f5b0f7c2e";

impl BigQuery {
    pub(super) async fn upload(&self, job: &Job, media: &Path) -> Result<Job, Failure> {
        let url = format!("{}/projects/{}/jobs?uploadType=multipart", self.upload_url(), self.options().project);
        let token = self.credentials().access_token().await.map_err(Failure::from)?;
        let request = self
            .http()
            .post(url)
            .bearer_auth(token)
            .header("content-type", format!("multipart/related; boundary={BOUNDARY}"))
            .body(body(job, media)?);
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|error| Failure::unreadable(error.to_string()));
        }
        Err(serde_json::from_str::<ResponseError>(&text)
            .map_or(Failure::of_status(status.as_u16()), Failure::of_response))
    }
}

fn body(job: &Job, media: &Path) -> Result<Vec<u8>, Failure> {
    let job = serde_json::to_string(job).map_err(|error| Failure::input(error.to_string()))?;
    let head = format!(
        "--{BOUNDARY}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{job}\r\n\
         --{BOUNDARY}\r\ncontent-type: application/octet-stream\r\ncontent-transfer-encoding: binary\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let wrong = |error: std::io::Error| Failure::input(format!("{}: {error}", media.display()));
    let size = usize::try_from(fs::metadata(media).map_err(wrong)?.len()).unwrap_or_default();
    let mut body = Vec::with_capacity(head.len() + size + tail.len());
    body.extend_from_slice(head.as_bytes());
    File::open(media).and_then(|mut file| file.read_to_end(&mut body)).map_err(wrong)?;
    body.extend_from_slice(tail.as_bytes());
    Ok(body)
}
