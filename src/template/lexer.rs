//! The words of a template: text, and what stands between `{{` and `}}`.

/// A word, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// The byte that it begins at.
    pub at: usize,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// What stands outside.
    Text(String),
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// `.`.
    Dot,
    /// `.Name`.
    Field(String),
    /// `$` or `$name`.
    Variable(String),
    /// A name: a keyword or a function.
    Name(String),
    /// A string without its quotes.
    Quoted(String),
    /// A number.
    Number(serde_json::Number),
    /// `|`.
    Pipe,
    /// `(`.
    Left,
    /// `)`.
    Right,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    /// `,`.
    Comma,
    /// Blanks between words: `.A .B` are two, `.A.B` is one.
    Blank,
    /// The end.
    End,
}

/// The words of a template.
///
/// # Errors
/// An action, a string or a comment has no end, or a letter makes no sense.
pub fn lex(source: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    lexer.all()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("template: :{}: {what}", line(self.source, self.at)))
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.tokens.push(Token { kind, at: self.at });
        self.at += length;
    }

    fn all(&mut self) -> Result<(), String> {
        let mut trim = false;
        while !self.rest().is_empty() {
            let open = self.rest().find("{{").unwrap_or(self.rest().len());
            self.text(open, trim);
            if self.rest().is_empty() {
                break;
            }
            trim = self.action()?;
        }
        self.push(Kind::End, 0);
        Ok(())
    }

    fn text(&mut self, length: usize, trim: bool) {
        let mut text = &self.rest()[..length];
        if trim {
            text = text.trim_start();
        }
        if trims_left(&self.rest()[length..]) {
            text = text.trim_end();
        }
        if !text.is_empty() {
            self.tokens.push(Token { kind: Kind::Text(text.to_owned()), at: self.at });
        }
        self.at += length;
    }

    /// From `{{` to `}}`. True if the text behind it is to be trimmed.
    fn action(&mut self) -> Result<bool, String> {
        let skipped = if trims_left(self.rest()) { 3 } else { 2 };
        let inner = self.rest()[skipped..].trim_start();
        if inner.starts_with("/*") {
            return self.comment();
        }
        self.push(Kind::Open, skipped);
        loop {
            let rest = self.rest();
            if rest.starts_with("}}") {
                self.push(Kind::Close, 2);
                return Ok(false);
            }
            let blanks = rest.len() - rest.trim_start().len();
            if blanks > 0 {
                if rest[blanks..].starts_with("-}}") {
                    self.at += blanks;
                    self.push(Kind::Close, 3);
                    return Ok(true);
                }
                self.push(Kind::Blank, blanks);
                continue;
            }
            self.word()?;
        }
    }

    fn comment(&mut self) -> Result<bool, String> {
        let Some(end) = self.rest().find("*/") else { return self.error("unclosed comment") };
        let after = &self.rest()[end + 2..];
        let trimmed = after.trim_start();
        let blanks = after.len() - trimmed.len();
        let (close, trim) = match (trimmed.starts_with("}}") && blanks == 0, trimmed.starts_with("-}}") && blanks > 0) {
            (true, _) => (2, false),
            (_, true) => (3, true),
            _ => return self.error("comment ends before closing delimiter"),
        };
        self.at += end + 2 + blanks + close;
        Ok(trim)
    }

    fn word(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return self.error("unclosed action") };
        let letters = |text: &str| text.chars().take_while(|one| one.is_alphanumeric() || *one == '_').map(char::len_utf8).sum::<usize>();
        match first {
            '.' if rest[1..].starts_with(|one: char| one.is_alphabetic() || one == '_') => {
                let length = letters(&rest[1..]);
                self.push(Kind::Field(rest[1..=length].to_owned()), length + 1);
            }
            '.' if !rest[1..].starts_with(|one: char| one.is_ascii_digit()) => self.push(Kind::Dot, 1),
            '$' => {
                let length = letters(&rest[1..]) + 1;
                self.push(Kind::Variable(rest[..length].to_owned()), length);
            }
            '"' | '`' | '\'' => return self.quoted(first),
            '|' => self.push(Kind::Pipe, 1),
            '(' => self.push(Kind::Left, 1),
            ')' => self.push(Kind::Right, 1),
            ',' => self.push(Kind::Comma, 1),
            ':' if rest.starts_with(":=") => self.push(Kind::Declare, 2),
            ':' => return self.error("expected :="),
            '=' => self.push(Kind::Assign, 1),
            '+' | '-' | '.' | '0'..='9' => return self.number(),
            first if first.is_alphabetic() || first == '_' => {
                let length = letters(rest);
                self.push(Kind::Name(rest[..length].to_owned()), length);
            }
            other => return self.error(&format!("unexpected {:?} in operand", other.to_string())),
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let inner = &self.rest()[1..];
        if quote == '`' {
            let Some(end) = inner.find('`') else { return self.error("unterminated raw quoted string") };
            self.push(Kind::Quoted(inner[..end].to_owned()), end + 2);
            return Ok(());
        }
        let (mut text, mut letters) = (String::new(), inner.char_indices());
        let unterminated = if quote == '"' { "unterminated quoted string" } else { "unterminated character constant" };
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\n' => break,
                '\\' => match letters.next() {
                    Some((_, escaped)) => text.push(unescaped(escaped)),
                    None => break,
                },
                letter if letter == quote => {
                    // A character is its number.
                    let kind =
                        if quote == '\'' { Kind::Number(text.chars().next().map_or(0, u32::from).into()) } else { Kind::Quoted(text) };
                    self.push(kind, at + 2);
                    return Ok(());
                }
                letter => text.push(letter),
            }
        }
        self.error(unterminated)
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let length = rest.find(|one: char| !(one.is_ascii_alphanumeric() || "+-._".contains(one))).unwrap_or(rest.len());
        let text = &rest[..length];
        let plain = text.trim_start_matches('+');
        let number = match plain.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok().map(Into::into),
            None => plain.parse::<i64>().ok().map(Into::into).or_else(|| plain.parse::<f64>().ok().and_then(serde_json::Number::from_f64)),
        };
        let Some(number) = number else { return self.error(&format!("bad number syntax: {text:?}")) };
        self.push(Kind::Number(number), length);
        Ok(())
    }
}

/// `{{-` trims only with a blank behind it: `{{-3}}` is a number.
fn trims_left(rest: &str) -> bool {
    rest.strip_prefix("{{-").is_some_and(|after| after.starts_with(|one: char| one.is_whitespace()))
}

fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        other => other,
    }
}

/// The number of the line that a byte is in.
pub fn line(source: &str, at: usize) -> usize {
    1 + source.as_bytes()[..at.min(source.len())].iter().filter(|byte| **byte == b'\n').count()
}
