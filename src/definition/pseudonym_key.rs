//! `pseudonym_keys` of `tripline.yaml`: where secret keys are. They themselves are never written down.

use std::collections::BTreeMap;

use super::model::PseudonymKeyConfig;
use super::shape::{Shape, Table, optional, required};
use super::sink::{SECRET, bad, variable};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Span, Text};
use crate::record::{KeyPlace, is_key};

/// Pseudonyms begin with it, row by row.
const ID_CHARS_MAX: usize = 16;

pub(super) static PSEUDONYM_KEY: Table = Table {
    name: "a pseudonym key",
    doc: "Where the secret key is that `pseudonymize` is told by its name; one of `env` and `file`",
    keys: &[
        required("id", Shape::Name, "Stands before every pseudonym; a new key has a new one"),
        optional("env", Shape::Text, "The environment variable that has the key, in base64"),
        optional(
            "file",
            Shape::Text,
            "The file that has the key, in base64; a relative path is in systemd's `$CREDENTIALS_DIRECTORY`, or else begins in \
             the project's folder",
        ),
    ],
};

/// A key in a file that others read, and that a repository has for ever.
fn written_down(span: Span) -> Diagnostic {
    let error = bad(SECRET, span, "this looks like a key, and not like the name of something").label("a secret");
    let error = error.help("name the variable or the file that has the key: `env: VARIABLE` or `file: PATH`");
    error.help("where others could read this file, make the key anew")
}

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<PseudonymKeyConfig> {
    let mut ids: BTreeMap<String, Text> = BTreeMap::new();
    let mut keys = Vec::new();
    for (name, node) in node.entries_at("pseudonym_keys") {
        let texts = ["id", "env", "file"].iter().filter_map(|key| node.get(key).and_then(Node::text)).chain([name]);
        let written: Vec<&Text> = texts.filter(|text| is_key(text.as_str())).collect();
        if !written.is_empty() {
            out.extend(written.into_iter().map(|text| written_down(text.span())));
            // What names it is not blamed for that.
            let (name, id) = (name.clone(), node.text_at("id").map(|id| id.text).unwrap_or_default());
            keys.push(PseudonymKeyConfig { name, id, place: KeyPlace::Env(String::new()) });
            continue;
        }
        let Some(id) = node.name_at("id") else { continue };
        if id.as_str().len() > ID_CHARS_MAX {
            let message = format!("the id `{}` has more than {ID_CHARS_MAX} characters", id.as_str());
            out.push(bad("project.bad-key", id.span(), message).label("too long").help("write one such as `k1`"));
        }
        // Pseudonyms of two keys could not be told apart.
        if let Some(other) = ids.get(id.as_str()) {
            let message = format!("two pseudonym keys have the id `{}`", id.as_str());
            let error = bad("project.bad-key", id.span(), message).label("again").related(other.span(), "first here");
            out.push(error.help("give each key an id of its own"));
        }
        ids.entry(id.text.clone()).or_insert_with(|| id.clone());
        let place = match (node.get("env"), node.get("file")) {
            (Some(given), None) | (None, Some(given)) if given.text().is_some_and(|text| text.as_str().is_empty()) => {
                let error = bad("project.bad-key", given.span, "it is empty").label("names nothing");
                out.push(error.help("write `env: VARIABLE` or `file: PATH`"));
                None
            }
            (Some(env), None) => variable(env, out).map(KeyPlace::Env),
            (None, Some(file)) => file.text().map(|file| KeyPlace::File(file.text.clone())),
            (env, _) => {
                let how = if env.is_some() { "both `env` and `file`" } else { "neither `env` nor `file`" };
                let message = format!("the pseudonym key `{}` has {how}", name.as_str());
                let error = bad("project.bad-key", name.span(), message).label("where is it?");
                out.push(error.help("write `env: VARIABLE` or `file: PATH`"));
                None
            }
        };
        // What names a key with errors of its own is not blamed for them.
        let place = place.unwrap_or_else(|| KeyPlace::Env(String::new()));
        keys.push(PseudonymKeyConfig { name: name.clone(), id: id.text, place });
    }
    keys
}
