//! Which stages are built, from what, and who waits for whom.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::dockerfile::instruction::{Copy, Instruction, Mount};
use super::dockerfile::{Dockerfile, Step};
use super::error::{Error, Result};
use super::options::{Named, context_name};
use super::scope::Globals;
use crate::oci::image::spec::Platform;

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// What another stage made.
    Stage(usize),
    /// An image by its name.
    Image(String),
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The context.
    Context,
    /// What another stage made.
    Stage(usize),
    /// An image by its name.
    Image(String),
    /// A further context that is this folder.
    Folder(PathBuf),
}

/// A stage with its names made plain.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What it begins with.
    pub base: Base,
    /// What its `RUN`s run on.
    pub platform: Platform,
    /// What it is called in what a build says; empty if it is the only one.
    pub title: String,
    /// The lines of its `FROM`.
    pub lines: (usize, usize),
    /// Its instructions, those that its base brings along first.
    pub steps: Vec<Step>,
}

/// All stages, and the one that is wanted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stages in the order of the file.
    pub stages: Vec<Planned>,
    /// The stage whose image is made.
    pub target: usize,
    names: Vec<Option<String>>,
    contexts: BTreeMap<String, Named>,
}

impl Plan {
    /// The name that a stage was given.
    pub fn name(&self, stage: usize) -> Option<&str> {
        self.names.get(stage)?.as_deref()
    }

    /// Makes a plan of a file. A further context stands for the stage or image of its name.
    ///
    /// # Errors
    /// A `FROM` is empty or broken, or means a folder; there is no such target.
    pub fn new(
        file: &Dockerfile,
        globals: &Globals,
        target: Option<&str>,
        platform: &Platform,
        contexts: &BTreeMap<String, Named>,
    ) -> Result<Self> {
        let mut stages = Vec::new();
        for (number, stage) in file.stages.iter().enumerate() {
            let lines = (stage.from.line, stage.from.last_line);
            let text = globals.expand(&stage.base).map_err(|error| error.at(lines))?;
            if text.is_empty() {
                let why = format!("base name ({}) should not be blank", stage.base);
                return Err(Error::new(why).hint("an ARG before the first FROM gives a default: ARG NAME=value").at(lines));
            }
            // A context of the stage's own name stands for all of it, and one of its base's for that.
            let whole = stage.name.as_ref().and_then(|name| contexts.get(&context_name(name)));
            let whole = whole.filter(|named| matches!(named, Named::Image(_)));
            let named = whole.or_else(|| contexts.get(&context_name(&text)));
            let base = match file.stage(&text, number).filter(|_| !text.bytes().all(|byte| byte.is_ascii_digit())) {
                _ if let Some(Named::Image(image)) = named => Base::Image(image.clone()),
                _ if let Some(Named::Folder(_)) = named => {
                    let why = format!("the context {text:?} is a folder, and a stage begins with an image");
                    return Err(Error::new(why).hint(format!("copy from it: FROM scratch, and COPY --from={text} . /")).at(lines));
                }
                _ if text == "scratch" => Base::Scratch,
                Some(earlier) => Base::Stage(earlier),
                None => Base::Image(text),
            };
            let wanted = stage.platform.as_ref().map(|text| platform_of(globals, text).map_err(|error| error.at(lines))).transpose()?;
            let platform = wanted.unwrap_or_else(|| match base {
                Base::Stage(earlier) => earlier_platform(&stages, earlier),
                _ => platform.clone(),
            });
            let title = match &stage.name {
                _ if file.stages.len() == 1 => String::new(),
                Some(name) => name.clone(),
                None => format!("stage-{number}"),
            };
            let steps = if whole.is_some() { Vec::new() } else { stage.steps.clone() };
            stages.push(Planned { base, platform, title, lines, steps });
        }
        let names = file.stages.iter().map(|stage| stage.name.clone()).collect();
        let target = target_of(file, target)?;
        Ok(Plan { stages, target, names, contexts: contexts.clone() })
    }

    /// What `--from` means.
    ///
    /// # Errors
    /// It has variables, or counts a stage that is not there.
    pub fn from(&self, text: Option<&str>, stage: usize) -> Result<From> {
        let Some(text) = text else { return Ok(From::Context) };
        if text.contains('$') {
            let why =
                "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround";
            return Err(Error::new(why));
        }
        match self.contexts.get(&context_name(text)) {
            Some(Named::Folder(folder)) => return Ok(From::Folder(folder.clone())),
            Some(Named::Image(image)) => return Ok(From::Image(image.clone())),
            None => {}
        }
        let lower = text.to_ascii_lowercase();
        // Of several with that name the last before this one; else one that comes later.
        let named = |name: &Option<String>| name.as_deref() == Some(lower.as_str());
        let before = self.names[..stage].iter().rposition(named);
        if let Some(found) = before.or_else(|| self.names.iter().position(named)) {
            return Ok(From::Stage(found));
        }
        match text.parse::<usize>() {
            Ok(number) if number < stage => Ok(From::Stage(number)),
            Ok(number) => Err(Error::new(format!("invalid from flag value {number}: stage {number} is not before this one"))
                .hint(format!("stages are counted from 0; this is stage {stage}"))),
            Err(_) => Ok(From::Image(text.to_owned())),
        }
    }

    /// What a stage needs from other stages.
    ///
    /// # Errors
    /// A `--from` is wrong.
    pub fn needs(&self, stage: usize) -> Result<Vec<usize>> {
        let planned = &self.stages[stage];
        let mut needed: Vec<usize> = match planned.base {
            Base::Stage(earlier) => vec![earlier],
            _ => Vec::new(),
        };
        for step in &planned.steps {
            for from in froms(&step.instruction) {
                let lines = (step.statement.line, step.statement.last_line);
                if let From::Stage(other) = self.from(Some(from), stage).map_err(|error| error.at(lines))? {
                    needed.push(other);
                }
            }
        }
        needed.sort_unstable();
        needed.dedup();
        Ok(needed)
    }

    /// The stages that must be built for the target, each after those that it needs. With `all`, those before the target too.
    ///
    /// # Errors
    /// A `--from` is wrong, or stages wait for each other in a circle.
    pub fn order(&self, all: bool) -> Result<Vec<usize>> {
        let mut order = Vec::new();
        // 0: not seen, 1: on the way, 2: done.
        let mut marks = vec![0_u8; self.stages.len()];
        for wanted in if all { 0..self.target + 1 } else { self.target..self.target + 1 } {
            if marks[wanted] == 0 {
                self.visit(wanted, &mut marks, &mut order)?;
            }
        }
        Ok(order)
    }

    fn visit(&self, wanted: usize, marks: &mut [u8], order: &mut Vec<usize>) -> Result<()> {
        let mut open = vec![(wanted, self.needs(wanted)?.into_iter())];
        marks[wanted] = 1;
        while let Some((stage, needs)) = open.last_mut() {
            let Some(next) = needs.next() else {
                marks[*stage] = 2;
                order.push(*stage);
                open.pop();
                continue;
            };
            match marks[next] {
                0 => {
                    marks[next] = 1;
                    open.push((next, self.needs(next)?.into_iter()));
                }
                1 => {
                    let title = self.names[next].clone().unwrap_or_else(|| next.to_string());
                    return Err(Error::new(format!("circular dependency detected on stage: {title}")).at(self.stages[next].lines));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many numbered steps a stage has: its base image and what changes files.
    pub fn count(&self, stage: usize) -> usize {
        let planned = &self.stages[stage];
        usize::from(matches!(planned.base, Base::Image(_))) + planned.steps.iter().filter(|step| changes_files(&step.instruction)).count()
    }
}

/// Whether an instruction makes a layer.
pub fn changes_files(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Run { .. } | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_))
}

/// The value of a key of `--mount`, by one of its names.
pub fn option<'a>(mount: &'a Mount, names: &[&str]) -> Option<&'a str> {
    mount.options.iter().rev().find(|(key, _)| names.contains(&key.as_str())).map(|(_, value)| value.as_str())
}

fn froms(instruction: &Instruction) -> Vec<&str> {
    match instruction {
        Instruction::Copy(Copy { from: Some(from), .. }) => vec![from.as_str()],
        Instruction::Run { mounts, .. } => mounts.iter().filter_map(|mount| option(mount, &["from"])).collect(),
        _ => Vec::new(),
    }
}

fn platform_of(globals: &Globals, text: &str) -> Result<Platform> {
    let text = globals.expand(text)?;
    Platform::read(&text).ok_or_else(|| Error::new(format!("failed to parse platform {text:?}: use os/architecture[/variant]")))
}

fn earlier_platform(stages: &[Planned], number: usize) -> Platform {
    stages.get(number).map_or_else(Platform::here, |stage| stage.platform.clone())
}

fn target_of(file: &Dockerfile, target: Option<&str>) -> Result<usize> {
    let Some(name) = target.filter(|name| !name.is_empty()) else { return Ok(file.stages.len() - 1) };
    file.stage(name, file.stages.len()).ok_or_else(|| {
        let names: Vec<&str> = file.stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
        let error = Error::new(format!("target stage {name:?} could not be found"));
        if names.is_empty() { error } else { error.hint(format!("the file has the stages {}", names.join(", "))) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::dockerfile;
    use super::*;
    use std::collections::BTreeMap;

    fn plan(text: &str, target: Option<&str>) -> Result<Plan> {
        let file = dockerfile::read(text).unwrap();
        let globals = Globals::new(&file.arguments, file.escape, &BTreeMap::new(), &Platform::here(), target).unwrap();
        Plan::new(&file, &globals, target, &Platform::here(), &contexts())
    }

    fn contexts() -> BTreeMap<String, Named> {
        let lib = ("lib".to_owned(), Named::Folder("/src/lib".into()));
        let images = [("tools", "tools:2"), ("alpine", "alpine:3.15"), ("compiled", "compiled:1")];
        images.into_iter().map(|(name, image)| (name.to_owned(), Named::Image(image.to_owned()))).chain([lib]).collect()
    }

    #[test]
    fn a_further_context_stands_for_the_stage_or_image_of_its_name() {
        let file =
            "FROM alpine:latest AS one\nRUN x\nFROM golang AS Compiled\nRUN y\nFROM compiled\nCOPY --from=lib / /\nCOPY --from=tools / /\n";
        let plan = plan(file, None).unwrap();
        assert_eq!(plan.stages[0].base, Base::Image("alpine:3.15".to_owned()));
        assert_eq!((&plan.stages[1].base, plan.stages[1].steps.len()), (&Base::Image("compiled:1".to_owned()), 0));
        assert_eq!(plan.stages[2].base, Base::Image("compiled:1".to_owned()));
        assert_eq!(plan.from(Some("LIB"), 2).unwrap(), From::Folder("/src/lib".into()));
        assert_eq!(plan.from(Some("tools:latest"), 2).unwrap(), From::Image("tools:2".to_owned()));
        assert_eq!(plan.from(Some("one"), 2).unwrap(), From::Stage(0));
        assert_eq!(plan.order(false).unwrap(), [2]);
        let refused = self::plan("FROM lib\n", None).unwrap_err();
        assert_eq!(
            (refused.why.as_str(), refused.lines),
            ("the context \"lib\" is a folder, and a stage begins with an image", Some((1, 1)))
        );
    }

    fn order(text: &str, target: Option<&str>) -> std::result::Result<Vec<usize>, String> {
        plan(text, target).and_then(|plan| plan.order(false)).map_err(|error| format!("{:?} {error}", error.lines.map(|lines| lines.0)))
    }

    const FILE: &str =
        "FROM a AS one\nFROM one AS two\nFROM b AS unused\nRUN x\nFROM scratch AS three\nCOPY --from=two / /\nCOPY --from=0 / /\n";

    #[test]
    fn only_what_is_needed_is_built_and_in_order() {
        assert_eq!(order(FILE, None).unwrap(), [0, 1, 3]);
        assert_eq!(order(FILE, Some("TWO")).unwrap(), [0, 1]);
        assert_eq!(order(FILE, Some("2")).unwrap(), [2]);
        assert_eq!(plan(FILE, None).unwrap().order(true).unwrap(), [0, 1, 2, 3]);
        let later = plan("FROM a\nCOPY --from=b / /\nFROM c AS b\nFROM d", None).unwrap();
        assert_eq!(later.order(true).unwrap(), [1, 0, 2], "one after the other, none waits for one that has not begun");
        assert_eq!(order("FROM a\nRUN --mount=from=b,target=/x y\nFROM c AS b", Some("0")).unwrap(), [1, 0], "a later stage by its name");
    }

    #[test]
    fn wrong_names_are_told_with_their_lines() {
        assert_eq!(order(FILE, Some("four")).unwrap_err(), "None target stage \"four\" could not be found");
        assert!(order("FROM a\nCOPY --from=0 / /", None).unwrap_err().starts_with("Some(2) invalid from flag value 0"));
        assert!(order("FROM a\nCOPY --from=$x / /", None).unwrap_err().starts_with("Some(2) variable expansion is not supported"));
        assert_eq!(order("ARG V\nFROM $V", None).unwrap_err(), "Some(2) base name ($V) should not be blank");
        let circle = "FROM a AS one\nCOPY --from=two / /\nFROM b AS two\nCOPY --from=one / /\n";
        assert_eq!(order(circle, None).unwrap_err(), "Some(3) circular dependency detected on stage: two");
        assert_eq!(order("FROM a AS one\nCOPY --from=one / /", None).unwrap_err(), "Some(1) circular dependency detected on stage: one");
        assert!(order("FROM --platform=a/b/c/d x", None).unwrap_err().contains("failed to parse platform"));
    }

    #[test]
    fn stages_know_their_base_and_their_steps() {
        let plan = plan("ARG B=one\nFROM a AS one\nFROM ${B}\nWORKDIR /x\nENV a=b\nRUN y\nFROM one:1", None).unwrap();
        let bases: Vec<Base> = plan.stages.iter().map(|stage| stage.base.clone()).collect();
        assert_eq!(bases, [Base::Image("a".into()), Base::Stage(0), Base::Image("one:1".into())]);
        assert_eq!((plan.count(0), plan.count(1)), (1, 2));
        assert_eq!(plan.stages[1].title, "stage-1");
    }
}
