//! A message of Slack's incoming webhooks: blocks for people, and a text for where blocks are not shown.
//!
//! Values are code, so that names and addresses from logs are no links; `verbatim` has Slack look for none elsewhere.

use serde_json::{Value as Json, json};

use super::alert::{about, id, is_withdrawn, shown, text, texts};
use super::cut::{escaped, escaped_lines, line};

/// What Slack allows, in characters; `…_MAX` is the most that is used where less is enough.
const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FIELDS: usize = 10;
const FIELD_MAX: usize = 300;
const NAME_MAX: usize = 80;
const TEXT_MAX: usize = 600;
const CONTEXT_MAX: usize = 1_000;

pub(super) fn message(alert: &Json) -> Json {
    let severity = text(alert, "severity").to_uppercase();
    let said = if is_withdrawn(alert) { "withdrawn, " } else { "" };
    let title = format!("{said}{severity}: {}", text(alert, "title"));
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": line(&title, HEADER), "emoji": false},
    })];
    let fields = fields(alert);
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let runbook = text(alert, "runbook").trim();
    if !runbook.is_empty() {
        blocks.push(json!({"type": "section", "text": mrkdwn(escaped_lines(runbook, SECTION))}));
    }
    blocks.push(json!({"type": "context", "elements": [mrkdwn(escaped(&context(alert), CONTEXT_MAX))]}));
    json!({
        "text": escaped(&format!("{title} ({})", text(alert, "rule")), TEXT_MAX),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn mrkdwn(text: String) -> Json {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn fields(alert: &Json) -> Vec<Json> {
    let mut named = vec![("rule".to_owned(), text(alert, "rule").to_owned())];
    named.extend(about(alert));
    named.push(("first seen".to_owned(), text(alert, "first_time").to_owned()));
    named.push(("last seen".to_owned(), text(alert, "last_time").to_owned()));
    named.push(("hits".to_owned(), shown(&alert["hits"])));
    named.push(("score".to_owned(), shown(&alert["score"])));
    let attack: Vec<&str> = texts(alert, "attack").collect();
    named.push(("ATT&CK".to_owned(), attack.join(" ")));
    let told = named.into_iter().filter(|(_, value)| !value.is_empty()).take(FIELDS);
    told.map(|(name, value)| {
        let value = escaped(&value.replace('`', "'"), FIELD_MAX);
        mrkdwn(format!("*{}*\n`{value}`", escaped(&name.replace('*', " "), NAME_MAX)))
    })
    .collect()
}

fn context(alert: &Json) -> String {
    let mut parts = vec![format!("alert {}", id(alert))];
    if text(alert, "state") != "ok" {
        parts.push(text(alert, "state").to_owned());
    }
    if !text(alert, "owner").is_empty() {
        parts.push(format!("owner {}", text(alert, "owner")));
    }
    parts.extend(texts(alert, "references").map(str::to_owned));
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::message;
    use crate::alert_format::tests::alert;

    /// Every text of a message that Slack reads as markup.
    fn markup(value: &Json, out: &mut Vec<String>) {
        match value {
            Json::Object(map) => {
                let plain = map.get("type").is_some_and(|ty| ty == "plain_text");
                out.extend(map.get("text").and_then(Json::as_str).filter(|_| !plain).map(str::to_owned));
                map.values().for_each(|value| markup(value, out));
            }
            Json::Array(items) => items.iter().for_each(|value| markup(value, out)),
            _ => {}
        }
    }

    #[test]
    fn nothing_of_a_log_is_markup() {
        let message = message(&alert());
        let mut texts = Vec::new();
        markup(&message, &mut texts);
        assert!(texts.len() > 8, "{texts:?}");
        for text in &texts {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(!text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").contains('&'), "{text}");
        }
        assert_eq!(message["text"], "HIGH: Brute force from 10.1.2.3 &lt;!channel&gt; &amp; more (net.bruteforce)");
        assert_eq!(message["blocks"][0]["text"]["text"], "HIGH: Brute force from 10.1.2.3 <!channel> & more");
        assert_eq!(message["blocks"][1]["fields"][2]["text"], "*victim subscriber*\n`&lt;@U1&gt;'x'`");
    }

    #[test]
    fn lengths_are_within_what_is_allowed() {
        let long = "<&>".repeat(5_000);
        let mut alert = alert();
        for key in ["title", "rule", "runbook", "owner", "alert_id"] {
            alert[key] = json!(long);
        }
        alert["references"] = json!([long, long]);
        let entity = json!({"type": long, "role": long, "value": long});
        alert["entities"] = Json::Array(vec![entity; 50]);
        let message = message(&alert);
        let blocks = message["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= 50);
        let chars = |value: &Json| value.as_str().map_or(0, |text| text.chars().count());
        assert!(chars(&blocks[0]["text"]["text"]) <= 150);
        let fields = blocks[1]["fields"].as_array().expect("fields");
        assert!(fields.len() <= 10 && fields.iter().all(|field| chars(&field["text"]) <= 2_000));
        assert!(chars(&blocks[2]["text"]["text"]) <= 3_000);
        assert!(chars(&blocks[3]["elements"][0]["text"]) <= 2_000 && chars(&message["text"]) <= 4_000);
    }
}
