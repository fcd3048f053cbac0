//! The voting app's visualizer: a page with the nodes of a swarm and the tasks on each, drawn from what the engine's socket says.
//!
//! As the original it needs `/var/run/docker.sock`, and shows an engine without a swarm as what it is: one node with its containers.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Manner, serve};
use crate::toolbox::failure::{Failure, reason};
use crate::toolbox::http::{Request, Response, client};

/// Where an engine listens.
const SOCKET: &str = "/var/run/docker.sock";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// `visualizer`: `/` is the page, `/json` the figures behind it, on port 8080 (or `PORT`).
pub fn run(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    writeln!(out, "listening on port {port}")?;
    out.flush()?;
    let answer = |request: &Request| match request.path().as_str() {
        "/" => Response::new(200, "text/html; charset=utf-8", include_str!("visualizer.html")),
        "/json" => match seen() {
            Ok(seen) => Response::new(200, "application/json", seen.to_string()),
            Err(error) => {
                eprintln!("{SOCKET}: {}", reason(&error));
                let why = format!("the engine does not answer at {SOCKET}: {}. Mount it: -v {SOCKET}:{SOCKET}\n", reason(&error));
                Response::new(502, "text/plain; charset=utf-8", why)
            }
        },
        _ => Response::new(404, "text/plain", "Not Found\n"),
    };
    serve(port, Manner::Deaf, Arc::new(answer))
}

/// `GET target` at the engine's socket.
fn ask(target: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").as_bytes())?;
    let answer = client::read(&mut BufReader::new(stream), "GET")?;
    Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
}

/// The nodes, each with what runs on it.
fn seen() -> std::io::Result<Value> {
    match (ask("/nodes")?, ask("/tasks")?) {
        ((200, nodes), (200, tasks)) => Ok(swarm(&nodes, &tasks, &ask("/services")?.1)),
        // 503: this node is no manager of a swarm.
        _ => Ok(single(&ask("/info")?.1, &ask("/containers/json")?.1)),
    }
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn swarm(nodes: &Value, tasks: &Value, services: &Value) -> Value {
    let service = |id: &Value| all(services).find(|one| one["ID"] == *id).map_or(Value::Null, |one| one["Spec"]["Name"].clone());
    let wanted = |task: &&Value| ["running", "ready", "starting"].contains(&task["DesiredState"].as_str().unwrap_or_default());
    let drawn = |node: &Value| {
        let own = all(tasks).filter(|task| task["NodeID"] == node["ID"]).filter(wanted);
        let own = own.map(|task| {
            json!({"name": service(&task["ServiceID"]), "slot": task["Slot"], "image": task["Spec"]["ContainerSpec"]["Image"], "state": task["Status"]["State"]})
        });
        json!({"name": node["Description"]["Hostname"], "role": node["Spec"]["Role"], "state": node["Status"]["State"], "tasks": own.collect::<Vec<Value>>()})
    };
    json!({"swarm": true, "nodes": all(nodes).map(drawn).collect::<Vec<Value>>()})
}

fn single(info: &Value, containers: &Value) -> Value {
    let name = |one: &Value| one["Names"][0].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    let tasks = all(containers).map(|one| json!({"name": name(one), "slot": null, "image": one["Image"], "state": one["State"]}));
    let node = json!({"name": info["Name"], "role": "no swarm", "state": "ready", "tasks": tasks.collect::<Vec<Value>>()});
    json!({"swarm": false, "nodes": [node]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_drawn_on_their_nodes() {
        let nodes = json!([{"ID": "n1", "Description": {"Hostname": "one"}, "Spec": {"Role": "manager"}, "Status": {"State": "ready"}}]);
        let task = |id: &str, node: &str, wanted: &str| json!({"ID": id, "NodeID": node, "ServiceID": "s", "Slot": 1, "DesiredState": wanted, "Status": {"State": "running"}});
        let tasks = json!([task("a", "n1", "running"), task("b", "n1", "shutdown"), task("c", "n2", "running")]);
        let drawn = swarm(&nodes, &tasks, &json!([{"ID": "s", "Spec": {"Name": "vote"}}]));
        assert_eq!(drawn["nodes"][0]["tasks"].as_array().map(Vec::len), Some(1));
        assert_eq!(drawn["nodes"][0]["tasks"][0]["name"], "vote");
        let alone = single(&json!({"Name": "bench"}), &json!([{"Names": ["/web"], "Image": "nginx", "State": "running"}]));
        assert_eq!(alone["nodes"][0]["tasks"][0]["name"], "web");
        assert_eq!(single(&Value::Null, &Value::Null)["nodes"][0]["tasks"], json!([]));
    }
}
