//! What the runtime says about itself: help, version, `spec`, `features`, the default filter.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::arguments::Flag;
use super::{COMMANDS, Context, GLOBAL, Verb};
use crate::kernel::{caps, fs, ids, seccomp};
use crate::oci::runtime::{self, Error, Result, spec};

/// `bottleship oci --version`, in runc's shape: engines read it.
pub fn version() {
    println!("bottleship oci version {}", env!("CARGO_PKG_VERSION"));
    println!("spec: {}", spec::VERSION);
}

/// `bottleship oci help`.
pub fn help() {
    println!("Run OCI bundles: a folder with a config.json and a root file system becomes a container.\n");
    println!("Usage: bottleship oci [FLAG...] COMMAND [ARGUMENT...]\n\nCommands:");
    for verb in COMMANDS {
        println!("  {:<16} {}", verb.name, verb.about);
    }
    println!("\nFlags:");
    GLOBAL.iter().for_each(flag_help);
}

/// `bottleship oci COMMAND --help`.
pub fn help_of(verb: &Verb) {
    println!("{}\n", sentence(verb.about));
    println!("Usage: bottleship oci {} [FLAG...] {}\n\nFlags:", verb.name, verb.operands);
    verb.flags.iter().for_each(flag_help);
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn flag_help(flag: &Flag) {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let long = format!("{short}--{}{}", flag.name, flag.value.map_or_else(String::new, |value| format!(" {value}")));
    println!("  {long:<34} {}", flag.about);
}

/// `spec`: a config.json that runs `sh`.
pub fn spec(context: &Context) -> Result<ExitCode> {
    let folder = Path::new(context.arguments.value("bundle").unwrap_or("."));
    let path = folder.join("config.json");
    if path.exists() {
        return Err(Error::new(format!("`{}` exists already", path.display())).hint("remove it first if you want a new one"));
    }
    let mut text = runtime::spec::DEFAULT.to_owned();
    if context.arguments.has("rootless") {
        text = rootless(&text)?;
    }
    fs::put(&path, text.as_bytes(), 0o644)?;
    Ok(ExitCode::SUCCESS)
}

/// The same for an ordinary user: in a user namespace with that user as root, and without what only the machine's root may do.
fn rootless(text: &str) -> Result<String> {
    let damaged = |error: serde_json::Error| Error::new(error.to_string());
    let mut config: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
    let (uid, gid) = ids::effective();
    let linux = &mut config["linux"];
    linux["uidMappings"] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
    linux["gidMappings"] = json!([{"containerID": 0, "hostID": gid, "size": 1}]);
    if let Some(namespaces) = linux["namespaces"].as_array_mut() {
        namespaces.push(json!({"type": "user"}));
    }
    if let Some(linux) = linux.as_object_mut() {
        linux.remove("resources");
    }
    for mount in config["mounts"].as_array_mut().into_iter().flatten() {
        if let Some(options) = mount.get_mut("options").and_then(serde_json::Value::as_array_mut) {
            // Group 5 (tty) is not mapped.
            options.retain(|option| option != "gid=5");
        }
    }
    let mut text = serde_json::to_string_pretty(&config).map_err(damaged)?;
    text.push('\n');
    Ok(text)
}

/// `features` (features.md of the specification).
pub fn features(_: &Context) -> Result<ExitCode> {
    let actions = [
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
    ];
    let operators = ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"];
    let flags: Vec<&str> = seccomp::FLAGS.iter().map(|(name, _)| *name).collect();
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": spec::VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": runtime::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": caps::known(),
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true},
            "seccomp": {"enabled": true, "actions": actions, "operators": operators, "supportedFlags": flags},
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": true},
        },
        "annotations": {"org.bottleship.version": env!("CARGO_PKG_VERSION")},
    });
    println!("{features:#}");
    Ok(ExitCode::SUCCESS)
}

/// `seccomp-profile`: the default filter for the capabilities that the field gives to every container.
pub fn seccomp_profile(_: &Context) -> Result<ExitCode> {
    let profile = crate::oci::seccomp::default_profile(&crate::oci::seccomp::DEFAULT_CAPABILITIES);
    println!("{}", serde_json::to_string_pretty(&profile).map_err(|error| Error::new(error.to_string()))?);
    Ok(ExitCode::SUCCESS)
}
