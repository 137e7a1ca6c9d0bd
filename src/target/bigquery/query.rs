//! A query as named steps, each a comment and a SELECT, and its last SELECT.

/// A relation as SQL. Steps are read by later steps and the body, under names that no other relation has.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub comment: String,
    pub steps: Vec<Step>,
    pub body: String,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub name: String,
    pub comment: String,
    pub sql: String,
}

impl Query {
    /// `WITH … SELECT …`.
    pub fn text(&self) -> String {
        if self.steps.is_empty() {
            return format!("{}\n", self.body);
        }
        format!("WITH\n{}\n{}\n", steps(&self.steps), self.body)
    }

    /// The steps, and the body as the step that the relation is for its readers.
    pub fn into_steps(self, relation: String) -> impl Iterator<Item = Step> {
        let own = Step { name: relation, comment: self.comment, sql: self.body };
        self.steps.into_iter().chain([own])
    }
}

pub(super) fn steps(steps: &[Step]) -> String {
    let texts = steps.iter().map(|step| {
        let comment = comment(&step.comment, "  ");
        format!("{comment}  {} AS (\n{}\n  )", step.name, indented(&step.sql, "    "))
    });
    texts.collect::<Vec<_>>().join(",\n")
}

/// Text as `--` lines.
pub(super) fn comment(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}-- {line}\n")).collect()
}

/// Lines that are not inside of a literal stand further in; our literals hold no line breaks.
pub(super) fn indented(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

/// `SELECT` with an item a line.
pub(super) fn select(items: &[String], from: &str, conditions: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| hanging(item)).collect();
    format!("SELECT\n  {}\nFROM {from}{}", items.join(",\n  "), filter(conditions))
}

/// `WHERE a AND b`, or nothing.
pub(super) fn filter(conditions: &[String]) -> String {
    let conditions: Vec<String> = conditions.iter().map(|condition| hanging(condition)).collect();
    if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join("\n  AND ")) }
}

/// Further lines stand as far in as the first.
fn hanging(text: &str) -> String {
    text.replace('\n', "\n  ")
}
