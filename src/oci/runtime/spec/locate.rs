//! Where in a JSON text a value stands: from a line and column to its key (`process.rlimits[0].hard`), and from a key to its line.
//!
//! serde says at which character it stumbled, a check says which key it does not like; a person needs both. One walk over the text
//! serves both directions. The text may be broken: the walk then ends early and names the last key that it understood.

/// A value of the text.
struct Place {
    key: String,
    /// Byte offset of the value's first and last character.
    from: usize,
    to: usize,
}

/// The key of the innermost value at a line and column (both from 1); empty for the document itself.
pub fn key_at(text: &str, line: usize, column: usize) -> String {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let offset = (start + column.saturating_sub(1)).min(text.len());
    let places = places(text);
    let holding = places.iter().filter(|place| place.from <= offset && offset <= place.to + 1);
    holding.max_by_key(|place| place.from).map(|place| place.key.clone()).unwrap_or_default()
}

/// The line (from 1) of the value called `key`, or of the nearest value around it that exists.
pub fn line_of(text: &str, key: &str) -> usize {
    let places = places(text);
    let mut wanted = key;
    loop {
        if let Some(place) = places.iter().find(|place| place.key == wanted) {
            return text.as_bytes()[..place.from].iter().filter(|byte| **byte == b'\n').count() + 1;
        }
        match wanted.rfind(['.', '[']) {
            Some(at) => wanted = &wanted[..at],
            None => return 1,
        }
    }
}

/// How deep the reader of JSON goes before it gives up; keys below that are never asked for, and would grow without end.
const DEPTH: usize = 128;

/// A container that is open while walking.
enum Open {
    /// `{`: the key whose value comes next, once it was read.
    Object { key: String, next: Option<String>, from: usize },
    /// `[`: the index of the value that comes next.
    Array { key: String, index: usize, from: usize },
}

/// Every value of the text in the order in which they end. No recursion: a hostile text may nest as deep as it likes.
fn places(text: &str) -> Vec<Place> {
    let bytes = text.as_bytes();
    let (mut open, mut found, mut at) = (Vec::<Open>::new(), Vec::new(), 0);
    while at < bytes.len() && open.len() <= DEPTH {
        match bytes[at] {
            b'{' => {
                let key = next_key(&mut open);
                open.push(Open::Object { key, next: None, from: at });
                at += 1;
            }
            b'[' => {
                let key = next_key(&mut open);
                open.push(Open::Array { key, index: 0, from: at });
                at += 1;
            }
            b'}' | b']' => {
                if let Some(Open::Object { key, from, .. } | Open::Array { key, from, .. }) = open.pop() {
                    found.push(Place { key, from, to: at });
                }
                at += 1;
            }
            b'"' => {
                let end = string_end(bytes, at);
                match open.last_mut() {
                    Some(Open::Object { next, .. }) if next.is_none() => *next = Some(text.get(at + 1..end).unwrap_or_default().to_owned()),
                    _ => found.push(Place { key: next_key(&mut open), from: at, to: end }),
                }
                at = end + 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => {
                let end = bytes[at..].iter().position(|byte| b",:]} \t\r\n{[\"".contains(byte)).map_or(bytes.len(), |length| at + length);
                found.push(Place { key: next_key(&mut open), from: at, to: end - 1 });
                at = end;
            }
        }
    }
    // What was never closed reaches to the end.
    while let Some(Open::Object { key, from, .. } | Open::Array { key, from, .. }) = open.pop() {
        found.push(Place { key, from, to: bytes.len() });
    }
    found
}

/// The full key of the value that begins now.
fn next_key(open: &mut [Open]) -> String {
    match open.last_mut() {
        None => String::new(),
        Some(Open::Array { key, index, .. }) => {
            *index += 1;
            format!("{key}[{}]", *index - 1)
        }
        Some(Open::Object { key, next, .. }) => {
            let name = next.take().unwrap_or_default();
            if key.is_empty() { name } else { format!("{key}.{name}") }
        }
    }
}

/// The offset of the quote that ends the string which begins at `at`; the last character when it never ends.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut escaped = false;
    for (offset, byte) in bytes.iter().enumerate().skip(at + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return offset,
            _ => {}
        }
    }
    bytes.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "{\n  \"process\": {\n    \"args\": [\"sh\", 5],\n    \"user\": {\"uid\": \"root\"}\n  },\n  \"mounts\": [{}, {\"type\": 3}]\n}";

    #[test]
    fn both_directions() {
        assert_eq!(key_at(TEXT, 3, 21), "process.args[1]");
        assert_eq!(key_at(TEXT, 4, 26), "process.user.uid");
        assert_eq!(key_at(TEXT, 6, 27), "mounts[1].type");
        assert_eq!(line_of(TEXT, "process.args[1]"), 3);
        assert_eq!(line_of(TEXT, "mounts[1].type"), 6);
        assert_eq!(line_of(TEXT, "process.user.gid"), 4);
        assert_eq!(line_of(TEXT, "linux.devices[3].path"), 1);
    }

    #[test]
    fn broken_texts_do_not_panic() {
        for text in ["", "{", "\"", "{\"a", "[[[[", "}}}", "{\"a\":\"\\", "ä{\"ö\":[", "]", "{\"a\" 1 2 : : ,"] {
            key_at(text, 1, 1);
            key_at(text, 99, 99);
            line_of(text, "a.b[0]");
        }
        key_at(&"[".repeat(1_000_000), 1, 5);
    }
}
