//! What of `tripline.yaml` says what is computed: all but where alerts go, in one form, whatever its layout and remarks.

use super::model::Config;
use super::yaml::{Kind, Node};
use crate::diagnostic::FileId;

/// Of the file's keys, what nothing that is computed depends on.
const OUTSIDE: [&str; 2] = ["sinks", "dead_letters"];

/// What of a file counts: its text, and of the one with the settings what it says.
pub fn computed<'a>(config: &'a Config, file: FileId, text: &'a str) -> &'a str {
    config.said.as_ref().filter(|(settings, _)| *settings == file).map_or(text, |(_, said)| said)
}

/// What the settings say.
pub(super) fn said(node: &Node) -> String {
    let mut said = String::new();
    for (key, value) in node.entries().iter().filter(|(key, _)| !OUTSIDE.contains(&key.as_str())) {
        said.push_str(&format!("{:?}: ", key.as_str()));
        write(value, &mut said);
        said.push('\n');
    }
    said
}

fn write(node: &Node, out: &mut String) {
    match &node.kind {
        // `5` is a number, and `'5'` a text.
        Kind::Scalar { text, .. } if node.is_plain() => out.push_str(&format!("={:?}", text.as_str())),
        Kind::Scalar { text, .. } => out.push_str(&format!("{:?}", text.as_str())),
        Kind::List(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Kind::Map { entries, .. } => {
            out.push('{');
            for (key, value) in entries {
                out.push_str(&format!("{:?}:", key.as_str()));
                write(value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::computed;
    use crate::adapter::local::MemoryTree;
    use crate::definition::load;

    fn said(text: &str) -> String {
        let rest = "--- rules/a.yaml\nrule: a\n";
        let loaded = load(&MemoryTree::from_sections(&format!("--- tripline.yaml\n{text}{rest}")));
        let config = &loaded.project.config;
        let files = loaded.files.iter().map(|(file, path, text)| {
            let counted = computed(config, file, text);
            // Of other files all counts.
            assert!(path == "tripline.yaml" || counted == text);
            counted.to_owned()
        });
        files.collect::<Vec<_>>().join("---")
    }

    #[test]
    fn sinks_and_layout_do_not_count() {
        let plain = said("name: x\nrules:\n  a: {params: {n: 5}}\n");
        for same in [
            "# A remark.\n\nname: x # another\nrules: {a: {params: {n: 5}}}\n",
            "name: x\nsinks:\n  hook: {type: webhook, url: 'https://example.org/x'}\nrules:\n  a: {params: {n: 5}}\n",
            "sinks: {}\nname: x\nrules:\n  a:\n    params:\n      n: 5\n",
            "{name: x, sinks: {t: {type: pubsub, topic: projects/p/topics/t}}, rules: {a: {params: {n: 5}}}}\n",
        ] {
            assert_eq!(said(same), plain, "{same}");
        }
    }

    #[test]
    fn everything_else_counts() {
        let plain = said("name: x\nrules:\n  a: {params: {n: 5}}\n");
        for other in [
            "name: y\nrules:\n  a: {params: {n: 5}}\n",
            "name: x\nrules:\n  a: {params: {n: '5'}}\n",
            "name: x\nrules:\n  a: {params: {n: 6}}\n",
            "name: x\nrules:\n  a: {params: {m: 5}}\n",
            "name: x\nevidence: 1\nrules:\n  a: {params: {n: 5}}\n",
            "name: x\n",
        ] {
            assert_ne!(said(other), plain, "{other}");
        }
    }
}
