//! Go templates: the language of `--format`.
//!
//! What Go's `text/template` calls data is JSON here. A field of an object is a field of a struct or an entry of a map, as Docker's own types would have it; what is
//! missing is answered as [`Missing`] says, because Docker answers it differently for lists, for `inspect` and for everything else.
//!
//! ```text
//!  text ── lexer ── tokens ── parser ── nodes ── eval (data, functions) ── text
//! ```
//!
//! There are fields, pipelines, variables, `if`, `range`, `with`, `else if`, `else with`, `break`, `continue`, `define`, `template`, `block`, comments, trimming
//! (`{{-`), Go's own functions and those that Docker adds. Errors have Go's words and places. What is left out: functions as values (`call`), and complex numbers.

mod eval;
mod functions;
mod lexer;
mod parser;
mod print;

use std::collections::HashMap;

use serde_json::Value;

/// What a field that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An error: a struct of this Go type has no such field.
    Field(&'static str),
    /// An error: a map has no such entry.
    Key,
    /// Nothing: `<no value>`.
    NoValue,
}

/// A template that was understood.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    nodes: Vec<parser::Node>,
    named: HashMap<String, Vec<parser::Node>>,
}

/// A method of the data with arguments, as `.Label "name"`: None if there is no such one.
pub type Methods<'a> = &'a dyn Fn(&Value, &str, &[Value]) -> Option<Value>;

/// How a template is carried out.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// What a missing field means.
    pub missing: Missing,
    /// Methods of the data.
    pub methods: Methods<'a>,
    /// The data are the heads of a table: functions that would change them leave them alone.
    pub heads: bool,
    /// What a field (its holder's name, its own) has where the document has none.
    pub zero: fn(&str, &str) -> Option<Zero>,
}

/// What Go has in a field of a struct that nobody set. A list, a map and a pointer are `null` in JSON, and are printed differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Zero {
    /// Its value.
    pub value: Value,
    /// How it is printed.
    pub shown: &'static str,
}

impl How<'_> {
    /// Without methods.
    pub fn plain(missing: Missing) -> Self {
        How { missing, methods: &|_, _, _| None, heads: false, zero: |_, _| None }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It is none, in Go's words: `template: :1: unclosed action`.
    pub fn read(source: &str) -> Result<Self, String> {
        let (nodes, named) = parser::parse(source)?;
        Ok(Template { source: source.to_owned(), nodes, named })
    }

    /// The text that it makes of data.
    ///
    /// # Errors
    /// The data have no such field, or a function cannot take what it is given. What was written before is the first half of the pair.
    pub fn render(&self, data: &Value, how: How<'_>) -> Result<String, (String, String)> {
        eval::run(self, data, how)
    }
}

#[cfg(test)]
mod tests;
