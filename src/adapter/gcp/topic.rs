//! A topic of Pub/Sub that alerts are published to. What of a batch is confirmed from the first alert on counts as taken; what
//! was confirmed behind a gap is published again.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::message::message;
pub use super::message::{Attributes, OF_ALERTS, OF_LETTERS};
use super::pubsub::emulator;
use crate::alert_format::AlertFormat;
use crate::port::sink::{Outcome, Sink, Told, Trouble};

/// Alerts at once.
const BATCH: usize = 500;
/// Of one request to the service; it takes a thousand messages and 10 MB.
const REQUEST_MESSAGES: u32 = 100;
const REQUEST_BYTES: u32 = 4 << 20;
/// A batch is flushed when all of it is handed over; until then it need not wait for long.
const DELAY: Duration = Duration::from_millis(50);

pub struct TopicOptions {
    pub name: Arc<str>,
    /// `projects/PROJECT/topics/NAME`.
    pub topic: String,
    pub format: AlertFormat,
    pub attributes: Attributes,
    /// Alerts of one rule and key come in order, to subscriptions that ask for it.
    pub ordering: bool,
    /// For one attempt.
    pub timeout: Duration,
}

pub struct Topic {
    options: TopicOptions,
    /// `None` behind an attempt that did not end: the next one makes another, so that nothing of the last is under way.
    publisher: Option<Publisher>,
    /// Ordering keys that the client stopped at a failure.
    stopped: BTreeSet<String>,
    /// So many go one by one, so that the one is found that the service refuses.
    careful: usize,
    runtime: Option<Runtime>,
}

impl Topic {
    /// Asks nothing of the service yet, but who asks has to be known.
    pub fn new(options: TopicOptions) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("topic").enable_all().build()?;
        let publisher = runtime.block_on(open(&options.topic));
        let publisher = publisher.map_err(|error| io::Error::other(format!("{}: {error}", options.topic)))?;
        let stopped = BTreeSet::new();
        Ok(Self { options, publisher: Some(publisher), stopped, careful: 0, runtime: Some(runtime) })
    }

    /// Messages of the first alerts, and why there is none of the next.
    fn messages(&self, alerts: &[Told]) -> (Vec<Message>, Option<Trouble>) {
        let mut messages = Vec::with_capacity(alerts.len());
        for told in alerts {
            match message(told, &self.options.format, self.options.attributes, self.options.ordering) {
                Ok(message) => messages.push(message),
                Err(bytes) => {
                    let what = format!("an alert of {bytes} bytes is longer than a message may be");
                    return (messages, Some(Trouble::Refused { what: self.say(&what) }));
                }
            }
        }
        (messages, None)
    }

    async fn publish(&mut self, messages: Vec<Message>) -> Outcome {
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => match open(&self.options.topic).await {
                Ok(publisher) => publisher,
                Err(error) => return self.later(0, &error),
            },
        };
        for key in std::mem::take(&mut self.stopped) {
            publisher.resume_publish(key);
        }
        let keys: Vec<String> = messages.iter().map(|message| message.ordering_key.clone()).collect();
        let sent: Vec<_> = messages.into_iter().map(|message| publisher.publish(message)).collect();
        let answers = async {
            publisher.flush().await;
            let mut answers = Vec::with_capacity(sent.len());
            for answer in sent {
                answers.push(answer.await);
            }
            answers
        };
        let Ok(answers) = timeout(self.options.timeout, answers).await else {
            return self.later(0, &format!("no answer within {:?}", self.options.timeout));
        };
        self.publisher = Some(publisher);
        let failed = keys.into_iter().zip(&answers).filter(|(key, answer)| answer.is_err() && !key.is_empty());
        self.stopped = failed.map(|(key, _)| key).collect();
        self.outcome(&answers)
    }

    fn outcome(&mut self, answers: &[Result<String, PublishError>]) -> Outcome {
        let taken = answers.iter().take_while(|answer| answer.is_ok()).count();
        let Some(Err(first)) = answers.get(taken) else {
            self.careful = self.careful.saturating_sub(taken);
            return Outcome { taken, trouble: None };
        };
        // A key that is stopped says nothing of why.
        let told = answers.iter().filter_map(|answer| answer.as_ref().err());
        let told = told.into_iter().find(|error| matches!(error, PublishError::Rpc(_))).unwrap_or(first);
        if code(told) != Some(Code::InvalidArgument) {
            return self.later(taken, &said(told));
        }
        // One message is wrong, and those that were sent with it are refused, too.
        if answers.len() > 1 {
            self.careful = answers.len();
            return self.later(taken, &said(told));
        }
        self.careful = 0;
        Outcome { taken, trouble: Some(Trouble::Refused { what: self.say(&said(told)) }) }
    }

    fn later(&self, taken: usize, what: &str) -> Outcome {
        Outcome { taken, trouble: Some(Trouble::Later { what: self.say(what), after: None }) }
    }

    fn say(&self, what: &str) -> String {
        format!("{}: {what}", self.options.topic)
    }
}

async fn open(topic: &str) -> Result<Publisher, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Publisher::builder(topic)
        .with_retry_policy(NeverRetry)
        .set_message_count_threshold(REQUEST_MESSAGES)
        .set_byte_threshold(REQUEST_BYTES)
        .set_delay_threshold(DELAY);
    let builder = match emulator() {
        Some(endpoint) => builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build()),
        None => builder,
    };
    builder.build().await.map_err(|error| error.to_string())
}

fn code(error: &PublishError) -> Option<Code> {
    match error {
        PublishError::Rpc(error) => error.status().map(|status| status.code),
        _ => None,
    }
}

fn said(error: &PublishError) -> String {
    let help = match code(error) {
        Some(Code::NotFound) => "\nhelp: `gcloud pubsub topics create NAME` makes one",
        Some(Code::PermissionDenied) => "\nhelp: the account needs roles/pubsub.publisher on it",
        Some(Code::Unauthenticated) => {
            "\nhelp: `gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS"
        }
        _ => "",
    };
    format!("{error}{help}")
}

impl Sink for Topic {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.options.name)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        let alerts = if self.careful > 0 { alerts.get(..1).unwrap_or(alerts) } else { alerts };
        let Some(runtime) = self.runtime.take() else { return self.later(0, "is closed") };
        let (messages, trouble) = self.messages(alerts);
        let count = messages.len();
        let mut outcome = runtime.block_on(self.publish(messages));
        self.runtime = Some(runtime);
        if outcome.taken == count && outcome.trouble.is_none() {
            outcome.trouble = trouble;
        }
        outcome
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.publisher = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
