//! Programs: execve(2), which descriptors it keeps, and how our own executable is kept from being overwritten.
//!
//! The first process of a container is a clone of this one, and until its execve(2) `/proc/1/exe` *is* the file that this program was
//! started from. A root process in the container may open it, wait until it is free, and write: that is CVE-2019-5736. So the runtime
//! runs from a [`sealed`] view of the file, an overlay mount without an upper directory that is attached nowhere: nothing that is opened through
//! it can be written, and no mount option can change that.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::error::{Errno, Error, Result};
use super::root::from_rustix;
use super::{mount, xray};

/// execve(2). Returns only to report an error.
///
/// # Errors
/// ENOENT, EACCES, ENOEXEC: the program cannot be run.
pub fn exec(path: &CStr, arguments: &[CString], environment: &[CString]) -> Error {
    let shown = path.to_string_lossy();
    let refused =
        xray::last_call("execve", &shown, format_args!("{shown} {arguments:?}"), || nix::unistd::execve(path, arguments, environment));
    match refused {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// Whether `path` is a regular file that we may execute, by faccessat(2) with the effective ids.
pub fn executable(path: &Path) -> Result<()> {
    xray::call("faccessat", &path.display(), format_args!("{} X_OK", path.display()), || {
        nix::unistd::faccessat(rustix::fs::CWD, path, nix::unistd::AccessFlags::X_OK, nix::fcntl::AtFlags::AT_EACCESS)?;
        let stat = nix::sys::stat::stat(path)?;
        let kind = nix::sys::stat::SFlag::from_bits_truncate(stat.st_mode) & nix::sys::stat::SFlag::S_IFMT;
        if kind == nix::sys::stat::SFlag::S_IFREG { Ok(()) } else { Err(Errno::EACCES) }
    })
}

/// Marks every descriptor from `first` on as close-on-exec (close_range(2)). As the last act before execve(2), so that nothing of ours
/// reaches the program, whoever opened it (CVE-2024-21626).
///
/// # Errors
/// ENOSYS before Linux 5.11.
pub fn close_from(first: u32) -> Result<()> {
    xray::call("close_range", &first, format_args!("{first} max CLOSE_RANGE_CLOEXEC"), || {
        // SAFETY: plain integers; closing happens at execve(2), so no descriptor is pulled away from under its owner.
        Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
    })
}

/// Closes our copy of a descriptor before its owner would: for a child that must not hold its parent's end of a socket pair. It ends by
/// execve(2) or _exit(2), so the owner's own close never comes.
pub fn close(fd: &OwnedFd) {
    // SAFETY: the process is a fresh clone; its copy of the owner never runs its destructor.
    unsafe { libc::close(fd.as_raw_fd()) };
}

/// Whether `number` is an open descriptor of this process.
pub fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD on any number is harmless.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Whether this process already runs from an executable that nobody who opens `/proc/PID/exe` can write: a [`sealed`] view, a [`copied`] file,
/// or in a user namespace any read-only mount. A bottle brings this program in by such a mount, and the kernel locks it against those inside
/// (mount_namespaces(7)). A read-only mount of the machine itself is no seal: its root may make it writable while a container holds the
/// file open.
pub fn runs_sealed() -> bool {
    let Ok(exe) = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { return false };
    let seals = rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SEAL;
    if rustix::fs::fcntl_get_seals(&exe).is_ok_and(|held| held.contains(seals)) {
        return true;
    }
    let read_only = rustix::fs::fstatvfs(&exe).is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    let overlay = || rustix::fs::fstatfs(&exe).is_ok_and(|stat| stat.f_type == OVERLAY);
    read_only && (overlay() || !super::ids::in_first_user_namespace())
}

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAY: i64 = 0x794c_7630;

/// A copy of our executable in memory that nobody can change any more (memfd_create(2), F_ADD_SEALS): where [`sealed`] is impossible. Costs
/// tens of milliseconds, for the whole program is copied.
///
/// # Errors
/// No memory; EACCES where the machine forbids programs in memory (`vm.memfd_noexec`).
pub fn copied() -> Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags};
    let fail = |errno| from_rustix(errno);
    xray::call("memfd_create", &"our executable", format_args!("bottleship MFD_ALLOW_SEALING, copied and sealed"), || {
        let exe = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
        let copy = rustix::fs::memfd_create("bottleship", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(fail)?;
        while rustix::fs::sendfile(&copy, &exe, None, 1 << 30).map_err(fail)? > 0 {}
        rustix::fs::fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).map_err(fail)?;
        Ok(copy)
    })
}

/// Our executable, opened through a read-only overlay of its directory that is attached nowhere. Costs about 0.1 ms; copying the file into
/// a sealed memfd would cost 30.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, EINVAL where overlayfs cannot stack on the executable's file system.
pub fn sealed() -> Result<OwnedFd> {
    let path = std::fs::read_link("/proc/self/exe").map_err(|error| Error::from_io("readlink", "/proc/self/exe", &error))?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new("seal", path.display(), Errno::ENOENT));
    };
    // A path with these letters would be read as several layers.
    let Some(directory) = directory.to_str().filter(|text| !text.contains([':', ',', '\\'])) else {
        return Err(Error::new("seal", path.display(), Errno::EINVAL));
    };
    // Without an upper directory overlayfs wants two lower ones; the second is only there to be counted. It must be none that the first lies in
    // (ELOOP), and newer kernels take no /proc (EINVAL).
    let overlay =
        |second: &&str| mount::detached("overlay", &[("lowerdir", &format!("{directory}:{second}"))], libc::MOUNT_ATTR_NODEV as u32);
    let (first, others) = ("/sys", ["/dev", "/run", "/proc"]);
    let tree = overlay(&first).or_else(|refused| others.iter().find_map(|other| overlay(other).ok()).ok_or(refused))?;
    rustix::fs::openat(&tree, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::new("openat", path.display(), from_rustix(errno)))
}

/// Executes what a descriptor stands for, with the arguments given and our environment (execveat(2) with AT_EMPTY_PATH).
///
/// # Errors
/// Those of execveat(2); it does not return otherwise.
pub fn exec_handle(program: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> Error {
    let refused = xray::last_call("execveat", &"sealed executable", format_args!("fd {} {arguments:?}", program.as_raw_fd()), || {
        nix::unistd::execveat(program, c"", arguments, environment, nix::fcntl::AtFlags::AT_EMPTY_PATH)
    });
    match refused {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// Hides this process from others of the same namespaces (PR_SET_DUMPABLE 0): no ptrace(2), no `/proc/PID/{exe,fd,root}`, until execve(2)
/// (CVE-2016-9962).
///
/// # Errors
/// None in practice.
pub fn hide() -> Result<()> {
    xray::call("prctl", &"PR_SET_DUMPABLE", format_args!("PR_SET_DUMPABLE 0"), || nix::sys::prctl::set_dumpable(false))
}

/// Gives up ever gaining rights by execve(2): set-user-id bits and file capabilities count no more (PR_SET_NO_NEW_PRIVS).
///
/// # Errors
/// None in practice.
pub fn no_new_privileges() -> Result<()> {
    xray::call("prctl", &"PR_SET_NO_NEW_PRIVS", format_args!("PR_SET_NO_NEW_PRIVS 1"), nix::sys::prctl::set_no_new_privs)
}

/// Changes into a directory of ours by its handle.
///
/// # Errors
/// ENOTDIR, EACCES.
pub fn enter_directory(directory: BorrowedFd<'_>, shown: &Path) -> Result<()> {
    xray::call("fchdir", &shown.display(), format_args!("{}", shown.display()), || nix::unistd::fchdir(directory))
}

/// Changes into a directory of ours by its path.
///
/// # Errors
/// Those of chdir(2).
pub fn enter_directory_path(directory: &Path) -> Result<()> {
    xray::call("chdir", &directory.display(), format_args!("{}", directory.display()), || nix::unistd::chdir(directory))
}

/// Changes into the directory behind a handle and makes sure that it can be reached from our root: a directory of the machine, left open
/// by mistake, must not become the working directory of a container (CVE-2024-21626).
///
/// # Errors
/// ENOTDIR, EACCES; ENOENT when the directory lies outside the root.
pub fn change_directory(directory: BorrowedFd<'_>, shown: &Path) -> Result<()> {
    xray::call("fchdir", &shown.display(), format_args!("{}", shown.display()), || {
        nix::unistd::fchdir(directory)?;
        let now = nix::unistd::getcwd()?;
        if now.is_absolute() { Ok(()) } else { Err(Errno::ENOENT) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_executed_says_why() {
        assert_eq!(executable(Path::new("/etc/passwd")).unwrap_err().errno, Errno::EACCES);
        assert_eq!(executable(Path::new("/usr")).unwrap_err().errno, Errno::EACCES);
        assert_eq!(executable(Path::new("/nowhere")).unwrap_err().errno, Errno::ENOENT);
        executable(Path::new("/bin/sh")).unwrap();
    }
}
