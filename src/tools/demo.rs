//! `bottleship demo`: a demo shown to a room, rehearsed without one, recorded.

mod cast;
mod record;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Tool, fail, listing};
use crate::bottle::scratch::{Scratch, Use};
use crate::bottle::{Mode, Spec};
use crate::course::Error;
use crate::course::demo::Demo;
use crate::repl::stage::{self, Miss, Rehearsal, Rhythm};
use crate::ui::Style;

/// The sub-command.
pub const DEMO: Tool = Tool { command, run };

/// What a seed is where none is given: the same rhythm each time.
const SEED: u64 = 1;

fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let demo = || Arg::new("DEMO").required(true).help("A demo's name (`bottleship demo list`), or the path of a demo file (`./talk.md`)");
    let path = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
    };
    let rootless = || flag("rootless", "In a bottle as an ordinary user makes it");
    let rhythm = || {
        [
            flag("fast", "Lines appear at once, instead of key by key"),
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Another rhythm of typing; the same number types the same way"),
        ]
    };
    let named = || {
        Arg::new("name")
            .long("name")
            .value_name("NAME")
            .default_value("demo")
            .help("The bottle's name: `bottleship web --bottle NAME` shows it")
    };
    Command::new("demo")
        .about("Show a demo: typed lines, cue by cue, that wait for facts")
        .long_about(
            "Shows a demo in a bottle of its own. Each press of a key shows one cue: its lines are typed, and it is over when its facts hold, not after a time.\n\
             Keys: Enter, space, PageDown (a clicker): on. PageUp: back a cue, in a fresh world. A number and Enter: to that cue. k: the keyboard for you, \
             Ctrl-D gives it back. ?: help. q: end. A key while a line is typed shows the rest of it at once.",
        )
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .arg(demo())
        .args(rhythm())
        .arg(path("notes", "FILE", "Write the number of the cue and the presenter's notes to a file or another terminal (`tty` says its name); `-`: onto this screen"))
        .arg(Arg::new("from").long("from").value_name("N").value_parser(value_parser!(usize)).help("The cue to begin with"))
        .arg(flag("auto", "Go on without a key, to the end; exit 1 where something was not as expected"))
        .arg(path("record", "FILE.cast", "Record what is shown, as asciicast v2 (asciinema)"))
        .arg(flag("plain", "Plain lines: no colour, no repainting, whole lines"))
        .arg(rootless())
        .arg(named())
        .subcommand(Command::new("list").about("The demos in this program"))
        .subcommand(
            Command::new("rehearse")
                .about("Show all cues to nobody, in a fresh bottle; exit 1 if an expectation fails")
                .arg(demo().num_args(1..).action(ArgAction::Append))
                .arg(
                    Arg::new("times").long("times").value_name("N").value_parser(value_parser!(u32).range(1..=1000)).default_value("1").help("How often, each time in a fresh bottle"),
                )
                .arg(
                    Arg::new("patience")
                        .long("patience")
                        .value_name("SECONDS")
                        .value_parser(value_parser!(u64).range(1..=3600))
                        .default_value("30")
                        .help("How long the facts of a cue are waited for before they are missed"),
                )
                .arg(rootless()),
        )
        .subcommand(
            Command::new("record")
                .about("Record a demo that goes on by itself, as asciicast v2 (asciinema)")
                .arg(demo())
                .arg(Arg::new("FILE.cast").required(true).value_parser(value_parser!(PathBuf)).help("The file to write"))
                .args(rhythm())
                .arg(rootless()),
        )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let done = match arguments.subcommand() {
        Some(("list", _)) => list(),
        Some(("rehearse", arguments)) => rehearse(arguments),
        Some(("record", arguments)) => record::alone(arguments),
        _ if arguments.contains_id("record") && arguments.get_one::<PathBuf>("record").is_some() => record::beside(arguments),
        _ => play(arguments),
    };
    done.unwrap_or_else(|error| fail(&error, error.hint().as_deref()))
}

fn list() -> Result<ExitCode, Error> {
    let row = |demo: &Demo| {
        vec![demo.name.clone(), demo.unit.steps.len().to_string(), format!("{} min", demo.unit.minutes), demo.unit.title.clone()]
    };
    let rows = Demo::embedded()?.iter().map(row).collect();
    listing::print(&["NAME", "CUES", "TIME", "TITLE"], rows);
    Ok(ExitCode::SUCCESS)
}

fn asked(arguments: &ArgMatches) -> Result<Demo, Error> {
    Demo::open(arguments.get_one::<String>("DEMO").map_or("", String::as_str))
}

fn spec(arguments: &ArgMatches, name: String) -> Spec {
    Spec { name, mode: arguments.get_flag("rootless").then_some(Mode::Rootless), ..Spec::default() }
}

fn play(arguments: &ArgMatches) -> Result<ExitCode, Error> {
    let demo = asked(arguments)?;
    let auto = arguments.get_flag("auto");
    if !auto && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Error::NotNow {
            why: "show a demo: standard input is no terminal, so nobody can press a key".to_owned(),
            hint: "`--auto` goes on without keys, `bottleship demo rehearse` tries all cues".to_owned(),
        });
    }
    let name = arguments.get_one::<String>("name").cloned().unwrap_or_default();
    let state = Scratch::new(Use::Demo)?;
    let fast = arguments.get_flag("fast");
    let options = stage::Options {
        bottle: spec(arguments, name.clone()),
        state: state.path().to_owned(),
        plain: arguments.get_flag("plain"),
        rhythm: if fast { Rhythm::none() } else { Rhythm::of(arguments.get_one::<u64>("seed").copied().unwrap_or(SEED)) },
        auto,
        patience: stage::PATIENCE,
        notes: arguments.get_one::<PathBuf>("notes").cloned(),
        shows: true,
        from: arguments.get_one::<usize>("from").copied(),
    };
    let played = stage::play(demo, &options, &super::command());
    super::forget_worlds(&name);
    Ok(match played {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            eprint!("{}", stage::failure(&error, &Style::detect(options.plain, None)));
            ExitCode::FAILURE
        }
    })
}

fn rehearse(arguments: &ArgMatches) -> Result<ExitCode, Error> {
    let demos = arguments.get_many::<String>("DEMO").unwrap_or_default().map(|name| Demo::open(name)).collect::<Result<Vec<_>, _>>()?;
    let times = arguments.get_one::<u32>("times").copied().unwrap_or(1);
    let mut green = true;
    for demo in &demos {
        for time in 1..=times {
            let run = if times == 1 { demo.name.clone() } else { format!("{}, {time} of {times}", demo.name) };
            green &= once(arguments, demo, &run)?;
        }
    }
    Ok(if green { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One rehearsal; whether all was as expected.
fn once(arguments: &ArgMatches, demo: &Demo, run: &str) -> Result<bool, Error> {
    let began = Instant::now();
    let state = Scratch::new(Use::Demo)?;
    let name = format!("rehearse-{}", std::process::id());
    let options = stage::Options {
        bottle: spec(arguments, name.clone()),
        state: state.path().to_owned(),
        plain: true,
        rhythm: Rhythm::none(),
        auto: true,
        patience: Duration::from_secs(arguments.get_one::<u64>("patience").copied().unwrap_or(30)),
        notes: None,
        shows: false,
        from: None,
    };
    let rehearsed = stage::rehearse(demo.clone(), &options);
    super::forget_worlds(&name);
    let Rehearsal { cues, expectations, not_here, misses } = rehearsed?;
    let here = if not_here > 0 { format!(", {not_here} not here") } else { String::new() };
    let word = if misses.is_empty() { "ok" } else { "FAILED" };
    println!(
        "{word}: {run}: {cues} cues, {expectations} expectations{here}, {} missed, {:.1} s",
        misses.len(),
        began.elapsed().as_secs_f64()
    );
    for miss in &misses {
        println!("{}", told(demo, miss));
    }
    Ok(misses.is_empty())
}

fn told(demo: &Demo, miss: &Miss) -> String {
    let Miss { cue: (number, id), line, expected, seen } = miss;
    let place = format!("{}:{line}", demo.file.display());
    format!("  {place}: cue {number} of {} (`{id}`)\n    expected: {expected}\n    seen:     {seen}", demo.unit.steps.len())
}
