//! The options of `docker run` and `docker create`, as the document that the engine makes a container of.

mod mounts;
mod ports;

pub use mounts::security;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::quantity;

/// `NAME=VALUE` lists as a map; a name alone has no value.
fn map(values: &[String]) -> Value {
    let one = |text: &String| {
        text.split_once('=').map_or_else(|| (text.clone(), Value::from("")), |(name, value)| (name.to_owned(), value.into()))
    };
    Value::Object(values.iter().map(one).collect::<BTreeMap<String, Value>>().into_iter().collect())
}

/// A list, or null where there is none: the engine then takes its own.
fn list(given: &Given, name: &str) -> Value {
    if given.all(name).is_empty() { Value::Null } else { json!(given.all(name)) }
}

/// `--cap-add` and `--cap-drop` as the real client sends them: with their whole names, sorted, each once. What is given is not taken away.
fn capabilities(add: &[String], drop: &[String]) -> (Value, Value) {
    const ALL: &str = "ALL";
    let whole = |name: &String| match name.trim().to_uppercase() {
        name if name == ALL || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let only_all = |names: BTreeSet<String>| if names.contains(ALL) { BTreeSet::from([ALL.to_owned()]) } else { names };
    let add = only_all(add.iter().map(whole).collect());
    let drop = only_all(drop.iter().map(whole).filter(|name| !add.contains(name)).collect());
    let value = |names: BTreeSet<String>| if names.is_empty() { Value::Null } else { json!(names) };
    (value(add), value(drop))
}

fn lines_of(path: &str, what: &str) -> std::result::Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|_| format!("open {path}: no such file or directory"))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split('=').next() {
            Some(name) if name.is_empty() || name.contains(char::is_whitespace) => {
                Err(format!("poorly formatted {what}: variable '{name}' contains whitespaces"))
            }
            _ => Ok(line.to_owned()),
        })
        .collect()
}

/// The environment: files first, then `-e`; a name alone takes the value that we have, if we have one.
///
/// # Errors
/// A file is not there, or has a line that is none.
pub fn environment(given: &Given) -> std::result::Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in given.all("env-file") {
        all.extend(lines_of(file, "environment")?);
    }
    all.extend(given.all("env").iter().cloned());
    let valued = |one: String| if one.contains('=') { Some(one) } else { std::env::var(&one).ok().map(|value| format!("{one}={value}")) };
    Ok(all.into_iter().filter_map(valued).collect())
}

fn labels(given: &Given) -> std::result::Result<Value, String> {
    let mut all = Vec::new();
    for file in given.all("label-file") {
        all.extend(lines_of(file, "labels")?);
    }
    all.extend(given.all("label").iter().cloned());
    Ok(map(&all))
}

/// The streams that are attached: input, output, errors.
fn attached(given: &Given) -> Result<[bool; 3]> {
    let named = given.all("attach");
    if named.is_empty() {
        return Ok([given.on("interactive"), true, true]);
    }
    let mut streams = [false; 3];
    for name in named {
        let at = ["stdin", "stdout", "stderr"].iter().position(|known| *known == name.to_lowercase());
        match at {
            Some(at) => streams[at] = true,
            None => {
                return Err(wrong(
                    given,
                    &format!("invalid argument {name:?} for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"),
                ));
            }
        }
    }
    Ok(streams)
}

fn wrong(given: &Given, why: &str) -> Failure {
    let called = &given.called;
    Failure::new(format!(
        "{why}\n\nUsage:  docker {called} [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker {called} --help' for more information"
    ))
    .code(125)
}

fn refused(given: &Given, why: &str) -> Failure {
    Failure::new(format!("docker: {why}\n\nRun 'docker {} --help' for more information", given.called)).code(125)
}

/// The whole document.
///
/// # Errors
/// An option makes no sense, or two contradict each other.
pub fn body(given: &Given) -> Result<Value> {
    if given.on("rm") && given.text("restart").is_some_and(|policy| policy != "no" && !policy.is_empty()) {
        return Err(refused(given, "conflicting options: cannot specify both --restart and --rm"));
    }
    let [stdin, stdout, stderr] = attached(given)?;
    let ports = ports::read(given).map_err(|why| refused(given, &why))?;
    let volumes = mounts::volumes(given.all("volume")).map_err(|why| refused(given, &why))?;
    let mut config = json!({
        "Hostname": given.text_or_empty("hostname"), "Domainname": given.text_or_empty("domainname"), "User": given.text_or_empty("user"),
        "AttachStdin": stdin, "AttachStdout": stdout, "AttachStderr": stderr,
        "Tty": given.on("tty"), "OpenStdin": given.on("interactive"), "StdinOnce": given.on("interactive") && stdin,
        "Env": environment(given).map_err(|why| refused(given, &why))?, "Cmd": if given.words.len() > 1 { json!(given.words[1..]) } else { Value::Null },
        "Image": given.word(0), "WorkingDir": given.text_or_empty("workdir"), "Labels": labels(given).map_err(|why| refused(given, &why))?,
        "Volumes": volumes.anonymous, "ExposedPorts": ports.exposed,
        "Entrypoint": given.text("entrypoint").map_or(Value::Null, |entry| json!([entry])),
    });
    optional(&mut config, "StopSignal", given.text("stop-signal").map(Value::from));
    optional(&mut config, "StopTimeout", given.number("stop-timeout").map(Value::from));
    optional(&mut config, "MacAddress", given.text("mac-address").map(Value::from));
    optional(&mut config, "Healthcheck", health(given).map_err(|why| refused(given, &why))?);
    config["HostConfig"] = host(given, &volumes.binds, &ports.bindings)?;
    config["NetworkingConfig"] = networks(given).map_err(|why| refused(given, &why))?;
    Ok(config)
}

fn optional(document: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        document[key] = value;
    }
}

fn health(given: &Given) -> std::result::Result<Option<Value>, String> {
    let options = ["health-cmd", "health-interval", "health-timeout", "health-start-period", "health-start-interval", "health-retries"];
    let any = options.iter().any(|name| given.has(name));
    if given.on("no-healthcheck") {
        return if any {
            Err("--no-healthcheck conflicts with --health-* options".to_owned())
        } else {
            Ok(Some(json!({"Test": ["NONE"]})))
        };
    }
    if !any {
        return Ok(None);
    }
    let mut check = json!({});
    optional(
        &mut check,
        "Test",
        given.text("health-cmd").filter(|command| !command.is_empty()).map(|command| json!(["CMD-SHELL", command])),
    );
    for (name, key) in [
        ("health-interval", "Interval"),
        ("health-timeout", "Timeout"),
        ("health-start-period", "StartPeriod"),
        ("health-start-interval", "StartInterval"),
    ] {
        if given.duration(name).is_some_and(|time| time < 0) {
            return Err(format!("--{name} cannot be negative"));
        }
        optional(&mut check, key, given.duration(name).map(Value::from));
    }
    if given.number("health-retries").is_some_and(|number| number < 0) {
        return Err("--health-retries cannot be negative".to_owned());
    }
    optional(&mut check, "Retries", given.number("health-retries").map(Value::from));
    Ok(Some(check))
}

/// `no`, `always`, `on-failure:3`.
///
/// # Errors
/// It is no policy.
pub fn restart(text: &str) -> std::result::Result<Value, String> {
    // Which policies there are is for the engine to know.
    let (name, count) = text.split_once(':').map_or((text, None), |(name, count)| (name, Some(count)));
    if name.is_empty() && count.is_some() {
        return Err("invalid restart policy format: no policy provided before colon".to_owned());
    }
    let count = match count {
        None => 0,
        Some(count) => {
            count.parse::<i64>().map_err(|_| "invalid restart policy format: maximum retry count must be an integer".to_owned())?
        }
    };
    Ok(json!({"Name": if name.is_empty() { "no" } else { name }, "MaximumRetryCount": count}))
}

/// Limits and what else `docker update` can change too.
pub fn resources(given: &Given) -> Value {
    let mut host = json!({});
    for (name, key) in [
        ("cpu-shares", "CpuShares"),
        ("cpu-period", "CpuPeriod"),
        ("cpu-quota", "CpuQuota"),
        ("cpu-rt-period", "CpuRealtimePeriod"),
        ("cpu-rt-runtime", "CpuRealtimeRuntime"),
        ("pids-limit", "PidsLimit"),
        ("blkio-weight", "BlkioWeight"),
        ("memory-swappiness", "MemorySwappiness"),
    ] {
        optional(&mut host, key, given.number(name).map(Value::from));
    }
    for (name, key) in [
        ("memory", "Memory"),
        ("memory-reservation", "MemoryReservation"),
        ("memory-swap", "MemorySwap"),
        ("kernel-memory", "KernelMemory"),
    ] {
        optional(&mut host, key, given.bytes(name).map(Value::from));
    }
    for (name, key) in [("cpuset-cpus", "CpusetCpus"), ("cpuset-mems", "CpusetMems")] {
        optional(&mut host, key, given.text(name).map(Value::from));
    }
    optional(&mut host, "NanoCpus", given.text("cpus").and_then(|text| quantity::processors(text).ok()).map(Value::from));
    host
}

/// What is limited of single block devices: the option, its member of the request, and the number behind the device.
const DEVICE_LIMITS: &[(&str, &str, DeviceNumber)] = &[
    ("blkio-weight-device", "BlkioWeightDevice", DeviceNumber::Weight),
    ("device-read-bps", "BlkioDeviceReadBps", DeviceNumber::Bytes),
    ("device-read-iops", "BlkioDeviceReadIOps", DeviceNumber::Requests),
    ("device-write-bps", "BlkioDeviceWriteBps", DeviceNumber::Bytes),
    ("device-write-iops", "BlkioDeviceWriteIOps", DeviceNumber::Requests),
];

/// The number of a limit of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeviceNumber {
    /// 10 to 1000; 0 is none.
    Weight,
    /// Bytes a second, with a unit.
    Bytes,
    /// Requests a second.
    Requests,
}

/// `/dev/sda:1mb` as the engine's API has it.
fn device_limit(text: &str, number: DeviceNumber) -> std::result::Result<Value, String> {
    let (path, value) = text.split_once(':').filter(|(path, _)| !path.is_empty()).ok_or_else(|| format!("bad format: {text}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    let rate = |parsed: Option<u64>, how: &str| {
        let why = || format!("invalid rate for device: {text}. The correct format is <device-path>:<number>{how}");
        parsed.map(|rate| json!({"Path": path, "Rate": rate})).ok_or_else(why)
    };
    match number {
        DeviceNumber::Weight => {
            let weight = value.parse::<u16>().ok().filter(|weight| *weight == 0 || (10..=1000).contains(weight));
            weight.map(|weight| json!({"Path": path, "Weight": weight})).ok_or_else(|| format!("invalid weight for device: {text}"))
        }
        DeviceNumber::Bytes => rate(
            quantity::bytes(value).ok().and_then(|bytes| u64::try_from(bytes).ok()),
            "[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
        ),
        DeviceNumber::Requests => rate(value.parse().ok(), ". Number must be a positive integer"),
    }
}

fn host(given: &Given, binds: &[String], bindings: &Value) -> Result<Value> {
    let mut host = resources(given);
    let (added, dropped) = capabilities(given.all("cap-add"), given.all("cap-drop"));
    let refuse = |why: String| refused(given, &why);
    let ulimits: Vec<Value> = given
        .all("ulimit")
        .iter()
        .filter_map(|text| quantity::ulimit(text).ok())
        .map(|(name, soft, hard)| json!({"Name": name, "Soft": soft, "Hard": hard}))
        .collect();
    let more = json!({
        "Binds": binds, "PortBindings": bindings, "PublishAllPorts": given.on("publish-all"),
        "AutoRemove": given.on("rm"), "Privileged": given.on("privileged"), "ReadonlyRootfs": given.on("read-only"),
        "NetworkMode": network_names(given).first().map_or("default", |(name, _)| name.as_str()),
        "RestartPolicy": restart(given.text("restart").unwrap_or("no")).map_err(refuse)?,
        "CapAdd": added, "CapDrop": dropped, "Dns": list(given, "dns"), "DnsOptions": list(given, "dns-option"),
        "DnsSearch": list(given, "dns-search"), "ExtraHosts": list(given, "add-host"), "GroupAdd": list(given, "group-add"), "Links": list(given, "link"),
        "VolumesFrom": list(given, "volumes-from"), "DeviceCgroupRules": list(given, "device-cgroup-rule"),
        "PidMode": given.text_or_empty("pid"), "IpcMode": given.text_or_empty("ipc"), "UTSMode": given.text_or_empty("uts"), "UsernsMode": given.text_or_empty("userns"),
        "CgroupnsMode": given.text_or_empty("cgroupns"), "CgroupParent": given.text_or_empty("cgroup-parent"), "Isolation": given.text_or_empty("isolation"),
        "VolumeDriver": given.text_or_empty("volume-driver"), "Runtime": given.text_or_empty("runtime"), "ContainerIDFile": given.text_or_empty("cidfile"),
        "LogConfig": {"Type": given.text_or_empty("log-driver"), "Config": map(given.all("log-opt"))},
        "Devices": given.all("device").iter().map(|text| mounts::device(text)).collect::<std::result::Result<Vec<Value>, String>>().map_err(refuse)?,
        "Mounts": given.all("mount").iter().map(|text| mounts::mount(text)).collect::<std::result::Result<Vec<Value>, String>>().map_err(|why| wrong(given, &why))?,
        "SecurityOpt": given.all("security-opt").iter().map(|text| mounts::security(text)).collect::<std::result::Result<Vec<String>, String>>().map_err(refuse)?,
        "OomScoreAdj": given.number("oom-score-adj").unwrap_or(0), "OomKillDisable": given.on("oom-kill-disable"),
        "ConsoleSize": [0, 0],
    });
    extend(&mut host, more);
    let parts = |text: &String| text.split_once(':').map_or((text.clone(), "".into()), |(path, options)| (path.to_owned(), options.into()));
    let tmpfs: Map<String, Value> = given.all("tmpfs").iter().map(parts).collect();
    optional(&mut host, "Tmpfs", (!tmpfs.is_empty()).then_some(Value::Object(tmpfs)));
    for (name, key) in [("sysctl", "Sysctls"), ("storage-opt", "StorageOpt"), ("annotation", "Annotations")] {
        optional(&mut host, key, (!given.all(name).is_empty()).then(|| map(given.all(name))));
    }
    optional(&mut host, "Ulimits", (!ulimits.is_empty()).then(|| ulimits.into()));
    optional(&mut host, "ShmSize", given.bytes("shm-size").map(Value::from));
    optional(&mut host, "Init", given.has("init").then(|| given.on("init").into()));
    for (name, key, number) in DEVICE_LIMITS {
        let one = |text: &String| {
            device_limit(text, *number).map_err(|why| wrong(given, &format!("invalid argument {text:?} for \"--{name}\" flag: {why}")))
        };
        let entries: Vec<Value> = given.all(name).iter().map(one).collect::<Result<_>>()?;
        optional(&mut host, key, (!entries.is_empty()).then(|| entries.into()));
    }
    optional(&mut host, "DeviceRequests", given.text("gpus").map(|_| json!([{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}])));
    Ok(host)
}

fn extend(document: &mut Value, more: Value) {
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
}

/// The networks that are asked for, each with what else is said of it (`name=net,alias=a,ip=10.0.0.2`).
fn network_names(given: &Given) -> Vec<(String, Vec<(String, String)>)> {
    let one = |text: &String| {
        if !text.contains('=') {
            return (text.clone(), Vec::new());
        }
        let parts = text.split(',').filter_map(|part| part.split_once('='));
        let (names, more): (Vec<_>, Vec<_>) =
            parts.map(|(key, value)| (key.to_owned(), value.to_owned())).partition(|(key, _)| key == "name");
        (names.into_iter().next().map(|(_, name)| name).unwrap_or_default(), more)
    };
    given.all("network").iter().map(one).collect()
}

fn networks(given: &Given) -> std::result::Result<Value, String> {
    let mut endpoints = Map::new();
    let names = network_names(given);
    for (at, (name, more)) in names.iter().enumerate() {
        let mut endpoint = json!({});
        let mut aliases: Vec<String> = more.iter().filter(|(key, _)| key == "alias").map(|(_, value)| value.clone()).collect();
        let address = |key: &str| more.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        let (mut ip, mut ip6) = (address("ip"), address("ip6"));
        // What is said without a network is said of the first.
        if at == 0 {
            aliases.extend(given.all("network-alias").iter().cloned());
            ip = ip.or_else(|| given.text("ip").map(str::to_owned));
            ip6 = ip6.or_else(|| given.text("ip6").map(str::to_owned));
        }
        if !aliases.is_empty() {
            endpoint["Aliases"] = json!(aliases);
        }
        if ip.is_some() || ip6.is_some() {
            endpoint["IPAMConfig"] = json!({"IPv4Address": ip.unwrap_or_default(), "IPv6Address": ip6.unwrap_or_default()});
        }
        if at == 0 && !given.all("link").is_empty() {
            endpoint["Links"] = json!(given.all("link"));
        }
        if endpoints.insert(name.clone(), endpoint).is_some() {
            return Err(format!("network {name:?} is specified multiple times"));
        }
    }
    Ok(json!({"EndpointsConfig": endpoints}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_a_device_is_a_path_and_a_number() {
        let sent = |text: &str, number| device_limit(text, number).map(|limit| limit.to_string());
        assert_eq!(sent("/dev/sda:1mb", DeviceNumber::Bytes).unwrap(), r#"{"Path":"/dev/sda","Rate":1048576}"#);
        assert_eq!(sent("/dev/sda:100", DeviceNumber::Requests).unwrap(), r#"{"Path":"/dev/sda","Rate":100}"#);
        assert_eq!(sent("/dev/sda:200", DeviceNumber::Weight).unwrap(), r#"{"Path":"/dev/sda","Weight":200}"#);
        assert_eq!(sent("/dev/sda", DeviceNumber::Bytes).unwrap_err(), "bad format: /dev/sda");
        assert_eq!(sent("sda:1", DeviceNumber::Bytes).unwrap_err(), "bad format for device path: sda:1");
        assert!(sent("/dev/sda:1mb", DeviceNumber::Requests).unwrap_err().starts_with("invalid rate for device: /dev/sda:1mb. The"));
        assert_eq!(sent("/dev/sda:5", DeviceNumber::Weight).unwrap_err(), "invalid weight for device: /dev/sda:5");
    }

    #[test]
    fn capabilities_go_out_by_their_whole_names() {
        let sent = |add: &[&str], drop: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
            let (add, drop) = capabilities(&owned(add), &owned(drop));
            (add.to_string(), drop.to_string())
        };
        let text = |add: &str, drop: &str| (add.to_owned(), drop.to_owned());
        assert_eq!(sent(&["SETUID", "setgid", "CAP_SETUID"], &["all"]), text(r#"["CAP_SETGID","CAP_SETUID"]"#, r#"["ALL"]"#));
        assert_eq!(sent(&["ALL", "CHOWN"], &["chown", "KILL"]), text(r#"["ALL"]"#, r#"["CAP_CHOWN","CAP_KILL"]"#));
        assert_eq!(sent(&["KILL"], &["kill"]), text(r#"["CAP_KILL"]"#, "null"));
        assert_eq!(sent(&[], &[]), text("null", "null"));
    }
}
