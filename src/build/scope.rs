//! Which variables an instruction sees.
//!
//! ```text
//!  --build-arg, platform ──▶ ARGs before the first FROM ──▶ FROM lines
//!                                   │ (only what a stage names again)
//!  environment of the base ──▶ ENV, ARG of the stage ──▶ its instructions, RUN's environment
//! ```
//!
//! `ENV` wins over `ARG` whatever comes first. The proxies of [`PROXIES`] need no `ARG`, and are in no cache key and no history.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::dockerfile::{Step, expand, instruction::Instruction};
use super::error::{Error, Result};
use crate::oci::image::spec::Platform;

/// Arguments that every `RUN` knows without `ARG`.
pub const PROXIES: [&str; 10] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"];

/// What holds in the whole file.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    /// `--build-arg`.
    given: BTreeMap<String, String>,
    /// `TARGETPLATFORM` and the like.
    platform: Vec<(String, String)>,
    /// The `ARG`s before the first `FROM`, with their values.
    declared: Vec<(String, Option<String>)>,
    escape: char,
}

impl Globals {
    /// Evaluates the `ARG`s before the first `FROM`.
    ///
    /// # Errors
    /// A default cannot be expanded.
    pub fn new(arguments: &[Step], escape: char, given: &BTreeMap<String, String>, target: &Platform, stage: Option<&str>) -> Result<Self> {
        let platform = platform_arguments(target, stage);
        let mut globals = Globals { given: given.clone(), platform, declared: Vec::new(), escape };
        for step in arguments {
            let Instruction::Arg(pairs) = &step.instruction else { continue };
            for (name, default) in pairs {
                let lines = (step.statement.line, step.statement.last_line);
                let default = default.as_ref().map(|text| globals.expand(text).map_err(|error| error.at(lines))).transpose()?;
                let value = globals.given.get(name).cloned().or(default);
                globals.declared.push((name.clone(), value));
            }
        }
        Ok(globals)
    }

    /// The value of a global argument, for `FROM` lines.
    pub fn value(&self, name: &str) -> Option<String> {
        let declared = self.declared.iter().rev().find(|(known, _)| known == name);
        declared.and_then(|(_, value)| value.clone()).or_else(|| self.platform_value(name))
    }

    /// Replaces the variables of a `FROM` line.
    ///
    /// # Errors
    /// The text is broken.
    pub fn expand(&self, text: &str) -> Result<String> {
        expand::word(text, self.escape, &|name| self.value(name)).map_err(|error| Error::new(error.0))
    }

    /// The names of the `ARG`s before the first `FROM`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.declared.iter().map(|(name, _)| name.clone())
    }

    /// The names in `--build-arg` that no `ARG` of the file asks for.
    pub fn unused<'a>(&'a self, asked: &'a [String]) -> impl Iterator<Item = &'a str> {
        // These are the builder's own.
        let own = |name: &str| name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH" || PROXIES.contains(&name);
        let known = move |name: &&String| !asked.contains(name) && !own(name.as_str());
        self.given.keys().filter(known).map(String::as_str)
    }

    /// The proxies that were given.
    pub fn proxies(&self) -> Vec<(String, String)> {
        let given = |name: &&str| self.given.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        PROXIES.iter().filter_map(given).collect()
    }

    fn platform_value(&self, name: &str) -> Option<String> {
        self.platform.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

fn platform_arguments(target: &Platform, stage: Option<&str>) -> Vec<(String, String)> {
    let of = |prefix: &str, platform: &Platform| {
        let parts = [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os.clone()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", platform.variant.clone().unwrap_or_default()),
        ];
        parts.map(|(name, value)| (format!("{prefix}{name}"), value))
    };
    let mut all = of("BUILD", &Platform::here()).to_vec();
    all.extend(of("TARGET", target));
    all.push(("TARGETSTAGE".to_owned(), stage.unwrap_or("default").to_owned()));
    all
}

/// What one stage sees, instruction by instruction.
#[derive(Debug, Clone)]
pub struct Scope {
    globals: Globals,
    /// The image's environment.
    environment: Vec<(String, String)>,
    /// The `ARG`s of the stage.
    arguments: Vec<(String, Option<String>)>,
    /// Names that were used and stand for nothing, for the check `UndefinedVar`.
    undefined: RefCell<Vec<String>>,
}

impl Scope {
    /// The scope right behind `FROM`, with the base's `NAME=value` lines.
    pub fn new(globals: &Globals, environment: &[String]) -> Self {
        let pair = |line: &String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = environment.iter().filter_map(pair).collect();
        Scope { globals: globals.clone(), environment, arguments: Vec::new(), undefined: RefCell::default() }
    }

    /// The same environment for a stage that goes on from this one: arguments do not go over.
    pub fn inherited(&self) -> Self {
        Scope { arguments: Vec::new(), undefined: RefCell::default(), ..self.clone() }
    }

    /// What a name stands for here.
    pub fn value(&self, name: &str) -> Option<String> {
        let variable = self.environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        variable.or_else(|| self.arguments.iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.clone()))
    }

    /// Replaces the variables of a text and removes its quotes.
    ///
    /// # Errors
    /// The text is broken.
    pub fn expand(&self, text: &str) -> Result<String> {
        let lookup = |name: &str| {
            let value = self.value(name);
            // A declared argument without a value is empty on purpose.
            if value.is_none() && !self.arguments.iter().any(|(known, _)| known == name) {
                self.undefined.borrow_mut().push(name.to_owned());
            }
            value
        };
        expand::word(text, self.globals.escape, &lookup).map_err(|error| Error::new(error.0))
    }

    /// Replaces variables in a here-document: quotes are text there.
    ///
    /// # Errors
    /// The text is broken.
    pub fn expand_document(&self, text: &str) -> Result<String> {
        // Quotes get the escape character, so that they survive.
        let escape = self.globals.escape;
        let guarded: String = text.chars().flat_map(|one| if "\"'".contains(one) { vec![escape, one] } else { vec![one] }).collect();
        self.expand(&guarded)
    }

    /// The names that stood for nothing since the last call.
    pub fn take_undefined(&self) -> Vec<String> {
        self.undefined.take()
    }

    /// `ARG` in a stage. Gives the value for the history, where there is one.
    ///
    /// # Errors
    /// The default is broken.
    pub fn declare(&mut self, name: &str, default: Option<&str>) -> Result<Option<String>> {
        let default = default.map(|text| self.expand(text)).transpose()?;
        let global = || self.globals.declared.iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.clone());
        let platform = || self.globals.platform_value(name);
        let value = self.globals.given.get(name).cloned().or(default).or_else(global).or_else(platform);
        self.arguments.push((name.to_owned(), value.clone()));
        Ok(value)
    }

    /// `ENV`.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.environment.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The image's environment as its configuration has it.
    pub fn lines(&self) -> Vec<String> {
        self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// The stage's arguments that have a value and that no `ENV` hides, sorted: they are in the environment of `RUN`, and in its history.
    pub fn set_arguments(&self) -> Vec<(String, String)> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.arguments {
            let hidden = self.environment.iter().any(|(known, _)| known == name);
            if let Some(value) = value.as_ref().filter(|_| !hidden) {
                found.insert(name.clone(), value.clone());
            }
        }
        found.into_iter().collect()
    }

    /// The arguments without the proxies, which are in no key and no history.
    pub fn told_arguments(&self) -> Vec<(String, String)> {
        self.set_arguments().into_iter().filter(|(name, _)| !PROXIES.contains(&name.as_str())).collect()
    }

    /// The environment of `RUN`.
    pub fn for_run(&self) -> Vec<String> {
        let own = self.set_arguments();
        let mut all = self.globals.proxies();
        all.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
        all.extend(own);
        let hidden = |name: &str| self.environment.iter().any(|(known, _)| known == name);
        all.retain(|(name, _)| !hidden(name));
        let mut lines = self.lines();
        lines.extend(all.into_iter().map(|(name, value)| format!("{name}={value}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::dockerfile;
    use super::*;

    fn scope(text: &str, given: &[(&str, &str)]) -> (Globals, Scope) {
        let file = dockerfile::read(text).unwrap();
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let globals = Globals::new(&file.arguments, file.escape, &given, &Platform::read("linux/arm64").unwrap(), None).unwrap();
        let mut scope = Scope::new(&globals, &["BASE=1".to_owned()]);
        for step in &file.stages[0].steps {
            match &step.instruction {
                Instruction::Arg(pairs) => {
                    for (name, default) in pairs {
                        scope.declare(name, default.as_deref()).unwrap();
                    }
                }
                Instruction::Env(pairs) => {
                    let expanded: Vec<_> = pairs.iter().map(|(name, value)| (name.clone(), scope.expand(value).unwrap())).collect();
                    expanded.iter().for_each(|(name, value)| scope.set(name, value));
                }
                _ => {}
            }
        }
        (globals, scope)
    }

    #[test]
    fn arguments_are_seen_where_they_are_declared() {
        let (globals, inner) = scope("ARG V=1\nARG W=$V-2\nFROM a:$W\nARG W\nARG X=def\nARG TARGETARCH", &[("X", "given")]);
        assert_eq!(globals.expand("a:${W}").unwrap(), "a:1-2");
        assert_eq!(globals.expand("$TARGETPLATFORM $TARGETSTAGE").unwrap(), "linux/arm64 default");
        assert_eq!(inner.expand("$V|$W|$X|$TARGETARCH|$TARGETOS|$BASE").unwrap(), "|1-2|given|arm64||1");
        assert_eq!(inner.take_undefined(), ["V", "TARGETOS"]);
        let (_, given) = scope("ARG V=1\nFROM a\nARG V", &[("V", "9")]);
        assert_eq!(given.value("V").unwrap(), "9");
        let (_, own) = scope("ARG V=1\nFROM a\nARG V=own", &[]);
        assert_eq!(own.value("V").unwrap(), "own");
    }

    #[test]
    fn the_environment_wins_over_arguments() {
        let (_, before) = scope("FROM a\nENV A=env\nARG A=arg", &[("A", "given")]);
        assert_eq!(before.value("A").unwrap(), "env");
        assert_eq!(before.set_arguments(), []);
        let (_, after) = scope("FROM a\nARG A=arg\nENV A=${A:-x}y B=$A", &[]);
        assert_eq!(after.lines(), ["BASE=1", "A=argy", "B=arg"], "one line sees the environment before it");
    }

    #[test]
    fn proxies_need_no_argument_and_are_told_nobody() {
        let (globals, inner) = scope("FROM a\nARG HTTP_PROXY\nARG V=1", &[("HTTP_PROXY", "http://p"), ("no_proxy", "x"), ("stray", "1")]);
        assert_eq!(inner.for_run(), ["BASE=1", "no_proxy=x", "HTTP_PROXY=http://p", "V=1"]);
        assert_eq!(inner.told_arguments(), [("V".to_owned(), "1".to_owned())]);
        assert_eq!(globals.unused(&["V".to_owned()]).collect::<Vec<_>>(), ["stray"]);
    }

    #[test]
    fn quotes_in_a_document_are_text() {
        let (_, inner) = scope("FROM a\nENV A=b", &[]);
        assert_eq!(inner.expand_document("it's \"$A\" \\$A").unwrap(), "it's \"b\" $A");
    }
}
