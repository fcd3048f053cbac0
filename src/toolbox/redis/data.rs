//! The data: databases of keys, values of five kinds, and when they expire.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes: keys and elements may be anything.
pub type Bytes = Vec<u8>;

/// Members in the order in which they came, found at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<V> {
    found: HashMap<Bytes, (u64, V)>,
    next: u64,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Ordered { found: HashMap::new(), next: 0 }
    }
}

impl<V: Clone> Ordered<V> {
    /// Puts a member in, and tells whether it is new.
    pub fn insert(&mut self, key: &[u8], value: V) -> bool {
        match self.found.get_mut(key) {
            Some(known) => {
                known.1 = value;
                false
            }
            None => {
                self.found.insert(key.to_vec(), (self.next, value));
                self.next += 1;
                true
            }
        }
    }

    /// Puts a member in, new or not.
    pub fn put(&mut self, key: &[u8], value: V) {
        self.insert(key, value);
    }

    /// The value of a member.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.found.get(key).map(|(_, value)| value)
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.found.remove(key).map(|(_, value)| value)
    }

    /// Takes a member out, if it is in.
    pub fn discard(&mut self, key: &[u8]) {
        self.found.remove(key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// All, in their order.
    pub fn entries(&self) -> Vec<(&Bytes, &V)> {
        let mut all: Vec<_> = self.found.iter().collect();
        all.sort_by_key(|(_, (number, _))| *number);
        all.into_iter().map(|(key, (_, value))| (key, value)).collect()
    }

    /// The members alone.
    pub fn keys(&self) -> Vec<Bytes> {
        self.entries().into_iter().map(|(key, _)| key.clone()).collect()
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, or a number as a text.
    Text(Bytes),
    /// A list.
    List(VecDeque<Bytes>),
    /// Fields and their values.
    Hash(Ordered<Bytes>),
    /// Members.
    Set(Ordered<()>),
    /// Members with a score.
    Sorted(Ordered<f64>),
}

impl Value {
    /// What `TYPE` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::Sorted(_) => "zset",
        }
    }

    /// An empty collection is no value: its key goes.
    fn is_empty(&self) -> bool {
        match self {
            Value::Text(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Hash(hash) => hash.len() == 0,
            Value::Set(set) => set.len() == 0,
            Value::Sorted(sorted) => sorted.len() == 0,
        }
    }
}

/// A value and the time of its end, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// When it ends.
    pub until: Option<u64>,
}

/// One of the sixteen numbered databases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    entries: BTreeMap<Bytes, Entry>,
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Database {
    /// The entry of a key that has not ended.
    pub fn get(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.end(key);
        self.entries.get_mut(key)
    }

    /// Puts a value in the place of whatever was there, without an end.
    pub fn set(&mut self, key: &[u8], value: Value) {
        self.entries.insert(key.to_vec(), Entry { value, until: None });
    }

    /// The value of a key, which is made if there is none.
    pub fn or_insert(&mut self, key: &[u8], value: Value) -> &mut Value {
        self.end(key);
        &mut self.entries.entry(key.to_vec()).or_insert(Entry { value, until: None }).value
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.end(key);
        self.entries.remove(key)
    }

    /// Puts an entry back whole.
    pub fn restore(&mut self, key: Bytes, entry: Entry) {
        self.entries.insert(key, entry);
    }

    /// Removes a collection that became empty.
    pub fn tidy(&mut self, key: &[u8]) {
        if self.entries.get(key).is_some_and(|entry| entry.value.is_empty()) {
            self.entries.remove(key);
        }
    }

    /// All keys that have not ended, sorted.
    pub fn keys(&mut self) -> Vec<Bytes> {
        let now = now();
        self.entries.retain(|_, entry| entry.until.is_none_or(|until| until > now));
        self.entries.keys().cloned().collect()
    }

    /// All entries, as they are.
    pub fn entries(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.entries.iter()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Keys end when somebody looks at them.
    fn end(&mut self, key: &[u8]) {
        if self.entries.get(key).and_then(|entry| entry.until).is_some_and(|until| until <= now()) {
            self.entries.remove(key);
        }
    }
}

/// Whether a name fits a pattern of `*`, `?`, `[a-z]`, `\x`.
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => {
            let rest = &rest[rest.iter().take_while(|letter| **letter == b'*').count()..];
            rest.is_empty() || (0..=name.len()).any(|at| fits(rest, &name[at..]))
        }
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, after)| fits(rest, after)),
        Some((b'[', rest)) => class(rest, name),
        Some((b'\\', rest)) if !rest.is_empty() => name.first() == rest.first() && fits(&rest[1..], &name[1..]),
        Some((letter, rest)) => name.first() == Some(letter) && fits(rest, &name[1..]),
    }
}

fn class(pattern: &[u8], name: &[u8]) -> bool {
    let (not, pattern) = pattern.strip_prefix(b"^").map_or((false, pattern), |rest| (true, rest));
    let end = pattern.iter().position(|letter| *letter == b']').unwrap_or(pattern.len());
    let (set, rest) = (&pattern[..end], pattern.get(end + 1..).unwrap_or_default());
    let Some((letter, after)) = name.split_first() else { return false };
    let mut inside = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            inside |= (set[at]..=set[at + 2]).contains(letter);
            at += 3;
        } else {
            inside |= set[at] == *letter;
            at += 1;
        }
    }
    inside != not && fits(rest, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h*llo", "heeello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h\\*", "h*", true),
            ("h\\*", "hx", false),
            ("a*b*c", "aXbYc", true),
            ("[a", "a", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn members_keep_their_order_and_keys_end() {
        let mut hash = Ordered::default();
        assert!(hash.insert(b"b", 1) && hash.insert(b"a", 2) && !hash.insert(b"b", 3));
        assert_eq!(hash.entries(), [(&b"b".to_vec(), &3), (&b"a".to_vec(), &2)]);
        let mut database = Database::default();
        database.restore(b"old".to_vec(), Entry { value: Value::Text(b"x".to_vec()), until: Some(1) });
        assert!(database.get(b"old").is_none() && database.keys().is_empty());
    }
}
