//! A start: tree, files, bundle, shim, network, program. What fails is taken back.

use std::path::PathBuf;
use std::sync::Arc;

use super::record::Record;
use super::spec::{self, Start};
use super::state::Status;
use super::{Container, files, logging, now};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::program::Ordered;
use crate::kernel::root::Root;
use crate::kernel::{fs, lock};
use crate::oci::accounts;
use crate::oci::image::overlay::Lasting;
use crate::oci::runtime::hold::Hold;
use crate::oci::runtime::order::Order;
use crate::oci::runtime::{self, ContainerId};

/// The exit code of a container whose program could not be started for another reason than those of [`code_of`].
const NOT_STARTED: i32 = 128;

/// What the runtime said, and what the engine makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// The error for the client.
    pub fault: Fault,
    /// The container's exit code.
    pub code: i32,
}

impl From<Fault> for NotStarted {
    fn from(fault: Fault) -> Self {
        NotStarted { fault, code: NOT_STARTED }
    }
}

impl Engine {
    /// Starts a container; `Ok(false)` if it runs already.
    ///
    /// # Errors
    /// Its state forbids it, or the start failed: then it is as it was, with the reason in its state.
    pub async fn start(self: &Arc<Self>, container: &Arc<Container>) -> Result<bool, Fault> {
        let turn = container.turn.lock().await;
        if !container.state().may_start()? {
            return Ok(false);
        }
        // A person's start begins a new count of what the policy does.
        container.live().rest = None;
        container.change(|record| record.restarts = 0)?;
        let begun = self.begin(container).await;
        drop(turn);
        if begun.is_err() && container.record().host.auto_remove {
            // The start's own error is the one to tell.
            let _ = self.remove(container, true, true).await;
        }
        begun.map(|()| true)
    }

    /// Starts it. The caller holds its turn.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn begin(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        match self.launch(container).await {
            Ok(()) => Ok(()),
            Err(NotStarted { fault, code }) => {
                self.take_back(container).await;
                // Whoever has attached sees the end.
                container.live().pending.clear();
                let message = fault.message.clone();
                container.change_anyway(|record| {
                    record.state.status = if record.state.started_at.is_some() { Status::Exited } else { Status::Created };
                    record.state.pid = 0;
                    record.state.exit_code = code;
                    record.state.error = message;
                });
                Err(fault)
            }
        }
    }

    async fn launch(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), NotStarted> {
        self.address(container).await?;
        let one = Arc::clone(container);
        let ordered = self
            .work(move |engine| {
                let bundle = engine.prepare(&one)?;
                Ok(engine.order(&["create", "--bundle", &bundle.folder.display().to_string(), &one.id], bundle.hold, None))
            })
            .await?;
        let made = match ordered {
            Ok(ordered) => ordered.done().await,
            Err(none) => Err(none),
        };
        let pid = made.map_err(|said| not_started("create", &said))?.pid;
        self.watch(container).await?;
        self.connect_pending(container).await;
        self.plug_in(container, pid).await?;
        let id = container_id(&container.id)?;
        let started = self
            .work(move |engine| {
                let entry = engine.runtime().open(&id)?;
                let state = entry.load()?;
                Ok(runtime::start(&entry, &state).map_err(|error| error.line()))
            })
            .await?;
        started.map_err(|said| not_started("start", &said))?;
        container.change(|record| {
            record.state.status = Status::Running;
            record.state.pid = pid;
            record.state.error.clear();
            record.state.exit_code = 0;
            record.state.oom_killed = false;
            record.state.stopped_by_hand = false;
            record.state.started_at = Some(now());
        })?;
        // Those who came since: they hear it from here on.
        self.connect_pending(container).await;
        self.tell(container, "start", &[]);
        self.watch_health(container);
        Ok(())
    }

    /// Makes everything that the runtime needs: the tree, the files, the bundle, the settings of the shim.
    fn prepare(&self, container: &Container) -> Result<Bundle, Fault> {
        let record = container.record();
        let rootfs = self.mount(&record, if record.host.auto_remove { Lasting::No } else { Lasting::Yes })?;
        self.mount_volumes(&record)?;
        let root = Root::open(&rootfs)?;
        let account = accounts::run_as(&root, &record.config.user).map_err(|error| Fault::bad(error.line()))?;
        let account = with_groups(account, &root, &record)?;
        files::make_directory(&root, &record.config.working_dir)?;
        files::fill_volumes(&root, &record)?;
        let mut mounted = self.network_files(container, &record)?;
        mounted.extend(self.init_file(&record)?);
        let start = Start {
            rootfs: &rootfs,
            account,
            files: mounted,
            joined: self.joined(&record)?,
            cgroup: cgroup_of(&record),
            limits: &self.config.default_ulimits,
            no_new_privileges: self.config.no_new_privileges,
            linked: self.linked_environment(&record)?,
        };
        let document = spec::document(&record, &start)?;
        self.make_room(&super::resources::resources(&record.host))?;
        let folder = container.folder.join("bundle");
        fs::create_dir_all(&folder, 0o700)?;
        fs::put(&folder.join("config.json"), document.to_string().as_bytes(), 0o600)?;
        let hold = self.hold_folder(&container.id);
        fs::create_dir_all(&hold, 0o700)?;
        Ok(Bundle { folder, hold: logging::hold(container, &record, &hold)? })
    }

    /// The namespaces that belong to other containers, which must run.
    fn joined(&self, record: &Record) -> Result<Vec<(&'static str, String)>, Fault> {
        let mut all = Vec::new();
        for (mode, kind, file) in
            [(&record.host.network_mode, "network", "net"), (&record.host.pid_mode, "pid", "pid"), (&record.host.ipc_mode, "ipc", "ipc")]
        {
            let Some(other) = Record::joins(mode) else { continue };
            let other = self.containers.find(other)?;
            let state = other.state();
            if !state.is_running() {
                let what = if kind == "network" {
                    "cannot join network of a non running container"
                } else {
                    "cannot join the namespace of a non running container"
                };
                return Err(Fault::conflict(format!("{what}: {}", other.id)));
            }
            all.push((kind, format!("/proc/{}/ns/{file}", state.pid)));
        }
        Ok(all)
    }

    /// Has the runtime do `bottleship oci VERB WORDS`, and leave a shim as `hold` says. For `exec`, `process` is what it runs.
    ///
    /// # Errors
    /// There is no runtime.
    pub fn order(&self, words: &[&str], hold: Hold, process: Option<String>) -> Result<Ordered, String> {
        let root = self.runtime_folder().display().to_string();
        let arguments = ["--root", root.as_str()].iter().chain(words).map(|word| (*word).to_owned()).collect();
        // What does it holds the lock, also when this engine is killed.
        let lock = lock::share(&self.starting()).map_err(|error| format!("tell the next engine of this start: {error}"))?;
        self.program.order(&Order { arguments, hold, process }, &lock, &self.machine.doors)
    }

    /// Takes back what a start has made before it failed.
    async fn take_back(self: &Arc<Self>, container: &Arc<Container>) {
        let one = Arc::clone(container);
        let cleaned = self.work(move |engine| {
            engine.clear(&one);
            Ok(())
        });
        // There is no error in it.
        let _ = cleaned.await;
    }

    /// Takes away what a container had while it ran: the runtime's folder, its cgroup, its network, its tree.
    pub fn clear(&self, container: &Container) {
        if let Ok(entry) = container_id(&container.id).and_then(|id| Ok(self.runtime().open(&id)?)) {
            // What is left of it is named by the next start, which finds the id taken.
            let _ = runtime::delete(entry, true);
        }
        self.unplug(container);
        self.unmount(&container.id);
        self.unmount_volumes(&container.id);
    }
}

/// Where a bundle is, and the settings of its shim.
struct Bundle {
    folder: PathBuf,
    hold: Hold,
}

/// The runtime's name of a container.
///
/// # Errors
/// Never for an id of ours.
pub fn container_id(id: &str) -> Result<ContainerId, Fault> {
    ContainerId::new(id).map_err(Fault::internal)
}

/// `/docker/ID`, or below what `--cgroup-parent` says.
fn cgroup_of(record: &Record) -> String {
    let parent = record.host.cgroup_parent.trim_end_matches('/');
    format!("{}/{}", if parent.is_empty() { "/docker" } else { parent }, record.id)
}

/// `--group-add`.
fn with_groups(mut account: accounts::Account, root: &Root, record: &Record) -> Result<accounts::Account, Fault> {
    for group in record.host.group_add.iter().flatten() {
        let named = accounts::run_as(root, &format!("{}:{group}", account.uid)).map_err(|error| Fault::bad(error.line()))?;
        if !account.groups.contains(&named.gid) {
            account.groups.push(named.gid);
        }
    }
    Ok(account)
}

/// What the program's failure is called by those who search for it: the words of dockerd and its runtime around our reason.
pub fn not_started(verb: &str, said: &str) -> NotStarted {
    let (reason, code) = reason_of(said);
    let task = if verb == "exec" {
        "OCI runtime exec failed: exec failed"
    } else {
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed"
    };
    let inner = if verb == "exec" || code == NOT_STARTED { "" } else { "error during container init: " };
    let message = format!("{task}: unable to start container process: {inner}{reason}: unknown");
    let fault = if code == NOT_STARTED { Fault::internal(message) } else { Fault::bad(message) };
    NotStarted { fault, code }
}

/// The reason without our own steps before it, and the exit code that a shell would give: 127 where there is no such program, 126 where it is none.
fn reason_of(said: &str) -> (String, i32) {
    let reason = said.find("exec: \"").map_or(said, |at| &said[at..]);
    let code = if !reason.starts_with("exec: \"") {
        NOT_STARTED
    } else if reason.contains("executable file not found") || reason.contains("no such file or directory") {
        127
    } else {
        126
    };
    (reason.to_owned(), code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_the_words_that_people_search_for() {
        let missing = not_started("create", "create container `x`: init: find: exec: \"nosuch\": executable file not found in $PATH");
        assert_eq!(missing.code, 127);
        assert_eq!(
            missing.fault.message,
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container \
             process: error during container init: exec: \"nosuch\": executable file not found in $PATH: unknown"
        );
        assert_eq!(not_started("create", "exec: \"/etc\": permission denied").code, 126);
        assert_eq!(not_started("create", "mount: EINVAL").code, NOT_STARTED);
        assert_eq!(
            not_started("exec", "exec in container `x`: exec: \"a\": permission denied").fault.message,
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"a\": permission denied: unknown"
        );
    }
}
