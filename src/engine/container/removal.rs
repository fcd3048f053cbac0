//! `docker rm`: a container goes with everything that it has.

use std::sync::Arc;

use super::Container;
use super::state::Status;
use crate::engine::Engine;
use crate::engine::error::Fault;

impl Engine {
    /// Removes a container; with `force` one that runs too, with `volumes` also those that were made for it.
    ///
    /// # Errors
    /// It runs, or does not die.
    pub async fn remove(self: &Arc<Self>, container: &Arc<Container>, force: bool, volumes: bool) -> Result<(), Fault> {
        // Judged in our turn: outside of it its state may be on its way to another, and between two turns its policy may have started it again.
        let _turn = loop {
            let turn = container.turn.lock().await;
            if container.live().removed {
                return Ok(());
            }
            match container.state().may_remove(&container.name()) {
                Ok(()) => break turn,
                Err(fault) if !force => return Err(fault),
                Err(_) => {}
            }
            drop(turn);
            self.stop(container, Some("KILL"), None).await?;
        };
        container.change_anyway(|record| {
            record.state.status = Status::Removing;
            record.with_volumes = volumes;
        });
        let record = container.record();
        let one = Arc::clone(container);
        self.work(move |engine| {
            engine.clear(&one);
            engine.forget_files(&one.id);
            engine.containers.remove(&one.id);
            Ok(())
        })
        .await?;
        {
            let mut live = container.live();
            live.removed = true;
            // Whoever waits for a start to attach to waits in vain.
            live.pending.clear();
        }
        self.execs.forget(&container.id);
        self.tell(container, "destroy", &[]);
        container.tell();
        container.logged.send_modify(|count| *count += 1);
        if volumes {
            let names = record.mounts.iter().filter(|mount| mount.anonymous).map(|mount| mount.name.clone()).collect::<Vec<String>>();
            self.work(move |engine| {
                for name in names {
                    // One that another container uses by now stays.
                    let _ = engine.remove_volume(&name, true);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
