//! One name per limit: the names and the spelling of cgroup v2, answered from whichever version the machine has.
//!
//! Course checks ask for `memory.max`; on a v1 machine that is `memory.limit_in_bytes`, where "no limit" is a huge number and not the
//! word `max`. The table is also what a lesson shows to a learner whose machine differs from the book.

#[cfg(test)]
use super::shares_of_weight;
use super::{Cgroup, Error, Result, Version, number, weight_of_shares};
use crate::kernel::fs;

/// How the content of a v1 file becomes that of the v2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The same text.
    Same,
    /// Bytes, where a number near 2^63 means `max`.
    Bytes,
    /// Two files, `quota` (-1 is no limit) and `period`, as one line.
    Quota,
    /// `cpu.shares` as `cpu.weight`.
    Weight,
    /// Memory plus swap, less the memory.
    Swap,
    /// `THAWED` or `FROZEN` as 0 or 1.
    Frozen,
}

/// A v2 file and what stands in for it on v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// `memory.max`.
    pub v2: &'static str,
    /// The v1 controller, `memory`.
    pub controller: &'static str,
    /// The v1 file, `memory.limit_in_bytes`.
    pub v1: &'static str,
    form: Form,
}

const fn knob(v2: &'static str, controller: &'static str, v1: &'static str, form: Form) -> Knob {
    Knob { v2, controller, v1, form }
}

/// All v2 files that have a v1 counterpart.
pub const KNOBS: &[Knob] = &[
    knob("cgroup.freeze", "freezer", "freezer.state", Form::Frozen),
    knob("cgroup.procs", "", "cgroup.procs", Form::Same),
    knob("cpu.max", "cpu", "cpu.cfs_quota_us", Form::Quota),
    knob("cpu.max.burst", "cpu", "cpu.cfs_burst_us", Form::Same),
    knob("cpu.idle", "cpu", "cpu.idle", Form::Same),
    knob("cpu.stat", "cpu", "cpu.stat", Form::Same),
    knob("cpu.weight", "cpu", "cpu.shares", Form::Weight),
    knob("cpuset.cpus", "cpuset", "cpuset.cpus", Form::Same),
    knob("cpuset.cpus.effective", "cpuset", "cpuset.effective_cpus", Form::Same),
    knob("cpuset.mems", "cpuset", "cpuset.mems", Form::Same),
    knob("cpuset.mems.effective", "cpuset", "cpuset.effective_mems", Form::Same),
    knob("io.weight", "blkio", "blkio.weight", Form::Same),
    knob("memory.current", "memory", "memory.usage_in_bytes", Form::Bytes),
    knob("memory.events", "memory", "memory.oom_control", Form::Same),
    knob("memory.low", "memory", "memory.soft_limit_in_bytes", Form::Bytes),
    knob("memory.max", "memory", "memory.limit_in_bytes", Form::Bytes),
    knob("memory.peak", "memory", "memory.max_usage_in_bytes", Form::Bytes),
    knob("memory.stat", "memory", "memory.stat", Form::Same),
    knob("memory.swap.current", "memory", "memory.memsw.usage_in_bytes", Form::Swap),
    knob("memory.swap.max", "memory", "memory.memsw.limit_in_bytes", Form::Swap),
    knob("pids.current", "pids", "pids.current", Form::Same),
    knob("pids.events", "pids", "pids.events", Form::Same),
    knob("pids.max", "pids", "pids.max", Form::Same),
];

impl Knob {
    /// The knob with this v2 name.
    pub fn find(v2: &str) -> Option<&'static Knob> {
        KNOBS.iter().find(|knob| knob.v2 == v2)
    }
}

/// v1 says "unlimited" with the largest multiple of a page; nothing real comes near.
const UNLIMITED: u64 = 1 << 62;

fn bytes(value: u64) -> String {
    if value >= UNLIMITED { "max".to_owned() } else { value.to_string() }
}

impl Cgroup {
    /// The content of the v2 file `name` in v2's spelling, whichever version this machine has; without the newline.
    ///
    /// # Errors
    /// [`Error::NoController`], [`Error::NoFile`] for a name without v1 counterpart, or read(2) refused.
    pub fn read_knob(&self, name: &str) -> Result<String> {
        if let Some(tree) = self.trees.iter().find(|tree| tree.version == Version::V2 && tree.file(name).exists()) {
            return Ok(fs::read(&tree.file(name))?.trim_end().to_owned());
        }
        let (knob, tree) = self.v1_knob(name)?;
        let text = fs::read(&tree.file(knob.v1))?.trim_end().to_owned();
        let value = || text.parse::<u64>().unwrap_or(0);
        Ok(match knob.form {
            Form::Same => text,
            Form::Bytes => bytes(value()),
            Form::Quota => {
                let period = number(&tree.file("cpu.cfs_period_us")).unwrap_or(100_000);
                format!("{} {period}", if text.starts_with('-') { "max" } else { &text })
            }
            Form::Weight => weight_of_shares(value()).to_string(),
            Form::Swap => {
                let memory = number(&tree.file(&knob.v1.replace("memsw.", ""))).unwrap_or(0);
                if value() >= UNLIMITED { "max".to_owned() } else { value().saturating_sub(memory).to_string() }
            }
            Form::Frozen => if text == "THAWED" { "0" } else { "1" }.to_owned(),
        })
    }

    /// Writes `value`, in v2's spelling, into the v2 file `name` or what stands in for it.
    ///
    /// # Errors
    /// As [`Cgroup::read_knob`]; EINVAL for a value that the file does not take.
    #[cfg(test)]
    pub fn write_knob(&self, name: &str, value: &str) -> Result<()> {
        if let Some(tree) = self.trees.iter().find(|tree| tree.version == Version::V2 && tree.file(name).exists()) {
            return Ok(fs::write_once(&tree.file(name), value)?);
        }
        let (knob, tree) = self.v1_knob(name)?;
        let unlimited = |value: &str| if value == "max" { "-1".to_owned() } else { value.to_owned() };
        let text = match knob.form {
            Form::Same => value.to_owned(),
            Form::Bytes => unlimited(value),
            Form::Weight => shares_of_weight(value.parse().unwrap_or(100)).to_string(),
            Form::Frozen => if value == "0" { "THAWED" } else { "FROZEN" }.to_owned(),
            Form::Quota => {
                let (quota, period) = value.split_once(' ').unwrap_or((value, ""));
                if !period.is_empty() {
                    fs::write_once(&tree.file("cpu.cfs_period_us"), period)?;
                }
                unlimited(quota)
            }
            Form::Swap => match (value.parse::<u64>(), number(&tree.file("memory.limit_in_bytes"))) {
                (Ok(swap), Some(memory)) => swap.saturating_add(memory).to_string(),
                _ => unlimited(value),
            },
        };
        Ok(fs::write_once(&tree.file(knob.v1), &text)?)
    }

    fn v1_knob(&self, name: &str) -> Result<(&'static Knob, &super::Tree)> {
        let controller = name.split('.').next().unwrap_or_default();
        let missing = || Error::NoController { controller: controller.to_owned(), file: name.to_owned() };
        let Some(knob) = Knob::find(name) else {
            let directory = self.directory(controller).or(self.directory("")).ok_or_else(missing)?;
            return Err(Error::NoFile { path: directory.join(name) });
        };
        let has = |tree: &&super::Tree| tree.version == Version::V1 && (knob.controller.is_empty() || tree.has(knob.controller));
        Ok((knob, self.trees.iter().find(has).ok_or_else(missing)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(KNOBS.windows(2).all(|pair| pair[0].v2 < pair[1].v2 || pair[0].controller == pair[1].controller));
        assert_eq!(Knob::find("memory.max").unwrap().v1, "memory.limit_in_bytes");
        assert!(Knob::find("memory.high").is_none());
    }

    #[test]
    fn a_huge_number_is_max() {
        assert_eq!(bytes(9_223_372_036_854_771_712), "max");
        assert_eq!(bytes(4096), "4096");
    }
}
