//! Everything that a learner reads at the prompt, at 80 and at 40 columns, in colour and plain.

use std::time::Duration;

use serde_json::json;

use super::{fidelity, help, layers, verbs, views, why, wiring, zoom};
use crate::course::error::Problem;
use crate::course::library::Broken;
use crate::course::view::{
    AnswerView, BlockView, CheckView, CommandView, DiffLine, Effect, FactView, HintView, MapLine, MistakeView, QuestionView, ReportLine,
    ReportView, StepState, StepView, UnitLine, Verdict,
};
use crate::journal::{Event, Log};
use crate::ui::{Doc, Style};

fn question(right: Option<bool>) -> QuestionView {
    QuestionView {
        id: "who".into(),
        ask: "How many processes does `ps` show inside?".into(),
        choices: vec!["one".into(), "two: the shell and `ps`".into(), "all of the machine".into()],
        given: if right.is_some() { vec![1] } else { vec![] },
        right,
    }
}

fn command(line: &str, host: &str, nested: bool, typed: bool) -> CommandView {
    CommandView { line: line.into(), host: host.into(), nested, typed }
}

fn lesson() -> StepView {
    let blocks = vec![
        BlockView::Prose("A *pid namespace* numbers its processes from 1 again. The **first** process in it is its `init`: when that ends, the kernel ends all the others.".into()),
        BlockView::Predict(question(None)),
        BlockView::Run { commands: vec![command("unshare --fork --pid --mount-proc bash", "bench", false, true), command("ps ax", "bench", true, false)], not_here: None },
        BlockView::Output { text: "  PID TTY      STAT   TIME COMMAND\n    1 pts/0    S      0:00 bash\n...\n".into() },
        BlockView::Run { commands: vec![command("cat <<END\nof two lines\nEND", "internet", false, false)], not_here: Some("the machine uses cgroup v1, where this file has another name".into()) },
        BlockView::Quiz(question(Some(false))),
    ];
    StepView {
        unit: "by-hand/pid".into(),
        unit_title: "Processes that cannot see you".into(),
        lab: false,
        id: "first".into(),
        title: "The first process of a new world".into(),
        number: 1,
        of: 4,
        intro: Some("In this lesson you start a shell that believes it is alone.".into()),
        blocks,
        points: 2,
        checked: true,
        state: StepState::Open,
        missing: vec![],
        hints: 3,
        hints_shown: 1,
        playing: false,
    }
}

fn lab() -> StepView {
    StepView {
        lab: true,
        intro: None,
        number: 3,
        state: StepState::Done,
        missing: vec![("cgroup2".into(), "the machine uses cgroup v1".into())],
        blocks: vec![BlockView::Prose("Cap the hog without killing its neighbours.".into())],
        playing: true,
        ..lesson()
    }
}

fn fact(id: &str, verdict: Verdict, say: &str, events: Vec<u64>) -> FactView {
    FactView { id: id.into(), verdict, say: say.into(), got: String::new(), points: 1, events, held: None, not_here: None }
}

fn check(pass: bool) -> CheckView {
    let mut facts = vec![
        FactView {
            held: Some(Duration::from_millis(2000)),
            ..fact("jail", Verdict::Pass, "/srv/jail is a root with a shell in it", vec![311])
        },
        fact(
            "libc",
            if pass { Verdict::Pass } else { Verdict::NotYet },
            "/srv/jail/lib/x86_64-linux-gnu/libc.so.6 is missing.",
            vec![318, 325],
        ),
        FactView {
            not_here: Some("needs cgroup2; the machine uses cgroup v1".into()),
            ..fact("cap", Verdict::Pass, "memory.max is set", vec![])
        },
    ];
    if !pass {
        facts.push(fact("load", Verdict::Vacuous, "No request was sent, so none could be refused.", vec![]));
        facts.push(fact("alone", Verdict::Fail, "You killed PID 1 (event 330: kill -9 1).", vec![330]));
        facts.push(fact("net", Verdict::Error, "could not look: the host ended", vec![]));
    }
    CheckView {
        unit: "by-hand/jail".into(),
        step: "repair".into(),
        verdict: if pass { Verdict::Pass } else { Verdict::Error },
        facts,
        points: if pass { 3 } else { 1 },
        of: 3,
        mistake: (!pass).then(|| MistakeView {
            id: "no-loader".into(),
            say: "The library is there, but its **loader** is not: `ldd` shows both.".into(),
            hint: Some(2),
        }),
        debrief: pass.then(|| "A root is only files; `bash` brings its libraries along.".into()),
        took: Duration::from_millis(12),
        unit_done: pass,
        next: (!pass).then(|| "Make `/srv/jail/etc/word` readable".into()),
    }
}

fn units() -> Vec<UnitLine> {
    let unit = |id: &str, title: &str, lab, done, current, needs: &[&str], missing: &[(&str, &str)]| UnitLine {
        id: id.into(),
        title: title.into(),
        lab,
        minutes: 10,
        done,
        of: 5,
        current,
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        missing: missing.iter().map(|(need, why)| ((*need).to_owned(), (*why).to_owned())).collect(),
    };
    vec![
        unit("by-hand/chroot", "A root of one's own", false, 5, false, &[], &[]),
        unit("by-hand/pid", "Processes that cannot see you", false, 2, true, &["by-hand/chroot"], &[]),
        unit(
            "by-hand/no-internal",
            "The rule of no internal processes",
            true,
            0,
            false,
            &["by-hand/cgroups"],
            &[("cgroup2", "the machine uses cgroup v1")],
        ),
    ]
}

fn two_parts() -> Vec<UnitLine> {
    let mut all = units();
    all.extend(units().into_iter().map(|unit| UnitLine { id: unit.id.replace("by-hand", "images"), current: false, ..unit }));
    all
}

fn standing() -> ReportView {
    let line = |id: &str, done, skipped, points| ReportLine {
        id: id.into(),
        title: id.into(),
        done,
        skipped,
        revealed: 0,
        not_here: 0,
        of: 5,
        points,
        points_of: 6,
        hints: 1,
        quiz_right: 1,
        quiz_of: 2,
    };
    ReportView {
        units: vec![line("by-hand/chroot", 5, 0, 6), line("by-hand/pid", 2, 1, 1)],
        done: 7,
        steps: 640,
        points: 7,
        of: 12,
        notes: vec!["chroot needs the libraries too".into()],
    }
}

fn log() -> Log {
    let event = |seq, cause, actor: &str, kind: &str, subject: &str, data| Event { seq, cause, data, ..Event::new(actor, kind, subject) };
    let call = |args: &str, result: i64, step: &str| json!({"args": args, "result": result, "took_ns": 41_500, "pid": 4711, "step": step});
    let mut log = Log::default();
    log.extend([
        event(12, 0, "you", "line", "bottleship oci run web", json!(null)),
        event(13, 12, "runtime", "container.start", "container/web", json!(null)),
        event(14, 13, "runtime", "xray", "clone3", call("CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWUTS", 4711, "clone")),
        event(
            15,
            13,
            "runtime",
            "xray",
            "mount",
            call("overlay -> /run/bottleship/web/rootfs lowerdir=/images/base,upperdir=/run/bottleship/web/upper", 0, "rootfs"),
        ),
        event(16, 13, "runtime", "xray", "pivot_root", call(". .", -16, "rootfs")),
        event(20, 12, "you", "xray", "execve", json!({"args": "/usr/local/bin/true", "result": -2, "took_ns": 900, "pid": 77})),
        event(17, 12, "you", "xray", "execve", json!({"args": "/bin/true", "result": 0, "took_ns": 900, "pid": 77})),
        event(18, 12, "you", "line.end", "", json!({"status": 0})),
    ]);
    log
}

/// `docker run`, from the line through the API and the specification down to the kernel.
fn docker_run() -> Log {
    let event = |seq, cause, actor: &str, kind: &str, subject: &str, data| Event { seq, cause, data, ..Event::new(actor, kind, subject) };
    let call = |args: &str, result: i64, step: &str| json!({"args": args, "result": result, "took_ns": 41_500, "pid": 4711, "step": step});
    let spec = json!({
        "ociVersion": "1.2.0", "hostname": "3f2a91c0d4e5", "root": {"path": "/var/lib/docker/overlay2/web/merged", "readonly": false},
        "process": {"args": ["sleep", "1000"], "cwd": "/", "user": {"uid": 33, "gid": 33}, "terminal": false, "noNewPrivileges": true,
            "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]}},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/data", "type": "bind", "source": "/var/lib/docker/volumes/rows/_data", "options": ["rbind", "ro"]}],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network", "path": "/proc/41/ns/net"}],
            "resources": {"memory": {"limit": 67_108_864, "swap": 134_217_728}, "cpu": {"quota": 50_000, "period": 100_000}, "pids": {"limit": 100}},
            "cgroupsPath": "/docker/web", "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "allowed": 353},
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/bus", "/proc/sys"]},
    });
    let mut log = Log::default();
    log.extend([
        event(30, 0, "you", "line", "docker run -d --name web -m 64m app", json!(null)),
        event(31, 30, "engine", "api", "POST /containers/create", json!(null)),
        event(32, 30, "engine", "api", "POST /containers/web/start", json!(null)),
        event(33, 30, "runtime", "container.create", "container/web", json!({"spec": spec})),
        event(34, 33, "runtime", "xray", "clone3", call("CLONE_NEWPID|CLONE_NEWNS", 4711, "outside")),
        event(35, 30, "engine", "docker.container.start", "container/web", json!({"id": "web"})),
        event(36, 30, "you", "line.end", "", json!({"status": 0})),
    ]);
    log
}

/// A lab whose file has two mistakes.
fn broken() -> Vec<Broken> {
    let problem = |line: usize, what: &str, hint: &str| Problem {
        file: "labs/by-hand/torn/lab.yaml".into(),
        spot: line.into(),
        key: String::new(),
        what: what.to_owned(),
        hint: hint.to_owned(),
    };
    vec![Broken {
        id: "by-hand/torn".to_owned(),
        lab: true,
        file: "labs/by-hand/torn/lab.yaml".into(),
        problems: vec![
            problem(3, "an anchor (`&name`)", "a text that begins with `&` needs quotes"),
            problem(9, "has no `goal`", "write one"),
        ],
    }]
}

/// A hog that met the limit of its cgroup.
fn missed() -> Log {
    let event = |seq, cause, actor: &str, kind: &str, subject: &str, data| Event { seq, cause, data, ..Event::new(actor, kind, subject) };
    let mut log = Log::default();
    log.extend([
        event(320, 0, "you", "line", "yes | tr \\\\n x | head -c 1048576000 | grep n", json!(null)),
        event(321, 320, "you", "line.end", "", json!({"status": 137})),
        event(322, 320, "kernel", "oom", "cgroup//cage", json!({"times": 1})),
    ]);
    log
}

/// The same, and a check behind it.
fn checked() -> Log {
    let mut log = missed();
    let alive = json!({"id": "alive", "verdict": "fail", "got": "0", "say": "The lighthouse went out.", "points": 0, "events": [322]});
    let inside =
        json!({"id": "inside", "verdict": "not-yet", "got": "/", "say": "The hog is in another cgroup.", "points": 0, "events": []});
    let data = json!({"verdict": "fail", "facts": [{"id": "capped", "verdict": "pass", "got": "80 MiB"}, alive, inside]});
    log.extend([Event { seq: 330, data, ..Event::new("check", "check", "by-hand/cap-the-hog#capped") }]);
    log
}

#[test]
fn why_knows_how_a_line_can_end() {
    let log = |status: i64| {
        let mut log = Log::default();
        log.extend([
            Event { seq: 1, ..Event::new("you", "line", "true") },
            Event { seq: 2, cause: 1, data: json!({ "status": status }), ..Event::new("you", "line.end", "") },
        ]);
        why::doc(&log, "", true).unwrap().render(&Style::plain(200))
    };
    for (status, says) in [
        (0, "It ended well"),
        (1, "the program itself says that it failed"),
        (126, "could not be run"),
        (127, "there is no program"),
        (130, "signal SIGINT ended it; Ctrl-C"),
        (137, "no program can refuse that"),
        (148, "stopped, not ended"),
        (159, "a seccomp filter forbids"),
        (190, "128 + 62: signal 62 ended it; signal(7)"),
    ] {
        assert!(log(status).contains(says), "{status}: {}", log(status));
    }
    assert_eq!(why::doc(&Log::default(), "", false), None);
    assert_eq!(why::doc(&missed(), "no-such-word", false), None);
}

#[test]
fn why_passes_over_what_the_runtime_could_do_without() {
    let call = |seq, pid: u32, step: &str, result: i64| {
        let data = json!({"args": format!("proc/{seq}"), "result": result, "took_ns": 900, "pid": pid, "step": step});
        Event { seq, cause: 1, data, ..Event::new("runtime", "xray", "openat2") }
    };
    let why = |calls: &[Event]| {
        let mut log = Log::default();
        log.extend([Event { seq: 1, ..Event::new("you", "line", "docker run x") }]);
        log.extend(calls.iter().cloned());
        log.extend([Event { seq: 90, cause: 1, data: json!({ "status": 1 }), ..Event::new("you", "line.end", "") }]);
        why::doc(&log, "", false).unwrap().render(&Style::plain(200))
    };
    let masked = call(10, 1, "masked-paths", -2);
    let passed = why(&[masked.clone(), call(11, 1, "user", 0)]);
    assert!(passed.contains("refused none that the runtime could not do without") && !passed.contains("proc/10"), "{passed}");
    // The last step that it took; another process's step says nothing of it.
    for last in [&[masked.clone()][..], &[masked.clone(), call(11, 63, "outside", 0)], &[masked.clone(), call(11, 1, "masked-paths", 0)]] {
        assert!(why(last).contains("proc/10"), "{}", why(last));
    }
    let fatal = why(&[masked, call(11, 1, "user", 0), call(12, 1, "program", -13)]);
    assert!(fatal.contains("proc/12") && !fatal.contains("proc/10"), "{fatal}");
}

fn processes() -> Doc {
    let process = |pid: i64, comm: &str, own: bool| {
        let ns = |shared: u64, other: u64| if own { other } else { shared };
        json!({"pid": pid, "comm": comm, "ns": {"mnt": ns(4026532100, 4026532200), "pid": ns(4026532101, 4026532201), "net": 4026532102u64}, "cgroup": if own { "/cage" } else { "/" }, "root": "/"})
    };
    let many = (100..114).map(|pid| process(pid, "sleep", false));
    let all: Vec<_> =
        [process(1, "host-init", false), process(9, "bash", false), process(12, "lighthouse", true)].into_iter().chain(many).collect();
    layers::table(&all, &|_| Some(24))
}

fn all() -> Vec<(&'static str, Doc)> {
    let difference = |sign, what: &str, detail: &str| DiffLine { sign, what: what.into(), sort: None, detail: detail.into() };
    let map_line = |id: &str, title: &str, state, current| MapLine { id: id.into(), title: title.into(), state, current, points: 1 };
    let answered = |right| AnswerView {
        question: question(Some(right)),
        right: vec![2],
        why: Some("The namespace numbers *its own* processes.".into()),
    };
    vec![
        ("step-lesson", views::step(&lesson(), true)),
        ("step-lab", views::step(&lab(), false)),
        ("check-not-yet", views::check(&check(false))),
        ("check-pass", views::check(&check(true))),
        ("hint", views::hint(&HintView { level: 2, of: 3, text: "What does `ldd` say?".into(), again: false })),
        ("hint-again", views::hint(&HintView { level: 3, of: 3, text: "Copy what `ldd` names.".into(), again: true })),
        ("answer-right", views::answer(&answered(true))),
        ("answer-wrong", views::answer(&answered(false))),
        ("predicted", views::predicted(&answered(false))),
        ("answer-unknown", views::answer(&AnswerView { question: question(None), right: vec![], why: None })),
        ("list", views::list(&units().iter().collect::<Vec<_>>(), &units())),
        ("list-part", views::list(&units()[..2].iter().collect::<Vec<_>>(), &two_parts())),
        ("left-out", views::left_out(&broken())),
        ("left-out-shortly", views::left_out_shortly(&broken())),
        ("list-none", views::list(&[], &two_parts())),
        (
            "map",
            views::map(&[
                map_line("first", "The first process", StepState::Done, false),
                map_line("zombie", "Who reaps?", StepState::Skipped, true),
                map_line("last", "The end", StepState::NotHere, false),
            ]),
        ),
        (
            "diff",
            views::diff(&[
                difference('+', "process/4711 sleep", ""),
                difference('-', "mount//mnt", ""),
                difference('~', "file//etc/hostname", "content: bench -> inner"),
            ]),
        ),
        ("diff-none", views::diff(&[])),
        ("why-line", why::doc(&missed(), "", false).unwrap()),
        ("why-traced", why::doc(&log(), "", false).unwrap()),
        ("why-check", why::doc(&checked(), "", false).unwrap()),
        ("why-fact", why::doc(&checked(), "alive", false).unwrap()),
        ("why-event", why::doc(&missed(), "oom", false).unwrap()),
        (
            "effect",
            views::effect(&Effect {
                changes: vec![("process".into(), 1), ("mount".into(), 2), ("cgroup".into(), -3), ("link".into(), 0)],
                ..Effect::default()
            })
            .unwrap_or_default(),
        ),
        ("report", views::report(&standing())),
        ("help", help::answer("").doc),
        ("help-zoom", help::answer("zoom").doc),
        ("help-unknown", help::answer("chek").doc),
        ("fidelity", fidelity::sample()),
        ("zoom", zoom::doc(&log(), 12, false)),
        ("zoom-docker", zoom::doc(&docker_run(), 30, false)),
        ("zoom-processes", processes()),
        ("zoom-net", wiring::sample()),
        ("zoom-nothing", zoom::doc(&log(), 18, false)),
    ]
}

#[test]
fn everything_that_is_read() {
    for (name, doc) in all() {
        for columns in [80, 40] {
            insta::assert_snapshot!(format!("{name}-colour-{columns}"), doc.render(&Style::rich(columns)).replace('\x1b', "␛"));
            insta::assert_snapshot!(format!("{name}-plain-{columns}"), doc.render(&Style::plain(columns)));
        }
    }
}

#[test]
fn plain_says_all_that_colour_says() {
    let words = |text: String| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
    for (name, doc) in all() {
        let bare = Style { colour: false, ..Style::rich(80) };
        assert_eq!(words(doc.render(&bare)), words(doc.render(&Style::plain(80))), "{name}");
    }
}

#[test]
fn no_line_is_wider_than_forty_columns_but_code() {
    for (name, doc) in all() {
        for line in doc.render(&Style::plain(40)).lines() {
            let code = line.trim_start_matches("| ").starts_with("    ");
            assert!(code || line.chars().count() <= 40, "{name}: {line}");
        }
    }
}

#[test]
fn an_effect_line_needs_an_effect() {
    assert_eq!(views::effect(&Effect::default()), None);
    assert_eq!(views::effect(&Effect { changes: vec![("process".into(), 0)], ..Effect::default() }), None);
    let turned = vec![("web".into(), "running".into(), "paused".into())];
    let said = views::effect(&Effect { turned, ..Effect::default() }).unwrap().render(&Style::plain(80));
    assert_eq!(said.trim(), "web: running -> paused");
}

#[test]
fn every_verb_has_help() {
    for verb in verbs::VERBS {
        assert_eq!(help::answer(verb.name).status, 0, "{}", verb.name);
    }
}
