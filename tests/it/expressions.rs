//! Random expressions over the function table, with rows of every kind of value: what they evaluate to here.
//!
//! The ordinary test asks for agreement with the printed form. With `TRIPLINE_EXPRESSIONS=COUNT,SEED,FILE` the expressions,
//! rows and answers are written to a file instead, for `tests/judge/expressions.py`, which asks Google's reference
//! implementation about each.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::Schema;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};
use tripline::diagnostic::{FileId, Text};
use tripline::language::function::{Class, Function, Guard, Id, Output, Param, Syntax};
use tripline::language::{Expr, ExprKind, Scope, bind_expression, functions};
use tripline::record::{Column, Type, Value};
use tripline::target::bigquery;
use tripline::target::datafusion::{Lookups, LowerContext, evaluate, lower};

use super::random::Random;

const COUNT: usize = 4_500;
const DEPTH_MAX: usize = 4;
const ROWS: usize = 12;
/// Of all expressions, so many at least are accepted.
const ACCEPTED_PERCENT_MIN: usize = 85;
/// Of all answers, so many at least are values.
const VALUES_PERCENT_MIN: usize = 60;

pub fn cases() -> Vec<Trial> {
    vec![Trial::test("expressions::printed_expressions_have_the_same_answers", || {
        let Ok(asked) = std::env::var("TRIPLINE_EXPRESSIONS") else { return printed(COUNT, 1) };
        let parts: Vec<&str> = asked.splitn(3, ',').collect();
        let [count, seed, file] = parts.as_slice() else { return Err("COUNT,SEED,FILE".into()) };
        write(count.parse()?, seed.parse()?, file)
    })]
}

/// Two columns of each type; the second of each is a small or tame one.
fn columns() -> Vec<Column> {
    let names = ["b", "i", "f", "s", "y", "t", "d"];
    let both = |(ty, name): (&Type, &str)| {
        [Column::new(format!("{name}1"), *ty, true), Column::new(format!("{name}2"), *ty, true)]
    };
    Type::ALL.iter().zip(names).flat_map(both).collect()
}

fn value(random: &mut Random, ty: Type, tame: bool) -> Value {
    if random.one_in(if tame { 20 } else { 8 }) {
        return Value::Null(ty);
    }
    const INTS: [i64; 14] =
        [0, 1, -1, 2, 3, -7, 80, 443, 65_535, i64::MIN, i64::MAX, 1 << 53, -(1 << 53) - 1, 4_611_686_018_427_387_904];
    const FLOATS: [f64; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        2.5,
        0.1,
        1e308,
        -1e308,
        1e-320,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e15,
        123_456_789_012_345_680.0,
        9_007_199_254_740_993.0,
        -0.5,
    ];
    const STRINGS: [&str; 22] = [
        "",
        "a",
        "A",
        "abc",
        "aBc123",
        "10.0.0.1",
        "évil.example",
        "日本語",
        "a%b_c",
        "  padded  ",
        "a.b.c",
        "x\\y",
        "🙂ok",
        "ß",
        "2001:DB8::1",
        "::ffff:10.0.0.1",
        "\ttab\n",
        "1,2,,3",
        "0x1F",
        "2026-01-31",
        "true",
        "it's \"quoted\"",
    ];
    const TIMES: [i64; 9] = [
        0,
        1,
        -1,
        1_767_225_599_999_999,
        951_782_400_000_000,
        -62_135_596_800_000_000,
        253_402_300_799_999_999,
        -86_400_000_001,
        1_735_603_199_000_000,
    ];
    match ty {
        Type::Bool => Value::Bool(random.one_in(2)),
        Type::Int64 if tame => Value::Int64(random.between(-3, 70)),
        Type::Int64 => Value::Int64(*random.pick(&INTS)),
        Type::Float64 if tame => Value::Float64(exact(random.between(-4_000, 40_000)) / 8.0),
        Type::Float64 => Value::Float64(*random.pick(&FLOATS)),
        Type::String if tame => Value::String((*random.pick(&["a", "b", ".", "", "abc", "10.0.0.1", "1"])).to_owned()),
        Type::String => Value::String((*random.pick(&STRINGS)).to_owned()),
        Type::Bytes if tame => Value::Bytes(vec![10, 0, 0, u8::try_from(random.below(256)).unwrap_or(0)]),
        Type::Bytes => {
            let length = *random.pick(&[0, 1, 3, 4, 16, 65]);
            Value::Bytes((0..length).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect())
        }
        Type::Timestamp if tame => Value::Timestamp(1_767_571_200_000_000 + random.between(0, 86_400_000_000)),
        Type::Timestamp => Value::Timestamp(*random.pick(&TIMES)),
        Type::Date if tame => Value::Date(i32::try_from(random.between(0, 30_000)).unwrap_or(0)),
        Type::Date => Value::Date(*random.pick(&[0, -1, 20_454, 11_016, -719_162, 2_932_896])),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small")]
fn exact(value: i64) -> f64 {
    value as f64
}

struct Generator {
    random: Random,
    columns: Vec<Column>,
}

impl Generator {
    fn expression(&mut self, ty: Type, depth: usize) -> String {
        if depth == 0 || self.random.one_in(5) {
            return self.leaf(ty);
        }
        match self.random.below(12) {
            0 => {
                let condition = self.expression(Type::Bool, depth - 1);
                let (a, b) = (self.expression(ty, depth - 1), self.expression(ty, depth - 1));
                format!("CASE WHEN {condition} THEN {a} ELSE {b} END")
            }
            1 => self.cast(ty, depth),
            2 if ty == Type::Bool => self.membership(depth),
            _ => self.call(ty, depth, false),
        }
    }

    fn leaf(&mut self, ty: Type) -> String {
        if self.random.one_in(4) {
            let tame = self.random.one_in(2);
            let literal = value(&mut self.random, ty, tame);
            // A lone NULL has no type of its own.
            let literal = if literal.is_null() { value(&mut self.random, ty, true) } else { literal };
            if !literal.is_null() {
                let expr = Expr {
                    kind: ExprKind::Literal(literal),
                    ty,
                    nullable: false,
                    span: Text::verbatim("", FileId(0), 0).span(),
                };
                let text = bigquery::expression(&expr, &[]);
                return if text.starts_with('-') { format!("({text})") } else { text };
            }
        }
        let of: Vec<&Column> = self.columns.iter().filter(|column| column.ty == ty).collect();
        self.random.pick(&of).name.clone()
    }

    fn cast(&mut self, ty: Type, depth: usize) -> String {
        let from = match ty {
            Type::Bool => [Type::Int64, Type::String],
            Type::Int64 => [Type::Float64, Type::String],
            Type::Float64 => [Type::Int64, Type::String],
            Type::String => [Type::Int64, Type::Float64],
            Type::Bytes => [Type::String, Type::String],
            Type::Timestamp => [Type::Date, Type::String],
            Type::Date => [Type::Timestamp, Type::String],
        };
        let from = *self.random.pick(&from);
        let word = if self.random.one_in(4) { "CAST" } else { "SAFE_CAST" };
        format!("{word}({} AS {ty})", self.expression(from, depth - 1))
    }

    fn membership(&mut self, depth: usize) -> String {
        let ty = *self.random.pick(&[Type::Int64, Type::String, Type::Timestamp]);
        let x = self.expression(ty, depth - 1);
        let not = if self.random.one_in(3) { "NOT " } else { "" };
        if self.random.one_in(2) {
            let (low, high) = (self.expression(ty, 1), self.expression(ty, 1));
            return format!("({x} {not}BETWEEN {low} AND {high})");
        }
        let list: Vec<String> = (0..3).map(|_| self.leaf(ty)).collect();
        format!("({x} {not}IN ({}))", list.join(", "))
    }

    /// `rough`: functions whose last bit may differ; only where nothing is computed from the result.
    fn call(&mut self, ty: Type, depth: usize, rough: bool) -> String {
        let fits = |function: &Function| {
            // What needs a key is judged where there is one: tests/judge/relations.py.
            (function.class == Class::Exact || rough)
                && function.guard != Guard::ConstantKey
                && function.signatures.iter().any(|s| s.result == Output::Is(ty) || s.result == Output::Same)
        };
        let all: Vec<&'static Function> = functions().iter().filter(|function| fits(function)).collect();
        let Some(function) = (!all.is_empty()).then(|| *self.random.pick(&all)) else { return self.leaf(ty) };
        let signatures: Vec<_> =
            function.signatures.iter().filter(|s| s.result == Output::Is(ty) || s.result == Output::Same).collect();
        let signature = **self.random.pick(&signatures);
        let same = if signature.result == Output::Same { ty } else { *self.random.pick(&Type::ALL) };
        let mut count = signature.params.len() - self.random.below(signature.optional + 1);
        if signature.variadic {
            count += self.random.below(3);
        }
        let mut args: Vec<String> = (0..count)
            .map(|place| match signature.params[place.min(signature.params.len() - 1)] {
                Param::Is(ty) => self.expression(ty, depth - 1),
                Param::Same => self.expression(same, depth - 1),
                Param::Part(words) => (*self.random.pick(words)).to_owned(),
            })
            .collect();
        self.guard(function, &mut args);
        let safe = function.syntax == Syntax::Call && function.guard != Guard::None && self.random.one_in(6);
        format!("{}{}", if safe { "SAFE." } else { "" }, written(function, &args))
    }

    fn guard(&mut self, function: &Function, args: &mut [String]) {
        const PATTERNS: [&str; 6] = ["r'[a-z]+'", "r'^\\d+'", "r'(b)c'", "r'\\w+@?'", "r'[^a]'", "r'.'"];
        const NETWORKS: [&str; 5] =
            ["'10.0.0.0/8'", "'10.0.0.1/32'", "'0.0.0.0/0'", "'2001:db8::/32'", "'2001:db8::1/128'"];
        const JSONS: [&str; 4] = [
            "CONCAT('{\"a\": \"', REPLACE(s1, '\\\\', ''), '\"}')",
            "CONCAT('{\"a\": [', CAST(i1 AS STRING), ', 2], \"b c\": true}')",
            "CONCAT('[null, {\"b\": ', CAST(i2 AS STRING), '}]')",
            "CONCAT('\"', s2, '\"')",
        ];
        const COUNTED: [&str; 5] = ["r'[a-z]+'", "r'\\d'", "r'(b)c'", "r'[^a]'", "r'.'"];
        match (function.guard, function.id) {
            (Guard::NonZeroDivisor, Id::Divide) => args[1] = (*self.random.pick(&["2", "0.5", "-3.0", "7"])).to_owned(),
            (Guard::NonZeroDivisor, _) => args[1] = (*self.random.pick(&["2", "-3", "NULLIF(i2, 0)"])).to_owned(),
            (Guard::ConstantPattern, Id::RegexpReplace) => {
                args[1] = (*self.random.pick(&PATTERNS)).to_owned();
                args[2] = (*self.random.pick(&["'_'", "''", "'<\\\\0>'"])).to_owned();
            }
            // The reference cuts year, month and day to 32 bits before it looks at them; here they are out of range.
            (_, Id::DateOf) if args.len() == 3 => {
                args.iter_mut().for_each(|arg| *arg = format!("MOD({arg}, 20000)"));
            }
            // Small counts and lengths: most large ones are out of the domain.
            (Guard::ConstantPattern, Id::RegexpInstr) => args[1] = (*self.random.pick(&COUNTED)).to_owned(),
            (Guard::ConstantPattern, _) if args.len() > 2 => args[1] = (*self.random.pick(&COUNTED)).to_owned(),
            (Guard::ConstantPattern, _) => args[1] = (*self.random.pick(&PATTERNS)).to_owned(),
            // Most numbers are no degrees.
            (_, Id::GeoKm) => {
                let small = ["f2 / 60", "i2", "f1 / 60"];
                args.iter_mut().for_each(|arg| (*self.random.pick(&small)).clone_into(arg));
            }
            (Guard::ConstantNetwork, _) => args[1] = (*self.random.pick(&NETWORKS)).to_owned(),
            (Guard::ConstantPath, _) => {
                if self.random.one_in(2) {
                    args[0] = (*self.random.pick(&JSONS)).to_owned();
                }
                if let Some(path) = args.get_mut(1) {
                    (*self.random.pick(&["'$'", "'$.a'", "'$.a[0]'", "'$[1].b'", "'$.\"b c\"'"])).clone_into(path);
                }
            }
            (Guard::ConstantFormat, id) => self.format(id, args),
            (_, Id::TimestampAdd | Id::TimestampSub | Id::DateAdd | Id::DateSub | Id::ShiftLeft | Id::ShiftRight)
                if self.random.one_in(2) =>
            {
                args[1] = (*self.random.pick(&["i2", "1", "3"])).to_owned();
            }
            _ => {}
        }
    }
}

impl Generator {
    /// A constant format, and half of the time for a text one that has it.
    fn format(&mut self, id: Id, args: &mut [String]) {
        const TIMES: [&str; 6] = [
            "'%F %T'",
            "'%Y-%m-%dT%H:%M:%E*S'",
            "'%d/%b/%Y:%T %z'",
            "'%s'",
            "'%a %e %B %y, %I %p %j'",
            "'%G-%V %u %w %U %W'",
        ];
        const DATES: [&str; 4] = ["'%F'", "'%d %b %Y'", "'%Y%m%d'", "'%a %j %G-%V %U'"];
        let dates = matches!(id, Id::FormatDate | Id::ParseDate);
        let parses = matches!(id, Id::ParseTimestamp | Id::ParseDate);
        let format = if dates {
            *self.random.pick(&DATES[..if parses { 3 } else { 4 }])
        } else {
            *self.random.pick(&TIMES[..if parses { 4 } else { 6 }])
        };
        format.clone_into(&mut args[0]);
        if parses && self.random.one_in(2) {
            let (name, time) = if dates { ("FORMAT_DATE", "d") } else { ("FORMAT_TIMESTAMP", "t") };
            let column = if self.random.one_in(2) { 1 } else { 2 };
            args[1] = format!("{name}({format}, {time}{column})");
        }
    }
}

fn written(function: &Function, args: &[String]) -> String {
    let name = function.name;
    match (function.syntax, function.id, args) {
        (Syntax::Infix, ..) => format!("({})", args.join(&format!(" {name} "))),
        (Syntax::Prefix, _, [x]) => format!("({name} {x})"),
        (Syntax::Postfix, _, [x]) => format!("({x} {name})"),
        (_, Id::Extract, [x, part]) => format!("EXTRACT({part} FROM {x})"),
        (_, Id::SplitPart, [text, by, n]) => format!("SPLIT({text}, {by})[SAFE_OFFSET({n})]"),
        (_, Id::TimestampAdd | Id::TimestampSub | Id::DateAdd | Id::DateSub, [t, n, part]) => {
            format!("{name}({t}, INTERVAL {n} {part})")
        }
        _ => format!("{name}({})", args.join(", ")),
    }
}

/// An expression that was accepted, and what it gives.
struct Case {
    text: String,
    expr: Expr,
    rows: Vec<Vec<Value>>,
    /// `None`: the row fails.
    answers: Vec<Option<Value>>,
}

struct Asked {
    cases: Vec<Case>,
    refused: usize,
}

fn ask(count: usize, seed: u64) -> Result<Asked, Failed> {
    let columns = columns();
    let mut generator = Generator { random: Random::new(seed), columns: columns.clone() };
    let mut asked = Asked { cases: Vec::new(), refused: 0 };
    while asked.cases.len() < count {
        let ty = *generator.random.pick(&Type::ALL);
        let depth = 1 + generator.random.below(DEPTH_MAX);
        let text = if ty == Type::Float64 && generator.random.one_in(2) {
            generator.call(ty, depth, true)
        } else {
            generator.expression(ty, depth)
        };
        let rows: Vec<Vec<Value>> = (0..ROWS)
            .map(|_| {
                let tame = generator.random.one_in(2);
                let cells = columns.iter().enumerate();
                cells.map(|(place, column)| value(&mut generator.random, column.ty, tame || place % 2 == 1)).collect()
            })
            .collect();
        match bind(&text, &columns) {
            Some(expr) => {
                let answers = answers(&expr, &columns, &rows)?;
                asked.cases.push(Case { text, expr, rows, answers });
            }
            None => asked.refused += 1,
        }
    }
    Ok(asked)
}

fn bind(text: &str, columns: &[Column]) -> Option<Expr> {
    bind_expression(&Text::verbatim(text, FileId(0), 0), &Scope::over("t", columns), &mut Vec::new())
}

fn answers(expr: &Expr, columns: &[Column], rows: &[Vec<Value>]) -> Result<Vec<Option<Value>>, Failed> {
    let lookups = Lookups::new(&[]);
    let physical = lower(expr, &LowerContext { columns, lookups: &lookups, event_time: None })?;
    let whole = batch(columns, rows)?;
    let answer = |array: &ArrayRef, row: usize| Value::at(array, row, expr.ty);
    if let Ok(array) = evaluate(&physical, &whole) {
        return Ok((0..rows.len()).map(|row| Some(answer(&array, row))).collect());
    }
    let single = |row: usize| evaluate(&physical, &whole.slice(row, 1)).ok().map(|array| answer(&array, 0));
    Ok((0..rows.len()).map(single).collect())
}

fn batch(columns: &[Column], rows: &[Vec<Value>]) -> Result<RecordBatch, Failed> {
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for place in 0..columns.len() {
        let cells: Vec<ArrayRef> = rows.iter().map(|row| row[place].array(1)).collect();
        arrays.push(concat(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>())?);
    }
    let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(schema, arrays)?)
}

/// As `tests/judge/client.py` writes values.
fn text(value: &Value) -> Json {
    match value {
        Value::Float64(v) if v.is_nan() => json!("nan"),
        Value::Float64(v) => json!(format!("{v:?}")),
        Value::String(v) => json!(v),
        other => other.id_text().map_or(Json::Null, Json::from),
    }
}

fn rough(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, args } => function.class != Class::Exact || args.iter().any(rough),
        ExprKind::Safe(call) => rough(call),
        _ => false,
    }
}

fn shares(asked: &Asked) -> Result<String, Failed> {
    let total = asked.cases.len() + asked.refused;
    let answers = asked.cases.iter().flat_map(|case| &case.answers);
    let values = answers.filter(|answer| answer.as_ref().is_some_and(|value| !value.is_null())).count();
    let (accepted, given) = (asked.cases.len() * 100 / total, values * 100 / (asked.cases.len() * ROWS));
    let said = format!("{accepted} % of {total} expressions are accepted, {given} % of their answers are values");
    if accepted < ACCEPTED_PERCENT_MIN || given < VALUES_PERCENT_MIN { Err(said.into()) } else { Ok(said) }
}

fn printed(count: usize, seed: u64) -> Result<(), Failed> {
    let columns = columns();
    let asked = ask(count, seed)?;
    shares(&asked)?;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &asked.cases {
        functions_of(&case.expr, &mut |name| *seen.entry(name).or_default() += 1);
        // Its definition has a subquery, which is for the judge.
        if has(&case.expr, &|function| function.id == Id::Entropy) {
            continue;
        }
        let printed = bigquery::expression(&case.expr, &columns);
        let Some(again) = bind(&printed, &columns) else {
            return Err(format!("{} is printed as {printed}, which is refused", case.text).into());
        };
        let answers = answers(&again, &columns, &case.rows)?;
        if format!("{answers:?}") != format!("{:?}", case.answers) {
            return Err(format!("{} is printed as {printed}: {answers:?}, not {:?}", case.text, case.answers).into());
        }
    }
    let missing: Vec<&str> = functions()
        .iter()
        .filter(|f| f.guard != Guard::ConstantKey)
        .map(|f| f.name)
        .chain(["SAFE."])
        .filter(|name| !seen.contains_key(name))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no expression has {missing:?}").into()) }
}

/// Is such a function called anywhere in it?
fn has(expr: &Expr, wanted: &dyn Fn(&Function) -> bool) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part.kind, ExprKind::Call { function, .. } if wanted(function)));
    found
}

fn functions_of(expr: &Expr, see: &mut dyn FnMut(&'static str)) {
    expr.walk(&mut |part| match part.kind {
        ExprKind::Call { function, .. } => see(function.name),
        ExprKind::Safe(_) => see("SAFE."),
        _ => {}
    });
}

/// One JSON object a line; the first describes the table.
fn write(count: usize, seed: u64, file: &str) -> Result<(), Failed> {
    let asked = ask(count, seed)?;
    let columns = columns();
    let mut out = String::new();
    let names: Vec<Json> = columns.iter().map(|c| json!([c.name, c.ty.name()])).collect();
    writeln!(out, "{}", json!({"columns": names, "summary": shares(&asked)?}))?;
    for case in &asked.cases {
        let mut names = Vec::new();
        functions_of(&case.expr, &mut |name| names.push(name));
        let rows: Vec<Vec<Json>> = case.rows.iter().map(|row| row.iter().map(text).collect()).collect();
        let answers: Vec<Json> =
            case.answers.iter().map(|answer| answer.as_ref().map_or(json!({"error": true}), text)).collect();
        let line = json!({
            "expression": case.text,
            "printed": bigquery::expression(&case.expr, &columns),
            "type": case.expr.ty.name(),
            "rough": rough(&case.expr),
            "own": has(&case.expr, &|function| function.is_own()),
            "functions": names,
            "rows": rows,
            "answers": answers,
        });
        writeln!(out, "{line}")?;
    }
    fs::write(file, out)?;
    Ok(())
}
