//! The name of a container, checked once at the edge: it becomes a directory and a cgroup, so it must never be a path.

use std::fmt;

/// A valid container id: 1 to 128 letters, digits and `_ + - .`, not `.` or `..`, and no leading `-` that a command would take as a flag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(String);

/// The longest id. It must fit in a file name together with a prefix.
const LONGEST: usize = 128;

impl ContainerId {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn new(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        if text.is_empty() {
            return Err("container id: it is empty".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("container id: {} characters, at most {LONGEST} are allowed", text.len()));
        }
        if let Some(letter) = text.chars().find(|letter| !(letter.is_ascii_alphanumeric() || "_+-.".contains(*letter))) {
            return Err(format!("container id `{shown}`: `{}` is not allowed, only letters, digits and `_ + - .`", letter.escape_debug()));
        }
        if text == "." || text == ".." || text.starts_with('-') {
            return Err(format!("container id `{shown}`: it would be read as a path or a flag"));
        }
        Ok(ContainerId(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_paths_flags_or_worse_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "-f", "a b", "a\0b", "a\nb", "ä", &"x".repeat(129)] {
            assert!(ContainerId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["web", "a.b_c+d-e", "3f", &"x".repeat(128)] {
            assert_eq!(ContainerId::new(good).unwrap().as_str(), good);
        }
    }
}
