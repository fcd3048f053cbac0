//! From text to instructions as text: comments, parser directives, continuations, here-documents.
//!
//! The rules are BuildKit's, which differ from a shell's: a comment or an empty line between continued lines vanishes; the escape character
//! may be changed in the first lines; a here-document belongs to `RUN`, `COPY` and `ADD` only.

use super::words;
use super::{Error, Result};

/// The lines before the first instruction that tell the parser something: `# name=value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The image of the front end that should read the file. We read it ourselves, and say so.
    pub syntax: Option<String>,
    /// The character that continues lines and takes the meaning from the next: `\` or `` ` ``.
    pub escape: Option<char>,
    /// Settings of the linter.
    pub check: Option<String>,
}

/// A document in the middle of the file: `<<NAME` and what follows up to a line `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDocument {
    /// The line that ends it, and the name of the file that it makes.
    pub name: String,
    /// The text, with the tabs at the beginnings of lines taken away if it was `<<-`.
    pub content: String,
    /// Variables in it are replaced: its name was not in quotes.
    pub expand: bool,
    /// The number before `<<`, a file descriptor.
    pub descriptor: Option<u32>,
}

/// An instruction as it stands in the file, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its first line, from 1.
    pub line: usize,
    /// Its last line.
    pub last_line: usize,
    /// The first word as written.
    pub keyword: String,
    /// Everything after it, without blanks at both ends.
    pub rest: String,
    /// The documents that it brings along.
    pub documents: Vec<HereDocument>,
    /// The lines of the file, for messages and `docker history`.
    pub source: String,
    /// The comment right above it.
    pub comment: Vec<String>,
}

/// What the file says, line by line.
pub struct Lines {
    /// The directives.
    pub directives: Directives,
    /// The escape character that holds.
    pub escape: char,
    /// The instructions in their order.
    pub statements: Vec<Statement>,
    /// Remarks that are no errors: line and text.
    pub warnings: Vec<(usize, String)>,
}

/// Reads a whole file.
///
/// # Errors
/// A directive is wrong or comes twice, or a here-document has no end.
pub fn read(text: &str) -> Result<Lines> {
    // The mark that some editors put in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let directives = directives(text)?;
    let escape = directives.escape.unwrap_or('\\');
    let mut reader = Reader { lines: text.split_inclusive('\n').collect(), at: 0, escape, comment: Vec::new(), warnings: Vec::new() };
    let mut statements = Vec::new();
    while let Some(statement) = reader.statement()? {
        statements.push(statement);
    }
    let warnings = reader.warnings;
    Ok(Lines { directives, escape, statements, warnings })
}

fn directives(text: &str) -> Result<Directives> {
    let mut found = Directives::default();
    for (number, line) in text.lines().enumerate() {
        let Some((name, value)) = directive(line) else { break };
        let twice = || Error::at(number + 1, format!("only one {name} parser directive can be used"));
        match name.as_str() {
            "syntax" if found.syntax.replace(value.to_owned()).is_some() => return Err(twice()),
            "check" if found.check.replace(value.to_owned()).is_some() => return Err(twice()),
            "escape" => {
                let escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => return Err(Error::at(number + 1, format!("invalid escape token '{other}' does not match ` or \\"))),
                };
                if found.escape.replace(escape).is_some() {
                    return Err(twice());
                }
            }
            "syntax" | "check" => {}
            // An unknown one is a comment, and ends the directives.
            _ => break,
        }
    }
    Ok(found)
}

/// `# name = value`; the name in lower case.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.as_bytes()[0].is_ascii_digit();
    (word && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

struct Reader<'a> {
    /// The lines with their ends.
    lines: Vec<&'a str>,
    at: usize,
    escape: char,
    comment: Vec<String>,
    warnings: Vec<(usize, String)>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied();
        self.at += usize::from(line.is_some());
        line
    }

    fn statement(&mut self) -> Result<Option<Statement>> {
        let (first, start) = loop {
            let Some(line) = self.next() else { return Ok(None) };
            let line = trim_end_of_line(line);
            let trimmed = line.trim_start();
            if let Some(comment) = trimmed.strip_prefix('#') {
                self.comment.push(comment.trim().to_owned());
            } else if trimmed.is_empty() {
                self.comment.clear();
            } else {
                break (trimmed, self.at);
            }
        };
        let text = self.continued(first, start);
        let (keyword, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let (keyword, rest) = (keyword.to_owned(), rest.trim().to_owned());
        let documents = if takes_documents(&keyword, &rest, self.escape) { self.documents(&rest, start)? } else { Vec::new() };
        let source = self.lines[start - 1..self.at].concat().trim_end().to_owned();
        let comment = std::mem::take(&mut self.comment);
        Ok(Some(Statement { line: start, last_line: self.at, keyword, rest, documents, source, comment }))
    }

    /// The line with all that continue it.
    fn continued(&mut self, first: &str, start: usize) -> String {
        let (mut text, mut goes_on) = self.without_escape(first);
        let mut empty = false;
        while goes_on {
            let Some(line) = self.next() else { break };
            let line = trim_end_of_line(line);
            let trimmed = line.trim();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                empty = true;
                continue;
            }
            let (more, again) = self.without_escape(line);
            text.push_str(&more);
            goes_on = again;
        }
        if empty {
            self.warnings
                .push((start, "Empty continuation line found in the instruction; it will be an error in a future syntax".to_owned()));
        }
        text
    }

    /// The line without an escape character at its end, and whether there was one. Two of them are a character that was escaped.
    fn without_escape(&self, line: &str) -> (String, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest.to_owned(), true),
            _ => (line.to_owned(), false),
        }
    }

    fn documents(&mut self, rest: &str, start: usize) -> Result<Vec<HereDocument>> {
        let mut documents = Vec::new();
        for word in words::split(rest, self.escape) {
            if let Some((mut document, chomp)) = opening(&word, self.escape) {
                self.body(&mut document, chomp, start)?;
                documents.push(document);
            }
        }
        Ok(documents)
    }

    fn body(&mut self, document: &mut HereDocument, chomp: bool, start: usize) -> Result<()> {
        loop {
            let Some(line) = self.next() else {
                return Err(Error::at(start, format!("unterminated heredoc: there is no line `{}`", document.name)));
            };
            let kept = if chomp { line.trim_start_matches('\t') } else { line };
            if trim_end_of_line(kept) == document.name {
                return Ok(());
            }
            document.content.push_str(kept);
        }
    }
}

fn trim_end_of_line(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// `RUN`, `COPY`, `ADD`, also behind `ONBUILD`, but not where the arguments are a JSON list.
fn takes_documents(keyword: &str, rest: &str, escape: char) -> bool {
    if !rest.contains("<<") {
        return false;
    }
    match keyword.to_ascii_lowercase().as_str() {
        "run" | "copy" | "add" => words::json_list(words::flags(rest, escape).1).is_none(),
        "onbuild" => rest.split_once(char::is_whitespace).is_some_and(|(keyword, rest)| takes_documents(keyword, rest, escape)),
        _ => false,
    }
}

/// Reads `[N]<<[-]NAME`, where the name may be in quotes.
fn opening(word: &str, escape: char) -> Option<(HereDocument, bool)> {
    let digits = word.len() - word.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let rest = word[digits..].strip_prefix("<<")?;
    let (chomp, name) = rest.strip_prefix('-').map_or((false, rest), |name| (true, name));
    if name.is_empty() || name.contains('<') {
        return None;
    }
    let plain = words::without_quotes(name, escape)?;
    if plain.is_empty() || plain.contains(char::is_whitespace) && plain == name {
        return None;
    }
    let document = HereDocument { expand: plain == name, name: plain, content: String::new(), descriptor: word[..digits].parse().ok() };
    Some((document, chomp))
}
