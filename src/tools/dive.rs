//! `bottleship dive`: what is in an image, layer by layer, and what of it is wasted. In the manner of the program of that name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::{Tool, fail, images, listing, usual_folder};
use crate::oci::image::archive::{Kind, Limits};
use crate::oci::image::spec::Platform;
use crate::oci::image::survey::{Change, Survey};
use crate::oci::image::{Error, Result, Store};
use crate::ui::units;

/// Shows an image's layers.
pub const DIVE: Tool = Tool { command, run };

/// So many names of the waste are listed unless all are asked for.
const SHOWN: usize = 10;

fn command() -> Command {
    Command::new("dive")
        .about("Look into the layers of an image: its files and its waste")
        .after_help(
            "Wasted is what lies in a layer and is hidden by a later one: it was replaced or removed. It is sent with every pull all the same, and whoever has \
             the image can read it. In a tree, + is added, ~ changed, - removed.",
        )
        .arg(Arg::new("IMAGE").required(true).help("A name or an id of an image in the store"))
        .arg(Arg::new("tree").long("tree").action(ArgAction::SetTrue).help("Draw the files, too"))
        .arg(
            Arg::new("layer")
                .long("layer")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .help("Only what this layer does, counted from 1"),
        )
        .arg(
            Arg::new("depth")
                .long("depth")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .default_value("2")
                .help("So many folders deep is the tree"),
        )
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("List all that is wasted"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print everything as JSON"))
        .arg(
            Arg::new("lowest-efficiency")
                .long("lowest-efficiency")
                .value_name("PERCENT")
                .value_parser(value_parser!(f64))
                .help("End with 1 if less of the image than this is seen"),
        )
        .arg(Arg::new("store").long("store").value_name("FOLDER").help("The folder of the store"))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let folder = arguments.get_one::<String>("store").map_or_else(|| usual_folder(images::ON_A_HOST, "images"), PathBuf::from);
    let name = arguments.get_one::<String>("IMAGE").map_or("", String::as_str);
    let survey = match surveyed(&folder, name) {
        Ok(survey) => survey,
        Err(error) => return fail(&error, hint(&error).as_deref()),
    };
    let layer = match arguments.get_one::<usize>("layer") {
        Some(number) if *number == 0 || *number > survey.layers.len() => {
            return fail(&format!("layer {number}: the image has {}, counted from 1", survey.layers.len()), None);
        }
        layer => layer.map(|number| number - 1),
    };
    if arguments.get_flag("json") {
        println!("{:#}", document(name, &survey));
    } else {
        let depth = arguments.get_one("depth").copied().unwrap_or(2);
        show(&survey, layer, arguments.get_flag("tree") || layer.is_some(), depth, arguments.get_flag("all"));
    }
    let wanted = arguments.get_one::<f64>("lowest-efficiency").copied().unwrap_or(0.0);
    if survey.efficiency() * 100.0 < wanted {
        return fail(&format!("{name}: {:.1}% of its bytes are seen, {wanted}% were asked for", survey.efficiency() * 100.0), None);
    }
    ExitCode::SUCCESS
}

fn surveyed(folder: &Path, name: &str) -> Result<Survey> {
    let store = Store::open(folder)?;
    store.survey(&store.find(name, &Platform::here())?, Limits::default())
}

fn hint(error: &Error) -> Option<String> {
    match error {
        Error::NoSuchImage(name) => {
            Some(format!("bring it in first: `docker pull {name}`, or `bottleship images pull {name}` without an engine"))
        }
        other => other.hint(),
    }
}

fn show(survey: &Survey, layer: Option<usize>, tree: bool, depth: usize, all: bool) {
    let count =
        |number: usize, wanted: Change| survey.layers[number].names.values().filter(|touched| touched.change == wanted).count().to_string();
    let row = |number: usize| {
        let own = &survey.layers[number];
        let counts = [Change::Added, Change::Modified, Change::Removed].map(|change| count(number, change));
        let [added, changed, removed] = counts;
        vec![
            (number + 1).to_string(),
            units::size(own.bytes),
            units::size(own.packed),
            added,
            changed,
            removed,
            instruction(&own.created_by),
        ]
    };
    let rows = (0..survey.layers.len()).filter(|number| layer.is_none_or(|wanted| wanted == *number)).map(row).collect();
    listing::print(&["LAYER", "SIZE", "PACKED", "ADDED", "CHANGED", "REMOVED", "CREATED BY"], rows);
    if tree {
        println!();
        print!("{}", drawn(&nodes(survey, layer), depth));
    }
    if layer.is_none() {
        waste(survey, all);
    }
}

fn waste(survey: &Survey, all: bool) {
    let (bytes, wasted) = (survey.bytes(), survey.wasted());
    println!(
        "\n{} in {} layers, {} of it wasted: {:.1}% is seen.",
        units::size(bytes),
        survey.layers.len(),
        units::size(wasted),
        survey.efficiency() * 100.0
    );
    if survey.waste.is_empty() {
        return;
    }
    println!();
    let shown = if all { survey.waste.len() } else { SHOWN.min(survey.waste.len()) };
    let numbers = |layers: &[usize]| layers.iter().map(usize::to_string).collect::<Vec<String>>().join(", ");
    let rows =
        survey.waste[..shown].iter().map(|one| vec![units::size(one.bytes), numbers(&one.layers), format!("/{}", one.path.display())]);
    listing::print(&["WASTED", "IN LAYER", "FILE"], rows.collect());
    if shown < survey.waste.len() {
        println!("... and {} more: --all", survey.waste.len() - shown);
    }
}

/// The first words of what made a layer, without the shell in front.
fn instruction(text: &str) -> String {
    let text = text.trim_start_matches("/bin/sh -c ").trim_start_matches("#(nop) ").trim();
    let line: String = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    if line.chars().count() <= 70 { line } else { line.chars().take(69).chain(['…']).collect() }
}

/// A name in a tree: what happens to it, its bytes with all below it, and what is in it.
#[derive(Default)]
struct Node {
    mark: Option<char>,
    bytes: u64,
    link: Option<String>,
    below: BTreeMap<String, Node>,
}

/// The files of the whole image, or what one layer does.
fn nodes(survey: &Survey, layer: Option<usize>) -> Node {
    let mut root = Node::default();
    match layer {
        None => survey.files.iter().for_each(|(path, (layer, size))| {
            let link = survey.layers[*layer].names.get(path).and_then(|touched| target(touched.kind.as_ref()));
            place(&mut root, path, *size, None, link);
        }),
        Some(number) => survey.layers[number].names.iter().for_each(|(path, touched)| {
            let mark = match touched.change {
                Change::Added => '+',
                Change::Modified => '~',
                Change::Removed => '-',
            };
            place(&mut root, path, touched.size, Some(mark), target(touched.kind.as_ref()));
        }),
    }
    root
}

fn target(kind: Option<&Kind>) -> Option<String> {
    match kind {
        Some(Kind::Link(target)) => Some(target.display().to_string()),
        _ => None,
    }
}

fn place(root: &mut Node, path: &Path, bytes: u64, mark: Option<char>, link: Option<String>) {
    let mut node = root;
    node.bytes += bytes;
    for part in path.iter().filter(|part| *part != ".") {
        node = node.below.entry(part.to_string_lossy().into_owned()).or_default();
        node.bytes += bytes;
    }
    (node.mark, node.link) = (mark, link);
}

fn drawn(node: &Node, depth: usize) -> String {
    let mut text = String::new();
    draw(node, "", depth, &mut text);
    text
}

fn draw(node: &Node, indent: &str, depth: usize, text: &mut String) {
    let count = node.below.len();
    for (number, (name, inner)) in node.below.iter().enumerate() {
        let (branch, next) = if number + 1 == count { ("└── ", "    ") } else { ("├── ", "│   ") };
        let mark = inner.mark.map_or(String::new(), |mark| format!("{mark} "));
        let link = inner.link.as_ref().map_or(String::new(), |link| format!(" -> {}", visible(link)));
        let folder = if inner.below.is_empty() { "" } else { "/" };
        let hidden = if depth <= 1 && !inner.below.is_empty() { format!(" ({})", counted(names(inner))) } else { String::new() };
        *text += &format!("{:>8}  {indent}{branch}{mark}{}{folder}{link}{hidden}\n", units::size(inner.bytes), visible(name));
        if depth > 1 {
            draw(inner, &format!("{indent}{next}"), depth - 1, text);
        }
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 name".to_owned() } else { format!("{number} names") }
}

fn names(node: &Node) -> usize {
    node.below.values().map(|inner| 1 + names(inner)).sum()
}

/// A name of a stranger, with nothing in it that a terminal obeys.
fn visible(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn document(name: &str, survey: &Survey) -> Value {
    let change = |change: Change| match change {
        Change::Added => "added",
        Change::Modified => "modified",
        Change::Removed => "removed",
    };
    let layer = |(number, layer): (usize, &crate::oci::image::survey::Surveyed)| {
        let files = layer.names.iter().map(|(path, touched)| {
            let (uid, gid) = touched.owner;
            let mode = format!("{:04o}", touched.mode);
            let link = target(touched.kind.as_ref());
            json!({"path": path, "change": change(touched.change), "sizeBytes": touched.size, "mode": mode, "uid": uid, "gid": gid, "link": link})
        });
        json!({
            "index": number + 1, "digest": layer.digest.to_string(), "sizeBytes": layer.bytes, "packedBytes": layer.packed,
            "command": layer.created_by, "files": files.collect::<Vec<Value>>(),
        })
    };
    let waste = survey.waste.iter().map(|one| json!({"file": one.path, "sizeBytes": one.bytes, "layers": one.layers}));
    json!({
        "name": name,
        "sizeBytes": survey.bytes(),
        "inefficientBytes": survey.wasted(),
        "efficiencyScore": survey.efficiency(),
        "layers": survey.layers.iter().enumerate().map(layer).collect::<Vec<Value>>(),
        "waste": waste.collect::<Vec<Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_adds_up_its_folders_and_hides_what_is_deep() {
        let mut root = Node::default();
        for (path, bytes, mark) in
            [("etc", 0, '+'), ("etc/a", 10, '~'), ("etc/deep", 0, '+'), ("etc/deep/b", 5, '+'), ("x\u{1b}[2J", 1, '-')]
        {
            place(&mut root, Path::new(path), bytes, Some(mark), None);
        }
        assert_eq!(root.bytes, 16);
        let text = drawn(&root, 2);
        assert_eq!(text, "     15B  ├── + etc/\n     10B  │   ├── ~ a\n      5B  │   └── + deep/ (1 name)\n      1B  └── - x?[2J\n");
    }

    #[test]
    fn an_instruction_is_one_short_line() {
        assert_eq!(instruction("/bin/sh -c apk add \\\n    curl"), "apk add \\ curl");
        assert_eq!(instruction("/bin/sh -c #(nop)  CMD [\"sh\"]"), "CMD [\"sh\"]");
        assert_eq!(instruction(&"x".repeat(200)).chars().count(), 70);
    }
}
