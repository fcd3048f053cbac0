//! The specification's description of a filter (`linux.seccomp`, config-linux.md), as the runtime reads it.

use serde::{Deserialize, Serialize};

/// `linux.seccomp`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// What happens to a call that no rule names.
    pub default_action: Action,
    /// The errno of `SCMP_ACT_ERRNO`, or the message of `SCMP_ACT_TRACE`, where a rule says none. EPERM if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Calling conventions besides the machine's own, `SCMP_ARCH_X86`. A call by any other one ends the process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_LOG` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Where the descriptor goes that gets the calls with `SCMP_ACT_NOTIFY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Text that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// The rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Rule>,
}

/// One rule: these calls, with these arguments, get this action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Names. One that this architecture does not have is skipped: profiles are written for all of them.
    pub names: Vec<String>,
    /// What happens.
    pub action: Action,
    /// As [`Profile::default_errno_ret`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions, all of which must hold; several on the same argument are alternatives (as runc has it).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Condition>,
}

/// A condition on one argument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which, from 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask of [`Compare::MaskedEq`].
    pub value: u64,
    /// What the masked argument is compared with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_two: u64,
    /// How.
    pub op: Compare,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// End the thread with SIGSYS.
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    /// End the process with SIGSYS.
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    /// Send SIGSYS, which may be handled.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// Fail with an errno.
    #[default]
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// Ask the tracer (ptrace(2)).
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    /// Do it and log it.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// Do it.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// Ask the supervisor that holds the listener (seccomp_unotify(2)).
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

impl Action {
    /// `SECCOMP_RET_*` with its data.
    pub fn code(self, data: Option<u32>) -> u32 {
        // Beyond MAX_ERRNO the kernel would cut it silently.
        let data = data.unwrap_or(libc::EPERM as u32).min(4095);
        match self {
            Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
            Action::Trap => libc::SECCOMP_RET_TRAP,
            Action::Errno => libc::SECCOMP_RET_ERRNO | data,
            Action::Trace => libc::SECCOMP_RET_TRACE | data,
            Action::Log => libc::SECCOMP_RET_LOG,
            Action::Allow => libc::SECCOMP_RET_ALLOW,
            Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}

/// How an argument is compared, as unsigned 64-bit numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compare {
    /// Not equal.
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    /// Less.
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    /// Less or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    /// Equal.
    #[default]
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    /// Greater or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    /// Greater.
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    /// `argument & value == value_two`.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}

impl Condition {
    /// Whether `argument` meets it: the meaning that the compiled program must have.
    #[cfg(test)]
    pub fn holds(&self, argument: u64) -> bool {
        match self.op {
            Compare::Ne => argument != self.value,
            Compare::Lt => argument < self.value,
            Compare::Le => argument <= self.value,
            Compare::Eq => argument == self.value,
            Compare::Ge => argument >= self.value,
            Compare::Gt => argument > self.value,
            Compare::MaskedEq => argument & self.value == self.value_two,
        }
    }
}
