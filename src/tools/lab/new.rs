//! `bottleship lab new PATH`: a lab that lints and proves as it stands.

use std::path::Path;
use std::process::ExitCode;

use super::place::Place;
use crate::course::Error;
use crate::kernel;

/// What is written: below `labs/PART/SLUG` or `solutions/PART/SLUG`, and its text, in which `PART/SLUG` becomes the id.
const FILES: &[(&str, &str, &str)] = &[
    ("labs", "lab.yaml", include_str!("scaffold/lab.yaml")),
    ("labs", "task.md", include_str!("scaffold/task.md")),
    ("labs", "files/note", include_str!("scaffold/note")),
    ("solutions", "solve.console", include_str!("scaffold/solve.console")),
    ("solutions", "solve-typed.console", include_str!("scaffold/solve-typed.console")),
    ("solutions", "wrong/moved.console", include_str!("scaffold/wrong/moved.console")),
    ("solutions", "wrong/empty.console", include_str!("scaffold/wrong/empty.console")),
    ("solutions", "wrong/open.console", include_str!("scaffold/wrong/open.console")),
];

/// Writes a new lab at `path`.
pub fn run(path: &Path) -> Result<ExitCode, Error> {
    let refused =
        |why: String, hint: &str| Error::NotNow { why: format!("make the lab `{}`: {why}", path.display()), hint: hint.to_owned() };
    let Some((place, id)) = Place::of_new(path).and_then(|place| place.lab.clone().map(|id| (place, id))) else {
        let hint = "write PART/SLUG or DIR/labs/PART/SLUG, in small letters, digits and hyphens: `bottleship lab new by-hand/two-shells`";
        return Err(refused("the path does not say which part and which lab".to_owned(), hint));
    };
    for folder in place.folders() {
        if place.course.join(&folder).exists() {
            let why = format!("{} is there already", place.course.join(folder).display());
            return Err(refused(why, "choose another name; nothing was written"));
        }
    }
    for (top, name, text) in FILES {
        let file = place.course.join(top).join(&id).join(name);
        kernel::fs::create_dir_all(file.parent().unwrap_or(&place.course), 0o755)?;
        kernel::fs::replace(&file, text.replace("PART/SLUG", &id).as_bytes(), 0o644)?;
        println!("{}", file.display());
    }
    let course = place.course.display();
    println!("\nIt lints and proves as it stands. Change it bit by bit:");
    println!("  bottleship lab dev {}", place.course.join("labs").join(&id).display());
    println!("  bottleship lab lint {course}");
    println!("  bottleship prove {id} --course {course}");
    Ok(ExitCode::SUCCESS)
}
