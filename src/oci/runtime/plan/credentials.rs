//! What a process is allowed and told, ready for the kernel: ids, capabilities, limits, scheduling, arguments.

use std::ffi::CString;
use std::path::PathBuf;

use crate::kernel::rlimit::Limit;
use crate::kernel::{caps, schedule};
use crate::oci::runtime::error::{Error, Result};
use crate::oci::runtime::spec::process::{self, Process};

/// A process as the steps before execve(2) need it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// argv.
    pub arguments: Vec<CString>,
    /// The same as text, for messages and the search in PATH.
    pub program: String,
    /// `KEY=value`.
    pub environment: Vec<CString>,
    /// The value of PATH in it.
    pub path: Option<String>,
    /// Whether it says where home is; else `/etc/passwd` of the container does.
    pub knows_home: bool,
    /// Working directory.
    pub cwd: PathBuf,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// The five sets.
    pub capabilities: Sets,
    /// No rights by execve(2).
    pub no_new_privileges: bool,
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// For whoever may write it: the parent.
    pub oom_score_adj: Option<i32>,
    /// Scheduling policy.
    pub scheduler: Option<schedule::Attributes>,
    /// Class and priority.
    pub io_priority: Option<(u32, u32)>,
    /// Processors before and after the cgroup is entered.
    pub affinity: (Option<Vec<usize>>, Option<Vec<usize>>),
    /// A pseudo-terminal is wanted.
    pub terminal: bool,
    /// Its columns and rows.
    pub console_size: Option<(u16, u16)>,
}

/// The five capability sets, capabilities(7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// The most that can ever be had.
    pub bounding: caps::Set,
    /// What the kernel checks.
    pub effective: caps::Set,
    /// Handed on to marked files.
    pub inheritable: caps::Set,
    /// What may be made effective.
    pub permitted: caps::Set,
    /// Handed on to all programs.
    pub ambient: caps::Set,
}

/// The kernel's default when nothing is said.
const UMASK: u32 = 0o022;

impl Credentials {
    /// Turns names into numbers and texts into C strings. `prefix` stands before the keys in messages.
    ///
    /// # Errors
    /// An unknown name, named.
    pub fn new(process: &Process, prefix: &str) -> Result<Credentials> {
        let text =
            |text: &String| CString::new(text.as_str()).map_err(|_| Error::new(format!("{prefix}args: NUL in `{}`", text.escape_debug())));
        let variable = |name: &str| process.env.iter().rev().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        Ok(Credentials {
            arguments: process.args.iter().map(text).collect::<Result<_>>()?,
            program: process.args.first().cloned().unwrap_or_default(),
            environment: last_of_each(&process.env).map(text).collect::<Result<_>>()?,
            path: variable("PATH").map(str::to_owned),
            knows_home: variable("HOME").is_some_and(|home| !home.is_empty()),
            cwd: PathBuf::from(&process.cwd),
            uid: process.user.uid,
            gid: process.user.gid,
            groups: process.user.additional_gids.clone(),
            umask: process.user.umask.unwrap_or(UMASK),
            capabilities: process.capabilities.as_ref().map(sets).unwrap_or_default(),
            no_new_privileges: process.no_new_privileges,
            limits: process.rlimits.iter().filter_map(|limit| Limit::named(&limit.name, limit.soft, limit.hard)).collect(),
            oom_score_adj: process.oom_score_adj,
            scheduler: process.scheduler.as_ref().map(|scheduler| attributes(scheduler, prefix)).transpose()?,
            io_priority: process.io_priority.as_ref().map(|priority| io_priority(priority, prefix)).transpose()?,
            affinity: affinity(process.exec_cpu_affinity.as_ref(), prefix)?,
            terminal: process.terminal,
            console_size: process.console_size.map(|size| (size.width, size.height)),
        })
    }
}

/// Of variables that are given twice the last counts (`exec --env`); programs would take the first that they find.
fn last_of_each(env: &[String]) -> impl Iterator<Item = &String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    env.iter().enumerate().filter(move |(at, entry)| !env[at + 1..].iter().any(|later| name(later) == name(entry))).map(|(_, entry)| entry)
}

/// The sets as numbers. What is permitted is cut to the bounding set, what is effective to the permitted one: execve(2) would do it anyway,
/// and asking for more is an error of capset(2) that tells nobody anything.
fn sets(names: &process::Capabilities) -> Sets {
    let set = |names: &[String]| names.iter().filter_map(|name| caps::Set::named(name)).fold(caps::Set::default(), caps::Set::with);
    let bounding = set(&names.bounding);
    let permitted = set(&names.permitted);
    let inheritable = set(&names.inheritable);
    let effective = set(&names.effective).and(permitted);
    Sets { bounding, effective, inheritable, permitted, ambient: set(&names.ambient).and(permitted).and(inheritable) }
}

fn attributes(scheduler: &process::Scheduler, prefix: &str) -> Result<schedule::Attributes> {
    let policy = schedule::policy(&scheduler.policy)
        .ok_or_else(|| Error::new(format!("`{prefix}scheduler.policy`: `{}` is no policy, see sched(7)", scheduler.policy)))?;
    let mut flags = 0;
    for name in &scheduler.flags {
        flags |= schedule::flag(name)
            .ok_or_else(|| Error::new(format!("`{prefix}scheduler.flags`: `{name}` is no flag, see sched_setattr(2)")))?;
    }
    Ok(schedule::Attributes {
        policy,
        flags,
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority)
            .map_err(|_| Error::new(format!("`{prefix}scheduler.priority`: {} is negative", scheduler.priority)))?,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        ..Default::default()
    })
}

fn io_priority(priority: &process::IoPriority, prefix: &str) -> Result<(u32, u32)> {
    let class = match priority.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return Err(Error::new(format!("`{prefix}ioPriority.class`: `{other}` is not IOPRIO_CLASS_RT, _BE or _IDLE"))),
    };
    match u32::try_from(priority.priority) {
        Ok(number @ 0..=7) => Ok((class, number)),
        _ => Err(Error::new(format!("`{prefix}ioPriority.priority`: {} is outside 0 to 7", priority.priority))),
    }
}

type Processors = Option<Vec<usize>>;

fn affinity(affinity: Option<&process::Affinity>, prefix: &str) -> Result<(Processors, Processors)> {
    let list = |text: Option<&String>, key: &str| {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        schedule::processors(text)
            .map(Some)
            .ok_or_else(|| Error::new(format!("`{prefix}execCPUAffinity.{key}`: `{text}` is no list of processors like `0-2,7`")))
    };
    let Some(affinity) = affinity else { return Ok((None, None)) };
    Ok((list(affinity.initial.as_ref(), "initial")?, list(affinity.last.as_ref(), "final")?))
}
