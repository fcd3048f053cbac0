//! A unit judged in a world that is no bottle: a Docker engine of the learner's own.
//!
//! The same facts are judged by the same code; only who answers the looks is another. What such a world has not (a journal, the kernel of a host,
//! files of a bench) cannot be judged there: each of those facts says so, is counted apart, and proves nothing. What only shows when one looks is
//! said by the world itself, with an error that begins with [`UNSEEN`](super::world::UNSEEN).

use std::collections::BTreeMap;

use super::fact::{Fact, Kind, Match, Place, Thing, ThingSort};
use super::judge::Context;
use super::place::BENCH;
use super::session::check_of;
use super::unit::{Step, Unit};
use super::view::CheckView;
use super::world::World;
use crate::journal::Log;

/// What is known besides the world.
#[derive(Debug, Clone, Default)]
pub struct Known<'k> {
    /// What the learner would say with `:answer`.
    pub answer: Option<&'k str>,
    /// Which things of `gone` facts were there before, by [`past`].
    pub past: BTreeMap<String, bool>,
}

/// Judges a step of a unit, with the time that its facts must hold for.
pub fn check(unit: &Unit, step: &Step, world: &mut dyn World, known: &Known<'_>) -> CheckView {
    let (log, place) = (Log::default(), format!("{}#{}", unit.id, step.id));
    let baseline = step.facts.iter().filter_map(|fact| Some((fact.id.clone(), *known.past.get(&past(fact)?)?))).collect();
    let context = Context {
        log: &log,
        since_step: 0,
        since_unit: 0,
        given: known.answer,
        shell: None,
        step: &place,
        baseline: &baseline,
        facts: &step.facts,
    };
    let cannot = |fact: &Fact| cannot(fact, known.answer.is_some()).map(str::to_owned);
    check_of(&unit.id, step, world, &context, &cannot, true)
}

/// The thing whose end a fact asks for, as `TYPE/NAME`; `None` for every other fact.
pub fn past(fact: &Fact) -> Option<String> {
    let Kind::Gone(Thing { sort, name }) = &fact.kind else { return None };
    let (word, _) = super::fact::THINGS.iter().find(|(_, other)| other == sort)?;
    Some(format!("{word}/{name}"))
}

/// Why a fact cannot be judged outside of a bottle.
fn cannot(fact: &Fact, answered: bool) -> Option<&'static str> {
    const KERNEL: &str = "it is about processes, namespaces, mounts or cgroups in the kernel of the bottle";
    const FILE: &str = "it is about a file of the bottle's host";
    if fact.host != BENCH {
        return Some("it is about another host of the bottle");
    }
    match &fact.kind {
        Kind::Exists(of) | Kind::Gone(of) | Kind::Field { of, .. } => match of.sort {
            ThingSort::Container | ThingSort::Volume | ThingSort::Network | ThingSort::Image => None,
            ThingSort::File => Some(FILE),
            _ => Some(KERNEL),
        },
        Kind::Count(count) => match count.of {
            "containers" | "volumes" | "networks" | "images" => None,
            "files" => Some(FILE),
            _ => Some(KERNEL),
        },
        Kind::Image(_) | Kind::Container(_) | Kind::Volume(_) | Kind::Network(_) | Kind::Port(_) | Kind::Log(_) => None,
        Kind::Layer(_) => Some("it looks into single layers, which the Docker API does not show"),
        Kind::Registry(_) => Some("it asks a registry of the bottle"),
        Kind::Reach { from: Place::Process(from), .. } if is_container(from) => None,
        Kind::Reach { .. } => Some("it starts from the bottle's host"),
        Kind::File(file) => (!file.within.as_ref().is_some_and(is_container)).then_some(FILE),
        Kind::Answer { given: true, .. } if !answered => Some("it asks what you would say with `:answer`: `--answer WORDS`"),
        Kind::Answer { .. } | Kind::Exec { .. } => None,
        Kind::Process(_) | Kind::Namespace { .. } | Kind::Cgroup(_) | Kind::Mount(_) | Kind::Budget { .. } => Some(KERNEL),
        Kind::History(_) | Kind::Never { .. } | Kind::Invariant { .. } => {
            Some("it is about what happened, and only a bottle keeps a journal")
        }
    }
}

/// Whether a container as such is meant, and not one of its processes by what it is like.
fn is_container(wanted: &Match) -> bool {
    let Match { comm, args, exe, uid, pid, pid_file, in_cgroup, container, parent } = wanted;
    let bare = comm.is_none() && args.is_none() && exe.is_none() && uid.is_none() && pid.is_none();
    container.is_some() && bare && pid_file.is_none() && in_cgroup.is_none() && parent.is_none()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::lab;
    use super::super::text::Params;
    use super::super::view::Verdict;
    use super::super::world::{Look, UNSEEN};
    use super::*;

    /// A world with one container, in which some looks have no answer.
    struct Small;

    impl World for Small {
        fn look(&mut self, _: &str, look: &Look) -> Result<Value, String> {
            match look {
                Look::Ask(super::super::question::Question::Containers) => {
                    Ok(json!({ "containers": [{ "name": "web", "id": "ab", "status": "running" }] }))
                }
                Look::Run(_) => Err(format!("{UNSEEN}no commands are run")),
                Look::Probe(crate::bottle::Probe::Name) => Ok("small".into()),
                Look::Probe(crate::bottle::Probe::Containers) => Ok(json!({ "containers": [] })),
                _ => Err("not in this test".to_owned()),
            }
        }
    }

    fn judged(facts: &str, known: &Known<'_>) -> CheckView {
        let text = format!("id: p/l\ntitle: T\nsteps: [{{id: s, goal: G, facts: [{facts}]}}]\n");
        let unit = lab::read(Path::new("lab.yaml"), &text, "", &Params::new()).unwrap_or_else(|problems| panic!("{problems:?}"));
        check(&unit, &unit.steps[0], &mut Small, known)
    }

    #[test]
    fn what_only_a_bottle_has_is_said_and_proves_nothing() {
        let facts = [
            "kind: cgroup, path: /x, exists: true",
            "kind: file, path: /x, exists: true",
            "kind: process, match: {comm: sleep}",
            "kind: process, match: {container: web}, uid: 0",
            "kind: reach, from: host, to: \"tcp://127.0.0.1:1\"",
            "kind: container, name: web, host: other, state: running",
            "kind: history, events: [{kind: check}]",
            "kind: count, of: processes, is: 1",
            "kind: answer, given: true, is: x",
            "kind: exec, run: \"true\", reason: \"for this test\"",
        ];
        for fact in facts {
            let view = judged(&format!("{{id: f, {fact}, not_yet: No.}}"), &Known::default());
            assert!(view.facts[0].not_here.is_some(), "{fact}");
            assert_eq!((view.verdict, view.points), (Verdict::Vacuous, 0), "{fact}");
        }
    }

    #[test]
    fn what_the_engine_shows_decides() {
        let right = "{id: a, kind: container, name: web, state: running, not_yet: No.}";
        let apart = "{id: b, kind: file, path: /x, exists: true, not_yet: No.}";
        let wrong = "{id: c, kind: container, name: web, state: exited, not_yet: No.}";
        assert_eq!(judged(&format!("{right}, {apart}"), &Known::default()).verdict, Verdict::Pass);
        assert_eq!(judged(&format!("{right}, {apart}, {wrong}"), &Known::default()).verdict, Verdict::NotYet);
        let error = "{id: d, kind: volume, name: v, not_yet: No.}";
        assert_eq!(judged(&format!("{right}, {error}"), &Known::default()).verdict, Verdict::Error);
    }

    #[test]
    fn what_is_gone_must_have_been_there() {
        let gone = "{id: a, kind: gone, of: container/old, not_yet: No.}";
        let known = |there| Known { past: BTreeMap::from([("container/old".to_owned(), there)]), ..Known::default() };
        assert_eq!(judged(gone, &known(true)).verdict, Verdict::Pass);
        assert_eq!(judged(gone, &known(false)).verdict, Verdict::Vacuous);
        assert_eq!(judged(&gone.replace("old", "web"), &Known::default()).verdict, Verdict::NotYet);
    }

    #[test]
    fn an_answer_may_be_given_on_the_command_line() {
        let view = judged("{id: a, kind: answer, given: true, is: x, not_yet: No.}", &Known { answer: Some("x"), ..Known::default() });
        assert_eq!(view.verdict, Verdict::Pass);
    }
}
