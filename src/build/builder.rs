//! The driver: a plan, a thread for each stage, and what they share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use super::cache::{Cache, Inputs};
use super::context::Context;
use super::dockerfile::instruction::Instruction;
use super::dockerfile::{Dockerfile, Step};
use super::error::{Error, Result};
use super::events::{Event, Listener};
use super::options::{Options, Outside};
use super::plan::{Base, From, Plan};
use super::scope::Globals;
use super::state::{Layer, State};
use super::tree::Tree;
use super::workshop::{Mounted, Workshop};
use crate::kernel::folder::FileType;
use crate::kernel::root::Root;
use crate::oci::image::Image;

/// What all stages share.
pub struct Builder<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// The context.
    pub context: &'a Context,
    /// What is to be built.
    pub plan: Plan,
    /// Variables of the whole file.
    pub globals: Globals,
    /// Where layers are made.
    pub workshop: &'a Workshop<'a>,
    /// What was built before.
    pub cache: Cache<'a>,
    /// Who is told.
    pub listener: &'a dyn Listener,
    /// The way to images and files that are not here.
    pub outside: &'a dyn Outside,
    /// A stage has failed.
    pub canceled: AtomicBool,
    /// The inputs of this build's steps.
    pub inputs: Mutex<BTreeMap<String, Inputs>>,
    /// The inputs of the last one's.
    pub last: BTreeMap<String, Inputs>,
    /// Where the steps of each stage begin to be counted, and how many there are in all: the classic builder's numbers.
    pub numbers: BTreeMap<usize, usize>,
    /// See `numbers`.
    pub total: usize,
    images: BTreeMap<String, Image>,
    stages: Mutex<Vec<Done>>,
    changed: Condvar,
    vertices: AtomicUsize,
}

/// How far a stage is.
#[derive(Clone)]
enum Done {
    Not,
    Failed,
    State(Box<State>),
}

/// A tree that is open for reading.
pub struct Opened {
    /// The tree.
    pub tree: Tree,
    // It stays mounted as long as it is read.
    _mounted: Option<Mounted>,
}

impl Opened {
    /// A tree in a folder of ours.
    pub fn new(tree: Tree) -> Self {
        Opened { tree, _mounted: None }
    }
}

/// A vertex that is being worked at.
pub struct Vertex {
    /// Its number.
    pub id: usize,
    /// When it began.
    pub began: Instant,
}

/// Builds the wanted stage and gives its state.
///
/// # Errors
/// The first stage's error; others were stopped.
pub fn build(
    file: &Dockerfile,
    context: &Context,
    options: &Options,
    workshop: &Workshop<'_>,
    listener: &dyn Listener,
    outside: &dyn Outside,
) -> Result<State> {
    let globals = Globals::new(&file.arguments, file.escape, &options.arguments, &options.platform, options.target.as_deref())?;
    let mut plan = Plan::new(file, &globals, options.target.as_deref(), &options.platform, &options.contexts)?;
    let cache = Cache::open(workshop.store)?;
    let last = cache.last(&options.identity);
    let mut builder = Builder {
        options,
        context,
        globals,
        workshop,
        cache,
        listener,
        outside,
        canceled: AtomicBool::new(false),
        inputs: Mutex::default(),
        last,
        numbers: BTreeMap::new(),
        total: 0,
        images: BTreeMap::new(),
        stages: Mutex::new(vec![Done::Not; plan.stages.len()]),
        changed: Condvar::new(),
        vertices: AtomicUsize::new(0),
        plan: plan.clone(),
    };
    builder.announce(file);
    let order = builder.gather(file, &mut plan)?;
    builder.plan = plan;
    builder.count(&order);
    builder.measure(&order)?;
    builder.judge_arguments();
    let result = builder.all(&order);
    let inputs = builder.inputs.lock().map(|inputs| inputs.clone()).unwrap_or_default();
    if !options.check {
        // Steps that this build did not come to keep what was known of them.
        let mut steps = builder.last.clone();
        steps.extend(inputs);
        builder.cache.set_last(&options.identity, &steps)?;
    }
    result
}

impl Builder<'_> {
    /// Finds the images that the needed stages begin with, and puts the instructions that these bring along before the stages' own. Gives the order.
    fn gather(&mut self, file: &Dockerfile, plan: &mut Plan) -> Result<Vec<usize>> {
        let mut done = vec![false; plan.stages.len()];
        loop {
            let order = plan.order(self.options.all_stages)?;
            let Some(stage) = order.iter().copied().find(|stage| !done[*stage]) else { return Ok(order) };
            done[stage] = true;
            let Base::Image(name) = plan.stages[stage].base.clone() else { continue };
            let lines = plan.stages[stage].lines;
            let image = match self.image(&name, stage, plan) {
                // A check needs no base, but sees more with one.
                Err(_) if self.options.check => continue,
                other => other.map_err(|error| error.at(lines))?,
            };
            let triggers = image.config.config.on_build.clone().unwrap_or_default();
            let mut steps = super::triggers::read(&triggers, &name, file, lines)?;
            steps.append(&mut plan.stages[stage].steps);
            plan.stages[stage].steps = steps;
        }
    }

    fn announce(&self, file: &Dockerfile) {
        let vertex = self.begin(format!("[internal] load build definition from {}", self.context.name));
        self.status(&vertex, format!("transferring dockerfile: {}", super::progress::size(self.context.definition.len() as u64)));
        self.done(&vertex);
        let vertex = self.begin("[internal] load .dockerignore".to_owned());
        self.status(&vertex, format!("transferring context: {}", super::progress::size(self.context.ignored)));
        self.done(&vertex);
        if let Some(syntax) = &file.directives.syntax {
            let vertex = self.begin(format!("resolve image config for docker-image://{syntax}"));
            self.status(&vertex, "not fetched: this builder reads the language itself".to_owned());
            self.done(&vertex);
        }
    }

    /// Tells how large the context is, if a stage needs it. Nothing is sent: it is read where it is.
    fn measure(&self, order: &[usize]) -> Result<()> {
        let reads = |step: &Step| match &step.instruction {
            Instruction::Copy(copy) | Instruction::Add(copy) => copy.from.is_none() && !copy.sources.is_empty(),
            _ => false,
        };
        let needed = order.iter().any(|stage| self.plan.stages[*stage].steps.iter().any(reads));
        if !needed && !self.options.all_stages {
            return Ok(());
        }
        let vertex = self.begin("[internal] load build context".to_owned());
        let opened = self.open(&From::Context, 0)?;
        let found = opened.tree.select(".", &Default::default())?;
        let files = found.iter().flat_map(|source| &source.items).filter(|item| item.status.kind == FileType::RegularFile);
        let bytes = files.map(|item| item.status.size).sum();
        self.listener.tell(Event::Context(bytes));
        self.status(&vertex, format!("transferring context: {}", super::progress::size(bytes)));
        self.done(&vertex);
        Ok(())
    }

    /// An argument that nothing asks for is mostly misspelt.
    fn judge_arguments(&self) {
        let of = |step: &Step| match &step.instruction {
            Instruction::Arg(pairs) => pairs.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        };
        let own = self.plan.stages.iter().flat_map(|stage| stage.steps.iter().flat_map(of));
        let asked: Vec<String> = own.chain(self.globals.names()).collect();
        for name in self.globals.unused(&asked) {
            self.listener.tell(Event::Unused(name.to_owned()));
        }
    }

    fn image(&mut self, name: &str, stage: usize, plan: &Plan) -> Result<Image> {
        let platform = &plan.stages[stage].platform;
        let key = format!("{name} {platform}");
        if let Some(image) = self.images.get(&key) {
            return Ok(image.clone());
        }
        let full = super::options::full_name(name)?;
        let vertex = self.begin(format!("[internal] load metadata for {full}"));
        let image = self.outside.find(name, platform, self.options.pull).inspect_err(|error| self.failed(&vertex, error))?;
        self.done(&vertex);
        self.images.insert(key, image.clone());
        Ok(image)
    }

    /// The image that a stage begins with, found before.
    pub fn base(&self, name: &str, stage: usize) -> Option<&Image> {
        self.images.get(&format!("{name} {}", self.plan.stages[stage].platform))
    }

    fn count(&mut self, order: &[usize]) {
        for stage in order {
            self.numbers.insert(*stage, self.total);
            self.total += 1 + self.plan.stages[*stage].steps.len();
        }
    }

    fn all(&self, order: &[usize]) -> Result<State> {
        if self.options.all_stages || self.options.check {
            // One after the other, as the classic builder.
            order.iter().try_for_each(|stage| self.run(*stage))?;
            return self.wait_for(self.plan.target);
        }
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for stage in order {
                let failed = &failed;
                scope.spawn(move || {
                    if let Err(error) = self.run(*stage)
                        && let Ok(mut first) = failed.lock()
                        && first.as_ref().is_none_or(|first| first.canceled)
                    {
                        *first = Some(error);
                    }
                });
            }
        });
        match failed.into_inner().ok().flatten() {
            Some(error) => Err(error),
            None => self.wait_for(self.plan.target),
        }
    }

    fn run(&self, stage: usize) -> Result<()> {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.stage(stage)))
            .unwrap_or_else(|_| Err(Error::new(format!("stage {stage}: the builder has a defect: it panicked"))));
        if result.is_err() {
            self.canceled.store(true, Ordering::Relaxed);
        }
        let mut stages = self.lock_stages();
        stages[stage] = result.as_ref().map_or(Done::Failed, |state| Done::State(Box::new(state.clone())));
        self.changed.notify_all();
        result.map(drop)
    }

    fn lock_stages(&self) -> MutexGuard<'_, Vec<Done>> {
        // A thread that panicked has left the list as it was.
        self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The state of another stage, once it is built.
    ///
    /// # Errors
    /// It failed.
    pub fn wait_for(&self, stage: usize) -> Result<State> {
        let mut stages = self.lock_stages();
        loop {
            match &stages[stage] {
                Done::State(state) => return Ok(*state.clone()),
                Done::Failed => return Err(Error::canceled()),
                Done::Not => stages = self.changed.wait(stages).unwrap_or_else(std::sync::PoisonError::into_inner),
            }
        }
    }

    /// Ends a stage whose work nobody needs any more.
    ///
    /// # Errors
    /// Another stage has failed.
    pub fn check_canceled(&self) -> Result<()> {
        if self.canceled.load(Ordering::Relaxed) { Err(Error::canceled()) } else { Ok(()) }
    }

    /// Opens what files come from.
    ///
    /// # Errors
    /// There is no such image; a stage failed.
    pub fn open(&self, from: &From, stage: usize) -> Result<Opened> {
        let layers = match from {
            From::Context => {
                let root = Root::open(&self.context.folder)?;
                let tree = Tree { root, ignore: self.context.ignore.clone(), owned_by_root: true };
                return Ok(Opened::new(tree));
            }
            From::Folder(folder) => return super::context::tree(folder).map(Opened::new),
            From::Stage(other) => self.wait_for(*other)?.layers,
            From::Image(name) => {
                let image = self.outside.find(name, &self.plan.stages[stage].platform, false)?;
                State::image(&image, &self.globals).layers
            }
        };
        self.open_layers(&layers)
    }

    fn open_layers(&self, layers: &[Layer]) -> Result<Opened> {
        let mounted = self.workshop.mount(layers, false)?;
        let tree = Tree { root: mounted.root()?, ignore: Default::default(), owned_by_root: false };
        Ok(Opened { tree, _mounted: Some(mounted) })
    }

    /// Begins a vertex.
    pub fn begin(&self, name: String) -> Vertex {
        let id = 1 + self.vertices.fetch_add(1, Ordering::Relaxed);
        self.listener.tell(Event::Begun(id, name));
        Vertex { id, began: Instant::now() }
    }

    /// Tells a piece of a vertex' work.
    pub fn status(&self, vertex: &Vertex, text: String) {
        self.listener.tell(Event::Status(vertex.id, text));
    }

    /// Ends a vertex.
    pub fn done(&self, vertex: &Vertex) {
        self.listener.tell(Event::Done(vertex.id, vertex.began.elapsed()));
    }

    /// Ends a vertex that failed.
    pub fn failed(&self, vertex: &Vertex, error: &Error) {
        self.listener.tell(if error.canceled { Event::Canceled(vertex.id) } else { Event::Failed(vertex.id, error.why.clone()) });
    }
}
