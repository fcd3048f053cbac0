//! `bottleship images`: the image store by itself, without an engine.
//!
//! What an engine does with images can be done here step by step and looked at: take an archive in, see its layers, unpack them, check every digest,
//! throw away what nobody needs. The `docker` command line talks to an engine; this one talks to the folder.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, fail, listing, usual_folder};
use crate::build::cache;
use crate::kernel::folder::Folder;
use crate::oci::image::archive::Limits;
use crate::oci::image::layers::{Layer, lower_folders};
use crate::oci::image::pack::{Source, pack};
use crate::oci::image::save::ToSave;
use crate::oci::image::spec::{ImageConfig, Platform};
use crate::oci::image::{Error, Image, Result, Store};
use crate::oci::reference::Reference;
use crate::ui::units;

mod built;
mod course;
mod machine;
pub mod remote;
pub mod scan;

pub use remote::usual_settings;

/// The image store.
pub const IMAGES: Tool = Tool { command, run };

/// Where the engine of a host keeps its images.
pub const ON_A_HOST: &str = "/var/lib/docker/images";

fn name(help: &'static str) -> Arg {
    Arg::new("IMAGE").required(true).help(help)
}

fn command() -> Command {
    remote::commands(local_commands())
}

fn local_commands() -> Command {
    let input = |help: &'static str| Arg::new("input").short('i').long("input").value_name("FILE").help(help);
    Command::new("images")
        .about("Look at and change a store of images without an engine")
        .subcommand_required(true)
        .arg(
            Arg::new("store")
                .long("store")
                .value_name("FOLDER")
                .global(true)
                .help("The folder of the store [default: in a bottle the engine's, outside one in Bottleship's state]"),
        )
        .arg(Arg::new("platform").long("platform").value_name("OS/ARCH").global(true).help("The platform, where an image is for several"))
        .subcommand(Command::new("ls").about("List the images"))
        .subcommand(Command::new("load").about("Take in the images of an archive").arg(input("The archive, instead of standard input")))
        .subcommand(
            Command::new("save")
                .about("Write images to an archive")
                .arg(Arg::new("output").short('o').long("output").value_name("FILE").help("The archive, instead of standard output"))
                .arg(name("A name or an id").num_args(1..)),
        )
        .subcommand(
            Command::new("import")
                .about("Make an image of the tar of a whole tree")
                .arg(Arg::new("FILE").required(true).help("The tar; `-` is standard input"))
                .arg(Arg::new("NAME").help("Its name")),
        )
        .subcommand(
            Command::new("tag")
                .about("Give an image one more name")
                .arg(name("The image"))
                .arg(Arg::new("NAME").required(true).help("The new name")),
        )
        .subcommand(Command::new("rm").about("Take names away, and with its last name an image").arg(name("A name or an id").num_args(1..)))
        .subcommand(Command::new("layers").about("Unpack an image, and list its layers with their folders").arg(name("The image")))
        .subcommand(
            Command::new("commit")
                .about("Make an image of another one and of the upper folder of an overlay over it")
                .arg(name("The image below"))
                .arg(Arg::new("UPPER").required(true).help("The folder with the changes, as overlayfs (userxattr) left it"))
                .arg(Arg::new("NAME").help("The name of the new image")),
        )
        .subcommand(Command::new("export").about("Write the tar of a whole tree").arg(Arg::new("FOLDER").required(true).help("The tree")))
        .subcommand(
            Command::new("name").about("Show what a name means, in full").arg(Arg::new("NAME").required(true).help("The name of an image")),
        )
        .subcommand(Command::new("df").about("Show what the store takes"))
        .subcommand(course::command())
        .subcommand(built::command())
        .subcommand(scan::command())
        .subcommand(
            Command::new("prune")
                .about("Remove what no image and no build needs")
                .arg(Arg::new("build-cache").long("build-cache").action(ArgAction::SetTrue).help("Forget what was built before, too")),
        )
        .subcommand(Command::new("fsck").about("Compare everything in the store with its digest").arg(
            Arg::new("repair").long("repair").action(ArgAction::SetTrue).help("Remove what is damaged, so that it can be brought in again"),
        ))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let Some((verb, arguments)) = arguments.subcommand() else { return ExitCode::from(2) };
    let folder = arguments.get_one::<String>("store").map_or_else(|| usual_folder(ON_A_HOST, "images"), PathBuf::from);
    let store = match Store::open(&folder) {
        Ok(store) => store,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    if remote::VERBS.contains(&verb) {
        return remote::run(verb, &store, arguments);
    }
    let done = match verb {
        "ls" => list(&store, arguments),
        "load" => load(&store, arguments),
        "save" => save(&store, arguments),
        "import" => import(&store, arguments),
        "tag" => tag(&store, arguments),
        "name" => parts(text(arguments, "NAME")),
        "df" => usage(&store),
        "rm" => remove(&store, arguments),
        "layers" => layers(&store, arguments),
        "commit" => commit(&store, arguments),
        "export" => export(arguments),
        "course" => course::run(&store, arguments),
        "build" => return built::run(&store, arguments),
        "scan" => return scan::run(&store, arguments),
        "prune" => prune(&store, arguments.get_flag("build-cache")),
        _ => return check(&store, arguments.get_flag("repair")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

fn text<'a>(arguments: &'a ArgMatches, name: &str) -> &'a str {
    arguments.get_one::<String>(name).map_or("", String::as_str)
}

fn file(arguments: &ArgMatches, name: &str) -> Option<PathBuf> {
    arguments.get_one::<String>(name).filter(|path| *path != "-").map(PathBuf::from)
}

fn input(path: Option<PathBuf>) -> Result<Box<dyn Read + Send>> {
    match path {
        Some(path) => Ok(Box::new(File::open(&path).map_err(Error::reading(format!("open `{}`", path.display())))?)),
        None => Ok(Box::new(io::stdin())),
    }
}

fn list(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let mut rows = Vec::new();
    for image in store.images(&platform(arguments)?)? {
        let names = if image.is_dangling() { vec!["<none>".to_owned()] } else { image.tags.iter().map(Reference::familiar).collect() };
        let size = units::size(store.image_size(&image.config)?);
        let created = age(image.config.created.as_deref());
        rows.extend(names.into_iter().map(|name| vec![name, image.id().short().to_owned(), created.clone(), size.clone()]));
    }
    listing::print(&["NAME", "ID", "CREATED", "SIZE"], rows);
    Ok(())
}

/// How long ago, by a time as configurations have it.
fn age(created: Option<&str>) -> String {
    let Some(created) = created.and_then(|text| text.parse::<jiff::Timestamp>().ok()) else { return "N/A".to_owned() };
    // An image from the future was made now.
    let seconds = u64::try_from(jiff::Timestamp::now().as_second() - created.as_second()).unwrap_or(0);
    format!("{} ago", units::age(seconds))
}

fn load(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let platform = platform(arguments)?;
    for image in store.load(input(file(arguments, "input"))?, &platform)? {
        // An image for another machine is kept packed.
        if let Ok(image) = store.find(&image.id.to_string(), &platform) {
            unpack(store, &image)?;
        }
        if let Some(moved) = image.moved() {
            println!("{moved}");
        }
        match image.name {
            Some(name) => println!("Loaded image: {}", name.familiar()),
            None => println!("Loaded image ID: {}", image.id),
        }
    }
    Ok(())
}

fn save(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let images = arguments.get_many::<String>("IMAGE").into_iter().flatten().map(|text| {
        let image = store.find(text, &platform(arguments)?)?;
        // Saved by its id it goes without a name.
        let named = text.parse::<Reference>().map(Reference::or_latest).ok().filter(|name| image.tags.contains(name));
        Ok(ToSave { names: named.into_iter().collect(), image })
    });
    let images = images.collect::<Result<Vec<ToSave>>>()?;
    match file(arguments, "output") {
        Some(path) => store.save(&images, File::create(&path).map_err(Error::reading(format!("create `{}`", path.display())))?),
        None => store.save(&images, io::BufWriter::new(io::stdout().lock())),
    }
}

fn import(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let name = arguments.get_one::<String>("NAME").map(|name| name.parse::<Reference>().map(Reference::or_latest)).transpose()?;
    let config = ImageConfig { platform: Platform::here(), created: Some(jiff::Timestamp::now().to_string()), ..ImageConfig::default() };
    let image = store.import(input(file(arguments, "FILE"))?, config)?;
    unpack(store, &image)?;
    if let Some(name) = name {
        store.set_name(&name, &image.target)?;
    }
    println!("{}", image.id());
    Ok(())
}

fn commit(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let name = arguments.get_one::<String>("NAME").map(|name| name.parse::<Reference>().map(Reference::or_latest)).transpose()?;
    let base = store.find(text(arguments, "IMAGE"), &platform(arguments)?)?;
    let upper = text(arguments, "UPPER");
    let folder = Folder::open(Path::new(upper)).map_err(Error::at("read the changes"))?;
    let image = store.commit(&base, &folder, &jiff::Timestamp::now().to_string(), &format!("bottleship images commit {upper}"), "")?;
    unpack(store, &image)?;
    if let Some(name) = name {
        store.set_name(&name, &image.target)?;
    }
    println!("{}", image.id());
    Ok(())
}

fn export(arguments: &ArgMatches) -> Result<()> {
    let folder = Folder::open(Path::new(text(arguments, "FOLDER"))).map_err(Error::at("read the tree"))?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    pack(&folder, Source::Tree, &mut output)?;
    output.flush().map_err(Error::reading("write the archive"))
}

/// The platform that was asked for; else this machine's.
fn platform(arguments: &ArgMatches) -> Result<Platform> {
    match arguments.get_one::<String>("platform") {
        Some(text) => Platform::read(text)
            .ok_or_else(|| Error::invalid(format!("platform `{text}`"), "use os/architecture[/variant], for example linux/arm64")),
        None => Ok(Platform::here()),
    }
}

fn parts(name: &str) -> Result<()> {
    let name = name.parse::<Reference>()?.or_latest();
    println!("registry    {}", name.host());
    println!("repository  {}", name.path());
    name.tag().iter().for_each(|tag| println!("tag         {tag}"));
    name.digest().iter().for_each(|digest| println!("digest      {digest}"));
    println!("in full     {name}");
    Ok(())
}

fn usage(store: &Store) -> Result<()> {
    let usage = store.usage()?;
    println!("blobs   {:>8}  as they were sent, mostly compressed", units::size(usage.blobs));
    println!("layers  {:>8}  {} unpacked", units::size(usage.layers.values().sum()), usage.layers.len());
    Ok(())
}

fn tag(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let name = text(arguments, "NAME").parse::<Reference>()?.or_latest();
    store.set_name(&name, &store.find(text(arguments, "IMAGE"), &platform(arguments)?)?.target)
}

fn remove(store: &Store, arguments: &ArgMatches) -> Result<()> {
    for text in arguments.get_many::<String>("IMAGE").into_iter().flatten() {
        let image = store.find(text, &platform(arguments)?)?;
        let name = text.parse::<Reference>().map(Reference::or_latest).ok().filter(|name| image.tags.contains(name));
        match name {
            Some(name) => {
                store.remove_name(&name)?;
                println!("Untagged: {}", name.familiar());
                forget_if_last(store, &image)?;
            }
            None => {
                store.forget(&image.target.digest)?.iter().for_each(|name| println!("Untagged: {}", name.familiar()));
                println!("Deleted: {}", image.id());
            }
        }
    }
    // What somebody is bringing in keeps everything until the next time.
    store.sweep(&cache::needed(store)).map(drop)
}

/// With its last tag an image goes, whatever digests it is known under.
fn forget_if_last(store: &Store, image: &Image) -> Result<()> {
    let left = store.entries()?.into_iter().filter(|entry| entry.target.digest == image.target.digest);
    if left.filter_map(|entry| entry.name).any(|name| name.tag().is_some()) {
        return Ok(());
    }
    store.forget(&image.target.digest)?;
    println!("Deleted: {}", image.id());
    Ok(())
}

/// Every image is unpacked as soon as it is there, so that it can be run, and so that what breaks a rule is refused at once.
fn unpack(store: &Store, image: &Image) -> Result<Vec<Layer>> {
    store.unpack_image(image, Limits::default(), &mut |_, _| {})
}

fn layers(store: &Store, arguments: &ArgMatches) -> Result<()> {
    let image = store.find(text(arguments, "IMAGE"), &platform(arguments)?)?;
    let layers = unpack(store, &image)?;
    let row = |layer: &Layer| {
        let (entries, size) = (layer.content.entries.to_string(), units::size(layer.content.bytes));
        vec![layer.diff_id.short().to_owned(), layer.chain_id.short().to_owned(), entries, size, layer.diff.display().to_string()]
    };
    listing::print(&["DIFF ID", "CHAIN ID", "ENTRIES", "SIZE", "FOLDER"], layers.iter().map(row).collect());
    let lower: Vec<String> = lower_folders(&layers).iter().map(|folder| folder.display().to_string()).collect();
    println!("lowerdir={}", lower.join(":"));
    Ok(())
}

/// Forgets what was built before, in the store of a host.
pub fn forget_builds(folder: &std::path::Path) -> ExitCode {
    match Store::open(folder).and_then(|store| prune(&store, true)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

fn prune(store: &Store, build_cache: bool) -> Result<()> {
    if build_cache {
        cache::clear(store)?;
    }
    match store.sweep(&cache::needed(store))? {
        Some(swept) => {
            swept.blobs.iter().for_each(|digest| println!("deleted: blob {digest}"));
            swept.layers.iter().for_each(|chain_id| println!("deleted: layer {chain_id}"));
            println!("Total reclaimed space: {}", units::size(swept.bytes));
        }
        None => println!("Somebody is bringing an image in: nothing was removed. Try again when that is done."),
    }
    Ok(())
}

fn check(store: &Store, repair: bool) -> ExitCode {
    let damage = match store.check() {
        Ok(damage) => damage,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    damage.iter().for_each(|one| println!("{one}"));
    if damage.is_empty() {
        println!("Everything is what its digest says.");
        return ExitCode::SUCCESS;
    }
    if !repair {
        eprintln!("hint: `bottleship images fsck --repair` removes what is damaged; then bring it in again");
    } else if let Err(error) = store.repair(&damage) {
        return fail(&error, error.hint().as_deref());
    }
    // Repaired or not: whoever asked is told by the code that there was damage.
    ExitCode::FAILURE
}
