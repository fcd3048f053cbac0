//! `--shim`: somebody stays with a container that nobody waits for.

use serde_json::Value;

use super::everywhere;

/// Waits until the shim has told how the container ended.
const ENDED: &str = "until oci state $id | grep -q exitCode; do :; done\n";

#[test]
fn a_shim_keeps_what_a_container_says_and_how_it_ended() {
    everywhere("a_shim_keeps_what_a_container_says_and_how_it_ended", |mut world| {
        world.runs("echo out; echo err >&2; printf %20000d 7; exit 9");
        let output = world.tell(&format!(
            "oci run --detach --shim $id | cat; echo made\n{ENDED}\
             oci state $id | tr -d ' \\n' | grep -o '\"status\":\"stopped\".*'\n\
             echo LOG; cat $work/oci/$id/log.json; echo END\n\
             oci delete $id; echo delete=$?"
        ));
        assert!(output.stdout.contains("\"exitCode\":9") && output.stdout.contains("delete=0"), "{:?}: {output}", world.place());
        // What only the shim holds does not keep the caller's pipe open.
        assert!(output.stdout.starts_with("made\n"), "{:?}: {output}", world.place());
        let log = output.stdout.split("LOG\n").nth(1).and_then(|rest| rest.split("END\n").next()).expect("a log");
        let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
        let said = |stream: &str| -> Vec<usize> {
            let of = records.iter().filter(|record| record["stream"] == stream && record["time"].is_string());
            of.map(|record| record["log"].as_str().expect("text").len()).collect()
        };
        assert_eq!(said("stderr"), [4], "{log}");
        // A line without an end is kept too, in pieces of 16 KiB.
        assert_eq!(said("stdout"), [4, 16 * 1024, 20_000 - 16 * 1024], "{log}");
    });
}

#[test]
fn a_shim_is_small_and_outlives_who_asked_for_it_but_not_its_container() {
    everywhere("a_shim_is_small_and_outlives_who_asked_for_it_but_not_its_container", |mut world| {
        world.runs("sleep 1000");
        let output = world.tell(&format!(
            "oci create --shim --pid-file $work/pid $id; echo create=$?\n\
             oci start $id; echo start=$?\n\
             shim=$(sed 's/.*) . //; s/ .*//' /proc/$(cat $work/pid)/stat)\n\
             [ $shim != $$ ] && [ -d /proc/$shim ] && echo a shim is there\n\
             sed -n 's/^Private_Dirty: *\\([0-9]*\\) kB/dirty=\\1/p' /proc/$shim/smaps_rollup\n\
             oci kill $id KILL\n{ENDED}\
             oci state $id | tr -d ' ' | grep exitCode\n\
             while [ -d /proc/$shim ] && ! grep -q '^State:.Z' /proc/$shim/status; do :; done; echo it is gone\n\
             oci delete $id; echo delete=$?"
        ));
        for line in ["create=0", "start=0", "a shim is there", "\"exitCode\":137,", "it is gone", "delete=0"] {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
        let dirty = output.stdout.lines().find_map(|line| line.strip_prefix("dirty=")?.parse::<u64>().ok()).expect("smaps_rollup");
        assert!(dirty < 2048, "{:?}: {dirty} KiB of private memory", world.place());
    });
}

#[test]
fn what_cannot_be_made_in_a_shim_is_told_by_who_asked() {
    everywhere("what_cannot_be_made_in_a_shim_is_told_by_who_asked", |mut world| {
        world.runs("true");
        world.config["process"]["args"] = serde_json::json!(["/bin/none"]);
        let output = world.tell(
            "oci run --detach --shim $id; echo missing=$?\n\
             oci list -q; echo nothing left\n\
             oci run --shim $id; echo foreground=$?",
        );
        for line in ["missing=1", "nothing left", "foreground=1"] {
            assert!(output.stdout.lines().any(|seen| seen == line), "{:?}: `{line}`: {output}", world.place());
        }
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(told.contains("/bin/none") && told.contains("--shim goes with --detach"), "{:?}: {output}", world.place());
    });
}
