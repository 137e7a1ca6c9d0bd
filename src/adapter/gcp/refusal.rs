//! What the Storage Write API says of an append that failed, and what a person can do about it.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{RowError, StorageError};
use gcp_bigquery_client::google::rpc;
use prost::Message;
use tonic::{Code, Status};

use crate::port::table::AppendError;
use crate::record::alert::columns;

/// Of a table.
pub struct Refusal<'a> {
    pub project: &'a str,
    pub dataset: &'a str,
    pub table: &'a str,
}

impl Refusal<'_> {
    /// Of a call that failed as a whole.
    pub fn of_call(&self, status: &Status) -> AppendError {
        let details = rpc::Status::decode(status.details()).ok();
        self.told(status.code(), status.message(), details.as_ref().and_then(storage_code), &[])
    }

    /// Of an append that was answered.
    pub fn of_append(&self, status: &rpc::Status, rows: &[RowError]) -> AppendError {
        self.told(Code::from_i32(status.code), &status.message, storage_code(status), rows)
    }

    fn told(&self, code: Code, message: &str, of_storage: Option<StorageErrorCode>, rows: &[RowError]) -> AppendError {
        use StorageErrorCode as S;
        let later = |code| AppendError::Later(self.with_help(code, message));
        match of_storage {
            Some(S::OffsetAlreadyExists) => return AppendError::Exists,
            Some(S::OffsetOutOfRange | S::StreamFinalized | S::StreamNotFound | S::InvalidStreamState) => {
                return AppendError::Lost(message.to_owned());
            }
            Some(S::TableNotFound) => return later(Code::NotFound),
            Some(S::SchemaMismatchExtraFields) => return later(Code::InvalidArgument),
            _ => {}
        }
        match code {
            Code::AlreadyExists => AppendError::Exists,
            Code::NotFound | Code::OutOfRange | Code::FailedPrecondition => {
                AppendError::Lost(self.with_help(code, message))
            }
            Code::InvalidArgument => match rows.first() {
                Some(first) => AppendError::Rows(first.message.clone()),
                None => AppendError::Rows(message.to_owned()),
            },
            code => later(code),
        }
    }

    /// The message, and what to do.
    pub fn with_help(&self, code: Code, message: &str) -> String {
        let Self { project, dataset, table } = self;
        let help = match code {
            Code::NotFound => format!("`{}` makes it", self.create()),
            Code::InvalidArgument => {
                format!(
                    "add what is missing (ALTER TABLE `{project}.{dataset}.{table}` ADD COLUMN …), or name another table"
                )
            }
            Code::PermissionDenied => {
                format!("the account needs roles/bigquery.dataEditor on the table or on {project}:{dataset}")
            }
            Code::Unauthenticated => {
                "`gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS".to_owned()
            }
            Code::ResourceExhausted => {
                "it is tried again; have the project's quota of the Storage Write API raised".to_owned()
            }
            _ => return message.to_owned(),
        };
        format!("{message}\nhelp: {help}")
    }

    /// The command that makes the table.
    fn create(&self) -> String {
        let Self { project, dataset, table } = self;
        // The quotes of a name would end those of the shell.
        let columns: Vec<String> =
            columns().iter().map(|column| format!("\\`{}\\` {}", column.name, column.ty)).collect();
        format!(
            "bq query --use_legacy_sql=false \"CREATE TABLE \\`{project}.{dataset}.{table}\\` ({}) \
             PARTITION BY DATE(event_time) CLUSTER BY rule\"",
            columns.join(", ")
        )
    }
}

fn storage_code(status: &rpc::Status) -> Option<StorageErrorCode> {
    let detail = status.details.iter().find(|detail| detail.type_url.ends_with("StorageError"))?;
    let error = StorageError::decode(detail.value.as_slice()).ok()?;
    StorageErrorCode::try_from(error.code).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Refusal<'static> = Refusal { project: "p", dataset: "d", table: "t" };

    fn of(code: Code, of_storage: Option<StorageErrorCode>) -> AppendError {
        let detail = of_storage.map(|code| prost_types::Any {
            type_url: "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError".to_owned(),
            value: StorageError { code: code.into(), ..StorageError::default() }.encode_to_vec(),
        });
        let status = rpc::Status { code: code.into(), message: "no".to_owned(), details: detail.into_iter().collect() };
        let answered = TABLE.of_append(&status, &[]);
        let called = TABLE.of_call(&Status::with_details(code, "no", status.encode_to_vec().into()));
        assert_eq!(answered, called);
        answered
    }

    #[test]
    fn the_code_of_the_storage_api_counts_more_than_that_of_the_call() {
        use StorageErrorCode as S;
        assert_eq!(of(Code::AlreadyExists, None), AppendError::Exists);
        assert_eq!(of(Code::Unknown, Some(S::OffsetAlreadyExists)), AppendError::Exists);
        for lost in [S::OffsetOutOfRange, S::StreamFinalized, S::StreamNotFound] {
            assert_eq!(of(Code::InvalidArgument, Some(lost)), AppendError::Lost("no".to_owned()), "{lost:?}");
        }
        assert_eq!(of(Code::OutOfRange, None), AppendError::Lost("no".to_owned()));
        assert_eq!(of(Code::InvalidArgument, None), AppendError::Rows("no".to_owned()));
    }

    #[test]
    fn what_a_person_can_mend_is_waited_for_and_said() {
        for (code, of_storage, help) in [
            (
                Code::NotFound,
                Some(StorageErrorCode::TableNotFound),
                "CREATE TABLE \\`p.d.t\\` (\\`alert_id\\` STRING, ",
            ),
            (Code::InvalidArgument, Some(StorageErrorCode::SchemaMismatchExtraFields), "ADD COLUMN"),
            (Code::PermissionDenied, None, "roles/bigquery.dataEditor"),
            (Code::Unauthenticated, None, "gcloud auth"),
            (Code::ResourceExhausted, None, "quota"),
        ] {
            let AppendError::Later(what) = of(code, of_storage) else { panic!("{code:?} is not waited for") };
            assert!(what.starts_with("no\nhelp: ") && what.contains(help), "{what}");
        }
        assert_eq!(of(Code::Unavailable, None), AppendError::Later("no".to_owned()));
    }
}
