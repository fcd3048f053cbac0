//! `process`: what runs in the container, as whom, with what rights (config.md, "Process").

use serde::Deserialize;

/// `process`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Process {
    /// A pseudo-terminal instead of the caller's descriptors 0, 1 and 2.
    pub terminal: bool,
    /// Its first size.
    pub console_size: Option<ConsoleSize>,
    /// Who it runs as.
    pub user: User,
    /// argv; the first is also the program.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Working directory, absolute in the container.
    pub cwd: String,
    /// The five sets; without this key the process has none at all.
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// Whether execve(2) may never add rights.
    pub no_new_privileges: bool,
    /// An AppArmor profile: refused, for no learner's machine has ours loaded.
    pub apparmor_profile: Option<String>,
    /// -1000 to 1000; more dies earlier when memory runs out.
    pub oom_score_adj: Option<i32>,
    /// An SELinux label: refused.
    pub selinux_label: Option<String>,
    /// Scheduling policy.
    pub scheduler: Option<Scheduler>,
    /// Priority of input and output.
    pub io_priority: Option<IoPriority>,
    /// Processors of the joining process of `exec`.
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<Affinity>,
}

/// `process.consoleSize`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// `process.user`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct User {
    /// User id in the container.
    pub uid: u32,
    /// Group id in the container.
    pub gid: u32,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`, by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// The most that can ever be had.
    pub bounding: Vec<String>,
    /// What the kernel checks.
    pub effective: Vec<String>,
    /// Handed on to marked files.
    pub inheritable: Vec<String>,
    /// What may be made effective.
    pub permitted: Vec<String>,
    /// Handed on to all programs.
    pub ambient: Vec<String>,
}

/// One of `process.rlimits`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE`.
    #[serde(rename = "type")]
    pub name: String,
    /// What it may not exceed.
    pub hard: u64,
    /// What holds.
    pub soft: u64,
}

/// `process.scheduler`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Scheduler {
    /// `SCHED_BATCH`.
    pub policy: String,
    /// -20 to 19.
    pub nice: i32,
    /// 1 to 99.
    pub priority: i32,
    /// `SCHED_FLAG_*`.
    pub flags: Vec<String>,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// `process.ioPriority`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_RT`, `_BE` or `_IDLE`.
    pub class: String,
    /// 0 (first) to 7.
    pub priority: i64,
}

/// `process.execCPUAffinity`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Affinity {
    /// Before the cgroup is entered.
    pub initial: Option<String>,
    /// Afterwards.
    #[serde(rename = "final")]
    pub last: Option<String>,
}
