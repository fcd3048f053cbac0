//! The tree of a template.

use std::collections::HashMap;

use super::functions;
use super::lexer::{Kind, Token, lex, line};

/// Deeper than people write, and shallow enough for the stack.
const DEEPEST: usize = 100;

/// A piece of a template.
#[derive(Debug, Clone)]
pub enum Node {
    /// Text that is written as it is.
    Text(String),
    /// A value that is written, or a variable that is set.
    Action(Pipe),
    /// `if`.
    If(Branch),
    /// `with`.
    With(Branch),
    /// `range`.
    Range(Branch),
    /// `template "name" pipeline`.
    Template(String, Option<Pipe>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
}

/// What depends on a value.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The value.
    pub pipe: Pipe,
    /// If it is there.
    pub then: Vec<Node>,
    /// If not.
    pub otherwise: Vec<Node>,
}

/// Commands, each given what the one before it made.
#[derive(Debug, Clone)]
pub struct Pipe {
    /// The variables that get the value.
    pub variables: Vec<String>,
    /// Whether they are there already.
    pub assigns: bool,
    /// The commands.
    pub commands: Vec<Command>,
}

/// A value, or a function with its arguments.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its words.
    pub words: Vec<Operand>,
}

/// A word, where it stands, and how it is written there.
#[derive(Debug, Clone)]
pub struct Operand {
    /// What it is.
    pub what: What,
    /// The byte that Go's errors name.
    pub at: usize,
    /// Its text.
    pub shown: String,
}

/// What a word is.
#[derive(Debug, Clone)]
pub enum What {
    /// `.`.
    Dot,
    /// `nil`.
    Nil,
    /// A constant.
    Constant(serde_json::Value),
    /// `.A.B`.
    Field(Vec<String>),
    /// `$x.A.B`.
    Variable(String, Vec<String>),
    /// A function.
    Function(String),
    /// `(...)`, and fields of what it makes.
    Pipe(Box<Pipe>, Vec<String>),
}

type Named = HashMap<String, Vec<Node>>;

/// Reads a template and those that it defines.
///
/// # Errors
/// It is none, in Go's words.
pub fn parse(source: &str) -> Result<(Vec<Node>, Named), String> {
    let tokens = lex(source)?;
    let mut parser = Parser { source, tokens, next: 0, named: HashMap::new(), variables: vec!["$".to_owned()], depth: 0, ranges: 0 };
    let (nodes, end) = parser.nodes()?;
    if let End::Word(word) = end {
        return parser.error(&format!("unexpected {{{{{word}}}}}"));
    }
    Ok((nodes, parser.named))
}

/// What a list of nodes ended with.
enum End {
    File,
    Word(String),
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    next: usize,
    named: Named,
    variables: Vec<String>,
    depth: usize,
    ranges: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        self.tokens.get(self.next).map_or(&Kind::End, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.source.len(), |token| token.at)
    }

    fn take(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.next += 1;
        kind
    }

    fn skip_blanks(&mut self) {
        while self.peek() == &Kind::Blank {
            self.next += 1;
        }
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("template: :{}: {what}", line(self.source, self.at())))
    }

    /// Nodes until the end, or until `else`, `end`.
    fn nodes(&mut self) -> Result<(Vec<Node>, End), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.error("too many actions inside each other");
        }
        let mut nodes = Vec::new();
        let end = loop {
            match self.take() {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::End => break End::File,
                Kind::Open => {
                    self.skip_blanks();
                    if let Some(word) = self.ending() {
                        break End::Word(word);
                    }
                    nodes.extend(self.action()?);
                }
                _ => return self.error("unexpected token"),
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn ending(&mut self) -> Option<String> {
        let Kind::Name(name) = self.peek() else { return None };
        let name = name.clone();
        ["else", "end"].contains(&name.as_str()).then(|| {
            self.next += 1;
            name
        })
    }

    fn action(&mut self) -> Result<Option<Node>, String> {
        let Kind::Name(name) = self.peek().clone() else { return Ok(Some(Node::Action(self.closed_pipe("command")?))) };
        match name.as_str() {
            "if" | "with" | "range" => {
                self.next += 1;
                self.branch(&name).map(Some)
            }
            "define" => self.define().map(|()| None),
            "block" => self.block().map(Some),
            "template" => {
                self.next += 1;
                let called = self.name_of("template")?;
                self.skip_blanks();
                let pipe = if self.peek() == &Kind::Close { self.close().map(|()| None)? } else { Some(self.closed_pipe("template")?) };
                Ok(Some(Node::Template(called, pipe)))
            }
            "break" | "continue" if self.ranges > 0 => {
                self.next += 1;
                self.close()?;
                Ok(Some(if name == "break" { Node::Break } else { Node::Continue }))
            }
            "break" | "continue" => self.error(&format!("{{{{{name}}}}} outside {{{{range}}}}")),
            _ => Ok(Some(Node::Action(self.closed_pipe("command")?))),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.skip_blanks();
        match self.peek() {
            Kind::Close => {
                self.next += 1;
                Ok(())
            }
            Kind::End => self.error("unclosed action"),
            other => self.error(&format!("unexpected {} in end", shown(other))),
        }
    }

    fn name_of(&mut self, context: &str) -> Result<String, String> {
        self.skip_blanks();
        match self.take() {
            Kind::Quoted(name) => Ok(name),
            other => self.error(&format!("unexpected {} in {context} clause", shown(&other))),
        }
    }

    fn define(&mut self) -> Result<(), String> {
        self.next += 1;
        let name = self.name_of("define")?;
        self.close()?;
        let body = self.body("define")?;
        self.named.insert(name, body);
        Ok(())
    }

    fn block(&mut self) -> Result<Node, String> {
        self.next += 1;
        let name = self.name_of("block")?;
        let pipe = self.closed_pipe("block")?;
        let body = self.body("block")?;
        self.named.insert(name.clone(), body);
        Ok(Node::Template(name, Some(pipe)))
    }

    /// Nodes until `end`, with variables of their own.
    fn body(&mut self, context: &str) -> Result<Vec<Node>, String> {
        let known = self.variables.len();
        let (nodes, end) = self.nodes()?;
        self.variables.truncate(known);
        match end {
            End::Word(word) if word == "end" => self.close().map(|()| nodes),
            End::Word(word) => self.error(&format!("unexpected {{{{{word}}}}} in {context} clause")),
            End::File => self.error("unexpected EOF"),
        }
    }

    fn branch(&mut self, kind: &str) -> Result<Node, String> {
        let known = self.variables.len();
        let pipe = self.closed_pipe(kind)?;
        self.ranges += usize::from(kind == "range");
        let (then, end) = self.nodes()?;
        let otherwise = match end {
            End::File => return self.error("unexpected EOF"),
            End::Word(word) if word == "end" => self.close().map(|()| Vec::new())?,
            End::Word(_) => self.otherwise(kind)?,
        };
        self.ranges -= usize::from(kind == "range");
        self.variables.truncate(known);
        let branch = Branch { pipe, then, otherwise };
        Ok(match kind {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    /// Behind `else`: `else if` and `else with` are a branch that shares our `end`.
    fn otherwise(&mut self, kind: &str) -> Result<Vec<Node>, String> {
        self.skip_blanks();
        if let Kind::Name(name) = self.peek().clone()
            && name == kind
            && ["if", "with"].contains(&kind)
        {
            self.next += 1;
            return Ok(vec![self.branch(kind)?]);
        }
        self.close()?;
        let (nodes, end) = self.nodes()?;
        match end {
            End::Word(word) if word == "end" => self.close().map(|()| nodes),
            End::Word(_) => self.error("expected end; found {{else}}"),
            End::File => self.error("unexpected EOF"),
        }
    }

    fn closed_pipe(&mut self, context: &str) -> Result<Pipe, String> {
        let pipe = self.pipe(context)?;
        match self.take() {
            Kind::Close => Ok(pipe),
            _ => {
                self.next -= 1;
                self.error("unclosed action")
            }
        }
    }

    /// A pipeline up to what ends it, which is left.
    fn pipe(&mut self, context: &str) -> Result<Pipe, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.error("too many pipelines inside each other");
        }
        self.skip_blanks();
        let (variables, assigns) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                Kind::Close | Kind::Right if commands.is_empty() => return self.error(&format!("missing value for {context}")),
                Kind::Close | Kind::Right => break,
                Kind::End => return self.error("unclosed action"),
                _ => commands.push(self.command()?),
            }
        }
        if let Some(at) = commands.iter().skip(1).position(|command: &Command| !can_be_given(command)) {
            return self.error(&format!("non executable command in pipeline stage {}", at + 2));
        }
        self.depth -= 1;
        Ok(Pipe { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and of a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), String> {
        let (start, mut names) = (self.next, Vec::new());
        while let Kind::Variable(name) = self.peek().clone() {
            self.next += 1;
            names.push(name);
            self.skip_blanks();
            match self.peek() {
                Kind::Comma if context == "range" && names.len() == 1 => {
                    self.next += 1;
                    self.skip_blanks();
                }
                Kind::Declare => {
                    self.next += 1;
                    self.variables.extend(names.clone());
                    return Ok((names, false));
                }
                Kind::Assign => {
                    self.next += 1;
                    return Ok((names, true));
                }
                Kind::Comma => return self.error("too many declarations in command"),
                _ => break,
            }
        }
        self.next = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Command, String> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                Kind::Close | Kind::Right | Kind::End => break,
                Kind::Pipe => {
                    self.next += 1;
                    self.skip_blanks();
                    if matches!(self.peek(), Kind::Close | Kind::Right) {
                        return self.error("missing value for command");
                    }
                    break;
                }
                _ => words.push(self.operand()?),
            }
        }
        if words.is_empty() { self.error("empty command") } else { Ok(Command { words }) }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let (start, at) = (self.next, self.at());
        let mut what = match self.take() {
            Kind::Dot => What::Dot,
            Kind::Field(name) => What::Field(vec![name]),
            Kind::Variable(name) if self.variables.contains(&name) => What::Variable(name, Vec::new()),
            Kind::Variable(name) => return self.error(&format!("undefined variable \"{name}\"")),
            Kind::Quoted(text) => What::Constant(text.into()),
            Kind::Number(number) => What::Constant(number.into()),
            Kind::Name(name) => self.named_operand(name)?,
            Kind::Left => {
                let pipe = self.pipe("parenthesized pipeline")?;
                if self.take() != Kind::Right {
                    self.next -= 1;
                    return self.error("unclosed left paren");
                }
                What::Pipe(Box::new(pipe), Vec::new())
            }
            other => {
                self.next -= 1;
                return self.error(&format!("unexpected {} in operand", shown(&other)));
            }
        };
        let place = self.fields(&mut what, at)?;
        let end = self.at();
        let text = self.source[self.tokens[start].at..end].trim().to_owned();
        Ok(Operand { what, at: place, shown: text })
    }

    /// Fields right behind a word belong to it. Gives the place that Go names in errors: that of the first of them.
    fn fields(&mut self, what: &mut What, at: usize) -> Result<usize, String> {
        let mut place = at;
        let mut first = true;
        while let Kind::Field(name) = self.peek().clone() {
            if std::mem::take(&mut first) {
                place = self.at();
            }
            match what {
                What::Field(path) | What::Variable(_, path) | What::Pipe(_, path) => path.push(name),
                What::Dot => return self.error("unexpected . after term \".\""),
                _ => return self.error(&format!("unexpected <.{name}> after term")),
            }
            self.next += 1;
        }
        Ok(place)
    }

    fn named_operand(&mut self, name: String) -> Result<What, String> {
        match name.as_str() {
            "true" | "false" => Ok(What::Constant((name == "true").into())),
            "nil" => Ok(What::Nil),
            _ if functions::known(&name) => Ok(What::Function(name)),
            _ => {
                self.next -= 1;
                self.error(&format!("function \"{name}\" not defined"))
            }
        }
    }
}

/// Constants take no argument from the left.
fn can_be_given(command: &Command) -> bool {
    !command.words.first().is_some_and(|word| matches!(word.what, What::Constant(_) | What::Nil | What::Dot))
}

fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Close => "\"}}\"".to_owned(),
        Kind::Pipe => "\"|\"".to_owned(),
        Kind::Right => "right paren".to_owned(),
        Kind::Left => "\"(\"".to_owned(),
        Kind::Declare => "\":=\"".to_owned(),
        Kind::Assign => "\"=\"".to_owned(),
        Kind::Comma => "\",\"".to_owned(),
        Kind::Field(name) => format!("<.{name}>"),
        Kind::Variable(name) | Kind::Name(name) => format!("<{name}>"),
        Kind::Quoted(text) => format!("{text:?}"),
        Kind::Number(number) => format!("\"{number}\""),
        Kind::End => "EOF".to_owned(),
        _ => "token".to_owned(),
    }
}
