//! The language of nginx's configuration: words, blocks, comments, includes. What the words mean is for [`super::model`].

use std::path::{Path, PathBuf};

/// A directive with its arguments, and its block if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its first word.
    pub name: String,
    /// The others.
    pub arguments: Vec<String>,
    /// What stands between its braces.
    pub block: Option<Vec<Directive>>,
    /// Where it stands: `file:line`.
    pub place: String,
}

impl Directive {
    /// The first argument, or nothing.
    pub fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

/// A mistake, in nginx's words; the place is in it.
pub type Mistake = String;

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Reads a file with all that it includes.
///
/// # Errors
/// The first mistake, with file and line.
pub fn read(path: &Path) -> Result<Vec<Directive>, Mistake> {
    read_below(path, 0)
}

fn read_below(path: &Path, depth: u32) -> Result<Vec<Directive>, Mistake> {
    if depth > 8 {
        return Err(format!("too many levels of include at \"{}\"", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let number = error.raw_os_error().unwrap_or(0);
        format!("open() \"{}\" failed ({number}: {})", path.display(), crate::toolbox::failure::reason(&error))
    })?;
    parse(&text, path, depth)
}

/// Reads a text; `path` is for messages and for relative includes.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, path: &Path, depth: u32) -> Result<Vec<Directive>, Mistake> {
    let tokens = tokens(text, path)?;
    let mut tokens = tokens.into_iter();
    let (directives, closed) = block(&mut tokens, path, depth, text.lines().count())?;
    match closed {
        Some(line) => Err(format!("unexpected \"}}\" in {}:{line}", path.display())),
        None => Ok(directives),
    }
}

/// The directives up to the end of the block, and the line of its brace; `None` at the end of the text.
fn block(
    tokens: &mut impl Iterator<Item = (Token, usize)>,
    path: &Path,
    depth: u32,
    last: usize,
) -> Result<(Vec<Directive>, Option<usize>), Mistake> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut first_line = 0;
    while let Some((token, line)) = tokens.next() {
        let place = format!("{}:{line}", path.display());
        match token {
            Token::Word(word) => {
                first_line = if words.is_empty() { line } else { first_line };
                words.push(word);
            }
            Token::Close if words.is_empty() => return Ok((all, Some(line))),
            Token::Close => return Err(format!("unexpected \"}}\" in {place}")),
            Token::End | Token::Open if words.is_empty() => {
                let sign = if matches!(token, Token::End) { ";" } else { "{" };
                return Err(format!("unexpected \"{sign}\" in {place}"));
            }
            Token::End => {
                let directive = directive(&mut words, None, path, first_line);
                if directive.name == "include" {
                    all.extend(included(&directive, path, depth)?);
                } else {
                    all.push(directive);
                }
            }
            Token::Open => {
                let mut opened = directive(&mut words, None, path, first_line);
                let (inner, closed) = block(tokens, path, depth, last)?;
                if closed.is_none() {
                    return Err(format!("unexpected end of file, expecting \"}}\" in {}:{last}", path.display()));
                }
                opened.block = Some(inner);
                all.push(opened);
            }
        }
    }
    if words.is_empty() {
        Ok((all, None))
    } else {
        Err(format!("unexpected end of file, expecting \";\" or \"}}\" in {}:{last}", path.display()))
    }
}

fn directive(words: &mut Vec<String>, block: Option<Vec<Directive>>, path: &Path, line: usize) -> Directive {
    let mut words = std::mem::take(words).into_iter();
    Directive { name: words.next().unwrap_or_default(), arguments: words.collect(), block, place: format!("{}:{line}", path.display()) }
}

/// `include` with at most one `*` in its last part; no file is an error only without a star.
fn included(directive: &Directive, from: &Path, depth: u32) -> Result<Vec<Directive>, Mistake> {
    let asked = PathBuf::from(directive.first());
    let asked = if asked.is_absolute() { asked } else { Path::new("/etc/nginx").join(asked) };
    let name = asked.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else {
        return read_below(&asked, depth + 1).map_err(|mistake| format!("{mistake} in {}", directive.place));
    };
    let folder = asked.parent().unwrap_or(from);
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter(|name| name.len() >= name_length(before, after) && name.starts_with(before) && name.ends_with(after)).collect();
    names.sort();
    let files = names.into_iter().map(|name| read_below(&folder.join(name), depth + 1));
    Ok(files.collect::<Result<Vec<_>, _>>()?.concat())
}

fn name_length(before: &str, after: &str) -> usize {
    before.len() + after.len()
}

fn tokens(text: &str, path: &Path) -> Result<Vec<(Token, usize)>, Mistake> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    let mut line = 1;
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => line += 1,
            letter if letter.is_whitespace() => {}
            '#' => while letters.next_if(|letter| *letter != '\n').is_some() {},
            ';' => found.push((Token::End, line)),
            '{' => found.push((Token::Open, line)),
            '}' => found.push((Token::Close, line)),
            '"' | '\'' => {
                let (began, mut word) = (line, String::new());
                loop {
                    match letters.next() {
                        None => return Err(format!("unexpected end of file, expecting \"{letter}\" in {}:{began}", path.display())),
                        Some('\\') => word.extend(letters.next().map(|next| if next == 'n' { '\n' } else { next })),
                        Some(end) if end == letter => break,
                        Some(other) => {
                            line += usize::from(other == '\n');
                            word.push(other);
                        }
                    }
                }
                found.push((Token::Word(word), began));
            }
            letter => {
                let mut word = String::from(letter);
                // `${name}` and regular expressions like `\d{3}` hold braces; a block's brace stands alone in practice.
                while let Some(next) = letters
                    .next_if(|next| !next.is_whitespace() && !matches!(next, ';' | '{' | '}') || (*next == '{' && word.ends_with('$')))
                {
                    word.push(next);
                    if next == '{' {
                        while let Some(inner) = letters.next_if(|inner| *inner != '}' && *inner != '\n') {
                            word.push(inner);
                        }
                        word.extend(letters.next_if_eq(&'}'));
                    }
                }
                found.push((Token::Word(word), line));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Directive>, Mistake> {
        parse(text, Path::new("/n.conf"), 0)
    }

    #[test]
    fn words_blocks_and_comments() {
        let all =
            parsed("# c\nuser nginx;\nhttp {\n  log_format main '$a \"$b\"'\n    'c';\n  server { return 200 \"a\\nb;\"; }\n}\n").unwrap();
        assert_eq!((all[0].name.as_str(), all[0].first(), all[0].place.as_str()), ("user", "nginx", "/n.conf:2"));
        let http = all[1].block.as_ref().unwrap();
        assert_eq!(http[0].arguments, ["main", "$a \"$b\"", "c"]);
        assert_eq!(http[1].block.as_ref().unwrap()[0].arguments, ["200", "a\nb;"]);
        assert_eq!(parsed("set $a ${b}c;").unwrap()[0].arguments, ["$a", "${b}c"]);
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (text, mistake) in [
            ("http {\n server {\n", "unexpected end of file, expecting \"}\" in /n.conf:2"),
            ("user nginx", "unexpected end of file, expecting \";\" or \"}\" in /n.conf:1"),
            ("}\n", "unexpected \"}\" in /n.conf:1"),
            ("a;\n;\n", "unexpected \";\" in /n.conf:2"),
            ("http {\n user nginx\n}\n", "unexpected \"}\" in /n.conf:3"),
            ("a 'b;\n", "unexpected end of file, expecting \"'\" in /n.conf:1"),
            ("include /no/such/file;\n", "open() \"/no/such/file\" failed (2: No such file or directory) in /n.conf:1"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), mistake, "{text:?}");
        }
    }
}
