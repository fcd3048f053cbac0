//! Limits and what is seen of them: pause, update, statistics, out of memory; devices of the network.

use serde_json::{Value, json};

use super::{Place, World, where_limits_are};
use crate::support::{Call, skip};

#[test]
fn paused_updated_and_resumed() {
    where_limits_are("paused_updated_and_resumed", |mut world| {
        world.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
        let output = world.tell(
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

#[test]
fn out_of_memory_is_an_event() {
    where_limits_are("out_of_memory_is_an_event", |mut world| {
        // The hog begins when events listens: it waits for a line.
        world.runs("cat /tmp/go > /dev/null; tail /dev/zero");
        world.config["linux"]["resources"] = json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
        let output = world.tell(
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
