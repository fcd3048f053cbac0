//! One container for one `RUN`: a bundle for [`crate::oci::runtime`], run by this same program as `bottleship oci run`.
//!
//! It is a process of its own because a build has threads, and a process with threads is not one to clone containers from.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{Error, Result};
use crate::kernel::{fs, ids, poll, process};
use crate::oci::accounts::Account;
use crate::oci::bundle;
use crate::oci::digest::Digest;
use crate::oci::runtime::spec;
use crate::oci::seccomp::{DEFAULT_CAPABILITIES, default_profile};

/// How often a container that says nothing is looked after: has another stage failed?
const LOOK: Duration = Duration::from_millis(100);
/// How long a killed process may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the ids of the runtime's containers begin, and so their cgroups, by which `doctor` knows them.
const CGROUP: &str = "bottleship-build-";

/// What runs.
pub struct Job<'a> {
    /// The tree that becomes its root.
    pub rootfs: &'a Path,
    /// The program with its arguments.
    pub args: &'a [String],
    /// `NAME=value`.
    pub environment: &'a [String],
    /// The current directory.
    pub directory: &'a str,
    /// Who it runs as.
    pub account: &'a Account,
    /// Mounts as `config.json` has them.
    pub mounts: Vec<Value>,
    /// It has a network of its own, with nothing but loopback.
    pub no_network: bool,
    /// This user namespace has a single id.
    pub single: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this code, 128 and the signal where a signal ended it.
    Code(i32),
    /// It never began: why.
    NotStarted(String),
    /// It was ended because another stage failed.
    Canceled,
}

/// Runs a job to its end. `folder` is the step's own, `containers` where containers are remembered; `log` gets what it writes, as it comes.
///
/// # Errors
/// The bundle cannot be written, or the runtime cannot be run.
pub fn run(job: &Job<'_>, folder: &Path, containers: &Path, canceled: &AtomicBool, log: &mut dyn FnMut(&[u8])) -> Result<Ended> {
    let (bundle, errors, pid) = (folder.join("bundle"), folder.join("errors"), folder.join("pid"));
    fs::create_dir(&bundle, 0o700)?;
    fs::put(&bundle.join("config.json"), config(job)?.to_string().as_bytes(), 0o600)?;
    let mut child = Command::new("/proc/self/exe")
        .args(["oci", "--root"])
        .arg(containers)
        .arg("--log")
        .arg(&errors)
        .args(["--log-format", "json", "run", "--pid-file"])
        .arg(&pid)
        .arg("--bundle")
        .arg(&bundle)
        .arg(format!("{CGROUP}{}", name(folder)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::new(format!("run the container runtime: {error}")))?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else { return Err(Error::new("the runtime has no output")) };
    let mut open = vec![out.as_fd(), err.as_fd()];
    let mut killed = false;
    while !open.is_empty() {
        let ready = poll::readable(&open, Some(LOOK))?;
        // From the last to the first, so that the positions stay right.
        for at in ready.into_iter().rev() {
            match poll::read_some(open[at])? {
                Some(bytes) => log(&bytes),
                None => drop(open.remove(at)),
            }
        }
        if canceled.load(Ordering::Relaxed) && !killed {
            killed = end(&pid);
        }
    }
    let status = child.wait().map_err(|error| Error::new(format!("wait for the container: {error}")))?;
    if killed {
        return Ok(Ended::Canceled);
    }
    Ok(match failure(&errors) {
        Some(why) => Ended::NotStarted(why),
        None => Ended::Code(status.code().unwrap_or(137)),
    })
}

/// The name of a step's container: twelve digits, as engines show theirs.
pub fn name(folder: &Path) -> String {
    Digest::of(folder.as_os_str().as_encoded_bytes()).hex()[..12].to_owned()
}

/// Kills the container's first process, if there is one yet.
fn end(pid_file: &Path) -> bool {
    let pid = fs::read(pid_file).ok().and_then(|text| text.trim().parse().ok());
    // One that has ended meanwhile is what was wanted.
    pid.is_some_and(|pid| process::kill(pid, PATIENCE).is_ok())
}

/// The error that the runtime wrote to its log, if it did.
fn failure(log: &Path) -> Option<String> {
    let text = fs::read(log).ok()?;
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let error = lines.rfind(|line| line["level"] == "error")?;
    error["msg"].as_str().map(str::to_owned)
}

/// Forgets the containers of a build that was killed: their cgroups are still there.
pub fn forget_all(containers: &Path) {
    for id in fs::list(containers).unwrap_or_default() {
        let mut delete = Command::new("/proc/self/exe");
        delete.args(["oci", "--root"]).arg(containers).args(["delete", "--force", &id]);
        // What cannot be removed is tried again by the next build.
        let _ = delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn config(job: &Job<'_>) -> Result<Value> {
    let mut config: Value = serde_json::from_str(spec::DEFAULT).map_err(|error| Error::new(error.to_string()))?;
    let account = job.account;
    config["process"] = json!({
        "terminal": false,
        "user": {"uid": account.uid, "gid": account.gid, "additionalGids": account.groups},
        "args": job.args,
        "env": job.environment,
        "cwd": job.directory,
        "capabilities": bundle::capabilities(account.uid, &DEFAULT_CAPABILITIES),
        "noNewPrivileges": false,
    });
    config["root"] = json!({"path": job.rootfs, "readonly": false});
    // BuildKit's name for it.
    config["hostname"] = json!("buildkitsandbox");
    config["linux"]["seccomp"] =
        serde_json::to_value(default_profile(&DEFAULT_CAPABILITIES)).map_err(|error| Error::new(error.to_string()))?;
    namespaces(&mut config, job.no_network);
    mounts(&mut config, job);
    Ok(config)
}

fn namespaces(config: &mut Value, no_network: bool) {
    if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
        list.retain(|one| one["type"] != "network" || no_network);
    }
}

fn mounts(config: &mut Value, job: &Job<'_>) {
    let Some(list) = config["mounts"].as_array_mut() else { return };
    bundle::fit_mounts(list, job.no_network, job.single);
    // What a container of an engine may see of its cgroup, a step need not.
    list.retain(|one| ids::in_first_user_namespace() || one["type"] != "cgroup");
    list.extend(job.mounts.iter().cloned());
}

/// The paths in a container where something of the runtime or of the build is mounted: what is made for them in the image goes away again.
pub fn mount_points(mounts: &[Value]) -> Vec<PathBuf> {
    let own = mounts.iter().filter_map(|mount| mount["destination"].as_str());
    ["/proc", "/dev", "/sys"].into_iter().chain(own).map(|path| PathBuf::from(path.trim_start_matches('/'))).collect()
}
