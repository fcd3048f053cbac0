//! What there is in a bottle, as one document.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::bottle::attach::{Attached, Seen};
use crate::bottle::{self, Host};
use crate::course::{Course, demo::Demo};
use crate::journal::{Event, Reader};

/// Between two looks at whether the journal has grown: no descriptor tells that of a file that somebody else writes.
const LOOK: Duration = Duration::from_millis(100);
/// What the journal does not tell (a host that comes up, an engine that is stopped) is looked at so often.
const ANEW: Duration = Duration::from_secs(2);
/// How many events are shown.
const SHOWN: usize = 60;
/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where an engine listens on its host.
const SOCKET: &str = "/run/docker.sock";

/// Looks at a bottle again and again.
pub struct Looker {
    bottle: Attached,
    name: String,
    journal: Reader,
    events: VecDeque<Value>,
    step: Value,
    check: Value,
    runtime: Runtime,
    course: Course,
    demos: Vec<Demo>,
    looked: Option<Instant>,
}

impl Looker {
    /// Takes hold of a running bottle.
    ///
    /// # Errors
    /// It is not running, or its journal cannot be read.
    pub fn at(name: &str) -> Result<Looker, bottle::Error> {
        let bottle = Attached::to(name)?;
        let refused = |doing: &str, why: &dyn std::fmt::Display| bottle::Error::Refused {
            doing: doing.to_owned(),
            why: why.to_string(),
            errno: None,
            hint: None,
        };
        let journal = Reader::open(&bottle.journal()).map_err(|error| refused("follow the bottle", &error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| refused("begin to ask engines", &error))?;
        let demos = Demo::embedded().map_err(|error| refused("read the demos of this program", &error))?;
        Ok(Looker {
            bottle,
            name: name.to_owned(),
            journal,
            events: VecDeque::new(),
            step: Value::Null,
            check: Value::Null,
            runtime,
            course: Course::embedded(),
            demos,
            looked: None,
        })
    }

    /// The next document, once there may be something new; none when the bottle has ended.
    pub fn next(&mut self) -> Option<String> {
        loop {
            let news = self.follow()?;
            if news || self.looked.is_none_or(|looked| looked.elapsed() > ANEW) {
                self.looked = Some(Instant::now());
                return Some(self.document()?.to_string());
            }
            if self.bottle.ended_within(LOOK) {
                return None;
            }
        }
    }

    /// Reads on in the journal; whether something was told.
    fn follow(&mut self) -> Option<bool> {
        let mut news = false;
        for event in self.journal.more().ok()? {
            // Kernel calls are for `:zoom`: there are hundreds of them in a second.
            if event.kind == "xray" || event.kind == "api" {
                continue;
            }
            news = true;
            match (event.actor.as_str(), event.kind.as_str()) {
                // What a process in the bottle says of itself is shown, and is not the course's word.
                ("course", "step") if !event.inside => {
                    self.step = self.step_of(&event.subject);
                    self.check = Value::Null;
                }
                ("check", "check") if !event.inside => self.check = event.data["verdict"].clone(),
                _ => {}
            }
            self.events.push_back(told(&event));
            if self.events.len() > SHOWN {
                self.events.pop_front();
            }
        }
        Some(news)
    }

    fn step_of(&self, place: &str) -> Value {
        let (unit, step) = place.split_once('#').unwrap_or((place, ""));
        let demo = self.demos.iter().map(|demo| &demo.unit).find(|demo| demo.id == unit);
        let known = self.course.entry(unit).ok().map(|entry| &*entry.example).filter(|known| known.id == unit).or(demo);
        let at = known.and_then(|known| known.step(step));
        json!({
            "unit": unit, "step": step,
            "unit_title": known.map(|known| known.title.clone()),
            "title": known.zip(at).map(|(known, at)| known.steps[at].title.clone()),
            "number": at.map(|at| at + 1), "of": known.map(|known| known.steps.len()),
        })
    }

    fn document(&self) -> Option<Value> {
        let hosts = self.bottle.hosts().ok()?;
        let (mut shown, mut containers, mut networks, mut volumes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for host in &hosts {
            let engine = if host.up { engine(&host.host) } else { "" };
            shown.push(json!({ "name": host.name, "address": host.address, "up": host.up, "engine": engine }));
            if engine == "running" {
                let [all, nets, vols] = self.ask(host, ["/containers/json?all=1", "/networks", "/volumes"]);
                containers.extend(all.as_array().into_iter().flatten().map(|one| container(&host.name, one)));
                networks.extend(nets.as_array().into_iter().flatten().map(|one| network(&host.name, one)));
                volumes.extend(vols["Volumes"].as_array().into_iter().flatten().map(|one| volume(&host.name, one)));
            }
        }
        for list in [&mut containers, &mut networks, &mut volumes] {
            list.sort_by_key(|one| (one["host"].to_string(), one["name"].to_string()));
        }
        Some(json!({
            "bottle": self.name, "hosts": shown, "containers": containers, "networks": networks, "volumes": volumes,
            "step": self.step, "check": self.check, "events": self.events,
        }))
    }

    /// An engine's answers; nothing where it has just gone away. All come over one connection: whoever connects to an engine that has been stopped meanwhile
    /// wakes it.
    fn ask<const COUNT: usize>(&self, host: &Seen, paths: [&str; COUNT]) -> [Value; COUNT] {
        let mut answers = [const { Value::Null }; COUNT];
        let Ok(stream) = host.host.reach(SOCKET) else { return answers };
        // What has come until it went away is shown.
        let asked = async { drop(tokio::time::timeout(PATIENCE, get(stream, paths, &mut answers)).await) };
        self.runtime.block_on(asked);
        answers
    }
}

/// How the engine of a host is: `running`, `waiting` (nobody has used it), `failed`, or nothing where there is none.
fn engine(host: &Host) -> &'static str {
    match host.daemon_state("docker").as_deref() {
        Ok("running") => "running",
        Ok("waiting") => "waiting",
        Ok("failed") => "failed",
        _ => "",
    }
}

async fn get<const COUNT: usize>(stream: std::os::unix::net::UnixStream, paths: [&str; COUNT], answers: &mut [Value; COUNT]) -> Option<()> {
    stream.set_nonblocking(true).ok()?;
    let stream = UnixStream::from_std(stream).ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // How it ends is seen in the answers.
    let carried = tokio::spawn(async move { drop(connection.await) });
    for (path, to) in paths.into_iter().zip(answers) {
        let request = Request::get(path).header("Host", "docker").body(Empty::<Bytes>::new()).ok()?;
        sender.ready().await.ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        *to = serde_json::from_slice(&body).ok()?;
    }
    carried.abort();
    Some(())
}

fn container(host: &str, one: &Value) -> Value {
    let name = one["Names"][0].as_str().unwrap_or_default().trim_start_matches('/');
    let networks: Vec<Value> = one["NetworkSettings"]["Networks"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, end)| json!({ "name": name, "address": end["IPAddress"] }))
        .collect();
    let ports: Vec<String> = one["Ports"].as_array().into_iter().flatten().filter_map(port).collect();
    // `Up 5 seconds (healthy)`: the seconds would be a change every second, the health is one that matters.
    let status = one["Status"].as_str().unwrap_or_default();
    let health = status.rsplit_once('(').filter(|(before, _)| before.starts_with("Up")).map(|(_, health)| health.trim_end_matches(')'));
    let exit = status.strip_prefix("Exited (").and_then(|rest| rest.split(')').next());
    json!({
        "host": host, "id": one["Id"].as_str().unwrap_or_default().get(..12), "name": name, "image": one["Image"], "state": one["State"],
        "health": health, "exit": exit, "networks": networks, "ports": ports,
    })
}

/// `127.0.0.1:8080 → 80/tcp`, or `80/tcp` for one that is not published.
fn port(port: &Value) -> Option<String> {
    let inside = format!("{}/{}", port["PrivatePort"].as_u64()?, port["Type"].as_str()?);
    Some(match port["PublicPort"].as_u64() {
        Some(public) => format!("{}:{public} → {inside}", port["IP"].as_str().unwrap_or("0.0.0.0")),
        None => inside,
    })
}

fn network(host: &str, one: &Value) -> Value {
    json!({ "host": host, "name": one["Name"], "driver": one["Driver"], "subnet": one["IPAM"]["Config"][0]["Subnet"], "internal": one["Internal"] })
}

fn volume(host: &str, one: &Value) -> Value {
    json!({ "host": host, "name": one["Name"], "driver": one["Driver"] })
}

fn told(event: &Event) -> Value {
    json!({ "seq": event.seq, "host": event.host, "actor": event.actor, "kind": event.kind, "subject": event.subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_shown_without_what_changes_every_second() {
        let one = |status: &str| {
            json!({
                "Id": "0123456789abcdef", "Names": ["/web"], "Image": "nginx", "State": "running", "Status": status,
                "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"}],
                "NetworkSettings": {"Networks": {"front": {"IPAddress": "172.18.0.2"}}},
            })
        };
        let shown = container("bench", &one("Up 5 seconds (healthy)"));
        assert_eq!(shown, container("bench", &one("Up 2 minutes (healthy)")));
        assert_eq!(
            (shown["id"].as_str(), shown["name"].as_str(), shown["health"].as_str()),
            (Some("0123456789ab"), Some("web"), Some("healthy"))
        );
        assert_eq!(shown["ports"], json!(["0.0.0.0:8080 → 80/tcp", "443/tcp"]));
        assert_eq!(shown["networks"], json!([{"name": "front", "address": "172.18.0.2"}]));
        assert_eq!(container("bench", &one("Exited (137) 3 seconds ago"))["exit"], "137");
        assert_eq!(container("bench", &one("Exited (137) 3 seconds ago"))["health"], Value::Null);
    }
}
