//! Limits as files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst of the kernel), with the conversions from the
//! specification's units, which are those of v1.

use super::resources::{BlockIo, Cpu, Memory, Resources, ThrottleDevice};
use super::write::{Write, cpuset_writes};

/// The writes that make `resources` true, in order. Devices are not among them (see `devices`).
pub fn writes(resources: &Resources) -> Vec<Write> {
    let mut out = Vec::new();
    if let Some(memory) = &resources.memory {
        memory_writes(memory, &mut out);
    }
    if let Some(cpu) = &resources.cpu {
        cpu_writes(cpu, &mut out);
    }
    if let Some(pids) = resources.pids {
        out.push(Write::new("pids", "pids.max", or_max(pids.limit)));
    }
    if let Some(block) = &resources.block_io {
        block_writes(block, &mut out);
    }
    for huge in &resources.hugepage_limits {
        out.push(Write::new("hugetlb", format!("hugetlb.{}.max", huge.page_size), huge.limit));
        out.push(Write::new("hugetlb", format!("hugetlb.{}.rsvd.max", huge.page_size), huge.limit).if_present());
    }
    out
}

/// The writes that no v1 file can stand in for: `rdma`, and the files that `unified` names, as they stand.
pub fn only_writes(resources: &Resources) -> Vec<Write> {
    let mut out = Vec::new();
    for (device, limit) in &resources.rdma {
        let part = |name: &str, value: Option<u32>| value.map_or(String::new(), |value| format!(" {name}={value}"));
        let line = format!("{device}{}{}", part("hca_handle", limit.hca_handles), part("hca_object", limit.hca_objects));
        out.push(Write::new("rdma", "rdma.max", line).verbatim());
    }
    out.extend(resources.unified.iter().map(|(file, value)| {
        // The controller is the part before the first dot; `cgroup.*` files belong to none.
        let controller = file.split('.').next().unwrap_or_default();
        Write::new(if controller == "cgroup" { "" } else { controller }, file.as_str(), value).verbatim()
    }));
    out
}

fn or_max(value: i64) -> String {
    if value > 0 { value.to_string() } else { "max".to_owned() }
}

/// v1 limits memory plus swap, v2 swap alone.
fn memory_writes(memory: &Memory, out: &mut Vec<Write>) {
    let limit = memory.limit.filter(|limit| *limit != 0);
    let swap = match (memory.swap.filter(|swap| *swap != 0), limit) {
        (Some(-1), _) => Some("max".to_owned()),
        (Some(sum), Some(limit)) if limit > 0 => Some((sum - limit).max(0).to_string()),
        (None, Some(-1)) => Some("max".to_owned()),
        _ => None,
    };
    out.extend(swap.map(|swap| {
        let write = Write::new("memory", "memory.swap.max", swap);
        // A kernel without swap accounting has no such file, and nothing to limit when the value is 0 or no limit.
        if write.value == "max" || write.value == "0" { write.if_present() } else { write }
    }));
    out.extend(limit.map(|limit| Write::new("memory", "memory.max", or_max(limit))));
    out.extend(memory.reservation.filter(|low| *low != 0).map(|low| Write::new("memory", "memory.low", or_max(low))));
}

fn cpu_writes(cpu: &Cpu, out: &mut Vec<Write>) {
    out.extend(cpu.idle.map(|idle| Write::new("cpu", "cpu.idle", idle)));
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        out.push(Write::new("cpu", "cpu.weight", weight_of_shares(shares)));
    }
    if cpu.quota.is_some_and(|quota| quota != 0) || cpu.period.is_some_and(|period| period != 0) {
        let quota = or_max(cpu.quota.unwrap_or(0));
        let period = cpu.period.filter(|period| *period != 0).map_or(String::new(), |period| format!(" {period}"));
        out.push(Write::new("cpu", "cpu.max", format!("{quota}{period}")));
    }
    out.extend(cpu.burst.map(|burst| Write::new("cpu", "cpu.max.burst", burst)));
    out.extend(cpuset_writes(cpu));
}

fn block_writes(block: &BlockIo, out: &mut Vec<Write>) {
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        // BFQ takes the value as it is, `io.weight` (the io.cost controller) has the range 1 to 10000.
        let fallback = format!("default {}", weight_of_blkio(weight));
        out.push(Write::new("io", "io.bfq.weight", weight).or_value("io.weight", fallback));
    }
    for device in &block.weight_device {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        out.extend(device.weight.map(|weight| Write::new("io", "io.bfq.weight", line(weight))));
    }
    let mut throttle = |key: &str, devices: &[ThrottleDevice]| {
        out.extend(devices.iter().map(|d| Write::new("io", "io.max", format!("{}:{} {key}={}", d.major, d.minor, d.rate))));
    };
    throttle("rbps", &block.throttle_read_bps_device);
    throttle("wbps", &block.throttle_write_bps_device);
    throttle("riops", &block.throttle_read_iops_device);
    throttle("wiops", &block.throttle_write_iops_device);
}

/// `cpu.shares` (2 to 262144, 1024 by default) as `cpu.weight` (1 to 10000, 100 by default): the curve through the three fixed points
/// that runc and crun use since 2025, so that the default of the one is the default of the other.
pub fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0 => 0,
        1 | 2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            (10f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
    }
}

/// The smallest `cpu.shares` that [`weight_of_shares`] turns into `weight`: the way back.
#[cfg(test)]
pub fn shares_of_weight(weight: u64) -> u64 {
    let (mut low, mut high) = (2, 262_144);
    while low < high {
        let middle = (low + high) / 2;
        if weight_of_shares(middle) < weight { low = middle + 1 } else { high = middle }
    }
    low
}

/// `blkio.weight` (10 to 1000) as `io.weight` (1 to 10000), linear.
fn weight_of_blkio(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(resources: &str) -> Vec<String> {
        let resources = serde_json::from_str(resources).unwrap();
        writes(&resources).iter().map(|write| format!("{}={}", write.file, write.value)).collect()
    }

    #[test]
    fn the_three_fixed_points_of_the_weight() {
        assert_eq!([2, 1024, 262_144].map(weight_of_shares), [1, 100, 10_000]);
        assert_eq!(weight_of_shares(0), 0);
        assert_eq!(weight_of_shares(shares_of_weight(100)), 100);
        assert!((2..262_144).step_by(97).all(|shares| weight_of_shares(shares) <= weight_of_shares(shares + 97)));
    }

    #[test]
    fn swap_is_the_sum_less_the_memory() {
        assert_eq!(files(r#"{"memory":{"limit":100,"swap":300}}"#), ["memory.swap.max=200", "memory.max=100"]);
        assert_eq!(files(r#"{"memory":{"limit":-1}}"#), ["memory.swap.max=max", "memory.max=max"]);
    }

    #[test]
    fn quota_and_period_share_a_file() {
        assert_eq!(files(r#"{"cpu":{"quota":50000,"period":100000}}"#), ["cpu.max=50000 100000"]);
        assert_eq!(files(r#"{"cpu":{"period":100000}}"#), ["cpu.max=max 100000"]);
        assert_eq!(files(r#"{"cpu":{"quota":-1}}"#), ["cpu.max=max"]);
    }

    #[test]
    fn unified_is_written_as_it_stands() {
        let resources = serde_json::from_str(r#"{"unified":{"memory.high":"1M","cgroup.max.depth":"2"}}"#).unwrap();
        let writes = only_writes(&resources);
        assert_eq!(writes, [Write::new("", "cgroup.max.depth", "2").verbatim(), Write::new("memory", "memory.high", "1M").verbatim()]);
    }
}
