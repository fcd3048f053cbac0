//! `bottleship book`: writes the chapters that mdBook builds from what the program itself knows.
//!
//! The lessons are the chapters and the tables of the program are the reference, so the book cannot say something else than the prompt:
//! nothing of it is copied by hand. What is written is not kept in git.
//!
//! ```text
//!  lessons/, labs/ ── Course ── chapters ──┐
//!  clap tables, applets, kernel calls ─────┼── book/src/{lessons,labs,reference}/*.md, book/src/SUMMARY.md ── mdbook build book
//!  book/summary.md, book/src/*.md ─────────┘
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::Tool;
use crate::course::Course;

mod chapters;
mod links;
mod reference;

/// `bottleship book`.
pub const BOOK: Tool = Tool { command, run };

/// A page that is written: its path below `book/src`, its title, its text.
struct Page {
    path: String,
    title: String,
    text: String,
}

fn command() -> Command {
    Command::new("book")
        .about("Write the book's chapters from the course and from this program")
        .long_about("Writes the lessons, the labs and the reference below BOOK/src, for `mdbook build BOOK`.")
        .arg(
            Arg::new("folder")
                .value_name("BOOK")
                .default_value("book")
                .value_parser(value_parser!(PathBuf))
                .help("The folder with book.toml"),
        )
        .arg(super::course_argument())
}

fn run(matches: &ArgMatches) -> ExitCode {
    let book = matches.get_one::<PathBuf>("folder").cloned().unwrap_or_else(|| PathBuf::from("book"));
    match write(&book, matches.get_one::<PathBuf>("course").map(PathBuf::as_path)) {
        Ok(pages) => {
            println!("wrote {pages} pages below {}", book.join("src").display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Writes all pages; gives their number.
fn write(book: &Path, course: Option<&Path>) -> Result<usize, String> {
    let summary = book.join("summary.md");
    let template = fs::read_to_string(&summary)
        .map_err(|error| format!("read `{}`: {error} (is `{}` the book?)", summary.display(), book.display()))?;
    let course = Course::open(course).map_err(|error| error.to_string())?;
    let left_out: Vec<String> = course.broken().iter().flat_map(|broken| &broken.problems).map(ToString::to_string).collect();
    let (lessons, labs) = (chapters::lessons(&course), chapters::labs(&course));
    let reference = reference::pages();
    let source = book.join("src");
    for folder in ["lessons", "labs"] {
        // A lesson that was renamed must not stay behind under its old name.
        match fs::remove_dir_all(source.join(folder)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(format!("remove old chapters of {folder}: {error}")),
            _ => {}
        }
    }
    let pages: Vec<&Page> = lessons.iter().chain(&labs).chain(&reference).collect();
    for page in &pages {
        save(&source.join(&page.path), &page.text)?;
    }
    save(&source.join("SUMMARY.md"), &fill(&template, &[("{{lessons}}", &lessons), ("{{labs}}", &labs), ("{{reference}}", &reference)]))?;
    if !left_out.is_empty() {
        return Err(format!("the other pages are written; these chapters are left out:\n  {}", left_out.join("\n  ")));
    }
    let dead = links::dead(&source).map_err(|error| format!("read the pages below `{}`: {error}", source.display()))?;
    if !dead.is_empty() {
        return Err(format!("links that lead nowhere:\n  {}", dead.join("\n  ")));
    }
    Ok(pages.len() + 1)
}

fn save(path: &Path, text: &str) -> Result<(), String> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("write `{}`: {error}", path.display()))
}

/// Puts a list of links where the template has a line with a placeholder, indented as that is.
fn fill(template: &str, lists: &[(&str, &[Page])]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        match lists.iter().find(|(place, _)| line.trim() == *place) {
            Some((place, pages)) => {
                let indent = &line[..line.len() - place.len()];
                pages.iter().for_each(|page| text += &format!("{indent}- [{}]({})\n", page.title, page.path));
            }
            None => text = text + line + "\n",
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_go_where_the_template_wants_them() {
        let pages = [Page { path: "lessons/a.md".into(), title: "A".into(), text: String::new() }];
        assert_eq!(fill("# S\n  {{lessons}}\n- [x](y.md)\n", &[("{{lessons}}", &pages)]), "# S\n  - [A](lessons/a.md)\n- [x](y.md)\n");
    }

    #[test]
    fn the_whole_book_is_written_and_complete() {
        let folder = tempfile::tempdir().unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("book");
        copy(&ours, folder.path());
        let pages = write(folder.path(), None).unwrap();
        assert!(pages > 5, "{pages}");
        let summary = fs::read_to_string(folder.path().join("src/SUMMARY.md")).unwrap();
        assert!(!summary.contains("{{"), "{summary}");
        fs::remove_file(folder.path().join("src/introduction.md")).unwrap();
        assert!(write(folder.path(), None).unwrap_err().contains("introduction.md"));
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
