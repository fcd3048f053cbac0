//! The seccomp profile that the field gives to every container: an allow list of about 350 system calls (Docker's default, whose meaning
//! this follows; containerd and Podman use nearly the same one).
//!
//! Three ideas are in it. What an ordinary program needs is allowed by name. What reaches beyond the container (mounting, modules, the clock, tracing
//! others) is allowed only with the capability that the call would need anyway, so that a container that was given the capability
//! can use it. And a few calls are decided by an argument: `clone` without new namespaces, `personality` without the odd ones, `socket` of any family but that
//! which talks to the hypervisor. Everything else fails with EPERM, and `clone3`, whose flags are in memory where a filter cannot see
//! them, with ENOSYS, so that the C library goes back to `clone`.

use crate::kernel::seccomp::{Action, Arch, Compare, Condition, Profile, Rule};

/// Allowed to everybody: files, memory, signals, time, processes, sockets, polling, identity, the old System V calls.
const ALLOWED: &str = "
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64
    fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs
    fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32 link linkat _llseek lseek lstat
    lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64
    statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat
    utimensat_time64 utimes vmsplice write writev listmount statmount cachestat

    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr lremovexattr lsetxattr
    removexattr removexattrat setxattr setxattrat

    brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages

    execve execveat exit exit_group fork vfork wait4 waitid waitpid getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid
    gettid kill pidfd_open pidfd_send_signal prctl prlimit64 rseq set_robust_list get_robust_list set_tid_address setpgid setpriority
    setrlimit setsid tgkill tkill ugetrlimit restart_syscall set_thread_area get_thread_area uretprobe
    ptrace process_vm_readv process_vm_writev seccomp landlock_add_rule landlock_create_ruleset landlock_restrict_self

    ioprio_get ioprio_set sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield getcpu

    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake

    alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn

    adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
    times

    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select

    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg send sendmmsg
    sendmsg sendto setsockopt shutdown socketcall socketpair

    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid getresuid32
    getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid
    setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32

    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget
    msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget

    getrandom sysinfo uname
";

/// Allowed on one architecture.
const BY_ARCH: &[(Arch, &str)] = &[
    (Arch::X86_64, "arch_prctl modify_ldt"),
    (Arch::Aarch64, "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
];

/// Allowed with a capability.
const BY_CAPABILITY: &[(&str, &str)] = &[
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree
         perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// `CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET`.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// `AF_VSOCK`: sockets to the hypervisor, which no namespace separates.
const AF_VSOCK: u64 = 40;

/// The personalities that ordinary programs ask for: Linux, 32-bit addresses (0x20000 is UNAME26), both, and "which is it?".
const PERSONALITIES: &[u64] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The capabilities that Docker gives to a container when nobody says anything.
pub const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The default profile for a container whose bounding set is `capabilities` (`CAP_SYS_ADMIN`, ...).
pub fn default_profile(capabilities: &[&str]) -> Profile {
    let mut syscalls = vec![allow(ALLOWED)];
    syscalls.extend(PERSONALITIES.iter().map(|value| allow_if("personality", Compare::Eq, *value)));
    syscalls.push(allow_if("socket", Compare::Ne, AF_VSOCK));
    syscalls.extend(BY_ARCH.iter().filter(|(arch, _)| *arch == Arch::NATIVE).map(|(_, names)| allow(names)));
    syscalls.extend(BY_CAPABILITY.iter().filter(|(name, _)| capabilities.contains(name)).map(|(_, names)| allow(names)));
    if !capabilities.contains(&"CAP_SYS_ADMIN") {
        // The mask is in `value`, what must be left of it (nothing) in `value_two`.
        syscalls.push(allow_if("clone", Compare::MaskedEq, NEW_NAMESPACES));
        syscalls.push(Rule { action: Action::Errno, errno_ret: Some(38), ..allow("clone3") });
    }
    Profile { default_action: Action::Errno, default_errno_ret: Some(1), architectures: architectures(), syscalls, ..Profile::default() }
}

/// The machine's own convention and those of older programs that it runs.
fn architectures() -> Vec<String> {
    let names: &[&str] = match Arch::NATIVE {
        Arch::Aarch64 => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn allow(names: &str) -> Rule {
    Rule { names: names.split_whitespace().map(str::to_owned).collect(), action: Action::Allow, ..Rule::default() }
}

fn allow_if(name: &str, op: Compare, value: u64) -> Rule {
    Rule { args: vec![Condition { index: 0, value, value_two: 0, op }], ..allow(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seccomp::{Program, answer};

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    fn ask(capabilities: &[&str], call: &str, argument: u64) -> u32 {
        let program = Program::compile(&default_profile(capabilities)).unwrap();
        answer(&program, call, &[argument, 0, 0, 0, 0, 0]).expect("a call of this machine")
    }

    #[test]
    fn what_programs_need_is_allowed_and_what_reaches_out_is_not() {
        for call in ["read", "execve", "openat2", "futex", "seccomp", "statx", "ptrace"] {
            assert_eq!(ask(&[], call, 0), ALLOW, "{call}");
        }
        let outside = [
            "mount",
            "umount2",
            "unshare",
            "setns",
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "kexec_load",
            "init_module",
            "reboot",
            "swapon",
            "open_by_handle_at",
            "settimeofday",
            "userfaultfd",
            "io_uring_setup",
            "pivot_root",
            "fsopen",
            "fsconfig",
            "fsmount",
            "open_tree",
            "move_mount",
            "mount_setattr",
            "perf_event_open",
            "acct",
            "nfsservctl",
            "vhangup",
            "chroot",
            "mbind",
        ];
        for call in outside {
            assert_eq!(ask(&[], call, 0), EPERM, "{call}");
        }
    }

    #[test]
    fn a_capability_brings_its_calls() {
        assert_eq!(ask(&["CAP_SYS_ADMIN"], "mount", 0), ALLOW);
        assert_eq!(ask(&["CAP_SYS_ADMIN"], "clone3", 0), ALLOW);
        assert_eq!(ask(&["CAP_SYS_ADMIN"], "clone", NEW_NAMESPACES), ALLOW);
        assert_eq!(ask(&["CAP_SYS_CHROOT"], "chroot", 0), ALLOW);
        assert_eq!(ask(&["CAP_SYS_CHROOT"], "mount", 0), EPERM);
    }

    #[test]
    fn the_usual_capabilities_bring_chroot_and_nothing_of_the_machine() {
        assert_eq!(ask(&DEFAULT_CAPABILITIES, "chroot", 0), ALLOW);
        assert_eq!(ask(&DEFAULT_CAPABILITIES, "mount", 0), EPERM);
        assert_eq!(ask(&DEFAULT_CAPABILITIES, "clone3", 0), ENOSYS);
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(ask(&[], "clone3", 0), ENOSYS);
        assert_eq!(ask(&[], "clone", 17), ALLOW);
        for flag in [0x2_0000, 0x1000_0000, 0x4000_0000] {
            assert_eq!(ask(&[], "clone", 17 | flag), EPERM, "{flag:#x}");
        }
        assert_eq!((ask(&[], "socket", 2), ask(&[], "socket", AF_VSOCK)), (ALLOW, EPERM));
        assert_eq!((ask(&[], "personality", 0), ask(&[], "personality", 0x40_0000)), (ALLOW, EPERM));
    }

    #[test]
    fn every_name_is_one() {
        let known = |name: &&str| crate::kernel::seccomp::is_known(name);
        // Calls of 32-bit ARM and others, which no machine of ours has.
        let foreign = ["recv", "send"];
        let all = [ALLOWED].into_iter().chain(BY_CAPABILITY.iter().map(|(_, names)| *names)).flat_map(str::split_whitespace);
        let unknown: Vec<&str> = all.filter(|name| !known(name) && !foreign.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
