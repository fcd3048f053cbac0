//! exec: a further process in a container.

use std::path::Path;
use std::process::ExitCode;

use super::arguments::Flag;
use super::{Context, foreground, lifecycle, terminal};
use crate::kernel::process;
use crate::oci::runtime::{self, Entry, Error, ExecRequest, Joined, Result, spec};

/// runc's flags.
pub const FLAGS: &[Flag] = &[
    Flag::value("console-socket", None, "PATH", "a unix socket that gets the terminal's master"),
    Flag::value("cwd", None, "DIR", "working directory"),
    Flag::value("env", Some('e'), "KEY=VALUE", "set a variable; may be repeated"),
    Flag::switch("tty", Some('t'), "give it a terminal"),
    Flag::value("user", Some('u'), "UID[:GID]", "who it runs as"),
    Flag::value("additional-gids", Some('g'), "GID", "a supplementary group; may be repeated"),
    Flag::value("process", Some('p'), "FILE", "a process.json instead of a command"),
    Flag::switch("detach", Some('d'), "do not wait"),
    Flag::value("pid-file", None, "FILE", "write its number there"),
    Flag::value("process-label", None, "LABEL", "refused: SELinux labels are not supported"),
    Flag::value("apparmor", None, "PROFILE", "refused: AppArmor profiles are not supported"),
    Flag::switch("no-new-privs", None, "give up gaining rights by execve"),
    Flag::value("cap", Some('c'), "CAPABILITY", "add a capability; may be repeated"),
    Flag::value("preserve-fds", None, "N", "pass N more descriptors, from 3 on"),
    Flag::value("cgroup", None, "PATH", "a cgroup below the container's"),
    Flag::switch("ignore-paused", None, "also in a paused container: waits until it is resumed"),
    Flag::switch("help", Some('h'), "show this help"),
];

/// `exec`.
pub fn run(context: &Context) -> Result<ExitCode> {
    let given = &context.arguments;
    if context.served.is_some() {
        return super::shim::exec(context);
    }
    let detach = given.has("detach");
    if !detach {
        process::block_signals()?;
    }
    let joined = begin(context)?;
    if let Some(mask) = joined.affinity {
        // The field's tests look for this line.
        eprintln!("initial CPU affinity: {mask:#x}");
    }
    context.xray.flush();
    let mut console = joined.console;
    if let Some(master) = &console
        && (detach || given.value("console-socket").is_some())
    {
        terminal::send(context, master)?;
        console = None;
    }
    if detach {
        return Ok(ExitCode::SUCCESS);
    }
    let exit = foreground::wait(&joined.process, console)?;
    context.xray.exit(&format!("container/{}", lifecycle::id(context)?), exit.shell_code());
    Ok(ExitCode::from(exit.shell_code() as u8))
}

/// Begins the process that the flags describe. Others may pause or kill the container while it runs.
///
/// # Errors
/// The container does not run; the program cannot be run in it.
pub fn begin(context: &Context) -> Result<Joined> {
    let given = &context.arguments;
    for refused in ["process-label", "apparmor"] {
        if given.value(refused).is_some_and(|value| !value.is_empty()) {
            return Err(Error::new(format!("--{refused} is not supported by this runtime")));
        }
    }
    let entry = context.store.open(&lifecycle::id(context)?)?;
    let request = ExecRequest {
        process: process_of(context, &entry)?,
        ignore_paused: given.has("ignore-paused"),
        pid_file: given.value("pid-file").map(Path::new),
        preserve: lifecycle::preserve(context, 0)?,
        sub_cgroup: given.value("cgroup"),
    };
    let known = context.served.as_ref().and_then(|served| served.known());
    runtime::exec(entry, &lifecycle::id(context)?, &request, known)
}

/// The process that the flags describe.
fn process_of(context: &Context, entry: &Entry) -> Result<spec::Process> {
    let given = &context.arguments;
    let parsed = |text: &[u8], file: &str| spec::parse_process(text).map_err(|error| spec::Error { file: file.into(), ..error });
    let ordered = context.served.as_ref().and_then(|served| served.order.process.as_deref());
    let mut process = match (ordered, given.value("process")) {
        (Some(text), _) => parsed(text.as_bytes(), "process.json")?,
        (None, Some(file)) => parsed(&crate::kernel::fs::read_bytes(Path::new(file))?, file)?,
        (None, None) => {
            let command = &given.operands()[1..];
            if command.is_empty() {
                return Err(Error::new("exec needs a command, or --process FILE"));
            }
            runtime::like(entry.config()?.process.as_ref(), command)
        }
    };
    if given.has("tty") {
        process.terminal = true;
    }
    if let Some(cwd) = given.value("cwd") {
        if !cwd.starts_with('/') {
            return Err(Error::new(format!("--cwd `{cwd}` is not an absolute path")));
        }
        cwd.clone_into(&mut process.cwd);
    }
    if let Some(user) = given.value("user") {
        let (uid, gid) = runtime::parse_user(user)?;
        process.user.uid = uid;
        process.user.gid = gid.unwrap_or(process.user.gid);
    }
    for group in given.values("additional-gids") {
        let (group, _) = runtime::parse_user(&group)?;
        process.user.additional_gids.push(group);
    }
    process.env.extend(given.values("env"));
    process.no_new_privileges |= given.has("no-new-privs");
    runtime::add_capabilities(&mut process, &given.values("cap"))?;
    Ok(process)
}
