//! The commands: a table of name, arity and function. A function sees the data, its session, and its words.

use std::collections::BTreeSet;

use super::data::{Bytes, Database, Entry, Ordered, Value};
use super::resp::Reply;
use super::server::State;

mod hashes;
mod keys;
mod lists;
mod pubsub;
mod server;
mod sets;
mod sorted;
mod strings;

/// What a function gives: a reply, or the reply of an error.
pub type Done = Result<Reply, Reply>;

/// One command.
pub struct Command {
    /// Its name, in capitals.
    pub name: &'static str,
    /// How many words it has with its name; negative: at least so many.
    arity: i32,
    /// Whether it changes data, so that it belongs into the log.
    pub writes: bool,
    /// What it does.
    run: fn(&mut Call<'_>) -> Done,
}

/// A command that is being carried out.
pub struct Call<'a> {
    /// Everything.
    pub state: &'a mut State,
    /// Who asks.
    pub session: &'a mut Session,
    /// The words, the name first.
    pub words: &'a [Bytes],
}

/// What the server knows of a connection.
#[derive(Default)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// What it calls itself.
    pub name: String,
    /// Where it comes from.
    pub address: String,
    /// The database that it works on.
    pub database: usize,
    /// The version of the protocol.
    pub protocol: u8,
    /// Whether it gave the password.
    pub known: bool,
    /// The commands of a transaction that is being collected.
    pub queued: Option<Vec<Vec<Bytes>>>,
    /// Whether one of them was wrong: then none is carried out.
    pub spoiled: bool,
    /// Keys that must not change until the transaction, as they were.
    pub watched: Vec<(usize, Bytes, Option<Entry>)>,
    /// The channels that it listens to, and the patterns.
    pub channels: BTreeSet<Bytes>,
    /// As `channels`, for patterns.
    pub patterns: BTreeSet<Bytes>,
    /// Whether the connection ends after this reply.
    pub ends: bool,
}

/// All commands of all files.
fn table() -> impl Iterator<Item = &'static Command> {
    [
        strings::COMMANDS,
        keys::COMMANDS,
        lists::COMMANDS,
        hashes::COMMANDS,
        sets::COMMANDS,
        sorted::COMMANDS,
        pubsub::COMMANDS,
        server::COMMANDS,
    ]
    .into_iter()
    .flatten()
}

/// The command of that name.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    table().find(|command| command.name == name)
}

impl Command {
    /// Whether the number of words is right.
    pub fn fits(&self, words: usize) -> bool {
        let arity = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= arity } else { words == arity }
    }

    /// Carries it out.
    pub fn run(&self, call: &mut Call<'_>) -> Reply {
        (self.run)(call).unwrap_or_else(|error| error)
    }
}

/// What is said to a command that does not exist.
pub fn unknown(words: &[Bytes]) -> Reply {
    let shown: String = words[1..].iter().take(20).map(|word| format!("'{}' ", String::from_utf8_lossy(word))).collect();
    Reply::err(&format!("unknown command '{}', with args beginning with: {shown}", String::from_utf8_lossy(&words[0])))
}

/// What is said when words are missing or too many.
pub fn wrong_number(name: &str) -> Reply {
    Reply::err(&format!("wrong number of arguments for '{}' command", name.to_ascii_lowercase()))
}

fn wrong_type() -> Reply {
    Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".to_owned())
}

fn syntax() -> Reply {
    Reply::err("syntax error")
}

fn not_an_integer() -> Reply {
    Reply::err("value is not an integer or out of range")
}

/// A whole number as Redis reads it: no sign but `-`, no leading zeros, no blanks.
fn integer(word: &[u8]) -> Result<i64, Reply> {
    let text = std::str::from_utf8(word).map_err(|_| not_an_integer())?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text).ok_or_else(not_an_integer)
}

fn float(word: &[u8]) -> Result<f64, Reply> {
    let text = std::str::from_utf8(word).unwrap_or_default();
    let text = text.strip_prefix('+').unwrap_or(text);
    text.parse::<f64>().ok().filter(|number| !number.is_nan()).ok_or_else(|| Reply::err("value is not a valid float"))
}

fn count(number: usize) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A range of positions where negative ones count from the end; `None` if it is empty.
fn range(first: i64, last: i64, length: usize) -> Option<(usize, usize)> {
    let length = i64::try_from(length).ok()?;
    let from_end = |position: i64| if position < 0 { (length + position).max(0) } else { position };
    let (first, last) = (from_end(first), if last < 0 { length + last } else { last.min(length - 1) });
    (first <= last && first < length).then_some((first as usize, last as usize))
}

impl Call<'_> {
    fn word(&self, at: usize) -> &[u8] {
        self.words.get(at).map_or(&[], Vec::as_slice)
    }

    fn option(&self, at: usize) -> String {
        String::from_utf8_lossy(self.word(at)).to_ascii_uppercase()
    }

    /// What is said to a second word that does not exist.
    fn unknown_part(&self, command: &str) -> Reply {
        Reply::err(&format!("unknown subcommand '{}'. Try {command} HELP.", String::from_utf8_lossy(self.word(1))))
    }

    fn database(&mut self) -> &mut Database {
        let number = self.session.database;
        &mut self.state.databases[number]
    }

    fn value(&mut self, key: &[u8]) -> Option<&mut Value> {
        self.database().get(key).map(|entry| &mut entry.value)
    }

    fn text(&mut self, key: &[u8]) -> Result<Option<&mut Bytes>, Reply> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn list(&mut self, key: &[u8]) -> Result<Option<&mut std::collections::VecDeque<Bytes>>, Reply> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn hash(&mut self, key: &[u8]) -> Result<Option<&mut Ordered<Bytes>>, Reply> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn set(&mut self, key: &[u8]) -> Result<Option<&mut Ordered<()>>, Reply> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Set(set)) => Ok(Some(set)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn sorted(&mut self, key: &[u8]) -> Result<Option<&mut Ordered<f64>>, Reply> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Sorted(sorted)) => Ok(Some(sorted)),
            Some(_) => Err(wrong_type()),
        }
    }

    /// The options MATCH and COUNT of the scanning commands; everything is given in one go, so the cursor is 0 again.
    fn scanned(&self, from: usize, all: Vec<Vec<Bytes>>) -> Done {
        let mut pattern: &[u8] = b"*";
        let mut at = from;
        while at < self.words.len() {
            match self.option(at).as_str() {
                "MATCH" => pattern = self.word(at + 1),
                "COUNT" => drop(integer(self.word(at + 1))?),
                _ => return Err(syntax()),
            }
            at += 2;
        }
        let fitting = all.into_iter().filter(|group| super::data::fits(pattern, &group[0])).flatten();
        Ok(Reply::Array(vec![Reply::text("0"), Reply::texts(fitting)]))
    }
}

/// Bulks for members of a set whose numbers come sorted, as Redis' compact sets have them.
fn members(set: &Ordered<()>) -> Vec<Bytes> {
    let mut all = set.keys();
    let numbers: Option<Vec<i64>> = all.iter().map(|member| integer(member).ok()).collect();
    if let Some(mut numbers) = numbers {
        numbers.sort_unstable();
        all = numbers.into_iter().map(|number| number.to_string().into_bytes()).collect();
    }
    all
}
