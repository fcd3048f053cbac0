//! Part 2: the engine's settings, by what it tells of itself and by its `daemon.json`.

use serde_json::Value;

use super::checks::{Check, Mark, Verdict};
use super::world::{World, texts};

/// The checks.
pub const CHECKS: &[Check] = &[
    Check {
        number: "2.1",
        title: "Containers of the default bridge cannot talk to each other",
        why: "All that name no network are in it together. `\"icc\": false` closes it; networks of one's own are the better way.",
        judge: |world| switch(world, "icc", false, "containers of the default bridge reach each other"),
    },
    Check {
        number: "2.2",
        title: "The engine tells what it does, and no more",
        why: "With less than `info` an attack leaves no trace, with `debug` passwords may be in the log.",
        judge: |world| match world.daemon.get("log-level").and_then(Value::as_str) {
            None | Some("info") => Verdict::pass(),
            Some(level) => Verdict::of(Mark::Warn, format!("log-level is {level}")),
        },
    },
    Check {
        number: "2.3",
        title: "The engine may set the rules of the firewall",
        why: "With `\"iptables\": false` published ports and isolated networks depend on rules that somebody writes by hand.",
        judge: |world| {
            let off = world.set("iptables") == Some(&Value::Bool(false));
            Verdict::when(!off, Mark::Warn, "iptables is false")
        },
    },
    Check {
        number: "2.4",
        title: "Every registry but those of this machine needs TLS",
        why: "Without it anybody on the way can hand out another image, and read the password.",
        judge: registries,
    },
    Check {
        number: "2.5",
        title: "Who talks to the engine over TCP shows a certificate",
        why: "Whoever may talk to the engine is root of the machine.",
        judge: tcp,
    },
    Check {
        number: "2.6",
        title: "Containers have limits of open files and processes of their own",
        why: "`default-ulimits` are what a container gets that says nothing else.",
        judge: |world| Verdict::when(world.set("default-ulimits").is_some(), Mark::Note, "default-ulimits is not set"),
    },
    Check {
        number: "2.7",
        title: "Root of a container is not root of the machine",
        why: "With userns-remap, or an engine without root, who breaks out of a container is nobody.",
        judge: |world| {
            let found = if world.is_idle("userns-remap") {
                "userns-remap is set, and changes nothing in this engine"
            } else {
                "neither userns-remap nor rootless"
            };
            Verdict::when(world.has_option("userns") || world.has_option("rootless"), Mark::Warn, found)
        },
    },
    Check {
        number: "2.8",
        title: "Containers outlive a restart of the engine",
        why: "Else each update of the engine stops all of them, and updates are put off.",
        judge: |world| Verdict::when(world.info["LiveRestoreEnabled"] == true, Mark::Warn, "live-restore is off"),
    },
    Check {
        number: "2.9",
        title: "Nothing in a container can gain rights by starting a program",
        why: "`\"no-new-privileges\": true` makes set-uid programs harmless in all containers that say nothing else.",
        judge: |world| Verdict::when(world.has_option("no-new-privileges"), Mark::Warn, "no-new-privileges is not set for all"),
    },
    Check {
        number: "2.10",
        title: "System calls of containers are filtered",
        why: "The usual profile refuses calls that programs do not need and attacks do.",
        judge: |world| Verdict::when(world.has_option("seccomp"), Mark::Warn, "the engine has no seccomp"),
    },
    Check {
        number: "2.11",
        title: "Logs of containers have an end",
        why: "A log without an end fills the disk, and then every container of the machine stands still.",
        judge: logs,
    },
    Check {
        number: "2.12",
        title: "Nothing that is tried out is switched on",
        why: "Experimental features get less care, and may go away.",
        judge: |world| Verdict::when(world.info["ExperimentalBuild"] != true, Mark::Warn, "experimental is on"),
    },
    Check {
        number: "2.13",
        title: "Not everybody who may talk to the engine may do everything",
        why: "The engine knows one right only: all. A plugin can refuse requests; without one keep the circle small.",
        judge: |world| {
            Verdict::when(texts(&world.info["Plugins"]["Authorization"]).next().is_some(), Mark::Note, "no authorization plugin")
        },
    },
    Check {
        number: "2.14",
        title: "Every setting has an effect",
        why: "A setting that is taken and changes nothing looks like protection.",
        judge: |world| {
            let idle = world.warnings().filter(|warning| warning.contains("changes nothing"));
            Verdict::if_any(Mark::Warn, idle.map(|warning| warning.trim_start_matches("WARNING: ").to_owned()).collect())
        },
    },
];

fn switch(world: &World, key: &str, wanted: bool, found: &str) -> Verdict {
    if world.is_idle(key) {
        return Verdict::of(Mark::Warn, format!("{key} is set, and changes nothing in this engine"));
    }
    Verdict::when(world.set(key) == Some(&Value::Bool(wanted)), Mark::Warn, found)
}

fn registries(world: &World) -> Verdict {
    let config = &world.info["RegistryConfig"];
    let networks = texts(&config["InsecureRegistryCIDRs"]).filter(|network| !["127.0.0.0/8", "::1/128"].contains(network));
    let hosts = config["IndexConfigs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, index)| index["Secure"] == false)
        .map(|(name, _)| name.as_str());
    Verdict::if_any(Mark::Warn, networks.chain(hosts).map(|registry| format!("{registry} may do without TLS")).collect())
}

fn tcp(world: &World) -> Verdict {
    let told = world
        .warnings()
        .filter(|warning| warning.contains("API is accessible on"))
        .map(|warning| warning.trim_start_matches("WARNING: ").to_owned());
    let mut found: Vec<String> = told.collect();
    if found.is_empty() && world.daemon.get("tlsverify") != Some(&Value::Bool(true)) {
        let open = texts(world.daemon.get("hosts").unwrap_or(&Value::Null)).filter(|host| host.starts_with("tcp://"));
        found.extend(open.map(|host| format!("{host} without tlsverify")));
    }
    Verdict::if_any(Mark::Warn, found)
}

fn logs(world: &World) -> Verdict {
    let driver = world.info["LoggingDriver"].as_str().unwrap_or_default();
    let ends = world.set("log-opts").is_some_and(|options| !options["max-size"].is_null());
    Verdict::when(driver != "json-file" || ends, Mark::Warn, "json-file without max-size")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(number: &str, info: Value, daemon: Value) -> Verdict {
        let check = CHECKS.iter().find(|check| check.number == number).expect("a check");
        (check.judge)(&World { info, daemon: daemon.as_object().cloned().unwrap_or_default(), ..World::default() })
    }

    #[test]
    fn an_engine_as_it_comes_has_much_to_mend() {
        let info = json!({"SecurityOptions": ["name=seccomp,profile=builtin"], "LoggingDriver": "json-file", "LiveRestoreEnabled": false,
            "RegistryConfig": {"InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"], "IndexConfigs": {"docker.io": {"Secure": true}}}});
        let warned: Vec<&str> = CHECKS
            .iter()
            .filter(|check| judged(check.number, info.clone(), json!({})).mark == Mark::Warn)
            .map(|check| check.number)
            .collect();
        assert_eq!(warned, ["2.1", "2.7", "2.8", "2.9", "2.11"]);
    }

    #[test]
    fn an_engine_that_was_set_up_with_care_passes() {
        let info = json!({"SecurityOptions": ["name=seccomp,profile=builtin", "name=userns", "name=no-new-privileges"], "LoggingDriver": "json-file",
            "LiveRestoreEnabled": true, "Plugins": {"Authorization": ["opa"]}, "Warnings": null});
        let daemon = json!({"icc": false, "default-ulimits": {}, "log-opts": {"max-size": "10m"}, "hosts": ["tcp://0.0.0.0:2376"], "tlsverify": true});
        for check in CHECKS {
            assert_eq!(judged(check.number, info.clone(), daemon.clone()), Verdict::pass(), "{}", check.number);
        }
    }

    #[test]
    fn what_changes_nothing_protects_from_nothing() {
        let info = json!({"Warnings": ["WARNING: `icc` of daemon.json changes nothing in this engine"]});
        assert_eq!(judged("2.1", info.clone(), json!({"icc": false})).mark, Mark::Warn);
        assert_eq!(judged("2.14", info, json!({"icc": false})).found, ["`icc` of daemon.json changes nothing in this engine"]);
        assert_eq!(judged("2.1", json!({}), json!({"icc": false})).mark, Mark::Pass);
    }

    #[test]
    fn open_doors_are_named() {
        let info =
            json!({"RegistryConfig": {"InsecureRegistryCIDRs": ["10.0.0.0/8"], "IndexConfigs": {"reg.lab:5000": {"Secure": false}}}});
        assert_eq!(judged("2.4", info, json!({})).found, ["10.0.0.0/8 may do without TLS", "reg.lab:5000 may do without TLS"]);
        let told = json!({"Warnings": ["WARNING: API is accessible on 0.0.0.0:2375 without encryption or client certificates"]});
        assert!(judged("2.5", told, json!({})).found[0].starts_with("API is accessible on 0.0.0.0:2375"));
        assert_eq!(judged("2.5", json!({}), json!({"hosts": ["tcp://0.0.0.0:2375"]})).found, ["tcp://0.0.0.0:2375 without tlsverify"]);
    }
}
