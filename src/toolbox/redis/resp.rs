//! RESP, Redis' protocol in its versions 2 and 3: reading commands, writing and reading replies.

use std::io::{self, BufRead};

/// The longest bulk, in bytes: Redis' own `proto-max-bulk-len`.
const LONGEST: i64 = 512 << 20;
/// The most words of one command.
const MOST: i64 = 1 << 20;

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3`, a text of any bytes.
    Bulk(Vec<u8>),
    /// Nothing: `$-1`, `_` in RESP3.
    Null,
    /// Nothing where an array was expected: `*-1`.
    NullArray,
    /// `*2`
    Array(Vec<Reply>),
    /// Pairs: an array in RESP2, `%` in RESP3.
    Map(Vec<(Reply, Reply)>),
    /// Members: an array in RESP2, `~` in RESP3.
    Set(Vec<Reply>),
    /// What comes unasked: an array in RESP2, `>` in RESP3.
    Push(Vec<Reply>),
    /// A number with a fraction: a bulk in RESP2, `,` in RESP3.
    Double(f64),
}

impl Reply {
    /// `+OK`.
    pub fn ok() -> Reply {
        Reply::Simple("OK".to_owned())
    }

    /// A text.
    pub fn text(text: impl Into<Vec<u8>>) -> Reply {
        Reply::Bulk(text.into())
    }

    /// An error with the usual prefix.
    pub fn err(text: &str) -> Reply {
        Reply::Error(format!("ERR {text}"))
    }

    /// Bulks of texts.
    pub fn texts(all: impl IntoIterator<Item = Vec<u8>>) -> Reply {
        Reply::Array(all.into_iter().map(Reply::Bulk).collect())
    }

    /// Writes it in a version of the protocol.
    pub fn write(&self, protocol: u8, out: &mut Vec<u8>) {
        let three = protocol >= 3;
        let head = |out: &mut Vec<u8>, mark: char, count: usize| out.extend(format!("{mark}{count}\r\n").bytes());
        match self {
            Reply::Simple(text) => out.extend(format!("+{text}\r\n").bytes()),
            Reply::Error(text) => out.extend(format!("-{text}\r\n").bytes()),
            Reply::Integer(number) => out.extend(format!(":{number}\r\n").bytes()),
            Reply::Bulk(bytes) => {
                head(out, '$', bytes.len());
                out.extend(bytes);
                out.extend(b"\r\n");
            }
            Reply::Null => out.extend(if three { b"_\r\n".as_slice() } else { b"$-1\r\n" }),
            Reply::NullArray => out.extend(if three { b"_\r\n".as_slice() } else { b"*-1\r\n" }),
            Reply::Array(all) => {
                head(out, '*', all.len());
                all.iter().for_each(|one| one.write(protocol, out));
            }
            Reply::Set(all) => {
                head(out, if three { '~' } else { '*' }, all.len());
                all.iter().for_each(|one| one.write(protocol, out));
            }
            Reply::Push(all) => {
                head(out, if three { '>' } else { '*' }, all.len());
                all.iter().for_each(|one| one.write(protocol, out));
            }
            Reply::Map(pairs) => {
                head(out, if three { '%' } else { '*' }, if three { pairs.len() } else { pairs.len() * 2 });
                pairs.iter().for_each(|(key, value)| {
                    key.write(protocol, out);
                    value.write(protocol, out);
                });
            }
            Reply::Double(number) if three => out.extend(format!(",{}\r\n", number_text(*number)).bytes()),
            Reply::Double(number) => Reply::text(number_text(*number)).write(protocol, out),
        }
    }
}

/// A number as Redis prints it: without a fraction where there is none.
pub fn number_text(number: f64) -> String {
    match number {
        number if number == f64::INFINITY => "inf".to_owned(),
        number if number == f64::NEG_INFINITY => "-inf".to_owned(),
        number if number == number.trunc() && number.abs() < 1e17 => format!("{number:.0}"),
        number => format!("{number}"),
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let count = io::Read::take(reader, 64 * 1024).read_until(b'\n', &mut bytes)?;
    if count == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(broken("too big inline request"));
    }
    bytes.pop_if(|last| *last == b'\r');
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn bulk(reader: &mut impl BufRead, length: i64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|_| length <= LONGEST).ok_or_else(|| broken("invalid bulk length"))?;
    // Memory is taken as bytes arrive, and not as they are promised.
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&mut *reader, length as u64), &mut bytes)?;
    let mut end = [0; 2];
    reader.read_exact(&mut end)?;
    if bytes.len() == length && end == *b"\r\n" { Ok(bytes) } else { Err(broken("invalid bulk")) }
}

/// Reads one command; `None` at the end of the stream, an empty one for an empty line.
///
/// # Errors
/// `InvalidData` for what breaks the protocol.
pub fn command(reader: &mut impl BufRead) -> io::Result<Option<Vec<Vec<u8>>>> {
    let Some(first) = line(reader)? else { return Ok(None) };
    let Some(count) = first.strip_prefix('*') else { return words(&first).map(Some).ok_or_else(|| broken("unbalanced quotes in request")) };
    let count: i64 = count.parse().ok().filter(|count| *count <= MOST).ok_or_else(|| broken("invalid multibulk length"))?;
    let mut all = Vec::new();
    for _ in 0..count.max(0) {
        let head = line(reader)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let Some(length) = head.strip_prefix('$') else {
            return Err(broken(&format!("expected '$', got '{}'", head.chars().next().unwrap_or(' '))));
        };
        all.push(bulk(reader, length.parse().map_err(|_| broken("invalid bulk length"))?)?);
    }
    Ok(Some(all))
}

/// The words of a line, with `"quotes"`, `'quotes'` and `\x00` in the double ones; `None` if a quote is not closed.
pub fn words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut letters = line.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let Some(first) = letters.next() else { return Some(all) };
        let mut word = Vec::new();
        if first != '"' && first != '\'' {
            push(&mut word, first);
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                push(&mut word, letter);
            }
            all.push(word);
            continue;
        }
        loop {
            match letters.next()? {
                '\\' if first == '"' => escaped(&mut letters, &mut word)?,
                '\\' if letters.peek() == Some(&'\'') => word.extend(letters.next().map(|_| b'\'')),
                letter if letter == first => break,
                letter => push(&mut word, letter),
            }
        }
        // Behind a closing quote a blank must follow.
        if letters.peek().is_some_and(|letter| !letter.is_whitespace()) {
            return None;
        }
        all.push(word);
    }
}

fn push(word: &mut Vec<u8>, letter: char) {
    word.extend(letter.encode_utf8(&mut [0; 4]).bytes());
}

fn escaped(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Vec<u8>) -> Option<()> {
    match letters.next()? {
        'n' => word.push(b'\n'),
        'r' => word.push(b'\r'),
        't' => word.push(b'\t'),
        'a' => word.push(7),
        'b' => word.push(8),
        'x' => {
            let hex: String = [letters.next()?, letters.next()?].iter().collect();
            word.push(u8::from_str_radix(&hex, 16).ok()?);
        }
        other => push(word, other),
    }
    Some(())
}

/// Reads one reply.
///
/// # Errors
/// The stream ends, or what comes is no reply.
pub fn reply(reader: &mut impl BufRead) -> io::Result<Reply> {
    reply_below(reader, 0)
}

fn reply_below(reader: &mut impl BufRead, depth: u32) -> io::Result<Reply> {
    let head = line(reader)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut letters = head.chars();
    let mark = letters.next().ok_or_else(|| broken("an empty reply"))?;
    let rest = letters.as_str();
    let number = || rest.parse::<i64>().map_err(|_| broken("no number in a reply"));
    if depth > 32 {
        return Err(broken("a reply that is nested too deep"));
    }
    let mut several = |factor: i64| -> io::Result<Vec<Reply>> {
        let count = number()?.checked_mul(factor).filter(|count| *count <= MOST).ok_or_else(|| broken("a reply that is too long"))?;
        (0..count).map(|_| reply_below(reader, depth + 1)).collect()
    };
    Ok(match mark {
        '+' => Reply::Simple(rest.to_owned()),
        '-' => Reply::Error(rest.to_owned()),
        ':' => Reply::Integer(number()?),
        '$' if number()? < 0 => Reply::Null,
        '*' if number()? < 0 => Reply::NullArray,
        '_' => Reply::Null,
        '*' => Reply::Array(several(1)?),
        '~' => Reply::Set(several(1)?),
        '>' => Reply::Push(several(1)?),
        '%' => {
            let all = several(2)?;
            let mut all = all.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (all.next(), all.next()) {
                pairs.push((key, value));
            }
            Reply::Map(pairs)
        }
        ',' => Reply::Double(rest.parse().map_err(|_| broken("no number in a reply"))?),
        '$' => Reply::Bulk(bulk(reader, number()?)?),
        _ => return Err(broken("an unknown kind of reply")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply, protocol: u8) -> String {
        let mut out = Vec::new();
        reply.write(protocol, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_survive_the_wire_in_version_three() {
        let all = Reply::Array(vec![
            Reply::ok(),
            Reply::err("no"),
            Reply::Integer(-3),
            Reply::text("a\r\nb"),
            Reply::Null,
            Reply::Map(vec![(Reply::text("k"), Reply::Double(1.5))]),
            Reply::Set(vec![Reply::Integer(1)]),
            Reply::Push(vec![]),
        ]);
        assert_eq!(reply(&mut written(&all, 3).as_bytes()).unwrap(), all);
        assert_eq!(written(&Reply::Map(vec![(Reply::text("k"), Reply::Double(2.0))]), 2), "*2\r\n$1\r\nk\r\n$1\r\n2\r\n");
        assert_eq!((written(&Reply::NullArray, 2).as_str(), written(&Reply::Null, 2).as_str()), ("*-1\r\n", "$-1\r\n"));
    }

    #[test]
    fn commands_come_in_arrays_or_in_lines() {
        let read = |text: &str| command(&mut text.as_bytes());
        let set = Some(vec![b"SET".to_vec(), b"k".to_vec(), b"a b".to_vec()]);
        assert_eq!(read("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na b\r\n").unwrap(), set);
        assert_eq!(read("SET k \"a b\"\r\n").unwrap(), set);
        assert_eq!(read("").unwrap(), None);
        for text in ["*1\r\n$999999999999\r\n", "*9999999999\r\n", "*1\r\n:1\r\n", "GET \"a\r\n", "*1\r\n$3\r\nabcdef"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn words_have_quotes() {
        assert_eq!(words(r#"a "b \x41\n\"" 'c\'d' "#).unwrap(), [b"a".to_vec(), b"b A\n\"".to_vec(), b"c'd".to_vec()]);
        assert_eq!(words(r#""a"b"#), None);
        assert_eq!(words("'a"), None);
    }
}
