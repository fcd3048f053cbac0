//! `apk`, `apt-get`, `yum` and `dnf` of the course images: they install from the toolbox that is in every image, and from nowhere else.
//!
//! A package is a name and a few links to programs of the toolbox. What the managers print and how they fail has the shape that people know, so that
//! Dockerfiles and lessons work; where something is printed about a source, it says that the source is the toolbox. A package that the
//! toolbox does not have is an error as a package that does not exist, and the hint says why.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::failure::Failure;

mod apk;
mod apt;
mod list;
mod yum;

pub use apk::run as apk;
pub use apt::run as apt;
pub use yum::run as yum;

/// The version that all packages of the toolbox have.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-bottleship");
/// Where the toolbox lies in an image.
const TOOLBOX: &str = "/usr/lib/bottleship";

/// Who installs, which decides how packages are called and where it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Apk,
    Apt,
    Yum,
}

/// A package: its names for each family, and the links that it is.
struct Package {
    /// Alpine's name; empty if Alpine has it in its base or has none.
    apk: &'static str,
    /// Debian's and Ubuntu's.
    apt: &'static str,
    /// Fedora's and CentOS'.
    yum: &'static str,
    /// What it is for.
    about: &'static str,
    /// The programs, and whether BusyBox is each of them (else this program is).
    programs: &'static [Program],
}

/// A path in the image, and the file of the toolbox behind it.
type Program = (&'static str, &'static str);

impl Package {
    /// The names in a family; the first is what it is called.
    fn names(&self, family: Family) -> impl Iterator<Item = &'static str> {
        let names = match family {
            Family::Apk => self.apk,
            Family::Apt => self.apt,
            Family::Yum => self.yum,
        };
        names.split_whitespace()
    }
}

/// What one run of a manager works on.
struct Manager {
    root: PathBuf,
    family: Family,
}

impl Manager {
    fn new(family: Family) -> Self {
        Manager { root: PathBuf::from("/"), family }
    }

    /// A path of the image below our root.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The package of that name, without a version that was asked for with it: there is one only.
    fn find(&self, asked: &str) -> Option<&'static Package> {
        let name = asked.split(['=', '<', '>', '~', '@']).next().unwrap_or(asked);
        list::PACKAGES.iter().find(|package| package.names(self.family).any(|own| own == name))
    }

    /// Those of the family, by the first of their names.
    fn all(&self) -> impl Iterator<Item = (&'static str, &'static Package)> {
        let family = self.family;
        list::PACKAGES.iter().filter_map(move |package| Some((package.names(family).next()?, package)))
    }

    fn database(&self) -> PathBuf {
        self.at(match self.family {
            Family::Apk => "lib/apk/db/installed",
            Family::Apt => "var/lib/dpkg/status",
            Family::Yum => "var/lib/rpm/installed",
        })
    }

    fn field(&self) -> &'static str {
        if self.family == Family::Apt { "Package: " } else { "P:" }
    }

    /// The names that are installed.
    fn installed(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.database()).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix(self.field())).map(str::to_owned).collect()
    }

    fn note(&self, installed: &BTreeSet<String>) -> Result<(), Failure> {
        let entry = |name: &String| match self.family {
            Family::Apt => format!("Package: {name}\nStatus: install ok installed\nVersion: {VERSION}\n\n"),
            _ => format!("P:{name}\nV:{VERSION}\n\n"),
        };
        let path = self.database();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(&path, installed.iter().map(entry).collect::<String>())?)
    }

    /// Makes the links of a package. A file that is there already stays: it is better than ours.
    fn install(&self, package: &Package) -> Result<(), Failure> {
        for (path, program) in package.programs {
            self.link(path, &format!("{TOOLBOX}/{program}"))?;
        }
        if package.programs.iter().any(|(_, program)| *program == "bash") {
            self.link_libraries()?;
        }
        Ok(())
    }

    /// bash is the machine's own: its loader and libraries are where it looks for them only if somebody puts them there.
    fn link_libraries(&self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(self.at(&format!("{TOOLBOX}/libraries"))).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once('\t')).try_for_each(|(path, file)| self.link(path, file))
    }

    fn link(&self, path: &str, target: &str) -> Result<(), Failure> {
        let at = self.at(path);
        if at.symlink_metadata().is_ok() {
            return Ok(());
        }
        if let Some(folder) = at.parent() {
            std::fs::create_dir_all(folder)?;
        }
        symlink(target, &at).map_err(|error| Failure::new(1, format_args!("{}: {}", at.display(), super::failure::reason(&error))))
    }

    /// Removes the links of a package that lead to the toolbox.
    fn remove(&self, package: &Package) -> Result<(), Failure> {
        for (path, _) in package.programs {
            let at = self.at(path);
            if std::fs::read_link(&at).is_ok_and(|target| target.starts_with(TOOLBOX)) {
                std::fs::remove_file(&at)?;
            }
        }
        Ok(())
    }
}

/// Why a package is missing that the real distribution has.
const WHY_MISSING: &str =
    "this package manager is Bottleship's stand-in: it has what the toolbox in the image has, and nothing comes from the network";

/// Prints the packages of a manager.
fn print_all(manager: &Manager, out: &mut dyn Write) -> Result<(), Failure> {
    let installed = manager.installed();
    for (name, package) in manager.all() {
        let mark = if installed.contains(name) { " [installed]" } else { "" };
        writeln!(out, "{name}-{VERSION} {}{mark}", package.about)?;
    }
    Ok(())
}

/// Splits a command line into its verb and the rest; options are dropped but for those that are asked for later.
fn split(args: &[String]) -> (Option<&str>, Vec<&str>, Vec<&str>) {
    let (options, words): (Vec<&str>, Vec<&str>) = args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    (words.first().copied(), words.iter().skip(1).copied().collect(), options)
}

/// A root for tests, with a toolbox of empty files.
#[cfg(test)]
fn root_for_tests(family: Family) -> (tempfile::TempDir, Manager) {
    let place = tempfile::tempdir().unwrap();
    let manager = Manager { root: place.path().to_owned(), family };
    std::fs::create_dir_all(manager.at(TOOLBOX)).unwrap();
    std::fs::write(manager.at(&format!("{TOOLBOX}/libraries")), "/lib64/ld.so\t/usr/lib/bottleship/lib/ld.so\n").unwrap();
    (place, manager)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_by_the_name_of_its_family_only() {
        let of = |family, name: &str| Manager::new(family).find(name).is_some();
        assert!(of(Family::Apk, "iputils") && !of(Family::Apk, "bind-utils"));
        assert!(of(Family::Apt, "iputils-ping") && !of(Family::Apt, "bind-tools"));
        assert!(of(Family::Yum, "procps-ng") && !of(Family::Yum, "su-exec"));
        assert!(of(Family::Apk, "curl=8.5.0-r0") && of(Family::Apt, "curl=7.88.1-10+deb12u5"));
    }

    #[test]
    fn what_the_image_has_already_is_left_alone() {
        let (_place, manager) = root_for_tests(Family::Apt);
        std::fs::create_dir_all(manager.at("usr/bin")).unwrap();
        std::fs::write(manager.at("usr/bin/jq"), "their own").unwrap();
        let jq = manager.find("jq").unwrap();
        manager.install(jq).unwrap();
        manager.remove(jq).unwrap();
        assert_eq!(std::fs::read_to_string(manager.at("usr/bin/jq")).unwrap(), "their own");
    }
}
