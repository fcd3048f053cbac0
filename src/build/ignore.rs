//! `.dockerignore`: what of a folder does not belong to the context.
//!
//! Every line is a pattern (see [`super::pattern`]) for the path from the context's top; `!` takes back what an earlier line excluded, and the last line
//! that fits decides. A pattern that fits a folder fits all in it. Unlike Git's, a pattern without `/` fits at the top only.

use super::pattern::{NoPattern, Pattern};

/// The lines of a `.dockerignore`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// It takes back.
    keeps: bool,
    pattern: Pattern,
    /// The line as written, for explanations.
    line: String,
}

impl Ignore {
    /// Reads a file.
    ///
    /// # Errors
    /// A line is no pattern.
    pub fn read(text: &str) -> Result<Self, NoPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A comment begins in the first column: ` #x` is a name.
        Ignore::of(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// Takes single patterns, such as those of `--exclude`.
    ///
    /// # Errors
    /// One is no pattern.
    pub fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, NoPattern> {
        let mut rules = Vec::new();
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let (keeps, text) = line.strip_prefix('!').map_or((false, line), |text| (true, text.trim()));
            if text.is_empty() {
                return Err(NoPattern(line.to_owned()));
            }
            rules.push(Rule { keeps, pattern: Pattern::read(&cleaned(text), true)?, line: line.to_owned() });
        }
        Ok(Ignore { rules })
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether something inside a folder that is left out may be taken back.
    pub fn takes_back(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps)
    }

    /// The line that leaves `path` out, if one does. The path is relative and clean.
    pub fn excludes(&self, path: &str) -> Option<&str> {
        let mut by = None;
        for rule in &self.rules {
            // A rule that would change nothing need not be looked at.
            if rule.keeps == by.is_some() && rule.fits(path) {
                by = (!rule.keeps).then_some(rule.line.as_str());
            }
        }
        by
    }
}

impl Rule {
    fn fits(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.pattern.fits(path) || parents.into_iter().any(|parent| self.pattern.fits(parent))
    }
}

/// As Go's `filepath.Clean` makes it, without the `/` in front: `./a//b/../c/` is `a/c`.
pub fn cleaned(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            // Nothing is above the context.
            ".." if text.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_as_docker_does() {
        // The file, a path, whether it is left out.
        let table: &[(&str, &str, bool)] = &[
            ("node_modules", "node_modules", true),
            ("node_modules", "node_modules/a/b.js", true),
            ("node_modules", "src/node_modules", false),
            ("**/node_modules", "src/node_modules/x", true),
            ("/node_modules", "node_modules/x", true),
            ("./node_modules", "node_modules/x", true),
            ("node_modules/", "node_modules", true),
            ("node_modules/", "node_modules/x", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "docs/README.md", true),
            ("**/*.md", "README.md", true),
            ("*/temp*", "somedir/temporary.txt", true),
            ("*/temp*", "a/b/temporary.txt", false),
            ("*/*/temp*", "somedir/subdir/temporary.txt", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README.md", "OTHER.md", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
            ("# *\n", "a", false),
            (" # x", "# x", true),
            ("\u{feff}a", "a", true),
            ("  a  \r\n", "a", true),
            ("\n\n   \na", "a", true),
            ("!a", "a", false),
            ("*", "a/b", true),
            ("*\n!src", "src/x", false),
            ("*\n!src/keep", "src/keep", false),
            ("*\n!src/keep", "src/other", true),
            ("*\n! /src", "src/x", false),
            ("**", "a/b/c", true),
            ("docker-compose*.yml", "docker-compose.override.yml", true),
            ("a/../b", "b", true),
            ("..", "a", false),
            ("../x", "x", false),
            (".git", ".github", false),
            (".git", ".git/config", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/x", true),
            ("a\\ b", "a b", true),
            ("\\#x", "#x", true),
            ("[ab]c", "bc", true),
            ("docs\n!docs/README.md\ndocs/README.md", "docs/README.md", true),
            (".", "a", false),
        ];
        for (file, path, out) in table {
            let ignore = Ignore::read(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            assert_eq!(ignore.excludes(path).is_some(), *out, "{file:?} {path}");
        }
    }

    #[test]
    fn a_broken_line_is_told() {
        assert_eq!(Ignore::read("ok\n[a").unwrap_err().to_string(), "syntax error in pattern `[a`");
        assert_eq!(Ignore::read("!").unwrap_err(), NoPattern("!".to_owned()));
        assert_eq!(Ignore::read("a\nb*\n").unwrap().excludes("bc"), Some("b*"));
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (text, clean) in [("", "."), ("/", "."), ("a//b/", "a/b"), ("./a/../../b", "../b"), ("/../a", "a"), ("a/./b/..", "a")] {
            assert_eq!(cleaned(text), clean, "{text}");
        }
    }
}
