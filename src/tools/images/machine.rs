//! A small system of this machine's own distribution, as a build context: what debootstrap(8) does, with apt-get and dpkg-deb alone.
//!
//! ```text
//!  apt-get, with lists and a cache of its own and nothing installed ──▶ packages/*.deb
//!  dpkg-deb | tar ──▶ root/: their files, enough to run dpkg in          (the Dockerfile then installs the same packages properly)
//! ```
//!
//! It works for an ordinary user too: whom the files belong to is put right by dpkg in the build.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::oci::image::{Error, Result};

/// What is wanted besides what is essential. Where a distribution has no `usr-is-merged`, it is merged by itself or not at all.
const WANTED: [&str; 4] = ["?essential", "apt", "ca-certificates", "usr-is-merged"];
/// What only people read is not unpacked: as in the images of distributions.
const UNREAD: [&str; 3] = ["usr/share/doc", "usr/share/man", "usr/share/locale"];
/// Whatever a package starts after it was installed is not started while an image is built.
const NOBODY_STARTS: &str = "#!/bin/sh\nexit 101\n";
/// Where the machine's sources and keys are. Not apt's passwords (`auth.conf`): an image would carry them away.
const SOURCES: [&str; 5] =
    ["etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d", "etc/apt/keyrings", "usr/share/keyrings"];

/// Puts `packages/` and `root/` into a folder.
///
/// # Errors
/// This machine has no apt-get and dpkg-deb, its sources do not answer, or a package cannot be unpacked.
pub fn fill(folder: &Path) -> Result<()> {
    for program in ["apt-get", "dpkg-deb", "tar"] {
        if !on_path(program) {
            let why = format!(
                "this machine has no `{program}`: these images are built from Debian's or Ubuntu's packages, and no other distribution's yet. \
                 With `--internet real` a bottle pulls the real images"
            );
            return Err(Error::invalid("packages of this machine", why));
        }
    }
    let apt = folder.join("apt");
    for part in ["apt/lists/partial", "apt/cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(folder.join(part)).map_err(Error::reading("make a folder for packages"))?;
    }
    fs::write(apt.join("status"), "").map_err(Error::reading("write an empty list of packages"))?;
    eprintln!("asking this machine's package sources ...");
    let updated = run(manager(&apt).arg("update"))?;
    if !has_lists(&apt) {
        return Err(unreachable(&updated));
    }
    download(&apt)?;
    lay_out(folder)?;
    fs::remove_dir_all(&apt).map_err(Error::reading("remove what apt-get leaves"))
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// apt-get with a state of its own, in which nothing is installed.
fn manager(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    for (option, value) in [("Dir::State::Lists", "lists"), ("Dir::State::status", "status"), ("Dir::Cache", "cache")] {
        command.arg("-o").arg(format!("{option}={}", apt.join(value).display()));
    }
    // The user that apt takes for downloads could not write here; an ordinary user has no other anyway.
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true", "-o", "APT::Get::AllowUnauthenticated=false"]);
    command.args(["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]);
    command.stdin(Stdio::null()).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command
}

fn run(command: &mut Command) -> Result<Output> {
    let shown = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(Error::reading(format!("run {shown}")))
}

/// Whether a list of packages came: apt-get's exit code is 0 even if no source answered.
fn has_lists(apt: &Path) -> bool {
    let names = fs::read_dir(apt.join("lists")).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_string_lossy().contains("_Packages"))
}

fn unreachable(told: &Output) -> Error {
    let text = String::from_utf8_lossy(&told.stderr).into_owned() + &String::from_utf8_lossy(&told.stdout);
    let first = text.lines().find(|line| line.starts_with("E: ") || line.starts_with("W: ") || line.starts_with("Err:"));
    let said = first.map_or_else(String::new, |line| format!(" (apt-get says: {})", line.trim()));
    let why = format!(
        "no package source of this machine answers{said}. Inside a bottle there is no way out unless it was started with `--internet real`; \
         the labs that want such an image have an equal that does not"
    );
    Error::invalid("packages of this machine", why)
}

fn download(apt: &Path) -> Result<()> {
    eprintln!("fetching packages ...");
    let mut told = None;
    // The last of those wanted is not known everywhere.
    for count in [WANTED.len(), WANTED.len() - 1] {
        let mut command = manager(apt);
        command.args(["-y", "--no-install-recommends", "--download-only", "install"]).args(&WANTED[..count]);
        let output = run(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        told = Some(output);
    }
    let text = told.map(|told| String::from_utf8_lossy(&told.stderr).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("E: ")).collect();
    Err(Error::invalid("packages of this machine", format!("apt-get fetches no base system: {}", lines.join("; "))))
}

/// Moves the packages to their place, and unpacks them over each other.
fn lay_out(folder: &Path) -> Result<()> {
    let at = || Error::reading("lay out the base system");
    let root = folder.join("root");
    for merged in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(merged)).map_err(at())?;
        symlink(format!("usr/{merged}"), root.join(merged)).map_err(at())?;
    }
    for entry in fs::read_dir(folder.join("apt/cache/archives")).map_err(at())? {
        let entry = entry.map_err(at())?;
        if entry.path().extension().is_some_and(|ending| ending == "deb") {
            let package = folder.join("packages").join(entry.file_name());
            fs::rename(entry.path(), &package).map_err(at())?;
            unpack(&package, &root)?;
        }
    }
    for (path, text, mode) in [
        ("usr/sbin/policy-rc.d", NOBODY_STARTS.to_owned(), 0o755),
        ("etc/dpkg/dpkg.cfg.d/unread", UNREAD.iter().map(|path| format!("path-exclude=/{path}/*\n")).collect(), 0o644),
        ("etc/apt/apt.conf.d/unsandboxed", "APT::Sandbox::User \"root\";\n".to_owned(), 0o644),
        ("var/lib/dpkg/status", String::new(), 0o644),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&root)).map_err(at())?;
        fs::write(&path, text).map_err(at())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(at())?;
    }
    SOURCES.iter().try_for_each(|path| copy(&Path::new("/").join(path), &root.join(path)))
}

fn unpack(package: &Path, root: &Path) -> Result<()> {
    let shown = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = || Error::reading(format!("unpack `{shown}`"));
    let mut archive = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn().map_err(at())?;
    let input = archive.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut tar = Command::new("tar");
    tar.args(["-x", "--keep-directory-symlink", "--no-same-owner", "-C"])
        .arg(root)
        .args(UNREAD.iter().map(|path| format!("--exclude=./{path}/*")));
    let unpacked = tar.stdin(input).status().map_err(at())?;
    let read = archive.wait().map_err(at())?;
    if unpacked.success() && read.success() { Ok(()) } else { Err(Error::invalid(format!("package `{shown}`"), "it cannot be unpacked")) }
}

/// A file or a flat folder of files; what is not there or not for us to read is left out.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        let entries = fs::read_dir(from).map_err(Error::reading(format!("read `{}`", from.display())))?;
        return entries
            .flatten()
            .filter(|entry| entry.path().is_file())
            .try_for_each(|entry| copy(&entry.path(), &to.join(entry.file_name())));
    }
    let Ok(content) = fs::read(from) else { return Ok(()) };
    let write = || fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::write(to, content));
    write().map_err(Error::reading(format!("write `{}`", to.display())))
}
