//! What survives a restart: snapshots in Redis' own format (RDB, version 9, without compression and checksum), and the log of commands (AOF).

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::data::{Bytes, Database, Entry, Ordered, Value, now};
use super::resp::Reply;
use super::server::State;

const MAGIC: &[u8] = b"REDIS0009";
/// Marks between entries: a database, an end in milliseconds, an end in seconds, a remark, sizes, the end of the file.
const DATABASE: u8 = 0xfe;
const MILLISECONDS: u8 = 0xfc;
const SECONDS: u8 = 0xfd;
const REMARK: u8 = 0xfa;
const SIZES: u8 = 0xfb;
const END: u8 = 0xff;

fn path(state: &State, name: &str) -> PathBuf {
    Path::new(state.settings.get("dir")).join(state.settings.get(name))
}

/// Writes a snapshot: whole, or not at all.
///
/// # Errors
/// The folder cannot be written.
pub fn save(state: &mut State) -> Result<(), String> {
    let target = path(state, "dbfilename");
    let bytes = snapshot(&state.databases);
    replace(&target, &bytes).map_err(|error| format!("write `{}`: {}", target.display(), crate::toolbox::failure::reason(&error)))?;
    (state.changes, state.last_save) = (0, now() / 1000);
    Ok(())
}

fn replace(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = target.with_extension(format!("temp-{}", std::process::id()));
    let mut file = File::create(&beside)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    std::fs::rename(&beside, target)
}

fn snapshot(databases: &[Database]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (number, database) in databases.iter().enumerate() {
        let mut entries = database.entries().peekable();
        if entries.peek().is_none() {
            continue;
        }
        out.push(DATABASE);
        length(&mut out, number);
        for (key, entry) in entries {
            if let Some(until) = entry.until {
                out.push(MILLISECONDS);
                out.extend(until.to_le_bytes());
            }
            write_value(&mut out, key, &entry.value);
        }
    }
    out.push(END);
    // A checksum of zero means that there is none.
    out.extend([0; 8]);
    out
}

fn write_value(out: &mut Vec<u8>, key: &Bytes, value: &Value) {
    let kind = match value {
        Value::Text(_) => 0,
        Value::List(_) => 1,
        Value::Set(_) => 2,
        Value::Hash(_) => 4,
        Value::Sorted(_) => 5,
    };
    out.push(kind);
    text(out, key);
    match value {
        Value::Text(value) => text(out, value),
        Value::List(list) => {
            length(out, list.len());
            list.iter().for_each(|one| text(out, one));
        }
        Value::Set(set) => {
            length(out, set.len());
            set.keys().iter().for_each(|one| text(out, one));
        }
        Value::Hash(hash) => {
            length(out, hash.len());
            hash.entries().into_iter().for_each(|(field, value)| {
                text(out, field);
                text(out, value);
            });
        }
        Value::Sorted(sorted) => {
            length(out, sorted.len());
            sorted.entries().into_iter().for_each(|(member, score)| {
                text(out, member);
                out.extend(score.to_le_bytes());
            });
        }
    }
}

fn length(out: &mut Vec<u8>, number: usize) {
    match number {
        0..0x40 => out.push(number as u8),
        0x40..0x4000 => out.extend((number as u16 | 0x4000).to_be_bytes()),
        _ => {
            out.push(0x80);
            out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend(bytes);
}

/// Reads what an earlier server left: the log of commands if that is on, else the snapshot. Tells what was read, for the start-up log.
///
/// # Errors
/// A file is damaged, or of a form that is not known here.
pub fn load(state: &mut State) -> Result<Option<String>, String> {
    let log = path(state, "appendfilename");
    if state.settings.is_on("appendonly") && log.exists() {
        let bytes = std::fs::read(&log).map_err(|error| error.to_string())?;
        let done = replay(state, &bytes);
        return Ok(Some(format!("DB loaded from append only file: {done} commands")));
    }
    let file = path(state, "dbfilename");
    let Ok(bytes) = std::fs::read(&file) else { return Ok(None) };
    let mut reader = Reader { rest: &bytes };
    read_snapshot(&mut reader, &mut state.databases)
        .ok_or_else(|| format!("Wrong signature, damage, or a kind of value that is not known here, in `{}`", file.display()))?;
    let keys: usize = state.databases.iter_mut().map(|database| database.keys().len()).sum();
    Ok(Some(format!("DB loaded from disk: {keys} keys")))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self, count: usize) -> Option<u64> {
        let mut whole = [0; 8];
        whole[..count].copy_from_slice(self.take(count)?);
        Some(u64::from_le_bytes(whole))
    }

    fn length(&mut self) -> Option<usize> {
        let first = self.byte()?;
        match first >> 6 {
            0 => Some(usize::from(first & 0x3f)),
            1 => Some(usize::from(first & 0x3f) << 8 | usize::from(self.byte()?)),
            _ if first == 0x80 => Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?) as usize),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Bytes> {
        // Whole numbers are written in one, two or four bytes.
        let integer = match self.rest.first()? {
            0xc0 => Some(1),
            0xc1 => Some(2),
            0xc2 => Some(4),
            _ => None,
        };
        let Some(width) = integer else {
            let length = self.length()?;
            return self.take(length).map(<[u8]>::to_vec);
        };
        self.byte()?;
        let number = self.number(width)?;
        let unused = 64 - 8 * width as u32;
        Some((((number << unused) as i64) >> unused).to_string().into_bytes())
    }

    fn value(&mut self, kind: u8) -> Option<Value> {
        if kind == 0 {
            return self.text().map(Value::Text);
        }
        let count = self.length()?;
        Some(match kind {
            1 => Value::List((0..count).map(|_| self.text()).collect::<Option<_>>()?),
            2 => {
                let mut set = Ordered::default();
                (0..count).try_for_each(|_| self.text().map(|member| set.put(&member, ())))?;
                Value::Set(set)
            }
            4 => {
                let mut hash = Ordered::default();
                for _ in 0..count {
                    hash.put(&self.text()?, self.text()?);
                }
                Value::Hash(hash)
            }
            5 => {
                let mut sorted = Ordered::default();
                for _ in 0..count {
                    sorted.put(&self.text()?, f64::from_bits(self.number(8)?));
                }
                Value::Sorted(sorted)
            }
            _ => return None,
        })
    }
}

fn read_snapshot(reader: &mut Reader<'_>, databases: &mut [Database]) -> Option<()> {
    if !reader.take(MAGIC.len())?.starts_with(b"REDIS") {
        return None;
    }
    let (mut number, mut until) = (0, None);
    loop {
        match reader.byte()? {
            END => return Some(()),
            DATABASE => number = reader.length()?,
            MILLISECONDS => until = Some(reader.number(8)?),
            SECONDS => until = Some(reader.number(4)? * 1000),
            REMARK => drop((reader.text()?, reader.text()?)),
            SIZES => drop((reader.length()?, reader.length()?)),
            kind => {
                let (key, value) = (reader.text()?, reader.value(kind)?);
                databases.get_mut(number)?.restore(key, Entry { value, until: until.take() });
            }
        }
    }
}

/// Carries out the commands of a log. One that was cut off by a crash ends it.
fn replay(state: &mut State, bytes: &[u8]) -> usize {
    let mut reader = bytes;
    let mut session = super::commands::Session { known: true, protocol: 2, ..Default::default() };
    let mut done = 0;
    while let Ok(Some(words)) = super::resp::command(&mut reader) {
        let Some(command) = words.first().and_then(|name| super::commands::find(name)) else { break };
        command.run(&mut super::commands::Call { state, session: &mut session, words: &words });
        done += 1;
    }
    done
}

/// The log that is open, and the database that its last command was for.
pub struct Log {
    file: File,
    database: Option<usize>,
}

/// Opens or closes the log as the settings say.
///
/// # Errors
/// The file cannot be written.
pub fn switch_log(state: &mut State) -> Result<(), String> {
    match (state.settings.is_on("appendonly"), state.log.is_some()) {
        (true, false)
            if path(state, "appendfilename").exists() && state.databases.iter_mut().all(|database| database.keys().is_empty()) =>
        {
            open_log(state)
        }
        (true, false) => rewrite_log(state),
        (false, true) => {
            state.log = None;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Opens the log at its end.
///
/// # Errors
/// As [`switch_log`].
pub fn open_log(state: &mut State) -> Result<(), String> {
    let path = path(state, "appendfilename");
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    let file = file.map_err(|error| format!("open `{}`: {}", path.display(), crate::toolbox::failure::reason(&error)))?;
    state.log = Some(Log { file, database: None });
    Ok(())
}

/// Writes the log anew from the data, so that it is as short as it can be.
///
/// # Errors
/// As [`switch_log`].
pub fn rewrite_log(state: &mut State) -> Result<(), String> {
    let path = path(state, "appendfilename");
    let mut out = Vec::new();
    for (number, database) in state.databases.iter().enumerate() {
        for (at, (key, entry)) in database.entries().enumerate() {
            if at == 0 {
                line(&mut out, [b"SELECT".to_vec(), number.to_string().into_bytes()]);
            }
            line(&mut out, made_of(key, &entry.value));
            entry.until.iter().for_each(|until| line(&mut out, [b"PEXPIREAT".to_vec(), key.clone(), until.to_string().into_bytes()]));
        }
    }
    replace(&path, &out).map_err(|error| format!("write `{}`: {}", path.display(), crate::toolbox::failure::reason(&error)))?;
    open_log(state)
}

/// The command that makes a value.
fn made_of(key: &Bytes, value: &Value) -> Vec<Bytes> {
    let (name, parts): (&str, Vec<Bytes>) = match value {
        Value::Text(text) => ("SET", vec![text.clone()]),
        Value::List(list) => ("RPUSH", list.iter().cloned().collect()),
        Value::Set(set) => ("SADD", set.keys()),
        Value::Hash(hash) => ("HSET", hash.entries().into_iter().flat_map(|(field, value)| [field.clone(), value.clone()]).collect()),
        Value::Sorted(sorted) => (
            "ZADD",
            sorted
                .entries()
                .into_iter()
                .flat_map(|(member, score)| [super::resp::number_text(*score).into_bytes(), member.clone()])
                .collect(),
        ),
    };
    [vec![name.as_bytes().to_vec(), key.clone()], parts].concat()
}

fn line(out: &mut Vec<u8>, words: impl IntoIterator<Item = Bytes>) {
    Reply::texts(words).write(2, out);
}

/// Notes a command that changed something. What depends on the time or on chance is noted by its outcome.
pub fn note(state: &mut State, database: usize, words: &[Bytes], reply: &Reply) {
    state.changes += 1;
    let Some(log) = &mut state.log else { return };
    let mut out = Vec::new();
    if log.database != Some(database) {
        line(&mut out, [b"SELECT".to_vec(), database.to_string().into_bytes()]);
        log.database = Some(database);
    }
    let name = words[0].to_ascii_uppercase();
    match (name.as_slice(), reply) {
        (b"SPOP", Reply::Bulk(member)) => line(&mut out, [b"SREM".to_vec(), words[1].clone(), member.clone()]),
        (b"SPOP", Reply::Set(members)) if members.is_empty() => {}
        (b"SPOP", Reply::Set(members)) => {
            let members = members.iter().filter_map(|one| if let Reply::Bulk(member) = one { Some(member.clone()) } else { None });
            line(&mut out, [b"SREM".to_vec(), words[1].clone()].into_iter().chain(members));
        }
        _ => line(&mut out, words.iter().cloned()),
    }
    let ends = [b"SET".as_slice(), b"SETEX", b"PSETEX", b"EXPIRE", b"PEXPIRE"].contains(&name.as_slice());
    if let (true, Some(until)) = (ends, words.get(1).and_then(|key| state.databases[database].get(key)).and_then(|entry| entry.until)) {
        line(&mut out, [b"PEXPIREAT".to_vec(), words[1].clone(), until.to_string().into_bytes()]);
    }
    if let Some(log) = &mut state.log {
        // A full disk is seen by who asks for a snapshot; a reply was given already.
        let _ = log.file.write_all(&out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Vec<Database> {
        let mut databases = vec![Database::default(), Database::default()];
        let pairs = [("b", "2"), ("a", "1")];
        let (mut hash, mut set, mut sorted) = (Ordered::default(), Ordered::default(), Ordered::default());
        pairs.iter().for_each(|(key, value)| hash.put(key.as_bytes(), value.as_bytes().to_vec()));
        pairs.iter().for_each(|(key, _)| set.put(key.as_bytes(), ()));
        pairs.iter().for_each(|(key, value)| sorted.put(key.as_bytes(), value.parse::<f64>().unwrap() / 3.0));
        databases[0].set(b"text", Value::Text(vec![0, 255, b'\r']));
        databases[0].set(b"long", Value::Text(vec![b'x'; 70_000]));
        databases[0].set(b"list", Value::List((0..100).map(|number: u8| vec![number]).collect()));
        databases[1].set(b"hash", Value::Hash(hash));
        databases[1].set(b"set", Value::Set(set));
        databases[1].set(b"sorted", Value::Sorted(sorted));
        databases[1].get(b"set").unwrap().until = Some(now() + 100_000);
        databases
    }

    #[test]
    fn a_snapshot_gives_the_same_data() {
        let databases = filled();
        let bytes = snapshot(&databases);
        let mut read = vec![Database::default(), Database::default()];
        read_snapshot(&mut Reader { rest: &bytes }, &mut read).unwrap();
        assert!(read == databases);
    }

    #[test]
    fn a_damaged_snapshot_is_refused_without_a_panic() {
        let bytes = snapshot(&filled());
        for cut in [0, 5, 9, 12, 40, bytes.len() - 9] {
            let mut read = vec![Database::default(), Database::default()];
            assert!(read_snapshot(&mut Reader { rest: &bytes[..cut] }, &mut read).is_none(), "{cut}");
        }
        let mut odd = bytes.clone();
        odd[11] = 0x77;
        read_snapshot(&mut Reader { rest: &odd }, &mut [Database::default()]);
    }

    #[test]
    fn small_numbers_are_read_as_redis_writes_them() {
        for (bytes, text) in [(&[0xc0, 0xff][..], "-1"), (&[0xc1, 0x39, 0x30], "12345"), (&[0xc2, 0, 0, 0, 0x80], "-2147483648")] {
            assert_eq!(Reader { rest: bytes }.text().unwrap(), text.as_bytes());
        }
    }
}
