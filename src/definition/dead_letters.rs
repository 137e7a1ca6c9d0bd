//! `dead_letters` of `tripline.yaml`: where records go that a run over subscriptions refuses.

use super::model::DeadLetters;
use super::shape::{Shape, Table, optional, required};
use super::sink::{bad, is_topic, strangers};
use super::yaml::Node;
use crate::diagnostic::Diagnostic;

const TYPES: [&str; 2] = ["file", "pubsub"];

pub(super) static DEAD_LETTERS: Table = Table {
    name: "`dead_letters`",
    doc: "Where refused records go, with the reason and as they came",
    keys: &[
        required("type", Shape::Word(&TYPES), "`file`: JSON lines; `pubsub`: messages of a topic of Pub/Sub"),
        optional("file", Shape::Text, "Of the type `file`: its path, from the folder in which the run is started"),
        optional("topic", Shape::Text, "Of the type `pubsub`: `projects/PROJECT/topics/NAME`"),
    ],
};

/// `None` where there are none, or something is wrong, which is said.
pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Option<DeadLetters> {
    let node = node.get("dead_letters")?;
    let ty = node.text_at("type")?;
    let (key, other, form) = match ty.as_str() {
        "file" => ("file", "topic", "PATH"),
        "pubsub" => ("topic", "file", "projects/PROJECT/topics/NAME"),
        _ => return None,
    };
    let owner = if other == "file" { "the type `file`" } else { "the type `pubsub`" };
    strangers(node, &[other], ty.as_str(), owner, out);
    let given = node.text_at(key).filter(|given| !given.as_str().trim().is_empty());
    let Some(given) = given else {
        let error = bad(
            "definition.missing-key",
            ty.span(),
            format!("dead letters of the type `{}` need the key `{key}`", ty.as_str()),
        );
        out.push(error.label(format!("has no `{key}`")).help(format!("write `{key}: {form}`")));
        return None;
    };
    if key == "file" {
        return Some(DeadLetters::File(given.text));
    }
    if !is_topic(given.as_str()) {
        let error = bad("sink.bad-topic", given.span(), format!("`{}` is not a topic's name", given.as_str()));
        out.push(error.label("not of this form").help("a topic is `projects/PROJECT/topics/NAME`"));
        return None;
    }
    Some(DeadLetters::Topic(given.text))
}
