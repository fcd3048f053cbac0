//! One planned write into a cgroup file. Plans are pure; [`super::Cgroup::apply`] carries them out.

use std::fmt::Display;

use super::resources::Cpu;

/// A file, its controller and its new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The controller that the file belongs to; empty for `cgroup.*` files.
    pub controller: String,
    /// The file's name.
    pub file: String,
    /// What is written.
    pub value: String,
    /// Another file and value for machines that lack the first.
    pub otherwise: Option<(String, String)>,
    /// Whether a machine without the file already does what the write asks for.
    pub optional: bool,
    /// Whether exactly this file was asked for, so that the other version's file does not do.
    pub verbatim: bool,
}

/// The two lists of a cpuset, which both versions call the same; an empty one is none.
pub fn cpuset_writes(cpu: &Cpu) -> impl Iterator<Item = Write> {
    let lists = [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)];
    let set = lists.into_iter().filter_map(|(file, list)| Some((file, list.as_deref().filter(|list| !list.is_empty())?)));
    set.map(|(file, list)| Write::new("cpuset", file, list))
}

impl Write {
    /// `file` of `controller` becomes `value`.
    pub fn new(controller: impl Into<String>, file: impl Into<String>, value: impl Display) -> Self {
        Write {
            controller: controller.into(),
            file: file.into(),
            value: value.to_string(),
            otherwise: None,
            optional: false,
            verbatim: false,
        }
    }

    /// Where the file is missing there is nothing to do.
    pub fn if_present(mut self) -> Self {
        self.optional = true;
        self
    }

    /// No other version's file will do.
    pub fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }

    /// Where the file is missing, another takes the same value.
    pub fn or(self, file: &str) -> Self {
        let value = self.value.clone();
        self.or_value(file, value)
    }

    /// Where the file is missing, another takes another value.
    pub fn or_value(mut self, file: &str, value: String) -> Self {
        self.otherwise = Some((file.to_owned(), value));
        self
    }
}
