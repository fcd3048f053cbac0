//! What a kernel call means, as data: a sentence, the manual page, the lesson that teaches it, and what its refusals mean.
//!
//! `:zoom` and `:why` print from this table; the wrappers in `kernel` hold no prose. A call that is not here is shown without a sentence.

use nix::errno::Errno;

/// What one system call does for a container.
#[derive(Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The system call, as in a journal event of kind `xray`.
    pub call: &'static str,
    /// What it does, for someone who meets it the first time. Fits one line of 80 columns with its indentation.
    pub sentence: &'static str,
    /// The manual page, `mount(2)`.
    pub page: &'static str,
    /// The lesson that teaches it, by id; empty where none does.
    pub lesson: &'static str,
}

/// What the kernel means when it refuses `call` with `errno`.
struct Refusal {
    call: &'static str,
    errno: Errno,
    hint: &'static str,
}

/// The explanation of `call`.
pub fn call(call: &str) -> Option<&'static Explanation> {
    CALLS.iter().find(|known| known.call == call)
}

/// What to make of `call` having failed with `errno`.
pub fn refused(call: &str, errno: Errno) -> Option<&'static str> {
    REFUSALS.iter().find(|known| (known.call == call || known.call.is_empty()) && known.errno == errno).map(|known| known.hint)
}

const fn entry(call: &'static str, page: &'static str, lesson: &'static str, sentence: &'static str) -> Explanation {
    Explanation { call, sentence, page, lesson }
}

/// Every call that the X-ray shows, in the order in which a container start meets them.
pub const CALLS: &[Explanation] = &[
    entry("clone3", "clone(2)", "by-hand/namespaces", "starts a process, in new namespaces where the flags ask for them"),
    entry("clone", "clone(2)", "by-hand/namespaces", "starts a process, in new namespaces where the flags ask for them"),
    entry("unshare", "unshare(2)", "by-hand/namespaces", "leaves a namespace for a new one of its own"),
    entry("setns", "setns(2)", "by-hand/sharing", "joins the namespace that the descriptor stands for"),
    entry("execve", "execve(2)", "", "replaces the process by a program"),
    entry("execveat", "execveat(2)", "", "replaces the process by the program behind a descriptor"),
    entry("mount", "mount(2)", "by-hand/mounts", "puts a file system, or part of one, at a folder"),
    entry("umount2", "umount(2)", "by-hand/mounts", "takes a mount away"),
    entry("open_tree", "open_tree(2)", "by-hand/mounts", "takes hold of a mount, or of a copy of it, by descriptor"),
    entry("move_mount", "move_mount(2)", "by-hand/mounts", "attaches a mount that is held by descriptor"),
    entry("mount_setattr", "mount_setattr(2)", "by-hand/mounts", "changes a mount: read-only, its id map, how it propagates"),
    entry("fsopen", "fsopen(2)", "by-hand/mounts", "begins a new instance of a file system"),
    entry("fsconfig", "fsconfig(2)", "by-hand/mounts", "sets an option of the new file system, or creates it"),
    entry("fsmount", "fsmount(2)", "by-hand/mounts", "turns the new file system into a mount, not yet attached"),
    entry("pivot_root", "pivot_root(2)", "by-hand/pivot-root", "makes another mount the root; the old root can then go away"),
    entry("chroot", "chroot(2)", "by-hand/chroot", "changes what this process calls `/`, and nothing else"),
    entry("openat2", "openat2(2)", "", "opens a path that may not leave the root it is looked up in"),
    entry("open", "open(2)", "", "opens a file or folder"),
    entry("mkdirat", "mkdir(2)", "", "makes a folder"),
    entry("mkdir", "mkdir(2)", "by-hand/cgroups", "makes a folder; in a cgroup file system, a cgroup"),
    entry("rmdir", "rmdir(2)", "by-hand/cgroups", "removes a folder; in a cgroup file system, an empty cgroup"),
    entry("mknod", "mknod(2)", "by-hand/capabilities", "makes a device file"),
    entry("mknodat", "mknod(2)", "by-hand/capabilities", "makes a device file"),
    entry("unlinkat", "unlink(2)", "", "removes a file, or an empty folder"),
    entry("symlinkat", "symlink(2)", "", "makes a symbolic link"),
    entry("write", "write(2)", "by-hand/cgroups", "writes to a kernel file: a limit, an id map, a member of a cgroup"),
    entry("sethostname", "sethostname(2)", "by-hand/uts-ipc", "sets the host name of this UTS namespace"),
    entry("setdomainname", "setdomainname(2)", "by-hand/uts-ipc", "sets the NIS domain name of this UTS namespace"),
    entry("setrlimit", "setrlimit(2)", "", "sets a resource limit of this process and its children"),
    entry("prlimit", "prlimit(2)", "", "sets a resource limit of a process"),
    entry("setuid", "setuid(2)", "by-hand/not-root", "becomes another user"),
    entry("setgid", "setgid(2)", "by-hand/not-root", "becomes another group"),
    entry("setresuid", "setresuid(2)", "by-hand/not-root", "becomes another user, for good"),
    entry("setresgid", "setresgid(2)", "by-hand/not-root", "becomes another group, for good"),
    entry("setgroups", "setgroups(2)", "by-hand/not-root", "sets the supplementary groups"),
    entry("capset", "capset(2)", "by-hand/capabilities", "keeps some capabilities and gives up the rest"),
    entry("prctl", "prctl(2)", "by-hand/capabilities", "changes an attribute of the process: bounding set, no_new_privs"),
    entry("seccomp", "seccomp(2)", "by-hand/seccomp", "loads a filter that decides about every later system call"),
    entry("pidfd_send_signal", "pidfd_send_signal(2)", "by-hand/pid", "sends a signal to the process behind a descriptor"),
    entry("kill", "kill(2)", "by-hand/pid", "sends a signal to a process by its number"),
    entry("close_range", "close_range(2)", "", "closes, or marks for closing, all descriptors of a range"),
    entry("bpf", "bpf(2)", "by-hand/cgroups", "loads a program into the kernel: the device rules of cgroup v2"),
    entry("personality", "personality(2)", "", "sets how the kernel presents itself to this process"),
    entry("setsid", "setsid(2)", "", "begins a new session, without a terminal"),
    entry("ioctl", "ioctl(2)", "", "asks a device for something special: makes a terminal the controlling one"),
    entry("sendmsg", "sendmsg(2)", "", "sends a message; over netlink, an order to the network stack"),
];

const fn refusal(call: &'static str, errno: Errno, hint: &'static str) -> Refusal {
    Refusal { call, errno, hint }
}

/// Refusals that learners meet. A row without a call fits every call, so such rows come last.
const REFUSALS: &[Refusal] = &[
    refusal("write", Errno::EBUSY, "this cgroup, or its parent, holds processes: on v2 only leaves may hold them"),
    refusal("write", Errno::ENOENT, "no such controller here: look at cgroup.controllers of the parent"),
    refusal("write", Errno::ESRCH, "there is no process of that number in this pid namespace"),
    refusal("write", Errno::EINVAL, "the kernel does not take this value: see the page for the file's format"),
    refusal("write", Errno::EPERM, "this file may be written once, or only from outside the namespace"),
    refusal("write", Errno::EACCES, "the file belongs to somebody outside the namespace"),
    refusal("write", Errno::EROFS, "the file is on a read-only mount, as /proc/sys is in most containers"),
    refusal("rmdir", Errno::EBUSY, "the cgroup still has processes or child groups"),
    refusal("mount", Errno::EPERM, "mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
    refusal("mount", Errno::EINVAL, "wrong options, or a mount that is locked together with those below it"),
    refusal("mount", Errno::ENODEV, "this kernel does not know the file system type"),
    refusal("mount", Errno::EBUSY, "it is mounted there already, or in use"),
    refusal("umount2", Errno::EINVAL, "nothing is mounted there, or it came locked from another namespace"),
    refusal("umount2", Errno::EBUSY, "a process still uses it: a shell stands in it, a file is open"),
    refusal("pivot_root", Errno::EINVAL, "the new root must be a mount point, and mounts must not be shared"),
    refusal("pivot_root", Errno::EBUSY, "the new root or the place for the old one is on the current root"),
    refusal("chroot", Errno::EPERM, "chroot needs CAP_SYS_CHROOT"),
    refusal("setns", Errno::EPERM, "joining needs CAP_SYS_ADMIN over the namespace that is joined"),
    refusal("setns", Errno::EINVAL, "one may not join the user namespace one is in, nor with other threads"),
    refusal("unshare", Errno::EPERM, "new namespaces need CAP_SYS_ADMIN; a new user namespace gives it"),
    refusal("unshare", Errno::ENOSPC, "a limit of namespaces is reached: see /proc/sys/user"),
    refusal("clone3", Errno::EAGAIN, "no room for another process: pids.max or `ulimit -u`"),
    refusal("clone", Errno::EAGAIN, "no room for another process: pids.max or `ulimit -u`"),
    refusal("mknod", Errno::EPERM, "device files cannot be made in a user namespace: bind one in instead"),
    refusal("mknodat", Errno::EPERM, "device files cannot be made in a user namespace: bind one in instead"),
    refusal("execve", Errno::ENOENT, "the program, its interpreter, or the loader that it names is missing"),
    refusal("execve", Errno::ENOEXEC, "not a program for this kernel and processor"),
    refusal("execve", Errno::EACCES, "not executable, or on a mount with noexec"),
    refusal("sethostname", Errno::EPERM, "the UTS namespace belongs to another user namespace"),
    refusal("kill", Errno::ESRCH, "no such process in this pid namespace"),
    refusal("kill", Errno::EPERM, "the process belongs to another user"),
    refusal("seccomp", Errno::EACCES, "a filter needs no_new_privs first, or CAP_SYS_ADMIN"),
    refusal("", Errno::EPERM, "a capability is missing, or a seccomp filter said no"),
    refusal("", Errno::ENOSYS, "this kernel has no such call, or a seccomp filter hides it"),
    refusal("", Errno::EROFS, "the file system is mounted read-only"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_explained_once_and_in_one_line() {
        for (index, entry) in CALLS.iter().enumerate() {
            assert!(CALLS[..index].iter().all(|earlier| earlier.call != entry.call), "{} stands twice", entry.call);
            assert!(entry.sentence.len() <= 74, "{}: {} columns", entry.call, entry.sentence.len());
            assert!(entry.page.ends_with(')'), "{}: {}", entry.call, entry.page);
        }
    }

    #[test]
    fn a_refusal_of_its_own_comes_before_the_general_one() {
        assert_eq!(
            refused("mount", Errno::EPERM),
            Some("mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace")
        );
        assert_eq!(refused("bpf", Errno::EPERM), Some("a capability is missing, or a seccomp filter said no"));
        assert_eq!(refused("mount", Errno::EXDEV), None);
    }
}
