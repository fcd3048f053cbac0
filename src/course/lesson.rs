//! Reading a lesson: Markdown with a front matter, steps as headings, and fenced blocks that do something.

use std::path::Path;

use super::error::Problem;
use super::fields::{Complaints, Fields};
use super::head;
use super::lab::{duplicates, unfilled};
use super::text::{Params, fill};
use super::unit::{Block, Command, Step, Unit};
use super::yaml::{self, Spots, Value};

/// Reads a lesson; `params` are filled in everywhere.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read(file: &Path, text: &str, params: &Params) -> Result<Unit, Vec<Problem>> {
    let mut complaints = Complaints::about(file);
    let unit = unit(file, text, params, &mut complaints);
    match unit {
        Some(unit) if complaints.list.is_empty() => Ok(unit),
        _ => Err(complaints.list),
    }
}

fn unit(file: &Path, text: &str, params: &Params, complaints: &mut Complaints) -> Option<Unit> {
    let Some((front, body, body_line)) = split(text) else {
        complaints.add(1, "", "has no front matter", "begin with a line `---`, YAML, and a line `---`");
        return None;
    };
    let node = match yaml::parse(file, front, 2) {
        Ok(node) => node.map_texts(&|text| fill(text, params)),
        Err(problem) => {
            complaints.list.push(problem);
            return None;
        }
    };
    let mut fields = Fields::open(&node, "", complaints)?;
    let mut unit = head::unit(&mut fields, false, complaints);
    node.spots("", &mut unit.spots);
    fields.finish(complaints);
    unit.drawn.clone_from(params);
    let mut reader = Reader {
        file,
        params,
        complaints,
        intro: String::new(),
        steps: Vec::new(),
        prose: String::new(),
        questions: 0,
        spots: Spots::new(),
    };
    reader.body(body, body_line);
    (unit.intro, unit.steps) = (reader.intro, reader.steps);
    unit.spots.extend(reader.spots);
    if unit.steps.is_empty() {
        complaints.add(body_line, "", "has no step", "begin one with `## Title {#id}`");
    }
    duplicates(&unit, complaints);
    Some(unit)
}

/// The front matter, the rest, and the line that the rest begins on.
fn split(text: &str) -> Option<(&str, &str, usize)> {
    let rest = text.strip_prefix("---\n")?;
    let end = if rest.starts_with("---\n") { 0 } else { rest.find("\n---\n")? + 1 };
    let lines = rest[..end].lines().count();
    Some((&rest[..end], &rest[end + 4..], lines + 3))
}

struct Reader<'a> {
    file: &'a Path,
    params: &'a Params,
    complaints: &'a mut Complaints,
    intro: String,
    steps: Vec<Step>,
    prose: String,
    questions: usize,
    spots: Spots,
}

/// A fenced block: the words after the fence, its text, the line of its first text line, and how it was written.
struct Fence<'t> {
    words: &'t str,
    text: String,
    line: usize,
    raw: String,
}

impl Reader<'_> {
    fn body(&mut self, body: &str, first: usize) {
        let mut lines = body.lines().enumerate().map(|(at, line)| (at + first, line));
        while let Some((number, line)) = lines.next() {
            let mark = line.trim_start();
            let ticks = mark.len() - mark.trim_start_matches('`').len();
            if ticks >= 3 {
                let mut fence = Fence { words: mark[ticks..].trim(), text: String::new(), line: number + 1, raw: format!("{line}\n") };
                let mut closed = false;
                for (_, inner) in lines.by_ref() {
                    fence.raw.push_str(inner);
                    fence.raw.push('\n');
                    if inner.trim() == &mark[..ticks] {
                        closed = true;
                        break;
                    }
                    fence.text.push_str(inner);
                    fence.text.push('\n');
                }
                if !closed {
                    self.complaints.add(
                        number,
                        "",
                        "opens a block that is never closed",
                        format!("close it with a line `{}`", &mark[..ticks]),
                    );
                }
                self.fence(&fence);
            } else if let Some(heading) = line.strip_prefix("## ") {
                self.heading(heading, number);
            } else {
                self.prose.push_str(line);
                self.prose.push('\n');
            }
        }
        self.flush();
    }

    /// Ends the piece of prose.
    fn flush(&mut self) {
        let prose = fill(std::mem::take(&mut self.prose).trim_matches('\n'), self.params);
        match self.steps.last_mut() {
            _ if prose.trim().is_empty() => {}
            Some(step) => step.blocks.push(Block::Prose(prose)),
            None => self.intro = prose,
        }
    }

    fn heading(&mut self, heading: &str, number: usize) {
        let Some((title, attributes)) = heading.strip_suffix('}').and_then(|rest| rest.rsplit_once('{')) else {
            // A heading without braces is part of the text.
            self.prose.push_str(&format!("## {heading}\n"));
            return;
        };
        self.flush();
        let mut step = Step { title: fill(title.trim(), self.params), ..Step::default() };
        for word in attributes.split_whitespace() {
            match word.split_at(word.find(['#', '=']).map_or(0, |at| at + 1)) {
                ("#", id) => step.id = id.to_owned(),
                ("needs=", needs) => step.needs = needs.split(',').map(str::to_owned).collect(),
                _ => self.complaints.add(number, "", format!("`{word}` is no attribute of a step"), "`#id` and `needs=a,b`"),
            }
        }
        if step.id.is_empty() {
            self.complaints.add(number, "", "a step without an id", "write `## Title {#id}`; progress is kept by it");
        }
        self.spots.insert(format!("steps[{}]", self.steps.len()), number.into());
        self.steps.push(step);
    }

    fn fence(&mut self, fence: &Fence<'_>) {
        let mut words = fence.words.split_whitespace();
        let word = words.next().unwrap_or("");
        if !["run", "output", "check", "predict", "quiz"].contains(&word) {
            self.prose.push_str(&fence.raw);
            return;
        }
        self.flush();
        if self.steps.is_empty() {
            self.complaints.add(fence.line - 1, word, "stands before the first step", "begin a step with `## Title {#id}`");
            return;
        }
        let attributes: Vec<&str> = words.collect();
        match word {
            "run" => self.run(fence, &attributes),
            "output" => self.output(fence, &attributes),
            _ => self.structured(word, fence, &attributes),
        }
    }

    fn run(&mut self, fence: &Fence<'_>, attributes: &[&str]) {
        let (mut needs, mut host, mut nested) = (Vec::new(), "bench".to_owned(), false);
        for attribute in attributes {
            match attribute.split_once('=').unwrap_or((attribute, "")) {
                ("needs", list) => needs = list.split(',').map(str::to_owned).collect(),
                ("host", name) => name.clone_into(&mut host),
                ("nested", "") => nested = true,
                _ => self.bad_attribute(fence, attribute, "`needs=a,b`, `host=NAME`, `nested`"),
            }
        }
        let commands = commands(&fill(&fence.text, self.params), &host);
        if commands.is_empty() {
            self.complaints.add(fence.line, "run", "has no command", "write the command that is typed, one a line");
        }
        self.push(Block::Run { commands, needs, nested, line: fence.line });
    }

    fn output(&mut self, fence: &Fence<'_>, attributes: &[&str]) {
        let mut exit = None;
        for attribute in attributes {
            match attribute.strip_prefix("exit=").and_then(|code| code.parse().ok()) {
                Some(code) => exit = Some(code),
                None => self.bad_attribute(fence, attribute, "`exit=N`"),
            }
        }
        let after_run = self.steps.last().and_then(|step| step.blocks.iter().rev().find(|block| !matches!(block, Block::Prose(_))));
        if !matches!(after_run, Some(Block::Run { .. })) {
            self.complaints.add(fence.line - 1, "output", "follows no `run` block", "it shows what the `run` block before it prints");
        }
        self.push(Block::Output { text: fill(&fence.text, self.params), exit, line: fence.line });
    }

    fn structured(&mut self, word: &str, fence: &Fence<'_>, attributes: &[&str]) {
        if let Some(attribute) = attributes.first() {
            self.bad_attribute(fence, attribute, "none");
        }
        let node = match yaml::parse(self.file, &fence.text, fence.line) {
            Ok(node) => node.map_texts(&|text| fill(text, self.params)),
            Err(problem) => return self.complaints.list.push(problem),
        };
        if word == "check" {
            return self.check(&node, fence.line);
        }
        let nodes = match &node.value {
            Value::List(list) => list.iter().collect(),
            _ => vec![&node],
        };
        for node in nodes {
            self.questions += 1;
            let Some(question) = head::question(node, word, self.questions, self.complaints) else { continue };
            self.push(if word == "quiz" { Block::Quiz(question) } else { Block::Predict(question) });
        }
    }

    fn check(&mut self, node: &yaml::Node, line: usize) {
        let Some(mut step) = self.steps.pop() else { return };
        if !step.facts.is_empty() {
            self.complaints.add(line, "check", "is the second one of this step", "a step has one `check` block");
        }
        let base = format!("steps[{}]", self.steps.len());
        let heading = self.spots.get(&base).copied().unwrap_or_default();
        if let Value::List(list) = &node.value {
            node.spots(&format!("{base}.facts"), &mut self.spots);
            step.facts = head::facts(&list.iter().collect::<Vec<_>>(), "check", self.complaints);
            step.points = step.facts.iter().map(|fact| fact.points).sum();
        } else if let Some(mut fields) = Fields::open(node, "check", self.complaints) {
            node.spots(&base, &mut self.spots);
            self.spots.insert(base.clone(), heading);
            head::goals(&mut step, &mut fields, self.complaints);
            fields.finish(self.complaints);
        }
        unfilled(&step, &base, &self.spots, self.complaints);
        self.steps.push(step);
    }

    fn push(&mut self, block: Block) {
        if let Some(step) = self.steps.last_mut() {
            step.blocks.push(block);
        }
    }

    fn bad_attribute(&mut self, fence: &Fence<'_>, attribute: &str, known: &str) {
        let key = fence.words.split_whitespace().next().unwrap_or_default();
        self.complaints.add(fence.line - 1, key, format!("`{attribute}` is no attribute of this block"), format!("known: {known}"));
    }
}

/// Splits a `run` block into commands: one a line, but a line that ends in `\` goes on, and a here-document to its end.
fn commands(text: &str, host: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let (host, line) = match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((host, rest)) => (host, rest),
            None => (host, line),
        };
        let mut text = line.to_owned();
        while text.ends_with('\\') {
            let Some(more) = lines.next() else { break };
            text.push('\n');
            text.push_str(more);
        }
        for end in here_documents(&text.clone()) {
            for more in lines.by_ref() {
                text.push('\n');
                text.push_str(more);
                if more.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
        found.push(Command { text, host: host.to_owned() });
    }
    found
}

/// The end words of the here-documents that a line opens.
fn here_documents(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, _) in line.match_indices("<<") {
        let rest = &line[at + 2..];
        if rest.starts_with('<') || line[..at].ends_with('<') {
            continue;
        }
        let rest = rest.trim_start_matches('-').trim_start();
        let word: String =
            rest.trim_start_matches(['\'', '"', '\\']).chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !word.is_empty() && !word.starts_with(|letter: char| letter.is_ascii_digit()) {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const LESSON: &str = "---
id: by-hand/x
title: X
params: {name: {hex: 4}}
---
Hello.

## First {#first needs=pids,root}

Prose with `code`.

```run needs=cgroup1
echo {name} \\
  more
cat > f <<EOF

one
EOF

@node2 uname
```

```output exit=1
...
```

```c
int x;
```

```check
- {id: a, kind: file, path: /f, exists: true, not_yet: \"no {got}\"}
```

```quiz
ask: Which?
choices: [a, b]
answer: 2
why: Because.
```
";

    #[test]
    fn a_whole_lesson_is_read() {
        let params = Params::from([("name".to_owned(), "abcd".to_owned())]);
        let unit = read(Path::new("lessons/x.md"), LESSON, &params).unwrap();
        let step = &unit.steps[0];
        assert_eq!((unit.intro.as_str(), step.id.as_str(), step.needs.len()), ("Hello.", "first", 2));
        let commands: Vec<&Command> = step.commands().collect();
        assert_eq!(commands[0].text, "echo abcd \\\n  more");
        assert_eq!(commands[1].text, "cat > f <<EOF\n\none\nEOF");
        assert_eq!((commands[2].text.as_str(), commands[2].host.as_str()), ("uname", "node2"));
        assert!(matches!(&step.blocks[2], Block::Output { exit: Some(1), .. }));
        assert!(matches!(&step.blocks[3], Block::Prose(text) if text.contains("int x;")));
        assert!(matches!(&step.blocks[4], Block::Quiz(_)));
        assert_eq!(step.points, 1);
    }

    #[test]
    fn mistakes_of_an_author_are_named_with_their_lines() {
        let broken = LESSON
            .replace("{#first needs=pids,root}", "{needs=pids size=3}")
            .replace("needs=cgroup1", "need=cgroup1")
            .replace("kind: file", "kind: fle")
            .replace("answer: 2", "answer: 3")
            .replace("title: X", "titel: X");
        let problems = read(Path::new("lessons/x.md"), &broken, &Params::new()).unwrap_err();
        insta::assert_snapshot!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn anything_at_all_is_read_without_a_panic() {
        for text in [
            "",
            "---\n",
            "---\n---\n",
            "---\nid: x\n---\n## a {#b}\n```run",
            "---\n---\n```output\n",
            "---\n---\n## {",
            "---\n---\n## }{",
            "---\n---\n## a {#}\n```check\n[1]\n```\n",
        ] {
            assert!(read(Path::new("x.md"), text, &Params::new()).is_err(), "{text:?}");
        }
    }
}
