//! All lessons, labs and solutions: from the binary, or from a folder with the same layout.
//!
//! One file with a mistake costs one unit, never the course: it is left out and named (see [`Broken`]), the rest is as it was.

mod broken;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::console::{self, Console};
use super::error::{Error, Problem};
use super::fields::nearest;
use super::params;
use super::text::Params;
use super::unit::Unit;
use super::yaml::spot_near;
use super::{lab, lesson};
use crate::kernel;
pub use broken::Broken;

/// Path, whether it is executable, content; made by build.rs.
const EMBEDDED: &[(&str, bool, &[u8])] = include!(concat!(env!("OUT_DIR"), "/course.rs"));

/// A file of the course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseFile {
    pub content: Vec<u8>,
    pub executable: bool,
}

/// Where a unit's own file lies, and what it is when its parameters are drawn for an example.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `lessons/01-x/02-y.md` or `labs/p/s/lab.yaml`.
    pub file: PathBuf,
    /// The unit with example parameters: for titles, steps, needs.
    pub example: Example,
}

/// The files of a course, by path.
type Files = BTreeMap<PathBuf, CourseFile>;

/// A unit with example parameters. Units of the course in the binary are read when somebody first looks into them: to read them all is most of what
/// opening a course costs, and a prompt needs one.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its id.
    pub id: String,
    /// Whether it is a lab.
    pub lab: bool,
    file: PathBuf,
    files: Arc<Files>,
    unit: OnceLock<Result<Unit, Box<Unread>>>,
}

/// A unit that cannot be read after all: what stands in its place, and what is wrong.
#[derive(Debug, Clone)]
struct Unread {
    place: Unit,
    problems: Vec<Problem>,
}

impl Example {
    fn read(&self) -> &Result<Unit, Box<Unread>> {
        self.unit.get_or_init(|| {
            read_example(&self.files, &self.file).map_err(|problems| {
                let intro = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                let place =
                    Unit { id: self.id.clone(), lab: self.lab, title: "(its file has mistakes)".to_owned(), intro, ..Unit::default() };
                Box::new(Unread { place, problems })
            })
        })
    }

    /// What is wrong with its file; nothing if it can be read.
    fn problems(&self) -> &[Problem] {
        self.read().as_ref().map_or_else(|unread| unread.problems.as_slice(), |_| &[])
    }
}

impl Entry {
    /// The entry itself, unless its file has mistakes.
    fn whole(&self) -> Result<&Entry, Error> {
        if self.example.problems().is_empty() { Ok(self) } else { Err(Error::Course(self.example.problems().to_vec())) }
    }
}

impl Deref for Example {
    type Target = Unit;

    fn deref(&self) -> &Unit {
        self.read().as_ref().unwrap_or_else(|unread| &unread.place)
    }
}

/// The course.
#[derive(Debug, Clone)]
pub struct Course {
    files: Arc<Files>,
    units: Vec<Entry>,
    /// What is left out of `units`, in the order of the files.
    broken: Vec<Broken>,
}

/// The part of the course that a unit belongs to: what stands before the slash of its id (`by-hand/chroot`).
pub fn part_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(part, _)| part)
}

impl Course {
    /// The course in the binary. A test reads all of it, so that nothing needs to be left out here.
    pub fn embedded() -> Course {
        let mut course = Course { files: Arc::new(Course::embedded_files()), units: Vec::new(), broken: Vec::new() };
        let sources = course.files.keys().filter(|path| is_unit(path));
        course.units = sources.map(|file| course.entry_of(file.clone(), course.id_of(file), OnceLock::new())).collect();
        course.in_order();
        course
    }

    fn entry_of(&self, file: PathBuf, id: String, unit: OnceLock<Result<Unit, Box<Unread>>>) -> Entry {
        let example = Example { id, lab: file.starts_with("labs"), file: file.clone(), files: Arc::clone(&self.files), unit };
        Entry { file, example }
    }

    fn in_order(&mut self) {
        self.units.sort_by(|one, other| (one.example.lab, &one.file).cmp(&(other.example.lab, &other.file)));
        self.bring_parts_together();
    }

    /// The files of the course in the binary.
    pub fn embedded_files() -> BTreeMap<PathBuf, CourseFile> {
        let files = EMBEDDED
            .iter()
            .map(|(path, executable, content)| (PathBuf::from(path), CourseFile { content: content.to_vec(), executable: *executable }));
        files.collect()
    }

    /// The course in a folder that holds `lessons/`, `labs/`, `solutions/`.
    ///
    /// # Errors
    /// The folder cannot be read, or it holds no course.
    pub fn load(folder: &Path) -> Result<Course, Error> {
        Ok(Course::without_broken(Course::read_folder(folder)?))
    }

    /// The files of a course folder.
    ///
    /// # Errors
    /// The folder cannot be read, or holds no course.
    pub fn read_folder(folder: &Path) -> Result<BTreeMap<PathBuf, CourseFile>, Error> {
        let mut files = BTreeMap::new();
        for part in ["lessons", "labs", "solutions"] {
            if folder.join(part).is_dir() {
                collect(folder, Path::new(part), &mut files)?;
            }
        }
        if files.is_empty() {
            return Err(Error::File { path: folder.to_owned(), why: "has neither `lessons/` nor `labs/`".to_owned() });
        }
        Ok(files)
    }

    /// From a folder if one is given, else from the binary.
    ///
    /// # Errors
    /// As [`Course::load`].
    pub fn open(folder: Option<&Path>) -> Result<Course, Error> {
        folder.map_or_else(|| Ok(Course::embedded()), Course::load)
    }

    /// From files in memory, all of which must be without a mistake.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn from_files(files: BTreeMap<PathBuf, CourseFile>) -> Result<Course, Error> {
        let (course, problems) = Course::tolerant(files);
        if problems.is_empty() { Ok(course) } else { Err(Error::Course(problems)) }
    }

    /// What can be read of the files, and everything that is wrong with them. A unit that can be read stays, even if it does not go together with the
    /// others: for authors, who want to see all that is wrong with it.
    pub fn tolerant(files: BTreeMap<PathBuf, CourseFile>) -> (Course, Vec<Problem>) {
        let mut course = Course { files: Arc::new(files), units: Vec::new(), broken: Vec::new() };
        let mut problems = Vec::new();
        let sources: Vec<PathBuf> = course.files.keys().filter(|path| is_unit(path)).cloned().collect();
        for file in sources {
            match read_example(&course.files, &file) {
                Ok(unit) => course.units.push(course.entry_of(file, unit.id.clone(), OnceLock::from(Ok(unit)))),
                Err(list) => problems.extend(list),
            }
        }
        course.leave_out(&problems);
        course.in_order();
        problems.extend(course.relations());
        (course, problems)
    }

    /// Puts the labs of a part behind its lessons; the parts are in the order of their lessons' files, those of labs alone come last.
    fn bring_parts_together(&mut self) {
        let mut parts: Vec<String> = Vec::new();
        for entry in &self.units {
            let part = part_of(&entry.example.id);
            if !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
        }
        // Stable: within a part the order stays.
        self.units.sort_by_key(|entry| parts.iter().position(|part| part == part_of(&entry.example.id)));
    }

    /// All units: part by part, in each the lessons first.
    pub fn units(&self) -> &[Entry] {
        &self.units
    }

    /// The entry of a unit, by its id or by the end of it.
    ///
    /// # Errors
    /// There is none, several end like this, or its file has mistakes.
    pub fn entry(&self, id: &str) -> Result<&Entry, Error> {
        if let Some(exact) = self.units.iter().find(|entry| entry.example.id == id) {
            return exact.whole();
        }
        let broken = |wanted: &dyn Fn(&str) -> bool| self.broken.iter().find(|broken| wanted(&broken.id)).map(Broken::error);
        if let Some(error) = broken(&|other| other == id) {
            return Err(error);
        }
        let ends = |other: &str| other.rsplit('/').next() == Some(id);
        let mut fitting = self.units.iter().filter(|entry| ends(&entry.example.id));
        if let (Some(one), None) = (fitting.next(), fitting.next()) {
            return one.whole();
        }
        if let Some(error) = broken(&ends) {
            return Err(error);
        }
        let names = self.ids().flat_map(|id| [id, id.rsplit('/').next().unwrap_or("")]);
        Err(Error::Unknown { what: "lesson or lab", name: id.to_owned(), nearest: nearest(id, names).map(str::to_owned) })
    }

    /// A unit with its parameters drawn from `seed`, and those parameters.
    ///
    /// # Errors
    /// There is no such unit, or these parameters make it malformed.
    pub fn unit(&self, id: &str, seed: &str) -> Result<(Unit, Params), Error> {
        let entry = self.entry(id)?;
        let params = params::draw(&entry.example.params, seed, &entry.example.id);
        let unit = read_unit(&self.files, &entry.file, &params).map_err(Error::Course)?;
        Ok((unit, params))
    }

    /// All files of the course, by path.
    pub fn files(&self) -> &BTreeMap<PathBuf, CourseFile> {
        &self.files
    }

    /// A file of the course.
    pub fn file(&self, path: &Path) -> Option<&CourseFile> {
        self.files.get(path)
    }

    /// A file named in `place:` of a unit: below the unit's folder.
    ///
    /// # Errors
    /// There is no such file.
    pub fn placed(&self, entry: &Entry, name: &str) -> Result<&CourseFile, Error> {
        let path = entry.file.parent().unwrap_or(Path::new("")).join(name);
        self.file(&path).ok_or_else(|| Error::File { path, why: "is named in `place:` and is not there".to_owned() })
    }

    /// The transcripts of a lab: right ones (the first is `solve.console`) or wrong ones, by name.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn consoles(&self, id: &str, wrong: bool, params: &Params) -> Result<Vec<(String, Console)>, Error> {
        let folder = if wrong { Path::new("solutions").join(id).join("wrong") } else { Path::new("solutions").join(id) };
        let mut found = Vec::new();
        for (path, file) in self.files.range(folder.clone()..) {
            if !path.starts_with(&folder) {
                break;
            }
            if path.parent() != Some(&folder) || path.extension().is_none_or(|extension| extension != "console") {
                continue;
            }
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = String::from_utf8_lossy(&file.content);
            found.push((name, console::read(path, &text, params).map_err(Error::Course)?));
        }
        found.sort_by_key(|(name, _)| (name != "solve", name.clone()));
        Ok(found)
    }

    /// A digest over what a unit is made of. Its id and file name are no part of it: progress is found again after a rename.
    pub fn digest(&self, entry: &Entry) -> String {
        let own = if entry.example.lab { entry.file.parent().unwrap_or(&entry.file) } else { entry.file.as_path() };
        let mut hash = Sha256::new();
        for (path, file) in self.files.iter().filter(|(path, _)| path.starts_with(own)) {
            let below = path.strip_prefix(own).unwrap_or(path).display().to_string();
            let is_unit = *path == entry.file;
            let lines = file.content.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_unit || !line.starts_with(b"id:"));
            let content: Vec<u8> = lines.flatten().copied().collect();
            hash.update(below);
            hash.update([0]);
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(&content);
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What only shows when all files are seen together: ids that stand twice, files that are not there. (`needs` that lead nowhere hurt nobody: lint.)
    fn relations(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let ids: Vec<&str> = self.units.iter().map(|entry| entry.example.id.as_str()).collect();
        for (at, entry) in self.units.iter().enumerate() {
            let mut add = |key: &str, what: String, hint: &str| {
                let spot = spot_near(&entry.example.spots, key);
                problems.push(Problem { file: entry.file.clone(), spot, key: key.to_owned(), what, hint: hint.to_owned() });
            };
            if ids[..at].contains(&ids[at]) {
                add("id", format!("`{}` names another unit too", ids[at]), "give each lesson and lab an id of its own");
            }
            for (name, _) in &entry.example.place {
                if self.placed(entry, name).is_err() {
                    add(&format!("place.{name}"), format!("the file `{name}` is not there"), "the path is below the unit's folder");
                }
            }
            let folder = entry.file.parent().and_then(|folder| folder.strip_prefix("labs").ok());
            if entry.example.lab && folder != Some(Path::new(&entry.example.id)) {
                add("id", format!("`{}` is not the folder of this lab", entry.example.id), "labs/PART/SLUG has the id PART/SLUG");
            }
        }
        problems
    }
}

/// A unit with example parameters.
fn read_example(files: &Files, file: &Path) -> Result<Unit, Vec<Problem>> {
    // Read once with nothing filled in to learn the parameters, then with values: what an author sees is what a learner gets.
    let declared = declared_params(files, file)?;
    let unit = read_unit(files, file, &declared)?;
    Ok(unit)
}

fn declared_params(files: &Files, file: &Path) -> Result<Params, Vec<Problem>> {
    let text = text_of(files, file)?;
    let (yaml, first) = match text.strip_prefix("---\n") {
        Some(rest) if file.extension().is_some_and(|extension| extension == "md") => (rest.split("\n---\n").next().unwrap_or(rest), 2),
        _ => (text.as_str(), 1),
    };
    // Most lessons have none, and reading YAML is most of what opening a course costs.
    if !yaml.contains("params") {
        return Ok(Params::new());
    }
    let node = super::yaml::parse(file, yaml, first).map_err(|problem| vec![problem])?;
    let super::yaml::Value::Map(map) = &node.value else { return Ok(Params::new()) };
    let field = |key: &str| map.iter().find(|(name, _)| name == key).map(|(_, node)| node);
    let Some(params) = field("params") else { return Ok(Params::new()) };
    let mut complaints = super::fields::Complaints::about(file);
    let list = params::read(params, &mut complaints);
    let id = field("id").and_then(super::yaml::Node::text).unwrap_or_default();
    if complaints.list.is_empty() { Ok(params::draw(&list, "example", id)) } else { Err(complaints.list) }
}

fn read_unit(files: &Files, file: &Path, params: &Params) -> Result<Unit, Vec<Problem>> {
    let text = text_of(files, file)?;
    if file.extension().is_some_and(|extension| extension == "md") {
        return lesson::read(file, &text, params);
    }
    let task = files.get(&file.with_file_name("task.md")).map(|file| String::from_utf8_lossy(&file.content).into_owned());
    lab::read(file, &text, task.as_deref().unwrap_or_default(), params)
}

fn text_of(files: &Files, file: &Path) -> Result<String, Vec<Problem>> {
    let content = files.get(file).map(|file| file.content.as_slice()).unwrap_or_default();
    String::from_utf8(content.to_vec()).map_err(|error| {
        let line = content[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        let hint = "save it as UTF-8".to_owned();
        vec![Problem { file: file.to_owned(), spot: line.into(), key: String::new(), what: "is no UTF-8".to_owned(), hint }]
    })
}

/// Whether a path is the file of a unit.
fn is_unit(path: &Path) -> bool {
    let lesson = path.starts_with("lessons") && path.extension().is_some_and(|extension| extension == "md");
    lesson && path.file_stem().is_some_and(|name| name != "README") || path.starts_with("labs") && path.ends_with("lab.yaml")
}

fn collect(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, CourseFile>) -> Result<(), Error> {
    for name in kernel::fs::list(&root.join(below))? {
        let path = below.join(&name);
        let full = root.join(&path);
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let data = std::fs::metadata(&full).map_err(|error| kernel::Error::from_io("stat", full.display(), &error))?;
        if data.is_dir() {
            collect(root, &path, files)?;
        } else if data.is_file() {
            use std::os::unix::fs::PermissionsExt as _;
            let content = std::fs::read(&full).map_err(|error| kernel::Error::from_io("read", full.display(), &error))?;
            files.insert(path, CourseFile { content, executable: data.permissions().mode() & 0o111 != 0 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_in_the_binary_is_whole_and_known_before_it_is_read() {
        let (read, problems) = Course::tolerant(Course::embedded_files());
        assert!(problems.is_empty(), "{problems:?}");
        let course = Course::embedded();
        let known = |course: &Course| -> Vec<(String, bool, PathBuf)> {
            course.units().iter().map(|entry| (entry.example.id.clone(), entry.example.lab, entry.file.clone())).collect()
        };
        assert_eq!(known(&course), known(&read));
        assert!(course.units().iter().all(|entry| entry.example.unit.get().is_none()), "nothing was read for that");
        for (one, other) in course.units().iter().zip(read.units()) {
            // The id as the file has it.
            assert_eq!((&one.example.read().as_ref().unwrap().id, &one.example.title), (&one.example.id, &other.example.title));
        }
    }

    #[test]
    fn a_unit_in_the_binary_that_cannot_be_read_says_so_when_it_is_asked_for() {
        let file = CourseFile { content: b"---\nid: p/a\n---\n".to_vec(), executable: false };
        let mut course =
            Course { files: Arc::new([(PathBuf::from("lessons/01-p/01-a.md"), file)].into()), units: Vec::new(), broken: Vec::new() };
        course.units = vec![course.entry_of("lessons/01-p/01-a.md".into(), "p/a".to_owned(), OnceLock::new())];
        assert!(course.entry("p/a").unwrap_err().to_string().starts_with("lessons/01-p/01-a.md:"));
        let shown = &course.units()[0].example;
        assert_eq!((shown.id.as_str(), shown.title.as_str(), shown.steps.len()), ("p/a", "(its file has mistakes)", 0));
        assert!(shown.intro.starts_with("lessons/01-p/01-a.md:"), "{}", shown.intro);
    }

    #[test]
    fn the_course_in_the_binary_is_without_mistakes() {
        let course = Course::from_files(Course::embedded_files()).unwrap_or_else(|error| panic!("{error}"));
        assert!(course.units().len() < 1000);
    }

    #[test]
    fn a_unit_is_found_by_its_end_and_a_slip_is_named() {
        let lab = |id: &str| {
            format!(
                "id: {id}\ntitle: T\nneeds: [p/nne]\nsteps: [{{id: s, goal: g, facts: [{{id: f, kind: exists, of: file//x, fail: f}}]}}]\n"
            )
        };
        let file = |text: String| CourseFile { content: text.into_bytes(), executable: false };
        let mut files =
            BTreeMap::from([("labs/p/one/lab.yaml".into(), file(lab("p/one"))), ("labs/p/two/lab.yaml".into(), file(lab("p/tow")))]);
        let error = Course::from_files(files.clone()).unwrap_err().to_string();
        assert!(error.contains("labs/p/two/lab.yaml:1:1: `id`: `p/tow` is not the folder"), "{error}");
        for file in files.values_mut() {
            file.content =
                String::from_utf8(file.content.clone()).unwrap().replace("p/nne", "p/one").replace("p/tow", "p/two").into_bytes();
        }
        let course = Course::from_files(files).unwrap();
        assert_eq!(course.entry("two").unwrap().example.id, "p/two");
        assert_eq!(course.entry("oen").unwrap_err().hint().unwrap(), "did you mean `one`?");
        assert_eq!(
            course.digest(course.entry("one").unwrap()),
            course.digest(course.entry("two").unwrap()),
            "the id is no part of the content"
        );
    }
}
