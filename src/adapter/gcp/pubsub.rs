//! A subscription of Pub/Sub, by streaming pull: the client renews leases, limits what is under way and opens broken streams
//! again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_pubsub::client::{Subscriber, SubscriptionAdmin};
use google_cloud_pubsub::error::AckError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::{ExactlyOnce, Handler};
use google_cloud_pubsub::subscriber::{MessageStream, ShutdownBehavior};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::port::standing::{Acknowledged, Delivery, Standing};
use crate::port::subscription::{Delivered, Receipt, Subscription};
use crate::record::EventTime;

/// Where the emulator listens, as Google's own clients read it.
const EMULATOR: &str = "PUBSUB_EMULATOR_HOST";
/// Messages that are delivered and not acknowledged: throughput is at most this by the time of a sync.
const OUTSTANDING_MESSAGES: i64 = 20_000;
/// Bytes of messages as well: the service is asked to keep to what it is given, and is held to it; what is beyond stays in the
/// connection.
const OUTSTANDING_KIB_LEAST: u32 = 256;
/// After a crash what was under way comes again after this long.
const LEASE: Duration = Duration::from_secs(10);
/// How long the first answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Messages that are taken at once.
const TAKEN_MESSAGES: usize = 4_096;
const TAKEN_BYTES: usize = 8 << 20;
/// How long acknowledgements may take when the run ends, and how long of that the answers to those that are confirmed.
const FAREWELL: Duration = Duration::from_secs(5);
const CONFIRMED: Duration = Duration::from_secs(3);
/// Where nothing has come for so long somebody asks whether the subscription is there.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// Before a stream that has ended is opened again; twice as long each time that nothing came of it.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

pub struct PubSub {
    name: Arc<str>,
    messages: Receiver<Result<Delivered, String>>,
    /// Why there are no more, told behind those that came before.
    ended: Option<String>,
    /// Ends the pump.
    stop: Option<oneshot::Sender<()>>,
    pump: Option<JoinHandle<()>>,
    standing: Arc<Standing>,
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
    /// `bytes`: of messages that are delivered and not acknowledged.
    pub fn subscribe(name: &str, bytes: u64) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let failed = |error: String| io::Error::other(said(name, &error));
        let standing = Arc::<Standing>::default();
        let asker = runtime.block_on(Asker::new(name)).map_err(failed)?;
        runtime.block_on(asker.ask(&standing)).map_err(failed)?;
        let client = runtime.block_on(client()).map_err(failed)?;
        let (sender, messages) = channel(TAKEN_MESSAGES);
        let (stop, stopped) = oneshot::channel();
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(OUTSTANDING_KIB_LEAST);
        let heard = Arc::new(AtomicBool::new(true));
        let pump = Pump {
            name: name.to_owned(),
            client,
            confirming: runtime.handle().clone(),
            standing: Arc::clone(&standing),
            heard: Arc::clone(&heard),
            room: Arc::new(Semaphore::new(kib as usize)),
            kib,
            sender,
        };
        let pump = runtime.spawn(pump.run(stopped));
        runtime.spawn(asker.watch(Arc::clone(&standing), heard));
        Ok(Self { name: name.into(), messages, ended: None, stop: Some(stop), pump: Some(pump), standing, runtime })
    }
}

/// Whoever holds the subscription may be asked whether it is there. A stream does not say: it is opened again and again.
struct Asker {
    name: String,
    client: SubscriptionAdmin,
}

impl Asker {
    async fn new(name: &str) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = SubscriptionAdmin::builder().with_retry_policy(NeverRetry);
        let builder = match emulator() {
            Some(endpoint) => builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build()),
            None => builder,
        };
        let client = builder.build().await.map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), client })
    }

    async fn ask(&self, standing: &Standing) -> Result<(), String> {
        match timeout(ANSWER, self.client.get_subscription().set_subscription(&self.name).send()).await {
            Err(_) => Err(format!("Pub/Sub has not answered within {} s", ANSWER.as_secs())),
            // Who may take messages need not be one who may ask about the subscription.
            Ok(Err(error)) if error.status().is_some_and(|status| status.code == Code::PermissionDenied) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(subscription)) => {
                standing.delivers(match subscription.enable_exactly_once_delivery {
                    true => Delivery::ExactlyOnce,
                    false => Delivery::AtLeastOnce,
                });
                Ok(())
            }
        }
    }

    /// While nothing comes it is asked: a subscription that is silent and one that cannot be reached look alike else.
    async fn watch(self, standing: Arc<Standing>, heard: Arc<AtomicBool>) {
        loop {
            sleep(ASK_AFTER).await;
            let heard = || heard.swap(false, Ordering::Relaxed);
            let asked = if heard() { Ok(()) } else { self.ask(&standing).await };
            match asked {
                Err(why) if !heard() => standing.fails(why),
                _ => standing.answers(),
            }
        }
    }
}

async fn client() -> Result<Subscriber, String> {
    let builder = Subscriber::builder();
    let builder = match emulator() {
        Some(endpoint) => builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build()),
        None => builder,
    };
    builder.build().await.map_err(|error| error.to_string())
}

fn open(client: &Subscriber, name: &str, kib: u32) -> MessageStream {
    let stream = client
        .subscribe(name)
        .set_max_lease_extension(LEASE)
        .set_max_outstanding_messages(OUTSTANDING_MESSAGES)
        .set_max_outstanding_bytes(i64::from(kib) << 10)
        .set_shutdown_behavior(ShutdownBehavior::NackImmediately);
    stream.build()
}

/// Hands messages over until it is stopped, or the stream ends for good.
struct Pump {
    name: String,
    client: Subscriber,
    /// Who waits for confirmations.
    confirming: Handle,
    standing: Arc<Standing>,
    /// Has a message come since somebody looked?
    heard: Arc<AtomicBool>,
    /// KiB of messages that may be under way.
    room: Arc<Semaphore>,
    /// Of all of them.
    kib: u32,
    sender: Sender<Result<Delivered, String>>,
}

impl Pump {
    /// Stopped, acknowledgements that are under way get through, and what was not acknowledged is delivered again at once.
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut stream = open(&self.client, &self.name, self.kib);
        // One that was left: acknowledgements of its messages go through it still.
        let mut left: Option<MessageStream> = None;
        let mut pause = PAUSE_FIRST;
        loop {
            let next = tokio::select! {
                biased;
                _ = &mut stopped => break,
                next = stream.next() => next,
            };
            let next = match next {
                Some(Ok((message, handler))) => {
                    pause = PAUSE_FIRST;
                    self.heard.store(true, Ordering::Relaxed);
                    let kib = u32::try_from(message.data.len().div_ceil(1 << 10)).unwrap_or(u32::MAX);
                    let room = Arc::clone(&self.room).acquire_many_owned(kib.clamp(1, self.kib));
                    let room = tokio::select! {
                        biased;
                        _ = &mut stopped => break,
                        room = room => room.ok(),
                    };
                    Ok(self.delivered(message, handler, room))
                }
                Some(Err(error)) if !passes(&error) => Err(said(&self.name, &error.to_string())),
                // The client takes these for the end of all; there is more behind it.
                None | Some(Err(_)) => {
                    left = Some(std::mem::replace(&mut stream, open(&self.client, &self.name, self.kib)));
                    tokio::select! {
                        biased;
                        _ = &mut stopped => break,
                        () = sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE_LONGEST);
                    continue;
                }
            };
            let ended = next.is_err();
            let handed = tokio::select! {
                biased;
                _ = &mut stopped => break,
                handed = self.sender.send(next) => handed,
            };
            if ended || handed.is_err() {
                break;
            }
        }
        // A stream that is shut down hears no more of what it asked.
        let until = Instant::now() + CONFIRMED;
        while self.standing.pending() > 0 && Instant::now() < until {
            sleep(PAUSE_FIRST / 10).await;
        }
        stream.shutdown_token().shutdown().await;
        if let Some(left) = left {
            left.shutdown_token().shutdown().await;
        }
    }

    fn delivered(&self, message: Message, handler: Handler, room: Option<OwnedSemaphorePermit>) -> Delivered {
        let published = message.publish_time.map_or(EventTime::MIN, |at| {
            EventTime(at.seconds().saturating_mul(1_000_000).saturating_add(i64::from(at.nanos()) / 1_000))
        });
        let receipt: Box<dyn Receipt> = match handler {
            Handler::ExactlyOnce(lease) => {
                self.standing.delivers(Delivery::ExactlyOnce);
                let (confirming, standing) = (self.confirming.clone(), Arc::clone(&self.standing));
                Box::new(Confirmed { lease, confirming, standing, _room: room })
            }
            handler => {
                self.standing.delivers(Delivery::AtLeastOnce);
                Box::new(Lease { handler, standing: Arc::clone(&self.standing), _room: room })
            }
        };
        Delivered {
            id: message.message_id,
            published,
            data: message.data.to_vec(),
            attributes: message.attributes,
            ordering_key: message.ordering_key,
            receipt,
        }
    }
}

/// May it work later, although the client gives it up? Such errors come of what is between it and the service.
fn passes(error: &Error) -> bool {
    error.status().is_some_and(|status| matches!(status.code, Code::Cancelled | Code::Unknown))
}

struct Lease {
    handler: Handler,
    standing: Arc<Standing>,
    /// Free when this is gone.
    _room: Option<OwnedSemaphorePermit>,
}

impl Receipt for Lease {
    fn acknowledge(self: Box<Self>) {
        self.standing.acknowledged(Acknowledged::Sent);
        self.handler.ack();
    }
}

/// Of exactly-once delivery: the answer says whether the message may come again. Nobody waits for it; what comes again is known
/// by its id, and acknowledged again.
struct Confirmed {
    lease: ExactlyOnce,
    confirming: Handle,
    standing: Arc<Standing>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Receipt for Confirmed {
    fn acknowledge(self: Box<Self>) {
        let Self { lease, confirming, standing, _room } = *self;
        standing.asks();
        confirming.spawn(async move {
            let outcome =
                lease.confirmed_ack().await.map_or_else(|error| unconfirmed(&error), |()| Acknowledged::Confirmed);
            standing.answered(outcome);
        });
    }
}

/// Why an acknowledgement may not count.
fn unconfirmed(error: &AckError) -> Acknowledged {
    match error {
        AckError::LeaseExpired => Acknowledged::Late,
        AckError::Rpc { source, .. } if is_late(source) => Acknowledged::Late,
        AckError::Rpc { .. } => Acknowledged::Refused,
        _ => Acknowledged::Unanswered,
    }
}

/// An id is not valid when its lease is over.
fn is_late(error: &Error) -> bool {
    let details = error.status().into_iter().flat_map(|status| &status.details);
    details.into_iter().any(|detail| match detail {
        StatusDetails::ErrorInfo(info) => info.metadata.values().any(|why| why == "PERMANENT_FAILURE_INVALID_ACK_ID"),
        _ => false,
    })
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
        error if error.contains("UNAUTHENTICATED") || error.contains("Unauthenticated") => {
            "\nhelp: the credentials are refused: are they those of an account that still exists?"
        }
        error if error.contains("PERMISSION_DENIED") || error.contains("PermissionDenied") => {
            "\nhelp: the account needs roles/pubsub.subscriber on it"
        }
        _ => "",
    };
    format!("{name}: {error}{help}")
}

impl Subscription for PubSub {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
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
