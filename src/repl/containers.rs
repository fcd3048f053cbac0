//! `:why` about a container: why it ended, why nobody reaches its port, why its names are not known. What the engine remembers of it is read as facts
//! read it, and its ports are knocked at from inside.

use serde_json::Value;

use super::why;
use crate::bottle::probe::{Netns, Target};
use crate::bottle::{Bottle, Probe};
use crate::course::question::Question;
use crate::course::world::{Live, Look, World as _};
use crate::ui::{Doc, Face, Text, markdown};

/// The answer to `:why OF` where `of` is a container of the host; or, where nothing is named, the one that the last line, `line`, was about. None where there is none.
pub fn doc(bottle: &Bottle, host: &str, line: &str, of: &str) -> Option<Doc> {
    if of.is_empty() && !is_docker(line) {
        return None;
    }
    let mut world = Live { bottle };
    let all = world.look(host, &Look::Ask(Question::Containers)).ok()?;
    let all = all["containers"].as_array()?;
    let one = if of.is_empty() { meant(line, all) } else { all.iter().find(|one| one["name"] == of.trim_start_matches("container/")) }?;
    let pid = one["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
    let mut knock = |address: &str, port: u16| {
        let to = Target::Tcp(address.to_owned(), port);
        let answer = world.look(host, &Look::Probe(Probe::Reach { from: Netns::Process(pid), to }));
        answer.is_ok_and(|answer| answer["answers"] == "yes")
    };
    Some(story(one, &mut knock))
}

/// Whether a line is one of docker's.
fn is_docker(line: &str) -> bool {
    line.split(['|', ';', '&', '('])
        .any(|part| part.split_whitespace().find(|word| !word.contains('=') && *word != "sudo") == Some("docker"))
}

/// The container that a line names; of `docker run` without a name, the newest.
fn meant<'a>(line: &str, all: &'a [Value]) -> Option<&'a Value> {
    let words: Vec<&str> = line.split(|letter: char| letter.is_whitespace() || "=;|&()'\"".contains(letter)).collect();
    let named = all.iter().find(|one| {
        let (name, id) = (one["name"].as_str().unwrap_or_default(), one["id"].as_str().unwrap_or_default());
        words.iter().any(|word| !word.is_empty() && (*word == name || word.len() >= 4 && id.starts_with(*word)))
    });
    // What `--rm` has taken away has left nothing to tell.
    let runs = words.contains(&"run") && !words.iter().any(|word| ["--name", "--rm"].contains(word));
    named.or_else(|| all.first().filter(|_| runs))
}

/// All that can be said of a container, from the general to the particular.
fn story(one: &Value, knock: &mut dyn FnMut(&str, u16) -> bool) -> Doc {
    let name = one["name"].as_str().unwrap_or_default();
    let mut doc = Doc::new().line(Text::of(Face::Strong, format!("The container {name}")).and(Face::Plain, format!(" {}.", doing(one))));
    let mut said = Vec::new();
    said.extend(ended(one));
    said.extend(restarted(one));
    if one["running"] == true {
        said.extend(health(one));
        said.extend(names(one));
        said.extend(ports(one, knock));
    }
    for sentence in said {
        doc = doc.paragraph(markdown::inline(&sentence));
    }
    doc
}

fn text<'v>(one: &'v Value, key: &str) -> &'v str {
    one[key].as_str().unwrap_or_default()
}

fn code(one: &Value) -> i64 {
    one["exit_code"].as_i64().unwrap_or(0)
}

fn doing(one: &Value) -> String {
    match text(one, "status") {
        "running" => format!("runs, as process {} of this host", one["pid"]),
        "exited" => format!("has ended with exit code {}", code(one)),
        "restarting" => format!("has ended with exit code {} and waits to be started again", code(one)),
        "created" => "was made and never ran".to_owned(),
        other => format!("is {other}"),
    }
}

/// Why it does not run.
fn ended(one: &Value) -> Option<String> {
    let error = text(one, "error");
    if !error.is_empty() {
        return Some(format!("It could not be started: {error}"));
    }
    if !["exited", "restarting", "dead"].contains(&text(one, "status")) {
        return None;
    }
    if one["oom_killed"] == true {
        let limit = one["memory"]
            .as_u64()
            .map_or_else(|| "the machine had none left".to_owned(), |bytes| format!("its limit is {} MiB", bytes >> 20));
        return Some(format!(
            "The kernel killed it for its memory (`OOMKilled` is true): {limit}. No line of its log can tell that, for it never got to write one. \
             Give it more (`-m`), or have it use less."
        ));
    }
    Some(match code(one) {
        0 => "Its first program was done and said that all went well. A container lives as long as its first program does.".to_owned(),
        125 => "125 is docker's own: the container could not be made or started. What docker wrote says why.".to_owned(),
        126 => "126: its program is there but could not be run. It is a folder, may not be executed by its user, or is no program.".to_owned(),
        127 => "127: there is no such program in the image, or a shell in it did not find a command. `docker inspect` shows what was to run.".to_owned(),
        137 => "137 is 128 + 9: SIGKILL, and not for its memory. `docker kill` sends it; `docker stop` does too, when the program has not ended ten \
                seconds after SIGTERM. The first process of a container takes only those signals that it has a handler for: a shell has none, and hands none on."
            .to_owned(),
        143 => "143 is 128 + 15: SIGTERM, the polite request of `docker stop`.".to_owned(),
        code @ 129..=192 => why::killed(code - 128),
        code => format!("The program itself said {code}. What it wrote before may say why: `docker logs {}`.", text(one, "name")),
    })
}

fn restarted(one: &Value) -> Option<String> {
    let times = one["restarts"].as_u64().filter(|times| *times > 0)?;
    let policy = text(one, "restart");
    Some(format!("Its policy `--restart {policy}` has started it again {times} time{}.", if times == 1 { "" } else { "s" }))
}

fn health(one: &Value) -> Option<String> {
    let said = text(one, "health_said").trim();
    let told = if said.is_empty() { String::new() } else { format!(" It said last: {}", said.lines().next().unwrap_or_default()) };
    (text(one, "health") == "unhealthy").then(|| {
        format!(
            "Its test (`{}`) has failed {} times in a row, so it is unhealthy.{told} Docker tells that and does nothing about it.",
            text(one, "healthcheck"),
            one["health_failing"]
        )
    })
}

/// Which names it knows.
fn names(one: &Value) -> Option<String> {
    let networks: Vec<&String> = one["networks"].as_object()?.keys().collect();
    match networks.as_slice() {
        [only] if *only == "bridge" => Some(
            "It is on the default network `bridge` alone. That one has no names: other containers are reached there by their addresses only. On a network of \
             your own (`docker network create`, `--network`) the engine answers for all names in it, at 127.0.0.11."
                .to_owned(),
        ),
        [only] if ["host", "none"].contains(&only.as_str()) => None,
        [] => None,
        many => {
            let many: Vec<&str> = many.iter().map(|name| name.as_str()).collect();
            Some(format!("It knows the names of the containers that run in {}, and no others.", many.join(" and ")))
        }
    }
}

/// Why nobody answers at its ports.
fn ports(one: &Value, knock: &mut dyn FnMut(&str, u16) -> bool) -> Vec<String> {
    let published: Vec<&Value> = one["ports"].as_array().into_iter().flatten().collect();
    let port = |port: &Value| port["port"].as_str().unwrap_or_default().to_owned();
    let exposed = one["exposed"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut said: Vec<String> = exposed
        .filter(|name| !published.iter().any(|other| port(other) == *name))
        .map(|name| format!("Its port {name} is exposed, which is a remark and opens nothing: only `-p` publishes a port on the host."))
        .collect();
    let own = one["networks"]
        .as_object()
        .into_iter()
        .flatten()
        .find_map(|(_, endpoint)| endpoint["address"].as_str().filter(|address| !address.is_empty()));
    for place in &published {
        let inner = port(place);
        let twin = |other: &&Value| other["address"] == "0.0.0.0" && port(other) == inner && other["host_port"] == place["host_port"];
        if place["address"] == "::" && published.iter().any(twin) {
            // The same in IPv6: told once is enough.
            continue;
        }
        let outer = format!("{}:{}", place["address"].as_str().unwrap_or_default(), place["host_port"]);
        let Some(number) = inner.strip_suffix("/tcp").and_then(|number| number.parse::<u16>().ok()) else { continue };
        said.push(match own.map(|address| (knock(address, number), knock("127.0.0.1", number))) {
            Some((true, _)) => format!("Its port {inner} is published at {outer}, and somebody answers there.{}", only_here(place)),
            Some((false, true)) => format!(
                "Its port {inner} is published at {outer}, but the program listens on 127.0.0.1 of the container alone, where nobody comes from outside: it must listen on 0.0.0.0."
            ),
            _ => format!("Its port {inner} is published at {outer}, but in the container nobody listens on {number}. Is it the port of the program? Has that started?"),
        });
    }
    said
}

fn only_here(place: &Value) -> &'static str {
    if place["address"] == "127.0.0.1" { " Only from this host, though: it is published on 127.0.0.1." } else { "" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ui::Style;

    fn told(one: &Value, open: &[(&str, u16)]) -> String {
        let said = story(one, &mut |address, port| open.contains(&(address, port))).render(&Style::plain(2000));
        // Where its lines break is not what is tested here.
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_end_has_a_reason() {
        let ended = |change: Value| {
            let mut one = json!({"name": "job", "status": "exited", "exit_code": 0, "memory": "max", "restarts": 0, "restart": "no"});
            one.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            told(&one, &[])
        };
        for (change, says) in [
            (json!({}), "lives as long as its first program does"),
            (json!({"exit_code": 3}), "said 3"),
            (json!({"exit_code": 137}), "and not for its memory"),
            (json!({"exit_code": 137, "oom_killed": true, "memory": 64 << 20}), "its limit is 64 MiB"),
            (json!({"exit_code": 143}), "the polite request of"),
            (json!({"exit_code": 139}), "touched memory that is not its own"),
            (json!({"exit_code": 127}), "no such program in the image"),
            (json!({"status": "created", "error": "no such file"}), "could not be started: no such file"),
            (json!({"exit_code": 1, "restarts": 4, "restart": "always"}), "has started it again 4 times"),
        ] {
            let said = ended(change);
            assert!(said.contains(says), "{says}: {said}");
        }
    }

    #[test]
    fn a_port_and_a_name_have_reasons_too() {
        let one = json!({"name": "web", "status": "running", "running": true, "pid": 7, "exposed": ["80/tcp", "443/tcp"], "health": "none",
            "networks": {"bridge": {"address": "172.17.0.2"}},
            "ports": [{"port": "80/tcp", "address": "0.0.0.0", "host_port": 8080}, {"port": "80/tcp", "address": "::", "host_port": 8080}]});
        let said = told(&one, &[("172.17.0.2", 80)]);
        for says in ["no names", "443/tcp is exposed, which is a remark", "80/tcp is published at 0.0.0.0:8080, and somebody answers"] {
            assert!(said.contains(says), "{says}: {said}");
        }
        assert_eq!(said.matches("is published at").count(), 1, "{said}");
        assert!(told(&one, &[("127.0.0.1", 80)]).contains("listens on 127.0.0.1 of the container alone"));
        assert!(told(&one, &[]).contains("nobody listens on 80"));
    }

    #[test]
    fn a_line_is_about_the_container_that_it_names() {
        let all = [json!({"name": "web", "id": "aaaabbbb"}), json!({"name": "db", "id": "ccccdddd"})];
        let name = |line: &str| meant(line, &all).map(|one| one["name"].as_str().unwrap().to_owned());
        assert_eq!(name("docker stop db").as_deref(), Some("db"));
        assert_eq!(name("docker rm cccc").as_deref(), Some("db"));
        assert_eq!(name("docker run -d nginx").as_deref(), Some("web"), "the newest");
        assert_eq!(name("docker run --name=db x").as_deref(), Some("db"));
        assert_eq!((name("docker run --rm x"), name("docker images")), (None, None));
        assert!(is_docker("cd /x && sudo docker ps") && is_docker("A=b docker ps") && !is_docker("echo docker"));
    }
}
