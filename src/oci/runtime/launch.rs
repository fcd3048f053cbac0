//! The last steps: session, hooks, working directory, the program itself, the wait for `start`, execve(2).

use std::ffi::CString;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::hooks;
use super::messages::{self, ToParent};
use super::steps::Init;
use super::store::State;
use crate::kernel::error::Errno;
use crate::kernel::root::Root;
use crate::kernel::{process, program, socket};

/// Where programs are looked for when the environment says nothing.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Leaves the caller's session, so that its terminal's Ctrl-C is not ours.
pub fn session(init: &mut Init<'_>) -> Result<()> {
    // With a terminal of its own, `console` begins the session.
    if init.start.terminal { Ok(()) } else { Ok(process::begin_session()?) }
}

/// Runs the hooks before the root is swapped: those outside by the parent, then `createContainer` here, where the machine's files can
/// still be seen.
pub fn create_hooks(init: &mut Init<'_>) -> Result<()> {
    let hooks = &init.plan.spec.hooks;
    if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
        messages::tell(init.parent, &ToParent::Hooks, None)?;
        messages::wait_for_go(init.parent)?;
    }
    hooks::run_all("createContainer", &hooks.create_container, &state_inside(init, "creating"))
}

/// The state for hooks that run here: runtime.md wants the pid as the container sees it, and only we know that.
fn state_inside(init: &Init<'_>, status: &str) -> String {
    let inside = |state: &State| State { pid: std::process::id() as i32, ..state.clone() }.document(status).to_string();
    init.start.state.as_ref().map_or_else(String::new, inside)
}

/// Runs `startContainer` in the container.
pub fn start_hooks(init: &mut Init<'_>) -> Result<()> {
    if init.start.seccomp_is_watched() {
        return Ok(());
    }
    let environment = init.credentials.environment.iter().map(|entry| entry.to_string_lossy().into_owned());
    let environment: Vec<String> = environment.collect();
    hooks::run_with("startContainer", &init.plan.spec.hooks.start_container, &state_inside(init, "created"), &environment)
}

/// Goes to the working directory as the user who will work there. The path is resolved without magic links, and the result must lie below
/// the root (CVE-2024-21626).
pub fn working_directory(init: &mut Init<'_>) -> Result<()> {
    let cwd = &init.credentials.cwd;
    let entered = Root::open(Path::new("/"))
        .and_then(|root| root.handle(cwd))
        .and_then(|directory| program::change_directory(directory.as_fd(), cwd));
    entered.map_err(|error| {
        let magic = error.errno == Errno::ELOOP;
        let error = Error::from(error);
        if magic { error.hint("a working directory must not lead through /proc's links") } else { error }
    })
}

/// Looks for the program in the container as the user, before `start`: a mistyped name should not wait.
pub fn find(init: &mut Init<'_>) -> Result<()> {
    let name = init.credentials.program.as_str();
    let found = if name.contains('/') {
        program::executable(Path::new(name)).map(|()| PathBuf::from(name)).map_err(|error| refused(name, error.errno))?
    } else {
        search(name, init.credentials.path.as_deref().unwrap_or(DEFAULT_PATH))?
    };
    init.program = Some(CString::new(found.into_os_string().into_encoded_bytes()).map_err(|_| Error::new("the program's path has a NUL"))?);
    init.home = home(init);
    Ok(())
}

fn search(name: &str, path: &str) -> Result<PathBuf> {
    let mut forbidden = false;
    // An empty entry of PATH is the working directory, a surprise that execvp(3) keeps and we do not.
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        let candidate = Path::new(folder).join(name);
        match program::executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.errno == Errno::EACCES => forbidden = true,
            Err(_) => {}
        }
    }
    let error =
        Error::new(format!("exec: \"{name}\": executable file not found in $PATH")).hint(format!("PATH in the container is `{path}`"));
    Err(if forbidden { refused(name, Errno::EACCES) } else { error })
}

/// The wording is the field's: Docker and containerd read "no such file or directory" and "permission denied" in it.
fn refused(name: &str, errno: Errno) -> Error {
    let reason = match errno {
        Errno::ENOENT => "no such file or directory",
        Errno::EACCES => "permission denied",
        other => other.desc(),
    };
    Error::new(format!("exec: \"{name}\": {reason}"))
}

/// `HOME` from the container's `/etc/passwd`, when the environment has none.
fn home(init: &Init<'_>) -> Option<CString> {
    if init.credentials.knows_home {
        return None;
    }
    let root = Root::open(Path::new("/")).ok()?;
    let passwd = String::from_utf8_lossy(&root.read(Path::new("/etc/passwd")).unwrap_or_default()).into_owned();
    let uid = init.credentials.uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()));
    let home = line.and_then(|line| line.split(':').nth(5)).filter(|home| home.starts_with('/')).unwrap_or("/");
    CString::new(format!("HOME={home}")).ok()
}

/// Tells the parent that all is ready, and waits until `start` connects.
pub fn wait_for_start(init: &mut Init<'_>) -> Result<()> {
    if init.start.seccomp_is_watched() { Ok(()) } else { wait(init) }
}

/// The same behind a filter that an agent watches: the agent gets the filter's descriptor at `create`, as the specification says.
pub fn wait_for_start_filtered(init: &mut Init<'_>) -> Result<()> {
    if init.start.seccomp_is_watched() { wait(init) } else { Ok(()) }
}

fn wait(init: &mut Init<'_>) -> Result<()> {
    let Some(listener) = &init.start.start_socket else { return Ok(()) };
    messages::tell(init.parent, &ToParent::Ready, None)?;
    init.starter = Some(socket::accept(listener.as_fd()).during(|| "wait for `start`")?);
    Ok(())
}

/// Lets the program have the descriptors that it was promised, and no other.
pub fn descriptors(init: &mut Init<'_>) -> Result<()> {
    Ok(program::close_from(3 + init.start.preserve)?)
}

/// Becomes the program. The socket to whoever waits closes by itself, which says that it worked.
pub fn exec(init: &mut Init<'_>) -> Result<()> {
    process::restore_signals()?;
    let path = init.program.clone().unwrap_or_default();
    let home = init.home.take();
    let error = match home {
        None => program::exec(&path, &init.credentials.arguments, &init.credentials.environment),
        Some(home) => {
            let mut environment = init.credentials.environment.clone();
            environment.push(home);
            program::exec(&path, &init.credentials.arguments, &environment)
        }
    };
    let missing_interpreter = error.errno == Errno::ENOENT;
    let refused = refused(&path.to_string_lossy(), error.errno);
    Err(if missing_interpreter {
        refused.hint("the file is there, so its interpreter or loader is missing: see its first line, or `ldd` it outside")
    } else {
        refused
    })
}
