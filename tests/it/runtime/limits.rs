//! Limits and what is seen of them: pause, update, statistics, out of memory; devices of the network.

use serde_json::{Value, json};

use super::{Place, World, where_limits_are};
use crate::support::{Call, skip, unified_cgroups};

#[test]
fn paused_updated_and_resumed() {
    where_limits_are("paused_updated_and_resumed", |mut world| {
        world.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
        let output = world.tell_limited(
            "oci run --detach $id < /dev/null > /dev/null 2>&1; echo run=$?\n\
             oci pause $id; echo pause=$? $(status $id)\n\
             oci exec $id true; echo exec paused=$?\n\
             oci pause $id; echo pause twice=$?\n\
             oci resume $id; echo resume=$? $(status $id)\n\
             oci resume $id; echo resume twice=$?\n\
             oci update --pids-limit 30 $id; echo update=$?\n\
             oci events --stats $id | sed 's/.*\"pids\"/pids/' | grep -o '\"limit\":30'\n\
             oci update --pids-limit x $id; echo bad=$?",
        );
        let expected = [
            "run=0",
            "pause=0 paused",
            "exec paused=255",
            "pause twice=1",
            "resume=0 running",
            "resume twice=1",
            "update=0",
            "\"limit\":30",
            "bad=1",
        ];
        for line in expected {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
    });
}

/// A process that joins a paused container stands in the frozen cgroup. Whoever resumes the container must not wait for it.
#[test]
fn an_exec_into_a_paused_container_waits_and_is_resumed_with_it() {
    where_limits_are("an_exec_into_a_paused_container_waits_and_is_resumed_with_it", |mut world| {
        world.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
        // The runtime's child is in the cgroup, and frozen, when the number of its processes has grown.
        let output = world.tell_limited(
            "oci run --detach $id < /dev/null > /dev/null 2>&1; echo run=$?\n\
             oci pause $id; echo pause=$? $(status $id)\n\
             oci exec $id true; echo refused=$?\n\
             before=$(oci ps --format json $id)\n\
             oci exec --ignore-paused $id sh -c 'echo ran; exit 7' > $work/said < /dev/null & exec=$!\n\
             until [ \"$(oci ps --format json $id)\" != \"$before\" ]; do :; done\n\
             kill -0 $exec; echo waits=$? said=$(cat $work/said) $(status $id)\n\
             timeout 10 \"$program\" oci --root \"$work/oci\" resume $id; echo resume=$?\n\
             wait $exec; echo exec=$? $(cat $work/said) $(status $id)",
        );
        let expected = ["run=0", "pause=0 paused", "refused=255", "waits=0 said= paused", "resume=0", "exec=7 ran running"];
        for line in expected {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
    });
}

/// Nor is a paused container beyond deletion because somebody waits in it.
#[test]
fn an_exec_that_waits_in_a_paused_container_ends_when_that_is_deleted() {
    where_limits_are("an_exec_that_waits_in_a_paused_container_ends_when_that_is_deleted", |mut world| {
        world.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
        let output = world.tell_limited(
            "oci run --detach $id < /dev/null > /dev/null 2>&1; oci pause $id; echo pause=$? $(status $id)\n\
             before=$(oci ps --format json $id)\n\
             oci exec --ignore-paused $id sleep 1000 2> $work/said < /dev/null & exec=$!\n\
             until [ \"$(oci ps --format json $id)\" != \"$before\" ]; do :; done\n\
             timeout 10 \"$program\" oci --root \"$work/oci\" delete --force $id; echo delete=$?\n\
             wait $exec; echo exec=$?",
        );
        // Killed where it waited, or on its first steps: who is killed on cgroup v1 is thawed for it.
        let ended = ["exec=255\n", "exec=137\n"].iter().any(|end| output.stdout.contains(end));
        assert!(output.stdout.contains("pause=0 paused\ndelete=0\n") && ended, "{:?}: {output}", world.place());
    });
}

#[test]
fn a_create_that_was_cut_short_is_deleted_with_its_cgroup() {
    where_limits_are("a_create_that_was_cut_short", |world| {
        // What its maker leaves that is killed before it could write the state.
        let output = world.tell_limited(
            "cgroups() { find /sys/fs/cgroup -name $id | wc -l; }\n\
             oci create $id < /dev/null > /dev/null 2>&1; echo create=$?; [ $(cgroups) -gt 0 ] && echo a cgroup\n\
             mv \"$work/oci/$id/state.json\" \"$work/oci/$id/planned.json\"\n\
             oci state $id 2>&1 | head -1\n\
             oci delete --force $id; echo delete=$? left=$(cgroups)",
        );
        for wanted in ["create=0\na cgroup\n", "is half made", "delete=0 left=0\n"] {
            assert!(output.stdout.contains(wanted), "`{wanted}` in {:?}: {output}", world.place());
        }
    });
}

#[test]
fn a_container_is_deleted_with_its_cgroup_by_somebody_in_another_cgroup() {
    let test = "a_container_is_deleted_with_its_cgroup_by_somebody_in_another_cgroup";
    let world = match World::new(Place::Bench) {
        Ok(_) if unified_cgroups() => return skip(test, "on cgroup v2 a container's cgroup is never below its maker's"),
        Ok(world) => world,
        Err(why) => return skip(test, &why),
    };
    let output = world.tell(
        "cgroups() { find /sys/fs/cgroup -name $id | wc -l; }\n\
         oci create $id < /dev/null > /dev/null 2>&1; echo create=$?; [ $(cgroups) -gt 0 ] && echo a cgroup\n\
         for tree in pids memory; do mkdir /sys/fs/cgroup/$tree/elsewhere; echo $$ > /sys/fs/cgroup/$tree/elsewhere/cgroup.procs; done\n\
         oci delete --force $id; echo delete=$? left=$(cgroups)",
    );
    assert!(output.stdout.contains("create=0\na cgroup\n") && output.stdout.contains("delete=0 left=0\n"), "{output}");
}

#[test]
fn out_of_memory_is_an_event() {
    where_limits_are("out_of_memory_is_an_event", |mut world| {
        // The hog begins when events listens: it waits for a line.
        world.runs("cat /tmp/go > /dev/null; tail /dev/zero");
        world.config["linux"]["resources"] = json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
        let output = world.tell_limited(
            "mkfifo rootfs/tmp/go\n\
             oci run --detach $id < /dev/null > /dev/null 2>&1; echo run=$?\n\
             oci events --interval 10ms $id > $work/events & events=$!\n\
             until grep -q stats $work/events; do :; done\n\
             echo go > rootfs/tmp/go; wait $events; echo events=$?\n\
             grep oom $work/events",
        );
        assert!(output.stdout.contains("run=0") && output.stdout.contains("events=0"), "{:?}: {output}", world.place());
        let oom = output.stdout.lines().find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|event| event["type"] == "oom"));
        assert!(oom.is_some_and(|event| event["id"] == json!(world.id())), "{:?}: {output}", world.place());
    });
}

/// A bench has the learner's shell in its top cgroup. On v2 that group can hand no controller to a container then: refused, with the way out.
#[test]
fn a_limit_below_a_cgroup_with_processes_is_refused_with_the_way_out() {
    let test = "a_limit_below_a_cgroup_with_processes";
    let mut world = match World::new(Place::Bench) {
        Ok(world) if unified_cgroups() => world,
        Ok(_) => return skip(test, "the controllers of this machine are on cgroup v1 (or hybrid): `./test vm` runs it"),
        Err(why) => return skip(test, &why),
    };
    world.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
    let output = world.tell(
        "oci run --detach $id < /dev/null > refused 2>&1; echo refused=$?\n\
         cat refused; oci list --quiet | wc -l; ls -d /sys/fs/cgroup/$id\n\
         make_room\n\
         oci run --detach $id < /dev/null > /dev/null 2>&1; echo run=$? $(cat /sys/fs/cgroup/$id/pids.max)",
    );
    for wanted in ["refused=1", "processes of its own", "hint: move its processes into a child cgroup first", "\n0\n", "run=0 40"] {
        assert!(output.stdout.contains(wanted), "`{wanted}`: {output}");
    }
    assert!(output.stderr.contains("No such file") || output.stdout.contains("No such file"), "the cgroup stays: {output}");
}

#[test]
fn a_network_device_moves_in_with_its_address() {
    let Ok(mut world) = World::new(Place::Machine) else { return skip("a_network_device_moves_in", "needs root") };
    world.config["process"]["args"] = json!(["/bin/busybox", "ip", "-4", "addr", "show", "dev", "eth7"]);
    world.config["linux"]["netDevices"] = json!({"v0": {"name": "eth7"}});
    world.prepare();
    let run = world.oci(&["run", &world.id()]);
    let command = run.command();
    let script = "ip link add v0 type veth peer name v1 && ip addr add 10.9.9.1/24 dev v0 && exec \"$@\"";
    let call = Call::new("unshare").args(["--net", "sh", "-c", script, "sh"]).args([command.get_program()]).args(command.get_args());
    let output = call.folder(world.work().join("bundle")).output();
    assert!(output.code() == 0 && output.stdout.contains("10.9.9.1/24") && output.stdout.contains("UP"), "{output}");
    // Without the device.
    let output = world.oci(&["run", &world.id()]).exits(1);
    assert!(output.stderr.contains("linux.netDevices.v0") && output.stderr.contains("hint:"), "{output}");
}

/// A start that fails after the device has moved: it comes home from a namespace that lives on, and from one that does not.
#[test]
fn a_network_device_comes_home_when_the_start_fails() {
    let Ok(mut world) = World::new(Place::Machine) else { return skip("a_network_device_comes_home", "needs root") };
    world.config["process"]["args"] = json!(["/bin/no-such-program"]);
    world.config["linux"]["netDevices"] = json!({"v0": {"name": "eth7"}});
    let network = |world: &mut World, path: Option<&str>| {
        let namespaces = world.config["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(path.map_or_else(|| json!({"type": "network"}), |path| json!({"type": "network", "path": path})));
    };
    let file = world.work().join("netns").display().to_string();
    for path in [None, Some(file.as_str())] {
        network(&mut world, path);
        world.prepare();
        let run = world.oci(&["run", &world.id()]);
        let command = run.command();
        // A second network namespace is held by a file that is bound over.
        let script = "file=$0; touch \"$file\"; unshare --net=\"$file\" true || exit 98\n\
                      ip link add v0 type veth peer name v1 && ip addr add 10.9.9.1/24 dev v0 && ip link set v0 up || exit 97\n\
                      \"$@\" && exit 96\n\
                      ip -4 addr show dev v0; nsenter --net=\"$file\" ip -o link";
        let call = Call::new("unshare").args(["--net", "--mount", "sh", "-c", script, &file]);
        let call = call.args([command.get_program()]).args(command.get_args());
        let output = call.folder(world.work().join("bundle")).output();
        assert!(output.code() == 0 && output.stderr.contains("no-such-program"), "{path:?}: {output}");
        assert!(output.stdout.contains("10.9.9.1/24") && output.stdout.contains("UP"), "{path:?}: {output}");
        assert!(!output.stdout.contains("eth7"), "{path:?}: {output}");
    }
}

#[test]
fn an_overlay_of_long_paths_is_mounted() {
    let Ok(mut world) = World::new(Place::Machine) else { return skip("an_overlay_of_long_paths", "needs root") };
    let layers: Vec<String> =
        (0..6).map(|number| world.work().join(format!("layer-{number}-{}", "x".repeat(60))).display().to_string()).collect();
    for (number, layer) in layers.iter().enumerate() {
        std::fs::create_dir(layer).expect("make a layer");
        std::fs::write(format!("{layer}/file-{number}"), "").expect("fill it");
    }
    let options = [format!("lowerdir={}", layers.join(":"))];
    assert!(options[0].len() > 255);
    world.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"destination": "/mnt", "type": "overlay", "source": "overlay", "options": options}));
    world.runs("ls /mnt");
    world.prepare();
    let output = world.oci(&["run", &world.id()]).output();
    assert_eq!(output.stdout, "file-0\nfile-1\nfile-2\nfile-3\nfile-4\nfile-5\n", "{output}");
}
