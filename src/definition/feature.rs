//! `features/NAME.yaml`: a windowed aggregation.

use super::join::{self, JOIN};
use super::model::{Feature, FeatureKind, Fill, Frame, Previous, Window};
use super::shape::{Shape, Table, optional, required, required_without};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text};
use crate::record::Micros;

/// Windows in a row that may be filled in: those of an hour for more than a year.
const FILLED_MAX: i64 = 10_000;

const EXPRESSIONS: Shape = Shape::Map { name: &Shape::Name, value: &Shape::Sql, empty: true };

pub(super) static FEATURE: Table = Table {
    name: "a feature",
    doc: "Columns aggregated over windows of event time, by a key; or look-backs beside the rows of another feature",
    keys: &[
        required("feature", Shape::Name, "The feature's name, equal to its file's"),
        optional("description", Shape::Text, "What it measures"),
        required(
            "from",
            Shape::Relation,
            "The relation it reads: `flows`, another feature, `hits(rule, …)` or `alerts(rule, …)`; `*` stands for all rules",
        ),
        optional(
            "join",
            Shape::List { item: &Shape::Object(&JOIN), empty: true },
            "Columns of other features and lookups, beside each row before aggregation",
        ),
        optional(
            "previous",
            Shape::Object(&PREVIOUS),
            "Columns of the key's row before, of the rows that `where` lets through, as `previous_NAME`",
        ),
        optional("row", EXPRESSIONS, "Columns computed per row, before aggregation; usable in where, key and columns"),
        optional("where", Shape::Sql, "Only rows for which this is true count"),
        required_without(
            "trailing",
            "key",
            Shape::List { item: &Shape::Name, empty: true },
            "One row per window for each value of these columns; `[]` is the whole population",
        ),
        required_without("trailing", "window", Shape::Object(&WINDOW), "The windows, aligned to the epoch"),
        required_without(
            "trailing",
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::Sql, empty: false },
            "The aggregates: name to expression",
        ),
        optional("derive", EXPRESSIONS, "Columns computed from the key and the aggregates"),
        optional(
            "trailing",
            Shape::Map { name: &Shape::Name, value: &Shape::Object(&FRAME), empty: false },
            "Look-backs beside each row of the feature that `from` names, in the place of key, window and columns",
        ),
        optional("emit", Shape::Sql, "Only rows for which this is true are put out; with `trailing`"),
        optional(
            "fill",
            Shape::Word(&["zero"]),
            "Windows without rows of a key that had some have a row too: counts and sums are 0 there, the rest is NULL",
        ),
        optional(
            "expire",
            Shape::Length { zero: false },
            "With `fill`: how long after the key's last window with rows; no row is filled in behind the last flow",
        ),
    ],
};

static PREVIOUS: Table = Table {
    name: "a previous row",
    doc: "Which columns of the row before are wanted, and from how long before",
    keys: &[
        required(
            "columns",
            Shape::List { item: &Shape::Name, empty: false },
            "Columns of what is read: of `start_time` there is a column `previous_start_time`, NULL without a row before",
        ),
        optional(
            "max_gap",
            Shape::Length { zero: false },
            "There is no row before after a longer pause; 24h without it",
        ),
    ],
};

static WINDOW: Table = Table {
    name: "a window",
    doc: "Its length, and how often one starts; or the pause that ends a session",
    keys: &[
        required_without("session_gap", "size", Shape::Length { zero: false }, "How long a window is"),
        optional("every", Shape::Length { zero: false }, "How often one starts; without it, one after the other"),
        optional(
            "session_gap",
            Shape::Length { zero: false },
            "Rows of a key belong together while the pauses between them are shorter than this, in the place of `size`",
        ),
        optional(
            "max",
            Shape::Length { zero: false },
            "Sessions are cut at the multiples of this since the epoch; 24h without it, which is midnight UTC",
        ),
    ],
};

static FRAME: Table = Table {
    name: "a look-back",
    doc: "Rows that ended before the row's window began, at most so long before",
    keys: &[
        required("key", Shape::List { item: &Shape::Name, empty: true }, "Rows with the same values of these columns"),
        required("size", Shape::Length { zero: false }, "How far it looks back from the beginning of the row's window"),
        required(
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::Sql, empty: false },
            "The aggregates: name to expression; the look-back's name stands before each, as in `usual_mean`",
        ),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Feature> {
    let join = join::read(node, out);
    let kind = if node.get("trailing").is_some() { trailing(node, out) } else { windows(node, out) };
    let name = node.name_at("feature")?;
    Some(Feature {
        span: name.span(),
        name,
        description: node.string_at("description"),
        from: node.relation_at("from")?,
        join,
        previous: previous(node),
        row: node.pairs_at("row"),
        filter: node.text_at("where"),
        kind: kind?,
        derive: node.pairs_at("derive"),
    })
}

fn previous(node: &Node) -> Option<Previous> {
    let previous = node.get("previous")?;
    let max_gap = match previous.get("max_gap") {
        Some(_) => previous.length_at("max_gap").filter(|gap| gap.0 > 0)?,
        None => DAY,
    };
    let max_gap_span = previous.get("max_gap").map_or(previous.span, |gap| gap.span);
    Some(Previous { columns: previous.texts_at("columns"), max_gap, max_gap_span })
}

fn windows(node: &Node, out: &mut Vec<Diagnostic>) -> Option<FeatureKind> {
    let window = window(node, out);
    if let Some(emit) = node.get("emit") {
        let error = Diagnostic::error("feature.bad-trailing", emit.head(), "`emit` chooses rows of look-backs");
        let error = error.label("there is no `trailing` here");
        out.push(error.help("put the condition into `where`, or into the rules that read the feature"));
    }
    let window = window?;
    let fill = fill(node, &window, out);
    Some(FeatureKind::Windows { key: node.texts_at("key"), window, columns: node.pairs_at("columns"), fill })
}

fn trailing(node: &Node, out: &mut Vec<Diagnostic>) -> Option<FeatureKind> {
    for name in ["key", "window", "columns", "join", "previous", "fill", "expire"] {
        if let Some(other) = node.get(name) {
            let message = format!("a feature with `trailing` has no `{name}` of its own");
            let error = Diagnostic::error("feature.bad-trailing", other.head(), message);
            out.push(error.label("of a feature with windows").help(
                "its rows are those of the feature that it reads: aggregate in that one, and look back in this one",
            ));
        }
    }
    let frame = |(name, node): &(Text, Node)| {
        let size = node.get("size")?;
        Some(Frame {
            name: name.clone(),
            key: node.texts_at("key"),
            size: node.length_at("size").filter(|size| size.0 > 0)?,
            size_span: size.span,
            columns: node.pairs_at("columns"),
        })
    };
    let entries = node.get("trailing")?.entries();
    let frames: Vec<Frame> = entries.iter().filter_map(frame).collect();
    (frames.len() == entries.len()).then(|| FeatureKind::Trailing { frames, emit: node.text_at("emit") })
}

fn fill(node: &Node, window: &Window, out: &mut Vec<Diagnostic>) -> Option<Fill> {
    let mut refuse = |span, message: String, label: &str, help: &str| {
        out.push(Diagnostic::error("feature.bad-fill", span, message).label(label).help(help));
    };
    let (fill, expire) = match (node.get("fill"), node.get("expire")) {
        (None, None) => return None,
        (None, Some(expire)) => {
            refuse(expire.head(), "`expire` belongs to `fill`".into(), "nothing is filled in", "add `fill: zero`");
            return None;
        }
        (Some(fill), None) => {
            let label = "for how long is not said";
            refuse(fill.head(), "`fill` needs `expire`".into(), label, "add for instance `expire: 7d`");
            return None;
        }
        (Some(fill), Some(expire)) => (fill, expire),
    };
    if window.session_gap.is_some() {
        let help = "leave it out: between two sessions of a key there is no window";
        refuse(fill.head(), "sessions have no windows without rows".into(), "of windows at fixed times", help);
        return None;
    }
    let length = node.length_at("expire").filter(|expire| expire.0 > 0)?;
    if length < window.every {
        let message = format!("`expire` {length} is shorter than the time from one window to the next");
        let help = format!("at least {}", window.every);
        refuse(expire.span, message, "no window would be filled in", &help);
    } else if length.0 / window.every.0 > FILLED_MAX {
        let message = format!("`expire` {length} fills in {} windows", length.0 / window.every.0);
        let help = format!("at most {FILLED_MAX}: use a shorter one, or fewer windows with a longer `every`");
        refuse(expire.span, message, "each is a row of every key", &help);
    }
    Some(Fill { expire: length, span: expire.span })
}

fn window(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Window> {
    let window = node.get("window")?;
    if window.get("session_gap").is_some() {
        return sessions(window, out);
    }
    if let Some(max) = window.get("max") {
        let error = Diagnostic::error("feature.bad-window", max.head(), "`max` is of sessions");
        out.push(error.label("there is no `session_gap` here").help("a window ends after its `size`"));
        return None;
    }
    let size = window.length_at("size").filter(|size| size.0 > 0)?;
    let every = window.length_at("every").filter(|every| every.0 > 0).unwrap_or(size);
    if every > size || size.0 % every.0 != 0 {
        let place = window.get("every").map_or(window.span, |every| every.span);
        let message = format!("a window of {size} cannot start every {every}");
        let error = Diagnostic::error("feature.bad-window", place, message).label(if every > size {
            "longer than the window: rows between two windows would count nowhere"
        } else {
            "the window is not a multiple of it"
        });
        out.push(error.help(format!("`every` must divide `size`: {}", divisors(size.0))));
        return None;
    }
    Some(Window { size, every, session_gap: None, span: window.span })
}

fn sessions(window: &Node, out: &mut Vec<Diagnostic>) -> Option<Window> {
    let mut whole = true;
    for name in ["size", "every"] {
        if let Some(other) = window.get(name) {
            let error = Diagnostic::error("feature.bad-window", other.head(), format!("a session has no `{name}`"));
            out.push(error.label("of windows that begin at fixed times").help(
                "a session begins with its first row and ends when a pause of `session_gap` is over, or at `max`",
            ));
            whole = false;
        }
    }
    let gap = window.length_at("session_gap").filter(|gap| gap.0 > 0)?;
    let max = match window.get("max") {
        Some(_) => window.length_at("max").filter(|max| max.0 > 0)?,
        None => DAY,
    };
    if gap > max {
        let place = window.get("session_gap").map_or(window.span, |gap| gap.span);
        let message = format!("a session that is cut every {max} has no pause of {gap}");
        let error = Diagnostic::error("feature.bad-window", place, message);
        out.push(error.label("longer than `max`").help("use a shorter `session_gap`, or a longer `max`"));
        whole = false;
    }
    let span = window.get("max").map_or(window.span, |max| max.span);
    whole.then_some(Window { size: max, every: Micros(1), session_gap: Some(gap), span })
}

/// Where sessions are cut that say nothing else, and how far back the row before may lie.
const DAY: Micros = Micros(86_400_000_000);

/// A few lengths that would do.
fn divisors(size: i64) -> String {
    let parts = [1, 2, 3, 5, 10, 12, 60].into_iter().filter(|n| size % n == 0);
    let lengths: Vec<String> = parts.map(|n| Micros(size / n).to_string()).take(4).collect();
    format!("for example {}", lengths.join(", "))
}
