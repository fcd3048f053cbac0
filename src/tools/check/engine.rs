//! An engine as a world that facts look at.
//!
//! Each look is answered by the Docker API with the document that a host of a bottle would give. A process of a container is known by the number of its
//! first one: that stands for the container when files are read in it, or a connection is tried from it.

use std::process::Command;

use serde_json::{Value, json};

use super::documents;
use super::inside::{Inside, own, ran};
use crate::bottle::Probe;
use crate::bottle::probe::{self, Netns, Target};
use crate::course::question::{LINES, Question};
use crate::course::world::{Look, UNSEEN, World};
use crate::tools::docker::Asked;

/// The longest log that is read, in bytes.
const LONGEST: usize = 64 << 20;
/// How much of a file is part of an answer, and what its heads in an archive may add.
const CONTENT: usize = 64 << 10;
const HEADS: usize = 16 << 10;
/// What `docker` may be asked by a fact without anybody's leave: commands that look, and programs in containers.
const LOOKING: &[&str] = &["exec", "inspect", "logs", "port", "top", "diff", "ps", "images", "history", "version", "info"];
/// The same in groups of commands.
const LOOKING_IN: &[&str] = &["inspect", "ls", "list", "logs", "port", "top", "diff", "history", "exec"];

/// The engine.
pub struct Engine {
    asked: Asked,
    /// Whether shell commands of the course may be run on this machine.
    commands: bool,
}

impl World for Engine {
    fn look(&mut self, _host: &str, look: &Look) -> Result<Value, String> {
        match look {
            Look::Probe(Probe::Name) => self.asked.get("/version").map(|version| version["Version"].clone()),
            Look::Probe(Probe::Containers) => Ok(json!({ "containers": [] })),
            Look::Probe(Probe::Processes) => Ok(documents::processes(&self.containers()?)),
            Look::Probe(Probe::File { path, process }) => self.file(path, *process),
            Look::Probe(Probe::Reach { from, to }) => self.reach(from, to),
            Look::Probe(_) => Err(format!("{UNSEEN}it is about the kernel of the bottle")),
            Look::Ask(question) => self.answer(question),
            Look::Run(command) => self.run(command),
        }
    }
}

impl Engine {
    /// The engine that is asked; `commands`: shell commands of the course may be run here.
    pub fn new(asked: Asked, commands: bool) -> Self {
        Engine { asked, commands }
    }

    fn answer(&self, question: &Question) -> Result<Value, String> {
        match question {
            Question::Containers => Ok(json!({ "containers": self.containers()? })),
            Question::Volumes => Ok(documents::volumes(&self.asked.get("/volumes")?, &self.containers()?)),
            Question::Networks => Ok(documents::networks(&self.asked.get("/networks")?, &self.containers()?)),
            Question::Images => self.images(),
            Question::Image { name } => self.image(name),
            Question::Log { id } => self.log(id),
            Question::Resolve { pid, name } => self.inside(*pid, |inside| Ok(inside.resolve(name))),
            Question::Layers { .. } => Err(format!("{UNSEEN}the Docker API does not show single layers")),
            Question::Registry { .. } => Err(format!("{UNSEEN}it asks a registry of the bottle")),
        }
    }

    /// All of them, the newest first. One that is removed just now is not there.
    fn containers(&self) -> Result<Vec<Value>, String> {
        let listed = self.asked.get("/containers/json?all=1")?;
        let ids = listed.as_array().into_iter().flatten().filter_map(|one| one["Id"].as_str());
        let shown = ids.map(|id| self.asked.about("/containers/{}/json", id)).collect::<Result<Vec<_>, String>>()?;
        let mut all = shown.iter().flatten().map(documents::container).collect::<Result<Vec<Value>, String>>()?;
        all.sort_by(|one, other| other["created"].as_str().cmp(&one["created"].as_str()));
        Ok(all)
    }

    fn images(&self) -> Result<Value, String> {
        let listed = self.asked.get("/images/json")?;
        let ids = listed.as_array().into_iter().flatten().filter_map(|one| one["Id"].as_str());
        let shown = ids.map(|id| self.asked.about("/images/{}/json", id)).collect::<Result<Vec<_>, String>>()?;
        let images = shown.iter().flatten().map(|shown| documents::image(shown, &Value::Null)).collect::<Result<Vec<_>, String>>()?;
        Ok(json!({ "images": images }))
    }

    fn image(&self, name: &str) -> Result<Value, String> {
        let Some(shown) = self.asked.about("/images/{}/json", name)? else { return Ok(json!({ "exists": false })) };
        let history = self.asked.about("/images/{}/history", name)?.unwrap_or_default();
        documents::image(&shown, &history)
    }

    fn log(&self, id: &str) -> Result<Value, String> {
        let tty = self.asked.about("/containers/{}/json", id)?.is_some_and(|shown| shown["Config"]["Tty"] == true);
        let pieces = self.asked.log(id, tty, LINES, LONGEST)?;
        let mut lines = Vec::new();
        let mut begun = [Vec::new(), Vec::new()];
        let said = |error: bool, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            json!({ "stream": if error { "stderr" } else { "stdout" }, "text": text.trim_end_matches(['\n', '\r']) })
        };
        for (stream, bytes) in pieces {
            let error = stream == 2;
            let text: &mut Vec<u8> = &mut begun[usize::from(error)];
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                text.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    lines.push(said(error, &std::mem::take(text)));
                }
            }
        }
        lines.extend(begun.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(|(at, text)| said(at == 1, text)));
        Ok(json!({ "lines": lines }))
    }

    /// A file of a container that runs, or of a volume that some container has.
    fn file(&self, path: &str, process: Option<i32>) -> Result<Value, String> {
        let containers = self.containers()?;
        if let Some(pid) = process {
            let found = containers.iter().find(|one| one["pid"].as_i64() == Some(i64::from(pid))).ok_or("the container has just ended")?;
            return self.archived(found, path);
        }
        let volume = path.strip_prefix(&documents::volume_files("")).and_then(|rest| rest.split_once('/'));
        let (name, file) = volume.ok_or_else(|| format!("{UNSEEN}it is about a file of the bottle's host"))?;
        let mounted = containers.iter().find_map(|one| {
            let mount = one["mounts"].as_array()?.iter().find(|mount| mount["name"] == name)?;
            Some((one, format!("{}/{file}", mount["at"].as_str()?.trim_end_matches('/'))))
        });
        let (container, path) =
            mounted.ok_or_else(|| format!("{UNSEEN}no container has the volume {name}, so the API shows no file of it"))?;
        self.archived(container, &path)
    }

    fn archived(&self, container: &Value, path: &str) -> Result<Value, String> {
        let id = container["id"].as_str().unwrap_or_default();
        let bytes = self.asked.bytes(&format!("/containers/{id}/archive"), &[("path", path)], CONTENT + HEADS)?;
        bytes.map_or_else(|| Ok(json!({ "exists": false })), |bytes| first_entry(&bytes).map_err(|error| format!("read `{path}`: {error}")))
    }

    fn reach(&self, from: &Netns, to: &Target) -> Result<Value, String> {
        match from {
            Netns::Process(pid) => self.inside(*pid, |inside| inside.reach(to)),
            Netns::Named(_) => Err(format!("{UNSEEN}it starts from a network namespace of the bottle")),
            Netns::Own if self.is_here() => Ok(probe::answer(&Probe::Reach { from: Netns::Own, to: to.clone() })),
            Netns::Own => Err(format!("{UNSEEN}the engine is on another machine, and so are its published ports")),
        }
    }

    /// Whether the engine publishes its ports on this machine.
    fn is_here(&self) -> bool {
        let address = self.asked.host().trim_start_matches("tcp://");
        self.asked.socket().is_some() || ["127.", "localhost", "[::1]"].iter().any(|own| address.starts_with(own))
    }

    fn inside<T>(&self, pid: i32, work: impl FnOnce(&Inside<'_>) -> Result<T, String>) -> Result<T, String> {
        let containers = self.containers()?;
        let found = containers.iter().find(|one| one["pid"].as_i64() == Some(i64::from(pid))).ok_or("the container has just ended")?;
        work(&Inside { id: found["id"].as_str().unwrap_or_default(), pid, host: self.asked.host() })
    }

    /// A command that was written for the bench of a bottle.
    fn run(&self, line: &str) -> Result<Value, String> {
        let ended = match looking(line) {
            Some(words) => ran(own(self.asked.host())?.arg("docker").args(words))?,
            None if self.commands => {
                // Ends the shell and all that it has started.
                let mut command = Command::new("timeout");
                ran(command.args(["-s", "KILL", "5", "bash", "-c", line]).env("DOCKER_HOST", self.asked.host()))?
            }
            None => return Err(format!("{UNSEEN}it runs a shell command of the course on this machine: `--run-commands` allows it")),
        };
        Ok(ended.map_or_else(|| json!({ "late": true }), |(code, text)| json!({ "code": code, "text": text })))
    }
}

/// The words behind `docker` of a line that only looks, and needs no shell to be read.
fn looking(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line)?;
    // What a shell would do more than splitting words: not where it is quoted.
    if !is_plain(line) || words.first().is_none_or(|word| word != "docker") {
        return None;
    }
    let rest = &words[1..];
    let (first, second) = (rest.first()?.as_str(), rest.get(1).map_or("", String::as_str));
    let group = ["container", "image", "volume", "network"].contains(&first) && LOOKING_IN.contains(&second);
    (LOOKING.contains(&first) || group).then(|| rest.to_vec())
}

fn is_plain(line: &str) -> bool {
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(letters.next()),
            (Some('"'), '$' | '`')
            | (None, '|' | '&' | ';' | '<' | '>' | '$' | '`' | '\n' | '(' | ')' | '*' | '?' | '[' | '{' | '~' | '#' | '!') => {
                return false;
            }
            (None, '\'' | '"') => quote = Some(letter),
            _ => {}
        }
    }
    quote.is_none()
}

/// What a file is, by its head in an archive, and what is in it.
fn first_entry(bytes: &[u8]) -> std::io::Result<Value> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(bytes);
    let Some(entry) = archive.entries()?.next() else { return Ok(json!({ "exists": false })) };
    let entry = entry?;
    let head = entry.header().clone();
    let sort = match head.entry_type() {
        tar::EntryType::Directory => "dir",
        tar::EntryType::Symlink => "link",
        tar::EntryType::Char => "char",
        tar::EntryType::Block => "block",
        tar::EntryType::Fifo => "fifo",
        _ => "file",
    };
    let mode = head.mode()? & 0o7777;
    let mut document = json!({
        "exists": true, "kind": sort, "mode": format!("{mode:04o}"), "owner": format!("{}:{}", head.uid()?, head.gid()?), "size": entry.size(),
        "executable": sort == "file" && mode & 0o111 != 0,
    });
    if let Some(target) = entry.link_name()?.filter(|_| sort == "link") {
        document["links_to"] = target.display().to_string().into();
    }
    if sort == "file" {
        let mut content = Vec::new();
        // Of a long file only the beginning was asked for; the archive then breaks off, and what is there is enough.
        let _ = entry.take(CONTENT as u64).read_to_end(&mut content);
        document["content"] = String::from_utf8_lossy(&content).into();
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_look_are_taken_without_leave() {
        let words = |line: &str| looking(line).map(|words| words.join(" "));
        assert_eq!(words("docker exec db redis-cli get owner").unwrap(), "exec db redis-cli get owner");
        assert_eq!(words("docker inspect -f '{{.State.Status}}' web").unwrap(), "inspect -f {{.State.Status}} web");
        assert_eq!(words("docker exec web sh -c 'ls | wc -l; echo $X'").unwrap(), "exec web sh -c ls | wc -l; echo $X");
        assert!(words("docker volume ls -q").is_some());
        for line in [
            "docker rm -f web",
            "docker run --privileged -v /:/host alpine",
            "docker logs web 2>&1 | tail -n 1",
            "docker exec web cat \"$HOME\"",
            "docker exec web echo $(reboot)",
            "docker ps; reboot",
            "docker ps & reboot",
            "docker ps\nreboot",
            "docker volume rm data",
            "cat /etc/shadow",
            "docker",
            "docker ps 'open",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn a_file_is_told_from_its_archive() {
        let mut tree = tar::Builder::new(Vec::new());
        let mut head = tar::Header::new_gnu();
        head.set_size(5);
        head.set_mode(0o400);
        head.set_uid(33);
        head.set_gid(0);
        head.set_cksum();
        tree.append_data(&mut head, "word", &b"ahoy\n"[..]).unwrap();
        let whole = tree.into_inner().unwrap();
        let told = first_entry(&whole).unwrap();
        let wanted =
            json!({"exists": true, "kind": "file", "mode": "0400", "owner": "33:0", "size": 5, "executable": false, "content": "ahoy\n"});
        assert_eq!(told, wanted);
        assert_eq!(first_entry(&whole[..514]).unwrap()["content"], "ah", "an archive that breaks off");
        assert_eq!(first_entry(&[]).unwrap()["exists"], false);
    }
}
