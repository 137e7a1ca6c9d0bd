//! A subscription of Pub/Sub, by streaming pull: the client renews leases, limits what is under way and opens broken streams
//! again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::{Subscriber, SubscriptionAdmin};
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;
use google_cloud_pubsub::subscriber::{MessageStream, ShutdownBehavior};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::port::subscription::{Delivered, Receipt, Subscription};
use crate::record::EventTime;

/// Where the emulator listens, as Google's own clients read it.
const EMULATOR: &str = "PUBSUB_EMULATOR_HOST";
/// Messages that are delivered and not acknowledged: throughput is at most this by the time of a sync.
const OUTSTANDING_MESSAGES: i64 = 20_000;
const OUTSTANDING_BYTES: i64 = 100 << 20;
/// After a crash what was under way comes again after this long.
const LEASE: Duration = Duration::from_secs(10);
/// How long the first answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Messages that are taken at once.
const TAKEN_MESSAGES: usize = 4_096;
const TAKEN_BYTES: usize = 8 << 20;
/// How long acknowledgements may take when the run ends.
const FAREWELL: Duration = Duration::from_secs(5);

pub struct PubSub {
    name: Arc<str>,
    messages: Receiver<Result<Delivered, String>>,
    /// Why there are no more, told behind those that came before.
    ended: Option<String>,
    /// Ends the pump.
    stop: Option<oneshot::Sender<()>>,
    pump: Option<JoinHandle<()>>,
    runtime: Runtime,
}

/// An emulator's address; what is there is asked without credentials.
pub(super) fn emulator() -> Option<String> {
    let host = std::env::var(EMULATOR).ok().filter(|host| !host.is_empty())?;
    Some(format!("http://{host}"))
}

/// `projects/PROJECT/subscriptions/NAME`.
pub fn is_subscription(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    matches!(parts[..], ["projects", project, "subscriptions", own] if !project.is_empty() && !own.is_empty())
}

impl PubSub {
    pub fn subscribe(name: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(answers(name)).map_err(|error| io::Error::other(said(name, &error)))?;
        let stream = runtime.block_on(open(name)).map_err(|error| io::Error::other(said(name, &error)))?;
        let (sender, messages) = channel(TAKEN_MESSAGES);
        let (stop, stopped) = oneshot::channel();
        let pump = runtime.spawn(pump(stream, sender, stopped, name.to_owned()));
        Ok(Self { name: name.into(), messages, ended: None, stop: Some(stop), pump: Some(pump), runtime })
    }
}

/// Does anybody answer? A stream does not say: it is opened again and again.
async fn answers(name: &str) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = SubscriptionAdmin::builder();
    let builder = match emulator() {
        Some(endpoint) => builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build()),
        None => builder,
    };
    let client = builder.build().await.map_err(|error| error.to_string())?;
    let asked = timeout(ANSWER, client.get_subscription().set_subscription(name).send()).await;
    match asked {
        Err(_) => Err(format!("Pub/Sub has not answered within {} s", ANSWER.as_secs())),
        // Who may take messages need not be one who may ask about the subscription.
        Ok(Err(error)) if error.status().is_some_and(|status| status.code == Code::PermissionDenied) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(_)) => Ok(()),
    }
}

async fn open(name: &str) -> Result<MessageStream, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Subscriber::builder();
    let builder = match emulator() {
        Some(endpoint) => builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build()),
        None => builder,
    };
    let client = builder.build().await.map_err(|error| error.to_string())?;
    let stream = client
        .subscribe(name)
        .set_max_lease_extension(LEASE)
        .set_max_outstanding_messages(OUTSTANDING_MESSAGES)
        .set_max_outstanding_bytes(OUTSTANDING_BYTES)
        .set_shutdown_behavior(ShutdownBehavior::NackImmediately);
    Ok(stream.build())
}

/// Hands messages over until it is stopped, or the stream ends for good. Stopped, acknowledgements that are under way get
/// through, and what was not acknowledged is delivered again at once.
async fn pump(
    mut stream: MessageStream,
    sender: Sender<Result<Delivered, String>>,
    mut stopped: oneshot::Receiver<()>,
    name: String,
) {
    loop {
        let next = tokio::select! {
            biased;
            _ = &mut stopped => break,
            next = stream.next() => next,
        };
        let next = match next {
            None => break,
            Some(Ok((message, handler))) => Ok(delivered(message, handler)),
            Some(Err(error)) => Err(said(&name, &error.to_string())),
        };
        let ended = next.is_err();
        let handed = tokio::select! {
            biased;
            _ = &mut stopped => break,
            handed = sender.send(next) => handed,
        };
        if ended || handed.is_err() {
            break;
        }
    }
    stream.shutdown_token().shutdown().await;
}

fn delivered(message: Message, handler: Handler) -> Delivered {
    let published = message.publish_time.map_or(EventTime::MIN, |at| {
        EventTime(at.seconds().saturating_mul(1_000_000).saturating_add(i64::from(at.nanos()) / 1_000))
    });
    Delivered { id: message.message_id, published, data: message.data.to_vec(), receipt: Box::new(Lease(handler)) }
}

struct Lease(Handler);

impl Receipt for Lease {
    fn acknowledge(self: Box<Self>) {
        self.0.ack();
    }
}

fn said(name: &str, error: &str) -> String {
    let help = match error {
        error if error.contains("NOT_FOUND") || error.contains("NotFound") => {
            "\nhelp: `gcloud pubsub subscriptions create NAME --topic TOPIC` makes one"
        }
        error if error.contains("has not answered") || error.contains("cannot find credentials") => {
            "\nhelp: are there credentials (`gcloud auth application-default login`), and a way to it? For an emulator set \
             PUBSUB_EMULATOR_HOST"
        }
        error if error.contains("PERMISSION_DENIED") => "\nhelp: the account needs roles/pubsub.subscriber on it",
        _ => "",
    };
    format!("{name}: {error}{help}")
}

impl Subscription for PubSub {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Vec<Delivered>> {
        if let Some(ended) = self.ended.take() {
            return Err(io::Error::other(ended));
        }
        let messages = &mut self.messages;
        let first = match self.runtime.block_on(async { timeout(patience, messages.recv()).await }) {
            Err(_) => return Ok(Vec::new()),
            Ok(None) => return Err(io::Error::other(format!("{}: the stream has ended", self.name))),
            Ok(Some(first)) => first.map_err(io::Error::other)?,
        };
        let mut bytes = first.data.len();
        let mut taken = vec![first];
        while taken.len() < TAKEN_MESSAGES && bytes < TAKEN_BYTES {
            match self.messages.try_recv() {
                Ok(Ok(next)) => {
                    bytes += next.data.len();
                    taken.push(next);
                }
                Ok(Err(error)) => {
                    self.ended = Some(error);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    fn is_reachable(&mut self) -> bool {
        self.runtime.block_on(answers(&self.name)).is_ok()
    }
}

impl Drop for PubSub {
    fn drop(&mut self) {
        self.stop.take().into_iter().for_each(|stop| {
            let _ = stop.send(());
        });
        if let Some(pump) = self.pump.take() {
            let _ = self.runtime.block_on(async { timeout(FAREWELL, pump).await });
        }
    }
}
