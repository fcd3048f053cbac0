//! Limits as files of the v1 controllers (Documentation/admin-guide/cgroup-v1 of the kernel).

use super::resources::{BlockIo, Cpu, Memory, Resources, ThrottleDevice};
use super::write::{Write, cpuset_writes};

/// What the memory controller holds now; the order of the two writes depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNow {
    /// `memory.limit_in_bytes`.
    pub limit: u64,
}

/// The writes that make `resources` true, in order. Devices are not among them (see `devices`).
pub fn writes(resources: &Resources, now: MemoryNow) -> Vec<Write> {
    let mut out = Vec::new();
    if let Some(memory) = &resources.memory {
        memory_writes(memory, now, &mut out);
    }
    if let Some(cpu) = &resources.cpu {
        cpu_writes(cpu, &mut out);
    }
    if let Some(pids) = resources.pids {
        let limit = if pids.limit > 0 { pids.limit.to_string() } else { "max".to_owned() };
        out.push(Write::new("pids", "pids.max", limit));
    }
    if let Some(block) = &resources.block_io {
        block_writes(block, &mut out);
    }
    for huge in &resources.hugepage_limits {
        out.push(Write::new("hugetlb", format!("hugetlb.{}.limit_in_bytes", huge.page_size), huge.limit));
        // Reservations count from Linux 5.7 on; older kernels have no such file.
        out.push(Write::new("hugetlb", format!("hugetlb.{}.rsvd.limit_in_bytes", huge.page_size), huge.limit).if_present());
    }
    if let Some(network) = &resources.network {
        out.extend(network.class_id.map(|class| Write::new("net_cls", "net_cls.classid", class)));
        let line = |entry: &super::resources::Priority| format!("{} {}", entry.name, entry.priority);
        out.extend(network.priorities.iter().map(|entry| Write::new("net_prio", "net_prio.ifpriomap", line(entry))));
    }
    out
}

/// The kernel keeps `limit <= memory+swap` at every moment: whoever raises both writes the sum first, whoever lowers both writes it last.
fn memory_writes(memory: &Memory, now: MemoryNow, out: &mut Vec<Write>) {
    let limit = memory.limit.filter(|limit| *limit != 0).map(|limit| Write::new("memory", "memory.limit_in_bytes", limit));
    // Taking the memory limit away and keeping that of the sum is refused by the kernel, so both go.
    let swap = memory.swap.filter(|swap| *swap != 0).or((memory.limit == Some(-1)).then_some(-1));
    let sum = swap.map(|swap| {
        let write = Write::new("memory", "memory.memsw.limit_in_bytes", swap);
        // Unlimited is what a kernel without swap accounting does anyway.
        if swap == -1 { write.if_present() } else { write }
    });
    let raises = swap == Some(-1) || swap.is_some_and(|swap| now.limit < swap as u64);
    if raises {
        out.extend(sum);
        out.extend(limit);
    } else {
        out.extend(limit);
        out.extend(sum);
    }
    out.extend(memory.reservation.filter(|soft| *soft != 0).map(|soft| Write::new("memory", "memory.soft_limit_in_bytes", soft)));
    out.extend(memory.kernel_tcp.filter(|tcp| *tcp != 0).map(|tcp| Write::new("memory", "memory.kmem.tcp.limit_in_bytes", tcp)));
    out.extend(memory.swappiness.map(|swappiness| Write::new("memory", "memory.swappiness", swappiness)));
    if memory.disable_oom_killer == Some(true) {
        out.push(Write::new("memory", "memory.oom_control", 1));
    }
}

fn cpu_writes(cpu: &Cpu, out: &mut Vec<Write>) {
    let mut push = |file: &'static str, value: Option<String>| out.extend(value.map(|value| Write::new("cpu", file, value)));
    push("cpu.idle", cpu.idle.map(|idle| idle.to_string()));
    push("cpu.shares", cpu.shares.filter(|shares| *shares != 0).map(|shares| shares.to_string()));
    // The period first: against the old, shorter one the new quota could be above the parent's share. The burst last: it is checked
    // against the quota.
    push("cpu.cfs_period_us", cpu.period.filter(|period| *period != 0).map(|period| period.to_string()));
    push("cpu.cfs_quota_us", cpu.quota.filter(|quota| *quota != 0).map(|quota| quota.to_string()));
    push("cpu.cfs_burst_us", cpu.burst.map(|burst| burst.to_string()));
    push("cpu.rt_period_us", cpu.realtime_period.filter(|period| *period != 0).map(|period| period.to_string()));
    push("cpu.rt_runtime_us", cpu.realtime_runtime.filter(|runtime| *runtime != 0).map(|runtime| runtime.to_string()));
    out.extend(cpuset_writes(cpu));
}

fn block_writes(block: &BlockIo, out: &mut Vec<Write>) {
    // `blkio.weight` belongs to the old CFQ scheduler (gone in 5.0), `blkio.bfq.weight` to BFQ; a machine has one, the other or neither.
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        out.push(Write::new("blkio", "blkio.weight", weight).or("blkio.bfq.weight"));
    }
    out.extend(block.leaf_weight.filter(|weight| *weight != 0).map(|weight| Write::new("blkio", "blkio.leaf_weight", weight)));
    for device in &block.weight_device {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        out.extend(device.weight.map(|weight| Write::new("blkio", "blkio.weight_device", line(weight)).or("blkio.bfq.weight_device")));
        out.extend(device.leaf_weight.map(|weight| Write::new("blkio", "blkio.leaf_weight_device", line(weight))));
    }
    let mut throttle = |file: &'static str, devices: &[ThrottleDevice]| {
        out.extend(devices.iter().map(|d| Write::new("blkio", file, format!("{}:{} {}", d.major, d.minor, d.rate))));
    };
    throttle("blkio.throttle.read_bps_device", &block.throttle_read_bps_device);
    throttle("blkio.throttle.write_bps_device", &block.throttle_write_bps_device);
    throttle("blkio.throttle.read_iops_device", &block.throttle_read_iops_device);
    throttle("blkio.throttle.write_iops_device", &block.throttle_write_iops_device);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(resources: &str, now: u64) -> Vec<String> {
        let resources = serde_json::from_str(resources).unwrap();
        writes(&resources, MemoryNow { limit: now }).iter().map(|write| format!("{}={}", write.file, write.value)).collect()
    }

    #[test]
    fn raising_writes_the_sum_first_and_lowering_writes_it_last() {
        let both = r#"{"memory":{"limit":100,"swap":200}}"#;
        assert_eq!(files(both, 50), ["memory.memsw.limit_in_bytes=200", "memory.limit_in_bytes=100"]);
        assert_eq!(files(both, 500), ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=200"]);
        assert_eq!(files(r#"{"memory":{"limit":-1}}"#, 500), ["memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=-1"]);
    }

    #[test]
    fn the_period_goes_before_the_quota_and_zero_is_no_limit() {
        assert_eq!(
            files(r#"{"cpu":{"quota":5,"period":10,"shares":0},"pids":{"limit":0}}"#, 0),
            ["cpu.cfs_period_us=10", "cpu.cfs_quota_us=5", "pids.max=max"]
        );
    }
}
