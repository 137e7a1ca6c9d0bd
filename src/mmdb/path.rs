//! Where in a record a value stands: `country.names.en`, `subdivisions.0.iso_code`.

use std::fmt;

use maxminddb::PathElement;

/// Records are not nested deeper.
const STEPS_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

impl Path {
    /// Names and numbers between dots.
    pub fn parse(text: &str) -> Option<Self> {
        let step = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
            _ if part.is_empty() => None,
            true => part.parse().ok().map(Step::Index),
            false => Some(Step::Key(part.to_owned())),
        };
        let steps: Vec<Step> = text.split('.').map(step).collect::<Option<_>>()?;
        (steps.len() <= STEPS_MAX).then_some(Self(steps))
    }

    pub(super) fn elements(&self) -> Vec<PathElement<'_>> {
        let element = |step| match step {
            &Step::Index(index) => PathElement::Index(index),
            Step::Key(key) => PathElement::Key(key.as_str()),
        };
        self.0.iter().map(element).collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            let dot = if number == 0 { "" } else { "." };
            match step {
                Step::Key(key) => write!(f, "{dot}{key}")?,
                Step::Index(index) => write!(f, "{dot}{index}")?,
            }
        }
        Ok(())
    }
}
