//! A tree of files to a project: finds the files of the layout, reads each, and looks across them.
//!
//! Never stops: a file that cannot be read is reported, and the others are loaded.

use std::collections::{BTreeSet, HashMap};

use super::lookup::Rows;
use super::model::Project;
use super::shape::{Shape, Table};
use super::sink::SECRET;
use super::yaml::{self, Node};
use super::{config, feature, lookup, lookup_file, rule, source, validate};
use crate::diagnostic::{Diagnostic, FileId, Severity, SourceFiles, Span, Text};
use crate::port::FileTree;
use crate::record::keys_in;

/// Definition files of one project.
pub const FILES_MAX: usize = 20_000;
/// Findings that are shown of one definition.
pub const FINDINGS_MAX: usize = 100;

const CONFIG_PATH: &str = "tripline.yaml";
/// Relations that are there without a definition: `--tap` writes them.
const BUILT_IN: &[&str] = &["flows", "hits", "late", "rejects"];

/// A project as far as it could be read, and everything that was found.
#[derive(Debug, Default)]
pub struct Loaded {
    pub project: Project,
    pub files: SourceFiles,
    pub diagnostics: Vec<Diagnostic>,
}

/// What a path of the layout holds.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Config,
    Source {
        folder: &'a str,
    },
    Lookup {
        name: &'a str,
    },
    Feature {
        name: &'a str,
    },
    Rule {
        name: &'a str,
    },
    /// Read together with the YAML file at this path.
    Beside(String),
    /// Not of the layout, but looks as if it were meant to be.
    Stray(&'static str),
    Other,
}

pub fn load(tree: &dyn FileTree) -> Loaded {
    let mut loader = Loader { tree, paths: BTreeSet::new(), loaded: Loaded::default(), names: HashMap::new() };
    match tree.paths() {
        Ok(paths) => {
            loader.paths = paths.iter().cloned().collect();
            loader.files(&paths);
        }
        Err(error) => {
            let span = loader.at_file("", "");
            let message = format!("the project's folder cannot be read: {error}");
            loader.loaded.diagnostics.push(Diagnostic::error("project.unreadable-file", span, message));
        }
    }
    loader.loaded
}

/// Does a definition lie at this path of a project?
pub fn is_definition(path: &str) -> bool {
    matches!(place(path), Place::Source { .. } | Place::Lookup { .. } | Place::Feature { .. } | Place::Rule { .. })
}

fn place(path: &str) -> Place<'_> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [CONFIG_PATH] => Place::Config,
        ["sql", "lookups", file] => match file.rsplit_once('.') {
            Some((name, "yaml")) => Place::Lookup { name },
            Some((name, "csv")) => Place::Beside(format!("sql/lookups/{name}.yaml")),
            _ => stray(file, "a lookup is `sql/lookups/NAME.yaml` with `NAME.csv`"),
        },
        ["sql", folder, "source.yaml"] => Place::Source { folder },
        ["sql", folder, "flows.sql"] => Place::Beside(format!("sql/{folder}/source.yaml")),
        ["features", file] => match file.rsplit_once('.') {
            Some((name, "yaml")) => Place::Feature { name },
            _ => stray(file, "a feature is `features/NAME.yaml`"),
        },
        ["rules", file] => match file.rsplit_once('.') {
            Some((name, "yaml")) => Place::Rule { name },
            _ => stray(file, "a rule is `rules/NAME.yaml`"),
        },
        ["sql" | "features" | "rules", .., file] => stray(file, "definitions lie directly in their folder"),
        ["feature", file] => stray(file, "features lie in the folder `features`"),
        ["rule", file] => stray(file, "rules lie in the folder `rules`"),
        ["lookups", file] => stray(file, "lookups lie in the folder `sql/lookups`"),
        [file @ "tripline.yml"] => stray(file, "the settings are `tripline.yaml`"),
        _ => Place::Other,
    }
}

fn stray<'a>(file: &str, help: &'static str) -> Place<'a> {
    match file.rsplit_once('.') {
        Some((_, "yaml" | "yml" | "csv" | "sql")) => Place::Stray(help),
        _ => Place::Other,
    }
}

struct Loader<'a> {
    tree: &'a dyn FileTree,
    paths: BTreeSet<String>,
    loaded: Loaded,
    /// What has each name, and where it is defined.
    names: HashMap<String, (&'static str, Span)>,
}

impl Loader<'_> {
    fn files(&mut self, paths: &[String]) {
        let mut found = 0;
        for path in paths {
            let place = place(path);
            found += usize::from(!matches!(place, Place::Other | Place::Stray(_) | Place::Config));
            if found > FILES_MAX {
                let span = self.at_file(path, "");
                let message = format!("the project has more than {FILES_MAX} definition files");
                let error = Diagnostic::error("project.too-large", span, message);
                self.loaded.diagnostics.push(error.help("this file and those after it are not read"));
                return;
            }
            self.file(path, place);
        }
        let read = &self.loaded.diagnostics;
        if found == 0 && read.is_empty() {
            let span = self.at_file(CONFIG_PATH, "");
            let error = Diagnostic::error("project.empty", span, "there are no definitions here");
            let error = error.help("a project has the folders `sql`, `features` and `rules`");
            self.loaded.diagnostics.push(error.help("`tripline init DIR` makes one; `--project DIR` names it"));
        }
    }

    fn file(&mut self, path: &str, place: Place<'_>) {
        match place {
            Place::Config => {
                let before = self.loaded.diagnostics.len();
                self.hide_keys(path);
                if let Some(node) = self.yaml(path, &config::CONFIG) {
                    self.loaded.project.config = config::read(&node, &mut self.loaded.diagnostics);
                    self.hide_secrets(before);
                }
                self.keep_first(before);
            }
            Place::Source { folder } => self.definition(path, folder, &source::SOURCE, Self::source),
            Place::Lookup { name } => self.definition(path, name, &lookup::LOOKUP, Self::lookup),
            Place::Feature { name } => self.definition(path, name, &feature::FEATURE, Self::feature),
            Place::Rule { name } => self.definition(path, name, &rule::RULE, Self::rule),
            Place::Beside(owner) if !self.paths.contains(&owner) => {
                self.stray(path, &format!("there is no `{owner}` that it belongs to"));
            }
            Place::Stray(help) => self.stray(path, help),
            Place::Beside(_) | Place::Other => {}
        }
    }

    /// A key that somebody has written down is not shown by any finding, in whatever place of the file it is, and also where
    /// the file cannot be read further.
    fn hide_keys(&mut self, path: &str) {
        let Ok(text) = self.tree.read(path) else { return };
        keys_in(&text).for_each(|key| self.loaded.files.hide(key));
    }

    /// A finding shows its line, and a secret in it must not get into a build's log.
    fn hide_secrets(&mut self, before: usize) {
        let found = self.loaded.diagnostics.get(before..).unwrap_or(&[]);
        for secret in found.iter().filter(|finding| finding.code == SECRET) {
            self.loaded.files.mask(secret.span);
        }
    }

    fn stray(&mut self, path: &str, help: &str) {
        let span = self.at_file(path, "");
        let warning = Diagnostic::warning("project.stray-file", span, "this file is not read");
        self.loaded.diagnostics.push(warning.help(help));
    }

    /// Reads one definition, and notes its name as broken if anything was wrong.
    fn definition(
        &mut self,
        path: &str,
        stem: &str,
        table: &'static Table,
        add: fn(&mut Self, &str, &Node) -> Option<Text>,
    ) {
        let before = self.loaded.diagnostics.len();
        let name = self.yaml(path, table).and_then(|node| add(self, path, &node));
        if let Some(name) = &name {
            self.file_name(name, stem);
        }
        self.keep_first(before);
        let found = self.loaded.diagnostics.get(before..).unwrap_or(&[]);
        if found.iter().any(|d| d.severity == Severity::Error) {
            let name = name.map_or_else(|| stem.to_owned(), |name| name.text);
            self.loaded.project.broken.insert(name);
        }
    }

    /// Cuts the findings of one definition, which begin at `before`, to a number that people can read.
    fn keep_first(&mut self, before: usize) {
        let all = &mut self.loaded.diagnostics;
        // An error must stay an error when it is cut off, so errors come first.
        all.get_mut(before..).unwrap_or(&mut []).sort_by_key(|d| (d.severity, d.span));
        let hidden = all.split_off(all.len().min(before + FINDINGS_MAX));
        if let Some(next) = hidden.first() {
            let message = format!("{} more findings in this definition are not shown", hidden.len());
            all.push(Diagnostic::error("project.too-large", next.span, message).label("the next one is here"));
        }
    }

    fn yaml(&mut self, path: &str, table: &'static Table) -> Option<Node> {
        let (file, text) = self.read(path)?;
        let node = yaml::parse(file, &text, &mut self.loaded.diagnostics)?;
        validate::validate(&node, &Shape::Object(table), table.name, &mut self.loaded.diagnostics);
        Some(node)
    }

    fn read(&mut self, path: &str) -> Option<(FileId, String)> {
        match self.tree.read(path) {
            Ok(text) if u32::try_from(text.len()).is_ok() => {
                let file = self.loaded.files.add(path, text.as_str());
                Some((file, text))
            }
            Ok(_) => self.unreadable(path, "it is larger than 4 GiB", None),
            Err(error) => {
                let not_text = error.kind() == std::io::ErrorKind::InvalidData;
                self.unreadable(path, &error.to_string(), not_text.then_some("definitions are UTF-8 text"))
            }
        }
    }

    fn unreadable(&mut self, path: &str, why: &str, help: Option<&str>) -> Option<(FileId, String)> {
        let span = self.at_file(path, "");
        let mut error = Diagnostic::error("project.unreadable-file", span, format!("this file cannot be read: {why}"));
        error.help.extend(help.map(str::to_owned));
        self.loaded.diagnostics.push(error);
        None
    }

    fn at_file(&mut self, path: &str, text: &str) -> Span {
        let file = self.loaded.files.add(path, text);
        Span { file, start: 0, end: 0 }
    }

    fn source(&mut self, path: &str, node: &Node) -> Option<Text> {
        let name = node.name_at("source");
        let flows = path.replace("source.yaml", "flows.sql");
        if !self.paths.contains(&flows) {
            let error = Diagnostic::error("source.missing-flows", node.head(), "the source has no normalization");
            let error = error.label("there is no `flows.sql` beside this file");
            self.loaded
                .diagnostics
                .push(error.help("write `flows.sql`: one SELECT from the raw columns to those of flows"));
            return name;
        }
        let (file, text) = self.read(&flows)?;
        let text = Text::verbatim(text, file, 0);
        let source = source::read(node, text, &mut self.loaded.diagnostics);
        if name.as_ref().is_some_and(|name| self.free("source", name)) {
            self.loaded.project.sources.extend(source);
        }
        name
    }

    fn lookup(&mut self, path: &str, node: &Node) -> Option<Text> {
        let csv = path.replace(".yaml", ".csv");
        let has_csv = self.paths.contains(&csv);
        let lookup = if let Some(file) = node.get("mmdb").and_then(Node::text) {
            if has_csv {
                self.stray(&csv, "the lookup's rows are those of its `mmdb` file: take this one away, or `mmdb`");
            }
            let place = lookup_file::path(file);
            let rows = Rows::Networks(file, self.tree.read_bytes(&place));
            let lookup = lookup::read(node, rows, &mut self.loaded.diagnostics);
            if let Some(table) = lookup.as_ref().and_then(|lookup| lookup.table.as_ref()) {
                // What is computed depends on it, as on every text.
                self.loaded.files.add(place, table.digest());
            }
            lookup
        } else {
            let text = if has_csv { Some(self.read(&csv)?) } else { None };
            let rows = text.as_ref().map_or(Rows::Nowhere, |(file, text)| Rows::Csv(*file, text));
            lookup::read(node, rows, &mut self.loaded.diagnostics)
        };
        let name = node.name_at("lookup")?;
        if self.free("lookup", &name) {
            self.loaded.project.lookups.extend(lookup);
        }
        Some(name)
    }

    fn feature(&mut self, _path: &str, node: &Node) -> Option<Text> {
        let feature = feature::read(node, &mut self.loaded.diagnostics);
        let name = node.name_at("feature")?;
        if self.free("feature", &name) {
            self.loaded.project.features.extend(feature);
        }
        Some(name)
    }

    fn rule(&mut self, _path: &str, node: &Node) -> Option<Text> {
        let rule = rule::read(node, &mut self.loaded.diagnostics);
        let name = rule.as_ref().map(|rule| rule.name.clone()).or_else(|| node.text_at("rule"))?;
        if self.free("rule", &name) {
            self.loaded.project.rules.extend(rule);
        }
        Some(name)
    }

    /// Is the name free? Says so if not: one name is one thing, in messages, in `--tap` and in tests.
    fn free(&mut self, what: &'static str, name: &Text) -> bool {
        let error = |message: String| Diagnostic::error("definition.duplicate-name", name.span(), message);
        if BUILT_IN.contains(&name.as_str()) {
            let error = error(format!("the name `{}` is taken: it is built in", name.as_str()));
            self.loaded.diagnostics.push(error.label("choose another name"));
            return false;
        }
        let Some((other, first)) = self.names.get(name.as_str()).copied() else {
            self.names.insert(name.text.clone(), (what, name.span()));
            return true;
        };
        let error = if other == what {
            error(format!("the {what} `{}` is defined twice", name.as_str())).label("this one is not read")
        } else {
            error(format!("the {what} `{}` has the name of a {other}", name.as_str())).label("choose another name")
        };
        self.loaded.diagnostics.push(error.related(first, "first defined here"));
        false
    }

    fn file_name(&mut self, name: &Text, stem: &str) {
        let plain = |text: &str| text.replace(['.', '-'], "_");
        let (given, file) = (plain(name.as_str()), plain(stem));
        // `net.scan.vertical` may lie in `vertical.yaml` too.
        let last = name.as_str().rsplit('.').next().map(plain);
        if given == file || last == Some(file) {
            return;
        }
        let message = format!("`{}` is defined in a file or folder named `{stem}`", name.as_str());
        let warning = Diagnostic::warning("definition.file-name", name.span(), message);
        let warning = warning.label("another name than the file's");
        self.loaded.diagnostics.push(warning.help("give both one name, so that it is found where it is looked for"));
    }
}
