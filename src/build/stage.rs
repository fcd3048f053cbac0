//! A stage, instruction by instruction.

use std::path::Path;

use super::builder::{Builder, Vertex};
use super::cache::{Found, Inputs, Kind, Record};
use super::dockerfile::Step;
use super::dockerfile::instruction::Instruction;
use super::error::{Error, Result};
use super::events::Event;
use super::explain::{self, Why};
use super::plan::{Base, changes_files};
use super::state::State;
use super::workshop::Made;
use super::write::Writer;
use super::{checks, metadata};
use crate::oci::accounts;
use crate::oci::digest::Digest;

/// Where an instruction stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The stage's number.
    pub stage: usize,
    /// The instruction's number in the stage, from 0.
    pub position: usize,
    /// Its number among those that change files, from 1.
    pub number: usize,
    /// The instruction.
    pub step: &'a Step,
}

impl Place<'_> {
    fn lines(&self) -> (usize, usize) {
        (self.step.statement.line, self.step.statement.last_line)
    }

    /// The instruction in one line.
    pub fn text(&self) -> String {
        format!("{} {}", self.step.statement.keyword.to_ascii_uppercase(), self.step.statement.rest)
    }

    /// The same from one build to the next, as long as nothing is inserted above.
    fn id(&self) -> String {
        format!("{}/{}", self.stage, self.position)
    }
}

impl Builder<'_> {
    /// Carries a stage out.
    ///
    /// # Errors
    /// The first instruction that fails, with its lines.
    pub fn stage(&self, stage: usize) -> Result<State> {
        let planned = &self.plan.stages[stage];
        let name = self.plan.name(stage).map(|name| format!(" AS {name}")).unwrap_or_default();
        self.classic(stage, 0, format!("FROM {}{name}", base_text(&planned.base, self)));
        let mut state = self.first(stage).map_err(|error| error.at(planned.lines))?;
        self.image_of(&state);
        let mut number = usize::from(matches!(planned.base, Base::Image(_)));
        for (position, step) in planned.steps.iter().enumerate() {
            number += usize::from(changes_files(&step.instruction));
            let place = Place { stage, position, number, step };
            self.classic(stage, position + 1, place.text());
            self.check_canceled()?;
            self.step(&mut state, place).map_err(|error| error.at(place.lines()))?;
            for name in state.scope.take_undefined() {
                self.listener.tell(Event::Warning(checks::undefined(&name, place.lines())));
            }
            self.image_of(&state);
        }
        Ok(state)
    }

    fn first(&self, stage: usize) -> Result<State> {
        let planned = &self.plan.stages[stage];
        match &planned.base {
            Base::Scratch => Ok(State::scratch(&planned.platform, &self.globals)),
            Base::Stage(other) => Ok(self.wait_for(*other)?.inherited()),
            Base::Image(name) => {
                let Some(image) = self.base(name, stage) else { return Ok(State::scratch(&planned.platform, &self.globals)) };
                let text = format!("FROM {}@{}", super::options::full_name(name)?, image.target.digest);
                let vertex = self.begin(format!("{}{text}", self.prefix(stage, 1)));
                self.done(&vertex);
                Ok(State::image(image, &self.globals))
            }
        }
    }

    /// `[build 2/4] `.
    fn prefix(&self, stage: usize, number: usize) -> String {
        let (title, total) = (&self.plan.stages[stage].title, self.plan.count(stage));
        let width = total.to_string().len();
        let title = if title.is_empty() { String::new() } else { format!("{title} ") };
        format!("[{title}{number:>width$}/{total}] ")
    }

    fn classic(&self, stage: usize, position: usize, text: String) {
        let number = self.numbers.get(&stage).map_or(0, |first| first + position + 1);
        self.listener.tell(Event::Instruction(number, self.total, text));
    }

    /// Tells the classic builder's image: the id that the image would have if the file ended here.
    fn image_of(&self, state: &State) {
        let id = super::image::config(state, self.options).map(|config| Digest::of(&config)).ok();
        if let Some(id) = id {
            self.listener.tell(Event::Image(id.short().to_owned()));
        }
    }

    fn step(&self, state: &mut State, place: Place<'_>) -> Result<()> {
        if self.options.check && changes_files(&place.step.instruction) {
            return self.judge(state, place.step);
        }
        match &place.step.instruction {
            Instruction::Copy(copy) => self.copy(state, place, copy, false),
            Instruction::Add(copy) => self.copy(state, place, copy, true),
            Instruction::Run { .. } => self.run_step(state, place),
            Instruction::Workdir(path) => self.workdir(state, place, path),
            _ => metadata::apply(state, place.step),
        }
    }

    /// Replaces variables only: so a check sees those that are not defined.
    fn judge(&self, state: &mut State, step: &Step) -> Result<()> {
        match &step.instruction {
            Instruction::Copy(copy) | Instruction::Add(copy) => {
                copy.sources.iter().chain([&copy.target]).try_for_each(|text| state.scope.expand(text).map(drop))
            }
            Instruction::Workdir(path) => {
                let path = state.scope.expand(path)?;
                let directory = joined(state.directory(), &path);
                state.run().working_dir = directory;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn workdir(&self, state: &mut State, place: Place<'_>, text: &str) -> Result<()> {
        let path = joined(state.directory(), &state.scope.expand(text)?);
        let created_by = format!("WORKDIR {path}");
        state.run().working_dir.clone_from(&path);
        if path == "/" {
            state.note(created_by);
            return Ok(());
        }
        let user = state.config.config.user.clone();
        let mut inputs = Inputs::new(&place.text(), place.step.statement.line);
        inputs.add(Kind::Below, "", state.parent());
        inputs.add(Kind::Instruction, "WORKDIR", &path);
        inputs.add(Kind::Setting, "USER", &user);
        self.make(state, place, inputs, created_by, |state, _| {
            let mounted = self.workshop.mount(&state.layers, true)?;
            let root = mounted.root()?;
            let account = accounts::run_as(&root, &user)?;
            let owner = Some((account.uid, account.gid));
            Writer { root: &root, owner, mode: None, single: self.workshop.single }.folder(Path::new(&path))?;
            drop(root);
            self.workshop.finish(mounted, &state.layers)
        })
    }

    /// Makes the layer of a step, or finds it in the cache.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn make(
        &self,
        state: &mut State,
        place: Place<'_>,
        inputs: Inputs,
        created_by: String,
        work: impl FnOnce(&State, &Vertex) -> Result<Made>,
    ) -> Result<()> {
        let (key, id) = (inputs.key(), place.id());
        let vertex = self.begin(format!("{}{}", self.prefix(place.stage, place.number), place.text()));
        // Whoever makes the same at the same time is waited for, in this build or another.
        let _lock = self.cache.lock(&key)?;
        let found = self.look(&key, place.stage, state);
        let why = match &found {
            Ok(_) => Why::Hit,
            Err(Found::Lost) => Why::Lost,
            Err(_) if self.options.no_cache => Why::NotAsked,
            Err(_) => explain::miss(&inputs, &id, &self.last),
        };
        self.listener.tell(Event::Explained(place.step.statement.line, place.text(), why));
        if let Ok(mut all) = self.inputs.lock() {
            all.insert(id, inputs);
        }
        let record = match found {
            Ok(record) => {
                self.listener.tell(Event::Cached(vertex.id));
                self.listener.tell(Event::UsingCache);
                record
            }
            Err(_) => {
                let made = work(state, &vertex).map_err(|error| {
                    self.failed(&vertex, &error);
                    Error { vertex: error.vertex.or(Some(vertex.id)), ..error }
                })?;
                let record = self.cache.put(&key, &made, &self.now())?;
                self.done(&vertex);
                Box::new(record)
            }
        };
        let created = self.options.epoch.map_or(record.created, super::image::time);
        state.add(record.descriptor, record.diff_id, created, created_by);
        if let Some(layer) = state.layers.last_mut() {
            layer.key = Some(key);
        }
        Ok(())
    }

    fn look(&self, key: &Digest, stage: usize, state: &State) -> std::result::Result<Box<Record>, Found> {
        let title = &self.plan.stages[stage].title;
        if self.options.no_cache || self.options.no_cache_stages.iter().any(|name| name.eq_ignore_ascii_case(title)) {
            return Err(Found::Nothing);
        }
        match self.cache.get(key) {
            Found::Record(record) => Ok(record),
            other => self.imported(key, state).map(Box::new).ok_or(other),
        }
    }

    /// A layer of one of `--cache-from`, whose configuration says that it was made of the same.
    fn imported(&self, key: &Digest, state: &State) -> Option<Record> {
        let platform = &state.config.platform;
        self.options.cache_from.iter().find_map(|name| {
            let image = self.outside.find(name, platform, false).ok()?;
            super::image::imported(&image, key)
        })
    }

    fn now(&self) -> String {
        self.options.epoch.map_or_else(crate::oci::runtime::timestamp, super::image::time)
    }
}

fn base_text(base: &Base, builder: &Builder<'_>) -> String {
    match base {
        Base::Scratch => "scratch".to_owned(),
        Base::Image(name) => name.clone(),
        Base::Stage(other) => builder.plan.stages[*other].title.clone(),
    }
}

/// A path as an instruction means it: absolute, or from the current directory; clean. It begins with `/`.
pub fn joined(directory: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let clean = super::ignore::cleaned(&format!("/{whole}"));
    if clean == "." { "/".to_owned() } else { format!("/{clean}") }
}
