//! The parent's side of a start: what must be there before the clone, what only somebody outside can do after it, and what is taken back
//! when it fails.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::cgroup;
use super::clock;
use super::error::{During as _, Error, Result};
use super::hooks;
use super::id::ContainerId;
use super::messages::{self, ToParent};
use super::network_devices::{self, Moved};
use super::plan::Plan;
use super::seccomp;
use super::spawn::{Place, spawn};
use super::spec;
use super::steps::{INIT, Init, Start, drive};
use super::store::{Entry, State, Store};
use crate::kernel::cgroup::{Cgroup, Layout};
use crate::kernel::idmap::{self, Extent};
use crate::kernel::ids::{self, Kind};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::{self, Process};
use crate::kernel::procfs::Procfs;
use crate::kernel::{fs, socket, xray};

/// What is to be created.
pub struct Request<'a> {
    /// Where containers are remembered.
    pub store: &'a Store,
    /// The new container's name.
    pub id: ContainerId,
    /// Its bundle.
    pub bundle: &'a Path,
    /// It waits for `start`; otherwise its program runs at once.
    pub wait: bool,
    /// Where its pid is written.
    pub pid_file: Option<&'a Path>,
    /// How many descriptors from 3 on it gets.
    pub preserve: u32,
    /// How many of these are sockets of socket activation: the program is told of them.
    pub listening: u32,
    /// The root is moved, not pivoted.
    pub no_pivot: bool,
}

/// A container that was created.
pub struct Created {
    /// Its folder, still locked.
    pub entry: Entry,
    /// What is remembered of it.
    pub state: State,
    /// Its first process, our child.
    pub process: Process,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
    /// Its hooks.
    pub hooks: spec::Hooks,
    /// What did not stop it and should be told.
    pub warnings: Vec<Error>,
}

/// Creates a container. What fails is taken back: no process, no cgroup, no folder stays.
///
/// # Errors
/// Anything between `config.json` and `execve`, with the step's name.
pub fn create(request: &Request<'_>) -> Result<Created> {
    let (config, plan) = plan(request)?;
    let credentials = plan.credentials()?;
    let filter = plan.spec.linux.seccomp.as_ref().map(seccomp::compile).transpose()?;
    let entry = request.store.reserve(&request.id)?;
    let mut making = Making { plan: &plan, entry: Some(entry), cgroup: None, process: None, state: None, devices: None };
    let start = Start {
        wait_for_parent: true,
        preserve: request.preserve,
        no_pivot: request.no_pivot,
        seccomp: filter,
        terminal: credentials.terminal,
        user_namespace: plan.has(CloneFlags::CLONE_NEWUSER),
        cgroup_namespace: plan.new.contains(CloneFlags::CLONE_NEWCGROUP),
        ..Start::default()
    };
    making.make(request, &config, start).map_err(|error| making.take_back(error))
}

/// config.md: capabilities that cannot be granted are warned of, as engines expect it.
fn warnings(plan: &Plan) -> Vec<Error> {
    let unknown = plan.spec.process.as_ref().map(spec::unknown_capabilities).unwrap_or_default();
    let told = || Error::new(spec::ignoring(&unknown));
    (!unknown.is_empty()).then(told).into_iter().collect()
}

fn plan(request: &Request<'_>) -> Result<(Vec<u8>, Plan)> {
    let bundle = fs::absolute(request.bundle).during(|| "find the bundle")?;
    let file = bundle.join("config.json");
    let config =
        fs::read_bytes(&file).map_err(|error| Error::from(error).hint("`bottleship oci spec` writes a config.json to begin with"))?;
    let mut spec = spec::parse(&config).map_err(|error| spec::Error { file: file.clone(), ..error })?;
    let rootfs = bundle.join(spec.root.as_ref().map(|root| root.path.clone()).unwrap_or_default());
    if !rootfs.is_dir() {
        let refused = spec::refused(&config, "root.path", format!("there is no directory `{}`", rootfs.display()));
        return Err(Error::from(spec::Error { file, ..refused }).hint("the path is relative to the bundle"));
    }
    if let Some(process) = spec.process.as_mut().filter(|_| request.listening > 0) {
        // The program is process 1 of its namespace, and sd_listen_fds(3) compares.
        process.env.extend([format!("LISTEN_FDS={}", request.listening), "LISTEN_PID=1".to_owned()]);
    }
    let plan = Plan::new(request.id.clone(), &bundle, spec)?;
    Ok((config, plan))
}

/// A container in the making: everything that must be taken back if it fails.
struct Making<'a> {
    plan: &'a Plan,
    entry: Option<Entry>,
    cgroup: Option<Cgroup>,
    process: Option<Process>,
    state: Option<State>,
    devices: Option<Moved<'a>>,
}

impl Making<'_> {
    fn make(&mut self, request: &Request<'_>, config: &[u8], mut start: Start) -> Result<Created> {
        let plan = self.plan;
        let entry = self.entry.as_ref().ok_or_else(|| Error::new("no folder"))?;
        entry.keep_config(config)?;
        let mut state = self.first_state();
        match Layout::detect() {
            Ok(layout) => {
                let planned = cgroup::planned(plan, &layout)?;
                state.set_cgroup(Some(&planned));
                // One that is there is somebody's, and not to be taken away in our name.
                if planned.directories().next().is_none_or(|directory| !directory.exists()) {
                    entry.save_planned(&state)?;
                }
                self.cgroup = cgroup::make(plan, &layout)?;
                start.entrances = self.cgroup.as_ref().map(Cgroup::entrances).transpose()?.unwrap_or_default();
                start.cgroup = self.cgroup.as_ref().map(|cgroup| cgroup::view(&layout, cgroup));
            }
            Err(why) => cgroup::without(plan, why)?,
        }
        if request.wait {
            start.start_socket = Some(socket::listen(&entry.start_socket())?);
            xray::keep_in(&entry.xray())?;
        }
        state.set_cgroup(None);
        start.state = Some(state.clone());
        let credentials = plan.credentials()?;
        let (ours, theirs) = socket::pair()?;
        let directory = self.cgroup.as_ref().map(Cgroup::v2_directory).transpose()?.flatten();
        let place = self.place(directory.as_ref());
        let process = spawn(&place, || {
            // The child's copy of our end must go, or the end of the parent would never be noticed.
            crate::kernel::program::close(&ours);
            drive(INIT, &mut Init::new(plan, credentials, &theirs, &start))
        })
        .during(|| "clone the container's first process")?;
        drop(theirs);
        drop(start.start_socket.take());
        let pid = process.pid;
        self.process = Some(process);
        network_devices::hand_over(plan, pid, &mut self.devices)?;
        self.provide(pid)?;
        state.pid = pid;
        state.started = process::look(pid).map_or(0, |(_, started)| started);
        state.set_cgroup(self.cgroup.as_ref());
        entry.save(&state)?;
        self.state = Some(state.clone());
        messages::go(&ours)?;
        let console = self.serve(&ours, &state)?;
        if let Some(file) = request.pid_file {
            fs::put(file, pid.to_string().as_bytes(), 0o644).during(|| "write the pid file")?;
        }
        let (Some(entry), Some(process)) = (self.entry.take(), self.process.take()) else { return Err(Error::new("no process")) };
        Ok(Created { entry, state, process, console, hooks: plan.spec.hooks.clone(), warnings: warnings(plan) })
    }

    fn place<'a>(&'a self, directory: Option<&'a OwnedFd>) -> Place<'a> {
        // The cgroup and time namespaces are made by the child, when it is in its cgroup and has set its clocks.
        let later = CloneFlags::CLONE_NEWCGROUP | crate::kernel::ns::CLONE_NEWTIME;
        let joined = |flag| self.plan.joined(flag).map(|join| join.namespace.as_fd());
        Place {
            new: self.plan.new - later,
            user: joined(CloneFlags::CLONE_NEWUSER),
            pid: joined(CloneFlags::CLONE_NEWPID),
            cgroup: directory.map(|directory| directory.as_fd()),
            hide: false,
        }
    }

    fn first_state(&self) -> State {
        State {
            oci_version: spec::VERSION.to_owned(),
            id: self.plan.id.to_string(),
            pid: 0,
            started: 0,
            bundle: self.plan.bundle.clone(),
            rootfs: self.plan.rootfs.clone(),
            created: clock::now(),
            owner: ids::effective().0,
            annotations: self.plan.spec.annotations.clone(),
            cgroup: None,
            cgroup_directories: Vec::new(),
        }
    }

    /// What only somebody outside can give the child: ids, limits, a place in the order of victims.
    fn provide(&self, pid: i32) -> Result<()> {
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| self.plan.joined(CloneFlags::CLONE_NEWUSER).is_some()) {
            cgroup.add_unified(pid).during(|| "put the container into its cgroup")?;
        }
        if self.plan.new.contains(CloneFlags::CLONE_NEWUSER) {
            map_ids(pid, &self.plan.users, &self.plan.groups)?;
        }
        if let Some(adjustment) = self.plan.credentials()?.oom_score_adj {
            adjust_oom_score(pid, adjustment)?;
        }
        Ok(())
    }

    /// Answers the child until it is ready, runs its program, or fails.
    fn serve(&self, child: &OwnedFd, state: &State) -> Result<Option<OwnedFd>> {
        let mut console = None;
        loop {
            let Some((message, descriptors)) = messages::next(child)? else { return messages::ran(state.pid).map(|()| console) };
            match message {
                ToParent::Hooks => {
                    let document = state.document("creating").to_string();
                    hooks::run_all("prestart", &self.plan.spec.hooks.prestart, &document)?;
                    hooks::run_all("createRuntime", &self.plan.spec.hooks.create_runtime, &document)?;
                    messages::go(child)?;
                }
                ToParent::Console => console = descriptors.into_iter().next(),
                ToParent::Listener => {
                    if let (Some(profile), Some(listener)) = (&self.plan.spec.linux.seccomp, descriptors.first()) {
                        seccomp::hand_over(profile, listener, state.pid, state.document("creating"))?;
                    }
                    messages::go(child)?;
                }
                ToParent::Ready => return Ok(console),
                ToParent::Failed(error) => return Err(error),
            }
        }
    }

    /// Ends what was begun. The first error is the one to tell; what cannot be taken back is added to it.
    fn take_back(&mut self, mut error: Error) -> Error {
        if let Some(process) = self.process.take() {
            process::end(process.fd.as_fd());
        }
        if let Some(devices) = self.devices.take() {
            error.causes.extend(devices.take_back().err().map(|left| format!("moreover, {}", left.line())));
        }
        if let Some(cgroup) = self.cgroup.take() {
            let left = cgroup.kill().and_then(|()| cgroup.remove());
            error.causes.extend(left.err().map(|left| format!("moreover, its cgroup could not be removed: {left}")));
        }
        if let Some(state) = self.state.take() {
            let failed = hooks::run_all("poststop", &self.plan.spec.hooks.poststop, &state.document("stopped").to_string());
            error.causes.extend(failed.err().map(|failed| format!("moreover, {failed}")));
        }
        if let Some(entry) = self.entry.take() {
            error.causes.extend(entry.remove().err().map(|left| format!("moreover, {left}")));
        }
        error.during(format!("create container `{}`", self.plan.id))
    }
}

/// Writes the id maps: as root by ourselves; else our own id alone by ourselves, and sub-ids by the machine's helpers.
fn map_ids(pid: i32, users: &[Extent], groups: &[Extent]) -> Result<()> {
    let (uid, gid) = ids::effective();
    if uid == 0 {
        idmap::write_users(pid, users)?;
        return Ok(idmap::write_groups(pid, groups)?);
    }
    let own = |map: &[Extent], id: u32| matches!(map, [only] if only.count == 1 && only.outside == id);
    if own(users, uid) && own(groups, gid) {
        idmap::write_users(pid, users)?;
        idmap::deny_setgroups(pid)?;
        return Ok(idmap::write_groups(pid, groups)?);
    }
    let hint = "install newuidmap and newgidmap (Debian: the package uidmap), and see /etc/subuid and /etc/subgid for your range";
    ids::write_map_with_helper(pid, Kind::User, users).map_err(|error| Error::from(error).hint(hint))?;
    ids::write_map_with_helper(pid, Kind::Group, groups).map_err(|error| Error::from(error).hint(hint))
}

/// Sets how likely the OOM killer takes the container. Less likely than ourselves needs CAP_SYS_RESOURCE: without it (rootless, or in a
/// bottle) the value stays as it is, which the X-ray shows as the refused write.
fn adjust_oom_score(pid: i32, adjustment: i32) -> Result<()> {
    let file = PathBuf::from(format!("{pid}/oom_score_adj"));
    match Procfs::mounted()?.write(&file, &adjustment.to_string()) {
        Err(error) if error.errno == crate::kernel::error::Errno::EACCES && !ids::in_first_user_namespace() => Ok(()),
        other => other.during(|| "set `process.oomScoreAdj`"),
    }
}
