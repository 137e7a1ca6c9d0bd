//! Words that other tools use for ours.

/// What we call something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub name: &'static str,
    /// Said beside it, where the name alone does not convince.
    pub help: &'static str,
    theirs: &'static [&'static str],
}

const fn ours(name: &'static str, theirs: &'static [&'static str]) -> Ours {
    Ours { name, help: "", theirs }
}

const fn because(name: &'static str, theirs: &'static [&'static str], help: &'static str) -> Ours {
    Ours { name, help, theirs }
}

static KEYS: &[Ours] = &[
    because(
        "sql",
        &["detection", "logsource"],
        "this looks like Sigma: a rule here is a SELECT over `flows` or a feature",
    ),
    ours("rule", &["name", "id"]),
    ours("feature", &["name", "id"]),
    ours("lookup", &["name", "id"]),
    ours("source", &["name", "id"]),
    ours("severity", &["level", "priority"]),
    ours("key", &["group_by", "groupby", "by", "partition_by"]),
    ours("columns", &["aggregations", "aggregates", "aggs", "metrics", "measures", "fields", "select"]),
    ours("where", &["filter", "condition"]),
    ours("sql", &["query", "search", "condition"]),
    ours("params", &["parameters", "variables", "vars"]),
    ours("from", &["source", "input", "index"]),
    ours("every", &["slide", "hop", "step"]),
    ours("owner", &["author"]),
    ours("exceptions", &["allowlist", "whitelist", "suppress"]),
    ours("attack", &["tags", "mitre", "techniques"]),
    ours("status", &["enabled", "state"]),
];

static WORDS: &[Ours] = &[
    because("draft", &["off", "disabled", "inactive", "false", "experimental"], "a rule that is `draft` does not run"),
    ours("stable", &["on", "enabled", "active", "live", "true"]),
    because("shadow", &["test", "testing", "silent"], "a rule that is `shadow` runs and alerts nobody"),
    ours("info", &["informational", "notice"]),
    ours("medium", &["moderate", "warning"]),
    ours("critical", &["severe", "emergency"]),
];

/// Our key for theirs, among those that may stand here.
pub(super) fn key(theirs: &str, here: impl Iterator<Item = &'static str>) -> Option<&'static Ours> {
    find(KEYS, theirs, here)
}

/// Our value for theirs, among those that may stand here.
pub(super) fn word(theirs: &str, here: impl Iterator<Item = &'static str>) -> Option<&'static Ours> {
    find(WORDS, theirs, here)
}

fn find(table: &'static [Ours], theirs: &str, here: impl Iterator<Item = &'static str>) -> Option<&'static Ours> {
    let here: Vec<&str> = here.collect();
    table.iter().find(|ours| here.contains(&ours.name) && ours.theirs.iter().any(|t| t.eq_ignore_ascii_case(theirs)))
}
