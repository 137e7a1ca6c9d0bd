//! `tripline compile`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, ValueEnum};
use indicatif::HumanCount;

use crate::diagnostic::suggest;
use crate::plan::{Plan, SourcePlan};
use crate::runtime::ranges;
use crate::target::bigquery::{File, Range, Warehouse, files, query, select, training_query, training_table};

use super::exit::Exit;
use super::lookups::strange;
use super::place::{check_local, format_of};
use super::project::{open_valid, parse_time};
use super::say::note;
use super::training::Made;
use super::verify::Verify;
use super::warehouse::{WarehousePlace, check_names};
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Bigquery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table and the replacement of its days
    Table,
    /// One SELECT over the sources' tables
    Select,
    /// Its own SELECT, over the tables of the relations that it reads
    Query,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("training_rows").args(MADE).multiple(true).requires("training"))]
pub struct Compile {
    /// The engine that the SQL is for
    #[arg(long, value_enum, default_value = "bigquery")]
    target: Target,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Write one file a relation and a manifest there (default: everything to standard output)
    #[arg(long, value_name = "DIR", conflicts_with = "relation")]
    out: Option<PathBuf>,
    /// Only this relation: flows, a feature, a lookup, a rule, hits or alerts
    #[arg(long, value_name = "NAME")]
    relation: Option<String>,
    /// Write the rows of a lookup with `mmdb` there, in the format of the file's extension, to be loaded into its table
    #[arg(long, value_name = "FILE", requires = "relation", conflicts_with_all = ["form", "verify"])]
    rows: Option<String>,
    /// What is printed of a relation
    #[arg(long = "as", value_enum, default_value = "table")]
    form: Form,
    /// The SELECT of training rows over a table of labels and the features' tables, `--as query`; or a script that makes
    /// the table `training`
    #[arg(long, conflicts_with_all = ["out", "relation", "from"])]
    training: bool,
    /// The table of labels: the key columns, `label_time` and `label`
    #[arg(long, value_name = "TABLE", default_value = "labels", requires = "training")]
    labels: String,
    #[command(flatten)]
    made: Made,
    /// Sources whose tables exist (default: all)
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// The first day that is replaced (default: yesterday, whenever the SQL runs)
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<String>,
    /// The day after the last
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,
    /// Have BigQuery judge every file, and a selection of recorded answers; nothing is made
    #[arg(long, conflicts_with_all = ["out", "form"])]
    verify: bool,
    #[command(flatten)]
    place: WarehousePlace,
}

/// What `--training` alone reads.
const MADE: [&str; 5] = ["features", "label_type", "max_age", "negatives", "seed"];

impl Compile {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Target::Bigquery = self.target;
        self.out.as_ref().map_or(Ok(()), check_local)?;
        let opened = open_valid(self.project.as_deref())?;
        let sources = sources(&opened.plan, &self.source)?;
        if self.from.is_some() && self.form != Form::Table {
            bail!(
                "--from and --to are the days of a table that are replaced\nhelp: a SELECT covers all days; leave them out"
            );
        }
        let warehouse = Warehouse { plan: &opened.plan, sources: &sources };
        check_names(warehouse)?;
        let range = self.range()?;
        if !self.verify && self.place.given() {
            bail!("the dataset is asked for nothing here\nhelp: --verify has it judge what is compiled");
        }
        let mut out = std::io::stdout().lock();
        if self.verify {
            let (_, service) = self.place.open(&opened.project.config.warehouse)?;
            let only = self.relation.as_deref();
            return Verify { compiled: warehouse, range, only, service: service.as_ref() }.run(&mut out);
        }
        if self.training {
            let training = self.made.plan(&opened.plan)?;
            let text = match self.form {
                Form::Table => training_table(&opened.plan, &training, &self.labels),
                Form::Query => training_query(&opened.plan, &training, &self.labels),
                Form::Select => bail!("training rows are over the features' tables\nhelp: --as query"),
            };
            write!(out, "{text}")?;
            return Ok(Exit::Fine);
        }
        if self.form != Form::Table && self.relation.is_none() {
            bail!("--as query and --as select print one relation\nhelp: --relation NAME");
        }
        if let Some(folder) = &self.out {
            let files = files(warehouse, range);
            files.iter().try_for_each(|file| write(folder, file))?;
            writeln!(out, "wrote {} files to {}", files.len(), folder.display())?;
            let gone = strangers(folder, &files);
            if !gone.is_empty() {
                note(&format!("{} are of no relation of the project, and stay as they are", gone.join(", ")));
            }
            return Ok(Exit::Fine);
        }
        let Some(relation) = &self.relation else {
            for file in files(warehouse, range) {
                writeln!(out, "-- {}\n{}", file.path, file.text)?;
            }
            return Ok(Exit::Fine);
        };
        let unknown = || {
            let names = warehouse.names();
            let help = match suggest(relation, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("relations: {}", names.join(", ")),
            };
            anyhow::anyhow!("no relation is named {relation}\nhelp: {help}")
        };
        if let Some(file) = &self.rows {
            return rows(warehouse, relation, file);
        }
        match self.form {
            Form::Select => write!(out, "{}", select(warehouse, relation).ok_or_else(unknown)?)?,
            Form::Query => write!(out, "{}", query(warehouse, relation).ok_or_else(unknown)?)?,
            Form::Table => {
                let file = warehouse.file(relation, range).ok_or_else(unknown)?;
                write!(out, "{}", file.text)?;
            }
        }
        Ok(Exit::Fine)
    }

    fn range(&self) -> anyhow::Result<Option<Range>> {
        let (Some(from), Some(to)) = (&self.from, &self.to) else { return Ok(None) };
        const DAY: i64 = 86_400_000_000;
        let range = Range { from: parse_time(from)?, to: parse_time(to)? };
        if range.from.0 % DAY != 0 || range.to.0 % DAY != 0 {
            bail!("a day's rows are replaced as a whole\nhelp: write days: --from 2026-01-05 --to 2026-01-06");
        }
        if range.from >= range.to {
            bail!("--from {from} is not before --to {to}\nhelp: --to is the day after the last");
        }
        Ok(Some(range))
    }
}

/// The rows of a table of ranges to a file.
fn rows(warehouse: Warehouse<'_>, relation: &str, file: &str) -> anyhow::Result<Exit> {
    check_local(Path::new(file))?;
    let Some(lookup) = warehouse.ranges(relation) else {
        bail!("{relation} is no lookup with `mmdb`: what is compiled makes its rows\nhelp: leave --rows out");
    };
    let table = lookup.table.as_ref().filter(|table| table.database.is_some());
    let Some(table) = table else { bail!("{relation} has no rows: its file is not there") };
    let mut out = wire::whole_writer(file, ranges::schema(lookup), format_of(file, "")?)?;
    let count = ranges::each_batch(lookup, &mut |rows| out.write(rows))?;
    out.finish()?;
    note(&format!("wrote the {} networks of {} to {file}", HumanCount(count), table.path));
    strange(lookup);
    Ok(Exit::Fine)
}

fn sources<'a>(plan: &'a Plan, names: &[String]) -> anyhow::Result<Vec<&'a SourcePlan>> {
    if names.is_empty() {
        return Ok(plan.sources.iter().collect());
    }
    let find = |name: &String| {
        plan.sources.iter().find(|source| source.name == *name).with_context(|| {
            let all: Vec<&str> = plan.sources.iter().map(|source| source.name.as_str()).collect();
            format!("no source is named {name}\nhelp: sources: {}", all.join(", "))
        })
    };
    let mut found: Vec<&SourcePlan> = names.iter().map(find).collect::<anyhow::Result<_>>()?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    Ok(found)
}

/// Files that an earlier compilation may have left.
fn strangers(folder: &Path, files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["sources", "lookups", "features", "rules"] {
        for entry in fs::read_dir(folder.join(part)).into_iter().flatten().flatten() {
            let path = format!("{part}/{}", entry.file_name().to_string_lossy());
            if path.ends_with(".sql") && !files.iter().any(|file| file.path == path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn write(folder: &Path, file: &File) -> anyhow::Result<()> {
    let path = folder.join(&file.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))
}
