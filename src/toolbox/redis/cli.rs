//! `redis-cli`: one command, or a prompt.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write};

use super::client::Client;
use super::resp::{Reply, number_text, words};
use super::version;
use crate::toolbox::failure::{Failure, reason};
use crate::toolbox::options::{self, Known};

const KNOWN: &[Known] = &[
    ('h', "host", true),
    ('p', "port", true),
    ('a', "password", true),
    ('\0', "pass", true),
    ('\0', "user", true),
    ('\0', "no-auth-warning", false),
    ('n', "database", true),
    ('r', "repeat", true),
    ('i', "interval", true),
    ('x', "stdin", false),
    ('u', "uri", true),
    ('2', "resp2", false),
    ('3', "resp3", false),
    ('v', "version", false),
    ('\0', "raw", false),
    ('\0', "no-raw", false),
    ('\0', "scan", false),
    ('\0', "pattern", true),
    ('\0', "help", false),
];

/// Where it is connected, and how.
struct Place {
    host: String,
    port: u16,
    password: Option<String>,
    user: Option<String>,
    database: u32,
    third: bool,
}

impl Place {
    fn open(&self) -> Result<Client, Failure> {
        let mut client = Client::open(&self.host, self.port).map_err(|error| {
            Failure::new(1, format_args!("Could not connect to Redis at {}:{}: {}", self.host, self.port, reason(&error)))
        })?;
        if let Some(password) = &self.password {
            let words = [Some("AUTH"), self.user.as_deref(), Some(password)];
            if let Reply::Error(why) = client.call(&words.into_iter().flatten().collect::<Vec<_>>())? {
                eprintln!("AUTH failed: {why}");
            }
        }
        if self.third {
            client.call(&["HELLO", "3"])?;
        }
        if self.database != 0 {
            client.call(&["SELECT", &self.database.to_string()])?;
        }
        Ok(client)
    }
}

/// Runs `redis-cli`.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, true)?;
    if given.has("version") {
        writeln!(out, "redis-cli {} (a stand-in by Bottleship {})", version(), env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    if given.has("help") {
        writeln!(
            out,
            "Usage: redis-cli [-h host] [-p port] [-a password] [-n database] [-r count] [-x] [--raw] [--scan] [command [argument ...]]"
        )?;
        return Ok(0);
    }
    let mut place = Place {
        host: given.value("host").unwrap_or("127.0.0.1").to_owned(),
        port: given.number("port")?.unwrap_or(6379),
        password: given.value("password").or(given.value("pass")).map(str::to_owned).or_else(|| std::env::var("REDISCLI_AUTH").ok()),
        user: given.value("user").map(str::to_owned),
        database: given.number("database")?.unwrap_or(0),
        third: given.has("resp3"),
    };
    if let Some(uri) = given.value("uri") {
        from_uri(&mut place, uri)?;
    }
    let raw = given.has("raw") || (!given.has("no-raw") && !std::io::stdout().is_terminal());
    if given.has("scan") {
        return scan(&place, given.value("pattern").unwrap_or("*"), out);
    }
    if given.rest.is_empty() {
        return if std::io::stdin().is_terminal() { prompt(&mut place, raw, out) } else { lines(&place, raw, out) };
    }
    let mut line: Vec<Vec<u8>> = given.rest.iter().map(|word| word.clone().into_bytes()).collect();
    if given.has("stdin") {
        let mut last = Vec::new();
        std::io::stdin().read_to_end(&mut last)?;
        line.push(last);
    }
    let mut client = place.open()?;
    let mut code = 0;
    for turn in 0..given.number::<u32>("repeat")?.unwrap_or(1) {
        if turn > 0 {
            std::thread::sleep(std::time::Duration::try_from_secs_f64(given.number("interval")?.unwrap_or(0.0)).unwrap_or_default());
        }
        code = one(&mut client, &line, raw, out)?;
    }
    Ok(code)
}

/// `redis://[user[:password]@]host[:port][/database]`
fn from_uri(place: &mut Place, uri: &str) -> Result<(), Failure> {
    let rest = uri.strip_prefix("redis://").ok_or_else(|| Failure::new(1, "Invalid URI scheme"))?;
    let (account, rest) = rest.rsplit_once('@').map_or((None, rest), |(account, rest)| (Some(account), rest));
    if let Some(account) = account {
        let (user, password) = account.split_once(':').unwrap_or(("", account));
        place.user = Some(user.to_owned()).filter(|user| !user.is_empty());
        place.password = Some(password.to_owned());
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "6379"));
    host.clone_into(&mut place.host);
    place.port = port.parse().map_err(|_| Failure::new(1, "Invalid URI port"))?;
    place.database = database.parse().unwrap_or(0);
    Ok(())
}

/// One command; then, if it listens, what comes.
fn one(client: &mut Client, line: &[Vec<u8>], raw: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let lost = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Failure::new(1, "Error: Server closed the connection"),
        _ => Failure::new(1, format_args!("Error: {}", reason(&error))),
    };
    client.send(line).map_err(lost)?;
    let name = String::from_utf8_lossy(&line[0]).to_ascii_uppercase();
    let listens = ["SUBSCRIBE", "PSUBSCRIBE", "MONITOR"].contains(&name.as_str());
    // A server that ends says nothing more.
    let reply = match client.receive() {
        Err(_) if name == "SHUTDOWN" => return Ok(0),
        reply => reply.map_err(lost)?,
    };
    if listens && !matches!(reply, Reply::Error(_)) {
        writeln!(out, "Reading messages... (press Ctrl-C to quit or any type command)")?;
    }
    out.write_all(&shown(&reply, raw))?;
    out.flush()?;
    // What was refused is not followed by messages.
    let listens = listens && !matches!(reply, Reply::Error(_));
    if !listens {
        return Ok(0);
    }
    loop {
        let message = client.receive().map_err(lost)?;
        out.write_all(&shown(&message, raw))?;
        out.flush()?;
    }
}

fn scan(place: &Place, pattern: &str, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut client = place.open()?;
    let mut cursor = b"0".to_vec();
    loop {
        let reply = client.call(&[b"SCAN".as_slice(), &cursor, b"MATCH", pattern.as_bytes()])?;
        let Reply::Array(parts) = reply else { return Err(Failure::new(1, "no answer to SCAN")) };
        let [Reply::Bulk(next), Reply::Array(keys)] = parts.as_slice() else { return Err(Failure::new(1, "no answer to SCAN")) };
        keys.iter().try_for_each(|key| out.write_all(&shown(key, true)))?;
        if next == b"0" {
            return Ok(0);
        }
        next.clone_into(&mut cursor);
    }
}

/// Commands from a pipe, one a line.
fn lines(place: &Place, raw: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut client = place.open()?;
    for line in std::io::stdin().lock().lines() {
        match words(&line?) {
            Some(words) if words.is_empty() => {}
            Some(words) if is_end(&words) => break,
            Some(words) => drop(one(&mut client, &words, raw, out)?),
            None => writeln!(out, "Invalid argument(s)")?,
        }
    }
    Ok(0)
}

fn is_end(words: &[Vec<u8>]) -> bool {
    ["quit", "exit"].iter().any(|name| words[0].eq_ignore_ascii_case(name.as_bytes()))
}

fn prompt(place: &mut Place, raw: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut editor = rustyline::DefaultEditor::new().map_err(|error| Failure::new(1, error))?;
    let mut client = match place.open() {
        Ok(client) => Some(client),
        Err(failure) => {
            writeln!(out, "{}", failure.message)?;
            None
        }
    };
    let mut collecting = false;
    loop {
        out.flush()?;
        let database = if place.database == 0 { String::new() } else { format!("[{}]", place.database) };
        let mark = if collecting { "(TX)" } else { "" };
        let shown =
            if client.is_some() { format!("{}:{}{database}{mark}> ", place.host, place.port) } else { "not connected> ".to_owned() };
        let Ok(line) = editor.readline(&shown) else { return Ok(0) };
        let Some(typed) = words(&line) else {
            writeln!(out, "Invalid argument(s)")?;
            continue;
        };
        if typed.is_empty() {
            continue;
        }
        // A line that cannot be remembered can still be carried out.
        let _ = editor.add_history_entry(&line);
        if is_end(&typed) {
            return Ok(0);
        }
        if client.is_none() {
            client = place.open().map_err(|failure| writeln!(out, "{}", failure.message)).ok();
        }
        let Some(open) = &mut client else { continue };
        match one(open, &typed, raw, out) {
            Ok(_) => {
                collecting = after(collecting, &typed);
                if typed[0].eq_ignore_ascii_case(b"SELECT") {
                    place.database = typed.get(1).and_then(|word| String::from_utf8_lossy(word).parse().ok()).unwrap_or(place.database);
                }
            }
            Err(failure) => {
                writeln!(out, "{}", failure.message)?;
                (client, collecting) = (None, false);
            }
        }
    }
}

/// Whether a transaction is being collected after this command.
fn after(collecting: bool, words: &[Vec<u8>]) -> bool {
    match words[0].to_ascii_uppercase().as_slice() {
        b"MULTI" => true,
        b"EXEC" | b"DISCARD" => false,
        _ => collecting,
    }
}

/// A reply as it is printed: for people, or bare.
fn shown(reply: &Reply, raw: bool) -> Vec<u8> {
    if raw {
        let mut out = bare(reply);
        out.push(b'\n');
        return out;
    }
    pretty(reply, "").into_bytes()
}

fn bare(reply: &Reply) -> Vec<u8> {
    let several = |all: &[Reply]| all.iter().map(bare).collect::<Vec<_>>().join(&b'\n');
    match reply {
        Reply::Simple(text) => text.clone().into_bytes(),
        Reply::Error(text) => format!("{text}\n").into_bytes(),
        Reply::Integer(number) => number.to_string().into_bytes(),
        Reply::Bulk(bytes) => bytes.clone(),
        Reply::Null | Reply::NullArray => Vec::new(),
        Reply::Array(all) | Reply::Set(all) | Reply::Push(all) => several(all),
        Reply::Map(pairs) => pairs.iter().map(|(key, value)| [bare(key), bare(value)].join(&b' ')).collect::<Vec<_>>().join(&b'\n'),
        Reply::Double(number) => number_text(*number).into_bytes(),
    }
}

fn pretty(reply: &Reply, indent: &str) -> String {
    match reply {
        Reply::Simple(text) => format!("{text}\n"),
        Reply::Error(text) => format!("(error) {text}\n"),
        Reply::Integer(number) => format!("(integer) {number}\n"),
        Reply::Bulk(bytes) => format!("{}\n", quoted(bytes)),
        Reply::Null | Reply::NullArray => "(nil)\n".to_owned(),
        Reply::Double(number) => format!("(double) {}\n", number_text(*number)),
        Reply::Array(all) | Reply::Push(all) => numbered(all, ')', indent, "(empty array)\n"),
        Reply::Set(all) => numbered(all, '~', indent, "(empty set)\n"),
        Reply::Map(pairs) if pairs.is_empty() => "(empty hash)\n".to_owned(),
        Reply::Map(pairs) => {
            let width = pairs.len().to_string().len();
            let line = |(at, (key, value)): (usize, &(Reply, Reply))| {
                let before = if at == 0 { "" } else { indent };
                let key = pretty(key, "");
                let inner = format!("{indent}{}", " ".repeat(width + 2));
                format!("{before}{:>width$}# {} => {}", at + 1, key.trim_end_matches('\n'), pretty(value, &inner))
            };
            pairs.iter().enumerate().map(line).collect()
        }
    }
}

fn numbered(all: &[Reply], mark: char, indent: &str, empty: &str) -> String {
    if all.is_empty() {
        return empty.to_owned();
    }
    let width = all.len().to_string().len();
    let inner = format!("{indent}{}", " ".repeat(width + 2));
    let line =
        |(at, one): (usize, &Reply)| format!("{}{:>width$}{mark} {}", if at == 0 { "" } else { indent }, at + 1, pretty(one, &inner));
    all.iter().enumerate().map(line).collect()
}

/// Bytes between quotes, with what cannot be printed escaped.
fn quoted(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'"' | b'\\' => format!("\\{}", *byte as char),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        0x20..=0x7e => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("\"{}\"", bytes.iter().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_printed_as_people_know_them() {
        let nested = Reply::Array(vec![
            Reply::Array(vec![Reply::text("a\n\"\u{e9}"), Reply::Integer(1)]),
            Reply::Null,
            Reply::Array(Vec::new()),
            Reply::err("no"),
        ]);
        let text = "1) 1) \"a\\n\\\"\\xc3\\xa9\"\n   2) (integer) 1\n2) (nil)\n3) (empty array)\n4) (error) ERR no\n";
        assert_eq!(pretty(&nested, ""), text);
        let ten = Reply::Array((1..=10).map(Reply::Integer).collect());
        assert!(pretty(&ten, "").starts_with(" 1) (integer) 1\n 2)") && pretty(&ten, "").ends_with("10) (integer) 10\n"));
        assert_eq!(shown(&Reply::texts([b"a".to_vec(), b"b".to_vec()]), true), b"a\nb\n");
        assert_eq!(shown(&Reply::Null, true), b"\n");
        let map = Reply::Map(vec![(Reply::text("k"), Reply::Double(1.5))]);
        assert_eq!(pretty(&map, ""), "1# \"k\" => (double) 1.5\n");
    }

    #[test]
    fn an_address_in_one_word() {
        let mut place = Place { host: String::new(), port: 0, password: None, user: None, database: 0, third: false };
        from_uri(&mut place, "redis://me:secret@db:7000/3").unwrap();
        assert_eq!(
            (place.host.as_str(), place.port, place.user.as_deref(), place.password.as_deref(), place.database),
            ("db", 7000, Some("me"), Some("secret"), 3)
        );
        assert!(from_uri(&mut place, "http://x").is_err());
    }
}
