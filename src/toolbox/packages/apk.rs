//! `apk`: Alpine's package manager.

use std::io::Write;

use super::{Family, Manager, VERSION, WHY_MISSING, print_all, split};
use crate::toolbox::failure::Failure;

const USAGE: &str = "usage: apk add|del|info|list|search|update|upgrade [OPTIONS] [PACKAGE]...\n\nThis is Bottleship's stand-in for apk-tools: it installs what the toolbox in the image has, and nothing comes from the network. `apk list` shows what there is.\n";

/// Runs `apk` in this root.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    in_root(&Manager::new(Family::Apk), args, out)
}

fn in_root(manager: &Manager, args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let (verb, names, options) = split(args);
    if options.contains(&"--version") || options.contains(&"-V") {
        writeln!(out, "apk stand-in of Bottleship {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    match verb {
        Some("add") => add(manager, &without_virtual(args, &names), out),
        Some("del") => delete(manager, &names, out),
        Some("info") => {
            manager.installed().iter().try_for_each(|name| writeln!(out, "{name}"))?;
            Ok(0)
        }
        Some("list" | "search") => {
            print_all(manager, out)?;
            Ok(0)
        }
        Some("update" | "upgrade" | "fix" | "cache") => {
            writeln!(out, "OK: {} distinct packages available, all in the toolbox", manager.all().count())?;
            Ok(0)
        }
        _ => {
            write!(out, "{USAGE}")?;
            Ok(u8::from(verb.is_some() || !options.iter().any(|option| ["-h", "--help"].contains(option))))
        }
    }
}

/// `--virtual NAME` and `-t NAME` name a group of packages: a group is no package.
fn without_virtual<'a>(args: &[String], names: &[&'a str]) -> Vec<&'a str> {
    let after = |option: &str| args.iter().position(|arg| arg == option).and_then(|at| args.get(at + 1)).cloned();
    let groups = [after("--virtual"), after("-t")];
    names.iter().copied().filter(|name| !groups.iter().flatten().any(|group| group == name)).collect()
}

fn add(manager: &Manager, names: &[&str], out: &mut dyn Write) -> Result<u8, Failure> {
    let missing: Vec<&&str> = names.iter().filter(|name| manager.find(name).is_none()).collect();
    if !missing.is_empty() {
        let lines: String = missing.iter().map(|name| format!("\n  {name} (no such package):\n    required by: world[{name}]")).collect();
        out.flush()?;
        return Err(Failure::new(missing.len().min(99) as u8, format_args!("ERROR: unable to select packages:{lines}\n({WHY_MISSING})")));
    }
    let mut installed = manager.installed();
    let new: Vec<_> = names
        .iter()
        .filter_map(|name| manager.find(name))
        .filter_map(|package| Some((package.names(Family::Apk).next()?, package)))
        .filter(|(name, _)| !installed.contains(*name))
        .collect();
    for (number, (name, package)) in new.iter().enumerate() {
        if installed.insert((*name).to_owned()) {
            writeln!(out, "({}/{}) Installing {name} ({VERSION})", number + 1, new.len())?;
            manager.install(package)?;
        }
    }
    manager.note(&installed)?;
    writeln!(out, "OK: {} packages of the toolbox", installed.len())?;
    Ok(0)
}

fn delete(manager: &Manager, names: &[&str], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut installed = manager.installed();
    let gone: Vec<&&str> = names.iter().filter(|name| installed.contains(**name)).collect();
    for (number, name) in gone.iter().enumerate() {
        installed.remove(**name);
        writeln!(out, "({}/{}) Purging {name} ({VERSION})", number + 1, gone.len())?;
        manager.find(name).map_or(Ok(()), |package| manager.remove(package))?;
    }
    manager.note(&installed)?;
    writeln!(out, "OK: {} packages of the toolbox", installed.len())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::root_for_tests;
    use super::*;

    fn call(manager: &Manager, line: &str) -> (Result<u8, Failure>, String) {
        let mut out = Vec::new();
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let done = in_root(manager, &args, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn packages_come_and_go() {
        let (_place, manager) = root_for_tests(Family::Apk);
        let (done, told) = call(&manager, "add --no-cache --update curl bash");
        assert_eq!(done, Ok(0));
        assert_eq!(told, format!("(1/2) Installing curl ({VERSION})\n(2/2) Installing bash ({VERSION})\nOK: 2 packages of the toolbox\n"));
        assert_eq!(std::fs::read_link(manager.at("usr/bin/curl")).unwrap().to_str(), Some("/usr/lib/bottleship/toolbox"));
        assert!(manager.at("lib64/ld.so").symlink_metadata().is_ok(), "bash finds its loader");
        assert_eq!(call(&manager, "info").1, "bash\ncurl\n");
        assert_eq!(call(&manager, "add curl").1, "OK: 2 packages of the toolbox\n");
        assert_eq!(call(&manager, "del curl").1, format!("(1/1) Purging curl ({VERSION})\nOK: 1 packages of the toolbox\n"));
        assert!(manager.at("usr/bin/curl").symlink_metadata().is_err());
    }

    #[test]
    fn what_the_toolbox_has_not_is_refused_and_nothing_is_installed() {
        let (_place, manager) = root_for_tests(Family::Apk);
        let (done, _) = call(&manager, "add curl nodejs");
        let failure = done.unwrap_err();
        assert!(
            failure.message.starts_with("ERROR: unable to select packages:\n  nodejs (no such package):\n    required by: world[nodejs]")
        );
        assert!(manager.installed().is_empty() && manager.at("usr/bin/curl").symlink_metadata().is_err());
        assert_eq!(call(&manager, "add --virtual .build curl").0, Ok(0), "a group is no package");
        assert_eq!(call(&manager, "frobnicate").0, Ok(1));
    }
}
