//! `watch`: what changes in the sources comes into the containers: copied (`sync`), by a new image (`rebuild`), by a restart.
//!
//! The kernel says that something below a watched folder has changed (inotify(7)); what it was says a comparison of the tree with what it was before. Editors save
//! in several steps, so a change counts when it has been quiet for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::images::Policy;
use super::observed::{self, Container};
use super::oneoff;
use super::scene::{self, Scene};
use super::up::{self, Wanted};
use crate::build::ignore::Ignore;
use crate::compose::types::{Project, Trigger};
use crate::kernel::poll;
use crate::kernel::watch::Watch;
use crate::tools::docker::api::{Ask, feed};
use crate::tools::docker::containers::exec;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, say, warn};

/// So long nothing may happen before a change counts.
const QUIET: Duration = Duration::from_millis(200);

/// What a file was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    is_folder: bool,
    inode: u64,
    length: u64,
    changed: (i64, i64),
    mode: u32,
}

/// A tree as it was looked at: paths below its top; the top itself, if it is a file, is the empty path.
type Seen = BTreeMap<String, Stamp>;

/// One rule of one service.
struct Rule {
    service: String,
    trigger: Trigger,
    ignore: Ignore,
    include: Option<Ignore>,
    seen: Seen,
}

/// `compose watch`.
pub fn run(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let whole = scene.project()?;
    let project = scene::selected(whole.clone(), &given.words, true)?;
    let mut rules = rules(&project, &given.words)?;
    if !given.on("no-up") {
        let policy = Policy { build: true, quiet_build: given.on("quiet"), ..Policy::default() };
        let wanted = Wanted { named: given.words.clone(), start: true, policy, ..Wanted::default() };
        let planned = up::planned(&scene, whole, &wanted)?;
        up::done(&scene, &planned, &wanted)?;
    }
    if scene.is_dry() {
        return Ok(());
    }
    watched(&scene, &project, &mut rules)
}

/// The same in a thread, beside `up`.
///
/// # Errors
/// Nothing is to be watched.
pub fn spawn(scene: &Scene<'_>, project: &Project) -> Result {
    let (session, project) = (scene.session.another()?, project.clone());
    let mut rules = rules(&project, &[])?;
    std::thread::spawn(move || {
        let done = Scene::new(&session).and_then(|scene| watched(&scene, &project, &mut rules));
        if let Err(failure) = done {
            warn(&format!("watch: {}\n", failure.message));
        }
    });
    Ok(())
}

fn rules(project: &Project, named: &[String]) -> Result<Vec<Rule>> {
    let mut all = Vec::new();
    for service in project.services.values().filter(|service| named.is_empty() || named.contains(&service.name)) {
        for trigger in service.develop.iter().flat_map(|develop| &develop.watch) {
            if trigger.action.contains("rebuild") && service.build.is_none() {
                return Err(Failure::new(format!("service {:?}: watch with action rebuild needs a build section", service.name)));
            }
            let context = service.build.as_ref().map(|build| PathBuf::from(&build.context)).filter(|context| context.is_dir());
            all.push(rule(&service.name, trigger, context.as_deref())?);
        }
    }
    if all.is_empty() {
        return Err(Failure::new("none of the selected services is configured for watch, consider setting a 'develop' section"));
    }
    Ok(all)
}

fn rule(service: &str, trigger: &Trigger, context: Option<&Path>) -> Result<Rule> {
    let wrong = |why: &dyn std::fmt::Display| Failure::new(format!("service {service:?}: ignore of watch: {why}"));
    // What is not sent to builds is not watched either, nor what an editor leaves for itself.
    let kept = context.and_then(|context| fs::read_to_string(context.join(".dockerignore")).ok()).unwrap_or_default();
    let lines =
        kept.lines().map(str::to_owned).chain(trigger.ignore.iter().cloned()).chain(["**/.git", "**/*.swp", "**/*~"].map(str::to_owned));
    let lines: Vec<String> = lines.collect();
    let ignore = Ignore::of(lines.iter().map(String::as_str)).map_err(|error| wrong(&error.0))?;
    let include = if trigger.include.is_empty() {
        None
    } else {
        Some(Ignore::of(trigger.include.iter().map(String::as_str)).map_err(|error| wrong(&error.0))?)
    };
    let mut rule = Rule { service: service.to_owned(), trigger: trigger.clone(), ignore, include, seen: Seen::new() };
    rule.seen = rule.look()?;
    if trigger.initial_sync {
        rule.seen.clear();
    }
    Ok(rule)
}

impl Rule {
    fn top(&self) -> PathBuf {
        PathBuf::from(self.trigger.path.as_str())
    }

    /// The tree as it is now.
    fn look(&self) -> Result<Seen> {
        let mut seen = Seen::new();
        self.walk("", &mut seen)?;
        Ok(seen)
    }

    fn walk(&self, below: &str, seen: &mut Seen) -> Result {
        let path = if below.is_empty() { self.top() } else { self.top().join(below) };
        // What is gone meanwhile is gone.
        let Ok(meta) = fs::metadata(&path) else { return Ok(()) };
        let included = self.include.as_ref().is_none_or(|include| meta.is_dir() || below.is_empty() || include.excludes(below).is_some());
        if included {
            seen.insert(below.to_owned(), stamp(&meta));
        }
        if meta.is_dir() {
            let Ok(entries) = fs::read_dir(&path) else { return Ok(()) };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let inner = if below.is_empty() { name } else { format!("{below}/{name}") };
                if self.ignore.excludes(&inner).is_none() {
                    self.walk(&inner, seen)?;
                }
            }
        }
        Ok(())
    }

    /// The paths that are new or other than before, and those that are gone.
    fn changes(&mut self) -> Result<(Vec<String>, Vec<String>)> {
        let now = self.look()?;
        let (changed, gone) = compared(&self.seen, &now);
        self.seen = now;
        Ok((changed, gone))
    }

    /// Where a path stands in the container.
    fn inside(&self, below: &str) -> String {
        let target = self.trigger.target.trim_end_matches('/');
        if below.is_empty() { target.to_owned() } else { format!("{target}/{below}") }
    }
}

fn stamp(meta: &fs::Metadata) -> Stamp {
    // A folder changes with what is in it; that is told by what is in it.
    let is_folder = meta.is_dir();
    Stamp {
        is_folder,
        inode: meta.ino(),
        length: if is_folder { 0 } else { meta.len() },
        changed: if is_folder { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) },
        mode: meta.mode(),
    }
}

fn compared(before: &Seen, now: &Seen) -> (Vec<String>, Vec<String>) {
    let changed = now.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp)).map(|(path, _)| path.clone()).collect();
    let gone = before.keys().filter(|path| !now.contains_key(*path)).cloned().collect();
    (changed, gone)
}

fn watched(scene: &Scene<'_>, project: &Project, rules: &mut [Rule]) -> Result {
    let watch = Watch::new().map_err(|error| Failure::new(error.to_string()))?;
    folders(&watch, rules)?;
    say(" ⦿ Watch enabled\n");
    loop {
        // What has changed before we listened, or while we acted, is seen here.
        act(scene, project, rules)?;
        folders(&watch, rules)?;
        let readable = |wait: Option<Duration>| {
            poll::readable(&[watch.as_fd()], wait).map(|ready| !ready.is_empty()).map_err(|error| Failure::new(error.to_string()))
        };
        readable(None)?;
        while readable(Some(QUIET))? {
            watch.changed().map_err(|error| Failure::new(error.to_string()))?;
        }
    }
}

/// Watches all folders of all trees; the folder of a tree that is one file.
fn folders(watch: &Watch, rules: &[Rule]) -> Result {
    for rule in rules {
        let top = rule.top();
        let mut all: BTreeSet<PathBuf> = BTreeSet::new();
        if !top.is_dir() {
            all.extend(top.parent().map(Path::to_owned));
        }
        let inner = rule.seen.iter().filter(|(_, stamp)| stamp.is_folder).map(|(below, _)| top.join(below));
        all.extend(inner);
        for folder in all.iter().filter(|folder| folder.is_dir()) {
            watch.folder(folder).map_err(|error| Failure::new(format!("{error}: too many folders? (fs.inotify.max_user_watches)")))?;
        }
    }
    Ok(())
}

/// Does what the rules say about everything that has changed.
fn act(scene: &Scene<'_>, project: &Project, rules: &mut [Rule]) -> Result {
    let mut rebuilds: BTreeSet<String> = BTreeSet::new();
    let mut restarts: BTreeSet<String> = BTreeSet::new();
    for rule in rules.iter_mut() {
        let (changed, gone) = rule.changes()?;
        if changed.is_empty() && gone.is_empty() {
            continue;
        }
        let (service, action) = (rule.service.clone(), rule.trigger.action.to_string());
        if action.starts_with("sync") {
            say(&format!(" ⦿ Syncing service {service:?} after {} changes were detected\n", changed.len() + gone.len()));
            synced(scene, project, rule, &changed, &gone)?;
        }
        match action.as_str() {
            "rebuild" => drop(rebuilds.insert(service)),
            "restart" | "sync+restart" => drop(restarts.insert(service)),
            "sync+exec" => {
                for one in running(scene, project, &service)? {
                    oneoff::hook(scene.session, &one.id, &rule.trigger.exec)?;
                }
            }
            _ => {}
        }
    }
    for service in &rebuilds {
        rebuilt(scene, project, service)?;
    }
    for service in restarts.difference(&rebuilds) {
        for one in running(scene, project, service)? {
            scene.api()?.ask(Ask::post(&format!("/containers/{}/restart", one.id)))?;
        }
        say(&format!(" ⦿ service(s) [{service:?}] restarted\n"));
    }
    Ok(())
}

fn running(scene: &Scene<'_>, project: &Project, service: &str) -> Result<Vec<Container>> {
    let mut found = observed::containers(scene.api()?, &project.name)?;
    found.retain(|one| one.service == service && !one.oneoff && one.is_running());
    Ok(found)
}

/// Copies what has changed into the containers of a service, and removes there what is gone.
fn synced(scene: &Scene<'_>, project: &Project, rule: &Rule, changed: &[String], gone: &[String]) -> Result {
    let archive = packed(rule, changed)?;
    // Of a folder that is gone what was in it needs no mention.
    let tops: Vec<&String> = gone.iter().filter(|path| !gone.iter().any(|other| path.starts_with(&format!("{other}/")))).collect();
    for one in running(scene, project, &rule.service)? {
        if !changed.is_empty() {
            let path = format!("/containers/{}/archive", one.id);
            let source = std::io::Cursor::new(archive.clone());
            scene.api()?.ask(Ask::put(&path).with("path", "/").body(feed(source), "application/x-tar"))?;
        }
        if !tops.is_empty() {
            let targets: Vec<String> = tops.iter().map(|path| rule.inside(path)).collect();
            let mut words = vec![one.id.as_str(), "rm", "-rf"];
            words.extend(targets.iter().map(String::as_str));
            exec::run(scene.session, &Given::of(&words))?;
        }
    }
    Ok(())
}

/// An archive of what has changed, by the paths in the container.
fn packed(rule: &Rule, changed: &[String]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for below in changed {
        let path = if below.is_empty() { rule.top() } else { rule.top().join(below) };
        let name = rule.inside(below);
        let name = name.trim_start_matches('/');
        // The tree's own top is there, or is made on the way.
        let Ok(meta) = fs::metadata(&path) else { continue };
        if name.is_empty() || (meta.is_dir() && below.is_empty()) {
            continue;
        }
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
        header.set_uid(0);
        header.set_gid(0);
        if meta.is_dir() {
            header.set_size(0);
            builder.append_data(&mut header, format!("{name}/"), std::io::empty())?;
        } else if meta.is_file() {
            let bytes = fs::read(&path)?;
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes.as_slice())?;
        }
    }
    Ok(builder.into_inner()?)
}

/// A new image, and containers of it in the place of the old ones.
fn rebuilt(scene: &Scene<'_>, project: &Project, service: &str) -> Result {
    say(&format!(" ⦿ Rebuilding service(s) [{service:?}] after changes were detected...\n"));
    let policy = Policy { build: true, ..Policy::default() };
    let wanted = Wanted { named: vec![service.to_owned()], no_deps: true, start: true, ignore_orphans: true, policy, ..Wanted::default() };
    let built = up::planned(scene, project.clone(), &wanted).and_then(|planned| up::done(scene, &planned, &wanted).map(drop));
    match built {
        Ok(()) => say(&format!(" ⦿ service(s) [{service:?}] successfully built\n")),
        // The next change may mend it.
        Err(failure) => warn(&format!(" ⦿ Failed to rebuild service {service:?}: {}\n", failure.message)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_compared_with_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a", "1");
        write("gone", "1");
        fs::create_dir(folder.path().join("inner")).unwrap();
        let trigger = Trigger {
            path: crate::compose::types::part::Always(folder.path().display().to_string()),
            target: "/srv/".to_owned(),
            ignore: vec!["*.log".to_owned()],
            ..Trigger::default()
        };
        let mut rule = rule("web", &trigger, None).unwrap();
        assert_eq!(rule.changes().unwrap(), (vec![], vec![]));
        write("a", "two");
        write("inner/b", "1");
        write("x.log", "1");
        fs::remove_file(folder.path().join("gone")).unwrap();
        let (changed, gone) = rule.changes().unwrap();
        assert_eq!((changed.clone(), gone), (vec!["a".to_owned(), "inner/b".to_owned()], vec!["gone".to_owned()]));
        let archive = packed(&rule, &changed).unwrap();
        let mut read = tar::Archive::new(archive.as_slice());
        let paths: Vec<String> = read.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(paths, ["srv/a", "srv/inner/b"]);
    }
}
