//! Demos: what a presenter shows, written as a lesson is written.
//!
//! A demo is one Markdown file with the front matter of a lesson. Every `##` heading with an `{#id}` is a **cue**: what happens at one press of the
//! presenter's key. In a cue prose is what the room reads, a `run` block is typed, an `output` block is what it prints, a `check` block are the facts
//! that are waited for, and a `notes` block is for the presenter alone. So everything that holds for lessons holds here: names, parameters, the closed
//! list of facts, messages with file, line and key.
//!
//! Invariants: a demo has no questions; all its lines are typed on bench, so that they can be replayed when the presenter goes back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{Error, Problem};
use super::library::{Course, CourseFile};
use super::place::BENCH;
use super::unit::{Block, Step, Unit};
use super::yaml::spot_near;
use crate::kernel;

/// Path below the repository, whether it is executable, content; made by build.rs.
const EMBEDDED: &[(&str, bool, &[u8])] = include!(concat!(env!("OUT_DIR"), "/demos.rs"));

/// A demo, read and without a mistake.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Its file's name without the end: `build-cache`.
    pub name: String,
    /// Where it was found, for messages.
    pub file: PathBuf,
    /// The text of the file.
    pub text: String,
    /// A course that has this one unit.
    pub course: Course,
    /// The unit, its parameters drawn for an example.
    pub unit: Unit,
}

impl Demo {
    /// The demos in the binary, in the order of their names.
    ///
    /// # Errors
    /// One of them has a mistake, which a test forbids.
    pub fn embedded() -> Result<Vec<Demo>, Error> {
        EMBEDDED
            .iter()
            .map(|(path, _, content)| (Path::new(path), content))
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "md"))
            .map(|(path, content)| {
                let placed = |name: &str| {
                    let wanted = path.with_file_name(name);
                    let found = EMBEDDED.iter().find(|(path, _, _)| Path::new(path) == wanted);
                    found.map(|(_, executable, content)| CourseFile { content: content.to_vec(), executable: *executable })
                };
                Demo::read(path, content, &placed)
            })
            .collect()
    }

    /// The demo in a file (a path, or a name that ends in `.md`), or one in the binary by its name.
    ///
    /// # Errors
    /// There is none, or it has mistakes: all of them are named.
    pub fn open(asked: &str) -> Result<Demo, Error> {
        if asked.contains('/') || asked.ends_with(".md") {
            let path = Path::new(asked);
            let content = kernel::fs::read_bytes(path)?;
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let placed = |name: &str| {
                let content = kernel::fs::read_bytes(&folder.join(name)).ok()?;
                Some(CourseFile { content, executable: false })
            };
            return Demo::read(path, &content, &placed);
        }
        let all = Demo::embedded()?;
        let names: Vec<String> = all.iter().map(|demo| demo.name.clone()).collect();
        all.into_iter().find(|demo| demo.name == asked).ok_or_else(|| Error::NotNow {
            why: format!("there is no demo `{asked}`"),
            hint: format!("there are {}; a file is given by its path: `./{asked}.md`", names.join(", ")),
        })
    }

    fn read(file: &Path, content: &[u8], placed: &dyn Fn(&str) -> Option<CourseFile>) -> Result<Demo, Error> {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A course knows lessons by where they lie.
        let inside = Path::new("lessons/demo.md").to_owned();
        let ours = |mut problem: Problem| {
            file.clone_into(&mut problem.file);
            problem
        };
        let mut files = BTreeMap::from([(inside.clone(), CourseFile { content: content.to_vec(), executable: false })]);
        // Read once to learn which files it places.
        let (course, _) = Course::tolerant(files.clone());
        for (from, _) in course.units().iter().flat_map(|entry| &entry.example.place) {
            files.extend(placed(from).map(|file| (inside.with_file_name(from), file)));
        }
        let (course, problems) = Course::tolerant(files);
        let mut problems: Vec<Problem> = problems.into_iter().map(ours).collect();
        let unit = course.units().first().map(|entry| (*entry.example).clone());
        if let Some(unit) = &unit {
            problems.extend(unit.steps.iter().enumerate().flat_map(|(at, step)| unfit(unit, at, step)).map(ours));
        }
        match unit {
            Some(unit) if problems.is_empty() => {
                Ok(Demo { name, file: file.to_owned(), text: String::from_utf8_lossy(content).into_owned(), course, unit })
            }
            _ => Err(Error::Course(problems)),
        }
    }

    /// The line of a fact of a cue, from 1.
    pub fn line_of_fact(&self, cue: usize, id: &str) -> usize {
        let fact = self.unit.steps.get(cue).and_then(|step| step.facts.iter().position(|fact| fact.id == id)).unwrap_or(0);
        spot_near(&self.unit.spots, &format!("steps[{cue}].facts[{fact}]")).line
    }

    /// A line of the file, from 1, without the blanks around it.
    pub fn source(&self, line: usize) -> &str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim()
    }
}

/// What a lesson may have and a demo may not.
fn unfit(unit: &Unit, at: usize, step: &Step) -> Vec<Problem> {
    let heading = spot_near(&unit.spots, &format!("steps[{at}]"));
    let mut found = Vec::new();
    let mut add = |spot, what: String, hint: &str| {
        found.push(Problem { file: PathBuf::new(), spot, key: String::new(), what, hint: hint.to_owned() });
    };
    for block in &step.blocks {
        match block {
            Block::Predict(_) | Block::Quiz(_) => {
                add(heading, "a cue asks a question of the course".to_owned(), "ask the room: write it as prose or in a `notes` block");
            }
            Block::Run { nested: true, line, .. } => {
                add((line - 1).into(), "`nested` is for lessons".to_owned(), "lines for a program stand in the block that starts it");
            }
            Block::Run { commands, line, .. } => {
                for command in commands.iter().filter(|command| command.host != BENCH) {
                    let what = format!("`{}` is typed on `{}`", command.text.lines().next().unwrap_or_default(), command.host);
                    add((*line).into(), what, "a demo types on bench, where its lines can be replayed");
                }
            }
            Block::Prose(_) | Block::Output { .. } => {}
        }
    }
    found
}

/// Prose apart from the presenter's notes: what the room reads, and what stands in ` ```notes ` blocks.
pub fn without_notes(prose: &str) -> (String, String) {
    let (mut said, mut notes) = (String::new(), String::new());
    let mut within = false;
    for line in prose.lines() {
        match line.trim() {
            "```notes" if !within => within = true,
            "```" if within => within = false,
            _ => {
                let text = if within { &mut notes } else { &mut said };
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    (said.trim_matches('\n').to_owned(), notes.trim_end().to_owned())
}

/// All notes of a cue.
pub fn notes_of(step: &Step) -> String {
    let notes = step.blocks.iter().filter_map(|block| match block {
        Block::Prose(prose) => Some(without_notes(prose).1).filter(|notes| !notes.is_empty()),
        _ => None,
    });
    notes.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = "---
id: demos/x
title: X
---
What it is about.

## One {#one}

Read this.

```notes
Breathe.
```

```run
true
```

```check
- {id: there, kind: exists, of: file//etc/passwd, not_yet: \"It is not there.\"}
```
";

    fn read(text: &str) -> Result<Demo, Error> {
        Demo::read(Path::new("talks/x.md"), text.as_bytes(), &|_| None)
    }

    #[test]
    fn a_cue_has_words_for_the_room_and_notes_for_the_presenter() {
        let demo = read(DEMO).unwrap();
        assert_eq!((demo.name.as_str(), demo.unit.steps.len()), ("x", 1));
        assert_eq!(notes_of(&demo.unit.steps[0]), "Breathe.");
        let Block::Prose(prose) = &demo.unit.steps[0].blocks[0] else { panic!("prose comes first") };
        assert_eq!(without_notes(prose).0, "Read this.");
        let line = demo.line_of_fact(0, "there");
        assert!(demo.source(line).starts_with("- {id: there"), "{line}");
    }

    #[test]
    fn mistakes_are_named_with_the_file_and_the_line() {
        let broken = DEMO.replace("kind: exists", "kind: exist").replace(
            "```run\ntrue",
            "```quiz\nask: \"Why?\"\nchoices: [a, b]\nanswer: 1\nwhy: \"so\"\n```\n\n```run nested\n@internet true",
        );
        let Err(Error::Course(problems)) = read(&broken) else { panic!("it has mistakes") };
        assert!(problems.iter().all(|problem| problem.file == Path::new("talks/x.md") && problem.spot.line > 0), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.to_string().contains("`exist`")), "{problems:?}");
        let unfit = DEMO.replace("```run\ntrue", "```run\n@internet true");
        let error = read(&unfit).unwrap_err().to_string();
        assert_eq!(error, "talks/x.md:16: `true` is typed on `internet` (a demo types on bench, where its lines can be replayed)");
    }

    #[test]
    fn the_demos_in_the_binary_are_without_a_mistake() {
        let demos = Demo::embedded().unwrap();
        assert!(demos.len() >= 3, "there are three ready demos");
        for demo in demos {
            let checked = demo.unit.steps.iter().filter(|step| !step.facts.is_empty()).count();
            assert!(checked * 2 >= demo.unit.steps.len(), "most cues of {} wait for facts", demo.name);
            assert!(demo.unit.steps.iter().all(|step| !notes_of(step).is_empty()), "every cue of {} has notes", demo.name);
        }
    }
}
