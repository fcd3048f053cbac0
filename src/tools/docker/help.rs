//! Pages of help, made of the tables: the shape that a person knows from docker, in our own words.

use std::fmt::Write as _;

use super::verb::{Flag, Verb};
use super::{GLOBALS, GROUPS, verbs};

/// No page is wider, however wide the terminal.
const WIDEST: usize = 80;

/// `docker images [OPTIONS] [REPOSITORY[:TAG]]`.
pub fn usage_line(verb: &Verb, called: &str) -> String {
    // A second form stands on a line of its own.
    let usage = verb.usage.replace("{}", &format!("docker {called}"));
    format!("docker {called} {usage}").trim_end().to_owned()
}

/// The page of a command.
pub fn page(verb: &Verb, called: &str) -> String {
    // Writing to a String never fails, here and below.
    let mut all = format!("Usage:  {}\n\n{}\n", usage_line(verb, called), verb.about);
    if !verb.more.is_empty() {
        let _ = writeln!(all, "\n{}", verb.more);
    }
    if !verb.also.is_empty() {
        let names: Vec<String> = verb.names().map(|name| format!("docker {name}")).collect();
        let _ = writeln!(all, "\nAliases:\n  {}", names.join(", "));
    }
    all + &options("Options", verb.flags)
}

/// The page of a group: `docker image`.
pub fn group(name: &str, about: &str) -> String {
    let mut all = format!("Usage:  docker {name} COMMAND\n\n{about}\n\nCommands:\n");
    let below = format!("{name} ");
    let mut members: Vec<(&str, &str)> = verbs().filter_map(|verb| Some((verb.path.strip_prefix(&below)?, verb.about))).collect();
    members.sort_unstable();
    commands(&mut all, &members);
    all + &format!("\nRun 'docker {name} COMMAND --help' for more information on a command.\n")
}

/// The page of docker itself.
pub fn everything() -> String {
    let mut all = "Usage:  docker [OPTIONS] COMMAND\n\nBottleship's command line for Docker engines\n\nCommon Commands:\n".to_owned();
    let first = ["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];
    commands(&mut all, &first.into_iter().filter_map(named).collect::<Vec<_>>());
    all.push_str("\nManagement Commands:\n");
    commands(&mut all, GROUPS);
    all.push_str("\nCommands:\n");
    let mut rest: Vec<(&str, &str)> = verbs()
        .flat_map(|verb| verb.names().map(|name| (name, verb.about)))
        .filter(|(name, _)| !name.contains(' ') && !first.contains(name))
        .collect();
    rest.sort_unstable();
    commands(&mut all, &rest);
    all.push_str(&options("Global Options", GLOBALS));
    all.push_str("\nRun 'docker COMMAND --help' for more information on a command.\n");
    all
}

fn named(name: &'static str) -> Option<(&'static str, &'static str)> {
    verbs().find(|verb| verb.names().any(|known| known == name)).map(|verb| (name, verb.about))
}

fn commands(all: &mut String, rows: &[(&str, &str)]) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(10);
    for (name, about) in rows {
        lines(all, &format!("  {name:<width$}  "), about);
    }
}

/// Options under a head.
pub fn options(head: &str, flags: &[Flag]) -> String {
    let mut flags: Vec<&Flag> = flags.iter().collect();
    flags.sort_by_key(|flag| flag.long);
    let left = |flag: &Flag| {
        let letter = if flag.short == '\0' { "    ".to_owned() } else { format!("-{}, ", flag.short) };
        format!("  {letter}--{} {}", flag.long, flag.kind.name()).trim_end().to_owned()
    };
    if flags.is_empty() {
        return String::new();
    }
    let width = flags.iter().map(|flag| left(flag).len()).max().unwrap_or(0) + 3;
    let mut all = format!("\n{head}:\n");
    flags.iter().for_each(|flag| lines(&mut all, &format!("{:<width$}", left(flag)), flag.about));
    all
}

/// A text behind a margin, folded.
fn lines(all: &mut String, margin: &str, text: &str) {
    let space = WIDEST.saturating_sub(margin.len()).max(20);
    let (mut line, mut first) = (String::new(), true);
    let mut put = |line: &mut String, first: &mut bool| {
        let before = if std::mem::take(first) { margin.to_owned() } else { " ".repeat(margin.len()) };
        all.push_str(format!("{before}{line}").trim_end());
        all.push('\n');
        line.clear();
    };
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > space {
            put(&mut line, &mut first);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    put(&mut line, &mut first);
}
