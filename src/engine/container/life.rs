//! Stop, kill, restart, pause, rename: what is done to a container that exists.

use std::sync::Arc;
use std::time::Duration;

use super::start::container_id;
use super::state::Status;
use super::{Container, names};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::oci::runtime::{self, signal_number};

/// How long a container may take to end by itself, unless it says something else.
const GRACE: i64 = 10;
/// How long the kernel may take to end what was killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// SIGKILL on every architecture that we run on.
const KILL: i32 = 9;

impl Engine {
    /// Tells everybody what happened to a container.
    pub fn tell(&self, container: &Container, action: &str, more: &[(&str, &str)]) {
        let record = container.record();
        let mut attributes: Vec<(&str, &str)> = record.config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        attributes.extend([("image", record.config.image.as_str()), ("name", record.name.as_str())]);
        attributes.extend(more);
        self.events.tell("container", action, &container.id, &attributes);
    }

    /// Sends a signal to a container's first process.
    ///
    /// # Errors
    /// It does not run; there is no such signal.
    pub async fn kill(self: &Arc<Self>, container: &Arc<Container>, signal: &str) -> Result<(), Fault> {
        let number =
            signal_number(signal).ok().filter(|number| *number > 0).ok_or_else(|| Fault::bad(format!("invalid signal: {signal}")))?;
        let ended = {
            // As for a stop: what is on its way to another state is waited for.
            let _turn = container.turn.lock().await;
            let record = container.record();
            if !record.state.is_running() {
                return Err(Fault::conflict(format!("cannot kill container: {}: container {} is not running", record.name, container.id)));
            }
            let stops = record.config.stop_signal.as_deref().and_then(|own| signal_number(own).ok()).unwrap_or(15);
            if number == KILL || number == stops {
                container.change_anyway(|record| record.state.stopped_by_hand = true);
            }
            self.ending(container)
        };
        self.send(container, number).await?;
        self.tell(container, "kill", &[("signal", &number.to_string())]);
        self.thaw_for_signal(container).await?;
        // Nobody survives SIGKILL: as with dockerd the answer comes when the container has ended, so that it can be removed next.
        if number == KILL && tokio::time::timeout(PATIENCE, ended).await.is_err() {
            let name = container.name();
            return Err(Fault::internal(format!(
                "cannot kill container: {name}: tried to kill container, but did not receive an exit event"
            )));
        }
        Ok(())
    }

    /// Waits for the end of what runs now.
    fn ending(&self, container: &Arc<Container>) -> impl Future<Output = ()> + use<> {
        let mut changed = container.changed.subscribe();
        let (container, ends) = (container.clone(), container.live().ends);
        async move {
            // That nobody can change it any more is an end too. Not before all that it had has been taken away: it may be asked for again next.
            let _ = changed.wait_for(|_| container.live().ends > ends).await;
        }
    }

    async fn send(self: &Arc<Self>, container: &Arc<Container>, number: i32) -> Result<(), Fault> {
        let id = container_id(&container.id)?;
        self.work(move |engine| {
            // One that has ended meanwhile is what was wanted; its folder goes a moment before that is known to everybody.
            if let Ok(entry) = engine.runtime().open(&id)
                && let Ok(state) = entry.load()
            {
                // As above: of a process that is ours only ESRCH is possible.
                let _ = runtime::kill(&entry, &state, number, false);
            }
            Ok(())
        })
        .await
    }

    /// Asks a container to end, and kills it when it does not in time; `Ok(false)` if it does not run.
    ///
    /// # Errors
    /// It does not even die.
    pub async fn stop(self: &Arc<Self>, container: &Arc<Container>, signal: Option<&str>, grace: Option<i64>) -> Result<bool, Fault> {
        let (number, grace, ended) = {
            // In somebody's turn the state may be on its way to another: an end of which its policy has not heard yet, a start about to succeed.
            let _turn = container.turn.lock().await;
            let record = container.record();
            if record.state.status == Status::Restarting {
                container.change_anyway(|record| {
                    record.state.status = Status::Exited;
                    record.state.stopped_by_hand = true;
                });
                return Ok(true);
            }
            if !record.state.is_running() {
                return Ok(false);
            }
            let own = record.config.stop_signal.as_deref().filter(|signal| !signal.is_empty());
            let signal = signal.filter(|signal| !signal.is_empty()).or(own).unwrap_or("TERM");
            let number = signal_number(signal).map_err(|_| Fault::bad(format!("invalid signal: {signal}")))?;
            container.change_anyway(|record| record.state.stopped_by_hand = true);
            (number, grace.or(record.config.stop_timeout).unwrap_or(GRACE), self.ending(container))
        };
        let mut ended = std::pin::pin!(ended);
        self.send(container, number).await?;
        self.tell(container, "kill", &[("signal", &number.to_string())]);
        self.thaw_for_signal(container).await?;
        // Negative: for ever.
        let patience = u64::try_from(grace).map_or(Duration::MAX, Duration::from_secs);
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            self.send(container, KILL).await?;
            self.tell(container, "kill", &[("signal", "9")]);
            if tokio::time::timeout(PATIENCE, ended).await.is_err() {
                return Err(Fault::internal(format!(
                    "cannot stop container: {}: tried to kill container, but did not receive an exit event",
                    container.name()
                )));
            }
        }
        self.tell(container, "stop", &[]);
        Ok(true)
    }

    /// Stops all that run, at the end of an engine that was told not to leave them running. The next engine starts those again whose policy says so: it
    /// was no person who stopped them.
    pub async fn stop_all(self: &Arc<Self>) {
        let mut stopping = tokio::task::JoinSet::new();
        for container in self.containers.all().into_iter().filter(|container| container.state().is_running()) {
            let engine = Arc::clone(self);
            stopping.spawn(async move {
                // One that does not die is found running by the next engine.
                let _ = engine.stop(&container, None, None).await;
                container.change_anyway(|record| record.state.stopped_by_hand = false);
            });
        }
        while stopping.join_next().await.is_some() {}
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// Those of both.
    pub async fn restart(self: &Arc<Self>, container: &Arc<Container>, signal: Option<&str>, grace: Option<i64>) -> Result<(), Fault> {
        container.live().kept += 1;
        let stopped = self.stop(container, signal, grace).await;
        // Whoever deals with its end holds the turn until that is done.
        let turn = container.turn.lock().await;
        container.live().kept -= 1;
        drop(turn);
        stopped?;
        self.start(container).await?;
        self.tell(container, "restart", &[]);
        Ok(())
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// It does not run, or is frozen.
    pub async fn pause(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        let _turn = container.turn.lock().await;
        match container.state().status {
            Status::Running => {}
            Status::Paused => return Err(Fault::conflict(format!("Container {} is already paused", container.id))),
            Status::Restarting => {
                return Err(Fault::conflict(format!("Container {} is restarting, wait until the container is running", container.id)));
            }
            _ => return Err(not_running(container)),
        }
        self.with_cgroup(container, |cgroup| cgroup.freeze()).await?;
        container.change(|record| record.state.status = Status::Paused)?;
        self.tell(container, "pause", &[]);
        Ok(())
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// It is not frozen.
    pub async fn unpause(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        let _turn = container.turn.lock().await;
        if container.state().status != Status::Paused {
            return Err(Fault::conflict(format!("Container {} is not paused", container.id)));
        }
        self.thaw(container).await?;
        container.change(|record| record.state.status = Status::Running)?;
        self.tell(container, "unpause", &[]);
        Ok(())
    }

    /// A frozen process sees no signal until it is thawed.
    async fn thaw_for_signal(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        if container.state().status != Status::Paused {
            return Ok(());
        }
        let thawed = self.thaw(container).await;
        // One that the signal has ended meanwhile has nothing to thaw.
        if container.state().is_running() { thawed } else { Ok(()) }
    }

    async fn thaw(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        self.with_cgroup(container, |cgroup| cgroup.thaw()).await
    }

    /// Does something with the cgroup of a container that runs.
    ///
    /// # Errors
    /// It has none; those of `work`.
    pub async fn with_cgroup<T: Send + 'static>(
        self: &Arc<Self>,
        container: &Arc<Container>,
        work: impl FnOnce(&crate::kernel::cgroup::Cgroup) -> Result<T, crate::kernel::cgroup::Error> + Send + 'static,
    ) -> Result<T, Fault> {
        let id = container_id(&container.id)?;
        let ended = not_running(container);
        self.work(move |engine| {
            let cgroup = engine.runtime().open(&id).and_then(|entry| entry.load()).map_err(|_| ended)?.cgroup();
            let none = || Fault::internal("the container has no cgroup: on this machine none was delegated to this engine");
            work(&cgroup.ok_or_else(none)?).map_err(|error| Fault::internal(error.to_string()))
        })
        .await
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// The name is bad or taken.
    pub fn rename(&self, container: &Container, name: &str) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::bad("Neither old nor new names may be empty"));
        }
        let (name, old) = (names::check(name)?, container.name());
        if name == old {
            return Err(Fault::bad("Renaming a container with the same name as its current name"));
        }
        self.containers.rename(container, &name)?;
        self.tell(container, "rename", &[("oldName", &format!("/{old}"))]);
        Ok(())
    }
}

/// What is said where a container must run.
pub fn not_running(container: &Container) -> Fault {
    Fault::conflict(format!("container {} is not running", container.id))
}
