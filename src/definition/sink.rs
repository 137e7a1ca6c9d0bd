//! `sinks` of `tripline.yaml`: where alerts go. The keys of all types are one table, so what belongs to which is said here.

use super::model::{Level, SinkConfig, SinkFormat, SinkPlace, SinkUrl, WebhookConfig};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Span, Text};
use crate::record::alert::Phase;
use crate::record::{Micros, WebAddress, WrongAddress};

/// The code of a secret that is written down; its place is not shown.
pub(super) const SECRET: &str = "sink.secret";

/// For people.
const PER_HOUR: u64 = 100;
const TIMEOUT: Micros = Micros(10_000_000);
const TIMEOUT_MAX: Micros = Micros(300_000_000);
const TYPES: [&str; 3] = ["webhook", "pubsub", "bigquery"];
const FORMATS: [&str; 5] = ["json", "slack", "pagerduty", "splunk", "ocsf"];
const PHASES: [&str; 4] = ["first", "update", "final", "withdrawn"];
const LEVELS: [&str; 5] = ["info", "low", "medium", "high", "critical"];
/// Keys of one type only.
const OF_WEBHOOKS: [&str; 6] = ["url", "url_env", "headers", "headers_env", "secret_env", "token_env"];
const OF_TOPICS: [&str; 2] = ["topic", "ordering"];
const OF_TABLES: [&str; 1] = ["table"];
/// Keys that a table has no use for: its rows have columns, and it has all alerts.
const NOT_OF_TABLES: [&str; 3] = ["format", "per_hour", "phases"];
/// Formats that mean something to a reader of a topic.
const TOPIC_FORMATS: [SinkFormat; 2] = [SinkFormat::Json, SinkFormat::Ocsf];
/// Headers that every request has already.
const OWN_HEADERS: [&str; 10] = [
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "user-agent",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// Parts of names behind which secrets are.
const SECRET_WORDS: [&str; 10] =
    ["auth", "token", "secret", "password", "passwd", "cookie", "key", "signature", "credential", "session"];
/// Hosts whose URLs are secrets themselves.
const SECRET_HOSTS: [&str; 4] = ["hooks.slack.com", "hooks.slack-gov.com", "discord.com", "webhook.office.com"];

pub(super) static SINK: Table = Table {
    name: "a sink",
    doc: "A place outside that is told of alerts; secrets are named by their environment variables",
    keys: &[
        required(
            "type",
            Shape::Word(&TYPES),
            "`webhook`: a POST for each alert; `pubsub`: a topic of Pub/Sub; `bigquery`: a table, in which each alert is once",
        ),
        optional("format", Shape::Word(&FORMATS), "How an alert is written (default `json`, the alert as it is)"),
        optional("min_severity", Shape::Word(&LEVELS), "Alerts below it are not told (default: all are)"),
        optional(
            "per_hour",
            Shape::Integer { min: 1, max: 1_000_000 },
            "Alerts of one rule that it is told of in an hour; then one says that there are more, which are in the record only \
             (default 100 for `slack` and `pagerduty`, no limit for others)",
        ),
        optional(
            "phases",
            Shape::List { item: &Shape::Word(&PHASES), empty: false },
            "What it is told of an incident: `first`, as soon as it is certain; `update`, each time that its hits have doubled; \
             `final`, when it is over; `withdrawn`, where a first one came to nothing (default `first` and `withdrawn` for \
             `slack` and `pagerduty`, `final` for `ocsf`, all for others)",
        ),
        optional("timeout", Shape::Length { zero: false }, "For one attempt (default 10s, at most 5m)"),
        optional("url", Shape::Text, "Of a webhook: `https://…`, or `http://` on this machine"),
        optional("url_env", Shape::Text, "Of a webhook whose URL is a secret: the variable that has it"),
        optional(
            "headers",
            Shape::Map { name: &Shape::Text, value: &Shape::Text, empty: true },
            "Of a webhook: headers of every request that are no secret",
        ),
        optional(
            "headers_env",
            Shape::Map { name: &Shape::Text, value: &Shape::Text, empty: true },
            "Of a webhook: headers of every request, by the variables that have their values",
        ),
        optional("secret_env", Shape::Text, "Of a webhook: the variable with the secret that requests are signed with"),
        optional(
            "token_env",
            Shape::Text,
            "Of the formats `splunk` and `pagerduty`: the variable with the token, or with the routing key",
        ),
        optional("topic", Shape::Text, "Of a `pubsub` sink: `projects/PROJECT/topics/NAME`"),
        optional(
            "ordering",
            Shape::Flag,
            "Of a `pubsub` sink: alerts of one rule and key come in order (default false)",
        ),
        optional(
            "table",
            Shape::Text,
            "Of a `bigquery` sink: `PROJECT.DATASET.TABLE`, a table with the columns of `alerts`",
        ),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<SinkConfig> {
    node.entries_at("sinks").iter().filter_map(|(name, node)| sink(name, node, out)).collect()
}

/// `None` where something is wrong, which is said; what the table says, is not said again.
fn sink(name: &Text, node: &Node, out: &mut Vec<Diagnostic>) -> Option<SinkConfig> {
    let ty = node.text_at("type")?;
    let before = out.len();
    let format = match node.text_at("format") {
        Some(text) => SinkFormat::ALL.into_iter().find(|format| format.name() == text.as_str())?,
        None => SinkFormat::Json,
    };
    let place = match ty.as_str() {
        "webhook" => webhook(name, node, format, out).map(SinkPlace::Webhook),
        "pubsub" => topic(name, node, format, out),
        "bigquery" => table(name, node, out),
        _ => return None,
    };
    let timeout = match (node.get("timeout"), node.length_at("timeout")) {
        (None, _) => TIMEOUT,
        (Some(given), Some(length)) if length > TIMEOUT_MAX => {
            let error = bad("definition.bad-value", given.span, "`timeout` must be at most 5m");
            out.push(error.label("too long"));
            return None;
        }
        (Some(_), length) => length?,
    };
    let min_severity = match node.text_at("min_severity") {
        Some(text) => Some(Level::ALL.into_iter().find(|level| level.name() == text.as_str())?),
        None => None,
    };
    let right = out.len() == before;
    let floods = matches!(format, SinkFormat::Slack | SinkFormat::PagerDuty);
    let per_hour = node.count_at("per_hour").or(floods.then_some(PER_HOUR));
    let phases: Vec<Phase> = match node.get("phases") {
        Some(_) => {
            let named = node.strings_at("phases");
            Phase::ALL.into_iter().filter(|phase| named.iter().any(|name| name == phase.name())).collect()
        }
        None if floods => vec![Phase::First, Phase::Withdrawn],
        // One finding an incident.
        None if format == SinkFormat::Ocsf => vec![Phase::Final],
        // A row is what a backfill gives of it.
        None if ty.as_str() == "bigquery" => vec![Phase::Final],
        None => Phase::ALL.to_vec(),
    };
    let name = name.text.clone();
    place.filter(|_| right).map(|place| SinkConfig { name, min_severity, per_hour, phases, format, timeout, place })
}

pub(super) fn bad(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, span, message)
}

fn topic(name: &Text, node: &Node, format: SinkFormat, out: &mut Vec<Diagnostic>) -> Option<SinkPlace> {
    strangers(node, &OF_WEBHOOKS, "pubsub", "a webhook", out);
    strangers(node, &OF_TABLES, "pubsub", "a `bigquery` sink", out);
    if let Some(given) = node.get("format").filter(|_| !TOPIC_FORMATS.contains(&format)) {
        let message = format!("`{}` is not a format of a `pubsub` sink", format.name());
        let error = bad("sink.bad-key", given.span, message).label("made for a webhook");
        out.push(error.help("its formats are `json` and `ocsf`"));
    }
    let Some(topic) = node.text_at("topic") else {
        let error = bad("definition.missing-key", name.span(), "a `pubsub` sink needs the key `topic`");
        out.push(error.label("has no `topic`").help("write `topic: projects/PROJECT/topics/NAME`"));
        return None;
    };
    if !is_topic(topic.as_str()) {
        let error = bad("sink.bad-topic", topic.span(), format!("`{}` is not a topic's name", topic.as_str()));
        out.push(error.label("not of this form").help("a topic is `projects/PROJECT/topics/NAME`"));
        return None;
    }
    Some(SinkPlace::Topic { topic: topic.text, ordering: node.flag_at("ordering") })
}

fn table(name: &Text, node: &Node, out: &mut Vec<Diagnostic>) -> Option<SinkPlace> {
    strangers(node, &OF_WEBHOOKS, "bigquery", "a webhook", out);
    strangers(node, &OF_TOPICS, "bigquery", "a `pubsub` sink", out);
    strangers(node, &NOT_OF_TABLES, "bigquery", "sinks that tell people", out);
    let Some(given) = node.text_at("table") else {
        let error = bad("definition.missing-key", name.span(), "a `bigquery` sink needs the key `table`");
        out.push(error.label("has no `table`").help("write `table: PROJECT.DATASET.TABLE`"));
        return None;
    };
    let Some([project, dataset, table]) = table_parts(given.as_str()) else {
        let error = bad("sink.bad-table", given.span(), format!("`{}` is not a table's name", given.as_str()));
        out.push(
            error.label("not of this form").help("a table is `PROJECT.DATASET.TABLE`, of letters, digits, `_` and `-`"),
        );
        return None;
    };
    Some(SinkPlace::Table { project, dataset, table })
}

/// Project, dataset and table. A project of a domain (`example.com:project`) has dots itself.
fn table_parts(name: &str) -> Option<[String; 3]> {
    let mut parts = name.rsplitn(3, '.');
    let (table, dataset, project) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = |part: &str, others: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    let right = plain(project, "-.:") && plain(dataset, "_") && plain(table, "_-");
    right.then(|| [project, dataset, table].map(str::to_owned))
}

pub(super) fn is_topic(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    let parts: Vec<&str> = name.split('/').collect();
    matches!(parts[..], ["projects", project, "topics", own] if plain(project) && plain(own))
}

/// Keys that another type has.
pub(super) fn strangers(node: &Node, keys: &[&str], ty: &str, owner: &str, out: &mut Vec<Diagnostic>) {
    for (key, _) in node.entries().iter().filter(|(key, _)| keys.contains(&key.as_str())) {
        let message = format!("`{}` does not belong to a `{ty}` sink", key.as_str());
        out.push(bad("sink.bad-key", key.span(), message).label(format!("a key of {owner}")).help("take it out"));
    }
}

fn webhook(name: &Text, node: &Node, format: SinkFormat, out: &mut Vec<Diagnostic>) -> Option<WebhookConfig> {
    strangers(node, &OF_TOPICS, "webhook", "a `pubsub` sink", out);
    strangers(node, &OF_TABLES, "webhook", "a `bigquery` sink", out);
    let url = url(name, node, out);
    let headers = headers(node, out);
    let headers_env = node.entries_at("headers_env").iter();
    let headers_env: Vec<_> = headers_env
        .filter_map(|(header, value)| {
            header_name(header, out);
            Some((header.text.clone(), variable(value, out)?))
        })
        .collect();
    for (header, _) in node.entries_at("headers") {
        if let Some((other, _)) = headers_env.iter().find(|(other, _)| other.eq_ignore_ascii_case(header.as_str())) {
            let error = bad("sink.bad-key", header.span(), format!("the header `{other}` is there twice"));
            out.push(error.label("in `headers_env`, too").help("take one of them out"));
        }
    }
    let secret_env = node.get("secret_env").and_then(|node| variable(node, out));
    let token_env = token(name, node, format, out);
    Some(WebhookConfig { url: url?, headers, headers_env, secret_env, token_env })
}

fn token(name: &Text, node: &Node, format: SinkFormat, out: &mut Vec<Diagnostic>) -> Option<String> {
    match node.get("token_env") {
        Some(token) if !format.has_token() => {
            let message = format!("the format `{}` has no token", format.name());
            let error = bad("sink.bad-key", token.head(), message).label("nowhere to put it");
            out.push(error.help("a header is `headers_env: {Authorization: VARIABLE}`"));
            None
        }
        Some(token) => variable(token, out),
        None => {
            if format.has_token() {
                let message = format!("the format `{}` needs the key `token_env`", format.name());
                let error = bad("definition.missing-key", name.span(), message).label("has no `token_env`");
                out.push(error.help("`token_env`: the environment variable with the token"));
            }
            None
        }
    }
}

fn url(name: &Text, node: &Node, out: &mut Vec<Diagnostic>) -> Option<SinkUrl> {
    match (node.get("url"), node.get("url_env")) {
        (Some(_), Some(variable)) => {
            let error = bad("sink.bad-key", variable.head(), "a webhook has one URL, `url` or `url_env`");
            out.push(error.label("a second one").help("take one of them out"));
            None
        }
        (None, None) => {
            let error = bad("definition.missing-key", name.span(), "a `webhook` sink needs the key `url` or `url_env`");
            let error =
                error.label("has no URL").help("`url_env` names the environment variable of a URL that is secret");
            out.push(error);
            None
        }
        (None, Some(named)) => variable(named, out).map(SinkUrl::Variable),
        (Some(written), None) => {
            let text = written.text()?;
            match WebAddress::parse(text.as_str()) {
                Ok(address) => {
                    out.extend(
                        secret_in(&address)
                            .map(|what| secret_error(text.span(), &format!("the URL {what}"), "url_env")),
                    );
                    Some(SinkUrl::Written(address))
                }
                Err(WrongAddress::Credentials) => {
                    out.push(secret_error(text.span(), "the URL has a user or a password in it", "url_env"));
                    None
                }
                Err(wrong) => {
                    let error = bad("sink.bad-url", text.span(), format!("the URL {wrong}")).label("not sent to");
                    out.push(error.help(match wrong {
                        WrongAddress::Metadata => "credentials are handed out there: name the place that takes alerts",
                        _ => "write `https://…`; `http://` is for 127.0.0.1, ::1 and localhost",
                    }));
                    None
                }
            }
        }
    }
}

/// Whether a URL that anybody may read is a secret by itself, and why.
fn secret_in(address: &WebAddress) -> Option<&'static str> {
    let host = address.url().host_str().unwrap_or_default();
    let secret_host = SECRET_HOSTS.iter().any(|known| host == *known || host.ends_with(&format!(".{known}")));
    if secret_host {
        return Some("of this host is a secret: who knows it can post there");
    }
    let named = address.url().query_pairs().any(|(name, _)| is_secret_name(&name));
    named.then_some("has a secret among its parameters")
}

fn secret_error(span: Span, message: &str, key: &str) -> Diagnostic {
    let error = bad(SECRET, span, message).label("a secret does not belong into a file");
    let error = error.help(format!("put it into an environment variable, and its name into `{key}`"));
    error.help("where others could read this file, make the secret anew")
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || name == "sig"
}

fn headers(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in node.entries_at("headers") {
        header_name(name, out);
        let Some(value) = value.text() else { continue };
        if is_secret_name(name.as_str()) {
            let message = format!("the header `{}` holds a secret", name.as_str());
            out.push(secret_error(value.span(), &message, "headers_env"));
        } else if !value.as_str().chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            let message = format!("the value of the header `{}` cannot be sent", name.as_str());
            out.push(
                bad("definition.bad-value", value.span(), message).label("letters, digits and signs of ASCII only"),
            );
        }
        headers.push((name.text.clone(), value.text.clone()));
    }
    headers
}

fn header_name(name: &Text, out: &mut Vec<Diagnostic>) {
    let text = name.as_str();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || !text.chars().all(token) {
        let error = bad("definition.bad-name", name.span(), format!("`{text}` cannot be the name of a header"));
        out.push(error.label("not a header's name").help("letters, digits and `-`, as in `X-Team`"));
    } else if OWN_HEADERS.contains(&text.to_lowercase().as_str()) {
        let error = bad("sink.bad-key", name.span(), format!("the header `{text}` is set by the program"));
        out.push(error.label("every request has it").help("take it out"));
    }
}

/// The name of an environment variable; what does not look like one may be the secret itself.
pub(super) fn variable(node: &Node, out: &mut Vec<Diagnostic>) -> Option<String> {
    let text = node.text()?;
    if super::scalar::is_name(text.as_str()) {
        return Some(text.text.clone());
    }
    let error = bad(SECRET, text.span(), "this is not the name of an environment variable");
    let error =
        error.label("letters, digits and `_`").help("write the variable's name here, and the secret into the variable");
    out.push(error);
    None
}

#[cfg(test)]
mod tests {
    use super::{FORMATS, LEVELS, PHASES, is_topic};
    use crate::definition::model::{Level, SinkFormat};
    use crate::record::alert::Phase;

    #[test]
    fn words_are_those_of_the_model() {
        assert_eq!(FORMATS, SinkFormat::ALL.map(SinkFormat::name));
        assert_eq!(LEVELS, Level::ALL.map(Level::name));
        assert_eq!(PHASES, Phase::ALL.map(Phase::name));
    }

    #[test]
    fn a_topic_has_a_project_and_a_name() {
        assert!(is_topic("projects/p/topics/alerts"));
        for wrong in [
            "alerts",
            "projects/p/subscriptions/a",
            "projects//topics/a",
            "projects/p/topics/",
            "projects/p/topics/a b",
        ] {
            assert!(!is_topic(wrong), "{wrong}");
        }
    }
}
