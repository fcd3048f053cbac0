//! Carries a template out.

use serde_json::Value;

use super::functions::{self, truth};
use super::parser::{Branch, Command, Node, Operand, Pipe, What};
use super::print::plain;
use super::{How, Missing, Template};

/// Templates that call each other deeper than this never end.
const DEEPEST: usize = 200;
/// The most text that one template makes, in bytes: a range in a range of a long list has an end.
const LONGEST: usize = 64 << 20;

/// What is written, or the error behind what was written before it.
pub fn run(template: &Template, data: &Value, how: How<'_>) -> Result<String, (String, String)> {
    let mut run = Run { template, how, out: String::new(), variables: vec![("$".to_owned(), data.clone())], depth: 0, name: String::new() };
    match run.nodes(&template.nodes, data) {
        Ok(_) => Ok(run.out),
        Err(error) => Err((run.out, error)),
    }
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    template: &'a Template,
    how: How<'a>,
    out: String,
    variables: Vec<(String, Value)>,
    depth: usize,
    /// The template that is being carried out: empty for the first.
    name: String,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if self.out.len() > LONGEST {
                return Err("template: what it makes is too long".to_owned());
            }
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    let text = if value.is_null() { self.nothing(pipe) } else { plain(&value) };
                    self.out.push_str(&text);
                }
            }
            Node::If(branch) => return self.scoped(|run| run.choose(branch, dot, false)),
            Node::With(branch) => return self.scoped(|run| run.choose(branch, dot, true)),
            Node::Range(branch) => return self.scoped(|run| run.range(branch, dot)),
            Node::Template(name, pipe) => self.call(name, pipe.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// How a field that is null is printed: that depends on what Go would have there.
    fn nothing(&self, pipe: &Pipe) -> String {
        let words = pipe.commands.first().map_or(&[][..], |command| &command.words);
        let zero = match words {
            [Operand { what: What::Field(path) | What::Variable(_, path), .. }] if pipe.commands.len() == 1 => match &path[..] {
                [.., holder, name] => (self.how.zero)(holder, name),
                [name] => (self.how.zero)("", name),
                [] => None,
            },
            _ => None,
        };
        zero.map_or_else(|| plain(&Value::Null), |zero| zero.shown.to_owned())
    }

    fn scoped<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let known = self.variables.len();
        let done = work(self);
        self.variables.truncate(known);
        done
    }

    fn choose(&mut self, branch: &Branch, dot: &Value, moves: bool) -> Result<Flow, String> {
        let value = self.pipe(&branch.pipe, dot)?;
        if truth(&value) {
            let dot = if moves { &value } else { dot };
            return self.scoped(|run| run.nodes(&branch.then, dot));
        }
        self.scoped(|run| run.nodes(&branch.otherwise, dot))
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, String> {
        // Its variables get the elements, not the whole.
        let bare = Pipe { variables: Vec::new(), ..branch.pipe.clone() };
        let value = self.pipe(&bare, dot)?;
        let pairs: Vec<(Value, Value)> = match &value {
            Value::Array(list) => list.iter().cloned().enumerate().map(|(at, one)| (at.into(), one)).collect(),
            Value::Object(map) => {
                let mut pairs: Vec<_> = map.iter().map(|(key, one)| (Value::from(key.as_str()), one.clone())).collect();
                // Go gives maps by the order of their keys.
                pairs.sort_by(|one, other| one.0.as_str().cmp(&other.0.as_str()));
                pairs
            }
            Value::Null => Vec::new(),
            Value::Number(number) => (0..number.as_i64().unwrap_or(0)).take(LONGEST).map(|at| (at.into(), at.into())).collect(),
            other => return Err(self.failed(&branch.pipe, &format!("range can't iterate over {}", plain(other)))),
        };
        if pairs.is_empty() {
            return self.nodes(&branch.otherwise, dot);
        }
        for (key, one) in pairs {
            let flow = self.scoped(|run| {
                match &branch.pipe.variables[..] {
                    [element] => run.set(element, &one, branch.pipe.assigns),
                    [index, element] => {
                        run.set(index, &key, branch.pipe.assigns);
                        run.set(element, &one, branch.pipe.assigns);
                    }
                    _ => {}
                }
                run.nodes(&branch.then, &one)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, name: &str, value: &Value, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| assigns && known == name) {
            Some((_, held)) => *held = value.clone(),
            None => self.variables.push((name.to_owned(), value.clone())),
        }
    }

    fn call(&mut self, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<(), String> {
        let value = pipe.map_or(Ok(Value::Null), |pipe| self.pipe(pipe, dot))?;
        let Some(nodes) = self.template.named.get(name) else { return Err(format!("template: template \"{name}\" not defined")) };
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("template: exceeded maximum template depth".to_owned());
        }
        let outer = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
        let before = std::mem::replace(&mut self.name, name.to_owned());
        let done = self.nodes(nodes, &value);
        (self.variables, self.name) = (outer, before);
        self.depth -= 1;
        done.map(drop)
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Null);
        pipe.variables.iter().for_each(|name| self.set(name, &value, pipe.assigns));
        Ok(value)
    }

    /// A word, or a function of the words behind it and of what comes from the left.
    fn command(&mut self, command: &Command, dot: &Value, left: Option<Value>) -> Result<Value, String> {
        let Some((first, rest)) = command.words.split_first() else { return Ok(left.unwrap_or(Value::Null)) };
        if let What::Function(name) = &first.what {
            return self.function(name, first, rest, dot, left);
        }
        if rest.is_empty() && left.is_none() {
            return self.operand(first, dot);
        }
        let arguments = rest.iter().map(|word| self.operand(word, dot)).chain(left.map(Ok)).collect::<Result<Vec<Value>, String>>()?;
        self.method(first, dot, &arguments)
    }

    fn method(&mut self, word: &Operand, dot: &Value, arguments: &[Value]) -> Result<Value, String> {
        let (holder, path) = match &word.what {
            What::Field(path) => (dot.clone(), path),
            What::Variable(name, path) => (self.variable(name), path),
            What::Pipe(pipe, path) => (self.pipe(pipe, dot)?, path),
            _ => return Err(self.at(word, "can't give argument to non-function")),
        };
        let Some((name, before)) = path.split_last() else { return Err(self.at(word, "can't give argument to non-function")) };
        let holder = self.walk(holder, before, word)?;
        match (self.how.methods)(&holder, name, arguments) {
            Some(value) => Ok(value),
            None => Err(self.at(word, &format!("{name} has arguments but cannot be invoked as function"))),
        }
    }

    fn function(&mut self, name: &str, word: &Operand, rest: &[Operand], dot: &Value, left: Option<Value>) -> Result<Value, String> {
        // These two look at no more than they must.
        if ["and", "or"].contains(&name) {
            let mut last = None;
            for word in rest {
                let value = self.operand(word, dot)?;
                let decided = truth(&value) == (name == "or");
                last = Some(value);
                if decided {
                    return Ok(last.unwrap_or_default());
                }
            }
            return left.or(last).ok_or_else(|| self.at(word, &format!("wrong number of args for {name}: want at least 1 got 0")));
        }
        let mut arguments = rest.iter().map(|word| self.operand(word, dot)).collect::<Result<Vec<Value>, String>>()?;
        arguments.extend(left);
        functions::call(name, &arguments, self.how.heads).map_err(|why| self.at(word, &why))
    }

    fn variable(&self, name: &str) -> Value {
        self.variables.iter().rev().find(|(known, _)| known == name).map_or(Value::Null, |(_, value)| value.clone())
    }

    fn operand(&mut self, word: &Operand, dot: &Value) -> Result<Value, String> {
        match &word.what {
            What::Dot => Ok(dot.clone()),
            What::Nil => Ok(Value::Null),
            What::Constant(value) => Ok(value.clone()),
            What::Field(path) => self.walk(dot.clone(), path, word),
            What::Variable(name, path) => self.walk(self.variable(name), path, word),
            What::Pipe(pipe, path) => {
                let value = self.pipe(pipe, dot)?;
                self.walk(value, path, word)
            }
            What::Function(name) => self.function(name, word, &[], dot, None),
        }
    }

    fn walk(&self, mut value: Value, path: &[String], word: &Operand) -> Result<Value, String> {
        for (at, name) in path.iter().enumerate() {
            let holder = at.checked_sub(1).map_or("", |before| path[before].as_str());
            value = match value {
                Value::Object(mut map) => match map.swap_remove(name.as_str()) {
                    Some(found) => found,
                    None => match (self.how.methods)(&Value::Object(map), name, &[]) {
                        Some(made) => made,
                        None => match (self.how.zero)(holder, name) {
                            Some(zero) => zero.value,
                            None => self.missing(name, word)?,
                        },
                    },
                },
                Value::Null if self.how.missing == Missing::NoValue => Value::Null,
                Value::Null => return Err(self.at(word, &format!("nil pointer evaluating interface {{}}.{name}"))),
                other => return Err(self.at(word, &format!("can't evaluate field {name} in type {}", kind(&other)))),
            };
        }
        Ok(value)
    }

    fn missing(&self, name: &str, word: &Operand) -> Result<Value, String> {
        match self.how.missing {
            Missing::NoValue => Ok(Value::Null),
            Missing::Key => Err(self.at(word, &format!("map has no entry for key {name:?}"))),
            Missing::Field(kind) => Err(self.at(word, &format!("can't evaluate field {name} in type {kind}"))),
        }
    }

    fn failed(&self, pipe: &Pipe, why: &str) -> String {
        match pipe.commands.first().and_then(|command| command.words.first()) {
            Some(word) => self.at(word, why),
            None => why.to_owned(),
        }
    }

    /// An error at a word, as Go places it.
    fn at(&self, word: &Operand, why: &str) -> String {
        let before = &self.template.source[..word.at.min(self.template.source.len())];
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(before.len(), |end| before.len() - end);
        let shown: String =
            if word.shown.chars().count() > 20 { word.shown.chars().take(20).chain("...".chars()).collect() } else { word.shown.clone() };
        let why = if matches!(word.what, What::Function(_)) && !why.starts_with("wrong number") {
            format!("error calling {shown}: {why}")
        } else {
            why.to_owned()
        };
        format!("template: :{line}:{column}: executing \"{}\" at <{shown}>: {why}", self.name)
    }
}

/// The name that Go has for the type of a value that came from JSON.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "interface {}",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
