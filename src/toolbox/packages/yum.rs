//! `yum` and `dnf`: CentOS' and Fedora's package managers.

use std::io::Write;

use super::{Family, Manager, VERSION, WHY_MISSING, print_all, split};
use crate::toolbox::failure::Failure;

const USAGE: &str = "usage: yum install|remove|update|list|clean [OPTIONS] [PACKAGE]...\n\nThis is Bottleship's stand-in for yum and dnf: it installs what the toolbox in the image has, and nothing comes from the network. `yum list` shows what there is.\n";

/// Runs `yum` in this root.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    in_root(&Manager::new(Family::Yum), args, out)
}

fn in_root(manager: &Manager, args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let (verb, names, options) = split(args);
    match verb {
        Some("install") => install(manager, &names, out),
        Some("remove" | "erase") => remove(manager, &names, out),
        Some("update" | "upgrade" | "makecache" | "check-update" | "clean") => {
            writeln!(out, "Nothing to do.\nComplete!")?;
            Ok(0)
        }
        Some("list" | "search") => {
            print_all(manager, out)?;
            Ok(0)
        }
        _ => {
            write!(out, "{USAGE}")?;
            Ok(u8::from(!options.iter().any(|option| ["-h", "--help", "--version"].contains(option))))
        }
    }
}

fn install(manager: &Manager, names: &[&str], out: &mut dyn Write) -> Result<u8, Failure> {
    if let Some(missing) = names.iter().find(|name| manager.find(name).is_none()) {
        out.flush()?;
        eprintln!("No match for argument: {missing}\nError: Unable to find a match: {missing}\n({WHY_MISSING})");
        return Ok(1);
    }
    let mut installed = manager.installed();
    let mut new = Vec::new();
    for package in names.iter().filter_map(|name| manager.find(name)) {
        let name = package.names(Family::Yum).next().unwrap_or_default();
        if installed.insert(name.to_owned()) {
            manager.install(package)?;
            new.push(name);
        } else {
            writeln!(out, "Package {name}-{VERSION} is already installed.")?;
        }
    }
    if new.is_empty() {
        writeln!(out, "Nothing to do.")?;
    } else {
        writeln!(out, "Installed:")?;
        new.iter().try_for_each(|name| writeln!(out, "  {name}-{VERSION}"))?;
        manager.note(&installed)?;
    }
    writeln!(out, "Complete!")?;
    Ok(0)
}

fn remove(manager: &Manager, names: &[&str], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut installed = manager.installed();
    let gone: Vec<&&str> = names.iter().filter(|name| installed.remove(**name)).collect();
    if gone.is_empty() {
        writeln!(out, "No packages marked for removal.")?;
    } else {
        writeln!(out, "Removed:")?;
    }
    for name in gone {
        writeln!(out, "  {name}-{VERSION}")?;
        manager.find(name).map_or(Ok(()), |package| manager.remove(package))?;
    }
    manager.note(&installed)?;
    writeln!(out, "Complete!")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::root_for_tests;
    use super::*;

    #[test]
    fn installing_twice_and_removing() {
        let (_place, manager) = root_for_tests(Family::Yum);
        let call = |line: &str| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let mut out = Vec::new();
            let code = in_root(&manager, &args, &mut out).unwrap();
            (code, String::from_utf8(out).unwrap())
        };
        assert_eq!(call("install -y curl"), (0, format!("Installed:\n  curl-{VERSION}\nComplete!\n")));
        assert!(call("install -y curl").1.contains("already installed"));
        assert_eq!(call("remove -y curl"), (0, format!("Removed:\n  curl-{VERSION}\nComplete!\n")));
        assert_eq!(call("install -y nodejs").0, 1);
    }
}
