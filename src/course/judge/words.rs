//! What a learner is told of a fact that holds: made from the fact's own keys and the value observed, so that text and check cannot drift apart.
//! An author's `pass:` text takes its place.

mod containers;
mod images;

use super::super::fact::{Cgroup, Count, Expect, Fact, File, Kind, Match, Measure, Mount, Place, Process, Thing, ThingSort};
use super::{Finding, history};

/// How much of a command is named.
const COMMAND: usize = 60;

/// A sentence about a fact that holds.
pub(super) fn holds(fact: &Fact, finding: &Finding) -> String {
    let got = finding.got.as_str();
    if fact.invert {
        return format!("{}: {got}, as it should be.", subject_of(fact));
    }
    match &fact.kind {
        Kind::Exists(of) if of.sort == ThingSort::File && !finding.sort.is_empty() => {
            format!("{} is {}.", of.name, sort_of_file(&finding.sort))
        }
        Kind::Exists(of) => format!("{} is there.", first_upper(&thing(of))),
        Kind::Gone(of) => format!("{} is gone.", first_upper(&thing(of))),
        Kind::Field { of, path, .. } => format!("{path} of {} is {}.", thing(of), size(path, got)),
        Kind::Count(count) => counted(count, got),
        Kind::File(wanted) => file(wanted, finding),
        Kind::Process(wanted) => process(wanted, finding),
        Kind::Namespace { of, kinds, differ, other } => {
            let (what, plural) = (kinds.join(", "), kinds.len() > 1);
            let (spaces, are) = if plural { ("namespaces", "are") } else { ("namespace", "is") };
            let whose = if *differ { format!("{are} not that of {}", place(other)) } else { format!("{are} that of {}", place(other)) };
            format!("The {what} {spaces} of {} {whose}.", who(of))
        }
        Kind::Cgroup(wanted) => cgroup(wanted, got),
        Kind::Mount(wanted) => mount(wanted, got),
        Kind::Image(_) | Kind::Layer(_) | Kind::Registry(_) => images::holds(&fact.kind, got),
        Kind::Container(_) | Kind::Volume(_) | Kind::Network(_) | Kind::Port(_) | Kind::Log(_) => {
            containers::holds(&fact.kind, got, &finding.subject)
        }
        Kind::Reach { expect, .. } => match expect {
            Expect::Yes => format!("{} answers.", subject_of(fact)),
            Expect::No => format!("{} does not answer: {got}.", subject_of(fact)),
            Expect::Refused => format!("{} refuses: {got}.", subject_of(fact)),
        },
        Kind::Answer { given: true, .. } => format!("Your answer is {got}."),
        Kind::Answer { .. } => format!("{} prints {got}.", subject_of(fact)),
        Kind::History(events) => {
            let told: Vec<String> = events.iter().map(history::describe).collect();
            format!("It happened: {}.", told.join(", then "))
        }
        Kind::Never { event, .. } => format!("Never: {}.", history::describe(event)),
        Kind::Invariant { of } => format!("`{of}` held each time: {got}."),
        Kind::Budget { of, at_most } => {
            let word = match of {
                Measure::Bytes(_) | Measure::Memory(_) => "memory",
                _ => "",
            };
            format!("{} is {}, at most {} is allowed.", subject_of(fact), size(word, got), size(word, &format!("{at_most}")))
        }
        Kind::Exec { .. } => format!("{}: {got}.", subject_of(fact)),
    }
}

fn subject_of(fact: &Fact) -> String {
    match &fact.kind {
        Kind::Exists(of) | Kind::Gone(of) | Kind::Field { of, .. } => first_upper(&thing(of)),
        Kind::Count(count) => format!("The number of {}", count.of),
        Kind::File(file) => file.path.clone(),
        Kind::Process(process) => first_upper(&who(&process.matching)),
        Kind::Namespace { of, .. } => first_upper(&who(of)),
        Kind::Cgroup(cgroup) => format!("The group {}", cgroup.path),
        Kind::Mount(mount) => mount.target.clone(),
        Kind::Image(_) | Kind::Layer(_) | Kind::Registry(_) => first_upper(&images::subject_of(&fact.kind)),
        Kind::Container(_) | Kind::Volume(_) | Kind::Network(_) | Kind::Port(_) | Kind::Log(_) => {
            first_upper(&containers::subject_of(&fact.kind))
        }
        Kind::Reach { to, .. } => match to {
            super::super::fact::Target::Ping(host) => host.clone(),
            super::super::fact::Target::Tcp(host, port) | super::super::fact::Target::Service(host, port) => format!("{host}:{port}"),
            super::super::fact::Target::Http { host, port, path, .. } => format!("http://{host}:{port}{path}"),
            super::super::fact::Target::Unix(path) => path.clone(),
        },
        Kind::Answer { run, .. } => run.as_deref().map_or_else(|| "Your answer".to_owned(), command),
        Kind::Exec { run, .. } => command(run),
        Kind::Budget { of, .. } => match of {
            Measure::Bytes(path) => format!("The size of {path}"),
            Measure::Files(path) => format!("The number of files in {path}"),
            Measure::Memory(path) => format!("The memory of {path}"),
            Measure::Pids(path) => format!("The number of processes in {path}"),
            Measure::Processes => "The number of processes".to_owned(),
            Measure::Mounts => "The number of mounts".to_owned(),
        },
        Kind::History(_) | Kind::Never { .. } | Kind::Invariant { .. } => "It".to_owned(),
    }
}

/// A command in its own words, unless it is long.
fn command(run: &str) -> String {
    let first = run.lines().next().unwrap_or_default().trim();
    if first.chars().count() > COMMAND || run.trim().lines().count() > 1 { "The check's command".to_owned() } else { format!("`{first}`") }
}

fn thing(of: &Thing) -> String {
    let name = &of.name;
    match of.sort {
        ThingSort::File => name.clone(),
        ThingSort::Process => format!("the process {name}"),
        ThingSort::Cgroup => format!("the group {name}"),
        ThingSort::Mount => format!("the mount at {name}"),
        ThingSort::Link => match name.split_once('/') {
            Some((netns, link)) => format!("the link {link} in {netns}"),
            None => format!("the link {name}"),
        },
        ThingSort::Netns => format!("the network namespace {name}"),
        ThingSort::Container => format!("the container {name}"),
        ThingSort::Volume => format!("the volume {name}"),
        ThingSort::Network => format!("the network {name}"),
        ThingSort::Image => format!("the image {name}"),
        ThingSort::User => format!("the user {name}"),
    }
}

fn who(of: &Match) -> String {
    match of {
        Match { comm: Some(comm), .. } => format!("the process {comm}"),
        Match { pid: Some(pid), .. } => format!("process {pid}"),
        Match { pid_file: Some(path), .. } => format!("the process of {path}"),
        Match { in_cgroup: Some(path), .. } => format!("the process in {path}"),
        Match { container: Some(name), .. } => format!("the container {name}"),
        _ => "the process".to_owned(),
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Host => "the host".to_owned(),
        Place::Shell => "your shell".to_owned(),
        Place::Netns(name) => format!("the network namespace {name}"),
        Place::Process(of) => who(of),
    }
}

/// That there is no such thing.
pub(super) fn no_thing(of: &Thing) -> String {
    match of.sort {
        ThingSort::Process => format!("No process {} runs.", of.name),
        ThingSort::Cgroup => no_group(&of.name),
        ThingSort::Mount => format!("Nothing is mounted at {}.", of.name),
        _ => format!("There is no {}.", thing(of).trim_start_matches("the ")),
    }
}

/// That there is no such group.
pub(super) fn no_group(path: &str) -> String {
    format!("There is no group {path}.")
}

/// That no process fits.
pub(super) fn no_process(of: &Match) -> String {
    let below = of.parent.as_deref().and_then(|parent| parent.comm.as_ref()).map(|comm| format!(", started by {comm}")).unwrap_or_default();
    match of {
        Match { comm: Some(comm), .. } => {
            // The words that it was called with tell it from others of its name; a pattern that is more than words would not be understood.
            let plain = |text: &&str| {
                text.chars().all(|letter| letter.is_alphanumeric() || " -_/".contains(letter)) && text.contains(comm.as_str())
            };
            let called = of.args.as_ref().map(|args| args.text()).filter(plain).map(|args| format!("`{args}`"));
            format!("No process {} runs{below}.", called.unwrap_or_else(|| comm.clone()))
        }
        Match { pid_file: Some(path), .. } => format!("No process runs that {path} names."),
        Match { in_cgroup: Some(path), .. } => format!("No process is in the group {path}."),
        Match { container: Some(name), .. } => format!("The container {name} does not run."),
        _ => format!("No such process runs{below}."),
    }
}

/// That whoever stands for a place is not there.
pub(super) fn nobody_at(place: &Place) -> String {
    match place {
        Place::Process(of) => no_process(of),
        Place::Netns(name) => format!("There is no network namespace {name}."),
        Place::Shell => "Your shell does not run.".to_owned(),
        Place::Host => "The host is not there.".to_owned(),
    }
}

/// That a mount is not there.
pub(super) fn not_mounted(wanted: &Mount) -> String {
    let inside = if matches!(wanted.within, Place::Host) { String::new() } else { format!(" as {} sees it", place(&wanted.within)) };
    format!("Nothing is mounted at {}{inside}.", wanted.target)
}

fn sort_of_file(sort: &str) -> &str {
    match sort {
        "dir" => "a folder",
        "file" => "a file",
        "link" => "a link",
        "fifo" => "a named pipe",
        "char" => "a character device",
        "block" => "a block device",
        "socket" => "a socket",
        other => other,
    }
}

fn counted(count: &Count, got: &str) -> String {
    let one = match count.of {
        "processes" => "process",
        "netns" => "network namespace",
        other => other.trim_end_matches('s'),
    };
    let many = if count.of == "netns" { "network namespaces" } else { count.of };
    let fit = if count.filter.is_empty() && count.matching.is_none() { "" } else { " of that kind" };
    match got {
        "0" => format!("There is no {one}{fit}."),
        "1" => format!("There is one {one}{fit}."),
        _ => format!("There are {got} {many}{fit}."),
    }
}

fn file(wanted: &File, finding: &Finding) -> String {
    if wanted.exists == Some(false) {
        return format!("{} is not there.", wanted.path);
    }
    let mut said = Vec::new();
    said.extend(wanted.links_to.as_ref().map(|target| format!("leads to {target}")));
    said.extend((!wanted.content.is_empty()).then(|| format!("holds {}", finding.got)));
    said.extend(wanted.mode.map(|mode| format!("has the mode {mode:04o}")));
    said.extend(wanted.owner.as_ref().map(|owner| format!("belongs to {owner}")));
    said.extend(wanted.executable.map(|can| if can { "can be run" } else { "cannot be run" }.to_owned()));
    if said.is_empty() || wanted.sort.is_some() {
        said.insert(
            0,
            format!("is {}", sort_of_file(wanted.sort.unwrap_or(if finding.sort.is_empty() { "there" } else { &finding.sort }))),
        );
    }
    format!("{} {}.", wanted.path, listed(&said))
}

fn process(wanted: &Process, finding: &Finding) -> String {
    if !wanted.running {
        return format!("No such process runs: {}.", who(&wanted.matching));
    }
    let mut said = Vec::new();
    said.extend(
        wanted.root_is.as_ref().map(|root| if root == "host" { "has the host's root".to_owned() } else { format!("has the root {root}") }),
    );
    said.extend(wanted.uid.map(|uid| format!("runs as user {uid}")));
    said.extend(wanted.gid.map(|gid| format!("runs as group {gid}")));
    said.extend(wanted.caps.iter().map(|(set, names)| {
        let names =
            names.as_ref().map_or_else(|| "all".to_owned(), |names| if names.is_empty() { "none".to_owned() } else { names.join(", ") });
        format!("has the {set} capabilities {names}")
    }));
    said.extend(wanted.seccomp.map(|mode| format!("has seccomp {mode}")));
    said.extend(wanted.no_new_privs.map(|set| format!("has no_new_privs {}", if set { "set" } else { "not set" })));
    said.extend(wanted.cgroup.as_ref().map(|path| format!("is in the group {path}")));
    said.extend((!wanted.state.is_empty()).then(|| format!("is {}", finding.got)));
    said.extend(wanted.pid_inside.map(|number| format!("is number {number} inside")));
    said.extend((!wanted.uid_map.is_empty()).then(|| format!("has the user map {}", wanted.uid_map.join(", "))));
    if said.is_empty() {
        said.push("runs".to_owned());
    }
    let number = if finding.subject.is_empty() { String::new() } else { format!(" ({})", finding.subject) };
    format!("{}{number} {}.", first_upper(&who(&wanted.matching)), listed(&said))
}

fn cgroup(wanted: &Cgroup, got: &str) -> String {
    let path = &wanted.path;
    if wanted.exists == Some(false) {
        return format!("The group {path} is not there.");
    }
    let mut said = Vec::new();
    said.extend(wanted.knob.as_ref().map(|(knob, _)| format!("has {} in {knob}", size(knob, got))));
    let share = if wanted.knob.is_some() { None } else { wanted.share.as_ref() };
    said.extend(share.map(|_| format!("may use {got} of a CPU")));
    said.extend(wanted.procs.as_ref().map(|of| format!("holds {}", who(of))));
    said.extend(wanted.empty.map(|empty| if empty { "holds no process" } else { "holds a process" }.to_owned()));
    said.extend(wanted.events.iter().map(|(name, count)| format!("counts {name} at least {count} times")));
    if said.is_empty() {
        said.push("is there".to_owned());
    }
    format!("The group {path} {}.", listed(&said))
}

fn mount(wanted: &Mount, got: &str) -> String {
    let inside = if matches!(wanted.within, Place::Host) { String::new() } else { format!(" of {}", place(&wanted.within)) };
    if wanted.absent {
        return format!("Nothing is mounted at {}{inside}.", wanted.target);
    }
    let options = if wanted.options.is_empty() { String::new() } else { format!(", {}", wanted.options.join(", ")) };
    let propagation = wanted.propagation.map(|word| format!(", {word}")).unwrap_or_default();
    format!("{}{inside} is a mount: {got}{options}{propagation}.", wanted.target)
}

/// Bytes of memory in the words of people; everything else as it is.
fn size(knob: &str, got: &str) -> String {
    let bytes = got.parse::<f64>().ok().filter(|_| knob.contains("memory"));
    let Some(bytes) = bytes.filter(|bytes| *bytes >= 1024.0) else {
        return if got == "max" { "max (no limit)".to_owned() } else { got.to_owned() };
    };
    let units = [(1024.0 * 1024.0 * 1024.0, "GiB"), (1024.0 * 1024.0, "MiB"), (1024.0, "KiB")];
    let whole = units.iter().find(|(unit, _)| bytes % unit == 0.0).map(|(unit, name)| format!("{} {name}", bytes / unit));
    whole.unwrap_or_else(|| format!("{got} bytes"))
}

pub(super) fn listed(said: &[String]) -> String {
    match said {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => said.join(""),
    }
}

pub(super) fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
