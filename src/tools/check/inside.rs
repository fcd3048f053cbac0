//! Trying a connection from in a container: in its network namespace where that is at hand, else by a program that the container has.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bottle::Probe;
use crate::bottle::probe::{self, Netns, Target};
use crate::course::world::UNSEEN;
use crate::kernel::{fs, poll};
use crate::tools::look::names;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of what it says is kept, in bytes.
const SAID: usize = 64 << 10;
/// The exit code of the scripts below where the container has no program for it.
const NO_TOOL: i32 = 90;

/// A container that runs.
pub struct Inside<'e> {
    /// Its id, whole.
    pub id: &'e str,
    /// The number of its first process, as the engine counts.
    pub pid: i32,
    /// Where its engine is, as `DOCKER_HOST` has it.
    pub host: &'e str,
}

/// A port is tried by `nc -z`, or by a shell that can connect.
const PORT: &str = r#"
if command -v nc >/dev/null 2>&1; then
    said=$(nc -z -w 2 "$1" "$2" 2>&1 </dev/null) && exit 0
    case $said in *[Uu]sage*|*[Ii]nvalid*|*nrecognized*) ;; *) echo "$said"; exit 1;; esac
fi
command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1 || exit 90
timeout 2 bash -c ': 2>&1 <>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1
"#;

/// A page is fetched. An answer that says no is an answer.
const PAGE: &str = r#"
if command -v curl >/dev/null 2>&1; then exec curl -sS -m 2 "http://$1:$2$3" 2>&1; fi
command -v wget >/dev/null 2>&1 || exit 90
said=$(wget -q -T 2 -O - "http://$1:$2$3" 2>&1); code=$?
echo "$said"
[ $code = 8 ] && exit 0
case $said in *"server returned error"*) exit 0;; esac
exit $code
"#;

const PING: &str = r#"command -v ping >/dev/null 2>&1 || exit 90; exec ping -c 1 -W 2 "$1" 2>&1"#;

impl Inside<'_> {
    /// Whether something answers there: the document of `Probe::Reach`.
    ///
    /// # Errors
    /// It cannot be tried.
    pub fn reach(&self, to: &Target) -> Result<Value, String> {
        if self.is_of_this_machine() {
            let question = Probe::Reach { from: Netns::Process(self.pid), to: to.clone() };
            // A thread of its own: it stays in the namespace that it enters, and ends.
            let document = std::thread::spawn(move || probe::answer(&question)).join().unwrap_or_default();
            if document.get("answers").is_some() {
                return Ok(document);
            }
        }
        let port = |port: &u16| port.to_string();
        let (script, words) = match to {
            Target::Tcp(host, number) | Target::Service(host, number) => (PORT, vec![host.clone(), port(number)]),
            // Names are for the one who asks: the address in `host` may stand for one.
            Target::Http { host, port: number, path, name } => {
                (PAGE, vec![name.clone().unwrap_or_else(|| host.clone()), port(number), path.clone()])
            }
            Target::Ping(host) => (PING, vec![host.clone()]),
            Target::Unix(_) => return Err(format!("{UNSEEN}a socket in a container")),
        };
        self.tried(script, &words)
    }

    /// What a name means there; where only its own programs know, the name itself.
    pub fn resolve(&self, name: &str) -> Value {
        let (pid, wanted) = (self.pid, name.to_owned());
        let found = self.is_of_this_machine().then(|| std::thread::spawn(move || names::resolve(pid, &wanted)).join());
        match found {
            Some(Ok(Ok(document))) => document,
            _ => json!({ "addresses": [name] }),
        }
    }

    /// Whether the number of its process is one of this machine too, and it is the container's: the id is in the path of its cgroup, or, where it has
    /// none of its own, in the paths of what an engine mounts into every container (`/etc/hosts` and others).
    fn is_of_this_machine(&self) -> bool {
        let holds = |file: &str| fs::read(Path::new(&format!("/proc/{}/{file}", self.pid))).is_ok_and(|text| text.contains(self.id));
        holds("cgroup") || holds("mountinfo")
    }

    fn tried(&self, script: &str, words: &[String]) -> Result<Value, String> {
        let line = ["docker", "exec", self.id, "sh", "-c", script, "sh"];
        let Some((code, said)) = ran(own(self.host)?.args(line).args(words))? else {
            return Ok(json!({ "answers": "no", "why": "nothing within 5 s" }));
        };
        let lower = said.to_lowercase();
        Ok(match code {
            0 => json!({ "answers": "yes", "body": said }),
            NO_TOOL | 126 | 127 => return Err(format!("{UNSEEN}the container has no program to try it with (nc, bash, curl, wget, ping)")),
            _ if lower.contains("refused") || code == 7 && !lower.contains("timed out") && !lower.contains("route") => {
                json!({ "answers": "refused", "why": "connection refused" })
            }
            _ => json!({ "answers": "no", "why": if said.trim().is_empty() { "no answer" } else { said.trim() } }),
        })
    }
}

/// This program, to be called as one of its tools on that engine.
///
/// # Errors
/// The kernel does not say which program this is.
pub fn own(host: &str) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.env("DOCKER_HOST", host);
    Ok(command)
}

/// Runs a program: its exit code, and its output and errors together; `None` if it took too long, and was killed.
///
/// # Errors
/// It cannot be run.
pub fn ran(command: &mut Command) -> Result<Option<(i32, String)>, String> {
    let wrong = |error: std::io::Error| format!("run `{}`: {error}", command.get_program().display());
    let (reader, writer) = std::io::pipe().map_err(wrong)?;
    let errors = writer.try_clone().map_err(wrong)?;
    let spawned = command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn();
    let mut child = spawned.map_err(|error| error.to_string())?;
    // The command holds our copies of the pipe's other end: without them its end is the program's end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let deadline = Instant::now() + poll::stretched(PATIENCE);
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if poll::readable(&[reader.as_fd()], Some(left)).map_err(|error| error.to_string())?.is_empty() {
            // One that has just ended cannot be killed, and need not be.
            let _ = child.kill();
            child.wait().map_err(|error| error.to_string())?;
            return Ok(None);
        }
        match poll::read_some(reader.as_fd()).map_err(|error| error.to_string())? {
            Some(bytes) if said.len() < SAID => said.extend(bytes),
            Some(_) => {}
            None => break,
        }
    }
    let ended = child.wait().map_err(|error| error.to_string())?;
    Ok(Some((ended.code().unwrap_or(128), String::from_utf8_lossy(&said).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_on_both_streams() {
        let said = ran(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!(said, Some((3, "out\nerr\n".to_owned())));
        assert!(ran(&mut Command::new("/nowhere/at/all")).is_err());
    }
}
