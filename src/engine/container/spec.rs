//! `config.json` for the runtime: what a record asks for, with the rights that the field gives to every container.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::config::{Config, HostConfig, Ulimit};
use super::record::Record;
use super::{mounts, resources};
use crate::engine::error::Fault;
use crate::kernel::rlimit::Limit;
use crate::kernel::{caps, device, ids};
use crate::oci::accounts::Account;
use crate::oci::bundle;
use crate::oci::runtime::spec;
use crate::oci::seccomp::{DEFAULT_CAPABILITIES, default_profile};

/// Where programs are looked for unless an image says something else.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the init of `--init` is.
pub const INIT: &str = "/sbin/docker-init";

/// What only the engine knows of a start.
pub struct Start<'a> {
    /// The mounted tree.
    pub rootfs: &'a Path,
    /// Who the program runs as.
    pub account: Account,
    /// `/etc/hosts` and the like, and the init.
    pub files: Vec<Value>,
    /// Namespaces that are another's: the kind, and a path to it.
    pub joined: Vec<(&'static str, String)>,
    /// Where its cgroup is.
    pub cgroup: String,
    /// Limits that every container has which sets none of that name: soft and hard.
    pub limits: &'a BTreeMap<String, (i64, i64)>,
    /// Whether it can never gain rights by starting a program, where it does not say so itself.
    pub no_new_privileges: bool,
    /// Variables that tell of linked containers. What the container sets itself goes before them.
    pub linked: Vec<String>,
}

/// The masked or read-only paths of every container.
pub fn usual_paths(key: &str) -> Vec<String> {
    let usual: Value = serde_json::from_str(spec::DEFAULT).unwrap_or_default();
    serde_json::from_value(usual["linux"][key].clone()).unwrap_or_default()
}

/// What `--security-opt` asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Security {
    /// `None`: as the engine has it.
    no_new_privileges: Option<bool>,
    /// `None`: the default filter; `Some(None)`: no filter.
    seccomp: Option<Option<Value>>,
}

/// Judges what can be judged before a start.
///
/// # Errors
/// An unknown capability, limit or option; what this engine does not do.
pub fn check(host: &HostConfig) -> Result<(), Fault> {
    capabilities(host)?;
    security(host)?;
    rlimits(host, &BTreeMap::new())?;
    for device in host.devices.iter().flatten() {
        if !Path::new(&device.path_on_host).exists() {
            return Err(Fault::bad(format!(
                "error gathering device information while adding custom device \"{}\": no such file or directory",
                device.path_on_host
            )));
        }
    }
    if host.device_requests.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(Fault::internal("could not select device driver \"\" with capabilities: [[gpu]]"));
    }
    super::logging::check(&host.log_config)?;
    let policy = &host.restart_policy;
    match policy.name.as_str() {
        "no" | "always" | "unless-stopped" if policy.maximum_retry_count != 0 => {
            return Err(Fault::bad("invalid restart policy: maximum retry count can only be used with 'on-failure'"));
        }
        "no" | "always" | "unless-stopped" => {}
        "on-failure" if policy.maximum_retry_count < 0 => {
            return Err(Fault::bad("invalid restart policy: maximum retry count cannot be negative"));
        }
        "on-failure" => {}
        other => {
            return Err(Fault::bad(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    }
    if host.auto_remove && policy.name != "no" {
        return Err(Fault::bad("can't create 'AutoRemove' container with restart policy"));
    }
    if host.links.as_ref().is_some_and(|links| !links.is_empty()) && host.network_mode == "host" {
        return Err(Fault::bad(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        ));
    }
    Ok(())
}

/// The capabilities by name.
///
/// # Errors
/// One is unknown.
pub fn capabilities(host: &HostConfig) -> Result<Vec<String>, Fault> {
    let known = caps::known();
    let read = |list: &Option<Vec<String>>, what: &str| -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        for given in list.iter().flatten() {
            let upper = given.to_ascii_uppercase();
            let name = if upper == "ALL" || upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
            if name != "ALL" && !known.contains(&name) {
                return Err(Fault::bad(format!("invalid {what}: unknown capability: \"{name}\"")));
            }
            names.push(name);
        }
        Ok(names)
    };
    let (add, drop) = (read(&host.cap_add, "CapAdd")?, read(&host.cap_drop, "CapDrop")?);
    let all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let mut names: Vec<String> = if host.privileged {
        return Ok(known);
    } else if all(&add) {
        known.clone()
    } else if all(&drop) {
        Vec::new()
    } else {
        DEFAULT_CAPABILITIES.map(str::to_owned).to_vec()
    };
    names.retain(|name| !drop.contains(name));
    for name in add.into_iter().filter(|name| name != "ALL") {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Reads `--security-opt`.
///
/// # Errors
/// An unknown option, or a profile that is none.
pub fn security(host: &HostConfig) -> Result<Security, Fault> {
    let mut security = Security::default();
    if host.privileged {
        security.seccomp = Some(None);
    }
    for option in host.security_opt.iter().flatten() {
        let wrong = || Fault::bad(format!("invalid --security-opt 2: \"{option}\""));
        let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        match (key, value) {
            ("no-new-privileges", "" | "true") => security.no_new_privileges = Some(true),
            ("no-new-privileges", "false") => security.no_new_privileges = Some(false),
            ("seccomp", "unconfined") => security.seccomp = Some(None),
            ("seccomp", "builtin") => security.seccomp = None,
            ("seccomp", profile) => {
                let profile =
                    serde_json::from_str(profile).map_err(|error| Fault::bad(format!("Decoding seccomp profile failed: {error}")))?;
                security.seccomp = Some(Some(profile));
            }
            // There is no AppArmor and no SELinux here to be confined by.
            ("apparmor", "unconfined" | "docker-default") | ("label", _) => {}
            ("apparmor", _) => return Err(Fault::not_here("an AppArmor profile of one's own")),
            _ => return Err(wrong()),
        }
    }
    Ok(security)
}

/// What the container sets, and of the usual limits those that it does not.
fn rlimits(host: &HostConfig, usual: &BTreeMap<String, (i64, i64)>) -> Result<Vec<Value>, Fault> {
    let one = |limit: &Ulimit| {
        let kind = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
        let lower = limit.name.bytes().all(|byte| byte.is_ascii_lowercase());
        if !lower || Limit::named(&kind, 0, 0).is_none() {
            return Err(Fault::bad(format!("invalid ulimit type: {}", limit.name)));
        }
        // -1 is unlimited, which the kernel writes as all ones.
        let number = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        Ok(json!({"type": kind, "hard": number(limit.hard), "soft": number(limit.soft)}))
    };
    let asked = host.ulimits.as_deref().unwrap_or_default();
    let own = |name: &String| asked.iter().any(|limit| limit.name == *name);
    let usual = usual.iter().filter(|(name, _)| !own(name));
    let usual: Vec<Ulimit> = usual.map(|(name, (soft, hard))| Ulimit { name: name.clone(), soft: *soft, hard: *hard }).collect();
    asked.iter().chain(&usual).map(one).collect()
}

/// The environment: what every container has, then what it is told.
pub fn environment(config: &Config) -> Vec<String> {
    let mut all = vec![PATH.to_owned(), format!("HOSTNAME={}", config.hostname)];
    if config.tty {
        all.push("TERM=xterm".to_owned());
    }
    set(&mut all, &config.env);
    all
}

/// Sets or replaces variables; a name without a value takes it away.
pub fn set(all: &mut Vec<String>, given: &[String]) {
    for line in given {
        let (name, has_value) = line.split_once('=').map_or((line.as_str(), false), |(name, _)| (name, true));
        let same = |other: &String| other.split('=').next() == Some(name);
        match (all.iter().position(same), has_value) {
            (Some(at), true) => all[at].clone_from(line),
            (Some(at), false) => drop(all.remove(at)),
            (None, true) => all.push(line.clone()),
            (None, false) => {}
        }
    }
}

/// The whole `config.json`.
///
/// # Errors
/// What [`check`] refuses.
pub fn document(record: &Record, start: &Start<'_>) -> Result<Value, Fault> {
    let (config, host) = (&record.config, &record.host);
    let mut document: Value = serde_json::from_str(spec::DEFAULT).map_err(|error| Fault::internal(error.to_string()))?;
    let names = capabilities(host)?;
    let security = security(host)?;
    document["process"] = process(record, start, &names, &security)?;
    document["root"] = json!({"path": start.rootfs, "readonly": host.readonly_rootfs});
    if host.uts_mode == "host" {
        remove(&mut document, "hostname");
    } else {
        document["hostname"] = json!(config.hostname);
        if !config.domainname.is_empty() {
            document["domainname"] = json!(config.domainname);
        }
    }
    document["linux"]["cgroupsPath"] = json!(start.cgroup);
    document["linux"]["resources"] = resources::resources(host);
    for (list, entries) in resources::block_devices(host)? {
        document["linux"]["resources"]["blockIO"][list] = entries;
    }
    document["linux"]["resources"]["devices"] = json!(device_rules(host)?);
    let devices = devices(host)?;
    if !devices.is_empty() {
        document["linux"]["devices"] = json!(devices);
    }
    document["linux"]["maskedPaths"] = json!(host.masked_paths.clone().unwrap_or_default());
    document["linux"]["readonlyPaths"] = json!(host.readonly_paths.clone().unwrap_or_default());
    match security.seccomp {
        None => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let profile = serde_json::to_value(default_profile(&names)).map_err(|error| Fault::internal(error.to_string()))?;
            document["linux"]["seccomp"] = profile;
        }
        Some(None) => {}
        Some(Some(profile)) => document["linux"]["seccomp"] = profile,
    }
    namespaces(&mut document, host, start);
    document["linux"]["sysctl"] = sysctls(host);
    all_mounts(&mut document, record, start);
    Ok(document)
}

fn remove(document: &mut Value, key: &str) {
    if let Some(map) = document.as_object_mut() {
        map.remove(key);
    }
}

fn process(record: &Record, start: &Start<'_>, names: &[String], security: &Security) -> Result<Value, Fault> {
    let (config, host, account) = (&record.config, &record.host, &start.account);
    let mut words = record.words();
    if host.init == Some(true) {
        words.splice(0..0, [INIT.to_owned(), "--".to_owned()]);
    }
    let directory = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
    let mut variables = environment(config);
    let set = |line: &String| variables.iter().any(|own| own.split('=').next() == line.split('=').next());
    let linked: Vec<String> = start.linked.iter().filter(|line| !set(line)).cloned().collect();
    variables.extend(linked);
    let mut process = json!({
        "terminal": config.tty,
        "user": {"uid": account.uid, "gid": account.gid, "additionalGids": account.supplementary()},
        "args": words, "env": variables, "cwd": directory,
        "capabilities": bundle::capabilities(account.uid, names),
        "noNewPrivileges": security.no_new_privileges.unwrap_or(start.no_new_privileges),
        "rlimits": rlimits(host, start.limits)?,
        "oomScoreAdj": host.oom_score_adj,
    });
    if config.tty && host.console_size != [0, 0] {
        process["consoleSize"] = json!({"height": host.console_size[0], "width": host.console_size[1]});
    }
    Ok(process)
}

fn namespaces(document: &mut Value, host: &HostConfig, start: &Start<'_>) {
    let Some(list) = document["linux"]["namespaces"].as_array_mut() else { return };
    let outside = |kind: &str| match kind {
        "network" => host.network_mode == "host",
        "pid" => host.pid_mode == "host",
        "ipc" => host.ipc_mode == "host",
        "uts" => host.uts_mode == "host",
        "cgroup" => host.cgroupns_mode == "host",
        _ => false,
    };
    list.retain(|one| !outside(one["type"].as_str().unwrap_or_default()));
    for (kind, path) in &start.joined {
        if let Some(one) = list.iter_mut().find(|one| one["type"] == *kind) {
            one["path"] = json!(path);
        }
    }
}

fn sysctls(host: &HostConfig) -> Value {
    let mut all = json!({});
    let own = host.network_mode != "host" && Record::joins(&host.network_mode).is_none();
    if own && !host.privileged {
        // Any user may listen on any port: it is the container's own network.
        all["net.ipv4.ip_unprivileged_port_start"] = json!("0");
        if ids::in_first_user_namespace() {
            all["net.ipv4.ping_group_range"] = json!("0 2147483647");
        }
    }
    for (key, value) in host.sysctls.iter().flatten() {
        all[key] = json!(value);
    }
    all
}

fn device_rules(host: &HostConfig) -> Result<Vec<Value>, Fault> {
    if host.privileged {
        return Ok(vec![json!({"allow": true, "access": "rwm"})]);
    }
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    for mapping in host.devices.iter().flatten() {
        let device = device::look(Path::new(&mapping.path_on_host))?;
        let access = if mapping.cgroup_permissions.is_empty() { "rwm" } else { &mapping.cgroup_permissions };
        rules.push(json!({"allow": true, "type": device.kind, "major": device.major, "minor": device.minor, "access": access}));
    }
    for text in host.device_cgroup_rules.iter().flatten() {
        rules.push(device_rule(text).ok_or_else(|| Fault::bad(format!("invalid device cgroup rule format: '{text}'")))?);
    }
    Ok(rules)
}

/// `c 1:3 rwm`, with `*` for any number.
fn device_rule(text: &str) -> Option<Value> {
    let [kind, numbers, access] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(-1) } else { text.parse::<i64>().ok() };
    let good = ["a", "b", "c"].contains(&kind) && access.chars().all(|letter| "rwm".contains(letter));
    good.then_some(json!({"allow": true, "type": kind, "major": number(major)?, "minor": number(minor)?, "access": access}))
}

fn devices(host: &HostConfig) -> Result<Vec<Value>, Fault> {
    let mut all = Vec::new();
    for mapping in host.devices.iter().flatten() {
        let device = device::look(Path::new(&mapping.path_on_host))?;
        let path = if mapping.path_in_container.is_empty() { &mapping.path_on_host } else { &mapping.path_in_container };
        all.push(json!({"path": path, "type": device.kind, "major": device.major, "minor": device.minor, "fileMode": device.mode, "uid": 0, "gid": 0}));
    }
    Ok(all)
}

fn all_mounts(document: &mut Value, record: &Record, start: &Start<'_>) {
    let host = &record.host;
    let own_network = host.network_mode != "host" && Record::joins(&host.network_mode).is_none();
    let own_users = !ids::in_first_user_namespace();
    let Some(list) = document["mounts"].as_array_mut() else { return };
    bundle::fit_mounts(list, own_network, ids::single());
    let covered: Vec<String> = record.mounts.iter().map(|point| point.destination.clone()).collect();
    list.retain(|one| !covered.iter().any(|path| one["destination"] == **path));
    for one in list.iter_mut() {
        if one["destination"] == "/dev/shm" {
            one["options"] = json!(["nosuid", "noexec", "nodev", "mode=1777", format!("size={}", host.shm_size)]);
        }
        let read_only = ["/sys", "/sys/fs/cgroup"].iter().any(|path| one["destination"] == *path);
        if host.privileged
            && read_only
            && let Some(options) = one["options"].as_array_mut()
        {
            options.retain(|option| option != "ro");
        }
        // The message queues belong to the ipc namespace, which a user namespace that is not its owner may not mount.
        if own_users && host.ipc_mode == "host" && one["type"] == "mqueue" {
            *one = json!({"destination": "/dev/mqueue", "type": "bind", "source": "/dev/mqueue", "options": ["rbind", "nosuid", "noexec", "nodev"]});
        }
    }
    list.extend(start.files.iter().filter(|file| !covered.iter().any(|path| file["destination"] == **path)).cloned());
    list.extend(mounts::entries(record));
}
