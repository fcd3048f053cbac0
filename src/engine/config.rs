//! `daemon.json`: what dockerd's configuration file says, key by key. A file that is wrong is refused with its line and key, before anything is changed.
//!
//! Keys are dockerd's. Those in [`EFFECTLESS`] are dockerd's too and are taken, but this engine has nothing that they could change; whoever sets one is told so.
//! A key that is set in the file and on the command line is refused, as dockerd does, because nobody could say which one holds.

mod effectless;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::net::subnet::Subnet;
use effectless::{EFFECTLESS, Kind};

/// What a host's engine is to do, from its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub hosts: Vec<String>,
    /// Where it keeps its data.
    pub data_root: Option<String>,
    /// Mirrors of Docker Hub, asked first.
    pub registry_mirrors: Vec<String>,
    /// Registries that may do without TLS.
    pub insecure_registries: Vec<String>,
    /// Labels of the engine: `docker info` shows them.
    pub labels: Vec<String>,
    /// How a container's output is kept where it does not say so itself.
    pub log_driver: Option<String>,
    /// Options of that.
    pub log_opts: BTreeMap<String, String>,
    /// Limits of a container's processes: soft and hard.
    pub default_ulimits: BTreeMap<String, (i64, i64)>,
    /// Address and prefix of the bridge `docker0`.
    pub bip: Option<String>,
    /// Whether containers of the default bridge reach each other: they do unless this says no.
    pub icc: Option<bool>,
    /// Whether containers of the default bridge have addresses of IPv6.
    pub ipv6: bool,
    /// The subnet that these are of, where it is not one of the engine's own.
    pub fixed_cidr_v6: Option<String>,
    /// Whether containers outlive the engine: they do unless this says no.
    pub live_restore: Option<bool>,
    /// Whether containers that say nothing else can never gain rights by starting a program.
    pub no_new_privileges: bool,
    /// Whether it runs without the machine's root, and tells so.
    pub rootless: bool,
    /// Name servers of containers.
    pub dns: Vec<String>,
    /// The transport's security, where the engine listens on TCP.
    pub tls: Tls,
    /// What was set and has no effect here, by key.
    pub effectless: Vec<String>,
    /// All keys that were set.
    pub keys: Vec<String>,
}

/// Whether and how TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// TLS without asking for the client's certificate.
    pub on: bool,
    /// TLS for clients with a certificate only.
    pub verify: bool,
    /// The authority that signs clients' certificates.
    pub authority: Option<String>,
    /// The engine's own certificate and its key.
    pub certificate: Option<String>,
    pub key: Option<String>,
}

/// What is wrong with a file: the line, and in words what and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Config {
    /// Reads the text of a `daemon.json`. One that is empty sets nothing.
    ///
    /// # Errors
    /// It is no JSON, has a key that dockerd does not know, or a value of the wrong kind.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() {
            return Ok(Config::default());
        }
        let file: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let what = error.to_string();
            // The place stands in front of our sentence; serde puts it behind its own.
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            Wrong { line: error.line().max(1), what: what.to_owned() }
        })?;
        let mut config = Config::default();
        for (key, value) in &file {
            config.set(key, value).map_err(|what| Wrong { line: line_of(text, key), what })?;
            config.keys.push(key.clone());
        }
        Ok(config)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "hosts" => self.hosts = texts(key, value)?,
            "data-root" => self.data_root = Some(path(key, value)?),
            "registry-mirrors" => self.registry_mirrors = mirrors(key, value)?,
            "insecure-registries" => self.insecure_registries = texts(key, value)?,
            "labels" => self.labels = labels(key, value)?,
            "log-driver" => self.log_driver = Some(one_of(key, value, &["json-file", "local", "none"])?),
            "log-opts" => self.log_opts = options(key, value)?,
            "default-ulimits" => self.default_ulimits = limits(key, value)?,
            "icc" => self.icc = Some(switch(key, value)?),
            "ipv6" => self.ipv6 = switch(key, value)?,
            "fixed-cidr-v6" => self.fixed_cidr_v6 = Some(subnet_of_ipv6(key, value)?),
            "bip" => self.bip = Some(bridge_address(key, value)?),
            "live-restore" => self.live_restore = Some(switch(key, value)?),
            "no-new-privileges" => self.no_new_privileges = switch(key, value)?,
            "rootless" => self.rootless = switch(key, value)?,
            "dns" => self.dns = addresses(key, value)?,
            "tls" => self.tls.on = switch(key, value)?,
            "tlsverify" => self.tls.verify = switch(key, value)?,
            "tlscacert" => self.tls.authority = Some(path(key, value)?),
            "tlscert" => self.tls.certificate = Some(path(key, value)?),
            "tlskey" => self.tls.key = Some(path(key, value)?),
            "storage-driver" => drop(one_of(key, value, &["overlay2", "overlay"])?),
            "storage-opts" => self.set_storage(key, value)?,
            _ => self.set_effectless(key, value)?,
        }
        Ok(())
    }

    /// Options of the storage: a limit that nothing would keep is refused, since somebody counts on it.
    fn set_storage(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match texts(key, value)?.iter().find(|option| option.starts_with("overlay2.size=")) {
            Some(limit) => Err(format!(
                "`{key}`: {limit} is supported only for overlay over xfs with 'pquota' mount option, and this engine sets no quotas: leave it out"
            )),
            None => self.set_effectless(key, value),
        }
    }

    fn set_effectless(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let Some((_, kind)) = EFFECTLESS.iter().find(|(known, _)| *known == key) else {
            return Err(format!("the following directives don't match any configuration option: {key}"));
        };
        if !kind.fits(value) {
            return Err(takes(key, *kind, value));
        }
        self.effectless.push(key.to_owned());
        Ok(())
    }

    /// Refuses what is set here and by a flag: `flags` are the values of the flags that were given, by key.
    ///
    /// # Errors
    /// There is such a key.
    pub fn check_flags(&self, flags: &[(&str, Vec<String>)]) -> Result<(), String> {
        let twice: Vec<String> = flags
            .iter()
            .filter(|(key, _)| self.keys.iter().any(|set| set == key))
            .map(|(key, values)| format!("{key}: (from flag: [{}], from file: {})", values.join(" "), self.shown(key)))
            .collect();
        if twice.is_empty() {
            return Ok(());
        }
        Err(format!("the following directives are specified both as a flag and in the configuration file: {}", twice.join(", ")))
    }

    /// Takes what flags say, by key.
    ///
    /// # Errors
    /// A value is wrong.
    pub fn take_flags(&mut self, flags: &[(&str, Vec<String>)]) -> Result<(), String> {
        for (key, values) in flags {
            let value = match *key {
                "hosts" | "insecure-registries" | "registry-mirrors" | "labels" | "dns" => Value::from(values.clone()),
                "live-restore" | "no-new-privileges" | "rootless" | "tls" | "tlsverify" => Value::from(true),
                "log-opts" => pairs(values).map_err(|wrong| format!("invalid log-opt `{wrong}`: use NAME=VALUE"))?,
                "default-ulimits" => ulimits(values)?,
                _ => values.last().cloned().unwrap_or_default().into(),
            };
            self.set(key, &value)?;
            self.keys.push((*key).to_owned());
        }
        Ok(())
    }

    fn shown(&self, key: &str) -> String {
        let list = |values: &[String]| format!("[{}]", values.join(" "));
        match key {
            "hosts" => list(&self.hosts),
            "registry-mirrors" => list(&self.registry_mirrors),
            "insecure-registries" => list(&self.insecure_registries),
            "labels" => list(&self.labels),
            "data-root" => self.data_root.clone().unwrap_or_default(),
            "log-driver" => self.log_driver.clone().unwrap_or_default(),
            "bip" => self.bip.clone().unwrap_or_default(),
            _ => "another value".to_owned(),
        }
    }
}

fn takes(key: &str, kind: Kind, value: &Value) -> String {
    format!("`{key}` takes {}, not {value}", kind.words())
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| takes(key, Kind::Text, value))
}

fn path(key: &str, value: &Value) -> Result<String, String> {
    let text = text(key, value)?;
    if text.starts_with('/') { Ok(text) } else { Err(format!("`{key}` takes an absolute path, not `{text}`")) }
}

/// `172.26.0.1/16`: the bridge's own address, and how much of it is the network.
fn bridge_address(key: &str, value: &Value) -> Result<String, String> {
    let text = text(key, value)?;
    let parts = text.split_once('/').and_then(|(address, prefix)| Some((address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?)));
    let wrong = || format!("`{key}`: invalid CIDR address: {text}: use ADDRESS/PREFIX, as in 172.26.0.1/16");
    let (address, prefix) = parts.filter(|(_, prefix)| (8..=30).contains(prefix)).ok_or_else(wrong)?;
    let host = u32::from(address) & (u32::MAX >> prefix);
    if host == 0 || host == u32::MAX >> prefix {
        return Err(format!("`{key}`: {text} is the network's own address or its broadcast address, and none for a bridge"));
    }
    Ok(text)
}

fn subnet_of_ipv6(key: &str, value: &Value) -> Result<String, String> {
    let text = text(key, value)?;
    let fits = text.parse::<Subnet>().is_ok_and(|subnet| subnet.start().is_ipv6() && subnet.free(&[]).is_some());
    if fits { Ok(text) } else { Err(format!("`{key}`: invalid CIDR address: {text}: use ADDRESS/PREFIX of IPv6, as in fd00:1::/64")) }
}

fn addresses(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let list = texts(key, value)?;
    match list.iter().find(|one| one.parse::<std::net::IpAddr>().is_err()) {
        None => Ok(list),
        Some(wrong) => Err(format!("`{key}`: invalid IP address: {wrong}")),
    }
}

fn switch(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| takes(key, Kind::Switch, value))
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or_else(|| takes(key, Kind::List, value))?;
    list.iter().map(|one| text(key, one)).collect()
}

fn one_of(key: &str, value: &Value, known: &[&str]) -> Result<String, String> {
    let text = text(key, value)?;
    if known.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(format!("`{key}` is one of {} in this engine, not `{text}`", known.join(", ")))
    }
}

/// Mirrors are whole addresses: dockerd refuses one without `http://` or `https://`.
fn mirrors(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let mirrors = texts(key, value)?;
    let broken = |one: &String| one.strip_prefix("https://").or_else(|| one.strip_prefix("http://")).is_none_or(str::is_empty);
    let wrong = mirrors.iter().find(|one| broken(one));
    match wrong {
        None => Ok(mirrors),
        Some(wrong) => Err(format!("`{key}`: invalid mirror `{wrong}`: use https://HOST or http://HOST")),
    }
}

fn labels(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let labels = texts(key, value)?;
    match labels.iter().find(|label| !label.contains('=')) {
        None => Ok(labels),
        Some(wrong) => Err(format!("`{key}`: bad attribute format: {wrong}: use NAME=VALUE")),
    }
}

/// dockerd takes texts only: `"max-size": 10` is the mistake that people make most.
fn options(key: &str, value: &Value) -> Result<BTreeMap<String, String>, String> {
    let map = value.as_object().ok_or_else(|| takes(key, Kind::Map, value))?;
    let one = |(name, value): (&String, &Value)| {
        let text = value.as_str().ok_or_else(|| format!("`{key}`: `{name}` takes a text in quotes: \"{name}\": \"{value}\""))?;
        Ok((name.clone(), text.to_owned()))
    };
    map.iter().map(one).collect()
}

/// `{"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}`.
fn limits(key: &str, value: &Value) -> Result<BTreeMap<String, (i64, i64)>, String> {
    let map = value.as_object().ok_or_else(|| takes(key, Kind::Map, value))?;
    let one = |(name, value): (&String, &Value)| {
        let number = |field: &str| value[field].as_i64();
        let wrong = || format!("`{key}`: `{name}` takes {{\"Name\": \"{name}\", \"Soft\": NUMBER, \"Hard\": NUMBER}}");
        let (soft, hard) = number("Soft").zip(number("Hard")).ok_or_else(wrong)?;
        if hard != -1 && (soft > hard || soft == -1) {
            return Err(format!("`{key}`: `{name}`: ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
        }
        Ok((name.clone(), (soft, hard)))
    };
    map.iter().map(one).collect()
}

/// `NAME=VALUE` each, as a mapping.
fn pairs(values: &[String]) -> Result<Value, &str> {
    let pair = |value: &String| value.split_once('=').map(|(name, value)| (name.to_owned(), Value::from(value)));
    let pairs: Option<Map<String, Value>> = values.iter().map(pair).collect();
    pairs.map(Value::Object).ok_or_else(|| values.iter().find(|value| !value.contains('=')).map_or("", String::as_str))
}

/// `NAME=SOFT[:HARD]` each, as the file writes it.
fn ulimits(values: &[String]) -> Result<Value, String> {
    let one = |text: &String| {
        let (name, numbers) = text.split_once('=')?;
        let (soft, hard) = numbers.split_once(':').unwrap_or((numbers, numbers));
        let (soft, hard): (i64, i64) = (soft.parse().ok()?, hard.parse().ok()?);
        Some((name.to_owned(), serde_json::json!({"Name": name, "Soft": soft, "Hard": hard})))
    };
    let limits: Result<Map<String, Value>, String> =
        values.iter().map(|text| one(text).ok_or_else(|| format!("invalid ulimit argument: {text}: use NAME=SOFT[:HARD]"))).collect();
    limits.map(Value::Object)
}

/// The line on which a key stands: the first `"KEY"` before a colon.
fn line_of(text: &str, key: &str) -> usize {
    let quoted = format!("\"{key}\"");
    let is_key = |at: &usize| text[at + quoted.len()..].trim_start().starts_with(':');
    let at = text.match_indices(&quoted).map(|(at, _)| at).find(is_key).unwrap_or(0);
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_understood() {
        let text = r#"{
            "registry-mirrors": ["https://mirror.local:5000"], "insecure-registries": ["reg:5000"],
            "data-root": "/srv/docker", "log-driver": "json-file", "log-opts": {"max-size": "10m"},
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}}, "bip": "172.26.0.1/16", "live-restore": true,
            "labels": ["a=b"], "storage-driver": "overlay2", "iptables": false, "tlsverify": true, "tlscacert": "/etc/docker/ca.pem"
        }"#;
        let config = Config::read(text).unwrap();
        assert_eq!(
            (config.registry_mirrors.as_slice(), config.data_root.as_deref()),
            (&["https://mirror.local:5000".to_owned()][..], Some("/srv/docker"))
        );
        assert_eq!((config.default_ulimits["nofile"], config.log_opts["max-size"].as_str()), ((64, 128), "10m"));
        assert_eq!((config.effectless.join(" ").as_str(), config.tls.verify), ("iptables", true));
        assert_eq!(Config::read(" \n").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let table = [
            ("{\n  \"registry-mirrors\": [\n}", 3, "expected value"),
            ("{\n  \"debug\": true\n  \"tls\": true\n}", 3, "expected `,` or `}`"),
            ("{\n\n  \"registry-mirror\": []\n}", 3, "the following directives don't match any configuration option: registry-mirror"),
            ("{\"insecure-registries\": \"reg:5000\"}", 1, "`insecure-registries` takes a list: [\"...\"], not \"reg:5000\""),
            (
                "{\n\"registry-mirrors\": [\"mirror:5000\"]}",
                2,
                "`registry-mirrors`: invalid mirror `mirror:5000`: use https://HOST or http://HOST",
            ),
            ("{\n\"debug\": \"true\"}", 2, "`debug` takes true or false, not \"true\""),
            ("{\n\"log-opts\":\n{\"max-file\": 3}}", 2, "`log-opts`: `max-file` takes a text in quotes: \"max-file\": \"3\""),
            ("{\"data-root\": \"docker\"}", 1, "`data-root` takes an absolute path, not `docker`"),
            ("{\"log-driver\": \"splunk\"}", 1, "`log-driver` is one of json-file, local, none in this engine, not `splunk`"),
            ("{\"bip\": \"172.26.0.1\"}", 1, "`bip`: invalid CIDR address: 172.26.0.1: use ADDRESS/PREFIX, as in 172.26.0.1/16"),
            (
                "{\"bip\": \"172.26.0.0/16\"}",
                1,
                "`bip`: 172.26.0.0/16 is the network's own address or its broadcast address, and none for a bridge",
            ),
            (
                "{\"fixed-cidr-v6\": \"10.0.0.0/8\"}",
                1,
                "`fixed-cidr-v6`: invalid CIDR address: 10.0.0.0/8: use ADDRESS/PREFIX of IPv6, as in fd00:1::/64",
            ),
            (
                "{\"storage-opts\": [\"overlay2.size=5G\"]}",
                1,
                "`storage-opts`: overlay2.size=5G is supported only for overlay over xfs with 'pquota' mount option, and this engine sets no quotas: leave it out",
            ),
            ("{\"dns\": [\"resolver\"]}", 1, "`dns`: invalid IP address: resolver"),
            ("[]", 1, "invalid type: sequence, expected a map"),
        ];
        for (text, line, what) in table {
            let wrong = Config::read(text).unwrap_err();
            assert_eq!((wrong.line, wrong.what.as_str()), (line, what), "{text}");
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        let config = Config::read(r#"{"hosts": ["tcp://0.0.0.0:2376"], "bip": "10.0.0.1/8"}"#).unwrap();
        let said = config.check_flags(&[("hosts", vec!["fd://".to_owned()]), ("labels", vec!["a=b".to_owned()])]).unwrap_err();
        let wanted = "the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [fd://], from file: [tcp://0.0.0.0:2376])";
        assert_eq!(said, wanted);
        assert!(config.check_flags(&[("data-root", vec!["/x".to_owned()])]).is_ok());
    }

    #[test]
    fn flags_say_the_same() {
        let mut config = Config::default();
        let flag = |key: &'static str, values: &[&str]| (key, values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        let flags =
            [flag("log-opts", &["max-size=1m"]), flag("default-ulimits", &["nofile=64:128", "nproc=9"]), flag("tlsverify", &["true"])];
        config.take_flags(&flags).unwrap();
        assert_eq!((config.log_opts["max-size"].as_str(), config.default_ulimits["nproc"], config.tls.verify), ("1m", (9, 9), true));
        assert!(config.take_flags(&[flag("default-ulimits", &["nofile"])]).unwrap_err().starts_with("invalid ulimit argument: nofile"));
        assert!(config.take_flags(&[flag("log-opts", &["x"])]).unwrap_err().contains("`x`"));
    }

    #[test]
    fn a_key_is_found_and_not_its_value() {
        assert_eq!(line_of("{\"a\": \"b\",\n\"c\": 1,\n\"b\" : 2}", "b"), 3);
        assert_eq!(line_of("{}", "b"), 1);
    }
}
