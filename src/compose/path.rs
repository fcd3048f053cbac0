//! The place of a value in the tree: `services.web.ports[0]`, and patterns of such places.

use std::fmt;

/// Keys and numbers from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Item(usize),
}

impl Path {
    /// The root.
    pub fn root() -> Self {
        Path::default()
    }

    /// From keys.
    pub fn of(keys: &[&str]) -> Self {
        Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// The place of a key below this one.
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Path(steps)
    }

    /// The place of an item of the list that is here.
    pub fn item(&self, at: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Item(at));
        Path(steps)
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// How deep it lies.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The last key or number.
    pub fn last(&self) -> String {
        match self.0.last() {
            Some(Step::Key(key)) => key.clone(),
            Some(Step::Item(at)) => at.to_string(),
            None => String::new(),
        }
    }

    /// Whether it is a place of `pattern`: keys joined by dots, `*` for any key or item.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut parts = pattern.split('.');
        self.0.iter().all(|step| match (parts.next(), step) {
            (Some("*"), _) => true,
            (Some(part), Step::Key(key)) => part == key,
            _ => false,
        }) && parts.next().is_none()
    }

    /// With dots between all steps, as messages of the schema write it: `services.web.ports.0`.
    pub fn dotted(&self) -> String {
        let steps: Vec<String> = self.0.iter().map(|step| Path(vec![step.clone()]).last()).collect();
        steps.join(".")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}
