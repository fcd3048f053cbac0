//! Containers as `docker inspect` has them, one that did everything wrong and one that did nothing wrong.

use serde_json::json;

use super::*;

fn judged(number: &str, container: Value) -> Verdict {
    told(number, json!({}), container)
}

fn told(number: &str, info: Value, container: Value) -> Verdict {
    let check = CHECKS.iter().find(|check| check.number == number).expect("a check");
    (check.judge)(&World { info, containers: vec![container], ..World::default() })
}

fn careless() -> Value {
    json!({
        "Name": "/all", "Config": {"User": "0:0", "Image": "busybox"}, "State": {}, "AppArmorProfile": "", "ProcessLabel": "",
        "HostConfig": {"Privileged": true, "CapAdd": ["CAP_SYS_ADMIN"], "CapDrop": null, "NetworkMode": "host", "PidMode": "host", "IpcMode": "private",
            "UTSMode": "", "UsernsMode": "host", "SecurityOpt": ["seccomp=unconfined"], "ReadonlyRootfs": false, "Memory": 0, "NanoCpus": 0,
            "PidsLimit": null, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}, "Devices": [{"PathOnHost": "/dev/sda"}]},
        "Mounts": [{"Type": "bind", "Source": "/", "Destination": "/host", "Propagation": "rshared"},
            {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "Propagation": "rprivate"},
            {"Type": "volume", "Source": "/etc", "Destination": "/v"}],
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/tcp": null}}
    })
}

fn careful() -> Value {
    json!({
        "Name": "/web", "Config": {"User": "101", "Image": "web:1"}, "State": {"Health": {"Status": "healthy"}},
        "HostConfig": {"Privileged": false, "CapAdd": null, "CapDrop": ["ALL"], "NetworkMode": "front", "PidMode": "", "IpcMode": "private", "UTSMode": "",
            "UsernsMode": "", "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": true, "Memory": 67108864, "NanoCpus": 500000000, "PidsLimit": 50,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}, "Devices": null},
        "Mounts": [{"Type": "bind", "Source": "/srv/site", "Destination": "/site", "Propagation": "rprivate"}],
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}
    })
}

#[test]
fn a_careless_container_is_told_by_name_in_every_check() {
    for check in CHECKS.iter().filter(|check| !["5.1", "5.20"].contains(&check.number)) {
        let verdict = judged(check.number, careless());
        assert!([Mark::Warn, Mark::Note].contains(&verdict.mark) && verdict.found[0].starts_with("all"), "{}: {verdict:?}", check.number);
    }
    let found = |number| judged(number, careless()).found;
    assert_eq!((found("5.2"), found("5.5")), (vec!["all: CAP_SYS_ADMIN".to_owned()], vec!["all: /".to_owned()]));
    assert_eq!((found("5.6"), found("5.7")), (vec!["all: /var/run/docker.sock".to_owned()], vec!["all: network, pid".to_owned()]));
    assert_eq!((found("5.15"), found("5.16")), (vec!["all: always".to_owned()], vec!["all: 80/tcp is open as 8080".to_owned()]));
}

#[test]
fn a_careful_container_passes_every_check() {
    for check in CHECKS.iter().filter(|check| check.number != "5.1") {
        assert_eq!(judged(check.number, careful()), Verdict::pass(), "{}", check.number);
    }
}

#[test]
fn without_containers_nothing_is_judged() {
    for check in CHECKS.iter().filter(|check| check.number != "5.1") {
        assert_eq!((check.judge)(&World::default()).mark, Mark::Info, "{}", check.number);
    }
}

#[test]
fn what_the_engine_gives_to_all_a_container_may_take_back() {
    let info = json!({"SecurityOptions": ["name=no-new-privileges"]});
    let with = |option: &str| json!({"Name": "/x", "HostConfig": {"SecurityOpt": [option]}});
    assert_eq!(told("5.9", info.clone(), json!({"Name": "/x"})), Verdict::pass());
    assert_eq!(told("5.9", info, with("no-new-privileges=false")).mark, Mark::Warn);
    assert_eq!(judged("5.9", with("no-new-privileges:true")), Verdict::pass());
    assert_eq!(judged("5.9", json!({"Name": "/x"})).mark, Mark::Warn);
}

#[test]
fn confinement_is_asked_for_where_the_machine_has_it() {
    let info = json!({"SecurityOptions": ["name=apparmor"]});
    assert_eq!(told("5.1", json!({}), careful()).found, ["the engine has neither"]);
    assert_eq!(told("5.1", info.clone(), careless()).found, ["all"]);
    assert_eq!(told("5.1", info, json!({"Name": "/x", "AppArmorProfile": "docker-default"})), Verdict::pass());
}
