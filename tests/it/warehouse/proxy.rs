//! A service on loopback that stands before another, or alone: it forwards, answers by itself, or breaks connections, and
//! remembers what was asked.
//!
//! As BigQuery does, and the emulator does not, it refuses a second job of one id (409).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value as Json, json};

/// What becomes of a request.
pub enum Reply {
    Forward,
    Answer(u16, String),
    /// The connection is closed; the other side has not seen the request.
    CutBefore,
    /// The other side has answered, and nobody heard it.
    CutAfter,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Is it the insertion of a job?
    pub fn inserts(&self) -> bool {
        self.method == "POST" && self.path.split('?').next().is_some_and(|path| path.ends_with("/jobs"))
    }

    /// The id of the job that it inserts.
    pub fn job(&self) -> Option<String> {
        let json: Json = serde_json::from_slice(&self.body).ok()?;
        json["jobReference"]["jobId"].as_str().map(str::to_owned)
    }
}

/// An error, as the service words it.
pub fn refusal(status: u16, reason: &str, message: &str) -> Reply {
    let errors = json!([{"domain": "global", "reason": reason, "message": message}]);
    Reply::Answer(status, json!({"error": {"code": status, "message": message, "errors": errors}}).to_string())
}

pub fn answer(json: Json) -> Reply {
    Reply::Answer(200, json.to_string())
}

type Rule = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    upstream: Option<SocketAddr>,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Request>>,
    forwarded: Mutex<Vec<Request>>,
    jobs: Mutex<BTreeSet<String>>,
}

#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

impl Proxy {
    /// Before the emulator; or alone, when `rule` answers everything.
    pub fn start(
        upstream: Option<SocketAddr>,
        rule: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(rule)),
            seen: Mutex::default(),
            forwarded: Mutex::default(),
            jobs: Mutex::default(),
        });
        let all = Arc::clone(&shared);
        // Ends with the program.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                thread::spawn(move || all.serve(connection));
            }
        });
        Ok(Self { shared, address })
    }

    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().expect("requests").clone()
    }

    pub fn inserted(&self) -> Vec<String> {
        self.seen().iter().filter(|request| request.inserts()).filter_map(Request::job).collect()
    }

    /// Jobs that the other side was given.
    pub fn forwarded(&self) -> Vec<String> {
        let forwarded = self.shared.forwarded.lock().expect("requests");
        forwarded.iter().filter(|request| request.inserts()).filter_map(Request::job).collect()
    }
}

impl Shared {
    fn serve(&self, mut connection: TcpStream) -> io::Result<()> {
        let Some((head, request)) = read(&mut BufReader::new(connection.try_clone()?))? else { return Ok(()) };
        self.seen.lock().expect("requests").push(request.clone());
        let reply = (self.rule.lock().expect("a rule"))(&request);
        match reply {
            Reply::Forward => connection.write_all(&self.forward(&head, &request)?),
            Reply::CutAfter => self.forward(&head, &request).map(drop),
            Reply::CutBefore => Ok(()),
            Reply::Answer(status, body) => connection.write_all(&response(status, &body)),
        }
    }

    fn forward(&self, head: &str, request: &Request) -> io::Result<Vec<u8>> {
        if let (true, Some(job)) = (request.inserts(), request.job())
            && !self.jobs.lock().expect("jobs").insert(job.clone())
        {
            let Reply::Answer(status, body) = refusal(409, "duplicate", &format!("Already Exists: Job {job}")) else {
                return Ok(Vec::new());
            };
            return Ok(response(status, &body));
        }
        self.forwarded.lock().expect("requests").push(request.clone());
        let upstream = self.upstream.ok_or_else(|| io::Error::other("nobody to forward to"))?;
        let mut upstream = TcpStream::connect(upstream)?;
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(&request.body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn response(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// The head with `connection: close` in it, and the request.
fn read(input: &mut impl BufRead) -> io::Result<Option<(String, Request)>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut head, mut length) = (line.clone(), 0);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    head.push_str("connection: close\r\n\r\n");
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some((head, Request { method, path, body })))
}
