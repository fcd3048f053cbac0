//! Processes are what they are, not what number they have.

use super::Bundle;
use crate::support::Call;

/// The container's process has ended and its number went to somebody else: neither kill nor delete may reach that one. In a pid
/// namespace of the test's own, where numbers can be given again at will.
#[test]
fn pid_reuse_a_recycled_number_is_not_killed() {
    let Some(bundle) = Bundle::new("pid_reuse", "sleep 1000") else { return };
    let id = bundle.id("reuse");
    let quoted = |verb: &[&str]| {
        let call = bundle.runtime(verb.iter().copied());
        let command = call.command();
        let words: Vec<String> = command.get_args().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        format!("{} {}", command.get_program().to_string_lossy(), words.join(" "))
    };
    let file = bundle.folder().join("pid").display().to_string();
    let script = [
        // The runtime under test keeps the tree of mounts of this namespace, so that it sees this namespace's /proc.
        &format!("{} || exit 90", quoted(&["run", "--detach", "--pid-file", &file, &id])),
        &format!("pid=$(cat {file})"),
        "kill -9 $pid",
        // Until it is gone and reaped.
        "while [ -e /proc/$pid ]; do sleep 0.01; done",
        // Who comes next gets its number, unless somebody was quicker.
        "for try in 1 2 3 4 5 6 7 8 9; do echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; sleep 1000 & [ $! = $pid ] && break; done",
        "[ -e /proc/$pid ] || exit 91",
        &quoted(&["kill", &id, "KILL"]),
        &quoted(&["delete", "--force", &id]),
        "state=$(cut -d' ' -f3 /proc/$pid/stat); [ -n \"$state\" ] && [ \"$state\" != Z ] && echo survived",
        "true",
    ]
    .join("\n");
    let folder = bundle.folder().join("bundle");
    let output =
        Call::new("unshare").args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", &script]).folder(folder).output();
    assert!(output.code() == 0 && output.stdout.contains("survived"), "an innocent process was killed: {output}");
}
