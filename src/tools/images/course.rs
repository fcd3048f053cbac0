//! `bottleship images course`: the catalog of course images, and making them without a registry in between.

use clap::{Arg, ArgMatches, Command};

use super::listing;
use crate::catalog::{self, Recipe};
use crate::oci::image::spec::Platform;
use crate::oci::image::{Error, Result, Store};
use crate::oci::reference::Reference;

/// The sub-command.
pub fn command() -> Command {
    Command::new("course")
        .about("List the images that are built in, or make one")
        .after_help(
            "A course image is made of this program and of this machine's BusyBox and bash; it needs nothing from anywhere. The list says how \
             faithful each is: `real` is the program itself, `stand-in` another one that behaves at its surface as the real one does, `sample` a \
             program of the course, `built` is not made here but built from packages.",
        )
        .arg(Arg::new("NAME").num_args(0..).help("An image to make, with its tag: alpine:3.19.1"))
}

/// Lists the catalog, or makes what is named.
///
/// # Errors
/// The catalog has no such image, or it cannot be made.
pub fn run(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let names: Vec<&String> = arguments.get_many("NAME").into_iter().flatten().collect();
    if names.is_empty() {
        list();
    }
    names.iter().try_for_each(|name| make(store, name))
}

fn list() {
    let row = |recipe: &Recipe| vec![recipe.name.to_owned(), recipe.fidelity.name().to_owned(), recipe.tags.join(" ")];
    listing::print(&["NAME", "FIDELITY", "TAGS"], catalog::recipes().map(row).collect());
}

fn make(store: &Store, text: &str) -> Result<()> {
    let name = text.parse::<Reference>()?.or_latest();
    let _lease = store.lease()?;
    let target = catalog::image(store, &name)?.ok_or_else(|| unknown(&name))?;
    store.set_name(&name, &target)?;
    super::unpack(store, &store.read_image(&target, &Platform::here())?)?;
    println!("{}", name.familiar());
    Ok(())
}

/// Why there is no such image, and what there is.
fn unknown(name: &Reference) -> Error {
    let what = format!("course image `{}`", name.familiar());
    if let Some(why) = catalog::built::told(name) {
        return Error::invalid(what, why);
    }
    let known: Vec<&Recipe> = catalog::named(name).collect();
    match known.first() {
        Some(recipe) => Error::invalid(what, format!("there is no such tag; there are {}", recipe.tags.join(", "))),
        None => Error::invalid(what, "the catalog has no such name; `bottleship images course` lists it"),
    }
}
