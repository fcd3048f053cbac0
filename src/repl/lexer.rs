//! Enough of the shell's grammar to colour a line, to find the word under the cursor, and to see that a command goes on.
//!
//! bash itself decides what a line means; where this and bash differ, bash wins: a line that was sent too early gets its rest by the mark for
//! "more" (see `bottle::shell`). So what is here may be simple, and must never hold back a line that bash would take.

use std::ops::Range;

/// What a piece of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first word of a command.
    Command,
    /// A reserved word of the shell.
    Keyword,
    /// Any other word.
    Word,
    /// A word in quotes.
    Quoted,
    /// `|`, `&&`, `;`, `>`, a line's end.
    Operator,
    /// `# ...`
    Comment,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where, in bytes.
    pub range: Range<usize>,
}

const KEYWORDS: &[&str] = &[
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in", "function", "{", "}", "!", "time",
    "[[", "]]",
];

/// The pieces of a line, and whether a quote is open at its end.
fn scan(line: &str) -> (Vec<Token>, bool) {
    let bytes = line.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    let mut first = true;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b' ' | b'\t' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = line[at..].find('\n').map_or(bytes.len(), |offset| at + offset);
                tokens.push(Token { kind: Kind::Comment, range: start..at });
            }
            b'|' | b'&' | b';' | b'\n' | b'(' | b')' | b'<' | b'>' => {
                while at < bytes.len() && bytes[at] == bytes[start] && at - start < 3 {
                    at += 1;
                }
                first = !matches!(bytes[start], b'<' | b'>');
                tokens.push(Token { kind: Kind::Operator, range: start..at });
            }
            _ => {
                let (end, quoted, open) = word(bytes, at);
                at = end;
                let text = &line[start..at];
                let kind = match () {
                    () if first && KEYWORDS.contains(&text) => Kind::Keyword,
                    () if first && assigns(text) => Kind::Word,
                    () if first => Kind::Command,
                    () if quoted => Kind::Quoted,
                    () => Kind::Word,
                };
                first = match kind {
                    Kind::Keyword => !matches!(text, "for" | "case" | "in" | "function"),
                    Kind::Word if first => true,
                    _ => false,
                };
                tokens.push(Token { kind, range: start..at });
                if open {
                    return (tokens, true);
                }
            }
        }
    }
    (tokens, false)
}

/// `name=value` before a command.
fn assigns(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The end of the word that begins at `at`, whether it has quotes, and whether one of them is open.
fn word(bytes: &[u8], mut at: usize) -> (usize, bool, bool) {
    let mut quoted = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            quote @ (b'\'' | b'"' | b'`') => {
                quoted = true;
                match closing(bytes, at + 1, quote) {
                    Some(end) => at = end + 1,
                    None => return (bytes.len(), true, true),
                }
            }
            b'$' if bytes.get(at + 1) == Some(&b'(') => match parenthesis(bytes, at + 2) {
                Some(end) => at = end + 1,
                None => return (bytes.len(), quoted, true),
            },
            b' ' | b'\t' | b'\n' | b'|' | b'&' | b';' | b'(' | b')' | b'<' | b'>' => break,
            _ => at += 1,
        }
    }
    (at.min(bytes.len()), quoted, false)
}

fn closing(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    while at < bytes.len() {
        match bytes[at] {
            byte if byte == quote => return Some(at),
            b'\\' if quote != b'\'' => at += 2,
            b'$' if quote == b'"' && bytes.get(at + 1) == Some(&b'(') => at = parenthesis(bytes, at + 2)? + 1,
            _ => at += 1,
        }
    }
    None
}

fn parenthesis(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'\\' => at += 1,
            quote @ (b'\'' | b'"') => at = closing(bytes, at + 1, quote)?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The pieces of a line.
pub fn tokens(line: &str) -> Vec<Token> {
    scan(line).0
}

/// Whether the command goes on in a next line: an open quote, `\`, `|`, `&&`, a here-document, `if` without `fi`.
pub fn goes_on(text: &str) -> bool {
    let Some(text) = without_documents(text) else { return true };
    let (tokens, open) = scan(&text);
    let slashes = text.len() - text.trim_end_matches('\\').len();
    open || slashes % 2 == 1 || ends_in_operator(&text, &tokens) || open_blocks(&text, &tokens) > 0
}

/// The text without the lines of its here-documents; none when one of them has not ended.
fn without_documents(text: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = text.split('\n');
    while let Some(line) = lines.next() {
        kept.push(line);
        for delimiter in delimiters(line) {
            lines.find(|line| line.trim_start_matches('\t') == delimiter)?;
        }
    }
    Some(kept.join("\n"))
}

/// The words after each `<<` of a line, as the line that ends the document must be.
fn delimiters(line: &str) -> Vec<String> {
    let tokens = tokens(line);
    let pairs = tokens.windows(2).filter(|pair| pair[0].kind == Kind::Operator && &line[pair[0].range.clone()] == "<<");
    pairs
        .map(|pair| {
            let word = line[pair[1].range.clone()].replace(['\'', '"', '\\'], "");
            word.strip_prefix('-').map(str::to_owned).unwrap_or(word)
        })
        .collect()
}

fn ends_in_operator(text: &str, tokens: &[Token]) -> bool {
    let last = tokens.iter().rev().find(|token| token.kind != Kind::Comment && &text[token.range.clone()] != "\n");
    last.is_some_and(|token| token.kind == Kind::Operator && matches!(&text[token.range.clone()], "|" | "||" | "&&"))
}

fn open_blocks(text: &str, tokens: &[Token]) -> i32 {
    let keywords = tokens.iter().filter(|token| token.kind == Kind::Keyword);
    keywords
        .map(|token| match &text[token.range.clone()] {
            "if" | "do" | "case" | "{" => 1,
            "fi" | "done" | "esac" | "}" => -1,
            _ => 0,
        })
        .sum::<i32>()
        + i32::from(waits_for_do(text, tokens))
}

/// `while x` and `for x in ...` whose `do` has not come yet.
fn waits_for_do(text: &str, tokens: &[Token]) -> bool {
    let keywords: Vec<&str> = tokens.iter().filter(|token| token.kind == Kind::Keyword).map(|token| &text[token.range.clone()]).collect();
    let loops = keywords.iter().filter(|word| matches!(**word, "for" | "while" | "until")).count();
    loops > keywords.iter().filter(|word| **word == "do").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_commands_are_not_held_back() {
        for line in [
            "",
            "ls -l",
            "echo 'a b' \"c\" # it's",
            "echo \\\\",
            "if true; then echo x; fi",
            "for i in 1 2; do echo $i; done",
            "echo if",
            "echo {a,b}",
            "f() { echo hi; }",
            "cat <<END\nif\nEND",
            "cat <<'E'\nx\nE",
            "cat <<-E\n\tE",
            "echo $(ls | wc -l)",
            "sleep 1 &",
            "a=1",
            "cat <<< word",
            "case x in x) echo;; esac",
            "echo \"$(echo ')')\"",
            ":hint",
            "awk '{print $1}' x",
            "yes | tr \\\\n x | head -c 1048576000 | grep n",
            "(cd /; ls)",
        ] {
            assert!(!goes_on(line), "{line:?} is whole");
        }
    }

    #[test]
    fn unfinished_commands_go_on() {
        for line in [
            "echo 'a",
            "echo \"a",
            "echo a \\",
            "ls |",
            "ls &&",
            "ls ||\n",
            "if true; then",
            "for i in 1 2",
            "while true; do",
            "cat <<END\nEN",
            "cat <<'E'",
            "f() {",
            "echo $(ls",
            "case x in",
            "echo `ls",
        ] {
            assert!(goes_on(line), "{line:?} goes on");
        }
    }

    #[test]
    fn tokens_know_the_command() {
        let line = "FOO=1 unshare --mount 'x y' | sh # end";
        let kinds: Vec<(Kind, &str)> = tokens(line).into_iter().map(|token| (token.kind, &line[token.range])).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Word, "FOO=1"),
                (Kind::Command, "unshare"),
                (Kind::Word, "--mount"),
                (Kind::Quoted, "'x y'"),
                (Kind::Operator, "|"),
                (Kind::Command, "sh"),
                (Kind::Comment, "# end"),
            ]
        );
    }

    #[test]
    fn no_input_makes_it_panic() {
        let pieces = ["'", "\"", "\\", "$(", ")", "<<", "é", "\n", " ", "if", "`", "#", "|"];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let line = format!("{first}{second}{third}");
                    for token in tokens(&line) {
                        assert!(line.get(token.range).is_some(), "{line:?}");
                    }
                    goes_on(&line);
                }
            }
        }
    }
}
