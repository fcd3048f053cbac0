//! Seccomp: which system calls a process may make at all (seccomp(2)).
//!
//! A [`Profile`] is what the OCI specification describes: names, conditions on arguments, actions. The kernel takes a program
//! for its classic BPF machine instead. [`Program::compile`] turns the one into the other in three pure steps, and
//! [`Program::load`] hands it to the kernel, after which this process, and all that it starts, cannot take it back.
//!
//! ```text
//!   Profile ── plan.rs: number -> outcome, as ranges ── assemble.rs: binary search ── Program ── load
//! ```
//!
//! libseccomp, which other runtimes use for this, needs 14 ms of processor time for the default profile; this needs 0.13 ms (measured), which is
//! why nothing is cached on disk: reading and checking a cached program would save a tenth of a millisecond and be one more file to trust.
//! Left out: the conventions of machines that we do not run on, and the splitting of `socketcall` on i386 into its parts.

mod assemble;
#[cfg(test)]
mod interpret;
mod plan;
mod profile;
mod syscalls;
mod table;

use std::fmt;
use std::os::fd::{FromRawFd as _, OwnedFd};

pub use assemble::Instruction;
#[cfg(test)]
pub use interpret::{answer, is_known};
pub use profile::{Action, Compare, Condition, Profile, Rule};
pub use table::Arch;

use super::error::{Errno, Result};
use super::xray;
use plan::Plan;

/// Linux takes no longer programs (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// A profile that cannot become a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// Not a name of the specification.
    Architecture(String),
    /// Not a flag of the specification.
    Flag(String),
    /// System calls have six arguments.
    Argument(String, u32),
    /// More than the kernel's 4096 instructions.
    TooLong(usize),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Architecture(name) => write!(f, "seccomp: `{name}` is no architecture"),
            Invalid::Flag(name) => write!(f, "seccomp: `{name}` is no flag"),
            Invalid::Argument(call, index) => write!(f, "seccomp: `{call}` has arguments 0 to 5, the rule asks for {index}"),
            Invalid::TooLong(length) => write!(f, "seccomp: the profile needs {length} instructions, the kernel takes {LONGEST}"),
        }
    }
}

impl std::error::Error for Invalid {}

/// A compiled filter, ready to be loaded by a process that can no longer allocate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    flags: u32,
}

impl Program {
    /// Compiles `profile` for this machine and for the further conventions that it names.
    ///
    /// # Errors
    /// The profile is not one; see [`Invalid`].
    pub fn compile(profile: &Profile) -> std::result::Result<Program, Invalid> {
        check(profile)?;
        let mut arches = vec![Arch::NATIVE];
        arches.extend(profile.architectures.iter().filter_map(|name| Arch::from_name(name)));
        arches.sort_unstable();
        arches.dedup();
        let plans = Plan::all(profile, &arches);
        let instructions = assemble::program(&plans);
        if instructions.len() > LONGEST {
            return Err(Invalid::TooLong(instructions.len()));
        }
        let mut flags = profile.flags.iter().filter_map(|name| flag(name)).fold(0, |all, bit| all | bit);
        if profile.syscalls.iter().any(|rule| rule.action == Action::Notify) {
            flags |= libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32;
        }
        Ok(Program { instructions, flags })
    }

    /// The instructions, for who wants to look.
    #[cfg(test)]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Loads the filter into this thread, for good. Allocates nothing. With a notify rule the listener's descriptor comes back.
    ///
    /// # Errors
    /// EACCES without no_new_privs and without CAP_SYS_ADMIN; EINVAL for a flag that this kernel does not have.
    pub fn load(&self) -> Result<Option<OwnedFd>> {
        let program = libc::sock_fprog { len: self.instructions.len() as u16, filter: self.instructions.as_ptr().cast_mut().cast() };
        let count = self.instructions.len();
        let answer = xray::call_value(
            "seccomp",
            &"SET_MODE_FILTER",
            format_args!("SECCOMP_SET_MODE_FILTER flags {:#x}, {count} instructions", self.flags),
            |fd| *fd,
            || {
                // SAFETY: Instruction has the layout of sock_filter, the kernel copies the program and does not write to it.
                let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, self.flags, &raw const program) };
                Errno::result(answer)
            },
        )?;
        let listens = self.flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32 != 0;
        // SAFETY: with this flag the answer is a new descriptor, close-on-exec by definition.
        Ok(listens.then(|| unsafe { OwnedFd::from_raw_fd(answer as i32) }))
    }

    /// Whether [`Program::load`] returns a listener.
    pub fn listens(&self) -> bool {
        self.flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32 != 0
    }
}

/// The names of flags, with their bits.
pub const FLAGS: &[(&str, u32)] = &[
    ("SECCOMP_FILTER_FLAG_TSYNC", libc::SECCOMP_FILTER_FLAG_TSYNC as u32),
    ("SECCOMP_FILTER_FLAG_LOG", libc::SECCOMP_FILTER_FLAG_LOG as u32),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as u32),
];

fn flag(name: &str) -> Option<u32> {
    FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

fn check(profile: &Profile) -> std::result::Result<(), Invalid> {
    if let Some(name) = profile.architectures.iter().find(|name| !name.starts_with("SCMP_ARCH_")) {
        return Err(Invalid::Architecture(name.clone()));
    }
    if let Some(name) = profile.flags.iter().find(|name| flag(name).is_none()) {
        return Err(Invalid::Flag(name.clone()));
    }
    for rule in &profile.syscalls {
        let call = || rule.names.first().cloned().unwrap_or_default();
        if let Some(condition) = rule.args.iter().find(|condition| condition.index > 5) {
            return Err(Invalid::Argument(call(), condition.index));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
