//! `docker exec`: a further process in a container, held by a shim of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::attach::Connection;
use super::start::not_started;
use super::state::Status;
use super::{Container, names, spec};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::keys::Keys;
use crate::engine::program::Ordered;
use crate::kernel::fs;
use crate::kernel::root::Root;
use crate::oci::runtime::hold::{Frame, Hold, Wants};
use crate::oci::{accounts, bundle};

/// How long the end of an exec is remembered, as in dockerd.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// How long a size waits for the program that it is for, as in dockerd.
const BEGIN: Duration = Duration::from_secs(10);

/// What is asked for: `POST /containers/ID/exec`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Wish {
    pub user: String,
    pub privileged: bool,
    pub tty: bool,
    pub console_size: Option<[u16; 2]>,
    pub attach_stdin: bool,
    pub attach_stderr: bool,
    pub attach_stdout: bool,
    // Go reads names of any case, and docker-py writes this one so.
    #[serde(alias = "detachKeys")]
    pub detach_keys: String,
    pub env: Vec<String>,
    pub working_dir: String,
    pub cmd: Vec<String>,
}

/// A further process.
#[derive(Debug, Clone)]
pub struct Exec {
    /// 64 digits.
    pub id: String,
    /// In which container.
    pub container: String,
    /// What was asked for.
    pub wish: Wish,
    /// It was begun once.
    pub started: bool,
    /// It runs.
    pub running: bool,
    /// Its number; 0 before it runs.
    pub pid: i32,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// When it ended.
    ended: Option<Instant>,
    /// Nobody asks for it any more once it has ended.
    left: bool,
}

/// All that are known, by id.
#[derive(Default)]
pub struct Execs(Mutex<BTreeMap<String, Exec>>);

impl Execs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Exec>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this id.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, id: &str) -> Result<Exec, Fault> {
        self.lock().get(id).cloned().ok_or_else(|| Fault::not_found(format!("No such exec instance: {id}")))
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Exec)) {
        if let Some(exec) = self.lock().get_mut(id) {
            change(exec);
        }
    }

    /// Says that one is begun; false if somebody else has, or it is gone.
    fn claim(&self, id: &str) -> bool {
        self.lock().get_mut(id).is_some_and(|exec| !std::mem::replace(&mut exec.started, true))
    }

    /// Says how one ended; the others that ended long ago, or that nobody asks for, are forgotten.
    fn end(&self, id: &str, code: i32) {
        self.change(id, |exec| {
            (exec.running, exec.exit_code, exec.ended) = (false, Some(code), Some(Instant::now()));
        });
        self.lock().retain(|_, exec| exec.ended.is_none_or(|ended| !exec.left && ended.elapsed() < REMEMBERED));
    }

    /// Forgets one as soon as it has ended.
    pub fn leave(&self, id: &str) {
        let mut all = self.lock();
        match all.get_mut(id) {
            Some(exec) if exec.ended.is_none() => exec.left = true,
            _ => drop(all.remove(id)),
        }
    }

    /// Forgets those of a container that is gone.
    pub fn forget(&self, container: &str) {
        self.lock().retain(|_, exec| exec.container != container);
    }
}

impl Engine {
    /// Remembers what is to run.
    ///
    /// # Errors
    /// The container does not run, or there is nothing to run.
    pub fn make_exec(&self, container: &Container, wish: Wish) -> Result<String, Fault> {
        runs(container)?;
        if wish.cmd.is_empty() {
            return Err(Fault::bad("No exec command specified"));
        }
        Keys::read(Some(wish.detach_keys.as_str()))?;
        let id = names::random_id();
        let words = wish.cmd.join(" ");
        let exec = Exec {
            id: id.clone(),
            container: container.id.clone(),
            wish,
            started: false,
            running: false,
            pid: 0,
            exit_code: None,
            ended: None,
            left: false,
        };
        self.execs.lock().insert(id.clone(), exec);
        container.live().execs.push(id.clone());
        self.tell(container, &format!("exec_create: {words}"), &[("execID", &id)]);
        Ok(id)
    }

    /// Whether an exec may be begun, and its container.
    ///
    /// # Errors
    /// It has run already; its container does not run.
    pub fn may_begin(&self, exec: &Exec) -> Result<Arc<Container>, Fault> {
        if exec.started {
            let what = if exec.running { "is already running" } else { "has already run" };
            return Err(Fault::conflict(format!("Error: Exec command {} {what}", exec.id)));
        }
        let container =
            self.containers.find(&exec.container).map_err(|_| Fault::not_found(format!("No such exec instance: {}", exec.id)))?;
        runs(&container)?;
        Ok(container)
    }

    /// Begins it. What comes is a connection that hears everything that it says.
    ///
    /// # Errors
    /// It cannot be run: the exit code is remembered.
    pub async fn begin_exec(self: &Arc<Self>, exec: &Exec, wants: Wants, size: Option<(u16, u16)>) -> Result<Connection, Fault> {
        let container = self.may_begin(exec)?;
        if !self.execs.claim(&exec.id) {
            return Err(Fault::conflict(format!("Error: Exec command {} is already running", exec.id)));
        }
        match self.run_exec(&container, exec, wants, size).await {
            Ok(connection) => Ok(connection),
            Err(failed) => {
                self.execs.end(&exec.id, failed.code);
                // The shim has made both before it failed to join; nobody asks for them.
                let socket = self.exec_socket(exec);
                for file in [socket.with_extension("exit"), socket] {
                    // Where it failed earlier there is none.
                    let _ = fs::remove_file(&file);
                }
                container.live().execs.retain(|one| *one != exec.id);
                container.tell();
                Err(failed.fault)
            }
        }
    }

    async fn run_exec(
        self: &Arc<Self>,
        container: &Arc<Container>,
        exec: &Exec,
        wants: Wants,
        size: Option<(u16, u16)>,
    ) -> Result<Connection, super::start::NotStarted> {
        let (one, what) = (Arc::clone(container), exec.clone());
        let (files, ordered) = self.work(move |engine| engine.order_exec(&one, &what, wants.stdin, size)).await?;
        let made = match ordered {
            Ok(ordered) => ordered.done().await,
            Err(none) => Err(none),
        };
        let pid = made.map_err(|said| not_started("exec", &said))?.pid;
        // The shim waits for both.
        let (connection, watcher) = tokio::join!(Connection::open(&files.socket, wants), Connection::open(&files.socket, Wants::default()));
        let connection = connection?;
        self.execs.change(&exec.id, |exec| (exec.running, exec.pid) = (true, pid));
        container.tell();
        self.tell(container, &format!("exec_start: {}", exec.wish.cmd.join(" ")), &[("execID", &exec.id)]);
        let (engine, container, id) = (Arc::clone(self), Arc::clone(container), exec.id.clone());
        match watcher {
            Ok(mut watcher) => drop(tokio::spawn(async move {
                while let Ok(Some(frame)) = watcher.next().await {
                    if matches!(frame, Frame::Ended(_)) {
                        break;
                    }
                }
                engine.exec_ended(&container, &id, &files);
            })),
            // It has gone already: what it has written says how the process ended.
            Err(_) => engine.exec_ended(&container, &id, &files),
        }
        Ok(connection)
    }

    fn exec_ended(&self, container: &Container, id: &str, files: &Files) {
        let ended = fs::read(&files.exit).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let code = ended.and_then(|ended| ended["exitCode"].as_i64()).and_then(|code| i32::try_from(code).ok()).unwrap_or(137);
        self.execs.end(id, code);
        container.live().execs.retain(|one| one != id);
        container.tell();
        self.tell(container, "exec_die", &[("execID", id), ("exitCode", &code.to_string())]);
        // It goes with the container at the latest.
        let _ = fs::remove_file(&files.exit);
    }

    fn order_exec(&self, container: &Container, exec: &Exec, stdin: bool, size: Option<(u16, u16)>) -> Result<(Files, Begun), Fault> {
        let record = container.record();
        let folder = self.hold_folder(&container.id);
        // Short names: a socket's address has 108 bytes.
        let file = |ending: &str| folder.join(format!("{}.{ending}", &exec.id[..16]));
        let files = Files { socket: file("sock"), exit: file("exit") };
        let process = self.process_of(&record, exec, size)?.to_string();
        let hold =
            Hold { socket: files.socket.clone(), stdin, stdin_once: true, clients: 2, exit: Some(files.exit.clone()), ..Hold::default() };
        Ok((files, self.order(&["exec", &container.id], hold, Some(process))))
    }

    /// `process.json`: the container's own process with other words.
    fn process_of(&self, record: &super::record::Record, exec: &Exec, size: Option<(u16, u16)>) -> Result<Value, Fault> {
        let wish = &exec.wish;
        let root = Root::open(&self.merged(&record.id))?;
        let user = if wish.user.is_empty() { &record.config.user } else { &wish.user };
        let account = accounts::run_as(&root, user).map_err(|error| Fault::bad(error.line()))?;
        let mut environment = spec::environment(&record.config);
        if wish.tty && !environment.iter().any(|line| line.starts_with("TERM=")) {
            environment.push("TERM=xterm".to_owned());
        }
        spec::set(&mut environment, &wish.env);
        let directory = [wish.working_dir.as_str(), record.config.working_dir.as_str(), "/"].into_iter().find(|path| !path.is_empty());
        let names = if wish.privileged { crate::kernel::caps::known() } else { spec::capabilities(&record.host)? };
        let bundle_file = self.root.join("containers").join(&record.id).join("bundle/config.json");
        // Of all that, the system calls that its filter names are most: they are passed over.
        let Bundle { process: own } = serde_json::from_str(&fs::read(&bundle_file)?).unwrap_or_default();
        let mut process = json!({
            "terminal": wish.tty,
            "user": {"uid": account.uid, "gid": account.gid, "additionalGids": account.supplementary()},
            "args": wish.cmd, "env": environment, "cwd": directory,
            "capabilities": bundle::capabilities(account.uid, &names),
            "noNewPrivileges": own.no_new_privileges, "rlimits": own.rlimits, "oomScoreAdj": own.oom_score_adj,
        });
        let asked = wish.console_size.map(|[rows, columns]| (columns, rows)).or(size);
        if let Some((columns, rows)) = asked.filter(|_| wish.tty) {
            process["consoleSize"] = json!({"height": rows, "width": columns});
        }
        Ok(process)
    }

    /// Waits until the end of an exec whose stream has ended is known: whoever reads to the end of it asks for the exit code next.
    pub async fn settle_exec(&self, id: &str) {
        let Ok(exec) = self.execs.find(id) else { return };
        let Ok(container) = self.containers.find(&exec.container) else { return };
        let mut changed = container.changed.subscribe();
        // The container, which we hold, holds the sender.
        let _ = changed.wait_for(|_| !self.execs.find(id).is_ok_and(|exec| exec.running)).await;
    }

    /// Sets the size of an exec's terminal. A client sends it as soon as its request to begin is on the way: then the shim first waits for whoever
    /// began it, so nobody else may come to it before, or a short program would end without having been heard.
    ///
    /// # Errors
    /// It does not begin in time, or has ended.
    pub async fn resize_exec(&self, id: &str, (columns, rows): (u16, u16)) -> Result<(), Fault> {
        let container = self.containers.find(&self.execs.find(id)?.container)?;
        let mut changed = container.changed.subscribe();
        let begun = |_: &u64| self.execs.find(id).map_or(true, |exec| exec.running || exec.exit_code.is_some());
        // The container, which we hold, holds the sender.
        if tokio::time::timeout(BEGIN, changed.wait_for(begun)).await.is_err() {
            return Err(Fault::internal("timeout waiting for exec session ready"));
        }
        let exec = self.execs.find(id)?;
        if !exec.running {
            return Err(Fault::conflict(format!("Exec process {id} is not running")));
        }
        super::attach::size(&self.exec_socket(&exec), columns, rows).await
    }

    /// The socket of the shim of an exec.
    fn exec_socket(&self, exec: &Exec) -> PathBuf {
        self.hold_folder(&exec.container).join(format!("{}.sock", &exec.id[..16]))
    }

    /// `GET /exec/ID/json`.
    pub fn exec_json(&self, exec: &Exec) -> Value {
        let wish = &exec.wish;
        let (program, rest) = wish.cmd.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
        json!({
            "ID": exec.id, "Running": exec.running, "ExitCode": exec.exit_code,
            "ProcessConfig": {"tty": wish.tty, "entrypoint": program, "arguments": rest, "privileged": wish.privileged, "user": wish.user},
            "OpenStdin": wish.attach_stdin, "OpenStderr": wish.attach_stderr, "OpenStdout": wish.attach_stdout,
            "CanRemove": exec.exit_code.is_some() && !exec.running, "ContainerID": exec.container, "DetachKeys": "", "Pid": exec.pid,
        })
    }
}

/// What a further process has as the container's own has it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Own {
    no_new_privileges: Value,
    rlimits: Value,
    oom_score_adj: Value,
}

/// The part of `config.json` that it stands in.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bundle {
    process: Own,
}

/// The files of an exec's shim.
struct Files {
    socket: PathBuf,
    exit: PathBuf,
}

/// An order that the runtime has, or why it has none.
type Begun = Result<Ordered, String>;

fn runs(container: &Container) -> Result<(), Fault> {
    match container.state().status {
        Status::Running => Ok(()),
        Status::Paused => Err(Fault::conflict(format!("container {} is paused, unpause the container before exec", container.id))),
        Status::Restarting => {
            Err(Fault::conflict(format!("container {} is restarting, wait until the container is running", container.id)))
        }
        _ => Err(super::life::not_running(container)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str) -> (String, Exec) {
        let exec = Exec {
            id: id.to_owned(),
            container: "c".to_owned(),
            wish: Wish::default(),
            started: false,
            running: false,
            pid: 0,
            exit_code: None,
            ended: None,
            left: false,
        };
        (id.to_owned(), exec)
    }

    #[test]
    fn what_has_ended_is_remembered_as_long_as_somebody_may_ask() {
        let execs = Execs(Mutex::new(["asked", "checked", "failed", "runs"].map(one).into()));
        let known = || execs.lock().keys().cloned().collect::<Vec<String>>();
        execs.end("failed", 127);
        execs.leave("failed");
        assert_eq!(known(), ["asked", "checked", "runs"], "nobody asks how it ended");
        execs.leave("checked");
        assert!(execs.find("checked").is_ok(), "its end is still to come");
        execs.end("checked", 0);
        execs.end("asked", 3);
        assert_eq!(known(), ["asked", "runs"]);
        assert_eq!(execs.find("asked").unwrap().exit_code, Some(3));
        let long_ago = Instant::now().checked_sub(REMEMBERED);
        execs.change("asked", |exec| exec.ended = long_ago);
        execs.end("runs", 0);
        assert_eq!(known(), ["runs"]);
    }
}
