//! `bottleship oci` as engines and people use it. Each story is a shell script, told in every place where the runtime is at home: on the machine as
//! root, on the bench of a bottle, and as an ordinary user.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Call, Output, Rights, Sandbox, binary, bundle, has_program, rights, skip};

mod complaints;
mod console;
mod limits;
mod lives;
mod seen;
mod shim;

/// Where a story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As root of the machine.
    Machine,
    /// As root of a bottle's bench.
    Bench,
    /// As an ordinary user of the machine.
    Ordinary,
}

/// Before every story: `oci` with a folder of its own, and words to tell what is seen.
const PRELUDE: &str = r#"set -u
work=$PWD
oci() { "$program" oci --root "$work/oci" "$@"; }
status() { oci state "$1" | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
# Looks until the container has that status; the test's patience ends the script otherwise.
until_is() { until [ "$(status "$1" 2> /dev/null)" = "$2" ]; do :; done; }
# cgroup v2: a group that hands controllers down may hold no processes. A runtime moves nobody; who shares the top with it does.
make_room() {
    [ -e /sys/fs/cgroup/cgroup.subtree_control ] || return 0
    mkdir -p /sys/fs/cgroup/story
    for process in $(cat /sys/fs/cgroup/cgroup.procs); do echo $process > /sys/fs/cgroup/story/cgroup.procs; done 2> /dev/null
    :
}
sed -i "s|@WORK@|$work|g" bundle/config.json
cd bundle
"#;

/// A bundle with a busybox in it, and a place.
pub struct World {
    sandbox: Sandbox,
    place: Place,
    /// config.json, to be bent by the story.
    pub config: Value,
}

/// Tells a story in every place that this machine and these rights offer; says so about the others.
pub fn everywhere(test: &str, story: impl Fn(World)) {
    in_places(test, &[Place::Machine, Place::Bench, Place::Ordinary], story);
}

/// The same for places where limits can be set.
pub fn where_limits_are(test: &str, story: impl Fn(World)) {
    in_places(test, &[Place::Machine, Place::Bench], story);
}

fn in_places(test: &str, places: &[Place], story: impl Fn(World)) {
    for place in places {
        match World::new(*place) {
            Ok(world) => story(world),
            Err(why) => skip(&format!("{test} ({place:?})"), &why),
        }
    }
}

impl World {
    /// A fresh one, or the reason why there is none.
    pub fn new(place: Place) -> Result<World, String> {
        let root = rights() == Rights::Root;
        match place {
            Place::Machine if !root => return Err("needs root".to_owned()),
            // A bench of an ordinary user has no cgroups of its own.
            Place::Bench if !root => return Err("the bottle of this test is started by root".to_owned()),
            Place::Ordinary if root && !has_program("setpriv") => return Err("needs setpriv to become an ordinary user".to_owned()),
            _ => {}
        }
        let sandbox = Sandbox::new();
        let rootfs = sandbox.path().join("work/bundle/rootfs");
        let applets = ["sh", "cat", "ls", "sleep", "id", "echo", "true", "tail", "kill", "hostname", "test", "tty", "stty", "grep"];
        bundle::rootfs(&rootfs, &applets);
        let config = config(place, uid_of(place));
        Ok(World { sandbox, place, config })
    }

    /// The place.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What the container runs.
    pub fn runs(&mut self, script: &str) {
        self.config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    }

    /// A container id that no other test uses: cgroups are named by it.
    pub fn id(&self) -> String {
        self.sandbox.path().file_name().expect("a name").to_string_lossy().replace('.', "")
    }

    /// The folder that the script runs in, on the machine.
    pub fn work(&self) -> PathBuf {
        self.sandbox.path().join("work")
    }

    /// Writes the bundle.
    pub fn prepare(&self) {
        fs::write(self.work().join("bundle/config.json"), self.config.to_string()).expect("write config.json");
    }

    /// A call of the runtime in the bundle, on the machine.
    pub fn oci(&self, args: &[&str]) -> Call {
        self.sandbox.program(binary()).args(["oci", "--root"]).args([self.work().join("oci")]).args(args).folder(self.work().join("bundle"))
    }

    /// Tells the story; `$id` is a name that is free. Fails the test unless the script ends well.
    pub fn tell(&self, script: &str) -> Output {
        self.prepare();
        let program = if self.place == Place::Bench { "bottleship".to_owned() } else { binary().display().to_string() };
        let cleanup = "oci delete --force $id 2> /dev/null\n";
        let text = format!("program={program}\nid={}\n{PRELUDE}{script}\n{cleanup}echo story told\n", self.id());
        fs::write(self.work().join("story.sh"), text).expect("write the story");
        let output = self.call().patience(Duration::from_secs(180)).output();
        assert!(output.stdout.contains("story told"), "{:?}: {output}", self.place);
        output
    }

    /// As [`World::tell`], where limits can be set: on a bench of cgroup v2 the processes leave the top first, which machines have done already.
    pub fn tell_limited(&self, script: &str) -> Output {
        let room = if self.place == Place::Bench { "make_room\n" } else { "" };
        self.tell(&format!("{room}{script}"))
    }

    fn call(&self) -> Call {
        let work = self.work();
        match self.place {
            Place::Bench => {
                let lines = format!("cp -r {0} /root/work && cd /root/work\nsh story.sh < /dev/null\n", work.display());
                self.sandbox.bottleship(["--plain", "--share"]).args([&work]).input(lines)
            }
            Place::Ordinary if rights() == Rights::Root => {
                let owned = Call::new("chown").args(["-R", "1001:1001"]).args([&work]);
                owned.succeeds();
                // The sandbox itself is closed to others.
                Call::new("chmod").args(["711"]).args([self.sandbox.path()]).succeeds();
                let who = ["--reuid=1001", "--regid=1001", "--clear-groups", "env", "-u", "XDG_RUNTIME_DIR", "sh", "story.sh"];
                Call::new("setpriv").args(who).folder(work)
            }
            _ => Call::new("sh").args(["story.sh"]).folder(work),
        }
    }
}

impl Drop for World {
    /// A container that a failed test leaves running is ended here.
    fn drop(&mut self) {
        if self.place == Place::Machine {
            let _ = self.oci(&["delete", "--force", &self.id()]).output();
        }
    }
}

fn uid_of(place: Place) -> u32 {
    if place == Place::Ordinary && rights() == Rights::Root { 1001 } else { rustix::process::geteuid().as_raw() }
}

/// All namespaces, few capabilities. For an ordinary user with a user namespace in which that user is root.
fn config(place: Place, uid: u32) -> Value {
    let mut config = bundle::config(&["/bin/sleep", "1000"], &["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
    if place == Place::Ordinary {
        bundle::push(&mut config, "/linux/namespaces", json!({"type": "user"}));
        for ids in ["uidMappings", "gidMappings"] {
            config["linux"][ids] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
        }
    }
    config
}
