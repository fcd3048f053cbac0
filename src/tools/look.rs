//! `bottleship look`: answers a question of the course about images, registries, containers, volumes, networks and logs. It runs on the host that the question is about and changes nothing.
//!
//! The question and the answer are JSON; what could not be looked at is `{"error": ...}`, never an empty answer.

pub(super) mod containers;
pub(super) mod images;
mod layers;
mod logs;
pub(super) mod names;
mod registry;

use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::Tool;
use crate::course::question::Question;
use crate::oci::image::Store;

/// The look.
pub const LOOK: Tool = Tool { command, run };

/// Where the engine of a host keeps its images.
const STORE: &str = "/var/lib/docker/images";

fn command() -> Command {
    Command::new("look")
        .about("Answer a question of the course about images, registries and containers")
        .hide(true)
        .arg(Arg::new("store").long("store").value_name("FOLDER").default_value(STORE).help("The store of images"))
        .arg(Arg::new("QUESTION").required(true).help("The question, in JSON"))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let text = |name: &str| arguments.get_one::<String>(name).map_or("", String::as_str);
    let answered = serde_json::from_str(text("QUESTION"))
        .map_err(|error| format!("the question cannot be read: {error}"))
        .and_then(|question| answer(Path::new(text("store")), &question));
    println!("{}", answered.unwrap_or_else(|error| json!({ "error": error })));
    ExitCode::SUCCESS
}

fn answer(folder: &Path, question: &Question) -> Result<Value, String> {
    // The images are one folder of the engine's data.
    let data = folder.parent().unwrap_or(folder);
    // Opening a store makes one where there is none; a look makes nothing.
    let store = || match folder.join("oci-layout").exists() {
        true => Store::open(folder).map(Some).map_err(|error| error.to_string()),
        false => Ok(None),
    };
    match question {
        Question::Images => images::all(store()?.as_ref()),
        Question::Image { name } => images::one(store()?.as_ref(), name),
        Question::Layers { image, seek } => layers::seek(store()?.as_ref(), image, seek),
        Question::Registry { at, login, blob } => registry::ask(at, login.as_ref(), blob.as_deref()),
        Question::Containers => Ok(containers::all(data)),
        Question::Volumes => Ok(containers::volumes(data)),
        Question::Networks => Ok(containers::all_networks(data)),
        Question::Log { id } => logs::lines(data, id),
        Question::Resolve { pid, name } => names::resolve(*pid, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::question::Seek;

    #[test]
    fn a_look_at_no_store_makes_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("images");
        assert_eq!(answer(&folder, &Question::Images).unwrap(), json!({ "images": [] }));
        assert_eq!(answer(&folder, &Question::Image { name: "app".to_owned() }).unwrap()["exists"], false);
        let sought = Question::Layers { image: "app".to_owned(), seek: Seek::default() };
        assert_eq!(answer(&folder, &sought).unwrap()["exists"], false);
        assert!(!folder.exists());
    }
}
