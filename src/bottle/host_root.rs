//! The root of a host: the machine's files under an overlay, and everything that must be the host's own.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::ceiling::Hierarchy;
use super::protocol::{HostPlan, layer, place};
use super::world::{Layer, Layout, World};
use super::{Error, init, seed};
use crate::kernel::error::Errno;
use crate::kernel::folder::Folder;
use crate::kernel::mount::MsFlags;
use crate::kernel::root::Root;
use crate::kernel::{self, fs, inode, mount, reaper};

/// What the machine's `docker` finds as its plugins.
const PLUGINS: [&str; 4] = ["docker-buildx", "docker-compose", "docker-scan", "docker-scout"];
/// Programs of ours that come before the machine's: those of systemd are of no use where systemd is not PID 1, and Debian's docker-compose
/// (1.29, of 2021) cannot recreate a container on any engine that has today's API.
const FIRST: [&str; 4] = ["docker-compose", "journalctl", "service", "systemctl"];

const NO_DANGER: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Builds the root of a host in the small world of PID 1 and makes it the root of the calling process. Gives what it had to do without.
///
/// # Errors
/// A mount was refused.
pub fn build(world: &World, plan: &HostPlan) -> Result<Vec<String>, Error> {
    let doing = |what: &str| Error::at(format!("{what} of the host `{}`", plan.name));
    let mut notes = Vec::new();
    files(world, plan, &mut notes)?;
    reaper::change_dir(Path::new(place::ROOT)).map_err(doing("enter the root"))?;
    own_folders(plan).map_err(doing("bind the own folders"))?;
    devices(world).map_err(doing("fill /dev"))?;
    kernel_views().map_err(doing("mount /proc and /sys"))?;
    control_groups(&world.hierarchies.list, &mut notes).map_err(doing("mount the cgroups"))?;
    run_folder(world).map_err(doing("fill /run"))?;
    share(world)?;
    identity(plan).map_err(doing("write the name and the addresses"))?;
    mount::pivot_root_here().map_err(doing("change to the root"))?;
    reaper::change_dir(Path::new("/")).map_err(doing("enter the root"))?;
    notes.extend(plan.authority.iter().flat_map(super::hub::Authority::install));
    Ok(notes)
}

/// The machine's files, each file system below an upper layer of the host's own.
fn files(world: &World, plan: &HostPlan, notes: &mut Vec<String>) -> Result<(), Error> {
    let state = Path::new(place::STATE).join(&plan.name);
    if world.layout == Layout::Folders {
        let frame = state.join(seed::DISK).join("frame");
        mount::bind(&frame, Path::new(place::ROOT), false).map_err(Error::at(format!("bind the root folder of `{}`", plan.name)))?;
    }
    for (number, one) in world.layers.iter().enumerate() {
        let target = PathBuf::from(format!("{}{}", place::ROOT, one.path.display()));
        if one.copied {
            let copy = state.join(seed::UPPER).join(one.key());
            mount::bind(&copy, &target, false).map_err(Error::at(format!("show the copy of `{}`", one.path.display())))?;
            notes.push(format!("`{}` is a copy: the machine has mounts in it", one.path.display()));
            continue;
        }
        match overlay(&state, number, one, &target) {
            Ok(()) => {}
            // Mounts below it that came from the machine are locked together with it: it can be shown, but not be written over.
            Err(error) if world.layout == Layout::Folders => {
                mount::bind(&layer(number), &target, true).map_err(Error::at(format!("show `{}`", one.path.display())))?;
                notes.push(format!("`{}` can be read only: {error}", one.path.display()));
            }
            Err(error) if one.path == Path::new("/") => {
                return Err(Error::Kernel { doing: "lay an overlay over the machine's files".to_owned(), source: error });
            }
            Err(error) => notes.push(format!("`{}` of the machine is not shown: {error}", one.path.display())),
        }
    }
    Ok(())
}

fn overlay(state: &Path, number: usize, one: &Layer, target: &Path) -> kernel::Result<()> {
    let (upper, work) = (state.join(seed::UPPER).join(one.key()), state.join(seed::WORK).join(one.key()));
    let data = format!("lowerdir={},upperdir={},workdir={},userxattr", layer(number).display(), upper.display(), work.display());
    mount::mount("overlay", target, "overlay", MsFlags::empty(), Some(&data))
}

/// Folders on the disk of the state and not on the overlay, because an overlay cannot be the upper layer of another: engines and learners
/// make overlays of their own there.
fn own_folders(plan: &HostPlan) -> kernel::Result<()> {
    let disk = Path::new(place::STATE).join(&plan.name).join(seed::DISK);
    let root = Root::open(Path::new("."))?;
    for (name, target) in seed::DISK_FOLDERS.iter().map(|folder| (folder.name, folder.target)) {
        let target = Path::new(target);
        let handle = root.create_dirs(target, 0o755)?;
        let tree = mount::clone_tree(&disk.join(name), false)?;
        mount::attach(tree.as_fd(), handle.as_fd(), target)?;
    }
    Ok(())
}

fn devices(world: &World) -> kernel::Result<()> {
    mount::mount("tmpfs", Path::new("dev"), "tmpfs", MsFlags::MS_NOSUID, Some("mode=0755,size=64k"))?;
    for folder in ["dev/pts", "dev/shm", "dev/mqueue", "dev/net"] {
        fs::create_dir_all(Path::new(folder), 0o755)?;
    }
    for device in init::DEVICES {
        let source = Path::new("/dev").join(device);
        if source.exists() {
            let target = Path::new("dev").join(device);
            touch(&target)?;
            mount::bind(&source, &target, false)?;
        }
    }
    // Group 5 is tty; with a single id there is no such group.
    let options = if world.ids.single() { "newinstance,ptmxmode=0666,mode=620" } else { "newinstance,ptmxmode=0666,mode=620,gid=5" };
    mount::mount("devpts", Path::new("dev/pts"), "devpts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(options))?;
    mount::mount("tmpfs", Path::new("dev/shm"), "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=1777"))?;
    mount::mount("mqueue", Path::new("dev/mqueue"), "mqueue", NO_DANGER, None)?;
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    links.iter().try_for_each(|(target, name)| inode::link(target, &Path::new("dev").join(name)))
}

/// `/proc` and `/sys`, and both once more where nothing is ever mounted over them. In a user namespace the kernel allows a new sysfs or proc only
/// to somebody who sees a whole one, and `ip netns exec` takes `/sys` away before it mounts its own.
fn kernel_views() -> kernel::Result<()> {
    for (folder, kind) in [("proc", "proc"), ("sys", "sysfs")] {
        mount::mount(kind, Path::new(folder), kind, NO_DANGER, None)?;
        let whole = Path::new("dev/.bottleship").join(folder);
        fs::create_dir_all(&whole, 0o755)?;
        mount::mount(kind, &whole, kind, NO_DANGER, None)?;
    }
    Ok(())
}

/// The cgroup mounts in the machine's own shape, rooted at the host by its cgroup namespace. A hierarchy in which the bottle has no place would show
/// the machine's own groups: it is left out.
fn control_groups(hierarchies: &[Hierarchy], notes: &mut Vec<String>) -> kernel::Result<()> {
    let top = Path::new("/sys/fs/cgroup");
    let here = Path::new("sys/fs/cgroup");
    let mut shown: Vec<&Hierarchy> = hierarchies.iter().filter(|one| one.place.is_some() && one.mount.starts_with(top)).collect();
    shown.sort_by_key(|one| one.mount.clone());
    if shown.is_empty() || !here.is_dir() {
        return Ok(());
    }
    if shown[0].mount != top {
        mount::mount("tmpfs", here, "tmpfs", NO_DANGER, Some("mode=0755,size=64k"))?;
    }
    for one in &shown {
        let target = here.join(one.mount.strip_prefix(top).unwrap_or(Path::new("")));
        fs::create_dir_all(&target, 0o755)?;
        let fstype = if one.v2 { "cgroup2" } else { "cgroup" };
        let data = (!one.controllers.is_empty()).then_some(one.controllers.as_str());
        if let Err(error) = mount::mount("cgroup", &target, fstype, NO_DANGER, data) {
            notes.push(format!("the cgroup hierarchy `{}` is not there: {error}", one.mount.display()));
        }
        // `cpu,cpuacct` is reached as `cpu` and as `cpuacct` too.
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.contains(',') {
            for part in name.split(',') {
                inode::link(&name, &here.join(part))?;
            }
        }
    }
    Ok(())
}

/// `/run`: empty but for our own folder, with this program (read-only) and a link to it for every name that it answers to.
fn run_folder(world: &World) -> kernel::Result<()> {
    mount::mount("tmpfs", Path::new("run"), "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755"))?;
    let own = Path::new(place::IN_HOST.trim_start_matches('/'));
    for folder in ["bin", "sbin", "tools"] {
        fs::create_dir_all(&own.join(folder), 0o755)?;
    }
    fs::create_dir_all(Path::new("run/lock"), 0o1777)?;
    let program = own.join("bin/bottleship");
    touch(&program)?;
    let tree = mount::clone_tree(Path::new(place::PROGRAM), false)?;
    // Nobody in the bottle can write to the program that runs outside too (CVE-2019-5736).
    mount::set_attributes(tree.as_fd(), mount::READ_ONLY | mount::NO_SETUID, 0, false)?;
    mount::attach(tree.as_fd(), kernel::root::open_path(&program)?.as_fd(), &program)?;
    for name in world.applets.iter().map(String::as_str).chain(["bottleship"]) {
        inode::link("../bin/bottleship", &own.join("tools").join(name))?;
    }
    match plugins() {
        // A folder of the machine's that is nobody's here (an ordinary user's bottle without id maps): `docker build` is then the classic one.
        Err(error) if matches!(error.errno, Errno::EACCES | Errno::EPERM | Errno::EROFS) => {}
        done => done?,
    }
    for name in FIRST {
        inode::link("../bin/bottleship", &own.join("sbin").join(name))?;
    }
    journal_socket(&own.join("journal.sock"))
}

/// The machine's `docker` looks for its plugins here before it looks where the machine has them: `docker build` reaches our builder.
fn plugins() -> kernel::Result<()> {
    let folder = Root::open(Path::new("."))?.create_dirs(Path::new("usr/local/lib/docker/cli-plugins"), 0o755)?;
    let folder = Folder::from_fd(folder);
    for name in PLUGINS.map(std::ffi::OsStr::new) {
        if folder.status(name)?.is_some() {
            folder.remove(name)?;
        }
        folder.make_link(name, format!("{}/bin/bottleship", place::IN_HOST).as_ref())?;
    }
    Ok(())
}

/// The recorder's socket, where the keeper has left it in the state.
fn journal_socket(target: &Path) -> kernel::Result<()> {
    let source = Path::new(place::STATE).join(seed::JOURNAL_SOCKET);
    if !source.exists() {
        return Ok(());
    }
    touch(target)?;
    mount::bind(&source, target, false)
}

fn share(world: &World) -> Result<(), Error> {
    let Some(path) = &world.spec.share else { return Ok(()) };
    let doing = || format!("share `{}`", path.display());
    let root = Root::open(Path::new(".")).map_err(Error::at(doing()))?;
    let handle = root.create_dirs(path, 0o755).map_err(Error::at(doing()))?;
    let tree = mount::clone_tree(Path::new(place::SHARE), false).map_err(Error::at(doing()))?;
    mount::attach(tree.as_fd(), handle.as_fd(), path).map_err(Error::at(doing()))
}

/// `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf`. The last is often a link into `/run`, so each is replaced and not written through.
fn identity(plan: &HostPlan) -> kernel::Result<()> {
    let name = format!("{}\n", plan.name);
    for (file, text) in [("hostname", &name), ("hosts", &plan.hosts_file), ("resolv.conf", &plan.resolv_conf)] {
        let path = Path::new("etc").join(file);
        // Mostly the machine has it; where it cannot go, the write below says so.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, text).map_err(|error| kernel::Error::from_io("write", path.display(), &error))?;
    }
    Ok(())
}

fn touch(path: &Path) -> kernel::Result<()> {
    File::create(path).map(drop).map_err(|error| kernel::Error::from_io("create", path.display(), &error))
}
