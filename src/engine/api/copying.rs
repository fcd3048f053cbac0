//! `docker cp` over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::body::{BodyReader, BodyWriter};
use super::containers::apart;
use super::images::flag;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::error::Fault;
use crate::oci::image::compress;

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

const DESCRIPTION: &str = "x-docker-container-path-stat";

fn path(asked: &HashMap<String, String>) -> Result<String, Fault> {
    let path = asked.get("path").filter(|path| !path.is_empty()).ok_or_else(|| Fault::bad("missing parameter in request: path"))?;
    if path.contains('\0') { Err(Fault::bad(format!("{path:?} is no path: it has a NUL in it"))) } else { Ok(path.clone()) }
}

/// The turn of a container that does not run: nobody starts it while its tree is mounted for us.
async fn turn(container: &Arc<Container>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
    if container.state().is_running() { None } else { Some(container.turn.lock().await) }
}

/// `GET` and `HEAD /containers/ID/archive`.
pub async fn send(State(engine): Here, method: Method, Path(name): Path<String>, Query(asked): Asked) -> Result<Response, Fault> {
    let (container, path) = (engine.containers.find(&name)?, path(&asked)?);
    let (told, description) = tokio::sync::oneshot::channel();
    let (mut writer, body) = BodyWriter::new();
    let only_head = method == Method::HEAD;
    let working = Arc::clone(&engine);
    tokio::spawn(async move {
        let _turn = turn(&container).await;
        let one = Arc::clone(&container);
        let packed = working.work(move |engine| {
            let tree = engine.tree(&one)?;
            let found = match engine.look(&one, &tree, &path) {
                Ok(found) => found,
                Err(fault) => {
                    // Who asked has gone: nobody is to be told.
                    let _ = told.send(Err(fault));
                    return Ok(());
                }
            };
            // As above.
            let _ = told.send(Ok(found.described.clone()));
            if only_head {
                return Ok(());
            }
            // Before the last byte: who has all of it can already see that it was told.
            engine.tell(&one, "archive-path", &[]);
            if let Err(fault) = engine.pack_found(&tree, &found, &mut writer) {
                writer.fail(std::io::Error::other(fault.message));
            }
            Ok(())
        });
        // What failed before anything was told is told by the missing description.
        let _ = packed.await;
    });
    let description =
        description.await.map_err(|_| Fault::internal("the container's files cannot be read: its tree cannot be mounted"))??;
    let body = if only_head { Body::empty() } else { body };
    Ok(([(header::CONTENT_TYPE.as_str(), "application/x-tar"), (DESCRIPTION, description.as_str())], body).into_response())
}

/// `PUT /containers/ID/archive`.
pub async fn take(State(engine): Here, Path(name): Path<String>, Query(asked): Asked, body: Body) -> Result<StatusCode, Fault> {
    let (container, path) = (engine.containers.find(&name)?, path(&asked)?);
    let (one, owners) = (Arc::clone(&container), flag(&asked, "copyUIDGID"));
    let mut reader = BodyReader::new(body);
    // The turn is ours until the tree is read no more, also when the client has gone.
    apart(async move {
        let _turn = turn(&container).await;
        let unpacked = engine.work(move |engine| {
            let tree = engine.tree(&one)?;
            let plain = compress::decoder(&mut reader).map_err(|error| Fault::bad(format!("read the archive: {error}")))?;
            engine.unpack_into(&one, &tree, &path, owners, plain)?;
            engine.tell(&one, "extract-to-dir", &[]);
            Ok(())
        });
        unpacked.await.map(|()| StatusCode::OK)
    })
    .await
}
