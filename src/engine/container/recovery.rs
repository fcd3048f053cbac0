//! Taking up where an earlier engine was, which may have been killed at any moment.
//!
//! ```text
//!  the record says        the kernel has          so
//!  running                its shim                it is listened to, its ports are opened again
//!  running                no shim                 it has ended: what the shim left says how
//!  anything else          what a start had made   the start is taken back: nobody was told that it succeeded
//!  nothing at all         files                   they go: a removal was under way
//! ```
//! First those that run get back what is theirs, then policies and removals go on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::Container;
use super::start::container_id;
use super::state::{Status, wants_restart};
use crate::engine::Engine;
use crate::kernel::{fs, lock};
use crate::oci::runtime;

impl Engine {
    /// Who makes a process for us shares the lock on this file: a runtime outlives the engine that called it.
    pub fn starting(&self) -> PathBuf {
        self.root.join("run/starting")
    }

    /// Takes up where an earlier engine was: connects to the shims that live, ends what has ended, takes back what was begun, starts what is to run always.
    pub async fn revive(self: &Arc<Self>) {
        let settled = self.work(|engine| {
            // What is made now would come to be after we have looked.
            drop(lock::take(&engine.starting())?);
            Ok(())
        });
        // Without the folder of that file there was no engine here that has started anything.
        let _ = settled.await;
        self.renew_bridge();
        let (mut over, mut rest) = (Vec::new(), Vec::new());
        for container in self.containers.all() {
            // Its end waits until it has all back that goes with its end.
            let turn = container.turn.lock().await;
            if !container.state().is_running() {
                drop(turn);
                rest.push(container);
            } else if self.watch(&container).await.is_ok() {
                self.keep_volumes(&container.record());
                self.see_frozen(&container).await;
                self.resume_network(&container).await;
                self.watch_health(&container);
            } else {
                drop(turn);
                over.push(container);
            }
        }
        let resting = rest.clone();
        // There is no error in it.
        let _ = self
            .work(move |engine| {
                resting.iter().for_each(|container| engine.clear(container));
                engine.sweep_ports();
                engine.sweep_volumes();
                engine.sweep_files();
                Ok(())
            })
            .await;
        for container in over {
            let watch = container.live().watches;
            self.ended(&container, watch).await;
        }
        for container in rest {
            self.go_on(&container);
        }
    }

    /// The default bridge may have had other addresses or rules before; with nobody on it, it is made anew.
    fn renew_bridge(&self) {
        let used = self.containers.all().iter().any(|container| container.state().is_running());
        if !used && let Some(bridge) = self.networks.find("bridge").ok().and_then(|network| network.bridge()) {
            let was_other = self.config.bip.is_some() || bridge.is_other().unwrap_or(false);
            // One that cannot be removed keeps its old address beside the new one.
            let _ = if was_other { bridge.clear() } else { Ok(()) };
        }
    }

    /// The engine may have been killed after it froze or thawed a container, and before it wrote that down. The caller holds the container's turn.
    async fn see_frozen(self: &Arc<Self>, container: &Arc<Container>) {
        // Without a cgroup it cannot be frozen.
        let Ok(frozen) = self.with_cgroup(container, |cgroup| cgroup.frozen()).await else { return };
        let status = if frozen { Status::Paused } else { Status::Running };
        if container.state().status != status {
            container.change_anyway(|record| record.state.status = status);
        }
    }

    /// Removes what belongs to no container: a removal was cut short behind the record.
    fn sweep_files(&self) {
        // Nothing is a stray as long as it is not known what is none.
        let Ok(known) = fs::list(&self.root.join("containers")) else { return };
        let known: BTreeSet<String> = known.into_iter().collect();
        let names = |folder: &str| fs::list(&self.root.join(folder)).unwrap_or_default();
        let strays = |folder: &str| -> Vec<String> { names(folder).into_iter().filter(|id| !known.contains(id)).collect() };
        for id in strays("run/oci") {
            if let Ok(entry) = container_id(&id).and_then(|id| Ok(self.runtime().open(&id)?)) {
                // What does not die is tried again by the next engine.
                let _ = runtime::delete(entry, true);
            }
        }
        for id in [strays("overlay2"), strays("run/hold")].concat() {
            self.forget_files(&id);
        }
    }

    /// Goes on with what was to become of a container that does not run.
    fn go_on(self: &Arc<Self>, container: &Arc<Container>) {
        let record = container.record();
        let policy = &record.host.restart_policy;
        match record.state.status {
            Status::Restarting => self.restart_later(container),
            Status::Removing => {
                let engine = Arc::clone(self);
                let container = Arc::clone(container);
                // What cannot be removed now is still listed, as it was before.
                tokio::spawn(async move { drop(engine.remove(&container, true, record.with_volumes).await) });
            }
            Status::Exited if record.host.auto_remove => self.remove_later(container),
            // `always` is stronger than a person who stopped it, at a new start of the engine.
            Status::Exited if policy.name == "always" || wants_restart(policy, &record.state, record.restarts) => {
                self.restart_later(container);
            }
            _ => {}
        }
    }
}
