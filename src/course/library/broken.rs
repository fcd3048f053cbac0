//! Lessons and labs whose files have mistakes: left out of the course, and named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::error::{Error, Problem};
use super::{Course, CourseFile, is_unit};

/// A lesson or lab that is left out of the course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its id, as far as it can be known: of a lab its folder, of a lesson the line `id:`, else what its file is called.
    pub id: String,
    /// Whether it is a lab.
    pub lab: bool,
    /// Its file, below the course folder.
    pub file: PathBuf,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

impl Broken {
    /// For whoever asks for this unit.
    pub fn error(&self) -> Error {
        Error::Course(self.problems.clone())
    }
}

impl Course {
    /// What can be used of these files; the rest is in [`Course::broken`].
    pub fn without_broken(files: BTreeMap<PathBuf, CourseFile>) -> Course {
        let (mut course, problems) = Course::tolerant(files);
        course.leave_out(&problems);
        course
    }

    /// The units that are left out, in the order of their files.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// The ids of all units, of those that are left out too.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let broken = self.broken.iter().map(|broken| broken.id.as_str());
        self.units.iter().map(|entry| entry.example.id.as_str()).chain(broken)
    }

    /// Leaves the units out that problems are about.
    pub(super) fn leave_out(&mut self, problems: &[Problem]) {
        let mut by_file: BTreeMap<PathBuf, Vec<Problem>> = BTreeMap::new();
        for problem in problems {
            // A lab's `task.md` is read with it.
            let file = if is_unit(&problem.file) { problem.file.clone() } else { problem.file.with_file_name("lab.yaml") };
            by_file.entry(file).or_default().push(problem.clone());
        }
        self.broken = by_file
            .into_iter()
            .map(|(file, mut problems)| {
                problems.sort_by_key(|problem| problem.spot);
                Broken { id: self.id_of(&file), lab: file.starts_with("labs"), file, problems }
            })
            .collect();
        self.units.retain(|entry| self.broken.iter().all(|broken| broken.file != entry.file));
    }

    pub(super) fn id_of(&self, file: &Path) -> String {
        if let Ok(below) = file.strip_prefix("labs") {
            return below.parent().unwrap_or(below).display().to_string();
        }
        let content = self.files.get(file).map(|file| String::from_utf8_lossy(&file.content)).unwrap_or_default();
        let line = content.lines().find_map(|line| line.strip_prefix("id:")).map(|id| id.trim().trim_matches(['"', '\'']));
        line.filter(|id| !id.is_empty()).map_or_else(|| named(file), str::to_owned)
    }
}

/// `lessons/01-by-hand/02-pid.md` is called `by-hand/pid`.
fn named(file: &Path) -> String {
    let bare = file.with_extension("");
    let names = bare.iter().skip(1).map(|name| {
        let name = name.to_string_lossy();
        name.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start_matches('-').to_owned()
    });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = "id: p/lab\ntitle: T\nsteps: [{id: s, goal: g, facts: [{id: f, kind: exists, of: file//x, fail: f}]}]\n";
    const LESSON: &str = "---\nid: p/ID\ntitle: T\nminutes: 1\n---\nHello.\n\n## S {#s}\n\nWords.\n";

    fn course(files: &[(&str, String)]) -> Course {
        let file = |text: &String| CourseFile { content: text.clone().into_bytes(), executable: false };
        Course::without_broken(files.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect())
    }

    #[test]
    fn a_broken_file_costs_its_own_unit_only_and_is_named() {
        let breaks: &[(&str, &str, &str)] = &[
            ("title: T", "title: \"T", "1:1: no valid YAML"),
            ("title: T", "tilte: T", "`tilte`: is no key"),
            ("steps:", "place: {gone: /x}\nsteps:", "`place.gone`: the file `gone` is not there"),
            ("id: p/lab", "id: p/other", "`p/other` is not the folder of this lab"),
            ("kind: exists", "kind: exits", "kind"),
        ];
        for (from, to, says) in breaks {
            let course = course(&[("labs/p/lab/lab.yaml", LAB.replace(from, to)), ("lessons/01-p/01-a.md", LESSON.replace("ID", "a"))]);
            let ids: Vec<&str> = course.units().iter().map(|entry| entry.example.id.as_str()).collect();
            assert_eq!(ids, ["p/a"], "{to}");
            let [broken] = course.broken() else { panic!("one unit is broken by `{to}`: {:?}", course.broken()) };
            assert_eq!((broken.id.as_str(), broken.lab), ("p/lab", true));
            for name in ["p/lab", "lab"] {
                let said = course.entry(name).unwrap_err().to_string();
                assert!(said.starts_with("labs/p/lab/lab.yaml:") && said.contains(says.trim_start_matches("1:1: ")), "{to}: {said}");
            }
        }
    }

    #[test]
    fn of_two_units_with_one_id_the_first_stays() {
        let lesson = LESSON.replace("ID", "a");
        let course = course(&[("lessons/01-p/01-a.md", lesson.clone()), ("lessons/01-p/02-b.md", lesson)]);
        assert_eq!(course.entry("p/a").unwrap().file, Path::new("lessons/01-p/01-a.md"));
        assert_eq!(course.broken()[0].file, Path::new("lessons/01-p/02-b.md"));
    }

    #[test]
    fn the_id_of_a_broken_lesson_is_found_as_far_as_it_can_be() {
        let id = |text: &str| course(&[("lessons/01-by-hand/02-pid.md", text.to_owned())]).broken()[0].id.clone();
        assert_eq!(id("---\nid: \"p/x\"\ntitle: [\n---\n"), "p/x");
        assert_eq!(id("---\ntitle: [\n---\n"), "by-hand/pid");
        assert_eq!(id("no front matter"), "by-hand/pid");
    }
}
