//! Lessons and labs as pages: the same steps in the same order, commands and outputs as blocks, questions with a hidden answer.

use super::Page;
use crate::course::Course;
use crate::course::unit::{Block, Question, RightAnswer, Step, Unit};

/// A page for each lesson.
pub fn lessons(course: &Course) -> Vec<Page> {
    units(course, false)
}

/// A page for each lab: the task and the goals, neither hints nor solutions.
pub fn labs(course: &Course) -> Vec<Page> {
    units(course, true)
}

fn units(course: &Course, lab: bool) -> Vec<Page> {
    let entries = course.units().iter().filter(|entry| entry.example.lab == lab);
    entries
        .map(|entry| {
            let unit = &entry.example;
            let folder = if lab { "labs" } else { "lessons" };
            Page { path: format!("{folder}/{}.md", unit.id), title: unit.title.clone(), text: page(unit) }
        })
        .collect()
}

fn page(unit: &Unit) -> String {
    let kind = if unit.lab { "lab" } else { "lesson" };
    let mut text = String::new();
    let intro = unit.intro.trim();
    if !intro.starts_with("# ") {
        text += &format!("# {}\n\n", unit.title);
    }
    text += &format!("{intro}\n\n> About {} minutes. At the prompt: `:goto {}`.", unit.minutes, unit.id);
    if !unit.world.needs.is_empty() {
        text += &format!(" This {kind} needs: {}.", unit.world.needs.join(", "));
    }
    if !unit.teaches.is_empty() {
        text += &format!(" It teaches {}.", unit.teaches.join(", "));
    }
    text += "\n\n";
    for (number, step) in unit.steps.iter().enumerate() {
        text += &if unit.lab { goal(number + 1, step) } else { section(step) };
    }
    if !unit.words.is_empty() {
        text += "## Words\n\n";
        unit.words.iter().for_each(|(word, meaning)| text += &format!("- **{word}**: {meaning}\n"));
    }
    text
}

fn goal(number: usize, step: &Step) -> String {
    format!("## Step {number}\n\n{} ({} {})\n\n", step.title.trim(), step.points, if step.points == 1 { "point" } else { "points" })
}

fn section(step: &Step) -> String {
    let mut text = format!("## {} {{#{}}}\n\n", step.title, step.id);
    if !step.needs.is_empty() {
        text += &format!("> This step needs: {}.\n\n", step.needs.join(", "));
    }
    step.blocks.iter().for_each(|part| text += &block(part));
    if !step.hints.is_empty() {
        text += &format!("<details><summary>Hints</summary>\n\n{}\n</details>\n\n", list(&step.hints));
    }
    if let Some(debrief) = &step.debrief {
        text += &format!("{}\n\n", debrief.trim());
    }
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Prose(prose) => format!("{}\n\n", prose.trim()),
        Block::Run { commands, needs, .. } => {
            let lines = commands.iter().map(|command| match command.host.as_str() {
                "bench" | "" => command.text.clone(),
                host => format!("@{host} {}", command.text),
            });
            let only = if needs.is_empty() { String::new() } else { format!("*Where there is {}:*\n\n", needs.join(", ")) };
            format!("{only}{}", fenced("sh", &lines.collect::<Vec<_>>().join("\n")))
        }
        Block::Output { text, exit, .. } => {
            let code = exit.filter(|code| *code != 0).map_or_else(String::new, |code| format!("(exit code {code})\n\n"));
            format!("{}{code}", fenced("text", text))
        }
        Block::Predict(question) | Block::Quiz(question) => asked(question),
    }
}

fn asked(question: &Question) -> String {
    let answer = match &question.answer {
        RightAnswer::Choices(right) => {
            let texts: Vec<&str> = right.iter().filter_map(|number| question.choices.get(number - 1)).map(String::as_str).collect();
            format!("{}.", texts.join("; "))
        }
        RightAnswer::Run(command) => format!("Ask the machine: `{command}`."),
    };
    format!(
        "**{}**\n\n{}\n<details><summary>Answer</summary>\n\n{answer} {}\n\n</details>\n\n",
        question.ask.trim(),
        list(&question.choices),
        question.why.trim()
    )
}

fn list(items: &[String]) -> String {
    items.iter().enumerate().map(|(at, item)| format!("{}. {}\n", at + 1, item.trim())).collect()
}

/// A fenced block whose fence is longer than any in the text.
fn fenced(word: &str, text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{word}\n{}\n{fence}\n\n", text.trim_end_matches('\n'))
}
