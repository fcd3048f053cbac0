//! `apt-get` and `apt`: Debian's and Ubuntu's package managers.

use std::io::Write;

use super::{Family, Manager, Package, VERSION, WHY_MISSING, print_all, split};
use crate::toolbox::failure::Failure;

const USAGE: &str = "usage: apt-get update|install|remove|purge|upgrade|clean|autoremove [OPTIONS] [PACKAGE]...\n\nThis is Bottleship's stand-in for apt: it installs what the toolbox in the image has, and nothing comes from the network. `apt list` shows what there is.\n";
/// The list of packages, which an image lacks until `update` made it.
const LIST: &str = "var/lib/apt/lists/toolbox_Packages";

/// Runs `apt-get` in this root.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    in_root(&Manager::new(Family::Apt), args, out)
}

fn in_root(manager: &Manager, args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let (verb, names, options) = split(args);
    let quiet = options.iter().any(|option| option.starts_with("-q") || *option == "--quiet");
    match verb {
        Some("update") => update(manager, out),
        Some("install") => install(manager, &names, quiet, out),
        Some("remove" | "purge") => remove(manager, &names, out),
        Some("upgrade" | "dist-upgrade" | "full-upgrade" | "autoremove") => {
            writeln!(out, "Reading package lists... Done\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")?;
            Ok(0)
        }
        Some("clean" | "autoclean") => Ok(0),
        Some("list" | "search") => {
            print_all(manager, out)?;
            Ok(0)
        }
        _ => {
            write!(out, "{USAGE}")?;
            Ok(if options.iter().any(|option| ["-h", "--help", "-v", "--version"].contains(option)) { 0 } else { 100 })
        }
    }
}

fn update(manager: &Manager, out: &mut dyn Write) -> Result<u8, Failure> {
    let list = manager.at(LIST);
    if let Some(folder) = list.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let entry = |(name, package): (&str, &Package)| format!("Package: {name}\nVersion: {VERSION}\nDescription: {}\n\n", package.about);
    std::fs::write(&list, manager.all().map(entry).collect::<String>())?;
    writeln!(out, "Hit:1 the toolbox of this course image (a stand-in: nothing is fetched)\nReading package lists... Done")?;
    Ok(0)
}

fn install(manager: &Manager, names: &[&str], quiet: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    if !quiet {
        writeln!(out, "Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done")?;
    }
    // As with the real one: an image has no list of packages until somebody fetched it.
    let listed = manager.at(LIST).exists();
    if let Some(missing) = names.iter().find(|name| !listed || manager.find(name).is_none()) {
        out.flush()?;
        let why = if listed { WHY_MISSING } else { "run `apt-get update` first: images are made without the lists of packages" };
        eprintln!("E: Unable to locate package {missing}\n({why})");
        return Ok(100);
    }
    let mut installed = manager.installed();
    let mut new = Vec::new();
    for package in names.iter().filter_map(|name| manager.find(name)) {
        let name = package.names(Family::Apt).next().unwrap_or_default();
        if installed.insert(name.to_owned()) {
            new.push((name, package));
        } else {
            writeln!(out, "{name} is already the newest version ({VERSION}).")?;
        }
    }
    if !new.is_empty() {
        let shown: Vec<&str> = new.iter().map(|(name, _)| *name).collect();
        writeln!(out, "The following NEW packages will be installed:\n  {}", shown.join(" "))?;
    }
    writeln!(out, "0 upgraded, {} newly installed, 0 to remove and 0 not upgraded.", new.len())?;
    for (name, package) in new {
        writeln!(out, "Setting up {name} ({VERSION}) ...")?;
        manager.install(package)?;
    }
    manager.note(&installed)?;
    Ok(0)
}

fn remove(manager: &Manager, names: &[&str], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut installed = manager.installed();
    let mut count = 0;
    for name in names {
        if installed.remove(*name) {
            writeln!(out, "Removing {name} ({VERSION}) ...")?;
            manager.find(name).map_or(Ok(()), |package| manager.remove(package))?;
            count += 1;
        } else {
            writeln!(out, "Package '{name}' is not installed, so not removed")?;
        }
    }
    manager.note(&installed)?;
    writeln!(out, "0 upgraded, 0 newly installed, {count} to remove and 0 not upgraded.")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::root_for_tests;
    use super::*;

    fn call(manager: &Manager, line: &str) -> (u8, String) {
        let mut out = Vec::new();
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let code = in_root(manager, &args, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn nothing_is_located_before_an_update() {
        let (_place, manager) = root_for_tests(Family::Apt);
        assert_eq!(call(&manager, "install -y procps").0, 100);
        assert_eq!(call(&manager, "update").0, 0);
        let (code, told) = call(&manager, "install -y --no-install-recommends procps curl");
        assert_eq!(code, 0);
        assert!(
            told.contains("will be installed:\n  procps curl\n") && told.contains(&format!("Setting up curl ({VERSION}) ...")),
            "{told}"
        );
        assert!(manager.at("bin/ps").symlink_metadata().is_ok());
        assert!(call(&manager, "install -y curl").1.contains("curl is already the newest version"));
        assert_eq!(call(&manager, "remove -y curl").0, 0);
        assert_eq!(manager.installed().into_iter().collect::<Vec<_>>(), ["procps"]);
        assert_eq!(call(&manager, "install -y debootstrap").0, 100);
    }
}
