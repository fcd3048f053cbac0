//! `bottleship check UNIT --target docker`: the facts of a lab, judged on a Docker engine instead of in a bottle.
//!
//! ```text
//!  lab.yaml ── facts ── course::outside::check ── verdicts, and what cannot be judged there
//!                             │ looks
//!                       check::engine::Engine ── Docker API at DOCKER_HOST, programs in containers
//! ```
//!
//! The facts are the lab's own and so is the code that judges them; only the looks are answered by somebody else. Nothing is changed: the engine is asked,
//! and in containers programs are run that only look. Commands that the course wrote for the bench of a bottle are run on this machine only if one says so.

mod documents;
mod engine;
mod inside;
mod past;
mod setup;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::Tool;
use super::docker::Asked;
use crate::bottle;
use crate::bottle::shell::console;
use crate::course::outside::{self, Known};
use crate::course::progress::Progress;
use crate::course::unit::{Step, Unit};
use crate::course::view::{CheckView, Verdict};
use crate::course::{Course, Error, params};
use crate::repl::views;
use crate::ui::{Doc, Style};
use engine::Engine;

/// The sub-command.
pub const CHECK: Tool = Tool { command, run };

/// All verdicts, in the order of the sums.
const VERDICTS: [Verdict; 5] = [Verdict::Pass, Verdict::NotYet, Verdict::Fail, Verdict::Vacuous, Verdict::Error];

fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let value = |name: &'static str, value: &'static str, help: &'static str| Arg::new(name).long(name).value_name(value).help(help);
    Command::new("check")
        .about("Check a lab on a Docker engine of your own instead of in a bottle")
        .long_about(
            "Judges the facts of a lab on the Docker engine that DOCKER_HOST, or docker's current context, names. The engine is only asked.\n\
             What an engine does not show (kernel facts, files of the bottle's host, what happened before) is said to be `not here` and counted apart.",
        )
        .after_help(
            "Exit codes: 0 every fact that can be judged there passes, and there is one; 1 one does not pass, or none can be judged; \
             2 there is no such lab, or no engine is named.",
        )
        .arg(Arg::new("UNIT").help("The lab or lesson, or a step of it: ID#STEP; the current one if not given"))
        .arg(value("target", "KIND", "What is looked at").value_parser(["docker"]).required(true))
        .arg(value("seed", "SEED", "Draw the parameters from this, instead of those that you have at the prompt"))
        .arg(value("answer", "WORDS", "What you would say with `:answer`"))
        .arg(flag("run-commands", "Run the shell commands of the facts on this machine, as yourself; read the lab before you say so"))
        .arg(flag("setup", "Print the lab's set-up as a script for a shell, and end; nothing is run"))
        .arg(value("format", "FORMAT", "How to report").value_parser(["text", "json"]).default_value("text"))
        .arg(flag("plain", "Plain lines: no colour"))
        .arg(super::course_argument())
}

fn run(arguments: &ArgMatches) -> ExitCode {
    match check(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            super::fail(&error, error.hint().as_deref());
            ExitCode::from(2)
        }
    }
}

fn check(arguments: &ArgMatches) -> Result<bool, Error> {
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    let course = Course::open(arguments.get_one::<PathBuf>("course").map(PathBuf::as_path))?;
    let learner = std::env::var("USER").unwrap_or_else(|_| "learner".to_owned());
    let progress = Progress::open(&bottle::state_root(), &learner)?;
    let asked = text("UNIT").unwrap_or(&progress.standing.unit);
    if asked.is_empty() {
        return Err(Error::NotNow {
            why: "no lab is open yet".to_owned(),
            hint: "`bottleship check UNIT --target docker` names one".to_owned(),
        });
    }
    let (id, step) = asked.split_once('#').map_or((asked, None), |(id, step)| (id, Some(step)));
    let id = course.entry(id)?.example.id.clone();
    let attempt = progress.seen(&id).map_or(0, |unit| unit.attempt);
    let seed = text("seed").map_or_else(|| params::seed_of(&progress.learner, attempt), str::to_owned);
    let unit = course.unit(&id, &seed)?.0;
    if arguments.get_flag("setup") {
        print!("{}", setup::script(&course, course.entry(&id)?, &unit)?);
        return Ok(true);
    }
    let steps = steps(&unit, step)?;
    let engine = Asked::find(None)
        .map_err(|why| Error::NotNow { why, hint: "DOCKER_HOST=unix:///var/run/docker.sock, or tcp://HOST:PORT".to_owned() })?;
    let checks = judged(&unit, &steps, engine, text("answer"), arguments.get_flag("run-commands"));
    if text("format") == Some("json") {
        println!("{}", json!({ "unit": id, "seed": seed, "checks": checks, "sums": sums(&checks) }));
    } else {
        let style = Style::detect(arguments.get_flag("plain"), console::size().map(|size| size.columns.into()));
        print!("{}", shown(&checks).render(&style));
    }
    Ok(passes(&checks))
}

/// The step of this name; without one all that have something to check.
fn steps<'u>(unit: &'u Unit, wanted: Option<&str>) -> Result<Vec<&'u Step>, Error> {
    let checked = |step: &&Step| !step.facts.is_empty() && wanted.is_none_or(|wanted| step.id == wanted);
    let steps: Vec<&Step> = unit.steps.iter().filter(checked).collect();
    if steps.is_empty() {
        let what = wanted.map_or_else(|| format!("`{}`", unit.id), |step| format!("the step `{step}` of `{}`", unit.id));
        let names: Vec<&str> = unit.steps.iter().filter(|step| !step.facts.is_empty()).map(|step| step.id.as_str()).collect();
        let hint =
            if names.is_empty() { "labs have facts: `:list labs`".to_owned() } else { format!("steps with facts: {}", names.join(", ")) };
        return Err(Error::NotNow { why: format!("{what} has nothing to check"), hint });
    }
    Ok(steps)
}

fn judged(unit: &Unit, steps: &[&Step], engine: Asked, answer: Option<&str>, commands: bool) -> Vec<CheckView> {
    let gone = steps.iter().flat_map(|step| &step.facts).filter_map(outside::past);
    let past: BTreeMap<String, bool> = gone.map(|thing| (thing.clone(), past::was_there(&engine, &thing))).collect();
    let known = Known { answer, past };
    let mut world = Engine::new(engine, commands);
    steps.iter().map(|step| outside::check(unit, step, &mut world, &known)).collect()
}

/// How many facts have which verdict; those that cannot be judged there have none.
fn sums(checks: &[CheckView]) -> BTreeMap<&'static str, usize> {
    let mut sums: BTreeMap<&'static str, usize> = VERDICTS.iter().map(|verdict| (verdict.word(), 0)).chain([("not here", 0)]).collect();
    for fact in checks.iter().flat_map(|check| &check.facts) {
        *sums.entry(if fact.not_here.is_some() { "not here" } else { fact.verdict.word() }).or_default() += 1;
    }
    sums
}

fn shown(checks: &[CheckView]) -> Doc {
    let sums = sums(checks);
    let told: Vec<String> = VERDICTS.iter().map(|verdict| format!("{} {}", sums[verdict.word()], verdict.word())).collect();
    let doc = checks.iter().fold(Doc::new(), |doc, check| doc.then(views::verdicts(check)));
    let apart = match sums["not here"] {
        0 => String::new(),
        1 => "; 1 fact can be judged in a bottle only".to_owned(),
        count => format!("; {count} facts can be judged in a bottle only"),
    };
    doc.paragraph(format!("{}{apart}", told.join(", ")))
}

/// Something was judged, and all of it passes.
fn passes(checks: &[CheckView]) -> bool {
    let judged: Vec<Verdict> =
        checks.iter().flat_map(|check| &check.facts).filter(|fact| fact.not_here.is_none()).map(|fact| fact.verdict).collect();
    !judged.is_empty() && judged.iter().all(|verdict| *verdict == Verdict::Pass)
}
