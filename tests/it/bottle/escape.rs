//! What a learner who is root at the prompt can try against the machine, with a canary on the machine for each try.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{MAKE_ROOM, clean, root, typed, typed_with};
use crate::support::{Sandbox, binary, has_program, skip};

/// Settings of the machine that change by themselves, or with any program.
const RESTLESS: &[&str] = &["random/", "pty/nr", "ns_last_pid", "dentry", "inode", "file-nr", "aio-nr", "nr_", "epoll", "usage", "quota/"];

/// Every setting below /proc/sys that root could write, but for those of the network, which each namespace has of its own.
fn settings() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![PathBuf::from("/proc/sys")];
    while let Some(path) = left.pop() {
        if path.is_dir() && path != Path::new("/proc/sys/net") {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if let Ok(text) = fs::read_to_string(&path)
            && !RESTLESS.iter().any(|name| path.to_string_lossy().contains(name))
        {
            found.insert(path, text);
        }
    }
    found
}

#[test]
fn no_setting_of_the_machine_can_be_written_from_inside() {
    if !root("escape_settings") {
        return;
    }
    let sandbox = Sandbox::new();
    let before = settings();
    assert!(before.len() > 100, "only {} settings were found", before.len());
    // Each file gets back what is in it: what can be written is told, and nothing is spoilt even if something can. What namespaces have of
    // their own may be written: the network's, names, System V and message queues, limits of namespaces, and since Linux 6.14 the highest process number.
    let lines = r#"t() { v=$(cat "$1" 2>/dev/null) && (printf '%s\n' "$v" > "$1") 2>/dev/null && echo "WROTE $1"; }
export -f t
find /proc/sys -path /proc/sys/net -prune -o -type f -print 2>/dev/null | while read -r f; do t "$f"; done | grep -vE '/kernel/(hostname|domainname|msg|sem|shm|ns_last_pid|pid_max|auto_msgmni|pty|cad_pid)|/user/max_|/fs/mqueue/|/fs/binfmt_misc'
find /sys/kernel /sys/module /sys/power /sys/firmware /sys/block /sys/bus -type f -perm -200 2>/dev/null | head -3000 | while read -r f; do t "$f"; done
for f in /proc/sysrq-trigger /proc/kcore /proc/kmsg /dev/mem /dev/kmsg /dev/port /proc/1/oom_score_adj; do [ -e $f ] && (: >> $f) 2>/dev/null && [ $f != /proc/1/oom_score_adj ] && echo "OPENED $f"; done
echo looked
"#;
    let script = sandbox.path().join("script");
    fs::write(&script, lines).unwrap();
    let shared = sandbox.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::rename(&script, shared.join("script")).unwrap();
    let line = format!("bash {}/script\n", shared.display());
    let output = typed_with(&sandbox, &["--share", &shared.display().to_string()], &line);
    assert!(output.stdout.contains("looked"), "{output}");
    assert!(!output.stdout.contains("WROTE") && !output.stdout.contains("OPENED"), "{output}");
    let after = settings();
    let changed: Vec<_> = before.iter().filter(|(path, text)| after.get(*path).is_some_and(|now| now != *text)).collect();
    assert!(changed.is_empty(), "settings of the machine have changed: {changed:?}");
}

#[test]
fn no_way_leads_to_a_file_of_the_machine() {
    if !root("escape_files") {
        return;
    }
    let sandbox = Sandbox::new();
    // The folder lies in /var/tmp, which a host has of its own.
    let marker = format!("canary-{}", std::process::id());
    let canary = sandbox.path().join(&marker);
    fs::write(&canary, "untouched").unwrap();
    let lines = format!(
        "for r in /proc/[0-9]*/root /proc/[0-9]*/cwd; do [ -e $r{0} ] && echo FOUND $r; done\n\
         nsenter -t 1 -m -- cat {0} && echo FOUND nsenter\n\
         mkdir -p /tmp/b && mount --rbind / /tmp/b && cat /tmp/b{0} && echo FOUND bind\n\
         umount -l /tmp/b /sys /dev/shm /root /var/tmp /tmp /run 2>/dev/null; cat {0} && echo FOUND below\n\
         rm -rf --one-file-system /etc /usr/share/doc /var/tmp 2>/dev/null\n\
         for d in /etc/shadow /etc/ssh /root /home; do mount --bind /nowhere $d 2>/dev/null; done; cat {0} && echo FOUND cover\n\
         echo end of tries\n",
        canary.display()
    );
    let shadow = fs::read("/etc/shadow").ok();
    let output = typed(&sandbox, &lines);
    assert!(output.stdout.contains("end of tries"), "{output}");
    assert!(!output.stdout.contains("FOUND") && !output.stdout.contains("untouched"), "{output}");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "untouched");
    assert_eq!(fs::read("/etc/shadow").ok(), shadow);
    clean(&sandbox);
}

#[test]
fn a_fork_bomb_ends_at_the_ceiling_of_the_bottle() {
    if !root("escape_bomb") {
        return;
    }
    let sandbox = Sandbox::new();
    // As many as the kernel gives; then all are killed with what is left: a builtin of the shell.
    let lines = "sh -c 'while :; do sleep 300 & done' >/dev/null 2>&1\nn=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo processes $n\nkill -9 -1\necho still here\n";
    let output = typed(&sandbox, lines);
    let count = output.stdout.lines().find_map(|line| line.strip_prefix("processes ")?.trim().parse::<u32>().ok());
    assert!(count.is_some_and(|count| (1000..=3100).contains(&count)), "the bomb was not stopped at 3000: {output}");
    // The machine has room for more.
    assert!(std::process::Command::new("true").status().is_ok_and(|status| status.success()));
    clean(&sandbox);
}

#[test]
fn a_memory_hog_in_a_fence_is_killed_and_the_bottle_has_a_ceiling_below_the_machines_memory() {
    if !root("escape_hog") {
        return;
    }
    let sandbox = Sandbox::new();
    // The learner's own fence of 80 MiB, on cgroup v1 or v2; the hog of the course in it.
    let lines = "g=/sys/fs/cgroup/memory/fence; f=memory.limit_in_bytes; c=/sys/fs/cgroup/memory/memory.limit_in_bytes\n\
                 [ -d /sys/fs/cgroup/memory ] || { g=/sys/fs/cgroup/fence; f=memory.max; c=/sys/fs/cgroup/memory.max; }\n\
                 mkdir $g && echo 83886080 > $g/$f && echo fenced\n\
                 (echo $BASHPID > $g/cgroup.procs; yes | tr \\\\n x | head -c 1048576000 | grep n; echo ended $?)\n\
                 echo ceiling $(cat $c); (echo 99999999999999 > $c) 2>/dev/null && echo RAISED\n\
                 echo still here\n";
    let output = typed(&sandbox, &format!("{MAKE_ROOM}{lines}"));
    if !output.stdout.contains("fenced") {
        return skip("escape_hog", "this machine gives a bottle no memory controller");
    }
    assert!(output.stdout.contains("still here") && !output.stdout.contains("RAISED"), "{output}");
    let ceiling = output.stdout.lines().find_map(|line| line.strip_prefix("ceiling ")?.trim().parse::<u64>().ok());
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap();
    assert!(ceiling.is_some_and(|ceiling| ceiling < total * 1024), "{output}");
    clean(&sandbox);
}

/// Rule: nothing of a bottle listens on the machine, neither on TCP nor on an abstract socket (CVE-2020-15257), unless `bottleship ports` is asked.
#[test]
fn rule_no_tcp_by_default() {
    if !has_program("unshare") || !root("rule_no_tcp") {
        return skip("rule_no_tcp", "needs root and unshare(1)");
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("script"), "sleep 600\n").unwrap();
    // A network namespace of the test's own: all sockets that are seen in it are the bottle's.
    let script = format!(
        "{0} run --plain {1}/script >/dev/null 2>&1 & p=$!
i=0; until {0} hosts >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 3000 ] || exit 9; sleep 0.02; done
echo tcp: $(cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | grep -vc sl)
echo abstract: $(grep -c ' @' /proc/net/unix)
echo sockets: $(grep -c {1} /proc/net/unix)
kill -9 $p; wait $p
i=0; while {0} ls | grep -q running; do i=$((i+1)); [ $i -lt 3000 ] || exit 9; sleep 0.02; done; echo end",
        binary().display(),
        sandbox.path().display()
    );
    let output = sandbox.program("unshare").args(["--net", "--", "sh", "-c", &script]).patience(Duration::from_secs(60)).output();
    for line in ["tcp: 0", "abstract: 0", "end"] {
        assert!(output.stdout.lines().any(|one| one == line), "{line:?} is missing: {output}");
    }
}
