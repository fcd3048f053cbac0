//! What a cgroup has used, in the shape that `runc events --stats` prints under `data`, so that tools that read that can read ours.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Cgroup, Result, Tree, Version, number};
use crate::kernel::fs;

/// USER_HZ, the unit of `cpuacct.stat`: part of the kernel's promise to user space, 100 on every architecture that we run on.
const TICK: u64 = 1_000_000_000 / 100;

impl Cgroup {
    /// Processor, memory, tasks, block devices and huge pages as they stand now. What no controller counts is 0 or empty, as runc has it.
    ///
    /// # Errors
    /// The cgroup is gone.
    pub fn stats(&self) -> Result<Value> {
        self.processes()?;
        Ok(json!({
            "cpu": self.cpu(),
            "cpuset": self.cpuset(),
            "memory": self.memory(),
            "pids": self.pids(),
            "blkio": self.blkio(),
            "hugetlb": self.hugetlb(),
            "intel_rdt": {},
            "network_interfaces": null,
        }))
    }

    fn cpu(&self) -> Value {
        let (usage, throttled_ns) = match self.of_controller("cpuacct") {
            Some(tree) => (cpu_usage_v1(tree), "throttled_time"),
            None => (self.unified().map_or(json!({}), cpu_usage_v2), "throttled_usec"),
        };
        let stat = self.of_controller("cpu").map(|tree| pairs(&tree.file("cpu.stat"))).unwrap_or_default();
        let throttled = get(&stat, throttled_ns) * if throttled_ns == "throttled_usec" { 1000 } else { 1 };
        json!({
            "usage": usage,
            "throttling": {"periods": get(&stat, "nr_periods"), "throttledPeriods": get(&stat, "nr_throttled"), "throttledTime": throttled},
        })
    }

    fn cpuset(&self) -> Value {
        let list = |name: &str| self.read_knob(name).map(|text| numbers(&text)).unwrap_or_default();
        let flag = |name: &str| self.of_controller("cpuset").and_then(|tree| number(&tree.file(name))).unwrap_or(0);
        json!({
            "cpus": list("cpuset.cpus"),
            "cpu_exclusive": flag("cpuset.cpu_exclusive"),
            "mems": list("cpuset.mems"),
            "mem_hardwall": flag("cpuset.mem_hardwall"),
            "mem_exclusive": flag("cpuset.mem_exclusive"),
            "memory_migrate": flag("cpuset.memory_migrate"),
            "memory_spread_page": flag("cpuset.memory_spread_page"),
            "memory_spread_slab": flag("cpuset.memory_spread_slab"),
            "memory_pressure": flag("cpuset.memory_pressure"),
            "sched_load_balance": flag("cpuset.sched_load_balance"),
            "sched_relax_domain_level": 0,
        })
    }

    fn memory(&self) -> Value {
        let Some(tree) = self.of_controller("memory") else { return json!({"usage": {"limit": 0}, "swap": {"limit": 0}}) };
        let stat = pairs(&tree.file("memory.stat"));
        let (cache, usage, swap) = match tree.version {
            Version::V1 => {
                let entry = |kind: &str| entry_v1(tree, kind);
                (get(&stat, "total_cache"), entry("memory."), entry("memory.memsw."))
            }
            Version::V2 => (get(&stat, "file"), entry_v2(tree, "memory"), entry_v2(tree, "memory.swap")),
        };
        let (kernel, tcp) = match tree.version {
            Version::V1 => (entry_v1(tree, "memory.kmem."), entry_v1(tree, "memory.kmem.tcp.")),
            Version::V2 => (json!({"usage": get(&stat, "kernel"), "limit": 0}), json!({"usage": get(&stat, "sock"), "limit": 0})),
        };
        json!({"cache": cache, "usage": usage, "swap": swap, "kernel": kernel, "kernelTCP": tcp, "raw": stat})
    }

    fn pids(&self) -> Value {
        let value = |name: &str| self.read_knob(name).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        json!({"current": value("pids.current"), "limit": value("pids.max")})
    }

    fn blkio(&self) -> Value {
        if let Some(tree) = self.of_controller("blkio") {
            let table = |name: &str| blkio_table(&fs::read(&tree.file(name)).unwrap_or_default());
            return json!({
                "ioServiceBytesRecursive": table("blkio.throttle.io_service_bytes_recursive"),
                "ioServicedRecursive": table("blkio.throttle.io_serviced_recursive"),
            });
        }
        let text = self.of_controller("io").and_then(|tree| fs::read(&tree.file("io.stat")).ok()).unwrap_or_default();
        json!({
            "ioServiceBytesRecursive": io_table(&text, &[("rbytes", "Read"), ("wbytes", "Write")]),
            "ioServicedRecursive": io_table(&text, &[("rios", "Read"), ("wios", "Write")]),
        })
    }

    fn hugetlb(&self) -> Value {
        let Some(tree) = self.of_controller("hugetlb") else { return json!({}) };
        let names = fs::list(&tree.directory).unwrap_or_default();
        let (used, most, failed) = match tree.version {
            Version::V1 => (".usage_in_bytes", ".max_usage_in_bytes", ".failcnt"),
            Version::V2 => (".current", ".max", ".events"),
        };
        let sizes = names.iter().filter_map(|name| name.strip_prefix("hugetlb.")?.strip_suffix(used)).filter(|size| !size.contains('.'));
        let entry = |size: &str| {
            let file = |suffix: &str| tree.file(&format!("hugetlb.{size}{suffix}"));
            let failures = number(&file(failed)).unwrap_or_else(|| get(&pairs(&file(failed)), "max"));
            json!({"usage": number(&file(used)).unwrap_or(0), "max": number(&file(most)).unwrap_or(0), "failcnt": failures})
        };
        sizes.map(|size| (size.to_owned(), entry(size))).collect::<Map<_, _>>().into()
    }
}

fn cpu_usage_v1(tree: &Tree) -> Value {
    let stat = pairs(&tree.file("cpuacct.stat"));
    let per_cpu = |name: &str| {
        let text = fs::read(&tree.file(name)).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect::<Vec<_>>()
    };
    json!({
        "total": number(&tree.file("cpuacct.usage")).unwrap_or(0),
        "percpu": per_cpu("cpuacct.usage_percpu"),
        "percpu_kernel": per_cpu("cpuacct.usage_percpu_sys"),
        "percpu_user": per_cpu("cpuacct.usage_percpu_user"),
        "kernel": get(&stat, "system") * TICK,
        "user": get(&stat, "user") * TICK,
    })
}

fn cpu_usage_v2(tree: &Tree) -> Value {
    let stat = pairs(&tree.file("cpu.stat"));
    json!({"total": get(&stat, "usage_usec") * 1000, "kernel": get(&stat, "system_usec") * 1000, "user": get(&stat, "user_usec") * 1000})
}

fn entry_v1(tree: &Tree, prefix: &str) -> Value {
    let value = |suffix: &str| number(&tree.file(&format!("{prefix}{suffix}"))).unwrap_or(0);
    json!({"limit": value("limit_in_bytes"), "usage": value("usage_in_bytes"), "max": value("max_usage_in_bytes"), "failcnt": value("failcnt")})
}

/// `max` has no number in v2; runc prints the largest that there is.
fn entry_v2(tree: &Tree, prefix: &str) -> Value {
    let value = |suffix: &str| number(&tree.file(&format!("{prefix}.{suffix}")));
    let failures = get(&pairs(&tree.file(&format!("{prefix}.events"))), "max");
    let limit = if tree.file(&format!("{prefix}.max")).exists() { value("max").unwrap_or(u64::MAX) } else { 0 };
    json!({"limit": limit, "usage": value("current").unwrap_or(0), "max": value("peak").unwrap_or(0), "failcnt": failures})
}

/// A file of `name number` lines.
fn pairs(file: &Path) -> Map<String, Value> {
    let text = fs::read(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse::<u64>().ok()?.into())))
        .collect()
}

fn get(pairs: &Map<String, Value>, name: &str) -> u64 {
    pairs.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// `0-2,7` as `[0, 1, 2, 7]`.
fn numbers(list: &str) -> Vec<u64> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u64>().ok()?..=last.trim().parse::<u64>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// `8:0 Read 4096` lines of v1.
fn blkio_table(text: &str) -> Vec<Value> {
    let row = |line: &str| {
        let mut words = line.split([' ', ':']);
        let (major, minor, op, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(
            json!({"major": major.parse::<u64>().ok()?, "minor": minor.parse::<u64>().ok()?, "op": op, "value": value.parse::<u64>().ok()?}),
        )
    };
    text.lines().filter_map(row).collect()
}

/// `8:0 rbytes=1 wbytes=2 ...` lines of v2, with the operations of v1.
fn io_table(text: &str, keys: &[(&str, &str)]) -> Vec<Value> {
    let row = |line: &str| {
        let (device, rest) = line.split_once(' ')?;
        let (major, minor) = device.split_once(':')?;
        let (major, minor) = (major.parse::<u64>().ok()?, minor.parse::<u64>().ok()?);
        let value = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok());
        let entry = |(key, op): &(&str, &str)| Some(json!({"major": major, "minor": minor, "op": op, "value": value(key)?}));
        Some(keys.iter().filter_map(entry).collect::<Vec<_>>())
    };
    text.lines().filter_map(row).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_give_the_same_rows() {
        let v1 = blkio_table("8:0 Read 10\n8:0 Write 20\nTotal 30\n");
        assert_eq!(v1, io_table("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0\n", &[("rbytes", "Read"), ("wbytes", "Write")]));
        assert_eq!(v1.len(), 2);
    }

    #[test]
    fn lists_of_processors() {
        assert_eq!(numbers("0-2,7"), [0, 1, 2, 7]);
        assert_eq!(numbers(""), [0; 0]);
    }
}
