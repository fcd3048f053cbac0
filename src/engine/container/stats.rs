//! `docker stats` and `docker update`: what a container uses, and what it may use from now on.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::config::{HostConfig, RestartPolicy, read};
use super::{Container, now, resources};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::fs;
use crate::oci::runtime::spec::parse_resources;

/// The kernel's ticks are hundredths of a second; the API counts nanoseconds.
const TICK: u64 = 10_000_000;

impl Engine {
    /// What a container uses now, in the shape of the API; of one that does not run everything is empty.
    ///
    /// # Errors
    /// Never for one that does not run; its cgroup cannot be read.
    pub async fn stats(self: &Arc<Self>, container: &Arc<Container>, before: Option<&Value>) -> Result<Value, Fault> {
        let (record, empty) = (container.record(), json!({}));
        // Clients subtract: there are figures also where nothing was measured.
        let nothing = json!({
            "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        });
        let zero = "0001-01-01T00:00:00Z";
        if !record.state.is_running() {
            return Ok(json!({
                "read": zero, "preread": zero, "pids_stats": empty, "blkio_stats": self.blocks(&Value::Null), "num_procs": 0, "storage_stats": empty,
                "cpu_stats": nothing, "precpu_stats": nothing, "memory_stats": empty, "name": format!("/{}", record.name), "id": record.id,
            }));
        }
        let (used, ooms) = self.with_cgroup(container, |cgroup| Ok((cgroup.stats()?, cgroup.ooms()))).await?;
        let precpu = before.map_or(nothing, |before| before["cpu_stats"].clone());
        let preread = before.map_or_else(|| json!(zero), |before| before["read"].clone());
        let pids = &used["pids"];
        let limit = if pids["limit"] == 0 { json!(u64::MAX) } else { pids["limit"].clone() };
        Ok(json!({
            "read": now(), "preread": preread, "pids_stats": {"current": pids["current"], "limit": limit},
            "blkio_stats": self.blocks(&used["blkio"]), "num_procs": 0, "storage_stats": {},
            "cpu_stats": self.processors(&used), "precpu_stats": precpu, "memory_stats": self.memory(&used["memory"], ooms),
            "name": format!("/{}", record.name), "id": record.id, "networks": traffic(record.state.pid),
        }))
    }

    fn processors(&self, used: &Value) -> Value {
        let usage = &used["cpu"]["usage"];
        let throttled = &used["cpu"]["throttling"];
        let online = self.machine_processors();
        let mut cpu_usage =
            json!({"total_usage": usage["total"], "usage_in_kernelmode": usage["kernel"], "usage_in_usermode": usage["user"]});
        if usage["percpu"].as_array().is_some_and(|list| !list.is_empty()) {
            cpu_usage["percpu_usage"] = usage["percpu"].clone();
        }
        json!({
            "cpu_usage": cpu_usage, "system_cpu_usage": system_time(), "online_cpus": online,
            "throttling_data": {"periods": throttled["periods"], "throttled_periods": throttled["throttledPeriods"], "throttled_time": throttled["throttledTime"]},
        })
    }

    fn memory(&self, used: &Value, ooms: u64) -> Value {
        let limit =
            used["usage"]["limit"].as_u64().filter(|limit| *limit > 0 && *limit < self.machine.memory).unwrap_or(self.machine.memory);
        let usage = &used["usage"];
        if self.is_unified {
            // dockerd says no maximum there, and counts what ended out of memory instead of what met the limit.
            return json!({"usage": usage["usage"], "stats": used["raw"], "failcnt": ooms, "limit": limit});
        }
        json!({"usage": usage["usage"], "max_usage": usage["max"], "stats": used["raw"], "failcnt": usage["failcnt"], "limit": limit})
    }

    /// The traffic of block devices. Of version 2 dockerd tells the bytes alone, and calls what was done to them in small letters.
    fn blocks(&self, used: &Value) -> Value {
        let (mut bytes, mut requests) = (used["ioServiceBytesRecursive"].clone(), used["ioServicedRecursive"].clone());
        if self.is_unified {
            requests = Value::Null;
            for entry in bytes.as_array_mut().into_iter().flatten() {
                entry["op"] = json!(entry["op"].as_str().unwrap_or_default().to_lowercase());
            }
        }
        json!({
            "io_service_bytes_recursive": bytes, "io_serviced_recursive": requests, "io_queue_recursive": null, "io_service_time_recursive": null,
            "io_wait_time_recursive": null, "io_merged_recursive": null, "io_time_recursive": null, "sectors_recursive": null,
        })
    }

    /// Changes the limits and the restart policy of a container.
    ///
    /// # Errors
    /// A limit makes no sense, or the kernel refuses it: then everything is as it was.
    pub async fn update(self: &Arc<Self>, container: &Arc<Container>, request: &Value) -> Result<Vec<String>, Fault> {
        let wish: HostConfig = read(request)?;
        let _turn = container.turn.lock().await;
        let record = container.record();
        let mut host = record.host.clone();
        if wish.memory_swap == 0 && host.memory_swap > 0 && wish.memory > host.memory_swap {
            let why = "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
            return Err(Fault::conflict(why));
        }
        merge(&mut host, &wish);
        let policy: Option<RestartPolicy> = request.get("RestartPolicy").filter(|policy| !policy.is_null()).map(read).transpose()?;
        if let Some(policy) = policy.filter(|policy| !policy.name.is_empty()) {
            if host.auto_remove && policy.name != "no" {
                return Err(Fault::bad("Restart policy cannot be updated because AutoRemove is enabled for the container"));
            }
            host.restart_policy = policy;
        }
        let mut warnings = resources::check(&host, self.machine_processors())?;
        if !self.has_cgroups() {
            warnings.extend(resources::discard(&mut host)?);
        }
        super::spec::check(&host)?;
        let wanted = resources::resources(&host);
        if record.state.is_running() && wanted != resources::resources(&record.host) {
            let limits = wanted.clone();
            self.work(move |engine| engine.make_room(&limits)).await?;
            let wanted = parse_resources(wanted.to_string().as_bytes()).map_err(|error| Fault::bad(error.to_string()))?;
            self.with_cgroup(container, move |cgroup| cgroup.apply(&wanted)).await?;
        }
        container.change(|record| record.host = host)?;
        self.tell(container, "update", &[]);
        Ok(warnings)
    }
}

/// What the request says, over what holds. A zero says nothing.
fn merge(host: &mut HostConfig, wish: &HostConfig) {
    let number = |own: &mut i64, new: i64| {
        if new != 0 {
            *own = new;
        }
    };
    number(&mut host.memory, wish.memory);
    number(&mut host.memory_swap, wish.memory_swap);
    number(&mut host.memory_reservation, wish.memory_reservation);
    number(&mut host.cpu_shares, wish.cpu_shares);
    number(&mut host.cpu_period, wish.cpu_period);
    number(&mut host.cpu_quota, wish.cpu_quota);
    number(&mut host.nano_cpus, wish.nano_cpus);
    if wish.blkio_weight != 0 {
        host.blkio_weight = wish.blkio_weight;
    }
    if wish.pids_limit.is_some() {
        host.pids_limit = wish.pids_limit;
    }
    for (own, new) in [(&mut host.cpuset_cpus, &wish.cpuset_cpus), (&mut host.cpuset_mems, &wish.cpuset_mems)] {
        if !new.is_empty() {
            own.clone_from(new);
        }
    }
}

fn system_time() -> u64 {
    let text = fs::read(std::path::Path::new("/proc/stat")).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq: what comes after is counted in user already.
    line.split_whitespace().skip(1).take(7).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>() * TICK
}

/// The traffic of a container's own links, from its side.
fn traffic(pid: i32) -> Value {
    let text = fs::read(std::path::Path::new(&format!("/proc/{pid}/net/dev"))).unwrap_or_default();
    let mut all = Map::new();
    for (name, numbers) in text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo") {
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
        let link = json!({
            "rx_bytes": at(0), "rx_packets": at(1), "rx_errors": at(2), "rx_dropped": at(3),
            "tx_bytes": at(8), "tx_packets": at(9), "tx_errors": at(10), "tx_dropped": at(11),
        });
        all.insert(name.trim().to_owned(), link);
    }
    Value::Object(all)
}
