//! The closed table of functions and operators.

/// An entry of the table.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
}
