//! As much of SQLite's file format as it takes to read one table (<https://www.sqlite.org/fileformat2.html>): rpm keeps its headers in one.
//!
//! A file of pages. A table is a tree of them: inner pages point to others, leaves hold records; a record that does not fit goes on in a chain of
//! overflow pages. The first page is also the table of all tables. Everything is bounded: a page is visited once, whatever the pointers say.

use std::collections::BTreeSet;

/// The first bytes of every database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The kinds of pages of tables.
const INNER: u8 = 5;
const LEAF: u8 = 13;

struct Database<'a> {
    bytes: &'a [u8],
    page: usize,
    /// What of a page records may use.
    usable: usize,
}

/// The values of all columns of type blob in the table.
///
/// # Errors
/// It is no such database, has no such table, or is damaged.
pub fn blobs(bytes: &[u8], table: &str) -> Result<Vec<Vec<u8>>, String> {
    let broken = || "it is no database of SQLite, or damaged".to_owned();
    if !bytes.starts_with(MAGIC) {
        return Err(broken());
    }
    let page = match number(bytes, 16, 2).ok_or_else(broken)? {
        1 => 65536,
        size => size,
    };
    let reserved = usize::from(*bytes.get(20).ok_or_else(broken)?);
    let usable = page.checked_sub(reserved).filter(|usable| *usable >= 480).ok_or_else(broken)?;
    let database = Database { bytes, page, usable };
    // A table of tables: type, name, name of the table, number of its first page, how it was made.
    for record in database.records(1).ok_or_else(broken)? {
        let values = values(&record).ok_or_else(broken)?;
        if let [Value::Text(kind), Value::Text(name), _, Value::Number(root), ..] = &values[..]
            && kind == b"table"
            && name == table.as_bytes()
        {
            let records = database.records(usize::try_from(*root).map_err(|_| broken())?).ok_or_else(broken)?;
            let blob = |record: Vec<u8>| {
                values_of(&record).into_iter().find_map(|value| if let Value::Blob(bytes) = value { Some(bytes) } else { None })
            };
            return Ok(records.into_iter().filter_map(blob).collect());
        }
    }
    Err(format!("it has no table `{table}`"))
}

/// A number with the highest byte first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    Some(bytes.get(at..at.checked_add(length)?)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// A number of one to nine bytes, seven bits in each; and its length.
fn variable(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for count in 0..9 {
        let byte = *bytes.get(at.checked_add(count)?)?;
        if count == 8 {
            return Some((value << 8 | u64::from(byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, count + 1));
        }
    }
    None
}

impl Database<'_> {
    fn at(&self, page: usize) -> Option<&[u8]> {
        let start = page.checked_sub(1)?.checked_mul(self.page)?;
        self.bytes.get(start..start.checked_add(self.page)?)
    }

    /// All records of the tree whose root is this page.
    fn records(&self, root: usize) -> Option<Vec<Vec<u8>>> {
        let (mut open, mut seen, mut found) = (vec![root], BTreeSet::new(), Vec::new());
        while let Some(number_of_page) = open.pop() {
            if !seen.insert(number_of_page) {
                return None;
            }
            let page = self.at(number_of_page)?;
            // The first page begins with the header of the file.
            let head = if number_of_page == 1 { 100 } else { 0 };
            let kind = *page.get(head)?;
            let cells = number(page, head + 3, 2)?;
            let list = head + if kind == INNER { 12 } else { 8 };
            for cell in 0..cells {
                let at = number(page, list + cell * 2, 2)?;
                match kind {
                    INNER => open.push(number(page, at, 4)?),
                    LEAF => found.push(self.record(page, at)?),
                    _ => return None,
                }
            }
            if kind == INNER {
                open.push(number(page, head + 8, 4)?);
            }
        }
        Some(found)
    }

    /// The record of a cell: its length, its row, as much of it as is on this page, and where it goes on.
    fn record(&self, page: &[u8], at: usize) -> Option<Vec<u8>> {
        let (length, first) = variable(page, at)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.bytes.len())?;
        let start = at + first + variable(page, at + first)?.1;
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        let here = if length <= most {
            length
        } else {
            let fit = least + (length - least) % (self.usable - 4);
            if fit <= most { fit } else { least }
        };
        let mut record = page.get(start..start.checked_add(here)?)?.to_vec();
        let mut next = if here < length { number(page, start + here, 4)? } else { 0 };
        while record.len() < length {
            let page = self.at(next)?;
            let part = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(page.get(4..4 + part)?);
            next = number(page, 0, 4)?;
        }
        Some(record)
    }
}

enum Value {
    Number(i64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
    Other,
}

fn values_of(record: &[u8]) -> Vec<Value> {
    values(record).unwrap_or_default()
}

/// The values of a record: a list of types, then the contents.
fn values(record: &[u8]) -> Option<Vec<Value>> {
    let (head, mut at) = variable(record, 0)?;
    let head = usize::try_from(head).ok()?;
    let (mut content, mut found) = (head, Vec::new());
    while at < head {
        let (kind, length) = variable(record, at)?;
        at += length;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from(kind.checked_sub(12)? / 2).ok()?,
        };
        let bytes = record.get(content..content.checked_add(size)?)?;
        content += size;
        found.push(match kind {
            8 => Value::Number(0),
            9 => Value::Number(1),
            1..=6 => {
                Value::Number(bytes.iter().fold(if bytes[0] & 0x80 == 0 { 0 } else { -1 }, |number, byte| number << 8 | i64::from(*byte)))
            }
            0 | 7 | 10 | 11 => Value::Other,
            _ if kind % 2 == 0 => Value::Blob(bytes.to_vec()),
            _ => Value::Text(bytes.to_vec()),
        });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database made by SQLite itself.
    fn made(rows: usize, length: usize) -> Option<Vec<u8>> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("db");
        let program = format!(
            "import sqlite3\nc = sqlite3.connect({path:?})\nc.execute('create table other (a text)')\n\
             c.execute('create table Packages (hnum integer primary key, blob blob not null)')\n\
             for n in range({rows}):\n  c.execute('insert into Packages (blob) values (?)', (bytes([n % 251]) * {length},))\nc.commit()\n"
        );
        let status = std::process::Command::new("python3").arg("-c").arg(program).stderr(std::process::Stdio::null()).status().ok()?;
        status.success().then(|| std::fs::read(&path).unwrap())
    }

    #[test]
    fn what_sqlite_wrote_is_read() {
        for (rows, length) in [(3, 10), (400, 100), (50, 30_000)] {
            let Some(bytes) = made(rows, length) else { return eprintln!("skipped: no python3 with sqlite3 here") };
            let mut read = blobs(&bytes, "Packages").unwrap();
            assert_eq!(read.len(), rows);
            read.sort();
            assert!(read.iter().all(|blob| blob.len() == length && blob.iter().all(|byte| *byte == blob[0])));
            assert!(blobs(&bytes, "Nothing").unwrap_err().contains("no table"));
            // Cut anywhere: an error or less, and no panic.
            (0..bytes.len()).step_by(997).for_each(|end| drop(blobs(&bytes[..end], "Packages")));
        }
        assert!(blobs(b"no database", "Packages").is_err());
    }
}
