//! An emulator of Cloud Storage, and a proxy before it that breaks what is asked of it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

const START_MAX: Duration = Duration::from_secs(20);

/// Ends with its value.
pub struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Emulator {
    pub fn start(home: &str) -> Result<Self, Failed> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(Path::new(home).join("fake-gcs-server"))
            .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-log-level", "error"])
            .args(["-port", &address.port().to_string(), "-public-host", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let emulator = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > START_MAX {
                return Err("the emulator does not start".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        emulator.send("POST", "/storage/v1/b?project=p", br#"{"name":"flows"}"#)?;
        Ok(emulator)
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        put(self.address, name, bytes)
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<(), Failed> {
        send(self.address, method, path, body)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(address: SocketAddr, name: &str, bytes: &[u8]) -> Result<(), Failed> {
    let name = name.replace('/', "%2F");
    send(address, "POST", &format!("/upload/storage/v1/b/flows/o?uploadType=media&name={name}"), bytes)
}

fn send(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<(), Failed> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n")?;
    write!(stream, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
}

/// What is done to a request.
pub enum Fault {
    None,
    /// This status in the place of an answer.
    Status(u16),
    /// The answer breaks off in the middle of its body.
    Cut,
    /// This object gets other content before the answer.
    Overwrite(&'static str, Vec<u8>),
    /// Of a listing so many objects a page.
    Pages(usize),
}

/// Requests as they came: the first line, then the range.
pub type Seen = Arc<Mutex<Vec<String>>>;

/// Stands before the emulator until the tests end; the fault is chosen by the request as it is in [`Seen`].
pub fn proxy(
    emulator: &Emulator,
    fault: impl Fn(&str) -> Fault + Send + Sync + 'static,
) -> Result<(String, Seen), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = listener.local_addr()?.to_string();
    let (target, seen) = (emulator.address, Seen::default());
    let (fault, log) = (Arc::new(fault), Arc::clone(&seen));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (fault, log) = (Arc::clone(&fault), Arc::clone(&log));
            thread::spawn(move || {
                let _ = pass(client, target, &*fault, &log);
            });
        }
    });
    Ok((host, seen))
}

fn pass(mut client: TcpStream, target: SocketAddr, fault: &dyn Fn(&str) -> Fault, log: &Seen) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    let range = lines.iter().find(|line| line.to_ascii_lowercase().starts_with("range:")).copied();
    let request = format!("{} {}", plain(lines[0]), range.unwrap_or_default());
    if let Ok(mut log) = log.lock() {
        log.push(request.clone());
    }
    // The emulator answers for its own name alone.
    let own = |line: &str| ["connection:", "host:"].iter().any(|name| line.to_ascii_lowercase().starts_with(name));
    lines.retain(|line| !own(line));
    let host = format!("host: {target}");
    lines.push(&host);
    let mut upstream = TcpStream::connect(target)?;
    let fault = fault(&request);
    match &fault {
        Fault::Status(status) => {
            return write!(client, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
        Fault::Overwrite(name, bytes) => put(target, name, bytes).map_err(|_| io::Error::other("not put"))?,
        _ => {}
    }
    write!(upstream, "{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    match fault {
        Fault::Cut => {
            let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default() + 4;
            answer.truncate(body + (answer.len() - body) / 2);
        }
        Fault::Pages(most) => answer = page(&request, &String::from_utf8_lossy(&answer), most).into_bytes(),
        _ => {}
    }
    client.write_all(&answer)
}

/// Names as they are meant.
fn plain(line: &str) -> String {
    line.replace("%2F", "/").replace("%2E", ".")
}

/// The emulator does not page: the token is how many objects came before.
fn page(request: &str, answer: &str, most: usize) -> String {
    const BEGIN: &str = "<Contents>";
    let token = request.split_once("continuation-token=").and_then(|(_, token)| token.split([' ', '&']).next());
    let before: usize = token.and_then(|token| token.parse().ok()).unwrap_or_default();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let body = body.replace("</ListBucketResult>", "");
    let mut objects = body.split(BEGIN);
    let mut page = objects.next().unwrap_or_default().to_owned();
    let objects: Vec<&str> = objects.collect();
    for object in objects.iter().skip(before).take(most) {
        page.push_str(BEGIN);
        page.push_str(object);
    }
    if before + most < objects.len() {
        page.push_str(&format!("<NextContinuationToken>{}</NextContinuationToken>", before + most));
    }
    page.push_str("</ListBucketResult>");
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}", page.len())
}
