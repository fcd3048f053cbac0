//! Becoming another program: execve(2) with exactly the descriptors that it is to have.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

use super::error::{Errno, Error, Result};
use super::xray;

/// Replaces the program of this process. Every descriptor from 3 on is closed by the kernel on success, except those placed by [`place`].
/// Returns only the reason why it did not work.
pub fn exec(path: &str, argv: &[String], env: &[(String, String)]) -> Error {
    let strings = |texts: &mut dyn Iterator<Item = String>| texts.map(CString::new).collect::<std::result::Result<Vec<_>, _>>();
    let program = CString::new(path);
    let arguments = strings(&mut argv.iter().cloned());
    let environment = strings(&mut env.iter().map(|(key, value)| format!("{key}={value}")));
    let (Ok(program), Ok(arguments), Ok(environment)) = (program, arguments, environment) else {
        return Error::new("execve", path.escape_debug(), Errno::EINVAL);
    };
    let done = xray::call("execve", &path, format_args!("{path}"), || nix::unistd::execve(&program, &arguments, &environment).map(|_| ()));
    done.err().unwrap_or_else(|| Error::new("execve", path, Errno::EIO))
}

/// Puts each descriptor at the number of its position from 0 on, to be kept over [`exec`]; everything else is marked to be closed.
///
/// # Errors
/// EMFILE when no numbers are free.
pub fn place(descriptors: Vec<OwnedFd>) -> Result<()> {
    let count = descriptors.len() as i32;
    // First out of the way of the targets, so that no dup2 closes one that is still needed.
    let mut high = Vec::new();
    for descriptor in descriptors {
        let number = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(count.max(3))).map_err(|errno| Error::new("fcntl", "F_DUPFD", errno))?;
        high.push(number);
    }
    mark_rest(count)?;
    for (target, source) in high.iter().enumerate() {
        // SAFETY: dup2 on plain numbers; what was at the target is given up on purpose, right before an exec.
        Errno::result(unsafe { libc::dup2(*source, target as i32) }).map_err(|errno| Error::new("dup2", target, errno))?;
    }
    Ok(())
}

/// Makes these three the standard descriptors of this process, kept over [`exec`]. They must not be 0, 1 or 2 themselves.
///
/// # Errors
/// dup2(2) refused.
pub fn place_standard(descriptors: Vec<BorrowedFd<'_>>) -> Result<()> {
    for (target, source) in descriptors.iter().enumerate() {
        // SAFETY: dup2 on open descriptors; what was at 0, 1 and 2 is given up on purpose.
        Errno::result(unsafe { libc::dup2(source.as_raw_fd(), target as i32) }).map_err(|errno| Error::new("dup2", target, errno))?;
    }
    Ok(())
}

/// Marks every descriptor from `first` on to be closed at the next execve(2).
///
/// # Errors
/// close_range(2) refused.
pub fn mark_rest(first: i32) -> Result<()> {
    // SAFETY: plain integers; CLOSE_RANGE_CLOEXEC closes nothing now.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first as u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(answer).map(drop).map_err(|errno| Error::new("close_range", first, errno))
}

/// Closes every descriptor of this process except `keep`: for a clone of ours that does not execute anything.
///
/// # Errors
/// close_range(2) refused.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut numbers: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    numbers.sort_unstable();
    let mut first = 0;
    for number in numbers.into_iter().chain([u32::MAX]) {
        if number > first {
            // SAFETY: the owners of these descriptors are values of the parent that this clone never touches or drops.
            let answer = unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) };
            Errno::result(answer).map_err(|errno| Error::new("close_range", first, errno))?;
        }
        first = number.saturating_add(1);
    }
    Ok(())
}

/// Two ends of a pipe, read and write, close-on-exec.
///
/// # Errors
/// EMFILE.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::new("pipe2", "", errno))
}

/// A second descriptor of the same open file, close-on-exec.
///
/// # Errors
/// EMFILE.
pub fn duplicate(descriptor: BorrowedFd<'_>) -> Result<OwnedFd> {
    descriptor.try_clone_to_owned().map_err(|error| Error::from_io("dup", descriptor.as_raw_fd(), &error))
}

/// Gives up an owned descriptor without closing it, for a program that finds it by its number.
///
/// # Errors
/// None that occurs: the descriptor is open.
pub fn leave_open(descriptor: OwnedFd) -> Result<i32> {
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| Error::new("fcntl", "F_SETFD", errno))?;
    Ok(descriptor.into_raw_fd())
}

/// A nameless file in memory with this content, read from its beginning (memfd_create(2)).
///
/// # Errors
/// No memory.
pub fn memory_file(content: &[u8]) -> Result<OwnedFd> {
    use std::io::{Seek as _, Write as _};
    let fd = nix::sys::memfd::memfd_create(c"bottleship", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .map_err(|errno| Error::new("memfd_create", "", errno))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(content).and_then(|()| file.rewind()).map_err(|error| Error::from_io("write", "memfd", &error))?;
    Ok(file.into())
}

/// Takes over the descriptor that a parent placed at `number`. Only at the start of a program, before anything else is opened.
///
/// # Errors
/// EBADF when there is none.
pub fn inherited(number: i32) -> Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: F_GETFD only looks.
    Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) }).map_err(|errno| Error::new("fcntl", number, errno))?;
    // SAFETY: it is open, was placed there for us by our parent, and nothing in this program has taken it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|errno| Error::new("fcntl", "F_SETFD", errno))?;
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::process;
    use nix::sched::CloneFlags;
    use std::os::fd::AsFd as _;

    #[test]
    fn only_placed_descriptors_survive() {
        let (read, write) = pipe().unwrap();
        let leak = std::fs::File::open("/").unwrap();
        let _leaked = leave_open(leak.into()).unwrap();
        let child = process::clone3(CloneFlags::empty(), None, || {
            let Ok(null) = std::fs::File::open("/dev/null") else { return 1 };
            let Ok(errors) = null.try_clone() else { return 1 };
            if place(vec![null.into(), write, errors.into()]).is_err() {
                return 2;
            }
            exec("/bin/ls", &["ls".to_owned(), "/proc/self/fd".to_owned()], &[]);
            3
        })
        .unwrap();
        assert_eq!(process::wait(child.fd.as_fd()).unwrap(), process::Exit::Code(0));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(read), &mut text).unwrap_or(0);
        // 3 is the directory that ls itself has open.
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    }
}
