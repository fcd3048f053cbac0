//! `bottleship class answers`: the transcripts of a lab with one learner's parameters in them.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use crate::course::console::Console;
use crate::course::submission::Submission;
use crate::course::{Course, Error, params};
use crate::kernel;

pub(super) fn command() -> Command {
    Command::new("answers")
        .about("Show the right and the wrong answers of a lab as they look for one learner")
        .long_about("Prints the transcripts that prove a lab, with the parameters that a learner has: to compare with what was handed in, or to help at a desk.")
        .arg(Arg::new("UNIT").help("The lab; that of the submission if not given"))
        .arg(Arg::new("learner").long("learner").value_name("NAME").help("For the first attempt of the user with this login name"))
        .arg(Arg::new("seed").long("seed").value_name("SEED").help("For whoever has this seed, as reports and submissions tell it"))
        .arg(Arg::new("of").long("of").value_name("FILE").value_parser(value_parser!(PathBuf)).help("For whoever handed in this submission"))
        .group(ArgGroup::new("whose").args(["learner", "seed", "of"]).required(true))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
        .arg(super::super::course_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> Result<u8, Error> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let course = Course::open(arguments.get_one::<PathBuf>("course").map(PathBuf::as_path))?;
    let handed_in = arguments.get_one::<PathBuf>("of").map(read).transpose()?;
    let seed = text("seed").or_else(|| handed_in.as_ref().map(|submission| submission.seed.clone()));
    let seed = seed.unwrap_or_else(|| params::seed_of(&text("learner").unwrap_or_default(), 0));
    let Some(name) = text("UNIT").or_else(|| handed_in.map(|submission| submission.unit)) else {
        return Err(Error::NotNow { why: "no lab is named".to_owned(), hint: "`bottleship class answers UNIT ...`".to_owned() });
    };
    let id = course.entry(&name)?.example.id.clone();
    let drawn = course.unit(&id, &seed)?.1;
    let (right, wrong) = (course.consoles(&id, false, &drawn)?, course.consoles(&id, true, &drawn)?);
    if right.is_empty() {
        return Err(Error::NotNow {
            why: format!("{id} has no transcripts"),
            hint: "a lesson's commands stand in its text; labs have transcripts".to_owned(),
        });
    }
    let all = || right.iter().map(|one| (true, one)).chain(wrong.iter().map(|one| (false, one)));
    if arguments.get_flag("json") {
        let answers: Vec<Value> = all().map(|(right, (name, console))| as_json(right, name, console)).collect();
        println!("{}", json!({ "unit": id, "seed": seed, "params": drawn, "answers": answers }));
        return Ok(0);
    }
    println!("{id}, seed {seed}");
    drawn.iter().for_each(|(name, value)| println!("  {name}: {value}"));
    for (right, (name, console)) in all() {
        println!("\n{} {name}{}", if right { "right:" } else { "wrong:" }, expected(console));
        console.lines.iter().for_each(|line| println!("  {}", line.text));
    }
    Ok(0)
}

fn read(file: &PathBuf) -> Result<Submission, Error> {
    let bytes = std::fs::read(file).map_err(|error| kernel::Error::from_io("read", file.display(), &error))?;
    Submission::parse(&bytes).map_err(|why| Error::File { path: file.clone(), why })
}

fn as_json(right: bool, name: &str, console: &Console) -> Value {
    let lines: Vec<&str> = console.lines.iter().map(|line| line.text.as_str()).collect();
    let expect = console.expect.as_ref().map(|expect| json!({ "step": expect.step, "fact": expect.fact, "mistake": expect.mistake }));
    json!({ "name": name, "right": right, "needs": console.needs, "expect": expect, "lines": lines })
}

/// What a wrong answer is told.
fn expected(console: &Console) -> String {
    let Some(expect) = &console.expect else { return String::new() };
    let what = expect.mistake.as_ref().map(|id| format!("mistake {id}")).or_else(|| expect.fact.as_ref().map(|id| format!("fact {id}")));
    format!(" (step {}, {})", expect.step, what.unwrap_or_default())
}
