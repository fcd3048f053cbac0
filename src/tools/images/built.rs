//! `bottleship images build`: what no stand-in can be, built from the machine's packages by our own builder.

use std::path::Path;
use std::process::{Command as Process, ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::machine;
use crate::bottle::scratch::{Scratch, Use};
use crate::catalog::built::{self, Built, File, MACHINE};
use crate::oci::image::spec::Platform;
use crate::oci::image::{Error, Result, Store};
use crate::oci::reference::Reference;
use crate::tools::fail;

/// The sub-command.
pub fn command() -> Command {
    Command::new("build")
        .about("Build an image of the catalog from this machine's packages")
        .after_help(
            "A database or a language is no stand-in's business: the images that `bottleship images course` lists as `built` are built by a Dockerfile of the \
             course. It begins with a small system of this machine's own distribution, of packages that the machine's apt-get fetches; so apt-get, dpkg and \
             the package sources must be there. `--print` shows the Dockerfile and does nothing else.",
        )
        .arg(Arg::new("NAME").required(true).num_args(1..).help("An image that is built: postgres, mariadb, node"))
        .arg(Arg::new("print").long("print").action(ArgAction::SetTrue).help("Print the Dockerfile instead"))
        .arg(Arg::new("no-cache").long("no-cache").action(ArgAction::SetTrue).help("Build every step anew, the base too"))
}

/// Builds what is named, one after the other.
pub fn run(store: &Store, arguments: &ArgMatches) -> ExitCode {
    let names = arguments.get_many::<String>("NAME").into_iter().flatten();
    for name in names {
        let done = one(store, name, arguments.get_flag("print"), arguments.get_flag("no-cache"));
        if let Err(error) = done {
            return fail(&error, error.hint().as_deref());
        }
    }
    ExitCode::SUCCESS
}

fn one(store: &Store, text: &str, print: bool, anew: bool) -> Result<()> {
    let name = text.parse::<Reference>()?.or_latest();
    let built = built::find(&name).ok_or_else(|| unknown(&name))?;
    if print {
        let dockerfile = built.files.iter().find(|(name, _)| *name == "Dockerfile");
        dockerfile.iter().for_each(|(_, text)| print!("{}", String::from_utf8_lossy(text)));
        return Ok(());
    }
    if anew || store.find(MACHINE, &Platform::here()).is_err() {
        let place = folder()?;
        eprintln!("{MACHINE}: a small system of this machine's distribution");
        machine::fill(place.path())?;
        context(place.path(), built::MACHINE_FILES)?;
        build(store, MACHINE, place.path(), anew).map_err(|why| Error::invalid(MACHINE, why))?;
    }
    let place = folder()?;
    context(place.path(), built.files)?;
    build(store, &name.familiar(), place.path(), anew).map_err(|why| Error::invalid(name.familiar(), format!("{why}{}", source(built))))
}

fn folder() -> Result<Scratch> {
    Scratch::new(Use::Build).map_err(|error| Error::reading("make a folder for the build")(std::io::Error::from(error.errno)))
}

/// What may be missing besides the machine's own sources.
fn source(built: &Built) -> String {
    if built.outside.is_empty() { String::new() } else { format!("; its packages come from {}, which must be reachable", built.outside) }
}

fn unknown(name: &Reference) -> Error {
    let what = format!("image `{}`", name.familiar());
    let all: Vec<&str> = built::ALL.iter().map(|one| one.name).collect();
    let list = format!("there are {}", all.join(", "));
    match built::told(name) {
        Some(why) => Error::invalid(what, why),
        None if crate::catalog::find(name).is_some() => {
            Error::invalid(what, "it is made and not built: `bottleship images course` makes it")
        }
        None => Error::invalid(what, format!("the course builds no image of that name; {list}")),
    }
}

fn context(folder: &Path, files: &[File]) -> Result<()> {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).map_err(Error::reading(format!("write `{name}` of the context")))?;
    }
    Ok(())
}

/// As a person would type it, by the same program.
fn build(store: &Store, name: &str, context: &Path, anew: bool) -> std::result::Result<(), String> {
    let mut process = Process::new("/proc/self/exe");
    process.arg("build").arg("--store").arg(store.folder()).args(["-t", name]).args(anew.then_some("--no-cache")).arg(context);
    match process.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the build failed".to_owned()),
        Err(error) => Err(format!("the builder does not start: {error}")),
    }
}
