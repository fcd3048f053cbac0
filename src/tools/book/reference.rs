//! The reference: every command, applet and explained kernel call, from the tables that the program itself uses.

use clap::Command;

use super::Page;
use crate::oci::runtime::{EXEC, INIT, Step};
use crate::repl::explain;
use crate::toolbox::APPLETS;

/// All reference pages that are written.
pub fn pages() -> Vec<Page> {
    vec![
        page("runtime", "How a container starts", starts()),
        page("commands", "The commands of bottleship", commands()),
        page("toolbox", "The toolbox", toolbox()),
        page("catalog", "The catalog of course images", catalog()),
        page("calls", "Kernel calls", calls()),
    ]
}

fn page(name: &str, title: &str, text: String) -> Page {
    Page { path: format!("reference/{name}.md"), title: title.to_owned(), text: format!("# {title}\n\n{text}") }
}

fn commands() -> String {
    let mut root = crate::tools::command().term_width(100);
    // Fills in the usage lines and the inherited arguments.
    root.build();
    let mut text = String::new();
    help(&mut root, &mut text);
    text
}

fn help(command: &mut Command, text: &mut String) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    *text += &format!("## `{name}`\n\n```text\n{}\n```\n\n", help.trim());
    let mut inner: Vec<Command> = command.get_subcommands().cloned().collect();
    inner.iter_mut().for_each(|command| self::help(command, text));
}

fn starts() -> String {
    let table = |steps: &[Step]| {
        let rows = steps.iter().map(|step| format!("| `{}` | {} | {} |\n", step.name, step.sees, step.page));
        format!("| step | what happens | page to read |\n|---|---|---|\n{}\n", rows.collect::<String>())
    };
    format!(
        "The child process of `bottleship oci` goes through a table of steps, in this order; `:zoom` shows its kernel calls under these names, and an \
         error begins with the step's.\n\n## `create` and `run`\n\n{}## `exec`\n\n{}",
        table(INIT),
        table(EXEC)
    )
}

fn toolbox() -> String {
    let mut text = "These tools stand in where a machine has none of that name: they come last on the PATH of every host. Each is this program by \
                    another name, and can be called as `bottleship toolbox NAME`. They know the flags that people use; a flag that they do not know is \
                    refused, never ignored. Where a machine has the real tool, the tests run both side by side and compare what they print.\n\n| tool | what it does |\n|---|---|\n"
        .to_owned();
    APPLETS.iter().for_each(|applet| text += &format!("| `{}` | {} |\n", applet.name, applet.about));
    text
}

fn catalog() -> String {
    let mut text = "The images that `bottleship images course` makes. What the words of the second column mean, and what all these images have in common: see \
                    [Course images](course-images.md).\n\n| name | fidelity | tags | what it is |\n|---|---|---|---|\n"
        .to_owned();
    for recipe in crate::catalog::recipes() {
        let (name, fidelity, tags) = (recipe.name, recipe.fidelity.name(), recipe.tags.join(" "));
        text += &format!("| `{name}` | {fidelity} | {tags} | {} |\n", recipe.about);
    }
    text
}

fn calls() -> String {
    let mut text =
        "What `:zoom` says about a call of the kernel.\n\n| call | what it does | manual page | lesson |\n|---|---|---|---|\n".to_owned();
    for call in explain::CALLS {
        let lesson = if call.lesson.is_empty() { String::new() } else { format!("[{0}](../lessons/{0}.md)", call.lesson) };
        text += &format!("| `{}` | {} | {} | {lesson} |\n", call.call, call.sentence, call.page);
    }
    text
}
