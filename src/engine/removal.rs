//! Which names and images go when an image is removed, and what Docker refuses.

use super::Engine;
use super::error::Fault;
use crate::oci::image::Image;
use crate::oci::image::sweep::Needed;
use crate::oci::reference::Reference;

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// A name.
    Untagged(String),
    /// An image or a layer.
    Deleted(String),
}

impl Engine {
    /// Takes a name away, and the image with its last one. `text` is a name or an id.
    ///
    /// # Errors
    /// There is no such image, or an id stands for an image with names in several repositories.
    pub fn remove_image(&self, text: &str, force: bool) -> Result<(Vec<Gone>, u64), Fault> {
        let image = self.store.find(text, &self.platform)?;
        let names = named(&image, text)?;
        let mut gone = Vec::new();
        if names.is_none() && !force && several_repositories(&image) {
            return Err(Fault::conflict(format!(
                "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
                image.id().short()
            )));
        }
        let kept = self.check_unused(&image, names.as_deref(), force)?;
        for name in names.unwrap_or_else(|| image.tags.iter().chain(&image.digests).cloned().collect()) {
            self.untag(&image, &name, &mut gone)?;
        }
        let left = self.store.entries()?.into_iter().any(|entry| entry.target.digest == image.target.digest && entry.name.is_some());
        let mut bytes = 0;
        if !left && kept {
            // A container runs of it: it loses its names only.
            self.store.keep(&image.target)?;
        } else if !left {
            self.store.forget(&image.target.digest)?;
            bytes = self.sweep(&image, &mut gone)?;
        }
        Ok((gone, bytes))
    }

    /// Whether an image that is about to lose its last name must stay because a container runs of it.
    ///
    /// # Errors
    /// A container uses it, and nobody forces the removal or nobody can.
    fn check_unused(&self, image: &Image, names: Option<&[Reference]>, force: bool) -> Result<bool, Fault> {
        let (id, short) = (image.id().to_string(), image.id().short());
        let last = names.is_none_or(|names| image.tags.iter().all(|tag| names.contains(tag)));
        let users: Vec<_> = self.containers.all().into_iter().filter(|container| last && container.record().image == id).collect();
        let running = users.iter().find(|container| container.state().is_running());
        let Some(user) = running.or(users.first()) else { return Ok(false) };
        let (kind, used) = if running.is_some() { ("running", user.short()) } else { ("stopped", user.short()) };
        match names.and_then(<[Reference]>::first) {
            Some(name) if !force => Err(Fault::conflict(format!(
                "conflict: unable to remove repository reference \"{}\" (must force) - container {used} is using its referenced image {short}",
                name.familiar()
            ))),
            Some(_) => Ok(running.is_some()),
            None if running.is_some() => Err(Fault::conflict(format!(
                "conflict: unable to delete {short} (cannot be forced) - image is being used by {kind} container {used}"
            ))),
            None if !force => Err(Fault::conflict(format!(
                "conflict: unable to delete {short} (must be forced) - image is being used by {kind} container {used}"
            ))),
            None => Ok(false),
        }
    }

    /// What containers are made of stays, whatever becomes of their images.
    pub fn needed_by_containers(&self) -> Needed {
        let layers = self.containers.all().into_iter().flat_map(|container| container.record().layers);
        Needed { layers: layers.filter_map(|chain_id| chain_id.parse().ok()).collect(), ..Needed::default() }
    }

    fn untag(&self, image: &Image, name: &Reference, gone: &mut Vec<Gone>) -> Result<(), Fault> {
        self.store.remove_name(name)?;
        self.events.image("untag", &image.id().to_string(), &image.id().to_string());
        gone.push(Gone::Untagged(name.familiar()));
        Ok(())
    }

    /// Throws away what only `image` needed. What others bring in at this moment may delay that to the next removal.
    fn sweep(&self, image: &Image, gone: &mut Vec<Gone>) -> Result<u64, Fault> {
        let id = image.id().to_string();
        self.events.image("delete", &id, &id);
        gone.push(Gone::Deleted(id));
        let Some(swept) = self.store.sweep(&self.needed_by_containers())? else { return Ok(0) };
        // The highest layer first, as it was taken off.
        let chain = image.config.chain_ids().into_iter().rev().filter(|chain_id| swept.layers.contains(chain_id));
        gone.extend(chain.map(|chain_id| Gone::Deleted(chain_id.to_string())));
        Ok(swept.bytes)
    }
}

/// The names that `text` takes away: the one it is, or, with the last tag of a repository, its digests too. None if it is an id.
fn named(image: &Image, text: &str) -> Result<Option<Vec<Reference>>, Fault> {
    let Ok(name) = text.parse::<Reference>().map(Reference::or_latest) else { return Ok(None) };
    if name.digest().is_some() {
        return Ok(Some(image.digests.iter().filter(|one| **one == name).cloned().collect()));
    }
    if !image.tags.contains(&name) {
        // It reads like a name and is an id.
        return Ok(None);
    }
    let last = image.tags.iter().filter(|tag| tag.repository() == name.repository()).count() == 1;
    let digests = image.digests.iter().filter(|one| last && one.repository() == name.repository());
    Ok(Some(std::iter::once(&name).chain(digests).cloned().collect()))
}

fn several_repositories(image: &Image) -> bool {
    let mut repositories: Vec<String> = image.tags.iter().map(Reference::repository).collect();
    repositories.sort();
    repositories.dedup();
    repositories.len() > 1
}
