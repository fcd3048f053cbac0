//! The runtime's own executable and its descriptors.

use std::fs;
use std::path::PathBuf;

use super::{Bundle, MARKER, binary};
use crate::support::{Call, eventually};

/// A copy of the binary, so that a successful attack spoils a copy.
fn copy(bundle: &Bundle) -> PathBuf {
    copy_to(bundle.folder().join("bottleship"))
}

fn copy_to(copy: PathBuf) -> PathBuf {
    fs::copy(binary(), &copy).expect("copy the binary");
    copy
}

/// The program is a script whose interpreter is the runtime itself.
#[test]
fn cve_2019_5736_an_entrypoint_that_is_the_runtime() {
    let Some(mut bundle) = Bundle::new("cve_2019_5736", "true") else { return };
    let copy = copy(&bundle);
    let before = fs::read(&copy).unwrap();
    let evil = bundle.rootfs().join("bin/evil");
    fs::write(&evil, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bundle.config["process"]["args"] = serde_json::json!(["/bin/evil"]);
    let _ = bundle.runtime_at(&copy, ["run", &bundle.id("evil")]).output();
    assert!(fs::read(&copy).unwrap() == before, "the runtime's executable was changed");
}

/// While the runtime enters the container, the container tries to write to every executable it can see.
#[test]
fn cve_2019_5736_a_container_that_overwrites_who_enters() {
    let script = "echo ready > /tmp/ready; while [ ! -e /tmp/stop ]; do for exe in /proc/[0-9]*/exe; do echo spoilt 2>/dev/null >> $exe; done; done 2>/dev/null";
    let Some(bundle) = Bundle::new("cve_2019_5736", script) else { return };
    let copy = copy(&bundle);
    let before = fs::read(&copy).unwrap();
    let id = bundle.id("spoil");
    bundle.runtime_at(&copy, ["run", "--detach", &id]).succeeds();
    eventually("the attacker to begin", crate::support::PATIENCE, || bundle.rootfs().join("tmp/ready").exists().then_some(()));
    for _ in 0..30 {
        let _ = bundle.runtime_at(&copy, ["exec", &id, "/bin/true"]).output();
    }
    let after = fs::read(&copy).unwrap();
    fs::write(bundle.rootfs().join("tmp/stop"), "").unwrap();
    let _ = bundle.runtime_at(&copy, ["delete", "--force", &id]).output();
    assert!(after == before, "the runtime's executable was changed");
}

/// Where no overlay can be laid over the runtime's folder (here: its name would be read as two layers) the runtime goes on from a copy in memory,
/// which nobody can write.
#[test]
fn cve_2019_5736_a_copy_in_memory_where_there_can_be_no_overlay() {
    let Some(mut bundle) = Bundle::new("cve_2019_5736", "sleep 1000") else { return };
    let folder = bundle.folder().join("two:layers");
    fs::create_dir(&folder).unwrap();
    let copy = copy_to(folder.join("bottleship"));
    let before = fs::read(&copy).unwrap();
    // A container that waits for its start is the runtime itself, for everybody to see.
    let id = bundle.id("waits");
    bundle.runtime_at(&copy, ["create", &id]).succeeds();
    let state: serde_json::Value = serde_json::from_str(&bundle.runtime_at(&copy, ["state", &id]).succeeds().stdout).expect("the state");
    let exe = format!("/proc/{}/exe", state["pid"]);
    // An ordinary user may not even look.
    if let Ok(shown) = fs::read_link(&exe) {
        assert!(shown.display().to_string().starts_with("/memfd:bottleship"), "{}", shown.display());
        assert!(fs::OpenOptions::new().write(true).open(&exe).is_err(), "nobody can write what runs, the machine's root neither");
    }
    bundle.runtime_at(&copy, ["delete", "--force", &id]).succeeds();
    let evil = bundle.rootfs().join("bin/evil");
    fs::write(&evil, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bundle.config["process"]["args"] = serde_json::json!(["/bin/evil"]);
    // It fails in one way or another, as it should.
    let _ = bundle.runtime_at(&copy, ["run", &bundle.id("evil")]).output();
    let script =
        "echo ready > /tmp/ready; while [ ! -e /tmp/stop ]; do for exe in /proc/[0-9]*/exe; do echo spoilt >> $exe; done; done 2>/dev/null";
    bundle.config["process"]["args"] = serde_json::json!(["/bin/sh", "-c", script]);
    let id = bundle.id("spoil");
    bundle.runtime_at(&copy, ["run", "--detach", &id]).succeeds();
    eventually("the attacker to begin", crate::support::PATIENCE, || bundle.rootfs().join("tmp/ready").exists().then_some(()));
    for _ in 0..10 {
        bundle.runtime_at(&copy, ["exec", &id, "/bin/true"]).succeeds();
    }
    fs::write(bundle.rootfs().join("tmp/stop"), "").unwrap();
    bundle.runtime_at(&copy, ["delete", "--force", &id]).succeeds();
    assert!(fs::read(&copy).unwrap() == before, "the runtime's executable was changed");
}

/// While the runtime enters the container, the container looks through the descriptors of every process it can see.
#[test]
fn cve_2016_9962_no_descriptor_of_the_machine_while_entering() {
    let script = "echo ready > /tmp/ready; while [ ! -e /tmp/stop ]; do for fd in /proc/[0-9]*/fd/*; do readlink $fd; cat $fd/marker; done >> /tmp/seen; done 2>/dev/null";
    let Some(bundle) = Bundle::new("cve_2016_9962", script) else { return };
    let id = bundle.id("look");
    // The runtime is called from the canary: a leaked working directory would show it.
    let detached = bundle.runtime(["run", "--bundle", &bundle.folder().join("bundle").display().to_string(), "--detach", &id]);
    detached.folder(bundle.canary()).succeeds();
    eventually("the attacker to begin", crate::support::PATIENCE, || bundle.rootfs().join("tmp/ready").exists().then_some(()));
    for _ in 0..30 {
        bundle.runtime(["exec", &id, "/bin/true"]).folder(bundle.canary()).succeeds();
    }
    fs::write(bundle.rootfs().join("tmp/stop"), "").unwrap();
    bundle.runtime(["delete", "--force", &id]).succeeds();
    let seen = fs::read_to_string(bundle.rootfs().join("tmp/seen")).expect("what the container saw");
    let folder = bundle.folder().display().to_string();
    assert!(!seen.contains(MARKER) && !seen.contains(&folder), "the container saw the machine:\n{seen}");
}

/// A descriptor of the machine's root is left open on purpose, and the working directory is asked for below /proc/self/fd.
#[test]
fn cve_2024_21626_a_working_directory_below_a_leaked_descriptor() {
    let Some(mut bundle) = Bundle::new("cve_2024_21626", "pwd; ls /proc/self/fd; cat marker ../marker 2>/dev/null; true") else { return };
    for number in 3..=16 {
        bundle.config["process"]["cwd"] = format!("/proc/self/fd/{number}").into();
        let output = leaking(&bundle, bundle.runtime(["run", &bundle.id(&number.to_string())])).output();
        assert!(!output.stdout.contains(MARKER), "fd {number}: {output}");
    }
    bundle.config["process"]["cwd"] = "/".into();
    let output = leaking(&bundle, bundle.runtime(["run", &bundle.id("fds")])).succeeds();
    // ls itself holds one descriptor on the folder that it lists.
    let open: Vec<&str> = output.stdout.lines().skip(1).filter(|line| line.parse::<u32>().is_ok_and(|fd| fd > 3)).collect();
    assert!(open.is_empty(), "descriptors inside: {output}");
}

#[test]
fn cve_2024_21626_exec_into_a_leaked_descriptor() {
    let Some(bundle) = Bundle::new("cve_2024_21626", "sleep 1000") else { return };
    let id = bundle.id("exec");
    bundle.runtime(["run", "--detach", &id]).succeeds();
    for number in 3..=16 {
        let exec = bundle.runtime(["exec", "--cwd", &format!("/proc/self/fd/{number}"), &id, "/bin/cat", "marker"]);
        let output = leaking(&bundle, exec).output();
        assert!(output.code() != 0 && !output.stdout.contains(MARKER), "fd {number}: {output}");
    }
    bundle.runtime(["delete", "--force", &id]).succeeds();
}

/// The call, made by a shell that leaves descriptor 7 open on the canary.
fn leaking(bundle: &Bundle, call: Call) -> Call {
    let command = call.command();
    let script = "exec 7<\"$0\"; exec \"$@\"";
    let shell = Call::new("sh").args(["-c", script]).args([bundle.canary()]).args([command.get_program()]).args(command.get_args());
    shell.folder(bundle.folder().join("bundle"))
}

/// Rule 3 of our design: nothing but the container's own program is executed, so nothing of an image can be executed by us.
#[test]
fn rule_no_external_programs() {
    let Some(bundle) = Bundle::new("rule_no_external_programs", "exit 3") else { return };
    if !crate::support::has_program("strace") {
        crate::support::skip("rule_no_external_programs", "strace is not installed");
        return;
    }
    let trace = bundle.folder().join("trace");
    let call = bundle.runtime(["run", &bundle.id("trace")]);
    let command = call.command();
    let strace = Call::new("strace").args(["-f", "-e", "trace=execve,execveat", "-o"]).args([&trace]);
    strace.args([command.get_program()]).args(command.get_args()).folder(bundle.folder().join("bundle")).exits(3);
    let trace = fs::read_to_string(trace).unwrap();
    let done: Vec<&str> = trace.lines().filter(|line| line.contains("exec") && line.trim_end().ends_with("= 0")).collect();
    // Our binary goes on from a sealed view of itself, unless it is sealed already: that is no other program.
    let others: Vec<&&str> = done.iter().filter(|line| !line.contains("execveat(") || !line.contains("[\"bottleship\", \"oci\"")).collect();
    // unshare, our binary, the container's program.
    assert_eq!(others.len(), 3, "{trace}");
}
