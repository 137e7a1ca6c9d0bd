//! A webhook: one POST for each alert.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::runtime::{Builder, Runtime};

use super::answer;
use super::redact::Secrets;
use super::resolver::Checked;
use super::signature::Secret;
use crate::alert_format::AlertFormat;
use crate::port::sink::{Outcome, Sink, Told, Trouble};
use crate::record::WebAddress;

const AGENT: &str = concat!("tripline/", env!("CARGO_PKG_VERSION"));
/// Of an answer, that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Of a request: no receiver of alerts takes more.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Connections that nothing was sent over for so long may be dead.
const IDLE: Duration = Duration::from_secs(30);

/// Where to, as what. Not `Debug`: what is in it came from the environment.
pub struct WebhookOptions {
    pub name: Arc<str>,
    pub address: WebAddress,
    /// The address is secret: the name of its variable.
    pub variable: Option<String>,
    pub format: AlertFormat,
    /// With every request.
    pub headers: Vec<(String, String)>,
    /// The same, whose values are never said.
    pub secret_headers: Vec<(String, String)>,
    /// Other texts that are never said.
    pub secrets: Vec<String>,
    pub signature: Option<Secret>,
    /// For one request, from the name's resolution to the end of its answer.
    pub timeout: Duration,
}

pub struct Webhook {
    name: Arc<str>,
    address: WebAddress,
    /// How the place is called in messages.
    place: String,
    format: AlertFormat,
    headers: HeaderMap,
    signature: Option<Secret>,
    secrets: Secrets,
    timeout: Duration,
    client: Client,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl Webhook {
    /// Asks nothing of the place yet.
    pub fn new(options: WebhookOptions) -> io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let WebhookOptions { name, address, variable, format, timeout, signature, .. } = options;
        let secrets = secrets(&address, variable.is_some(), &options.secret_headers, options.secrets);
        let headers = headers(&options.headers, &options.secret_headers)?;
        let mut client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Arc::new(Checked { here: address.url().scheme() == "http" }));
        if address.is_here() {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| io::Error::other(error.without_url()))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("webhook").enable_all().build()?;
        let place = match variable {
            Some(variable) => format!("{} (of {variable})", address.host()),
            None => address.host(),
        };
        Ok(Self { name, address, place, format, headers, signature, secrets, timeout, client, runtime: Some(runtime) })
    }

    async fn post(&self, told: &Told) -> Option<Trouble> {
        let body = self.format.bytes(&told.alert);
        if body.len() > BODY_BYTES_MAX {
            let what = format!("the alert has {} bytes, more than the {BODY_BYTES_MAX} that are sent", body.len());
            return Some(Trouble::Refused { what: self.say(&what) });
        }
        let mut headers = self.headers.clone();
        if let Err(what) = self.identify(&mut headers, told, &body) {
            return Some(Trouble::Refused { what: self.say(&what) });
        }
        let sent = self.client.post(self.address.url().clone()).headers(headers).body(body).send().await;
        let (status, retry_after, text) = match sent {
            Ok(answer) => read(answer).await,
            Err(error) => return Some(Trouble::Later { what: self.say(&self.failure(error)), after: None }),
        };
        match answer::trouble(status, retry_after.as_deref(), &self.secrets.out_of(&text), Utc::now())? {
            Trouble::Later { what, after } => Some(Trouble::Later { what: self.say(&what), after }),
            Trouble::Refused { what } => Some(Trouble::Refused { what: self.say(&what) }),
        }
    }

    /// What says which alert it is, and who sent it.
    fn identify(&self, headers: &mut HeaderMap, told: &Told, body: &[u8]) -> Result<(), String> {
        let id = HeaderValue::from_str(&told.id).map_err(|_| "the alert's id cannot be sent".to_owned())?;
        headers.insert("idempotency-key", id.clone());
        let Some(secret) = &self.signature else { return Ok(()) };
        let timestamp = u64::try_from(Utc::now().timestamp()).unwrap_or(0);
        let signature = secret.sign(&told.id, timestamp, body).and_then(|text| HeaderValue::from_str(&text).ok());
        headers.insert("webhook-id", id);
        headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
        headers.insert("webhook-signature", signature.ok_or("the alert cannot be signed")?);
        Ok(())
    }

    /// Why there is no answer, with the reasons behind the reason, and without the URL.
    fn failure(&self, error: reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {:?}", self.timeout);
        }
        let error = error.without_url();
        let mut text = error.to_string();
        let mut behind = std::error::Error::source(&error);
        while let Some(reason) = behind {
            let _ = write!(text, ": {reason}");
            behind = reason.source();
        }
        text
    }

    fn say(&self, what: &str) -> String {
        format!("{}: {}", self.place, self.secrets.out_of(what))
    }
}

/// The beginning of an answer. One that breaks off says as much as came: its status is known.
async fn read(mut answer: Response) -> (reqwest::StatusCode, Option<String>, String) {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    (status, retry_after, String::from_utf8_lossy(&body).into_owned())
}

/// The path and query of the address, with their parts where it is secret; values of headers and the words in them; and
/// what else is given.
fn secrets(address: &WebAddress, whole: bool, headers: &[(String, String)], others: Vec<String>) -> Secrets {
    let url = address.url();
    let mut texts = others;
    texts.push(url.path().to_owned());
    texts.extend(url.query().map(str::to_owned));
    if whole {
        texts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
        texts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    }
    for (_, value) in headers {
        texts.push(value.clone());
        texts.extend(value.split_whitespace().map(str::to_owned));
    }
    Secrets::new(texts)
}

fn headers(open: &[(String, String)], secret: &[(String, String)]) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let all = open.iter().map(|header| (header, false)).chain(secret.iter().map(|header| (header, true)));
    for ((name, value), is_secret) in all {
        let wrong = |what: &str| io::Error::other(format!("the header `{name}` {what}"));
        let key = HeaderName::try_from(name).map_err(|_| wrong("has a name that is none"))?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong("has a value that cannot be sent"))?;
        value.set_sensitive(is_secret);
        headers.insert(key, value);
    }
    Ok(headers)
}

impl Sink for Webhook {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn batch(&self) -> usize {
        1
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        let Some(runtime) = &self.runtime else {
            return Outcome { taken: 0, trouble: Some(Trouble::Later { what: self.say("is closed"), after: None }) };
        };
        runtime.block_on(async {
            for (taken, told) in alerts.iter().enumerate() {
                if let Some(trouble) = self.post(told).await {
                    return Outcome { taken, trouble: Some(trouble) };
                }
            }
            Outcome::all(alerts)
        })
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // A name server that does not answer would hold the program.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
