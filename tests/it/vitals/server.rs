//! The server of pages: what it answers, what it refuses, and that nobody can hold it for long.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tripline::adapter::http::{Serving, serve};
use tripline::port::pages::{Page, Pages};

/// By a client of its own.
pub fn get(address: &str, path: &str) -> Result<(u16, String), Failed> {
    let answer = raw(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no head: {answer}"))?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| format!("no code: {head}"))?;
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    if length.as_deref() != Some(body.len().to_string().as_str()) {
        return Err(format!("{} bytes with {length:?}: {head}", body.len()).into());
    }
    Ok((code, body.to_owned()))
}

/// All of the answer: each closes its connection.
fn raw(address: &str, request: &str) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let written = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // What was not read of a request resets the connection behind the answer.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(format!("{error}, {written:?}").into()),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

struct One;

impl Pages for One {
    fn page(&self, path: &str) -> Option<Page> {
        (path == "/one").then(|| Page::text(200, "one\n".to_owned()))
    }
}

/// A server that is no run.
pub fn other() -> Result<Serving, Failed> {
    Ok(serve(([127, 0, 0, 1], 0).into(), Arc::new(One))?)
}

pub fn limits() -> Result<(), Failed> {
    let serving = other()?;
    let address = serving.address().to_string();
    let found = get(&address, "/one?of=many")?;
    let absent = get(&address, "/two")?;
    if found != (200, "one\n".to_owned()) || absent.0 != 404 {
        return Err(format!("{found:?} {absent:?}").into());
    }
    let long = "a".repeat(70_000);
    let many: String = (0..100).map(|header| format!("h{header}: x\r\n")).collect();
    let refused = [
        ("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(), "405", "allow: GET, HEAD"),
        ("DELETE /one HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "405", "allow: GET, HEAD"),
        ("GET /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde".to_owned(), "413", ""),
        (format!("GET /one HTTP/1.1\r\nHost: a\r\nlong: {long}\r\n\r\n"), "431", ""),
        (format!("GET /one HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431", ""),
        ("no request\r\n\r\n".to_owned(), "400", ""),
    ];
    for (request, code, header) in refused {
        let answer = raw(&address, &request)?;
        if !answer.starts_with(&format!("HTTP/1.1 {code}")) || !answer.contains(header) {
            return Err(format!("{:.60}: {answer}", request).into());
        }
    }
    let head = raw(&address, "HEAD /one HTTP/1.1\r\nHost: a\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200") || !head.contains("content-length: 4") || !head.ends_with("\r\n\r\n") {
        return Err(head.into());
    }
    // More than it takes, which say nothing: they are closed, and others are answered.
    let began = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..24 {
        let mut stream = TcpStream::connect(&address)?;
        stream.write_all(b"GET /one HTTP/1.1\r\nHo")?;
        idle.push(stream);
    }
    let found = get(&address, "/one")?;
    let waited = began.elapsed();
    if found.0 != 200 || waited < Duration::from_secs(4) || waited > Duration::from_secs(15) {
        return Err(format!("{found:?} after {waited:?}").into());
    }
    drop(serving);
    match TcpStream::connect(&address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("it is still there: {other:?}").into()),
    }
}
