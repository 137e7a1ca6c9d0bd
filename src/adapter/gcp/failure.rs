//! What the client or the service says of a failed call, and what a person can do about it.

use std::time::Duration;

use gcp_bigquery_client::error::{BQError, ResponseError};
use gcp_bigquery_client::model::error_proto::ErrorProto;

use crate::port::warehouse::{StatementPlace, Trouble, WarehouseError};

/// Reasons of the service that may be gone the next time.
const PASSING: [&str; 6] = [
    "rateLimitExceeded",
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
];
const PASSING_STATUS: [u16; 5] = [429, 500, 502, 503, 504];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    pub reason: Option<String>,
    pub message: String,
    retried: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The service answered with an error.
    Status(u16),
    /// A job ended with an error.
    Job,
    /// No connection, or it broke.
    Connection,
    /// An answer that is not what it should be: what stands between us and the service, or another service.
    Unreadable,
    Deadline,
    Credentials,
    Stopped,
    /// What was asked cannot be asked.
    Input,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, reason: None, message: message.into(), retried: 0 }
    }

    pub fn no_answer(limit: Duration) -> Self {
        Self::new(Kind::Connection, format!("no answer within {:.1} s", limit.as_secs_f64()))
    }

    pub fn deadline(limit: Duration) -> Self {
        Self::new(Kind::Deadline, format!("not done within {:.1} s", limit.as_secs_f64()))
    }

    pub fn stopped() -> Self {
        Self::new(Kind::Stopped, "stopped; the job goes on in the service")
    }

    pub fn credentials(message: impl Into<String>) -> Self {
        Self::new(Kind::Credentials, message)
    }

    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreadable, message)
    }

    /// Of an answer whose body says nothing.
    pub fn of_status(status: u16) -> Self {
        Self::new(Kind::Status(status), format!("HTTP status {status}"))
    }

    pub fn of_response(error: ResponseError) -> Self {
        let error = error.error;
        let reason = error.errors.first().and_then(|first| first.get("reason")).cloned();
        let status = u16::try_from(error.code).unwrap_or(500);
        Self { kind: Kind::Status(status), reason, message: error.message, retried: 0 }
    }

    /// Of a job that ended.
    pub fn of_job(error: &ErrorProto) -> Self {
        let message = error.message.clone().unwrap_or_else(|| "the job failed".to_owned());
        Self { kind: Kind::Job, reason: error.reason.clone(), message, retried: 0 }
    }

    pub fn after(self, retried: u32) -> Self {
        Self { retried, ..self }
    }

    /// May it go well the next time?
    pub fn passes(&self) -> bool {
        let passing = || self.reason.as_deref().is_some_and(|reason| PASSING.contains(&reason));
        match self.kind {
            Kind::Status(status) => PASSING_STATUS.contains(&status) || passing(),
            Kind::Job => passing(),
            Kind::Connection | Kind::Unreadable => true,
            Kind::Deadline | Kind::Credentials | Kind::Stopped | Kind::Input => false,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::Status(404)
    }

    /// There is a job of this id already.
    pub fn is_duplicate(&self) -> bool {
        self.kind == Kind::Status(409) && self.reason.as_deref().is_none_or(|reason| reason == "duplicate")
    }

    /// `place`: project and dataset, for the help.
    pub fn error(self, asked: impl Into<String>, place: &str) -> WarehouseError {
        let trouble = self.trouble();
        let mut message = first_lines(&self.message);
        if self.retried > 0 {
            message.push_str(&format!(", also after {} retries", self.retried));
        }
        WarehouseError {
            trouble,
            asked: asked.into(),
            place: statement_place(&self.message),
            help: help(trouble, &self.message, place),
            reason: self.reason,
            message,
        }
    }

    fn trouble(&self) -> Trouble {
        match (self.kind, self.reason.as_deref()) {
            (Kind::Deadline, _) => Trouble::Deadline,
            (Kind::Stopped, _) => Trouble::Stopped,
            (Kind::Credentials, _) | (Kind::Status(401), _) => Trouble::Credentials,
            (Kind::Connection | Kind::Unreadable, _) => Trouble::Unavailable,
            (_, Some("bytesBilledLimitExceeded")) => Trouble::TooManyBytes,
            (_, Some("quotaExceeded" | "billingTierLimitExceeded" | "billingNotEnabled")) => Trouble::Quota,
            (_, Some("accessDenied")) => Trouble::Permission,
            (_, Some("notFound")) | (Kind::Status(404), _) => Trouble::NotFound,
            (_, Some("invalidQuery")) => Trouble::Statement,
            (_, Some("stopped")) => Trouble::Deadline,
            _ if self.passes() => Trouble::Unavailable,
            (Kind::Status(403), _) => Trouble::Permission,
            _ => Trouble::Other,
        }
    }
}

impl From<BQError> for Failure {
    fn from(error: BQError) -> Self {
        match error {
            BQError::ResponseError { error } => Self::of_response(error),
            BQError::RequestError(error) => Self::from(error),
            BQError::SerializationError(error) => Self::input(error.to_string()),
            BQError::AuthError(_)
            | BQError::YupAuthError(_)
            | BQError::NoToken
            | BQError::InvalidServiceAccountKey(_)
            | BQError::InvalidServiceAccountAuthenticator(_)
            | BQError::InvalidAuthorizedUserAuthenticator(_)
            | BQError::InvalidApplicationDefaultCredentialsAuthenticator(_) => Self::credentials(error.to_string()),
            other => Self::input(other.to_string()),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let text = causes(&error);
        if error.is_decode() {
            // The client keeps no status of an answer that it cannot read.
            Self::unreadable(text)
        } else if error.is_builder() {
            Self::input(text)
        } else {
            Self::new(Kind::Connection, text)
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The engine's drawings of the statement below the message are left out.
fn first_lines(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// `… at [3:14]`, as the service says it.
fn statement_place(message: &str) -> Option<StatementPlace> {
    let (_, rest) = message.rsplit_once("at [")?;
    let (line, rest) = rest.split_once(':')?;
    let (column, _) = rest.split_once(']')?;
    Some(StatementPlace { line: line.parse().ok()?, column: column.parse().ok()? })
}

fn help(trouble: Trouble, message: &str, place: &str) -> Option<String> {
    let text = match trouble {
        Trouble::NotFound if message.contains("Dataset") => {
            format!("make the dataset (`bq mk {place}`), or name another: --dataset, or `warehouse:` in tripline.yaml")
        }
        Trouble::NotFound => {
            format!("is it in {place}? --warehouse-project, --dataset and --location say where to look")
        }
        Trouble::Permission => format!(
            "whoever asks needs roles/bigquery.jobUser on the project, and on the dataset {place} roles/bigquery.dataViewer, \
             to write roles/bigquery.dataEditor"
        ),
        Trouble::TooManyBytes => "allow more with --max-bytes, or ask for fewer days".to_owned(),
        Trouble::Quota => {
            "wait, ask for fewer days at once (--parallel), or have the project's quota raised".to_owned()
        }
        Trouble::Credentials => {
            "`gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name a key file".to_owned()
        }
        Trouble::Deadline => "the job may still end: asked again, it is found under its id".to_owned(),
        Trouble::Unavailable => "ask again later: what is done is found and not run again".to_owned(),
        Trouble::Statement | Trouble::Stopped | Trouble::Other => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use gcp_bigquery_client::error::ResponseError;
    use gcp_bigquery_client::model::error_proto::ErrorProto;

    use super::{Failure, Trouble};

    fn response(code: u16, reason: &str, message: &str) -> Failure {
        let body = serde_json::json!({"error": {"code": code, "message": message,
            "errors": [{"domain": "global", "reason": reason, "message": message}]}});
        let error: ResponseError = serde_json::from_value(body).expect("an error");
        Failure::of_response(error)
    }

    #[test]
    fn each_trouble_is_told_apart_and_helped() {
        let cases = [
            (403, "accessDenied", Trouble::Permission, false, "roles/bigquery.jobUser"),
            (404, "notFound", Trouble::NotFound, false, "--dataset"),
            (400, "bytesBilledLimitExceeded", Trouble::TooManyBytes, false, "--max-bytes"),
            (403, "quotaExceeded", Trouble::Quota, false, "quota"),
            (403, "rateLimitExceeded", Trouble::Unavailable, true, "again"),
            (401, "authError", Trouble::Credentials, false, "gcloud auth application-default login"),
            (503, "backendError", Trouble::Unavailable, true, "again"),
            (400, "invalid", Trouble::Other, false, ""),
        ];
        for (code, reason, trouble, passes, help) in cases {
            let failure = response(code, reason, "no");
            assert_eq!(failure.passes(), passes, "{reason}");
            let error = failure.error("dry run", "p:d");
            assert_eq!(error.trouble, trouble, "{reason}");
            assert!(error.help.clone().unwrap_or_default().contains(help), "{error}");
        }
    }

    #[test]
    fn the_place_in_the_statement_is_read() {
        let message = "Unrecognized name: dst_prot at [12:7]";
        let error = response(400, "invalidQuery", message).error("dry run", "p:d");
        assert_eq!(error.trouble, Trouble::Statement);
        assert_eq!(error.place.map(|place| (place.line, place.column)), Some((12, 7)));
        assert_eq!(error.to_string(), "dry run: Unrecognized name: dst_prot at [12:7] (invalidQuery)");
        assert_eq!(response(400, "invalidQuery", "at [x:7]").error("a", "b").place, None);
    }

    #[test]
    fn a_job_that_failed_is_not_inserted_again_unless_the_service_failed() {
        let job =
            |reason: &str| Failure::of_job(&ErrorProto { reason: Some(reason.to_owned()), ..ErrorProto::default() });
        assert!(!job("invalidQuery").passes());
        assert!(job("backendError").passes());
        assert!(job("rateLimitExceeded").passes());
    }
}
