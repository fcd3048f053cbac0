//! `bottleship doctor`: what works on this machine, what does not and why, and what dead bottles left on it.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, listing};
use crate::bottle::doctor::{self, Residue, Scope};
use crate::bottle::{self, Abilities};

/// What this machine can do, and what is left on it.
pub const DOCTOR: Tool = Tool { command, run };

/// What the abilities mean to a person, in the order of the table.
const MEANING: &[(&str, &str)] = &[
    ("root", "hosts show all of this machine's files, with their owners"),
    ("rootless", "bottles of an ordinary user"),
    ("ids", "users other than root in a bottle"),
    ("overlay", "writes in a bottle stay in the bottle"),
    ("memory", "limits of memory"),
    ("cpu", "shares and limits of processor time"),
    ("cpuset", "choice of processors"),
    ("pids", "limits of the number of processes"),
    ("io", "limits of disk traffic"),
    ("freezer", "pausing groups of processes"),
    ("cgroup1", "lessons and labs for cgroup v1"),
    ("cgroup2", "lessons and labs for cgroup v2"),
    ("tun", "tunnel devices"),
    ("internet", "the real internet (`--internet real`)"),
];

fn command() -> Command {
    Command::new("doctor")
        .about("Tell what works on this machine, and what dead bottles left on it")
        .long_about(
            "Boots a bottle, tells what it can do here and why not the rest, and looks for what bottles that do not run any more left on \
             the machine: processes, cgroups, mounts, network links, nftables tables, settings;\n\
             with --all also folders in TMPDIR or /var/tmp that proofs, grades and demos have left which were killed.\n\
             Exit code: 0 when bottles run and nothing is left, 1 when something is left, 2 when no bottle can run.",
        )
        .arg(Arg::new("fix").long("fix").action(ArgAction::SetTrue).help("Remove what is left"))
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Look for bottles of every state folder, not only of this one"))
        .arg(Arg::new("left").long("left").action(ArgAction::SetTrue).help("Only look for what is left; boot nothing"))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    if !arguments.get_flag("left") {
        match doctor::abilities() {
            Ok(abilities) => show(&abilities),
            Err(error) => {
                complain("run a bottle on this machine", &error);
                code = ExitCode::from(2);
            }
        }
    }
    let scope = if arguments.get_flag("all") { Scope::Machine } else { Scope::Own };
    match if arguments.get_flag("fix") { fix(scope) } else { doctor::residue(scope) } {
        Ok(found) if found.is_empty() => println!("nothing is left of bottles that do not run"),
        Ok(found) => {
            list(&found);
            code = ExitCode::FAILURE;
        }
        Err(error) => {
            complain("look for what bottles left", &error);
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn show(abilities: &Abilities) {
    let row = |(name, meaning): &(&str, &str)| {
        let (_, refused) = abilities.iter().find(|(known, _)| known == name)?;
        let (here, meaning) = refused.map_or(("yes", (*meaning).to_owned()), |reason| ("no", format!("{meaning}: {reason}")));
        Some(vec![(*name).to_owned(), here.to_owned(), meaning])
    };
    listing::print(&["ABILITY", "HERE", "WHAT FOR"], MEANING.iter().filter_map(row).collect());
    println!();
}

/// Removes what is left, tells it, and gives what is still there.
fn fix(scope: Scope) -> Result<Vec<Residue>, bottle::Error> {
    for one in doctor::residue(scope)? {
        println!("removing {} {}", one.kind, one.what);
    }
    for (one, error) in doctor::clean_all(scope)? {
        eprintln!("error: remove the {} {}\ncause: {error}", one.kind, one.what);
    }
    doctor::residue(scope)
}

fn list(found: &[Residue]) {
    for one in found {
        let bottle = one.bottle.as_deref().map(|folder| format!("  (of {})", folder.display())).unwrap_or_default();
        println!("{:<8} {}{bottle}", one.kind, one.what);
    }
    let things = if found.len() == 1 { "1 thing is".to_owned() } else { format!("{} things are", found.len()) };
    println!("{things} left: `bottleship doctor --fix` removes what it may (with sudo, all)");
}

fn complain(doing: &str, error: &bottle::Error) {
    eprintln!("error: {doing}\ncause: {error}");
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
