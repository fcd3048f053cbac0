//! The end of a container: seen by a task that listens to its shim, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::attach::Connection;
use super::health::Health;
use super::start::container_id;
use super::state::{Status, rest_before_restart, wants_restart};
use super::{Container, now};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::oci::runtime::hold::{Frame, Wants};

/// The exit code of a container whose end nobody saw, as after a kill of its shim.
const UNSEEN: i32 = 137;

impl Engine {
    /// Listens to the container's shim from now on.
    ///
    /// # Errors
    /// There is no shim.
    pub async fn watch(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        let socket = self.hold_folder(&container.id).join("main.sock");
        let mut connection = Connection::open(&socket, Wants { log: true, ..Wants::default() }).await?;
        let watch = {
            let mut live = container.live();
            live.watches += 1;
            live.watches
        };
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        tokio::spawn(async move {
            while let Ok(Some(frame)) = connection.next().await {
                match frame {
                    Frame::Logged => container.logged.send_modify(|count| *count += 1),
                    Frame::Ended(_) => break,
                    _ => {}
                }
            }
            engine.ended(&container, watch).await;
        });
        Ok(())
    }

    /// The container has ended, as was heard by the watch of this number. A start that failed takes back by itself, and holds the turn meanwhile: the end
    /// that its watch hears is not that of the start after it.
    pub async fn ended(self: &Arc<Self>, container: &Arc<Container>, watch: u64) {
        let _turn = container.turn.lock().await;
        if !container.state().is_running() || container.live().watches != watch {
            return;
        }
        let one = Arc::clone(container);
        // On the disk first, for an engine that is killed here: what says how it ended goes next. Others are told when all of it is gone. In one step with what
        // its policy says: nobody sees a container at rest that is about to be started again.
        let cleared = self.work(move |engine| {
            let (code, oom, at) = engine.last_words(&one);
            let health = one.live().health.take().map(Health::ended);
            one.note(|record| {
                record.state.health = health.or(record.state.health.take());
                record.state.status = Status::Exited;
                record.state.pid = 0;
                record.state.exit_code = code;
                record.state.oom_killed = oom;
                record.state.finished_at = Some(at.unwrap_or_else(now));
                if !record.host.auto_remove && wants_restart(&record.host.restart_policy, &record.state, record.restarts) {
                    record.state.status = Status::Restarting;
                    record.restarts += 1;
                }
            });
            engine.clear(&one);
            Ok(())
        });
        // There is no error in it.
        let _ = cleared.await;
        let (oom, code) = {
            let state = container.state();
            (state.oom_killed, state.exit_code)
        };
        container.live().ends += 1;
        container.live().execs.clear();
        container.logged.send_modify(|count| *count += 1);
        if oom {
            self.tell(container, "oom", &[]);
        }
        let ran = ran(container);
        self.tell(container, "die", &[("execDuration", &ran.as_secs().to_string()), ("exitCode", &code.to_string())]);
        self.follow_end(container, ran);
        container.tell();
    }

    /// How it ended, by the shim's word.
    fn last_words(&self, container: &Container) -> (i32, bool, Option<String>) {
        let entry = container_id(&container.id).and_then(|id| Ok(self.runtime().open(&id)?));
        let Ok(entry) = &entry else { return (UNSEEN, false, None) };
        let exit = entry.exit().unwrap_or_default();
        let code = exit["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(UNSEEN);
        let oom = entry.load().ok().and_then(|state| state.cgroup()).is_some_and(|cgroup| cgroup.oom_kills() > 0);
        (code, oom, exit["exitedAt"].as_str().map(str::to_owned))
    }

    /// `--rm` and restart policies.
    fn follow_end(self: &Arc<Self>, container: &Arc<Container>, ran: Duration) {
        if container.record().host.auto_remove {
            if container.live().kept == 0 {
                self.remove_later(container);
            }
        } else if container.state().status == Status::Restarting {
            let rest = rest_before_restart(container.live().rest, ran);
            container.live().rest = Some(rest);
            self.restart_after(container, rest);
        }
    }

    /// Starts it again at once: after a restart of the engine.
    pub fn restart_later(self: &Arc<Self>, container: &Arc<Container>) {
        container.change_anyway(|record| record.state.status = Status::Restarting);
        self.restart_after(container, Duration::ZERO);
    }

    fn restart_after(self: &Arc<Self>, container: &Arc<Container>, rest: Duration) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        tokio::spawn(async move {
            let mut changed = container.changed.subscribe();
            let stopped = changed.wait_for(|_| container.state().status != Status::Restarting);
            // A person may stop or remove it while it rests.
            if tokio::time::timeout(rest, stopped).await.is_ok() {
                return;
            }
            let _turn = container.turn.lock().await;
            if container.state().status == Status::Restarting {
                // Its reason is in its state; dockerd does not try again either.
                let _ = engine.begin(&container).await;
            }
        });
    }

    /// Removes a container of `--rm` in a task of its own: whoever calls holds its turn.
    pub fn remove_later(self: &Arc<Self>, container: &Arc<Container>) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        tokio::spawn(async move {
            // It stays listed as dead, with the reason.
            let _ = engine.remove(&container, true, true).await;
        });
    }
}

fn ran(container: &Container) -> Duration {
    let state = container.state();
    let moment = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(began), Some(ended)) = (moment(&state.started_at), moment(&state.finished_at)) else { return Duration::ZERO };
    Duration::try_from(ended.duration_since(began)).unwrap_or(Duration::ZERO)
}
