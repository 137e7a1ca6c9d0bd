//! A server that speaks as Pub/Sub does to a subscriber, and goes wrong when it is told to. Calls are HTTP/2 as they are, so that
//! a stream can break in every way; who asks about the subscription speaks HTTP/1.1, as with the service.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use libtest_mimic::Failed;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::proto::{
    AcknowledgeRequest, ModifyAckDeadlineRequest, Status, StreamingPullRequest, StreamingPullResponse,
    SubscriptionProperties, frame, unframed,
};
use super::queue::Queue;

pub const SUBSCRIPTION: &str = "projects/test-project/subscriptions/flows";
/// How often a stream looks for something to send.
const EVERY: Duration = Duration::from_millis(5);
const BATCH: usize = 20;

/// How streams that are open end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The call is answered by this code.
    Code(i32),
    /// As if it were over.
    Clean,
    /// RST_STREAM.
    Reset,
}

/// What the server is told to do.
#[derive(Default)]
struct Orders {
    /// Streams that were opened before this one end, and how.
    break_before: (u64, Option<Ending>),
    /// Until then streams are not opened, by this code.
    refuse: Option<(Instant, i32)>,
    /// Until then nothing is sent or answered.
    still: Option<Instant>,
    /// Acknowledgements that nobody should have made yet, by what the log has.
    logged: Option<Logged>,
    opened: u64,
}

/// Does the log of the run have this message?
type Logged = Box<dyn Fn(&[u64]) -> Vec<u64> + Send>;

struct Shared {
    queue: Mutex<Queue>,
    orders: Mutex<Orders>,
}

pub struct Server {
    runtime: Runtime,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Takes connections, and holds those that are open.
    listening: Option<JoinHandle<()>>,
}

pub fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub fn start(queue: Queue) -> Result<Self, Failed> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { queue: Mutex::new(queue), orders: Mutex::default() });
        let listening = Some(runtime.spawn(listen(listener, Arc::clone(&shared))));
        Ok(Self { runtime, address, shared, listening })
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        locked(&self.shared.queue)
    }

    /// What was acknowledged is compared with this.
    pub fn watch(&self, logged: Logged) {
        locked(&self.shared.orders).logged = Some(logged);
    }

    /// Streams that are open end.
    pub fn break_streams(&self, ending: Ending) {
        let mut orders = locked(&self.shared.orders);
        orders.break_before = (orders.opened, Some(ending));
    }

    pub fn refuse(&self, code: i32, length: Duration) {
        locked(&self.shared.orders).refuse = Some((Instant::now() + length, code));
        self.break_streams(Ending::Code(code));
    }

    pub fn stand_still(&self, length: Duration) {
        locked(&self.shared.orders).still = Some(Instant::now() + length);
    }

    /// Nobody listens any more, and all connections are gone.
    pub fn down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = self.runtime.block_on(listening);
        }
    }

    /// At the same address.
    pub fn up(&mut self) -> Result<(), Failed> {
        let until = Instant::now() + Duration::from_secs(20);
        let listener = loop {
            match self.runtime.block_on(TcpListener::bind(self.address)) {
                Ok(listener) => break listener,
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        self.listening = Some(self.runtime.spawn(listen(listener, Arc::clone(&self.shared))));
        Ok(())
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, they end.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0; 3];
    while stream.peek(&mut first).await.is_ok_and(|read| read < first.len()) {
        sleep(Duration::from_millis(1)).await;
    }
    if &first != b"PRI" {
        let _ = about(stream, &shared).await;
        return;
    }
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut calls = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        calls.spawn(call(request, respond, Arc::clone(&shared)));
        while calls.try_join_next().is_some() {}
    }
}

impl Shared {
    async fn stands_still(&self) {
        while locked(&self.orders).still.is_some_and(|until| Instant::now() < until) {
            sleep(EVERY).await;
        }
    }

    fn refusal(&self) -> Option<i32> {
        locked(&self.orders).refuse.filter(|(until, _)| Instant::now() < *until).map(|(_, code)| code)
    }
}

/// `GET /v1/projects/…/subscriptions/…`.
async fn about(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut part = [0; 1024];
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&part[..read]);
    }
    shared.stands_still().await;
    locked(&shared.queue).counts.asked += 1;
    let exactly_once = locked(&shared.queue).exactly_once;
    let (status, body) = match shared.refusal() {
        Some(7) => {
            ("403 Forbidden", r#"{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}"#.into())
        }
        Some(5) => ("404 Not Found", r#"{"error": {"code": 404, "status": "NOT_FOUND", "message": "gone"}}"#.into()),
        Some(_) => {
            ("503 Unavailable", r#"{"error": {"code": 503, "status": "UNAVAILABLE", "message": "not now"}}"#.into())
        }
        None => ("200 OK", format!(r#"{{"name": "{SUBSCRIPTION}", "enableExactlyOnceDelivery": {exactly_once}}}"#)),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await
}

async fn call(request: Request<RecvStream>, respond: SendResponse<Bytes>, shared: Arc<Shared>) {
    let path = request.uri().path().to_owned();
    let body = request.into_body();
    let _ = match path.as_str() {
        "/google.pubsub.v1.Subscriber/StreamingPull" => pull(body, respond, &shared).await,
        "/google.pubsub.v1.Subscriber/Acknowledge" => match whole(body).await {
            Some(bytes) => acknowledge(&bytes, respond, &shared).await,
            None => Ok(()),
        },
        "/google.pubsub.v1.Subscriber/ModifyAckDeadline" => {
            let bytes = whole(body).await.unwrap_or_default();
            shared.stands_still().await;
            if let Some(asked) = unframed::<ModifyAckDeadlineRequest>(&bytes) {
                locked(&shared.queue).extend(&asked.ack_ids, asked.ack_deadline_seconds);
            }
            answer(respond, Ok(()))
        }
        _ => answer(respond, Err(Status::new(12, "there is no such call"))),
    };
}

async fn whole(mut body: RecvStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.ok()?;
        let _ = body.flow_control().release_capacity(part.len());
        bytes.extend_from_slice(&part);
    }
    Some(bytes)
}

async fn acknowledge(bytes: &[u8], respond: SendResponse<Bytes>, shared: &Shared) -> Result<(), h2::Error> {
    shared.stands_still().await;
    let asked: AcknowledgeRequest = unframed(bytes).unwrap_or_default();
    let meant = locked(&shared.queue).meant(&asked.ack_ids);
    // What is not in the log now was acknowledged too early.
    let missing = locked(&shared.orders).logged.as_ref().map(|logged| logged(&meant)).unwrap_or_default();
    let done = {
        let mut queue = locked(&shared.queue);
        queue.too_early.extend(missing);
        queue.acknowledge(&asked.ack_ids)
    };
    answer(respond, done)
}

fn head() -> Response<()> {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/grpc"));
    head
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = value.parse() {
            trailers.insert(name, value);
        }
    };
    put("grpc-status", status.code.to_string());
    if !status.message.is_empty() {
        put("grpc-message", status.message.replace(' ', "%20"));
    }
    if !status.details.is_empty() {
        put("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec()));
    }
    trailers
}

/// An answer that says nothing but whether it went well.
fn answer(mut respond: SendResponse<Bytes>, done: Result<(), Status>) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(head(), false)?;
    match done {
        Ok(()) => {
            stream.send_data(frame(&()), false)?;
            stream.send_trailers(trailers(&Status::default()))
        }
        Err(status) => stream.send_trailers(trailers(&status)),
    }
}

async fn pull(mut body: RecvStream, mut respond: SendResponse<Bytes>, shared: &Shared) -> Result<(), h2::Error> {
    let mut bytes = Vec::new();
    let asked: StreamingPullRequest = loop {
        match body.data().await {
            Some(Ok(part)) => bytes.extend_from_slice(&part),
            _ => return Ok(()),
        }
        if let Some(asked) = unframed(&bytes) {
            break asked;
        }
    };
    shared.stands_still().await;
    if let Some(code) = shared.refusal() {
        return answer(respond, Err(Status::new(code, "not now")));
    }
    let own = {
        let mut orders = locked(&shared.orders);
        orders.opened += 1;
        orders.opened
    };
    locked(&shared.queue).counts.opened += 1;
    let mut stream = respond.send_response(head(), false)?;
    let most = BATCH.min(usize::try_from(asked.max_outstanding_messages).unwrap_or(BATCH));
    loop {
        // The other side is gone.
        tokio::select! {
            _ = poll_fn(|context| stream.poll_reset(context)) => return Ok(()),
            () = sleep(EVERY) => {}
        }
        shared.stands_still().await;
        let (before, ending) = locked(&shared.orders).break_before;
        if let Some(ending) = ending.filter(|_| own <= before) {
            match ending {
                Ending::Code(code) => return stream.send_trailers(trailers(&Status::new(code, "it broke"))),
                Ending::Clean => return stream.send_trailers(trailers(&Status::default())),
                Ending::Reset => stream.send_reset(Reason::INTERNAL_ERROR),
            }
            return Ok(());
        }
        let (received_messages, exactly_once) = {
            let mut queue = locked(&shared.queue);
            (queue.take(most), queue.exactly_once)
        };
        let subscription_properties = Some(SubscriptionProperties { exactly_once_delivery_enabled: exactly_once });
        if !received_messages.is_empty() {
            stream.send_data(frame(&StreamingPullResponse { received_messages, subscription_properties }), false)?;
        }
    }
}
