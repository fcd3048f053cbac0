//! `"key": null` means the same as no key: engines written in Go write their empty lists so.
//!
//! The members are blanked out in the text, so that every complaint about what stays still names the right line and column.

/// One token of the text: what it is, and from where to where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Colon,
    Comma,
    Null,
    Other,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    from: usize,
    to: usize,
}

/// The text with spaces in place of all members that are `null`; `None` when it has none. Any bytes may come.
pub fn blanked(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.windows(4).any(|word| word == b"null") {
        return None;
    }
    let mut text = bytes.to_vec();
    let mut kept: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(token) = next(bytes, at) {
        at = token.to;
        let member = matches!(kept.as_slice(), [.., Token { kind: Kind::Text, .. }, Token { kind: Kind::Colon, .. }]);
        if token.kind != Kind::Null || !member {
            kept.push(token);
            continue;
        }
        kept.pop();
        let name = kept.pop().map_or(token.from, |name| name.from);
        text[name..token.to].fill(b' ');
        // One comma goes with it: the one behind, or for the last member the one before.
        match next(bytes, at) {
            Some(comma) if comma.kind == Kind::Comma => {
                text[comma.from] = b' ';
                at = comma.to;
            }
            _ => {
                if let Some(comma) = kept.pop_if(|before| before.kind == Kind::Comma) {
                    text[comma.from] = b' ';
                }
            }
        }
    }
    Some(text)
}

fn next(bytes: &[u8], at: usize) -> Option<Token> {
    let from = at + bytes.get(at..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let (kind, to) = match bytes[from] {
        b'"' => (Kind::Text, text_end(bytes, from)),
        b':' => (Kind::Colon, from + 1),
        b',' => (Kind::Comma, from + 1),
        b'{' | b'}' | b'[' | b']' => (Kind::Other, from + 1),
        _ => {
            let length = bytes[from..].iter().position(|byte| b",:{}[]\" \t\r\n".contains(byte)).unwrap_or(bytes.len() - from);
            // A byte that is white space for ASCII and none for JSON still has to be passed.
            let to = from + length.max(1);
            (if &bytes[from..to] == b"null" { Kind::Null } else { Kind::Other }, to)
        }
    };
    Some(Token { kind, from, to })
}

/// The place behind the closing quote; the end of the text when there is none.
fn text_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_and_places_stay() {
        for (given, wanted) in [
            (r#"{"a": null}"#, r#"{         }"#),
            (r#"{"a": null, "b": 1}"#, r#"{           "b": 1}"#),
            (r#"{"b": 1, "a": null}"#, r#"{"b": 1           }"#),
            (r#"{"a": null, "b": null}"#, r#"{                    }"#),
            (r#"{"c": 1, "a": null, "b": null}"#, r#"{"c": 1                      }"#),
            (r#"{"a": {"b": null}, "c": [null]}"#, r#"{"a": {         }, "c": [null]}"#),
            (r#"{"null": "null", "x\"": null}"#, r#"{"null": "null"             }"#),
        ] {
            assert_eq!(String::from_utf8(blanked(given.as_bytes()).unwrap()).unwrap(), wanted, "{given}");
        }
        assert_eq!(blanked(b"{\"a\": 1}"), None);
    }

    #[test]
    fn broken_texts_do_not_panic() {
        for text in [
            "null",
            ": null",
            "\"a\": null",
            "{\"a\": null,",
            "{\"a\":null\"",
            "\"\\",
            "{\"\\null",
            "\x0bnull\x0b",
            "nullnull",
            "\"\":null,,",
        ] {
            let _ = blanked(text.as_bytes());
        }
        let _ = blanked(&b"{\"a\":null,".repeat(100_000));
    }
}
