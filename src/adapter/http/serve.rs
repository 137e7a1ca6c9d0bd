//! Pages at an address, on a thread of their own.
//!
//! This is hyper itself and no framework above it: what has to be limited (the head, the time that it may take, connections)
//! is hyper's to limit, and of a few fixed paths there is nothing to route. Every answer closes its connection: who watches asks
//! every few seconds, and a connection that nobody uses keeps nobody out.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::port::pages::{Page, Pages};

/// Connections at one time. Others wait until one of them is closed.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may take, from its first byte to its last.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// The smallest that hyper takes.
const HEAD_BYTES: usize = 8 << 10;
const HEADERS_MAX: usize = 64;
/// After a connection could not be taken: no file is free, for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// Pages are served until it is dropped.
pub struct Serving {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// With the port that was found, where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It waits for nothing that takes long: the thread ends at once.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Once it returns, the address answers.
pub fn serve(address: SocketAddr, pages: Arc<dyn Pages>) -> io::Result<Serving> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let thread =
        thread::Builder::new().name("http".to_owned()).spawn(move || run(&runtime, listener, pages, stopped))?;
    Ok(Serving { address, stop: Some(stop), thread: Some(thread) })
}

fn run(runtime: &Runtime, listener: TcpListener, pages: Arc<dyn Pages>, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async move {
        tokio::select! {
            () = accept(listener, pages) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: TcpListener, pages: Arc<dyn Pages>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION_PATIENCE, answer(stream, pages)).await;
                    drop(permit);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn answer(stream: TcpStream, pages: Arc<dyn Pages>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let page = page(&request, &*pages);
        async move { Ok::<_, Infallible>(response(page)) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn page(request: &Request<Incoming>, pages: &dyn Pages) -> Page {
    let said = |status: StatusCode| Page::text(status.as_u16(), format!("{status}\n"));
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return said(StatusCode::METHOD_NOT_ALLOWED);
    }
    // Nothing is asked with a body, and none is read.
    if !request.body().is_end_stream() {
        return said(StatusCode::PAYLOAD_TOO_LARGE);
    }
    pages.page(request.uri().path()).unwrap_or_else(|| said(StatusCode::NOT_FOUND))
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if page.status == StatusCode::METHOD_NOT_ALLOWED.as_u16() {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
