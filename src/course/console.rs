//! `.console` files: transcripts that the prover types into the real prompt.

use std::path::Path;

use super::error::Problem;
use super::text::{Params, fill};

/// A transcript.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    /// What a wrong answer must produce.
    pub expect: Option<Expectation>,
    /// Abilities without which it does not apply.
    pub needs: Vec<String>,
    pub lines: Vec<Line>,
}

/// One line to type, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub number: usize,
}

/// `# expect: step=ID verdict=not-yet fact=ID` or `mistake=ID`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    pub step: String,
    pub verdict: Option<String>,
    pub fact: Option<String>,
    pub mistake: Option<String>,
}

/// Reads a transcript; parameters are filled in.
///
/// # Errors
/// A line that is neither typed nor a comment, or an expectation that says nothing.
pub fn read(file: &Path, text: &str, params: &Params) -> Result<Console, Vec<Problem>> {
    let mut console = Console::default();
    let mut problems = Vec::new();
    let mut problem = |number: usize, what: String, hint: &str| {
        problems.push(Problem { file: file.to_owned(), spot: number.into(), key: String::new(), what, hint: hint.to_owned() });
    };
    for (at, raw) in text.lines().enumerate() {
        let number = at + 1;
        if let Some(typed) = raw.strip_prefix("$ ") {
            console.lines.push(Line { text: fill(typed, params), number });
        } else if let Some(words) = raw.strip_prefix("# expect:") {
            match expectation(words) {
                Ok(expect) => console.expect = Some(expect),
                Err(what) => problem(number, what, "write `# expect: step=ID verdict=not-yet fact=ID` or `# expect: step=ID mistake=ID`"),
            }
        } else if let Some(words) = raw.strip_prefix("# needs:") {
            console.needs.extend(words.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned));
        } else if raw == "$" {
            console.lines.push(Line { text: String::new(), number });
        } else if !raw.trim().is_empty() && !raw.starts_with('#') {
            problem(number, format!("`{raw}` is neither typed nor a comment"), "begin it with `$ ` or `# `");
        }
    }
    if problems.is_empty() { Ok(console) } else { Err(problems) }
}

fn expectation(words: &str) -> Result<Expectation, String> {
    let mut found = Expectation::default();
    for word in words.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not KEY=VALUE"))?;
        let value = value.to_owned();
        match key {
            "step" => found.step = value,
            "verdict" if ["not-yet", "fail", "vacuous"].contains(&value.as_str()) => found.verdict = Some(value),
            "verdict" => return Err(format!("`{value}` is no verdict of a wrong answer")),
            "fact" => found.fact = Some(value),
            "mistake" => found.mistake = Some(value),
            _ => return Err(format!("`{key}` is no key of an expectation")),
        }
    }
    if found.step.is_empty() || (found.fact.is_none() && found.mistake.is_none()) {
        return Err("an expectation needs a step, and a fact or a mistake".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_expectations_and_mistakes() {
        let params = Params::from([("x".to_owned(), "1".to_owned())]);
        let text = "# expect: step=one verdict=fail fact=a\n# needs: cgroup2, tool:x\n# why\n\n$ echo {x}\n$ :check\n";
        let console = read(Path::new("w"), text, &params).unwrap();
        assert_eq!(console.lines[0], Line { text: "echo 1".into(), number: 5 });
        assert_eq!(console.needs, ["cgroup2", "tool:x"]);
        assert_eq!(console.expect.unwrap().fact.as_deref(), Some("a"));
        let problems = read(Path::new("w"), "# expect: step=one\n# expect: verdict=pass\nls\n", &params).unwrap_err();
        assert_eq!(problems.len(), 3);
        assert_eq!(problems[2].to_string(), "w:3: `ls` is neither typed nor a comment (begin it with `$ ` or `# `)");
    }
}
