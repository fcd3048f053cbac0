//! BuildKit's build checks: what is no error, and still mostly a mistake. The names are BuildKit's.

use std::collections::BTreeSet;

use super::dockerfile::instruction::{Command, Copy, Instruction};
use super::dockerfile::lines::Statement;
use super::dockerfile::{Dockerfile, Step, words};
use super::ignore::{Ignore, cleaned};

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The first and the last line.
    pub lines: (usize, usize),
    /// The check's name.
    pub rule: &'static str,
    /// What it found.
    pub text: String,
}

/// What `# check=` and `--build-arg BUILDKIT_DOCKERFILE_CHECK` ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    skip: BTreeSet<String>,
    /// A warning ends the build.
    pub error: bool,
}

impl Settings {
    /// Reads `skip=A,B;error=true`.
    pub fn read(text: Option<&str>) -> Self {
        let mut settings = Settings::default();
        for part in text.unwrap_or_default().split(';') {
            match part.trim().split_once('=') {
                Some(("skip", names)) => settings.skip.extend(names.split(',').map(|name| name.trim().to_ascii_lowercase())),
                Some(("error", value)) => settings.error = value.trim().eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        settings
    }

    /// Whether a check counts.
    pub fn wants(&self, warning: &Warning) -> bool {
        !self.skip.contains("all") && !self.skip.contains(&warning.rule.to_ascii_lowercase())
    }
}

/// `UndefinedVar`, found when variables are replaced.
pub fn undefined(name: &str, lines: (usize, usize)) -> Warning {
    Warning { lines, rule: "UndefinedVar", text: format!("Usage of undefined variable '${name}'") }
}

/// Looks at a file.
pub fn file(file: &Dockerfile, ignore: &Ignore) -> Vec<Warning> {
    let mut found = Found::default();
    for (line, text) in &file.warnings {
        if text.starts_with("Empty continuation") {
            found.add((*line, *line), "NoEmptyContinuation", "Empty continuation line".to_owned());
        }
    }
    found.casing(file);
    found.arguments_of_from(file);
    for stage in &file.stages {
        found.from(&stage.from, stage.platform.as_deref());
        found.several(&stage.steps);
        // Once a stage has an absolute directory, a relative one is clear.
        let mut absolute = false;
        for step in &stage.steps {
            found.step(step, ignore, &mut absolute);
        }
    }
    found.warnings.sort();
    found.warnings.dedup();
    found.warnings
}

#[derive(Default)]
struct Found {
    warnings: Vec<Warning>,
}

fn lines(statement: &Statement) -> (usize, usize) {
    (statement.line, statement.last_line)
}

impl Found {
    fn add(&mut self, lines: (usize, usize), rule: &'static str, text: String) {
        self.warnings.push(Warning { lines, rule, text });
    }

    fn casing(&mut self, file: &Dockerfile) {
        let steps = file.arguments.iter().chain(file.stages.iter().flat_map(|stage| &stage.steps)).map(|step| &step.statement);
        let all: Vec<&Statement> = steps.chain(file.stages.iter().map(|stage| &stage.from)).collect();
        let upper = |word: &str| word == word.to_ascii_uppercase();
        let lower = |word: &str| word == word.to_ascii_lowercase();
        let (uppers, lowers) = (all.iter().filter(|one| upper(&one.keyword)).count(), all.iter().filter(|one| lower(&one.keyword)).count());
        let (majority, fits): (&str, &dyn Fn(&str) -> bool) = if lowers > uppers { ("lowercase", &lower) } else { ("uppercase", &upper) };
        for one in all.iter().filter(|one| !fits(&one.keyword)) {
            let text = format!("Command '{}' should match the case of the command majority ({majority})", one.keyword);
            self.add(lines(one), "ConsistentInstructionCasing", text);
        }
    }

    fn arguments_of_from(&mut self, file: &Dockerfile) {
        let declared: Vec<&String> = file.arguments.iter().flat_map(|step| names(&step.instruction)).collect();
        let known = |name: &str| declared.iter().any(|one| *one == name) || ["TARGET", "BUILD"].iter().any(|start| name.starts_with(start));
        for stage in &file.stages {
            for name in variables(&stage.base).into_iter().filter(|name| !known(name)) {
                self.add(lines(&stage.from), "UndefinedArgInFrom", format!("FROM argument '{name}' is not declared"));
            }
            let default = |name: &str| file.arguments.iter().any(|step| has_default(&step.instruction, name));
            if let Some(name) = variables(&stage.base).into_iter().find(|name| known(name) && !default(name) && declared.contains(&name)) {
                let text = format!("Default value for ARG ${name} results in empty or invalid base image name");
                self.add(lines(&stage.from), "InvalidDefaultArgInFrom", text);
            }
        }
    }

    fn from(&mut self, from: &Statement, platform: Option<&str>) {
        let (_, rest) = words::flags(&from.rest, '\\');
        let parts: Vec<&str> = rest.split_whitespace().collect();
        if let [_, keyword, name] = parts.as_slice() {
            if *name != name.to_ascii_lowercase() {
                self.add(lines(from), "StageNameCasing", format!("Stage name '{name}' should be lowercase"));
            }
            let upper = |word: &str| word == word.to_ascii_uppercase();
            if upper(keyword) != upper(&from.keyword) {
                let text = format!("'{keyword}' and '{}' keywords' casing do not match", from.keyword);
                self.add(lines(from), "FromAsCasing", text);
            }
        }
        match platform {
            Some("$TARGETPLATFORM" | "${TARGETPLATFORM}") => {
                let text = "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior";
                self.add(lines(from), "RedundantTargetPlatform", text.to_owned());
            }
            Some(constant) if !constant.contains('$') => {
                let text = format!("FROM --platform flag should not use constant value \"{constant}\"");
                self.add(lines(from), "FromPlatformFlagConstDisallowed", text);
            }
            _ => {}
        }
    }

    /// Only the last of these counts.
    fn several(&mut self, steps: &[Step]) {
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let all: Vec<&Step> = steps.iter().filter(|step| step.statement.keyword.eq_ignore_ascii_case(keyword)).collect();
            for step in all.iter().rev().skip(1) {
                let text =
                    format!("Multiple {keyword} instructions should not be used in the same stage because only the last one will be used");
                self.add(lines(&step.statement), "MultipleInstructionsDisallowed", text);
            }
        }
    }

    fn step(&mut self, step: &Step, ignore: &Ignore, absolute: &mut bool) {
        let at = lines(&step.statement);
        let keyword = step.statement.keyword.to_ascii_uppercase();
        match &step.instruction {
            Instruction::Cmd(Command::Shell(_)) | Instruction::Entrypoint(Command::Shell(_)) => {
                let text = format!("JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals");
                self.add(at, "JSONArgsRecommended", text);
            }
            Instruction::Maintainer(_) => {
                self.add(at, "MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label".to_owned());
            }
            Instruction::Workdir(path) => {
                let whole = path.starts_with(['/', '$']);
                if !whole && !*absolute {
                    let text = format!("Relative workdir \"{path}\" can have unexpected results if the base image changes");
                    self.add(at, "WorkdirRelativePath", text);
                }
                *absolute |= whole;
            }
            Instruction::Env(_) | Instruction::Label(_) if is_legacy(&step.statement.rest) => {
                let text = format!("\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format");
                self.add(at, "LegacyKeyValueFormat", text);
            }
            Instruction::Expose(ports) => {
                for port in
                    ports.iter().filter(|port| port.split_once('/').is_some_and(|(_, protocol)| protocol != protocol.to_ascii_lowercase()))
                {
                    let text = format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
                    self.add(at, "ExposeProtoCasing", text);
                }
            }
            Instruction::Copy(Copy { from: None, sources, .. }) | Instruction::Add(Copy { from: None, sources, .. }) => {
                for source in sources.iter().filter(|source| !source.contains(['$', '*', '?', '['])) {
                    if ignore.excludes(&cleaned(&format!("/{source}"))).is_some() && !ignore.takes_back() {
                        let text = format!("Attempting to {} file \"{source}\" that is excluded by .dockerignore", title(&keyword));
                        self.add(at, "CopyIgnoredFile", text);
                    }
                }
            }
            _ => {}
        }
        for name in names(&step.instruction).into_iter().filter(|name| is_secret(name)) {
            let text = format!("Do not use ARG or ENV instructions for sensitive data ({keyword} \"{name}\")");
            self.add(at, "SecretsUsedInArgOrEnv", text);
        }
    }
}

fn title(keyword: &str) -> String {
    let (first, rest) = keyword.split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}

/// The names that an `ARG` or `ENV` sets.
fn names(instruction: &Instruction) -> Vec<&String> {
    match instruction {
        Instruction::Arg(pairs) => pairs.iter().map(|(name, _)| name).collect(),
        Instruction::Env(pairs) => pairs.iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}

fn has_default(instruction: &Instruction, name: &str) -> bool {
    matches!(instruction, Instruction::Arg(pairs) if pairs.iter().any(|(own, default)| own == name && default.is_some()))
}

fn is_legacy(rest: &str) -> bool {
    rest.split_whitespace().next().is_some_and(|first| !first.contains('='))
}

/// Parts of names that mean a secret, unless the name says that it is public.
fn is_secret(name: &str) -> bool {
    let parts: Vec<String> = name.split('_').map(str::to_ascii_lowercase).collect();
    let secret = ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
    parts.iter().any(|part| secret.contains(&part.as_str())) && !parts.iter().any(|part| part == "public" || part == "file")
}

/// The variables in a text, without those that have a default.
fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('$').skip(1) {
        let braced = part.strip_prefix('{');
        let name: String = braced.unwrap_or(part).chars().take_while(|one| one.is_ascii_alphanumeric() || *one == '_').collect();
        let default = braced.is_some_and(|rest| !rest[name.len()..].starts_with('}'));
        if !name.is_empty() && !default {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::dockerfile;
    use super::*;

    fn rules(text: &str, ignore: &str) -> Vec<(usize, &'static str)> {
        let read = dockerfile::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        file(&read, &Ignore::read(ignore).unwrap()).iter().map(|warning| (warning.lines.0, warning.rule)).collect()
    }

    #[test]
    fn each_rule_finds_its_mistake_and_nothing_else() {
        let table: &[(&str, &[(usize, &str)])] = &[
            ("FROM a AS b\nWORKDIR /x\nWORKDIR y\nENV a=b\nCMD [\"x\"]", &[]),
            ("FROM a as b", &[(1, "FromAsCasing")]),
            ("from a as b", &[]),
            ("FROM a AS Build", &[(1, "StageNameCasing")]),
            ("FROM a\nrun x\nRUN y", &[(2, "ConsistentInstructionCasing")]),
            ("FROM a\nCMD x", &[(2, "JSONArgsRecommended")]),
            ("FROM a\nENTRYPOINT x", &[(2, "JSONArgsRecommended")]),
            ("FROM a\nMAINTAINER me", &[(2, "MaintainerDeprecated")]),
            ("FROM a\nWORKDIR x", &[(2, "WorkdirRelativePath")]),
            ("FROM a\nENV a b", &[(2, "LegacyKeyValueFormat")]),
            ("FROM a\nLABEL a b", &[(2, "LegacyKeyValueFormat")]),
            ("FROM a\nCMD [\"a\"]\nCMD [\"b\"]", &[(2, "MultipleInstructionsDisallowed")]),
            ("FROM a\nARG API_TOKEN\nENV PUBLIC_KEY=1", &[(2, "SecretsUsedInArgOrEnv")]),
            ("FROM a:$V", &[(1, "UndefinedArgInFrom")]),
            ("FROM a:${V:-1}", &[]),
            ("ARG V\nFROM a:$V", &[(2, "InvalidDefaultArgInFrom")]),
            ("ARG V=1\nFROM a:$V", &[]),
            ("FROM --platform=$TARGETPLATFORM a", &[(1, "RedundantTargetPlatform")]),
            ("FROM --platform=linux/amd64 a", &[(1, "FromPlatformFlagConstDisallowed")]),
            ("FROM a\nEXPOSE 80/TCP", &[(2, "ExposeProtoCasing")]),
            ("FROM a\nCOPY secret .", &[(2, "CopyIgnoredFile")]),
            ("FROM a\nRUN a \\\n\n b", &[(2, "NoEmptyContinuation")]),
        ];
        for (text, wanted) in table {
            assert_eq!(rules(text, "secret"), *wanted, "{text}");
        }
    }

    #[test]
    fn rules_can_be_skipped() {
        let settings = Settings::read(Some("skip=JSONArgsRecommended,StageNameCasing;error=true"));
        let warning = |rule| Warning { lines: (1, 1), rule, text: String::new() };
        assert!(settings.error && !settings.wants(&warning("JSONArgsRecommended")) && settings.wants(&warning("FromAsCasing")));
        assert!(!Settings::read(Some("skip=all")).wants(&warning("FromAsCasing")));
        assert_eq!(Settings::read(None), Settings::default());
    }
}
