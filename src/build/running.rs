//! `RUN`.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::builder::{Builder, Vertex};
use super::cache::{Inputs, Kind};
use super::container::{self, Ended, Job};
use super::dockerfile::instruction::{Command, Instruction, Mount};
use super::dockerfile::lines::HereDocument;
use super::error::{Error, Result};
use super::events::Event;
use super::mounts::Prepared;
use super::stage::Place;
use super::state::State;
use super::stubs::Stubs;
use super::workshop::Made;
use crate::kernel::fs;
use crate::oci::accounts;
use crate::oci::bundle;

/// Where a script with a first line of its own is, in the container.
const SCRIPTS: &str = "/dev/pipes";

/// What a `RUN` runs.
struct Program {
    args: Vec<String>,
    /// A script that is put into the container: its path there, its text.
    script: Option<(String, String)>,
}

impl Builder<'_> {
    /// Carries it out.
    ///
    /// # Errors
    /// The program fails, cannot be run, or wants what it may not have.
    pub fn run_step(&self, state: &mut State, place: Place<'_>) -> Result<()> {
        let Instruction::Run { command, documents, mounts, network, security } = &place.step.instruction else { return Ok(()) };
        let isolated = self.network(network.as_deref())?;
        if security.as_deref() == Some("insecure") {
            return Err(
                Error::new("security.insecure is not allowed").hint("this builder has no privileged mode: no step gets more rights")
            );
        }
        let program = program(&state.shell(), command, documents);
        let environment = state.scope.for_run();
        let mut inputs = Inputs::new(&place.text(), place.step.statement.line);
        inputs.add(Kind::Below, "", state.parent());
        inputs.add(Kind::Instruction, "RUN", format!("{:?} {:?}", program.args, program.script));
        for (name, value) in state.scope.lines().iter().filter_map(|line| line.split_once('=')) {
            inputs.add(Kind::Environment, name, value);
        }
        for (name, value) in state.scope.told_arguments() {
            inputs.add(Kind::Argument, name, value);
        }
        let run = &state.config.config;
        for (name, value) in [("USER", run.user.as_str()), ("WORKDIR", state.directory()), ("network", if isolated { "none" } else { "" })]
        {
            inputs.add(Kind::Setting, name, value);
        }
        if state.config.platform != crate::oci::image::spec::Platform::here() {
            inputs.add(Kind::Setting, "platform", state.config.platform.to_string());
        }
        let mounts = self.prepare_mounts(state, place, mounts, &mut inputs)?;
        let created_by = created_by(&program, &state.scope.told_arguments(), documents);
        self.make(state, place, inputs, created_by, |state, vertex| {
            self.run_in_container(state, vertex, &program, &environment, isolated, &mounts)
        })
    }

    /// Whether the step gets a network of its own, without anything in it.
    fn network(&self, own: Option<&str>) -> Result<bool> {
        let allowed = self.options.network == "host" || self.options.allow.iter().any(|one| one == "network.host");
        match own.unwrap_or(self.options.network.as_str()) {
            "none" => Ok(true),
            "host" if !allowed => Err(Error::new("network.host is not allowed").hint("allow it on the command line: --allow network.host")),
            _ => Ok(false),
        }
    }

    fn run_in_container(
        &self,
        state: &State,
        vertex: &Vertex,
        program: &Program,
        environment: &[String],
        isolated: bool,
        wanted: &[Prepared<'_>],
    ) -> Result<Made> {
        let mounted = self.workshop.mount(&state.layers, true)?;
        let root = mounted.root()?;
        let account = accounts::run_as(&root, &state.config.config.user)?;
        let mut environment = environment.to_vec();
        let mut mounts = self.names(&mounted.folder)?;
        // A base where /etc/resolv.conf is a link to nowhere has no place for it.
        mounts.retain(|mount| place_for(&root, mount));
        let held = self.mount_all(wanted, &mut mounts, &mut environment, &mounted.folder)?;
        if let Some((path, text)) = &program.script {
            let file = mounted.folder.join("script");
            fs::put(&file, text.as_bytes(), 0o755)?;
            crate::kernel::inode::set_mode(&file, 0o755)?;
            mounts.push(bundle::bind(&file, path, true));
        }
        let points = container::mount_points(&mounts);
        let stubs = Stubs::missing(&root, &points)?;
        drop(root);
        let (directory, single) = (state.directory(), self.workshop.single);
        let rootfs = &mounted.merged;
        let job = Job {
            rootfs,
            args: &program.args,
            environment: &environment,
            directory,
            account: &account,
            mounts,
            no_network: isolated,
            single,
        };
        let name = container::name(&mounted.folder);
        self.listener.tell(Event::Running(name.clone()));
        let mut log = |bytes: &[u8]| self.listener.tell(Event::Log(vertex.id, vertex.began.elapsed(), bytes.to_vec()));
        let ended = container::run(&job, &mounted.folder, &self.workshop.containers(), &self.canceled, &mut log)?;
        drop(held);
        if ended == Ended::Code(0) {
            self.listener.tell(Event::Removed(name));
        }
        ending(&program.args, &ended)?;
        if let Some(upper) = &mounted.upper {
            stubs.remove(upper)?;
        }
        self.canceled.load(Ordering::Relaxed).then(Error::canceled).map_or(Ok(()), Err)?;
        self.workshop.finish(mounted, &state.layers)
    }

    /// `/etc/hosts` and `/etc/resolv.conf` of the step.
    fn names(&self, folder: &Path) -> Result<Vec<serde_json::Value>> {
        let resolver = fs::read(Path::new("/etc/resolv.conf")).unwrap_or_default();
        let mut hosts = String::from("127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        for entry in &self.options.hosts {
            let (name, address) = entry
                .split_once(['=', ':'])
                .ok_or_else(|| Error::new(format!("invalid add-host: {entry}")).hint("write it as NAME:ADDRESS"))?;
            hosts.push_str(&format!("{}\t{name}\n", address.trim_matches(['[', ']'])));
        }
        let mut mounts = Vec::new();
        for (name, text) in [("hosts", hosts), ("resolv.conf", resolver)] {
            let file = folder.join(name);
            fs::put(&file, text.as_bytes(), 0o644)?;
            crate::kernel::inode::set_mode(&file, 0o644)?;
            mounts.push(bundle::bind(&file, &format!("/etc/{name}"), true));
        }
        Ok(mounts)
    }
}

/// What a failed program is told as, in BuildKit's words.
fn ending(args: &[String], ended: &Ended) -> Result<()> {
    let process = format!("process \"{}\"", args.join(" "));
    match ended {
        Ended::Code(0) => Ok(()),
        Ended::Code(code) => Err(Error::new(format!("{process} did not complete successfully: exit code: {code}"))),
        Ended::NotStarted(why) => {
            let error = Error::new(format!("{process} could not be started: {why}"));
            let shell = args.first().is_some_and(|program| program == "/bin/sh");
            Err(if shell {
                error.hint("does the image have a shell? The exec form needs none: RUN [\"program\", \"argument\"]")
            } else {
                error
            })
        }
        Ended::Canceled => Err(Error::canceled()),
    }
}

/// Whether a file can be mounted there: nothing, a file or a link to a file.
fn place_for(root: &crate::kernel::root::Root, mount: &serde_json::Value) -> bool {
    let target = Path::new(mount["destination"].as_str().unwrap_or_default());
    let real = super::tree::resolve(root, target, true);
    let is_link = super::tree::status(root, target.strip_prefix("/").unwrap_or(target));
    let link = is_link.ok().flatten().is_some_and(|status| status.kind == crate::kernel::folder::FileType::Symlink);
    !link || real.is_ok_and(|real| super::tree::status(root, &real).is_ok_and(|status| status.is_some()))
}

fn program(shell: &[String], command: &Command, documents: &[HereDocument]) -> Program {
    let in_shell = |text: String| Program { args: shell.iter().cloned().chain([text]).collect(), script: None };
    match (command, documents) {
        (Command::Exec(args), _) => Program { args: args.clone(), script: None },
        (Command::Shell(text), []) => in_shell(text.clone()),
        (Command::Shell(text), [only]) if is_document(text, only) => {
            if only.content.starts_with("#!") {
                let path = format!("{SCRIPTS}/{}", only.name);
                return Program { args: vec![path.clone()], script: Some((path, only.content.clone())) };
            }
            in_shell(only.content.clone())
        }
        // The shell reads the documents itself.
        (Command::Shell(text), several) => {
            in_shell(several.iter().fold(text.clone(), |all, document| format!("{all}\n{}{}", document.content, document.name)))
        }
    }
}

/// Whether the command is nothing but `<<NAME`.
fn is_document(text: &str, document: &HereDocument) -> bool {
    let name = text.trim().strip_prefix("<<").map(|name| name.strip_prefix('-').unwrap_or(name));
    name.is_some_and(|name| name.trim_matches(['"', '\'']) == document.name)
}

fn created_by(program: &Program, arguments: &[(String, String)], documents: &[HereDocument]) -> String {
    let mut words = vec!["RUN".to_owned()];
    if !arguments.is_empty() {
        words.push(format!("|{}", arguments.len()));
        words.extend(arguments.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.extend(program.args.iter().cloned());
    if let (Some(_), [only, ..]) = (&program.script, documents) {
        words.push(format!("({})", only.content.lines().next().unwrap_or_default()));
    }
    words.push("# buildkit".to_owned());
    words.join(" ")
}

/// The value of a key that is a switch.
pub fn switch(mount: &Mount, names: &[&str]) -> Option<bool> {
    super::plan::option(mount, names).map(|value| ["true", "1", ""].contains(&value.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::dockerfile;
    use super::*;

    fn of(text: &str) -> (Vec<String>, bool, String) {
        let file = dockerfile::read(&format!("FROM a\n{text}")).unwrap();
        let Instruction::Run { command, documents, .. } = &file.stages[0].steps[0].instruction else { panic!("{text}") };
        let program = program(&["/bin/sh".to_owned(), "-c".to_owned()], command, documents);
        let told = created_by(&program, &[("V".to_owned(), "1".to_owned())], documents);
        (program.args, program.script.is_some(), told)
    }

    #[test]
    fn shell_and_exec_form_and_documents() {
        let shell = |text: &str| ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
        assert_eq!(of("RUN echo $X"), (shell("echo $X"), false, "RUN |1 V=1 /bin/sh -c echo $X # buildkit".to_owned()));
        assert_eq!(of("RUN [\"a\", \"b\"]").0, ["a", "b"]);
        assert_eq!(of("RUN <<EOT\na\nb\nEOT").0, shell("a\nb\n"));
        assert_eq!(of("RUN <<EOT\n#!/bin/python\nx\nEOT").0, ["/dev/pipes/EOT"]);
        assert_eq!(of("RUN <<EOT cat > f\nx\nEOT").0, shell("<<EOT cat > f\nx\nEOT"));
        assert_eq!(of("RUN cat <<A <<B\n1\nA\n2\nB").0, shell("cat <<A <<B\n1\nA\n2\nB"));
    }

    #[test]
    fn failures_in_the_words_that_people_know() {
        let args = ["/bin/sh", "-c", "false"].map(str::to_owned);
        assert_eq!(
            ending(&args, &Ended::Code(1)).unwrap_err().why,
            "process \"/bin/sh -c false\" did not complete successfully: exit code: 1"
        );
        assert!(ending(&args, &Ended::NotStarted("x".into())).unwrap_err().hint.unwrap().contains("exec form"));
        assert!(ending(&args, &Ended::Canceled).unwrap_err().canceled);
    }
}
