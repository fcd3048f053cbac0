//! A program of this machine with everything that it needs to start elsewhere: the closure that the chroot lesson finds by hand with ldd(1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::elf::Elf;
use crate::kernel::fs;

/// Where loaders look when neither a program nor `/etc/ld.so.conf` says otherwise, and where distributions keep the rest.
const FOLDERS: [&str; 10] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    "/usr/local/lib64",
];
/// Where programs are looked for.
const PROGRAMS: [&str; 6] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// A program and its libraries.
pub struct Closure {
    /// The program's own bytes.
    pub program: Vec<u8>,
    /// The loader and the libraries: the path that the program looks for, and the bytes. None for a static program.
    pub libraries: BTreeMap<PathBuf, Vec<u8>>,
}

/// The program `name` of this machine with its libraries; `None` if there is none, or a part of it is missing.
pub fn of(name: &str) -> Option<Closure> {
    let path = PROGRAMS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())?;
    let program = fs::read_bytes(&path).ok()?;
    let elf = Elf::read(&program)?;
    let mut closure = Closure { libraries: BTreeMap::new(), program: program.clone() };
    if let Some(loader) = elf.interpreter() {
        closure.libraries.insert(loader.clone(), fs::read_bytes(&loader).ok()?);
    }
    let mut missing = elf.needed();
    let mut seen = BTreeSet::new();
    // A folder relative to the program ($ORIGIN) would lead nowhere in an image.
    let own = elf.run_paths();
    let folders = || own.iter().map(String::as_str).filter(|folder| folder.starts_with('/')).chain(FOLDERS);
    while let Some(name) = missing.pop() {
        if !seen.insert(name.clone()) || closure.libraries.keys().any(|path| path.ends_with(&name)) {
            continue;
        }
        let path = folders().map(|folder| Path::new(folder).join(&name)).find(|path| path.is_file())?;
        let bytes = fs::read_bytes(&path).ok()?;
        missing.extend(Elf::read(&bytes)?.needed());
        closure.libraries.insert(path, bytes);
    }
    Some(closure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_is_what_ldd_lists() {
        let Some(closure) = of("bash") else { return eprintln!("skipped: no bash here") };
        let told = std::process::Command::new("ldd").arg("/bin/bash").output();
        let Ok(told) = told else { return eprintln!("skipped: no ldd here") };
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        for path in closure.libraries.keys() {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(told.contains(name), "{name} is not in {told}");
        }
        // linux-vdso has no file: the kernel maps it.
        let lines = told.lines().filter(|line| line.contains('/')).count();
        assert_eq!(closure.libraries.len(), lines, "{told}");
        assert!(of("no-such-program").is_none());
    }
}
