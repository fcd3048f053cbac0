//! The system calls that make containers, as a table: number, name, and how to read each argument.

use libc::c_long;

/// How one argument is shown.
#[derive(Clone, Copy)]
pub enum Argument {
    /// A decimal number.
    Number,
    /// A mode, in octal.
    Mode,
    /// A C string.
    Text,
    /// A list of C strings ending with NULL (`argv`).
    Texts,
    /// A descriptor, with what /proc/PID/fd says it is. `AT_FDCWD` by name.
    Descriptor,
    /// Bits with names; what has no name is shown in hexadecimal.
    Flags(&'static [(u64, &'static str)]),
    /// One value of several with names.
    Choice(&'static [(u64, &'static str)]),
    /// The `flags` field, the first of the structure that clone3(2) takes.
    CloneArguments,
    /// As many bytes of text as the next argument says.
    Counted,
    /// Not shown.
    Skip,
}

/// When a call of the table is worth a record.
#[derive(Clone, Copy)]
pub enum Only {
    /// Always.
    Always,
    /// When the flags (first argument, or first field of the structure it points to) ask for a new namespace.
    NewNamespace,
    /// When the descriptor (first argument) or the path (argument of this index) is a kernel file that steers: cgroups, id maps, sysctls.
    SteersByDescriptor,
    /// As above, for a path in argument 0.
    SteersByPath,
    /// As above, for a path in argument 1.
    SteersByPathAt,
    /// When the first argument is one of the choices that have a name.
    NamedChoice,
}

/// A system call of the table.
pub struct Call {
    /// Its number on this architecture.
    pub number: c_long,
    /// Its name in the manual.
    pub name: &'static str,
    /// Its arguments in order.
    pub arguments: &'static [Argument],
    /// When it is recorded.
    pub only: Only,
}

use Argument::{Choice, CloneArguments, Counted, Descriptor, Flags, Mode, Number, Skip, Text, Texts};
use Only::{Always, NamedChoice, NewNamespace, SteersByDescriptor, SteersByPath, SteersByPathAt};

const fn call(number: c_long, name: &'static str, arguments: &'static [Argument]) -> Call {
    Call { number, name, arguments, only: Always }
}

const fn only(number: c_long, name: &'static str, arguments: &'static [Argument], only: Only) -> Call {
    Call { number, name, arguments, only }
}

/// The entry for a system call number.
pub fn find(number: u64) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.number as u64 == number)
}

/// All calls that are looked at.
pub const CALLS: &[Call] = &[
    call(libc::SYS_execve, "execve", &[Text, Texts]),
    call(libc::SYS_unshare, "unshare", &[Flags(CLONE)]),
    call(libc::SYS_setns, "setns", &[Descriptor, Flags(CLONE)]),
    only(libc::SYS_clone, "clone", &[Flags(CLONE)], NewNamespace),
    only(libc::SYS_clone3, "clone3", &[CloneArguments], NewNamespace),
    call(libc::SYS_mount, "mount", &[Text, Text, Text, Flags(MOUNT), Text]),
    call(libc::SYS_umount2, "umount2", &[Text, Flags(UNMOUNT)]),
    call(libc::SYS_pivot_root, "pivot_root", &[Text, Text]),
    call(libc::SYS_chroot, "chroot", &[Text]),
    call(libc::SYS_sethostname, "sethostname", &[Counted, Skip]),
    call(libc::SYS_setdomainname, "setdomainname", &[Counted, Skip]),
    call(libc::SYS_open_tree, "open_tree", &[Descriptor, Text, Flags(TREE)]),
    call(libc::SYS_move_mount, "move_mount", &[Descriptor, Text, Descriptor, Text, Number]),
    call(libc::SYS_fsopen, "fsopen", &[Text, Number]),
    call(libc::SYS_fsconfig, "fsconfig", &[Descriptor, Choice(CONFIG), Text, Text, Number]),
    call(libc::SYS_fsmount, "fsmount", &[Descriptor, Number, Number]),
    call(libc::SYS_mount_setattr, "mount_setattr", &[Descriptor, Text, Flags(TREE)]),
    call(libc::SYS_mknodat, "mknodat", &[Descriptor, Text, Mode, Number]),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_mknod, "mknod", &[Text, Mode, Number]),
    call(libc::SYS_capset, "capset", &[]),
    only(libc::SYS_prctl, "prctl", &[Choice(PRCTL), Number], NamedChoice),
    call(libc::SYS_seccomp, "seccomp", &[Choice(SECCOMP), Number]),
    call(libc::SYS_setuid, "setuid", &[Number]),
    call(libc::SYS_setgid, "setgid", &[Number]),
    call(libc::SYS_setresuid, "setresuid", &[Number, Number, Number]),
    call(libc::SYS_setresgid, "setresgid", &[Number, Number, Number]),
    call(libc::SYS_setgroups, "setgroups", &[Number]),
    call(libc::SYS_kill, "kill", &[Number, Number]),
    only(libc::SYS_write, "write", &[Descriptor, Counted, Number], SteersByDescriptor),
    only(libc::SYS_mkdirat, "mkdirat", &[Descriptor, Text, Mode], SteersByPathAt),
    #[cfg(target_arch = "x86_64")]
    only(libc::SYS_mkdir, "mkdir", &[Text, Mode], SteersByPath),
    #[cfg(target_arch = "x86_64")]
    only(libc::SYS_rmdir, "rmdir", &[Text], SteersByPath),
    only(libc::SYS_unlinkat, "unlinkat", &[Descriptor, Text, Number], SteersByPathAt),
];

/// The namespace flags of clone(2), unshare(2) and setns(2), in the order in which they are printed.
pub const CLONE: &[(u64, &str)] = &[
    (libc::CLONE_NEWNS as u64, "CLONE_NEWNS"),
    (libc::CLONE_NEWUTS as u64, "CLONE_NEWUTS"),
    (libc::CLONE_NEWIPC as u64, "CLONE_NEWIPC"),
    (libc::CLONE_NEWNET as u64, "CLONE_NEWNET"),
    (libc::CLONE_NEWPID as u64, "CLONE_NEWPID"),
    (libc::CLONE_NEWCGROUP as u64, "CLONE_NEWCGROUP"),
    (0x80, "CLONE_NEWTIME"),
    (libc::CLONE_NEWUSER as u64, "CLONE_NEWUSER"),
];

const MOUNT: &[(u64, &str)] = &[
    (libc::MS_RDONLY, "MS_RDONLY"),
    (libc::MS_NOSUID, "MS_NOSUID"),
    (libc::MS_NODEV, "MS_NODEV"),
    (libc::MS_NOEXEC, "MS_NOEXEC"),
    (libc::MS_REMOUNT, "MS_REMOUNT"),
    (libc::MS_BIND, "MS_BIND"),
    (libc::MS_MOVE, "MS_MOVE"),
    (libc::MS_REC, "MS_REC"),
    (libc::MS_SILENT, "MS_SILENT"),
    (libc::MS_UNBINDABLE, "MS_UNBINDABLE"),
    (libc::MS_PRIVATE, "MS_PRIVATE"),
    (libc::MS_SLAVE, "MS_SLAVE"),
    (libc::MS_SHARED, "MS_SHARED"),
    (libc::MS_RELATIME, "MS_RELATIME"),
];

const UNMOUNT: &[(u64, &str)] = &[
    (libc::MNT_FORCE as u64, "MNT_FORCE"),
    (libc::MNT_DETACH as u64, "MNT_DETACH"),
    (libc::MNT_EXPIRE as u64, "MNT_EXPIRE"),
    (libc::UMOUNT_NOFOLLOW as u64, "UMOUNT_NOFOLLOW"),
];

const TREE: &[(u64, &str)] = &[
    (1, "OPEN_TREE_CLONE"),
    (0x8_0000, "OPEN_TREE_CLOEXEC"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x8000, "AT_RECURSIVE"),
    (0x100, "AT_SYMLINK_NOFOLLOW"),
];

const CONFIG: &[(u64, &str)] = &[
    (0, "FSCONFIG_SET_FLAG"),
    (1, "FSCONFIG_SET_STRING"),
    (2, "FSCONFIG_SET_BINARY"),
    (3, "FSCONFIG_SET_PATH"),
    (4, "FSCONFIG_SET_PATH_EMPTY"),
    (5, "FSCONFIG_SET_FD"),
    (6, "FSCONFIG_CMD_CREATE"),
    (7, "FSCONFIG_CMD_RECONFIGURE"),
];

const PRCTL: &[(u64, &str)] = &[
    (libc::PR_SET_NO_NEW_PRIVS as u64, "PR_SET_NO_NEW_PRIVS"),
    (libc::PR_CAPBSET_DROP as u64, "PR_CAPBSET_DROP"),
    (libc::PR_CAP_AMBIENT as u64, "PR_CAP_AMBIENT"),
    (libc::PR_SET_KEEPCAPS as u64, "PR_SET_KEEPCAPS"),
    (libc::PR_SET_SECUREBITS as u64, "PR_SET_SECUREBITS"),
    (libc::PR_SET_SECCOMP as u64, "PR_SET_SECCOMP"),
    (libc::PR_SET_DUMPABLE as u64, "PR_SET_DUMPABLE"),
    (libc::PR_SET_CHILD_SUBREAPER as u64, "PR_SET_CHILD_SUBREAPER"),
    (libc::PR_SET_PDEATHSIG as u64, "PR_SET_PDEATHSIG"),
];

const SECCOMP: &[(u64, &str)] =
    &[(0, "SECCOMP_SET_MODE_STRICT"), (1, "SECCOMP_SET_MODE_FILTER"), (2, "SECCOMP_GET_ACTION_AVAIL"), (3, "SECCOMP_GET_NOTIF_SIZES")];
