//! `RUN --mount`: files of the context and of stages, caches that outlive the build, memory, secrets.
//!
//! Nothing of a mount is in the layer. What is copied for a mount is found as the sources of a `COPY` are, inside its tree (CVE-2024-1753); a cache is mounted
//! as a whole and never by a path into it, so that two builds cannot lead each other astray (CVE-2024-23651). The content of a secret goes from its
//! file to a file system in memory, and is in no key, no record and no message.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::builder::{Builder, Opened};
use super::cache::{Inputs, Kind};
use super::dockerfile::instruction::Mount;
use super::error::{During as _, Error, Result};
use super::ignore::Ignore;
use super::options::Secret;
use super::plan::{From, option};
use super::running::switch;
use super::stage::{Place, joined};
use super::state::State;
use super::tree::Source;
use super::write::Writer;
use crate::kernel::mount::{self, MntFlags, MsFlags};
use crate::kernel::root::Root;
use crate::kernel::{fs, inode, lock};
use crate::oci::bundle;
use crate::oci::digest::Digest;

/// A mount whose names are plain and whose sources are found.
pub struct Prepared<'a> {
    mount: &'a Mount,
    target: String,
    files: Option<(Opened, Vec<Source>)>,
    key: String,
}

/// What must be held while the container runs.
#[derive(Default)]
pub struct Held {
    locks: Vec<std::fs::File>,
    /// File systems in memory, unmounted at the end.
    memory: Vec<PathBuf>,
}

impl Drop for Held {
    fn drop(&mut self) {
        for place in &self.memory {
            // The mount goes with the build's mount namespace at the latest.
            let _ = mount::unmount(place, MntFlags::MNT_DETACH);
        }
    }
}

const TARGET: &[&str] = &["target", "dst", "destination"];
const SOURCE: &[&str] = &["source", "src"];

impl Builder<'_> {
    /// Finds what the mounts of a step need, and adds it to the step's inputs.
    ///
    /// # Errors
    /// A source or a secret is not there; a mount is of a kind that this builder does not have.
    pub fn prepare_mounts<'m>(
        &self,
        state: &State,
        place: Place<'_>,
        mounts: &'m [Mount],
        inputs: &mut Inputs,
    ) -> Result<Vec<Prepared<'m>>> {
        mounts.iter().map(|mount| self.prepare_mount(state, place, mount, inputs)).collect()
    }

    fn prepare_mount<'m>(&self, state: &State, place: Place<'_>, mount: &'m Mount, inputs: &mut Inputs) -> Result<Prepared<'m>> {
        let expanded = |names: &[&str]| option(mount, names).map(|text| state.scope.expand(text)).transpose();
        if mount.kind == "ssh" {
            return Err(Error::new("RUN --mount=type=ssh: this builder forwards no agent").hint("use a secret: --mount=type=secret,id=key"));
        }
        let id = expanded(&["id"])?;
        let written = expanded(TARGET)?;
        let target = match (&written, mount.kind.as_str()) {
            (Some(target), _) => joined(state.directory(), target),
            (None, "secret") if option(mount, &["env"]).is_some() => String::new(),
            (None, "secret") => format!("/run/secrets/{}", secret_id(&id, mount)?),
            (None, _) => return Err(Error::new(format!("invalid mount of type {}: it needs a target", mount.kind))),
        };
        let told: Vec<String> = mount.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        inputs.add(Kind::Setting, format!("--mount {target}"), format!("{} {}", mount.kind, told.join(",")));
        let source = expanded(SOURCE)?;
        let reads = mount.kind == "bind" || (mount.kind == "cache" && option(mount, &["from"]).is_some());
        let files = reads.then(|| self.files(place, mount, source.as_deref(), inputs)).transpose()?;
        let key = match mount.kind.as_str() {
            "cache" => id.or(written).unwrap_or_default(),
            "secret" => secret_id(&id, mount)?,
            _ => String::new(),
        };
        Ok(Prepared { mount, target, files, key })
    }

    fn files(&self, place: Place<'_>, mount: &Mount, source: Option<&str>, inputs: &mut Inputs) -> Result<(Opened, Vec<Source>)> {
        let from = match option(mount, &["from"]) {
            None => From::Context,
            from => self.plan.from(from, place.stage)?,
        };
        let opened = self.open(&from, place.stage)?;
        let sources = opened.tree.select(source.unwrap_or("."), &Ignore::default())?;
        for source in &sources {
            for item in &source.items {
                inputs.add(Kind::File, source.shown(item), opened.tree.digest(item)?.to_string());
            }
        }
        Ok((opened, sources))
    }

    /// Makes the mounts of a step.
    ///
    /// # Errors
    /// A secret is required and not there; the kernel refused.
    pub fn mount_all(
        &self,
        wanted: &[Prepared<'_>],
        mounts: &mut Vec<Value>,
        environment: &mut Vec<String>,
        folder: &Path,
    ) -> Result<Held> {
        let mut held = Held::default();
        for (number, one) in wanted.iter().enumerate() {
            let place = folder.join(format!("mount-{number}"));
            match one.mount.kind.as_str() {
                "bind" => mounts.push(self.bind(one, &place)?),
                "cache" => mounts.push(self.cached(one, &mut held)?),
                "tmpfs" => mounts.push(tmpfs(one)?),
                _ => self.secret(one, mounts, environment, &place, &mut held)?,
            }
        }
        Ok(held)
    }

    /// A copy of what it mounts: the step may write to it, and the context does not change.
    fn bind(&self, one: &Prepared<'_>, place: &Path) -> Result<Value> {
        let Some((opened, sources)) = &one.files else { return Err(Error::new("a bind mount has no source")) };
        fs::create_dir(place, 0o755)?;
        let root = Root::open(place)?;
        let writer = Writer { root: &root, owner: None, mode: None, single: self.workshop.single };
        for source in sources {
            writer.source(&opened.tree, source, Path::new("/content"), false)?;
        }
        let writable = switch(one.mount, &["rw", "readwrite"]) == Some(true) || switch(one.mount, &["ro", "readonly"]) == Some(false);
        Ok(bundle::bind(&place.join("content"), &one.target, !writable))
    }

    /// A folder in the store that outlives the build.
    fn cached(&self, one: &Prepared<'_>, held: &mut Held) -> Result<Value> {
        let sharing = option(one.mount, &["sharing"]).unwrap_or("shared");
        if !["shared", "private", "locked"].contains(&sharing) {
            return Err(Error::new(format!("unsupported sharing value {sharing:?}")).hint("use shared, private or locked"));
        }
        let all = self.workshop.store.folder().join("build/mounts");
        fs::create_dir_all(&all, 0o700)?;
        let name = Digest::of(format!("{} {:?}", one.key, option(one.mount, &["from"])).as_bytes()).hex()[..32].to_owned();
        let folder = match sharing {
            "shared" => all.join(&name),
            "locked" => {
                held.locks.push(lock::take(&all.join(format!("{name}.lock")))?);
                all.join(&name)
            }
            _ => private(&all, &name, held)?,
        };
        // One at a time makes it, and fills it.
        let _making = lock::take(&all.join(format!("{name}.making")))?;
        if !folder.exists() {
            let new = all.join(format!(".{name}"));
            super::workshop::discard(&new)?;
            self.fill(one, &new)?;
            fs::rename(&new, &folder)?;
        }
        let read_only = switch(one.mount, &["ro", "readonly"]) == Some(true);
        Ok(bundle::bind(&folder, &one.target, read_only))
    }

    fn fill(&self, one: &Prepared<'_>, folder: &Path) -> Result<()> {
        fs::create_dir(folder, 0o755)?;
        if let Some((opened, sources)) = &one.files {
            let root = Root::open(folder)?;
            let writer = Writer { root: &root, owner: None, mode: None, single: self.workshop.single };
            sources.iter().try_for_each(|source| writer.source(&opened.tree, source, Path::new("/"), true))?;
        }
        let (uid, gid) = (number(one.mount, "uid", 10)?.unwrap_or(0), number(one.mount, "gid", 10)?.unwrap_or(0));
        if !self.workshop.single && (uid, gid) != (0, 0) {
            inode::give(folder, (uid, gid))?;
        }
        Ok(inode::set_mode(folder, number(one.mount, "mode", 8)?.unwrap_or(0o755))?)
    }

    fn secret(
        &self,
        one: &Prepared<'_>,
        mounts: &mut Vec<Value>,
        environment: &mut Vec<String>,
        place: &Path,
        held: &mut Held,
    ) -> Result<()> {
        let required = switch(one.mount, &["required"]) == Some(true);
        let content = match self.options.secrets.get(&one.key) {
            Some(Secret::File(path)) => fs::read_bytes(path).during(|| format!("failed to read the secret {}", one.key))?,
            Some(Secret::Environment(name)) => {
                let value = std::env::var_os(name).unwrap_or_default();
                std::os::unix::ffi::OsStringExt::into_vec(value)
            }
            None if required => {
                return Err(Error::new(format!("secret {}: not found", one.key))
                    .hint(format!("give it on the command line: --secret id={},src=FILE", one.key)));
            }
            None => return Ok(()),
        };
        if let Some(name) = option(one.mount, &["env"]) {
            let text = String::from_utf8(content)
                .map_err(|_| Error::new(format!("secret {}: it is no text, and cannot be in a variable", one.key)))?;
            environment.push(format!("{name}={text}"));
            if one.target.is_empty() {
                return Ok(());
            }
            return self.secret_file(one, text.as_bytes(), mounts, place, held);
        }
        self.secret_file(one, &content, mounts, place, held)
    }

    /// In memory: it never reaches the disk.
    fn secret_file(&self, one: &Prepared<'_>, content: &[u8], mounts: &mut Vec<Value>, place: &Path, held: &mut Held) -> Result<()> {
        fs::create_dir(place, 0o700)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount::mount("tmpfs", place, "tmpfs", flags, Some("mode=0700,size=2m"))?;
        held.memory.push(place.to_owned());
        let file = place.join("secret");
        fs::put(&file, content, 0o400)?;
        let (uid, gid) = (number(one.mount, "uid", 10)?.unwrap_or(0), number(one.mount, "gid", 10)?.unwrap_or(0));
        if !self.workshop.single {
            inode::give(&file, (uid, gid))?;
        }
        inode::set_mode(&file, number(one.mount, "mode", 8)?.unwrap_or(0o400))?;
        mounts.push(bundle::bind(&file, &one.target, true));
        Ok(())
    }
}

fn secret_id(id: &Option<String>, mount: &Mount) -> Result<String> {
    let source = option(mount, SOURCE).or_else(|| option(mount, TARGET));
    let name = id.clone().or_else(|| source.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()));
    name.or_else(|| option(mount, &["env"]).map(str::to_owned))
        .ok_or_else(|| Error::new("invalid secret mount: it needs an id, a source or a target"))
}

fn number(mount: &Mount, name: &str, radix: u32) -> Result<Option<u32>> {
    let read = |text: &str| {
        u32::from_str_radix(text.trim_start_matches("0o"), radix)
            .map_err(|_| Error::new(format!("invalid value {text:?} of {name} in --mount")))
    };
    option(mount, &[name]).map(read).transpose()
}

/// The first folder of that name that nobody else has.
fn private(all: &Path, name: &str, held: &mut Held) -> Result<PathBuf> {
    for number in 0..1000 {
        let lock = all.join(format!("{name}-{number}.lock"));
        if let Some(lock) = lock::try_take(&lock)? {
            held.locks.push(lock.into());
            return Ok(all.join(format!("{name}-{number}")));
        }
    }
    Err(Error::new("a private cache is used by a thousand steps at once"))
}

fn tmpfs(one: &Prepared<'_>) -> Result<Value> {
    let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), "mode=1777".to_owned()];
    if let Some(size) = option(one.mount, &["size"]) {
        options.push(format!("size={}", size.to_ascii_lowercase().trim_end_matches('b')));
    }
    Ok(json!({"destination": one.target, "type": "tmpfs", "source": "tmpfs", "options": options}))
}
