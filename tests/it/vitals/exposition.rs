//! Reads the text that Prometheus reads, and refuses what it or its conventions refuse.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Failed;

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

impl Sample {
    pub fn of(name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(label, of)| ((*label).to_owned(), (*of).to_owned()));
        Self { name: name.to_owned(), labels: labels.collect() }
    }
}

/// Samples of a whole text.
pub fn read(text: &str) -> Result<BTreeMap<Sample, f64>, Failed> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    let mut samples = BTreeMap::new();
    let mut families: BTreeSet<String> = BTreeSet::new();
    let (mut helped, mut current): (Option<String>, Option<String>) = (None, None);
    for line in text.lines() {
        let failed = |why: &str| Failed::from(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| failed("no help"))?;
            if help.trim().is_empty() || !families.insert(name.to_owned()) || helped.is_some() {
                return Err(failed("a family twice, or without help"));
            }
            (helped, current) = (Some(name.to_owned()), None);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| failed("no type"))?;
            if helped.take().as_deref() != Some(name) || !["counter", "gauge"].contains(&kind) {
                return Err(failed("a type of something else"));
            }
            conventional(name, kind).map_err(|why| failed(&why))?;
            current = Some(name.to_owned());
        } else {
            let (sample, value) = sample(line).ok_or_else(|| failed("no sample"))?;
            if current.as_ref() != Some(&sample.name) {
                return Err(failed("a sample outside of its family"));
            }
            if !value.is_finite() || samples.insert(sample, value).is_some() {
                return Err(failed("a sample twice, or without a value"));
            }
        }
    }
    Ok(samples)
}

fn conventional(name: &str, kind: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(plain) || name.contains("__") {
        return Err("a strange name".to_owned());
    }
    if (kind == "counter") != name.ends_with("_total") {
        return Err("counters end with _total, and nothing else does".to_owned());
    }
    match name.split('_').find(|part| ["ms", "millis", "milliseconds", "micros", "kb", "mb", "minutes"].contains(part))
    {
        Some(unit) => Err(format!("{unit} is no base unit")),
        None => Ok(()),
    }
}

fn sample(line: &str) -> Option<(Sample, f64)> {
    let end = line.find(['{', ' '])?;
    let mut sample = Sample { name: line[..end].to_owned(), labels: BTreeMap::new() };
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if label.is_empty() || label.starts_with("__") || sample.labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            match after.chars().next()? {
                ',' => rest = &after[1..],
                '}' => {
                    rest = &after[1..];
                    break;
                }
                _ => return None,
            }
        }
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    Some((sample, value))
}

/// Up to the quote that ends it, and what comes after.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

pub fn a_wrong_exposition_is_noticed() -> Result<(), Failed> {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let right = format!("{head}a_total{{of=\"x\\\"\\\\y\\n\"}} 1\na_total{{of=\"z\"}} 2.5\n");
    let samples = read(&right)?;
    if samples.get(&Sample::of("a_total", &[("of", "x\"\\y\n")])) != Some(&1.0) || samples.len() != 2 {
        return Err(format!("{samples:?}").into());
    }
    let wrong = [
        format!("{head}a_total 1"),
        format!("{head}a_total 1\na_total 1\n"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total{{of=\"x\"y\"}} 1\n"),
        format!("{head}a_total{{of=\"x}} 1\n"),
        format!("{head}a_total NaN\n"),
        format!("{head}a_total 1\n{head}a_total{{of=\"x\"}} 1\n"),
        "a_total 1\n".to_owned(),
        "# HELP a A.\n# TYPE a counter\na 1\n".to_owned(),
        "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n".to_owned(),
        "# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n".to_owned(),
        "# TYPE a gauge\na 1\n".to_owned(),
    ];
    match wrong.iter().find(|text| read(text).is_ok()) {
        Some(text) => Err(format!("nothing is wrong with {text}").into()),
        None => Ok(()),
    }
}
