//! Where a lab or a lesson lies: the course folder, and its own file below it.

use std::path::{Component, Path, PathBuf};

/// A unit in a course folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder with `lessons/`, `labs/` and `solutions/` in it.
    pub course: PathBuf,
    /// `labs/PART/SLUG/lab.yaml` or `lessons/NN-part/NN-slug.md`, below it.
    pub file: PathBuf,
    /// `PART/SLUG` of a lab.
    pub lab: Option<String>,
}

impl Place {
    /// The unit at `path`: the folder of a lab or a file in it, or the file of a lesson.
    pub fn of_unit(path: &Path) -> Option<Place> {
        let whole = std::path::absolute(path).ok()?;
        let parts: Vec<Component<'_>> = whole.components().collect();
        let is = |at: usize, name: &str| parts[at] == Component::Normal(name.as_ref());
        let at = (0..parts.len()).rev().find(|at| is(*at, "labs") || is(*at, "lessons"))?;
        let course: PathBuf = parts[..at].iter().collect();
        if is(at, "labs") {
            let [part, slug, ..] = &parts[at + 1..] else { return None };
            let id = Path::new(part).join(slug);
            let file = Path::new("labs").join(&id).join("lab.yaml");
            return Some(Place { course, file, lab: Some(id.to_str()?.to_owned()) });
        }
        let file: PathBuf = parts[at..].iter().collect();
        file.extension().is_some_and(|extension| extension == "md").then_some(Place { course, file, lab: None })
    }

    /// A lab that is to be made: `PART/SLUG` in this folder, or `[DIR/]labs/PART/SLUG`.
    pub fn of_new(path: &Path) -> Option<Place> {
        let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
        let count = path.components().count();
        let place = if normal && count == 2 && !path.starts_with("labs") { Path::new("labs").join(path) } else { path.to_owned() };
        let deep = place.components().rev().nth(2) == Some(Component::Normal("labs".as_ref()));
        let found = if deep { Place::of_unit(&place)? } else { return None };
        found.lab.as_deref().is_some_and(is_id).then_some(found)
    }

    /// The folders to watch, below the course folder.
    pub fn folders(&self) -> Vec<PathBuf> {
        match &self.lab {
            Some(id) => vec![Path::new("labs").join(id), Path::new("solutions").join(id)],
            None => self.file.parent().map(Path::to_path_buf).into_iter().collect(),
        }
    }

    /// Whether a file below the course folder belongs to the unit.
    pub fn owns(&self, file: &Path) -> bool {
        match &self.lab {
            Some(_) => self.folders().iter().any(|folder| file.starts_with(folder)),
            None => file == self.file,
        }
    }
}

/// `PART/SLUG` of small letters, digits and hyphens: it is a folder, an id that is typed, and a part of an address in the book.
fn is_id(id: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    id.split_once('/').is_some_and(|(part, slug)| word(part) && word(slug))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_its_path() {
        let lab = |path: &str| Place::of_unit(Path::new(path)).map(|place| (place.course, place.lab));
        let at = |course: &str| Some((PathBuf::from(course), Some("p/s".to_owned())));
        assert_eq!(lab("/c/labs/p/s"), at("/c"));
        assert_eq!(lab("/c/labs/p/s/files/x"), at("/c"));
        assert_eq!(lab("/labs/x/labs/p/s/lab.yaml"), at("/labs/x"));
        assert_eq!((lab("/c/labs/p"), lab("/c/solutions/p/s"), lab("/c/lessons/01-a")), (None, None, None));
        let lesson = Place::of_unit(Path::new("/c/lessons/01-a/02-b.md")).unwrap();
        assert_eq!((lesson.file.to_str().unwrap(), lesson.lab), ("lessons/01-a/02-b.md", None));
    }

    #[test]
    fn a_new_lab_needs_a_part_and_a_slug() {
        let new = |path: &str| Place::of_new(Path::new(path)).and_then(|place| place.lab);
        assert_eq!(new("p/s").as_deref(), Some("p/s"));
        assert_eq!(new("labs/p/s").as_deref(), Some("p/s"));
        assert_eq!(new("/tmp/labs/p-1/s").as_deref(), Some("p-1/s"));
        for bad in ["s", "", "/tmp/p/s", "labs/p", "P/s", "p/s t", "a/b/c", "labs/p/s/lab.yaml", "../p", "p/-s"] {
            assert_eq!(new(bad), None, "{bad}");
        }
    }
}
