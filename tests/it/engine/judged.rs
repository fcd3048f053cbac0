//! What dockerd refuses or does when a request is made, found by sending the same requests to Debian's `dockerd`.

use std::fs;

use serde_json::{Value, json};

use super::containers::{Confined, docker, limits, users};
use super::text;

/// Sends a document.
fn send(here: &Confined, path: &str, body: &Value) -> (u16, String) {
    let file = here.engine.path("body.json");
    fs::write(&file, body.to_string()).expect("write a request");
    here.engine.sent("POST", path, &file)
}

/// The message of a request that is refused.
fn refused(here: &Confined, path: &str, body: &Value, status: u16) -> String {
    let (found, said) = send(here, path, body);
    assert_eq!(found, status, "{path} {body}: {said}");
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}"));
    said["message"].as_str().expect("a message").to_owned()
}

#[test]
fn a_container_that_contradicts_itself_is_refused_and_nothing_is_made() {
    if !docker("a_container_that_contradicts_itself_is_refused_and_nothing_is_made") {
        return;
    }
    let here = Confined::start();
    let mount = |options: Value| {
        let mut mount = json!({"Type": "bind", "Source": "/tmp", "Target": "/t"});
        options.as_object().into_iter().flatten().for_each(|(key, value)| mount[key] = value.clone());
        json!({"Mounts": [mount]})
    };
    let table = [
        (json!({"MemoryReservation": 1}), "Minimum memory reservation allowed is 6MB"),
        (json!({"CpusetCpus": "x"}), "Invalid value x for cpuset cpus: invalid format: x"),
        (json!({"PidMode": "container:nosuch"}), "No such container: nosuch"),
        (json!({"Runtime": "nosuch"}), "unknown or invalid runtime name: nosuch"),
        (json!({"ExtraHosts": ["x:y"]}), "invalid IP address in add-host: \"y\""),
        (json!({"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}), "invalid port specification: \"x\""),
        (json!({"Tmpfs": {"/": ""}}), "invalid specification: destination can't be '/'"),
        (json!({"Binds": ["data:/b:ro,rw"]}), "invalid mode: ro,rw"),
        (mount(json!({"Source": "rel"})), "invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute"),
        (mount(json!({"BindOptions": {"Propagation": "x"}})), "invalid mount config for type \"bind\": invalid propagation mode: x"),
        (mount(json!({"VolumeOptions": {}})), "invalid mount config for type \"bind\": field VolumeOptions must not be specified"),
        (mount(json!({"Type": "tmpfs"})), "invalid mount config for type \"tmpfs\": field Source must not be specified"),
        (mount(json!({"Type": "npipe"})), "invalid mount config for type \"npipe\": mount type unknown"),
        (json!({"StorageOpt": {"size": "1G"}}), "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"),
    ];
    for (host, message) in table {
        assert_eq!(refused(&here, "/containers/create", &json!({"Image": "base:1", "Cmd": ["true"], "HostConfig": host}), 400), message);
    }
    let health = json!({"Image": "base:1", "Cmd": ["true"], "Healthcheck": {"Test": ["CMD", "true"], "Timeout": -1}});
    assert_eq!(refused(&here, "/containers/create", &health, 400), "Timeout in Healthcheck cannot be less than 1ms");
    assert_eq!(here.said(&["ps", "-aq"]), "");
    assert_eq!(here.said(&["volume", "ls", "-q"]), "", "a refused mount makes no volume");
    // Lists say which of their values makes no sense, also where there is nothing to list.
    for (filter, message) in [
        ("%7B%22health%22%3A%5B%22x%22%5D%7D", "unrecognized filter value for health: x"),
        ("%7B%22exited%22%3A%5B%22x%22%5D%7D", "invalid filter 'exited=x'"),
    ] {
        assert_eq!(here.engine.refused("GET", &format!("/containers/json?filters={filter}"), 400), message);
    }
    assert_eq!(here.engine.refused("GET", "/events?since=5&until=1", 400), "`since` time (5) cannot be after `until` time (1)");
    assert_eq!(here.engine.ask("GET", "/plugins"), (200, "[]".to_owned()));
}

#[test]
fn memory_with_swap_is_twice_the_memory_and_bounds_an_update() {
    let test = "memory_with_swap_is_twice_the_memory_and_bounds_an_update";
    if !docker(test) || !limits(test) {
        return;
    }
    let here = Confined::start();
    here.said(&["create", "--name", "tight", "-m", "64m", "--network", "none", "base:1", "true"]);
    assert_eq!(here.said(&["inspect", "-f", "{{.HostConfig.MemorySwap}}", "tight"]), "134217728\n");
    let said = here.fails(&["update", "-m", "256m", "tight"], 1);
    assert!(
        said.contains("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"),
        "{said}"
    );
    here.said(&["update", "-m", "256m", "--memory-swap", "-1", "tight"]);
    assert_eq!(here.said(&["inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", "tight"]), "268435456 -1\n");
}

#[test]
fn an_engine_without_cgroups_discards_limits_and_says_so() {
    let here = Confined::after(
        "umount -Rl /sys/fs/cgroup 2> /dev/null; ! grep -q ' - cgroup' /proc/self/mountinfo || mount -t tmpfs none /sys/fs/cgroup || exit 1",
    );
    let ours = |words: &[&str]| here.engine.ours(words).output();
    let limited = ["run", "--rm", "--network", "none", "-m", "64m", "--pids-limit", "20", "--cpu-shares", "512", "base:1", "echo", "ran"];
    let ran = ours(&limited);
    assert_eq!((ran.code(), ran.stdout.as_str()), (0, "ran\n"), "{ran}");
    let told: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        told,
        [
            "WARNING: Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
            "WARNING: Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            "WARNING: Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
        ]
    );
    let refused = ours(&["run", "--rm", "--network", "none", "--cpus", "0.5", "base:1", "true"]);
    assert!(refused.code() == 125 && refused.stderr.contains("NanoCPUs can not be set"), "{refused}");
    ours(&["run", "-d", "--name", "free", "--network", "none", "-m", "64m", "base:1", "sleep", "1000"]);
    assert_eq!(ours(&["inspect", "-f", "{{.State.Status}} {{.HostConfig.Memory}}", "free"]).stdout, "running 0\n");
    let updated = ours(&["update", "-m", "32m", "free"]);
    assert!(updated.code() == 0 && updated.stderr.contains("Limitation discarded"), "{updated}");
    let frozen = ours(&["pause", "free"]);
    assert!(frozen.code() == 1 && frozen.stderr.contains("the container has no cgroup"), "{frozen}");
    let info = ours(&["info"]);
    assert!(info.stdout.contains("Cgroup Driver: none") && info.stderr.contains("WARNING: Running without cgroups"), "{info}");
}

#[test]
fn a_program_has_its_own_group_among_the_others() {
    let test = "a_program_has_its_own_group_among_the_others";
    if !docker(test) || !users(test) {
        return;
    }
    let here = Confined::start();
    // CVE-2022-36109: without it a program could give up its group, and with it what the group is denied.
    let groups = "while read key value; do [ $key = Groups: ] && echo $value; done < /proc/self/status; true";
    for (user, wanted) in [("0", "0\n"), ("7:8", "8\n")] {
        assert_eq!(here.said(&["run", "--rm", "--network", "none", "--user", user, "base:1", "sh", "-c", groups]), wanted);
    }
    let more = ["run", "--rm", "--network", "none", "--user", "7:8", "--group-add", "9", "base:1", "sh", "-c", groups];
    assert_eq!(here.said(&more), "8 9\n");
    here.said(&["run", "-d", "--network", "none", "--name", "runs", "--user", "7:8", "base:1", "sleep", "1000"]);
    assert_eq!(here.said(&["exec", "runs", "sh", "-c", groups]), "8\n");
}

#[test]
fn networks_that_only_a_swarm_has_are_refused() {
    let engine = super::Engine::start();
    let create = |wish: Value| {
        let file = engine.path("body.json");
        fs::write(&file, wish.to_string()).expect("write a request");
        let (status, said) = engine.sent("POST", "/networks/create", &file);
        let said: Value = serde_json::from_str(&said).expect("a document");
        (status, said["message"].as_str().expect("a message").to_owned())
    };
    for (wish, status, message) in [
        (json!({"Name": "default"}), 403, "operation is not permitted on predefined default network "),
        (json!({"Name": "x1", "Ingress": true}), 403, "Ingress network can only be global scope network"),
        (json!({"Name": "x1", "Scope": "swarm"}), 403, "cannot create a swarm scoped network when swarm is not active"),
        (
            json!({"Name": "x1", "IPAM": {"Driver": "nosuch"}}),
            404,
            "could not find plugin nosuch in v1 plugin registry: plugin \"nosuch\" not found",
        ),
    ] {
        assert_eq!(create(wish), (status, message.to_owned()));
    }
}

#[test]
fn a_link_is_removed_and_both_containers_stay() {
    if !docker("a_link_is_removed_and_both_containers_stay") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "-d", "--name", "db1", "base:1", "sleep", "1000"]);
    here.said(&["run", "-d", "--name", "web1", "--link", "db1:store", "base:1", "sleep", "1000"]);
    let hosts = || here.said(&["exec", "web1", "cat", "/etc/hosts"]);
    assert!(hosts().contains("store"), "{}", hosts());
    assert_eq!(here.said(&["rm", "--link", "web1/store"]), "web1/store\n");
    assert!(!hosts().contains("store"), "{}", hosts());
    assert_eq!(here.said(&["ps", "--format", "{{.Names}}"]), "web1\ndb1\n");
    assert_eq!(here.engine.refused("DELETE", "/containers/web1/store?link=1", 404), "No such link: /web1/store");
    assert!(here.fails(&["rm", "--link", "web1"], 1).contains("cannot remove the default link name of the container"));
}

#[test]
fn old_versions_mean_what_they_meant() {
    if !docker("old_versions_mean_what_they_meant") {
        return;
    }
    let here = Confined::start();
    here.said(&["network", "create", "named"]);
    let id = here.said(&["run", "-d", "--name", "one", "--network", "named", "--network-alias", "also", "base:1", "sleep", "1000"]);
    let aliases = |version: &str| {
        let shown = here.engine.json(&format!("{version}/containers/one/json"));
        shown["NetworkSettings"]["Networks"]["named"]["Aliases"].clone()
    };
    assert_eq!(aliases("/v1.45"), json!(["also"]));
    assert_eq!(aliases("/v1.44"), json!(["also", id[..12]]));
    let image = |version: &str| here.engine.json(&format!("{version}/images/base:1/json"));
    let (old, older, new) = (image("/v1.49"), image("/v1.44"), image("/v1.50"));
    assert_eq!((&old["Config"]["Hostname"], &old["ContainerConfig"]), (&json!(""), &Value::Null));
    assert_eq!(older["ContainerConfig"]["Volumes"], Value::Null);
    assert!(older["ContainerConfig"].is_object() && new["Config"].get("Hostname").is_none(), "{older} {new}");
    here.said(&["volume", "create", "kept"]);
    let pruned = |version: &str| here.engine.ask("POST", &format!("{version}/volumes/prune")).1;
    assert!(pruned("/v1.42").contains("\"VolumesDeleted\":null"));
    assert!(pruned("/v1.41").contains("\"VolumesDeleted\":[\"kept\"]"));
}

#[test]
fn keys_that_detach_are_read_as_docker_py_writes_them() {
    if !docker("keys_that_detach_are_read_as_docker_py_writes_them") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "-d", "--network", "none", "--name", "held", "base:1", "sleep", "1000"]);
    for key in ["DetachKeys", "detachKeys"] {
        let said = refused(&here, "/containers/held/exec", &json!({"Cmd": ["true"], key: "x-y"}), 400);
        assert_eq!(said, "Invalid detach keys (x-y) provided", "{key}");
    }
    // One that could not be begun is over: the container does not list it any more.
    here.fails(&["exec", "held", "nosuch"], 127);
    assert_eq!(here.engine.json("/containers/held/json")["ExecIDs"], Value::Null);
}

#[test]
fn of_two_dockerfiles_the_first_counts_and_of_two_hosts_both() {
    let engine = super::Engine::with_image();
    let context = engine.path("context");
    fs::create_dir_all(&context).expect("make a context");
    fs::write(context.join("own"), "FROM base:1\nLABEL from=context\n").expect("write a Dockerfile");
    let tar = engine.path("context.tar");
    engine.sandbox.program("tar").args(["-C", &text(&context), "-cf", &text(&tar), "."]).succeeds();
    // docker-py sends the text of the Dockerfile behind its name.
    let (status, told) = engine.sent("POST", "/build?t=app:1&dockerfile=own&dockerfile=FROM%20nosuch", &tar);
    assert!(status == 200 && told.contains("Successfully tagged app:1"), "{status} {told}");
    assert_eq!(engine.json("/images/app:1/json")["Config"]["Labels"]["from"], "context");
    let hosts = "FROM base:1\nRUN cat /etc/hosts\n";
    fs::write(context.join("Dockerfile"), hosts).expect("write a Dockerfile");
    engine.sandbox.program("tar").args(["-C", &text(&context), "-cf", &text(&tar), "."]).succeeds();
    let (_, told) = engine.sent("POST", "/build?extrahosts=one.test:10.0.0.1&extrahosts=two.test:10.0.0.2", &tar);
    assert!(told.contains("10.0.0.1\\tone.test") && told.contains("10.0.0.2\\ttwo.test"), "{told}");
}

#[test]
fn of_a_health_check_that_says_much_as_much_is_kept_as_dockerd_keeps_and_nothing_of_one_that_cannot_be_run() {
    if !docker("of_a_health_check_that_says_much_as_much_is_kept_as_dockerd_keeps_and_nothing_of_one_that_cannot_be_run") {
        return;
    }
    let here = Confined::start();
    let run = |name: &str, check: &[&str]| {
        let health = ["--health-interval", "100ms", "--health-retries", "1000"];
        here.said(&[&["run", "-d", "--name", name, "--network", "none"][..], &health, check, &["base:1", "sleep", "1000"]].concat())
    };
    let log =
        |name: &str| serde_json::from_str::<Value>(&here.said(&["inspect", "-f", "{{json .State.Health.Log}}", name])).expect("a list");
    run("much", &["--health-cmd", "yes | head -c 1000000"]);
    crate::support::eventually("a result", super::PATIENCE, || {
        let log = log("much");
        let first = log.get(0)?;
        assert_eq!((&first["ExitCode"], first["Output"].as_str().map(str::len)), (&json!(0), Some(4096)), "{first}");
        Some(())
    });
    let id = run("none", &["--health-cmd", "exit 3"]);
    let said = here.engine.docker(&["exec", "none", "/no/such"]).output();
    assert_ne!(said.code(), 0, "{said}");
    let folder = here.engine.path("data/run/hold").join(id.trim());
    crate::support::eventually("results", super::PATIENCE, || (log("none").as_array()?.len() == 5).then_some(()));
    // Each check that runs has a socket for a moment; what failed to start has left none.
    let left = || std::fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let of_execs = || left().filter(|name| name.len() > 20).collect::<Vec<String>>();
    crate::support::eventually("no file of an exec", super::PATIENCE, || of_execs().is_empty().then_some(()));
}

#[test]
fn the_last_results_of_a_health_check_outlive_the_container() {
    if !docker("the_last_results_of_a_health_check_outlive_the_container") {
        return;
    }
    let here = Confined::start();
    let check = ["--health-cmd", "echo well", "--health-interval", "100ms"];
    here.said(&[&["run", "-d", "--name", "well", "--network", "none"][..], &check, &["base:1", "sleep", "1000"]].concat());
    let health = || serde_json::from_str::<Value>(&here.said(&["inspect", "-f", "{{json .State.Health}}", "well"])).expect("a document");
    crate::support::eventually("a result", super::PATIENCE, || (health()["Status"] == "healthy").then_some(()));
    here.said(&["stop", "-t", "0", "well"]);
    // Nobody knows how it is now: that is unhealthy, in dockerd's words.
    let ended = health();
    assert_eq!((&ended["Status"], &ended["FailingStreak"], &ended["Log"][0]["Output"]), (&json!("unhealthy"), &json!(0), &json!("well\n")));
    assert_eq!(here.said(&["ps", "-a", "--filter", "health=unhealthy", "--format", "{{.Names}}"]), "well\n");
    let shown = here.said(&["ps", "-a", "--format", "{{.Status}}"]);
    assert!(shown.starts_with("Exited (137)") && !shown.contains("health"), "{shown}");
    // The next run begins anew, and remembers.
    here.said(&["start", "well"]);
    let again = health();
    assert!(
        again["Log"].as_array().is_some_and(|log| log.iter().any(|one| one["Start"] == ended["Log"][0]["Start"]) || log.len() == 5),
        "{again}"
    );
    assert_eq!(here.said(&["inspect", "-f", "{{.State.Running}}", "well"]), "true\n");
}

#[test]
fn lists_that_a_request_leaves_out_are_null_and_empty_ones_are_empty() {
    if !docker("lists_that_a_request_leaves_out_are_null_and_empty_ones_are_empty") {
        return;
    }
    let here = Confined::start();
    let shown = |host: Value| {
        let (status, said) = send(&here, "/containers/create", &json!({"Image": "base:1", "Cmd": ["true"], "HostConfig": host}));
        assert_eq!(status, 201, "{said}");
        let id = serde_json::from_str::<Value>(&said).expect("a document")["Id"].as_str().expect("an id").to_owned();
        here.engine.json(&format!("/containers/{id}/json"))["HostConfig"].take()
    };
    let lists =
        ["Dns", "DnsOptions", "DnsSearch", "Devices", "Ulimits", "BlkioWeightDevice", "CapAdd", "CapDrop", "GroupAdd", "ExtraHosts"];
    let silent = shown(json!({"NetworkMode": "none"}));
    let empty: Value = lists.iter().map(|list| ((*list).to_owned(), json!([]))).collect::<serde_json::Map<_, _>>().into();
    let said = shown(empty);
    for list in lists {
        assert_eq!((silent.get(list), &said[list]), (Some(&Value::Null), &json!([])), "{list}");
    }
    assert_eq!(silent["PortBindings"], Value::Null);
    // The engine's record keeps them apart, too.
    assert_eq!(shown(json!({"PortBindings": {}, "Links": [], "Tmpfs": {}}))["PortBindings"], json!({}));
}

#[test]
fn an_image_for_another_machine_is_warned_of_unless_it_was_asked_for() {
    if !docker("an_image_for_another_machine_is_warned_of_unless_it_was_asked_for") {
        return;
    }
    let here = Confined::start();
    let tar = here.engine.path("tree.tar");
    let tree = here.engine.path("tree");
    fs::create_dir_all(&tree).expect("make a folder");
    here.engine.sandbox.program("tar").args(["-C", &text(&tree), "-cf", &text(&tar), "."]).succeeds();
    here.engine.ours(&["import", "--platform", "linux/s390x", "-c", "CMD [\"/hello\"]", &text(&tar), "far:1"]).succeeds();
    let warnings = |query: &str, image: &str| {
        let (status, said) = send(&here, &format!("/containers/create{query}"), &json!({"Image": image, "Cmd": ["true"]}));
        assert_eq!(status, 201, "{said}");
        serde_json::from_str::<Value>(&said).expect("a document")["Warnings"].take()
    };
    let told = warnings("", "far:1");
    let told = told[0].as_str().expect("a warning");
    assert!(told.starts_with("The requested image's platform (linux/s390x) does not match the detected host platform (linux/"), "{told}");
    assert!(told.ends_with(") and no specific platform was requested"), "{told}");
    assert_eq!(warnings("?platform=linux/s390x", "far:1"), json!([]));
    assert_eq!(warnings("", "base:1"), json!([]));
}

#[test]
fn what_a_request_must_have_is_asked_for() {
    if !docker("what_a_request_must_have_is_asked_for") {
        return;
    }
    let here = Confined::start();
    here.said(&["create", "--name", "web", "--network", "none", "base:1", "true"]);
    for path in ["/containers/web/update", "/volumes/create", "/networks/bridge/connect", "/networks/bridge/disconnect"] {
        assert_eq!(here.engine.refused("POST", path, 400), "invalid JSON: got EOF while reading request body", "{path}");
    }
    for path in ["/networks/bridge/connect", "/networks/bridge/disconnect"] {
        assert_eq!(refused(&here, path, &json!({}), 400), "invalid name or ID supplied: \"\"", "{path}");
    }
    assert_eq!(here.engine.refused("POST", "/containers/web/resize?h=5", 400), "invalid value \"\" for w");
    assert_eq!(here.engine.refused("GET", "/networks/bridge?scope=global", 404), "network bridge not found");
    assert!(here.engine.refused("GET", "/networks/bridge?verbose=x", 400).starts_with("invalid value for verbose: x"));
    assert_eq!(here.engine.json("/networks/bridge?scope=local&verbose=1")["Name"], "bridge");
    assert_eq!(
        here.engine.refused("GET", "/containers/json?filters=%7B%22publish%22%3A%5B%22x%22%5D%7D", 400),
        "invalid filter 'publish=x'"
    );
}

#[test]
fn a_filter_for_published_ports_means_those_of_the_host_that_are_in_use() {
    if !docker("a_filter_for_published_ports_means_those_of_the_host_that_are_in_use") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "-d", "--name", "web", "--expose", "90", "-p", "18080:80", "base:1", "sleep", "1000"]);
    here.said(&["run", "-d", "--name", "any", "-p", "82", "-p", "18081:81/udp", "base:1", "sleep", "1000"]);
    here.said(&["create", "--name", "made", "-p", "18082:80", "base:1", "true"]);
    let found = |filters: &[&str]| {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let said = here.said(&["ps", "-a", "--format", "{{.Names}}"].into_iter().chain(filters).collect::<Vec<&str>>());
        let mut names: Vec<String> = said.lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    let chosen = here.said(&["port", "any", "82/tcp"]);
    let chosen = chosen.lines().next().and_then(|line| line.rsplit(':').next()).expect("a port").to_owned();
    for (filter, names) in [
        ("publish=18080", "web"),
        ("publish=18080/tcp", "web"),
        ("publish=18000-18100", "web"),
        ("publish=18081/udp", "any"),
        ("publish=80", ""),
        ("publish=82", ""),
        (&format!("publish={chosen}"), "any"),
        ("publish=18082", ""),
        ("expose=90", "web"),
        ("expose=85-95", "web"),
        ("expose=82", "any"),
    ] {
        assert_eq!(found(&[filter]), names, "{filter}");
    }
    assert_eq!(found(&["publish=18081/udp", "expose=90"]), "any web", "one of them is enough");
}

#[test]
fn clients_of_older_versions_find_the_members_that_they_count_by() {
    if !docker("clients_of_older_versions_find_the_members_that_they_count_by") {
        return;
    }
    let here = Confined::start();
    here.said(&["create", "--name", "web", "--network", "none", "base:1", "true"]);
    for (version, virtual_size, kernel_memory) in [("1.41", true, true), ("1.43", true, false), ("1.44", false, false)] {
        let at = |path: &str| here.engine.json(&format!("/v{version}{path}"));
        for image in [&at("/images/json")[0], &at("/images/base:1/json"), &at("/system/df")["Images"][0]] {
            let size = image.get("VirtualSize");
            assert_eq!(size.is_some_and(|size| *size == image["Size"]), virtual_size, "{version}: {image}");
            assert_eq!(size.is_none(), !virtual_size, "{version}: {image}");
        }
        let host = &at("/containers/web/json")["HostConfig"];
        assert_eq!(host.get("KernelMemory").is_some(), kernel_memory, "{version}");
    }
    // Of a container that does not run there are figures to subtract, all of them 0.
    let stats = here.engine.json("/containers/web/stats?stream=0");
    for part in ["cpu_stats", "precpu_stats"] {
        assert_eq!(
            (&stats[part]["cpu_usage"]["total_usage"], &stats[part]["throttling_data"]["periods"]),
            (&json!(0), &json!(0)),
            "{part}"
        );
    }
    assert_eq!(stats["blkio_stats"].get("io_service_bytes_recursive"), Some(&Value::Null));
}
