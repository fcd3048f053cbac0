//! Lives of containers: the commands and their exit codes, hooks, files, descriptors.

use serde_json::{Value, json};

use super::Place;
use super::everywhere;
use crate::support::bundle;

#[test]
fn a_life_by_its_commands() {
    everywhere("a_life_by_its_commands", |world| {
        let output = world.tell(
            "oci create --pid-file $work/pid $id < /dev/null > /dev/null; echo create=$?\n\
             echo after create: $(status $id)\n\
             [ -d /proc/$(cat $work/pid) ] && echo pid file tells\n\
             oci create $id < /dev/null; echo twice=$?\n\
             oci start $id; echo start=$?\n\
             echo after start: $(status $id)\n\
             oci start $id; echo start twice=$?\n\
             [ \"$(oci list -q)\" = $id ] && echo list tells\n\
             oci ps --format json $id | grep -q $(cat $work/pid) && echo ps tells\n\
             oci exec $id hostname\n\
             oci exec --user 0:0 --env A=b --cwd /tmp $id sh -c 'echo $A $PWD; exit 5'; echo exec=$?\n\
             oci exec $id no-such-program; echo exec missing=$?\n\
             oci delete $id; echo delete running=$?\n\
             oci kill $id KILL; echo kill=$?\n\
             until_is $id stopped\n\
             oci kill $id KILL; echo kill stopped=$?\n\
             oci exec $id true; echo exec stopped=$?\n\
             oci delete $id; echo delete=$?\n\
             oci state $id; echo state=$?\n\
             oci delete $id; echo delete gone=$?\n\
             oci delete --force $id; echo delete force gone=$?",
        );
        let expected = [
            "create=0",
            "after create: created",
            "pid file tells",
            "twice=1",
            "start=0",
            "after start: running",
            "start twice=1",
            "list tells",
            "ps tells",
            "vessel",
            "b /tmp",
            "exec=5",
            "exec missing=255",
            "delete running=1",
            "kill=0",
            "kill stopped=1",
            "exec stopped=255",
            "delete=0",
            "state=1",
            "delete gone=1",
            "delete force gone=0",
        ];
        let lines: Vec<&str> = output.stdout.lines().collect();
        let mut rest = lines.iter();
        for line in expected {
            assert!(rest.any(|seen| *seen == line), "{:?}: `{line}` is missing or out of order: {output}", world.place());
        }
    });
}

#[test]
fn run_ends_as_its_program_does() {
    everywhere("run_ends_as_its_program_does", |mut world| {
        world.runs("exit 7");
        let output = world.tell(
            "oci run $id; echo run=$?\n\
             sed -i 's/exit 7/sleep 1000/' config.json\n\
             oci run $id < /dev/null & run=$!\n\
             until_is $id running; oci kill $id KILL; wait $run; echo killed=$?\n\
             sed -i 's|/bin/sh|/bin/none|' config.json; oci run $id; echo missing=$?\n\
             oci list -q; echo nothing left",
        );
        for line in ["run=7", "killed=137", "missing=1"] {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
        assert!(output.stderr.contains("no such file or directory") || output.stdout.contains("no such file or directory"), "{output}");
        assert!(output.stdout.contains("missing=1\nnothing left"), "a failed start leaves nothing: {output}");
    });
}

#[test]
fn descriptors_are_handed_on_and_no_others() {
    everywhere("descriptors_are_handed_on_and_no_others", |mut world| {
        world.runs("cat <&3; ls -1 /proc/self/fd");
        let output = world.tell(
            "echo handed on > $work/file\n\
             oci run --preserve-fds 1 $id 3< $work/file 4< $work/file 5< $work/file; echo run=$?\n\
             oci run --preserve-fds 2 $id 3< $work/file 4<&-; echo not open=$?",
        );
        // ls holds one more on the folder that it lists.
        assert!(output.stdout.contains("handed on\n0\n1\n2\n3\n4\nrun=0\n"), "{output}");
        assert!(output.stdout.contains("not open=1"), "{output}");
    });
}

#[test]
fn sockets_of_an_activation_come_first() {
    everywhere("sockets_of_an_activation_come_first", |mut world| {
        world.runs("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4");
        let output = world.tell(
            "echo first > $work/a; echo second > $work/b\n\
             sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" oci --root \"$1\" run --preserve-fds 1 \"$2\"' $program $work/oci $id 3< $work/a 4< $work/b",
        );
        assert!(output.stdout.contains("1 1\nfirst\nsecond\n"), "{output}");
    });
}

#[test]
fn hooks_run_at_their_stations() {
    everywhere("hooks_run_at_their_stations", |mut world| {
        let hook = |name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("read state; echo {name} >> @WORK@/log")]}]);
        let inside = json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer"]}]);
        world.config["hooks"] = json!({
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "createContainer": hook("createContainer"),
            "startContainer": inside, "poststart": hook("poststart"), "poststop": hook("poststop"),
        });
        let output = world.tell("oci create $id < /dev/null > /dev/null; oci start $id; oci delete --force $id; echo $(cat $work/log)");
        assert!(output.stdout.contains("prestart createRuntime createContainer poststart poststop\n"), "{:?}: {output}", world.place());
    });
}

/// All write into one file of the container, which those outside know by another name.
#[test]
fn hooks_and_the_program_run_in_the_order_of_the_specification() {
    everywhere("hooks_and_the_program_run_in_the_order_of_the_specification", |mut world| {
        let at = |place: &str, name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("echo {name} >> {place}/tmp/log")]}]);
        let outside = |name: &str| at("@WORK@/bundle/rootfs", name);
        world.config["hooks"] = json!({
            "poststop": outside("poststop"), "poststart": outside("poststart"), "startContainer": at("", "startContainer"),
            "createContainer": outside("createContainer"), "createRuntime": outside("createRuntime"), "prestart": outside("prestart"),
        });
        world.runs("echo program >> /tmp/log; sleep 1000");
        let output = world.tell(
            "oci create $id < /dev/null > /dev/null; echo create: $(cat rootfs/tmp/log); oci start $id; until grep -q program rootfs/tmp/log; do :; done\n\
             oci delete --force $id; echo all: $(cat rootfs/tmp/log)",
        );
        assert!(output.stdout.contains("create: prestart createRuntime createContainer\n"), "{:?}: {output}", world.place());
        let all = output.stdout.lines().find_map(|line| line.strip_prefix("all: ")).unwrap_or_default();
        // Whether the program or the hook after its start gets to the file first is open.
        let first = "prestart createRuntime createContainer startContainer";
        let possible = [format!("{first} program poststart poststop"), format!("{first} poststart program poststop")];
        assert!(possible.iter().any(|one| one == all), "{:?}: {output}", world.place());
    });
}

/// runtime.md: hooks outside get the pid as the runtime sees it, those inside as the container sees it.
#[test]
fn hooks_get_the_state_of_their_station() {
    everywhere("hooks_get_the_state_of_their_station", |mut world| {
        let at = |place: &str, name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("cat > {place}/tmp/{name}")]}]);
        let outside = |name: &str| at("@WORK@/bundle/rootfs", name);
        world.config["hooks"] = json!({
            "createRuntime": outside("createRuntime"), "createContainer": outside("createContainer"),
            "startContainer": at("", "startContainer"), "poststart": outside("poststart"), "poststop": outside("poststop"),
        });
        let output = world.tell(
            "oci create --pid-file $work/pid $id < /dev/null > /dev/null; oci start $id; oci delete --force $id; echo pid $(cat $work/pid)\n\
             for hook in createRuntime createContainer startContainer poststart poststop; do echo $hook $(cat rootfs/tmp/$hook); done",
        );
        let after = |word: &str| output.stdout.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).unwrap_or_default();
        let pid: i64 = after("pid").parse().expect("the number of the first process");
        let expected = [
            ("createRuntime", "creating", pid),
            ("createContainer", "creating", 1),
            ("startContainer", "created", 1),
            ("poststart", "running", pid),
            ("poststop", "stopped", 0),
        ];
        for (hook, status, pid) in expected {
            let state: Value = serde_json::from_str(after(hook)).unwrap_or_else(|error| panic!("{hook}: {error}: {output}"));
            assert_eq!((&state["status"], &state["pid"]), (&json!(status), &json!(pid)), "{hook} in {:?}: {output}", world.place());
            assert_eq!(state["id"], json!(world.id()), "{hook}");
        }
    });
}

/// runtime.md, "Lifecycle": the container is stopped, poststart is left out, poststop runs.
#[test]
fn a_start_hook_that_fails_stops_the_container() {
    everywhere("a_start_hook_that_fails_stops_the_container", |mut world| {
        let outside = |name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("echo {name} >> @WORK@/log")]}]);
        let inside = json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo broken >&2; exit 3"]}]);
        world.config["hooks"] = json!({"startContainer": inside, "poststart": outside("poststart"), "poststop": outside("poststop")});
        world.runs("echo ran > /tmp/ran; sleep 1000");
        let output = world.tell(
            "oci create $id < /dev/null > /dev/null; oci start $id 2>&1; echo start=$?; until_is $id stopped; oci delete $id; echo delete=$?\n\
             echo ran: $(ls rootfs/tmp); echo hooks: $(cat $work/log)",
        );
        for part in ["startContainer hook #0", "exit code 3", "broken", "start=1\n", "delete=0\n", "ran:\n", "hooks: poststop\n"] {
            assert!(output.stdout.contains(part), "{part:?}: {:?}: {output}", world.place());
        }
    });
}

#[test]
fn a_hook_that_fails_stops_the_creation_and_leaves_nothing() {
    everywhere("a_hook_that_fails", |mut world| {
        world.config["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo broken >&2; exit 3"]}]});
        let output = world.tell("oci create $id 2>&1 < /dev/null; echo create=$?; [ -z \"$(oci list -q)\" ] && echo nothing left");
        for part in ["createRuntime hook #0", "exit code 3", "broken", "create=1", "nothing left"] {
            assert!(output.stdout.contains(part), "{part}: {output}");
        }
    });
}

/// Killed between the clone and execve(2): that is no container that has run.
#[test]
fn a_first_process_that_is_killed_before_its_program_is_a_failure() {
    everywhere("killed_before_its_program", |mut world| {
        let script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); kill -9 $pid; until grep -q '^State:.Z' /proc/$pid/status; do :; done";
        world.config["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
        let output = world.tell("oci run $id < /dev/null; echo run=$?; [ -z \"$(oci list -q)\" ] && echo nothing left");
        assert!(output.stdout.contains("run=1\nnothing left"), "{:?}: {output}", world.place());
    });
}

#[test]
fn null_is_no_key() {
    everywhere("null_is_no_key", |mut world| {
        world.runs("echo it runs");
        world.config["mounts"][0]["options"] = json!(null);
        world.config["hooks"] = json!(null);
        world.config["linux"]["devices"] = json!(null);
        world.config["process"]["rlimits"] = json!(null);
        assert!(world.tell("oci run $id").stdout.contains("it runs\n"));
    });
}

#[test]
fn a_spec_that_was_written_runs() {
    everywhere("a_spec_that_was_written_runs", |world| {
        let rootless = if world.place() == Place::Ordinary { "--rootless" } else { "" };
        let output = world.tell(&format!(
            "rm config.json; oci spec {rootless}; echo spec=$?; oci spec; echo twice=$?\n\
             sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"sh\", \"-c\", \"echo it runs\"/' config.json\n\
             oci run $id; echo run=$?; oci features | grep -c ociVersionMax; oci --version | head -1"
        ));
        for line in ["spec=0", "twice=1", "it runs", "run=0", "1"] {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
    });
}

#[test]
fn a_relative_root_is_the_same_from_everywhere() {
    everywhere("a_relative_root", |world| {
        let output = world.tell(
            "$program oci --root ../oci --log ../log run --detach $id < /dev/null > /dev/null 2>&1; echo $(status $id)\n\
             $program oci --root ../oci --log ../log start $id; grep -c 'only a created one' $work/log",
        );
        assert!(output.stdout.contains("running\n") && output.stdout.contains("\n1\n"), "{output}");
    });
}

#[test]
fn clocks_of_a_new_time_namespace_are_set() {
    everywhere("clocks", |mut world| {
        world.runs("cat /proc/uptime");
        bundle::push(&mut world.config, "/linux/namespaces", json!({"type": "time"}));
        world.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 864_000_000}});
        let output = world.tell("oci run $id");
        let uptime = output.stdout.lines().find_map(|line| line.split('.').next()?.parse::<u64>().ok());
        assert!(uptime.is_some_and(|uptime| uptime > 864_000_000), "{:?}: {output}", world.place());
    });
}
