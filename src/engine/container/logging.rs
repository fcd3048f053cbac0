//! How the output of a container is kept: the drivers, their options, and what the shim is told of them.

use std::path::Path;

use serde_json::json;

use super::Container;
use super::config::LogConfig;
use super::record::Record;
use crate::engine::error::Fault;
use crate::engine::quantity;
use crate::oci::runtime::hold::Hold;

/// The drivers, each with the options that it takes. `local` is kept as `json-file` is, but begun anew by itself.
const DRIVERS: [(&str, &[&str]); 3] = [
    ("json-file", &["compress", "env", "env-regex", "labels", "labels-regex", "max-file", "max-size", "tag"]),
    ("local", &["compress", "max-file", "max-size"]),
    ("none", &[]),
];
/// What `local` does where nobody says anything: five files of 20 MB.
const LOCAL: (u64, u32) = (20 << 20, 5);

/// Judges a driver and its options before a container is made with them.
///
/// # Errors
/// An unknown driver or option, or a value that is none.
pub fn check(config: &LogConfig) -> Result<(), Fault> {
    let kind = config.kind.as_str();
    let known = DRIVERS.iter().find(|(name, _)| *name == kind);
    let (_, options) = known.ok_or_else(|| Fault::bad(format!("logger: no log driver named '{kind}' is registered")))?;
    // Nothing is kept, so nothing is looked at: dockerd takes any option there.
    if let Some(wrong) = config.config.keys().find(|key| kind != "none" && !options.contains(&key.as_str())) {
        return Err(Fault::bad(format!("unknown log opt '{wrong}' for {kind} log driver")));
    }
    rotation(config).map(drop)
}

/// How large a log may become (0: as large as it likes), and how many are kept.
fn rotation(config: &LogConfig) -> Result<(u64, u32), Fault> {
    let usual = if config.kind == "local" { LOCAL } else { (0, 1) };
    let size = match config.config.get("max-size").map(String::as_str) {
        None => usual.0,
        // -1 is no limit.
        Some(text) => u64::try_from(quantity::bytes(text).map_err(Fault::bad)?).unwrap_or(0),
    };
    let files = match config.config.get("max-file") {
        None => usual.1,
        Some(text) => text.parse().map_err(|_| Fault::bad(format!("invalid value for max-file: {text}")))?,
    };
    if files < 1 {
        return Err(Fault::bad("max-file cannot be less than 1"));
    }
    Ok((size, files))
}

/// What the shim of a container is told.
///
/// # Errors
/// As [`check`].
pub fn hold(container: &Container, record: &Record, folder: &Path) -> Result<Hold, Fault> {
    let (log_size, log_files) = rotation(&record.host.log_config)?;
    let options = &record.host.log_config.config;
    let mut attributes = serde_json::Map::new();
    for key in options.get("labels").into_iter().flat_map(|text| text.split(',')) {
        attributes.extend(record.config.labels.get(key).map(|value| (key.to_owned(), json!(value))));
    }
    for key in options.get("env").into_iter().flat_map(|text| text.split(',')) {
        let value = record.config.env.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        attributes.extend(value.map(|value| (key.to_owned(), json!(value))));
    }
    Ok(Hold {
        socket: folder.join("main.sock"),
        log: record.is_logged().then(|| container.log_path()),
        log_size,
        log_files,
        log_attributes: attributes,
        stdin: record.config.open_stdin,
        stdin_once: record.config.stdin_once,
        ..Hold::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_take_their_own_options_only() {
        let config = |kind: &str, options: &[(&str, &str)]| LogConfig {
            kind: kind.to_owned(),
            config: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let said = |kind, options: &[_]| check(&config(kind, options)).map_err(|fault| fault.message);
        assert_eq!(said("json-file", &[("max-size", "10m"), ("max-file", "3"), ("tag", "x")]), Ok(()));
        assert_eq!(said("json-file", &[("max-siz", "10m")]), Err("unknown log opt 'max-siz' for json-file log driver".to_owned()));
        assert_eq!(said("local", &[("tag", "x")]), Err("unknown log opt 'tag' for local log driver".to_owned()));
        assert_eq!(said("json-file", &[("max-file", "0")]), Err("max-file cannot be less than 1".to_owned()));
        assert_eq!(said("json-file", &[("max-size", "much")]), Err("invalid size: 'much'".to_owned()));
        assert_eq!(said("splunk", &[]), Err("logger: no log driver named 'splunk' is registered".to_owned()));
        assert_eq!((said("none", &[("any", "x")]), rotation(&config("local", &[]))), (Ok(()), Ok(LOCAL)));
    }
}
