//! `bottleship engine --expose`: the engine of a bottle's host, for the machine's own shell and its DOCKER_HOST.
//!
//! A socket outside the bottle whose connections are made inside, by the host's PID 1. It lives as long as this program, the bottle and the host do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::{listen, tell};
use crate::bottle::attach::Attached;
use crate::bottle::{self, Error, Host};
use crate::kernel::fs;

/// Where an engine answers on its host.
const INSIDE: &str = "/run/docker.sock";
/// Between two looks at whether we are to end.
const LOOK: Duration = Duration::from_millis(500);

/// Exposes the engine of `host` in the bottle `name` at `at` (`unix://PATH`), or where nobody says so in our own state. Comes back when one of them ends.
///
/// # Errors
/// There is no such bottle or host, or the socket cannot be made.
pub fn expose(name: &str, host: &str, at: Option<&str>) -> Result<(), String> {
    let told = |error: Error| error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}\nhint: {hint}"));
    let attached = Attached::to(name).map_err(told)?;
    let inside = attached.host(host).map_err(told)?;
    let usual = bottle::state_root().join(format!("docker-{name}-{host}.sock"));
    let path = match at {
        None => usual,
        Some(text) => {
            PathBuf::from(text.strip_prefix("unix://").ok_or_else(|| format!("expose at `{text}`: only unix://PATH can be given"))?)
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(|error| format!("start the forwarder: {error}"))?.block_on(forward(Arc::new(inside), &path, attached));
    // The next one removes one that is left behind.
    let _ = fs::remove_file(&path);
    done
}

async fn forward(host: Arc<Host>, path: &Path, bottle: Attached) -> Result<(), String> {
    let listener = listen::unix(path).await.map_err(|error| format!("listen on unix://{}: {error}", path.display()))?;
    tell(&format!("export DOCKER_HOST=unix://{}", path.display()));
    let signals = |kind| signal(kind).map_err(|error| format!("wait for signals: {error}"));
    let (mut term, mut int) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let stopped = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = Arc::clone(&stopped);
    let mut end =
        tokio::task::spawn_blocking(move || while !bottle.ended_within(LOOK) && !told.load(std::sync::atomic::Ordering::Relaxed) {});
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = &mut end => {
                tell("the bottle has ended");
                return Ok(());
            }
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(join(Arc::clone(&host), client));
                }
            }
        }
    }
    stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// Carries bytes both ways until both sides have said all. A host that does not answer any more closes the connection: so the client is told.
async fn join(host: Arc<Host>, mut client: UnixStream) {
    let reached = tokio::task::spawn_blocking(move || host.reach(INSIDE)).await;
    let Ok(Ok(server)) = reached else { return };
    let opened = server.set_nonblocking(true).and_then(|()| UnixStream::from_std(server));
    if let Ok(mut server) = opened {
        // A connection that breaks is closed, and that is how both sides are told.
        drop(copy_bidirectional(&mut client, &mut server).await);
    }
}
