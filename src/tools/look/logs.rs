//! What a container has written: its `json-file` log, as `docker logs` reads it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::{Value, json};

use crate::course::question::LINES;
use crate::kernel::fs;

/// The longest log that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// The last lines of the log of the container with this id.
pub(super) fn lines(data: &Path, id: &str) -> Result<Value, String> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("`{id}` is no id of a container"));
    }
    let path = data.join("containers").join(id).join(format!("{id}-json.log"));
    // A container that was never started, or keeps no log, has none.
    let Ok(file) = fs::open_read(&path) else { return Ok(json!({ "lines": [] })) };
    let length = fs::length(&path).map_err(|error| error.to_string())?;
    if length > LONGEST {
        return Err(format!("the log is {length} bytes long, more than a look reads"));
    }
    let mut all = Vec::new();
    let mut begun = [String::new(), String::new()];
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| format!("read the log: {error}"))?;
        // The last line may not be whole yet.
        let Ok(record) = serde_json::from_str::<Value>(&line) else { continue };
        let error = record["stream"] == "stderr";
        let text = &mut begun[usize::from(error)];
        text.push_str(record["log"].as_str().unwrap_or_default());
        // A long line comes in pieces, all but the last without an end.
        if text.ends_with('\n') {
            all.push(said(error, std::mem::take(text)));
        }
    }
    all.extend(begun.into_iter().enumerate().filter(|(_, text)| !text.is_empty()).map(|(at, text)| said(at == 1, text)));
    Ok(json!({ "lines": all.split_off(all.len().saturating_sub(LINES)) }))
}

fn said(error: bool, text: String) -> Value {
    json!({ "stream": if error { "stderr" } else { "stdout" }, "text": text.trim_end_matches(['\n', '\r']) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_damaged_ones_are_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("containers/ab");
        std::fs::create_dir_all(&folder).unwrap();
        let log = "{\"log\":\"one\\n\",\"stream\":\"stdout\"}\n{\"log\":\"half \",\"stream\":\"stderr\"}\n{broken\n{\"log\":\"line\\r\\n\",\"stream\":\"stderr\"}\n{\"log\":\"open\",\"stream\":\"stdout\"}\n";
        std::fs::write(folder.join("ab-json.log"), log).unwrap();
        let line = |stream: &str, text: &str| json!({ "stream": stream, "text": text });
        assert_eq!(
            lines(place.path(), "ab").unwrap()["lines"],
            json!([line("stdout", "one"), line("stderr", "half line"), line("stdout", "open")])
        );
        assert_eq!(lines(place.path(), "cd").unwrap(), json!({ "lines": [] }));
        assert!(lines(place.path(), "../ab").is_err());
    }
}
