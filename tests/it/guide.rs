//! The instructor's guide says what is so: every `console` block of it is typed into a shell, one after the other in one folder, and what is printed compared.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Sandbox, binary};

const PATIENCE: Duration = Duration::from_secs(240);

/// A command of the guide, the line that it stands on, and what it is said to print.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    number: usize,
    command: String,
    output: Vec<String>,
}

/// The commands of all `console` blocks.
fn shown(text: &str) -> Vec<Shown> {
    let (mut found, mut inside): (Vec<Shown>, bool) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            found.push(Shown { number: at + 1, command: command.to_owned(), output: Vec::new() });
        } else if let Some(last) = found.last_mut().filter(|_| inside) {
            last.output.push(line.to_owned());
        }
    }
    found
}

/// Whether a line fits one of the guide: `[..]` stands for any text.
fn line_fits(wanted: &str, line: &str) -> bool {
    let mut pieces = wanted.split("[..]");
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Whether lines fit those of the guide: `...` alone stands for any lines.
fn fits(wanted: &[String], lines: &[&str]) -> bool {
    match (wanted.split_first(), lines.split_first()) {
        (None, first) => first.is_none(),
        (Some((dots, more)), first) if dots == "..." => fits(more, lines) || first.is_some_and(|(_, later)| fits(wanted, later)),
        (Some((one, more)), Some((line, later))) => line_fits(one, line) && fits(more, later),
        (Some(_), None) => false,
    }
}

#[test]
fn what_the_instructors_guide_shows_is_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/instructors.md");
    let all = shown(&fs::read_to_string(&path).expect("the guide"));
    assert!(all.len() > 15, "the guide shows {} commands: its blocks are not found", all.len());
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("desk");
    fs::create_dir(&folder).expect("make a folder");
    let path = format!("{}:{}", binary().parent().expect("a folder").display(), std::env::var("PATH").expect("PATH"));
    for one in all {
        let call = sandbox.program("bash").args(["-c", &one.command]).env("PATH", &path).folder(&folder).patience(PATIENCE);
        let output = call.output();
        let lines: Vec<&str> = output.stdout.lines().map(str::trim_end).collect();
        assert!(fits(&one.output, &lines), "instructors.md:{}: `{}` prints something else:\n{output}", one.number, one.command);
    }
}

#[test]
fn elisions_stand_for_anything_and_for_nothing_else() {
    let wanted = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (guide, printed, fit) in [
        ("a\n...\nd", vec!["a", "b", "c", "d"], true),
        ("a\n...\nd", vec!["a", "d"], true),
        ("a\n...\nd", vec!["a", "b"], false),
        ("a [..] c", vec!["a b c"], true),
        ("a [..] c", vec!["a b c d"], false),
        ("[..] b [..]", vec!["a b c"], true),
        ("a", vec!["a", "b"], false),
        ("", vec![], true),
        ("", vec!["a"], false),
    ] {
        assert_eq!(fits(&wanted(guide), &printed), fit, "{guide:?} and {printed:?}");
    }
}
