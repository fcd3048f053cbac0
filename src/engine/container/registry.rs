//! All containers of the engine: found by id, name or the beginning of an id; kept on the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::Record;
use super::{Container, record_file};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::fs;

/// The containers by id.
#[derive(Default)]
pub struct Containers(Mutex<BTreeMap<String, Arc<Container>>>);

impl Containers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Container>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, the newest first.
    pub fn all(&self) -> Vec<Arc<Container>> {
        let mut all: Vec<(String, Arc<Container>)> =
            self.lock().values().map(|container| (container.record().created, Arc::clone(container))).collect();
        all.sort_by(|(one, _), (other, _)| other.cmp(one));
        all.into_iter().map(|(_, container)| container).collect()
    }

    /// The one that a person means.
    ///
    /// # Errors
    /// There is none, or several begin so.
    pub fn find(&self, text: &str) -> Result<Arc<Container>, Fault> {
        let all = self.lock();
        let name = text.strip_prefix('/').unwrap_or(text);
        if let Some(found) = all.get(text) {
            return Ok(Arc::clone(found));
        }
        if let Some(found) = all.values().find(|container| container.name() == name) {
            return Ok(Arc::clone(found));
        }
        let mut fitting = all.values().filter(|container| !text.is_empty() && container.id.starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(Arc::clone(found)),
            (Some(_), Some(_)) => Err(Fault::bad(format!("Multiple IDs found with provided prefix: {text}"))),
            _ => Err(Fault::not_found(format!("No such container: {text}"))),
        }
    }

    /// Takes a container in, under a name that nobody else has.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add(&self, container: &Arc<Container>) -> Result<(), Fault> {
        let mut all = self.lock();
        let name = container.name();
        free(&all, &name, &container.id)?;
        all.insert(container.id.clone(), Arc::clone(container));
        Ok(())
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// The name is taken.
    pub fn rename(&self, container: &Container, name: &str) -> Result<(), Fault> {
        let all = self.lock();
        free(&all, name, &container.id)?;
        container.change(|record| name.clone_into(&mut record.name))
    }

    /// Forgets one.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }
}

fn free(all: &BTreeMap<String, Arc<Container>>, name: &str, id: &str) -> Result<(), Fault> {
    let Some(other) = all.values().find(|container| container.name() == name && container.id != id) else { return Ok(()) };
    Err(Fault::conflict(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to \
         reuse that name.",
        other.id
    )))
}

impl Engine {
    /// Reads the records of an earlier engine. A container whose making was cut short is removed, a damaged record is left alone.
    pub fn read_containers(&self) {
        let folder = self.root.join("containers");
        for id in fs::list(&folder).unwrap_or_default() {
            let folder = folder.join(&id);
            let text = fs::read(&record_file(&folder)).ok();
            match text.map(|text| serde_json::from_str::<Record>(&text)) {
                // Names are unique on the disk, as they were in memory.
                Some(Ok(record)) => drop(self.containers.add(&Arc::new(Container::new(folder, record)))),
                Some(Err(_)) => {}
                None => self.forget_files(&id),
            }
        }
    }
}
