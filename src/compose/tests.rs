//! Whole projects: texts in, model or message out.

mod errors;
mod files;
mod merging;
mod model;

use std::collections::BTreeMap;
use std::io;

use super::load::Source;
use super::project::Loaded;
use super::types::Form;
use super::{Request, Steps, emit, load};

/// Files in memory.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Source for Shelf {
    fn text(&self, path: &str) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn is_file(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// A project in `/p` with these files, by names below it.
struct Case {
    shelf: Shelf,
    request: Request,
}

fn case(files: &[(&str, &str)]) -> Case {
    let shelf = files.iter().map(|(name, text)| (super::place::join("/p", name), (*text).to_owned()));
    Case { shelf: Shelf(shelf.collect()), request: Request { folder: "/p".into(), ..Request::default() } }
}

impl Case {
    fn file(mut self, name: &str) -> Self {
        self.request.files.push(name.to_owned());
        self
    }
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.request.environment.insert(name.to_owned(), value.to_owned());
        self
    }
    fn loaded(&self) -> Loaded {
        load(&self.request, Steps::default(), &self.shelf).unwrap_or_else(|error| panic!("{error}"))
    }
    fn error(&self) -> String {
        match load(&self.request, Steps::default(), &self.shelf) {
            Ok(loaded) => panic!("no error: {}", emit::emit(&loaded.project.written(Form::Yaml))),
            Err(error) => error.to_string(),
        }
    }
    /// The part of the printed model at `path`, keys with dots between.
    fn at(&self, path: &str) -> serde_json::Value {
        let mut value = self.loaded().project.written(Form::Yaml);
        for key in path.split('.') {
            value = match value {
                serde_json::Value::Array(mut list) => list.remove(key.parse().expect("a number")),
                mut value => value[key].take(),
            };
        }
        value
    }
}

/// One file `compose.yaml`.
fn one(text: &str) -> Case {
    case(&[("compose.yaml", text)])
}
