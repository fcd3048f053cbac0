//! `--progress=rawjson`: what BuildKit's client sends to whoever draws it, one document a line.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::Inner;
use crate::build::events::Event;
use crate::oci::digest::Digest;

/// Prints what an event adds.
pub fn print(inner: &mut Inner, event: &Event) -> io::Result<()> {
    let now = crate::oci::runtime::timestamp();
    let vertex = |id: usize, more: Value| {
        let mut vertex = json!({"digest": digest(id), "name": inner.vertices.all.get(&id).map(|one| one.name.clone())});
        if let (Some(vertex), Value::Object(more)) = (vertex.as_object_mut(), more) {
            vertex.extend(more);
        }
        json!({"vertexes": [vertex]})
    };
    let document = match event {
        Event::Begun(id, _) => vertex(*id, json!({"started": now})),
        Event::Cached(id) => vertex(*id, json!({"started": now, "completed": now, "cached": true})),
        Event::Done(id, _) => vertex(*id, json!({"completed": now})),
        Event::Failed(id, why) => vertex(*id, json!({"completed": now, "error": why})),
        Event::Canceled(id) => vertex(*id, json!({"completed": now, "error": "context canceled"})),
        Event::Status(id, text) => {
            json!({"statuses": [{"id": text, "vertex": digest(*id), "timestamp": now, "completed": now, "current": 0}]})
        }
        Event::Log(id, _, bytes) => json!({"logs": [{"vertex": digest(*id), "stream": 1, "data": base64(bytes), "timestamp": now}]}),
        Event::Warning(warning) => json!({"warnings": [{
            "short": base64(format!("{}: {} (line {})", warning.rule, warning.text, warning.lines.0).as_bytes()), "level": 1,
        }]}),
        _ => return Ok(()),
    };
    writeln!(inner.out, "{document}")
}

/// A vertex is known by a digest; ours have numbers.
fn digest(id: usize) -> String {
    Digest::of(format!("vertex {id}").as_bytes()).to_string()
}

/// RFC 4648, as JSON carries bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_in_letters() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(super::base64(bytes.as_bytes()), text);
        }
    }
}
