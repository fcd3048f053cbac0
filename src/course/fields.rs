//! Reading typed values out of a YAML mapping, and complaining well: every problem has file, line, key and a way out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Problem, Spot};
use super::yaml::{Node, Value};

/// Collects what is wrong with one file, so that an author sees all of it at once.
#[derive(Debug)]
pub struct Complaints {
    file: PathBuf,
    pub list: Vec<Problem>,
}

impl Complaints {
    /// None yet about this file.
    pub fn about(file: &Path) -> Self {
        Complaints { file: file.to_owned(), list: Vec::new() }
    }

    /// Notes a problem at a place and a key, with the way out.
    pub fn add(&mut self, spot: impl Into<Spot>, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem { file: self.file.clone(), spot: spot.into(), key: key.to_owned(), what: what.into(), hint: hint.into() };
        // One slip may be met twice on the way; an author needs to read it once.
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }
}

/// A mapping that is being read. Keys that nobody asked for are problems at [`Fields::finish`].
pub struct Fields<'n> {
    map: &'n [(String, Node)],
    /// Where the mapping stands in the file.
    pub spot: Spot,
    /// The path to it: `steps[0].facts[1]`.
    pub path: String,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Begins to read `node`, which must be a mapping.
    pub fn open(node: &'n Node, path: &str, complaints: &mut Complaints) -> Option<Self> {
        match &node.value {
            Value::Map(map) => Some(Fields { map, spot: node.spot, path: path.to_owned(), asked: Vec::new() }),
            _ => {
                complaints.add(node.spot, path, format!("must be a mapping, is {}", node.sort()), "write `key: value` lines");
                None
            }
        }
    }

    /// The path of a key.
    pub fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of `key`, if it is there and not empty.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        self.map.iter().find(|(name, node)| name == key && !node.is_null()).map(|(_, node)| node)
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &str) -> bool {
        self.map.iter().any(|(name, _)| name == key)
    }

    /// A text. Numbers and truths count as texts.
    pub fn text(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<String> {
        let node = self.get(key)?;
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => {
                let hint = "put quotes around a text that begins with `{` or `[`";
                complaints.add(node.spot, &self.at(key), format!("must be a text, is {}", node.sort()), hint);
                None
            }
        }
    }

    /// A text that must be there.
    pub fn needed(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<String> {
        if !self.map.iter().any(|(name, node)| name == key && !node.is_null()) {
            self.asked.push(key);
            complaints.add(self.spot, &self.at(key), "is missing", format!("add `{key}: ...`"));
            return None;
        }
        self.text(key, complaints)
    }

    /// A value that `read` makes from the text; `wanted` says what it must look like.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
        complaints: &mut Complaints,
    ) -> Option<T> {
        let spot = self.spot_of(key);
        let text = self.text(key, complaints)?;
        let value = read(&text);
        if value.is_none() {
            complaints.add(spot, &self.at(key), format!("`{text}` cannot be read"), format!("write {wanted}"));
        }
        value
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<u64> {
        self.parsed(key, "a whole number", |text| text.parse().ok(), complaints)
    }

    /// `true` or `false`.
    pub fn truth(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<bool> {
        self.parsed(key, "`true` or `false`", |text| text.parse().ok(), complaints)
    }

    /// A span of time: `500ms`, `2s`, `1m`.
    pub fn duration(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<Duration> {
        self.parsed(key, "a duration such as `500ms`, `2s` or `1m`", parse_duration, complaints)
    }

    /// One of a closed list of words.
    pub fn word(&mut self, key: &'static str, words: &[&'static str], complaints: &mut Complaints) -> Option<&'static str> {
        let spot = self.spot_of(key);
        let text = self.text(key, complaints)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let hint = did_you_mean(&text, words).unwrap_or_else(|| format!("one of: {}", words.join(", ")));
            complaints.add(spot, &self.at(key), format!("`{text}` is not known here"), hint);
        }
        found
    }

    /// A list of nodes; a single value counts as a list of one.
    pub fn list(&mut self, key: &'static str) -> Vec<&'n Node> {
        match self.get(key) {
            Some(Node { value: Value::List(list), .. }) => list.iter().collect(),
            Some(node) => vec![node],
            None => Vec::new(),
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str, complaints: &mut Complaints) -> Vec<String> {
        let path = self.at(key);
        let mut texts = Vec::new();
        for node in self.list(key) {
            match node.text() {
                Some(text) => texts.push(text.to_owned()),
                None => complaints.add(
                    node.spot,
                    &path,
                    format!("must be a list of texts, has {}", node.sort()),
                    "write `[one, two]`; a text with `: `, `{` or `[` in it needs quotes",
                ),
            }
        }
        texts
    }

    /// A mapping with free keys and text values.
    pub fn pairs(&mut self, key: &'static str, complaints: &mut Complaints) -> Vec<(String, String)> {
        let path = self.at(key);
        let Some(node) = self.get(key) else { return Vec::new() };
        let Value::Map(map) = &node.value else {
            complaints.add(node.spot, &path, format!("must be a mapping, is {}", node.sort()), "write `{name: value}`");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in map {
            match value.text() {
                Some(text) => pairs.push((name.clone(), text.to_owned())),
                None => complaints.add(
                    value.spot,
                    &format!("{path}.{name}"),
                    format!("must be a text, is {}", value.sort()),
                    "put quotes around it",
                ),
            }
        }
        pairs
    }

    /// Where the value of a key stands, or the mapping.
    pub fn spot_of(&self, key: &str) -> Spot {
        self.map.iter().find(|(name, _)| name == key).map_or(self.spot, |(_, node)| node.spot)
    }

    /// Complains about keys that nobody asked for.
    pub fn finish(self, complaints: &mut Complaints) {
        for (name, node) in self.map {
            if !self.asked.iter().any(|asked| asked == name) {
                let hint = did_you_mean(name, &self.asked).unwrap_or_else(|| format!("known here: {}", known(&self.asked)));
                complaints.add(node.key, &self.at(name), "is no key that this place knows", hint);
            }
        }
    }
}

fn known(asked: &[&str]) -> String {
    let mut names: Vec<&str> = asked.to_vec();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// `500ms`, `2s`, `1m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok()?;
    match &text[split..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

/// A number with an optional K, M, G or T (powers of 1024); `max` is infinite.
pub fn parse_size(text: &str) -> Option<f64> {
    let text = text.trim();
    if text == "max" {
        return Some(f64::INFINITY);
    }
    let bare = text.trim_end_matches(['B', 'i']);
    let (number, factor) = match bare.chars().last()? {
        'K' | 'k' => (&bare[..bare.len() - 1], 1024.0),
        'M' | 'm' => (&bare[..bare.len() - 1], 1024.0 * 1024.0),
        'G' | 'g' => (&bare[..bare.len() - 1], 1024.0 * 1024.0 * 1024.0),
        'T' | 't' => (&bare[..bare.len() - 1], 1024.0 * 1024.0 * 1024.0 * 1024.0),
        _ => (text, 1.0),
    };
    number.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
}

/// The known word nearest to `name`, when it is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1) + 1;
    known.into_iter().map(|word| (distance(name, word), word)).filter(|(far, _)| *far <= limit).min().map(|(_, word)| word)
}

/// The way out of a slip.
pub fn did_you_mean(name: &str, known: &[&str]) -> Option<String> {
    nearest(name, known.iter().copied()).map(|word| format!("did you mean `{word}`?"))
}

/// How many letters must be changed, added, dropped or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let change = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_line_and_the_nearest_key() {
        let file = Path::new("labs/x/lab.yaml");
        let node = yaml::parse(file, "title: T\nminuets: 5\nzzz: 1\n", 1).unwrap();
        let mut complaints = Complaints::about(file);
        let mut fields = Fields::open(&node, "", &mut complaints).unwrap();
        fields.text("title", &mut complaints);
        fields.number("minutes", &mut complaints);
        fields.needed("id", &mut complaints);
        fields.finish(&mut complaints);
        let told: Vec<String> = complaints.list.iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "labs/x/lab.yaml:1:1: `id`: is missing (add `id: ...`)");
        assert_eq!(told[1], "labs/x/lab.yaml:2:1: `minuets`: is no key that this place knows (did you mean `minutes`?)");
        assert_eq!(told[2], "labs/x/lab.yaml:3:1: `zzz`: is no key that this place knows (known here: id, minutes, title)");
    }

    #[test]
    fn sizes_and_durations() {
        assert_eq!(parse_size("64M"), Some(67_108_864.0));
        assert_eq!((parse_size("12"), parse_size("1.5K"), parse_size("2MiB")), (Some(12.0), Some(1536.0), Some(2_097_152.0)));
        assert_eq!((parse_size("max"), parse_size("x"), parse_size(""), parse_size("M")), (Some(f64::INFINITY), None, None, None));
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!((parse_duration("2"), parse_duration("s"), parse_duration("99999999999999999999s")), (None, None, None));
    }
}
