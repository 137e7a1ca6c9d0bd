//! Names of a project, described.

use datafusion::arrow::datatypes::{DataType, Schema};

use crate::cli::project::Opened;
use crate::definition::model::{Lookup, Override, Rule, Source};
use crate::diagnostic::{SourceFiles, Span};
use crate::language::Expr;
use crate::language::function::{AGGREGATES, Id};
use crate::language::functions;
use crate::language::tree::ExprKind;
use crate::plan::{
    AlertWhen, Early, EarlySelect, FeaturePlan, JoinAt, JoinPlan, JoinTarget, NotEarly, Plan, RulePlan, Upstream,
};
use crate::record::{Column, Day, Decode, EventTime, flow};
use crate::target::bigquery;

pub(super) fn rule(opened: &Opened, rule: &RulePlan) -> String {
    let plan = &opened.plan;
    let changes = Changes::new(opened, rule);
    let mut text = format!("rule {}: {}\n", rule.name, rule.title);
    let mut about = vec![rule.status.name().to_owned(), rule.severity.name().to_owned()];
    about.extend(rule.attack.iter().cloned());
    about.push(format!("fingerprint {}", rule.fingerprint));
    text.push_str(&format!("  {}\n", about.join(" · ")));
    for branch in &rule.branches {
        text.push_str(&format!("  reads    {}\n", plan.relation_name(branch.upstream)));
        for join in &branch.select.joins {
            text.push_str(&format!("  joins    {} as {}\n", joined(plan, &join.target), join.alias));
        }
    }
    for (name, value) in &rule.params {
        let change = changes.param(name).map(|change| format!(", {change}")).unwrap_or_default();
        text.push_str(&format!("  @{name:<8} {}{change}\n", value.display()));
    }
    for change in changes.others() {
        text.push_str(&format!("  changed  {change}\n"));
    }
    text.push_str("  returns\n");
    text.push_str(&columns(&rule.columns));
    let key: Vec<&str> = rule.alert_key.iter().map(|i| rule.columns[*i].name.as_str()).collect();
    let alerts = match rule.when {
        AlertWhen::Always => format!("one per ({}) while gaps are at most {}", key.join(", "), rule.merge_within),
        AlertWhen::Risk => "none by itself: it adds to the risk".to_owned(),
        AlertWhen::Never => "none: its hits are for other rules".to_owned(),
    };
    text.push_str(&format!("  alerts   {alerts}\n"));
    if rule.when == AlertWhen::Always {
        text.push_str(&fires(opened, rule));
    }
    let reads = |feature: &&FeaturePlan| match feature.upstream {
        Upstream::Hits(hits) => plan.rules_behind(hits).any(|(_, read)| read.name == rule.name),
        _ => false,
    };
    let readers: Vec<&str> = plan.features.iter().filter(reads).map(|feature| feature.name.as_str()).collect();
    if !readers.is_empty() {
        text.push_str(&format!("  read by  {}\n", readers.join(", ")));
    }
    text
}

/// When its first hit of an incident is told of, in a run that does not end.
fn fires(opened: &Opened, rule: &RulePlan) -> String {
    let plan = &opened.plan;
    let at = plan.rules.iter().position(|own| own.name == rule.name);
    let early = at.and_then(|at| plan.early().into_iter().nth(at));
    let lines = match early {
        Some(Early::Flows) => vec!["with its flow".to_owned()],
        Some(Early::Windows(selects)) => {
            let one = rule.branches.len() == 1;
            let when = |select: EarlySelect| {
                let condition = select.condition.map(|condition| written(&opened.files, &condition, false));
                let condition = condition.unwrap_or_else(|| "there is a row".to_owned());
                let of = if one { String::new() } else { format!(" (SELECT {})", select.branch + 1) };
                format!("as soon as {condition}{of}, before the window is over")
            };
            selects.into_iter().map(when).collect()
        }
        Some(Early::Not(NotEarly { why, at })) => {
            let at = at.map(|span| {
                let (line, column) = opened.files.line_column(span.file, span.start);
                format!(" ({}:{line}:{column})", opened.files.path(span.file))
            });
            vec![format!("when the window is over: {why}{}", at.unwrap_or_default())]
        }
        None => Vec::new(),
    };
    lines.into_iter().map(|line| format!("  fires    {line}\n")).collect()
}

/// A condition as its author wrote it, where parts of it may be left out. `among`: it stands among others of an AND.
fn written(files: &SourceFiles, condition: &Expr, among: bool) -> String {
    let joined = |args: &[Expr], word: &str, among: bool| {
        args.iter().map(|arg| written(files, arg, among)).collect::<Vec<_>>().join(word)
    };
    match &condition.kind {
        ExprKind::Call { function, args } if function.id == Id::And => joined(args, " AND ", true),
        ExprKind::Call { function, args } if function.id == Id::Or => match joined(args, " OR ", false) {
            text if among => format!("({text})"),
            text => text,
        },
        ExprKind::Call { function, args } if function.id == Id::Not => format!("NOT ({})", joined(args, "", false)),
        _ => {
            let Span { file, start, end } = condition.span;
            let text = files.text(file).get(start as usize..end as usize).unwrap_or_default();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            // Where it begins or ends with a parenthesis, that is left out.
            let (open, close) = (text.matches('(').count(), text.matches(')').count());
            format!("{}{text}{}", "(".repeat(close.saturating_sub(open)), ")".repeat(open.saturating_sub(close)))
        }
    }
}

/// What the project's `tripline.yaml` changes in one rule, and where.
struct Changes<'a> {
    files: &'a SourceFiles,
    own: Option<&'a Rule>,
    over: Option<&'a Override>,
}

impl<'a> Changes<'a> {
    fn new(opened: &'a Opened, rule: &RulePlan) -> Self {
        let project = &opened.project;
        Self {
            files: &opened.files,
            own: project.rules.iter().find(|own| own.name.text == rule.name),
            over: project.config.overrides.get(&rule.name),
        }
    }

    fn at(&self, span: Span) -> String {
        let (line, _) = self.files.line_column(span.file, span.start);
        format!("by {}:{line}", self.files.path(span.file))
    }

    fn param(&self, name: &str) -> Option<String> {
        let (given, _) = self.over?.params.iter().find(|(given, _)| given.text == name)?;
        let own = self.own?.params.iter().find(|param| param.name.text == name)?;
        Some(format!("{}; the rule says {}", self.at(given.span()), own.default.display()))
    }

    fn others(&self) -> Vec<String> {
        let Some((own, over)) = self.own.zip(self.over) else { return Vec::new() };
        let status = over.status.filter(|status| *status != own.status);
        let status =
            status.map(|_| format!("status {}; the rule says {}", self.at(over.rule.span()), own.status.name()));
        let exceptions = over.exceptions.iter();
        let exceptions = exceptions.map(|e| format!("excepted {}: {}", self.at(e.span), e.reason));
        status.into_iter().chain(exceptions).collect()
    }
}

pub(super) fn feature(plan: &Plan, feature: &FeaturePlan) -> String {
    let mut text = format!("feature {}\n", feature.name);
    text.push_str(&format!("  reads    {}\n", plan.relation_name(feature.upstream)));
    for join in &feature.joins {
        text.push_str(&format!("  joins    {} as {}\n", joined(plan, &join.target), join.alias));
    }
    let condition = |name: &str, condition: &Option<Expr>, columns: &[Column]| {
        condition.as_ref().map_or(String::new(), |it| format!("  {name:<8} {}\n", bigquery::expression(it, columns)))
    };
    if let Some(previous) = &feature.previous {
        let columns: Vec<&str> = previous.of.iter().map(|index| feature.scope[*index].name.as_str()).collect();
        let gap = previous.max_gap;
        text.push_str(&format!("  previous {} of the key's row before, at most {gap} before\n", columns.join(", ")));
    }
    text.push_str(&condition("where", &feature.filter, &feature.scope));
    text.push_str(&format!("  window   {}\n", feature.window));
    for frame in feature.frames() {
        let key: Vec<&str> = frame.key.iter().map(|index| feature.scope[*index].name.as_str()).collect();
        let key = if key.is_empty() { "all rows together".to_owned() } else { format!("by {}", key.join(", ")) };
        text.push_str(&format!("  trailing {}: {} before each window, {key}\n", frame.name, frame.size));
    }
    let key: Vec<&str> = feature.key_names().collect();
    text.push_str(&format!(
        "  key      {}\n",
        if key.is_empty() { "none: all rows together".to_owned() } else { key.join(", ") }
    ));
    let emit = feature.trailing.as_ref().and_then(|trailing| trailing.emit.clone());
    text.push_str(&condition("emit", &emit, &feature.columns));
    text.push_str("  gives\n");
    text.push_str(&columns(&feature.columns));
    let joins = |joins: &[JoinPlan]| {
        joins.iter().any(|join| matches!(join.target, JoinTarget::Feature { index, .. } if plan.features[index].name == feature.name))
    };
    let reads = |upstream: Upstream, own: &[JoinPlan]| plan.relation_name(upstream) == feature.name || joins(own);
    let features =
        plan.features.iter().filter(|other| reads(other.upstream, &other.joins)).map(|other| other.name.as_str());
    let rules = plan.rules.iter().filter(|rule| rule.branches.iter().any(|b| reads(b.upstream, &b.select.joins)));
    let readers: Vec<&str> = features.chain(rules.map(|rule| rule.name.as_str())).collect();
    if !readers.is_empty() {
        text.push_str(&format!("  read by  {}\n", readers.join(", ")));
    }
    text
}

fn joined(plan: &Plan, target: &JoinTarget) -> String {
    match target {
        JoinTarget::Feature { index, at, .. } => {
            let name = &plan.features[*index].name;
            match at {
                JoinAt::Same => name.clone(),
                JoinAt::AsOf { edge, max_age } => format!("{name} (as of {}, at most {max_age} old)", edge.column()),
            }
        }
        JoinTarget::Lookup { index, .. } => plan.lookups[*index].name.clone(),
    }
}

fn columns(columns: &[Column]) -> String {
    let lines = columns.iter().map(|column| {
        format!("    {:<24} {}{}\n", column.name, column.ty, if column.nullable { ", may be NULL" } else { "" })
    });
    lines.collect()
}

pub(super) fn flows() -> String {
    let mut text = String::from("relation flows: what every source's normalization gives\n");
    for column in flow::columns() {
        let null = if column.nullable { ", may be NULL" } else { "" };
        let doc = flow::doc(&column.name).unwrap_or_default();
        text.push_str(&format!("  {:<16} {:<22} {doc}\n", column.name, format!("{}{null}", column.ty)));
    }
    text
}

pub(super) fn source(source: &Source) -> String {
    let mut text = format!("source {}: {}\n", source.name.text, source.description);
    text.push_str(&format!("  format   {}\n", source.format.name()));
    text.push_str(&format!("  time     {}\n", source.event_time.as_str()));
    text.push_str(&format!("  lateness {}\n", source.lateness));
    text.push_str("  columns\n");
    for column in &source.columns {
        let mut about = vec![column.ty.to_string()];
        match column.decode {
            Decode::Plain | Decode::TimeAuto => {}
            Decode::TcpFlags => about.push("numbers or names of flags".to_owned()),
            Decode::TimeSeconds => about.push("seconds since 1970".to_owned()),
            Decode::TimeMillis => about.push("milliseconds since 1970".to_owned()),
            Decode::TimeMicros => about.push("microseconds since 1970".to_owned()),
        }
        if column.required {
            about.push("required".to_owned());
        }
        if column.fields.iter().any(|field| *field != column.name.text) {
            about.push(format!("from {}", column.fields.join(" or ")));
        }
        text.push_str(&format!("    {:<24} {}\n", column.name.text, about.join(", ")));
    }
    text.push_str(&format!("  gives    flows, by sql/{}/flows.sql (`tripline explain flows`)\n", source.name.text));
    text
}

pub(super) fn lookup(lookup: &Lookup) -> String {
    let mut text = format!("lookup {}: {}\n", lookup.name.text, lookup.description);
    let rows = match &lookup.table {
        Some(table) => match &table.database {
            Some(database) => {
                let (kind, built) = database.about();
                let built = i64::try_from(built).map_or(i64::MAX, |seconds| seconds.saturating_mul(1_000_000));
                let day = Day::of(EventTime(built));
                format!("networks of {}, {kind} of {day}", table.path)
            }
            None => format!("none: {} is not there", table.path),
        },
        None => lookup.rows.len().to_string(),
    };
    text.push_str(&format!("  rows     {rows}\n  columns\n"));
    for column in &lookup.columns {
        let network = if column.cidr { ", networks: matched by `how: longest_prefix`" } else { "" };
        let null = if column.nullable { ", may be NULL" } else { "" };
        text.push_str(&format!("    {:<24} {}{null}{network}\n", column.name.text, column.ty));
    }
    text
}

/// A relation of the run itself.
pub(super) fn tap(name: &str, schema: &Schema) -> String {
    let mut text = format!("relation {name}: `tripline run --tap {name}=FILE` writes it\n");
    for field in schema.fields() {
        let ty = match field.data_type() {
            DataType::Boolean => "BOOL",
            DataType::Int64 => "INT64",
            DataType::Float64 => "FLOAT64",
            DataType::Timestamp(..) => "TIMESTAMP",
            _ => "STRING",
        };
        text.push_str(&format!("  {:<16} {ty}\n", field.name()));
    }
    text
}

/// A function, operator or aggregate of the SQL, in any case.
pub(super) fn function(name: &str) -> Option<String> {
    let mut text = String::new();
    let named = |other: &str| other.eq_ignore_ascii_case(name);
    for function in functions().iter().filter(|f| named(f.name) || f.aliases.iter().any(|alias| named(alias))) {
        text.push_str(&format!("{}: {}\n", function.form(), function.doc));
        for signature in function.signatures {
            text.push_str(&format!("  types    {}\n", signature.form()));
        }
        for (expression, value) in function.examples {
            text.push_str(&format!("  example  {expression} is {value}\n"));
        }
    }
    for entry in AGGREGATES.iter().filter(|entry| named(entry.name)) {
        text.push_str(&format!("{}: {}\n", entry.form(), entry.doc));
    }
    (!text.is_empty()).then_some(text)
}
