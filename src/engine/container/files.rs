//! The files and folders that a container has outside: its tree, `/etc/hosts` and its siblings, the bundle.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::record::{Endpoint, Record};
use super::{Container, spec};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::folder::Folder;
use crate::kernel::mount::{self, MntFlags};
use crate::kernel::root::Root;
use crate::kernel::{fs, inode};
use crate::oci::image::archive::Limits;
use crate::oci::image::layers::lower_folders;
use crate::oci::image::overlay::{self, Lasting};
use crate::oci::runtime;

/// What stands in every container's `/etc/hosts`.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
                     ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

impl Engine {
    /// `overlay2/ID`.
    pub fn overlay_folder(&self, id: &str) -> PathBuf {
        self.root.join("overlay2").join(id)
    }

    /// The container's whole tree, while it is mounted.
    pub fn merged(&self, id: &str) -> PathBuf {
        self.overlay_folder(id).join("merged")
    }

    /// The runtime's folder of containers.
    pub fn runtime_folder(&self) -> PathBuf {
        self.root.join("run/oci")
    }

    /// The runtime's store of containers.
    pub fn runtime(&self) -> runtime::Store {
        runtime::Store::new(self.runtime_folder())
    }

    /// The folders of the layers below a container, the highest first. What was never unpacked is now.
    ///
    /// # Errors
    /// The image is gone and its layers with it.
    pub fn lower(&self, record: &Record) -> Result<Vec<PathBuf>, Fault> {
        let mut layers = Vec::new();
        for chain_id in &record.layers {
            let digest = chain_id.parse().map_err(|_| Fault::internal(format!("`{chain_id}` is no digest")))?;
            layers.extend(self.store.layer(&digest)?);
        }
        if layers.len() != record.layers.len() {
            let image = self.store.find(&record.image, &self.platform)?;
            layers = self.store.unpack_image(&image, Limits::default(), &mut |_, _| {})?;
        }
        Ok(lower_folders(&layers).into_iter().map(Path::to_owned).collect())
    }

    /// Mounts a container's tree, unless it is mounted. Without `lasting` the kernel never waits for the disk, neither for a program that asks for it nor
    /// at the end, when it would have all of the disk's file system written: for what is removed then anyway.
    ///
    /// # Errors
    /// The kernel has no overlays for us.
    pub fn mount(&self, record: &Record, lasting: Lasting) -> Result<PathBuf, Fault> {
        let (folder, merged) = (self.overlay_folder(&record.id), self.merged(&record.id));
        // One that an earlier engine left is under the place: two layers of mounts would need two to take away.
        self.unmount(&record.id);
        let work = folder.join("work");
        // The kernel's mark of a mount that did not last, which it refuses to mount again: after a power cut the changes are not to be trusted. A container
        // that ran with such a mount is not mounted again then, but removed.
        if work.join("work/incompat").exists() {
            Folder::open(&folder)?.remove("work".as_ref())?;
            fs::create_dir_all(&work, 0o700)?;
        }
        overlay::mount(&self.lower(record)?, Some(&(folder.join("diff"), work)), lasting, &merged)?;
        Ok(merged)
    }

    /// Takes a container's tree away. What was not mounted is as it should be.
    pub fn unmount(&self, id: &str) {
        // EINVAL: it is no mount.
        let _ = mount::unmount(&self.merged(id), MntFlags::MNT_DETACH);
    }

    /// Removes all that a container has on the disk.
    pub fn forget_files(&self, id: &str) {
        self.unmount(id);
        // The record last: as long as there is one, an engine that comes after a killed one knows what to do.
        for folder in [self.root.join("run/hold"), self.root.join("overlay2"), self.root.join("containers")] {
            // What cannot be removed now is removed by the next engine: there is no record any more.
            let _ = Folder::open(&folder).and_then(|folder| folder.remove(id.as_ref()));
        }
    }

    /// Where the sockets and settings of a container's shims are.
    pub fn hold_folder(&self, id: &str) -> PathBuf {
        self.root.join("run/hold").join(id)
    }

    /// Writes `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, and gives their mounts.
    ///
    /// # Errors
    /// The disk is full.
    pub fn network_files(&self, container: &Container, record: &Record) -> Result<Vec<Value>, Fault> {
        if let Some(other) = Record::joins(&record.host.network_mode) {
            let other = self.containers.find(other)?;
            return Ok(binds(&other.folder));
        }
        let name = &record.config.hostname;
        self.put(container, "hostname", &format!("{name}\n"))?;
        self.put(container, "hosts", &self.hosts_text(record)?)?;
        self.put(container, "resolv.conf", &self.resolver_text(record))?;
        Ok(binds(&container.folder))
    }

    fn put(&self, container: &Container, name: &str, text: &str) -> Result<(), Fault> {
        let path = container.folder.join(name);
        // In place: a running container has this very file bound.
        std::fs::write(&path, text).map_err(|error| Fault::internal(format!("write `{}`: {error}", path.display())))?;
        Ok(inode::set_mode(&path, 0o644)?)
    }

    fn hosts_text(&self, record: &Record) -> Result<String, Fault> {
        let mut text =
            if record.host.network_mode == "host" { fs::read(Path::new("/etc/hosts")).unwrap_or_default() } else { HOSTS.to_owned() };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for entry in record.host.extra_hosts.iter().flatten() {
            let (name, address) =
                entry.split_once([':', '=']).ok_or_else(|| Fault::bad(format!("bad format for add-host: \"{entry}\"")))?;
            let address = if address == "host-gateway" { self.gateway_of(record) } else { address.trim_matches(['[', ']']).to_owned() };
            text.push_str(&format!("{address}\t{name}\n"));
        }
        text.push_str(&self.linked_hosts(record)?);
        for placed in record.networks.values().flat_map(Endpoint::placed) {
            let domain = &record.config.domainname;
            let full = if domain.is_empty() { String::new() } else { format!("{}.{domain} ", record.config.hostname) };
            text.push_str(&format!("{}\t{full}{}\n", placed.address, record.config.hostname));
        }
        Ok(text)
    }

    fn resolver_text(&self, record: &Record) -> String {
        let own = fs::read(Path::new("/etc/resolv.conf")).unwrap_or_default();
        let host = &record.host;
        let (dns_options, dns_search) = (host.dns_options.as_deref().unwrap_or_default(), host.dns_search.as_deref().unwrap_or_default());
        let values = |key: &str| -> Vec<String> {
            own.lines().filter_map(|line| line.trim().strip_prefix(key)).map(|value| value.trim().to_owned()).collect()
        };
        if let Some(internal) = self.internal_resolver(record) {
            let options = if dns_options.is_empty() { "ndots:0".to_owned() } else { format!("ndots:0 {}", dns_options.join(" ")) };
            let search = if dns_search.is_empty() { values("search ") } else { dns_search.to_owned() };
            let search = if search.is_empty() { String::new() } else { format!("search {}\n", search.join(" ")) };
            return format!("nameserver {internal}\n{search}options {options}\n");
        }
        let dns = self.name_servers(record);
        if dns.is_empty() && dns_search.is_empty() && dns_options.is_empty() {
            return own;
        }
        let servers = if dns.is_empty() { values("nameserver ") } else { dns };
        let search = if dns_search.is_empty() { values("search ") } else { dns_search.to_owned() };
        let mut text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        if !search.is_empty() && search != ["."] {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        if !dns_options.is_empty() {
            text.push_str(&format!("options {}\n", dns_options.join(" ")));
        }
        text
    }

    /// The init of `--init`: this program, which is tini under that name.
    ///
    /// # Errors
    /// Our own program cannot be found.
    pub fn init_file(&self, record: &Record) -> Result<Option<Value>, Fault> {
        if record.host.init != Some(true) {
            return Ok(None);
        }
        let program = std::env::current_exe().map_err(|error| Fault::internal(format!("find our own program: {error}")))?;
        // The container's root must not be able to write to it, whatever it is allowed otherwise.
        Ok(Some(json!({"destination": spec::INIT, "type": "bind", "source": program, "options": ["bind", "ro", "rprivate"]})))
    }
}

fn binds(folder: &Path) -> Vec<Value> {
    let bind = |name: &str| json!({"destination": format!("/etc/{name}"), "type": "bind", "source": folder.join(name), "options": ["rbind", "rprivate", "rw"]});
    ["resolv.conf", "hostname", "hosts"].into_iter().filter(|name| folder.join(name).exists()).map(bind).collect()
}

/// Makes the working directory, as dockerd does before every start, owned by root.
///
/// # Errors
/// Something else is in the way.
pub fn make_directory(root: &Root, path: &str) -> Result<(), Fault> {
    let path = Path::new(path);
    if path.components().count() < 2 {
        return Ok(());
    }
    root.create_dirs(path, 0o755)
        .map(drop)
        .map_err(|error| Fault::bad(format!("Cannot mkdir: {} is not a directory ({error})", path.display())))
}

/// Fills empty volumes with what the image has at their places, and gives them its owner and its mode: without that a program that is not root could not
/// write into a new volume. Once only: what a volume has become since is nobody's but its users'.
///
/// # Errors
/// A file cannot be copied.
pub fn fill_volumes(root: &Root, record: &Record) -> Result<(), Fault> {
    if record.state.started_at.is_some() {
        return Ok(());
    }
    for point in record.mounts.iter().filter(|point| point.kind == "volume" && !point.no_copy) {
        let inner = Path::new(&point.destination);
        let Ok(from) = Folder::within(root, inner) else { continue };
        let target = Path::new(&point.source);
        let to = Folder::open(target)?;
        if !to.names()?.is_empty() {
            continue;
        }
        if !from.names()?.is_empty() {
            copy_tree(&from, target)?;
        }
        dress(&from, &to)?;
    }
    Ok(())
}

/// Gives a folder the owner and the mode of another one.
fn dress(from: &Folder, to: &Folder) -> Result<(), Fault> {
    let itself = OsStr::new(".");
    let Some(status) = from.status(itself)? else { return Ok(()) };
    // A user namespace of one id has nobody else to give it to.
    if !crate::kernel::ids::single() {
        to.set_owner(itself, status.uid, status.gid)?;
    }
    Ok(to.set_mode(itself, status.mode)?)
}

/// Copies a tree as an archive through memory that is bounded by a pipe: packed by one thread, unpacked by the other.
fn copy_tree(from: &Folder, target: &Path) -> Result<(), Fault> {
    use crate::oci::image::pack::{Source, pack};
    use crate::oci::image::unpack::{Options, Owners, Whiteouts, unpack};
    let broken = |error: std::io::Error| Fault::internal(format!("copy the image's files into the volume: {error}"));
    let (reader, writer) = std::io::pipe().map_err(broken)?;
    let root = Root::open(target)?;
    let owners = if crate::kernel::ids::single() { Owners::Us } else { Owners::Archive };
    let options = Options { whiteouts: Whiteouts::Keep, owners, limits: Limits::default() };
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack(from, Source::Tree, writer));
        let unpacked = unpack(reader, &root, options, &|_: &Path| None);
        let packed = packing.join().map_err(|_| Fault::internal("copy the image's files into the volume: the reader ended"))?;
        packed?;
        unpacked?;
        Ok(())
    })
}
