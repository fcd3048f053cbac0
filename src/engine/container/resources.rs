//! Limits: what a request may ask for, and `linux.resources` for it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::HostConfig;
use crate::engine::error::Fault;
use crate::kernel::device;

/// The smallest limit of memory: below it no program starts.
const LEAST_MEMORY: i64 = 6 << 20;
/// The period that `--cpus` counts in, in microseconds.
const PERIOD: i64 = 100_000;
/// The processors and memory nodes of the machine, as cpuset lists them.
const CPUS: &str = "/sys/devices/system/cpu/online";
const NODES: &str = "/sys/devices/system/node/online";

/// Judges the limits, and says what should be known about them.
///
/// # Errors
/// One makes no sense, in dockerd's words.
pub fn check(host: &HostConfig, processors: usize) -> Result<Vec<String>, Fault> {
    let bad = |text: &str| Err(Fault::bad(text));
    if host.memory != 0 && host.memory < LEAST_MEMORY {
        return bad("Minimum memory limit allowed is 6MB");
    }
    if host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory {
        return bad("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if host.memory == 0 && host.memory_swap > 0 {
        return bad("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if host.memory > 0 && host.memory_reservation > 0 && host.memory < host.memory_reservation {
        return bad("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    if host.memory_reservation != 0 && host.memory_reservation < LEAST_MEMORY {
        return bad("Minimum memory reservation allowed is 6MB");
    }
    if host.memory_swappiness.is_some_and(|value| !(-1..=100).contains(&value)) {
        return Err(Fault::bad(format!("Invalid value: {}, valid memory swappiness range is 0-100", host.memory_swappiness.unwrap_or(0))));
    }
    let most = processors as i64 * 1_000_000_000;
    if host.nano_cpus < 0 || host.nano_cpus > most {
        return Err(Fault::bad(format!("range of CPUs is from 0.01 to {processors}.00, as there are only {processors} CPUs available")));
    }
    if host.nano_cpus > 0 && (host.cpu_period > 0 || host.cpu_quota > 0) {
        let other = if host.cpu_period > 0 { "CPU Period" } else { "CPU Quota" };
        return Err(Fault::bad(format!("Conflicting options: Nano CPUs and {other} cannot both be set")));
    }
    if host.cpu_period != 0 && !(1000..=1_000_000).contains(&host.cpu_period) {
        return bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if host.cpu_quota > 0 && host.cpu_quota < 1000 {
        return bad("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    numbers(&host.cpuset_cpus, "cpus", "CPUs", CPUS)?;
    numbers(&host.cpuset_mems, "mems", "memory nodes", NODES)?;
    if host.blkio_weight != 0 && !(10..=1000).contains(&host.blkio_weight) {
        return bad("Range of blkio weight is from 10 to 1000");
    }
    if host.oom_score_adj < -1000 || host.oom_score_adj > 1000 {
        return Err(Fault::bad(format!("Invalid value {}, range for oom score adj is [-1000, 1000]", host.oom_score_adj)));
    }
    if host.shm_size < 0 {
        return bad("SHM size can not be less than 0");
    }
    Ok(Vec::new())
}

/// Takes away the limits of a machine that gives this engine no cgroup, and says which, in dockerd's words: the container runs without them.
///
/// # Errors
/// `--cpus`, which dockerd does not discard but refuses.
pub fn discard(host: &mut HostConfig) -> Result<Vec<String>, Fault> {
    if host.nano_cpus > 0 {
        return Err(Fault::bad("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted"));
    }
    let pids = host.pids_limit.is_some_and(|limit| limit > 0);
    let cpuset = !host.cpuset_cpus.is_empty() || !host.cpuset_mems.is_empty();
    let has = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let asked = [
        (host.memory > 0, "memory limit capabilities or the cgroup is not mounted. Limitation discarded."),
        (
            host.memory_swappiness.is_some_and(|value| value >= 0),
            "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
        ),
        (host.memory_reservation > 0, "memory soft limit capabilities or the cgroup is not mounted. Limitation discarded."),
        (host.oom_kill_disable == Some(true), "OomKillDisable. OomKillDisable discarded."),
        (pids, "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."),
        (host.cpu_shares > 0, "CPU shares or the cgroup is not mounted. Shares discarded."),
        (host.cpu_period != 0 || host.cpu_quota != 0, "CPU CFS scheduler. Period/quota discarded."),
        (cpuset, "cpuset or the cgroup is not mounted. Cpuset discarded."),
        (host.blkio_weight > 0, "Block I/O weight or the cgroup is not mounted. Weight discarded."),
        (has(&host.blkio_weight_device), "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded."),
        (has(&host.blkio_device_read_bps), "BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded."),
        (has(&host.blkio_device_write_bps), "BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded."),
        (has(&host.blkio_device_read_iops), "IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded."),
        (has(&host.blkio_device_write_iops), "IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded."),
    ];
    (host.memory, host.memory_swap, host.memory_reservation) = (0, 0, 0);
    (host.memory_swappiness, host.oom_kill_disable, host.pids_limit) = (None, None, None);
    (host.cpu_shares, host.cpu_period, host.cpu_quota, host.blkio_weight) = (0, 0, 0, 0);
    host.cpuset_cpus.clear();
    host.cpuset_mems.clear();
    let of_devices = [
        &mut host.blkio_weight_device,
        &mut host.blkio_device_read_bps,
        &mut host.blkio_device_write_bps,
        &mut host.blkio_device_read_iops,
        &mut host.blkio_device_write_iops,
    ];
    of_devices.into_iter().for_each(|list| *list = None);
    Ok(asked.iter().filter(|(is, _)| *is).map(|(_, what)| format!("Your kernel does not support {what}")).collect())
}

/// Judges a list of processors or memory nodes: `0-2,4`. `online` is the kernel's file of those that there are; without it only the list is judged.
fn numbers(list: &str, kind: &str, people: &str, online: &str) -> Result<(), Fault> {
    if list.is_empty() {
        return Ok(());
    }
    let wanted = ranges(list).ok_or_else(|| Fault::bad(format!("Invalid value {list} for cpuset {kind}: invalid format: {list}")))?;
    let Ok(text) = crate::kernel::fs::read(Path::new(online)) else { return Ok(()) };
    let there = ranges(text.trim()).unwrap_or_default();
    let has = |number: u32| there.iter().any(|(first, last)| (*first..=*last).contains(&number));
    if wanted.iter().all(|(first, last)| has(*first) && has(*last)) {
        return Ok(());
    }
    Err(Fault::bad(format!("Requested {people} are not available - requested {list}, available: {}", text.trim())))
}

/// The first and last of each range of `0-2,4`.
fn ranges(list: &str) -> Option<Vec<(u32, u32)>> {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?)).filter(|(first, last): &(u32, u32)| first <= last)
    };
    list.split(',').map(one).collect()
}

/// `linux.resources.blockIO` of single devices. Who names a path means the device that is there now.
///
/// # Errors
/// There is none, or an entry says nothing that can be understood.
pub fn block_devices(host: &HostConfig) -> Result<Map<String, Value>, Fault> {
    let lists = [
        ("weightDevice", "Weight", "weight", &host.blkio_weight_device),
        ("throttleReadBpsDevice", "Rate", "rate", &host.blkio_device_read_bps),
        ("throttleWriteBpsDevice", "Rate", "rate", &host.blkio_device_write_bps),
        ("throttleReadIOPSDevice", "Rate", "rate", &host.blkio_device_read_iops),
        ("throttleWriteIOPSDevice", "Rate", "rate", &host.blkio_device_write_iops),
    ];
    let mut all = Map::new();
    for (list, asked, told, entries) in lists {
        let one = |entry: &Value| {
            let Some((path, number)) = entry["Path"].as_str().zip(entry[asked].as_u64()) else {
                return Err(Fault::bad(format!("invalid limit of a block device: {entry}: it has a `Path` and a `{asked}`")));
            };
            let found = device::look(Path::new(path))?;
            Ok(json!({"major": found.major, "minor": found.minor, told: number}))
        };
        let entries: Vec<Value> = entries.iter().flatten().map(one).collect::<Result<_, Fault>>()?;
        if !entries.is_empty() {
            all.insert(list.to_owned(), json!(entries));
        }
    }
    Ok(all)
}

/// Takes away what version 2 of cgroups has not, and says so, in dockerd's words.
pub fn without_what_v2_lacks(host: &mut HostConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if host.memory_swappiness.take().is_some() {
        let why = "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.";
        warnings.push(why.to_owned());
    }
    if host.oom_kill_disable.take() == Some(true) {
        warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.".to_owned());
    }
    warnings
}

/// `linux.resources` without device rules and limits of single devices.
pub fn resources(host: &HostConfig) -> Value {
    let mut all = Map::new();
    let mut put = |part: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.entry(part).or_insert_with(|| json!({}))[key] = value;
        }
    };
    let number = |value: i64| (value != 0).then(|| json!(value));
    put("memory", "limit", number(host.memory));
    put("memory", "reservation", number(host.memory_reservation));
    put("memory", "swap", number(host.memory_swap).or_else(|| number(host.memory * 2)));
    put("memory", "swappiness", host.memory_swappiness.filter(|value| *value >= 0).map(Into::into));
    put("memory", "disableOOMKiller", host.oom_kill_disable.filter(|disable| *disable).map(Into::into));
    put("cpu", "shares", number(host.cpu_shares));
    if host.nano_cpus > 0 {
        put("cpu", "period", Some(json!(PERIOD)));
        put("cpu", "quota", Some(json!(host.nano_cpus * PERIOD / 1_000_000_000)));
    } else {
        put("cpu", "period", number(host.cpu_period));
        put("cpu", "quota", number(host.cpu_quota));
    }
    put("cpu", "cpus", Some(&host.cpuset_cpus).filter(|text| !text.is_empty()).map(|text| json!(text)));
    put("cpu", "mems", Some(&host.cpuset_mems).filter(|text| !text.is_empty()).map(|text| json!(text)));
    put("pids", "limit", host.pids_limit.filter(|limit| *limit != 0).map(|limit| json!(limit.max(-1))));
    put("blockIO", "weight", (host.blkio_weight != 0).then(|| json!(host.blkio_weight)));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_judged_in_dockers_words() {
        let refused = |change: fn(&mut HostConfig)| {
            let mut host = HostConfig::default();
            change(&mut host);
            check(&host, 2).unwrap_err().message
        };
        assert_eq!(refused(|host| host.memory = 1 << 20), "Minimum memory limit allowed is 6MB");
        assert_eq!(
            refused(|host| host.nano_cpus = 3_000_000_000),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
        assert!(refused(|host| (host.memory, host.memory_swap) = (20 << 20, 10 << 20)).starts_with("Minimum memoryswap limit"));
        assert_eq!(refused(|host| host.memory_reservation = 1), "Minimum memory reservation allowed is 6MB");
        assert_eq!(refused(|host| host.cpuset_cpus = "x".into()), "Invalid value x for cpuset cpus: invalid format: x");
        assert!(refused(|host| host.cpuset_cpus = "0-99999".into()).starts_with("Requested CPUs are not available - requested 0-99999"));
        assert!(check(&HostConfig { cpuset_cpus: "0".into(), ..HostConfig::default() }, 2).is_ok());
        assert!(check(&HostConfig::default(), 2).unwrap().is_empty());
    }

    #[test]
    fn limits_of_devices_name_them_by_number() {
        let host = HostConfig {
            blkio_device_read_bps: Some(vec![json!({"Path": "/dev/null", "Rate": 1024})]),
            blkio_weight_device: Some(vec![json!({"Path": "/dev/zero", "Weight": 200})]),
            ..HostConfig::default()
        };
        assert_eq!(
            Value::Object(block_devices(&host).unwrap()),
            json!({"weightDevice": [{"major": 1, "minor": 5, "weight": 200}], "throttleReadBpsDevice": [{"major": 1, "minor": 3, "rate": 1024}]})
        );
        let refused = |entry: Value| {
            block_devices(&HostConfig { blkio_device_write_iops: Some(vec![entry]), ..HostConfig::default() }).unwrap_err().message
        };
        assert!(refused(json!({"Path": "/dev/nosuch", "Rate": 1})).contains("`/dev/nosuch`: ENOENT"));
        assert!(refused(json!({"Path": "/dev/null"})).contains("it has a `Path` and a `Rate`"));
    }

    #[test]
    fn what_version_2_lacks_is_left_out_and_told() {
        let mut host = HostConfig { memory_swappiness: Some(10), oom_kill_disable: Some(true), ..HostConfig::default() };
        let told = without_what_v2_lacks(&mut host);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|line| line.ends_with("discarded.")), "{told:?}");
        assert_eq!(host, HostConfig::default());
        let mut asked = HostConfig { oom_kill_disable: Some(false), ..HostConfig::default() };
        assert!(without_what_v2_lacks(&mut asked).is_empty() && asked.oom_kill_disable.is_none());
    }

    #[test]
    fn without_cgroups_limits_are_discarded_in_dockers_words() {
        let mut host = HostConfig {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            memory_reservation: 32 << 20,
            memory_swappiness: Some(10),
            oom_kill_disable: Some(true),
            pids_limit: Some(10),
            cpu_shares: 512,
            cpu_quota: 50_000,
            cpuset_cpus: "0".into(),
            blkio_weight: 100,
            blkio_device_read_bps: Some(vec![json!({"Path": "/dev/null", "Rate": 1024})]),
            ..HostConfig::default()
        };
        let told = discard(&mut host).unwrap();
        assert_eq!(told.len(), 10, "{told:#?}");
        assert_eq!(host.blkio_device_read_bps, None);
        assert_eq!(told[0], "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.");
        assert_eq!(resources(&host), json!({}), "nothing is left that would need a cgroup");
        let mut unlimited =
            HostConfig { oom_kill_disable: Some(false), pids_limit: Some(-1), memory_swappiness: Some(-1), ..HostConfig::default() };
        assert!(discard(&mut unlimited).unwrap().is_empty(), "who asks for no limit is not warned of one");
        assert_eq!(resources(&unlimited), json!({}));
        let refused = discard(&mut HostConfig { nano_cpus: 500_000_000, ..HostConfig::default() }).unwrap_err().message;
        assert!(refused.starts_with("NanoCPUs can not be set"), "{refused}");
    }

    #[test]
    fn limits_become_resources() {
        let host = HostConfig { memory: 64 << 20, nano_cpus: 500_000_000, pids_limit: Some(10), ..HostConfig::default() };
        assert_eq!(
            resources(&host),
            json!({"memory": {"limit": 67_108_864, "swap": 134_217_728}, "cpu": {"period": 100_000, "quota": 50_000}, "pids": {"limit": 10}})
        );
        assert_eq!(resources(&HostConfig::default()), json!({}));
    }
}
