//! What each instruction means: its flags, its forms, its rules.

use super::lines::{HereDocument, Statement};
use super::words;
use super::{Error, Result};

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A JSON list: run as it is.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// What `COPY` and `ADD` have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where the sources are: a stage, an image, a named context. `None`: the context.
    pub from: Option<String>,
    /// The paths or patterns, as written.
    pub sources: Vec<String>,
    /// Files that the instruction brings along itself.
    pub documents: Vec<HereDocument>,
    /// Where they go, as written.
    pub target: String,
    /// `user[:group]` that the copies belong to.
    pub chown: Option<String>,
    /// The permission bits of the copies: octal or symbolic.
    pub chmod: Option<String>,
    /// The copies make a layer of their own that does not depend on those below.
    pub link: bool,
    /// The sources keep the folders that they are in.
    pub parents: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// `ADD`: the digest of what is fetched.
    pub checksum: Option<String>,
    /// `ADD` of a Git repository: `.git` stays.
    pub keep_git_dir: bool,
    /// `ADD`: whether archives are unpacked, where somebody says so.
    pub unpack: Option<bool>,
}

/// A `--mount` of `RUN`: its keys and values in their order, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `bind`, `cache`, `tmpfs`, `secret`, `ssh`.
    pub kind: String,
    /// The other keys; a key without a value is `true`.
    pub options: Vec<(String, String)>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ADD`.
    Add(Copy),
    /// `ARG`: names with their defaults.
    Arg(Vec<(String, Option<String>)>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<(String, String)>),
    /// `EXPOSE`: ports as written.
    Expose(Vec<String>),
    /// `FROM`.
    From {
        /// The image or the stage, as written.
        image: String,
        /// The stage's name, in lower case.
        name: Option<String>,
        /// `--platform`, as written.
        platform: Option<String>,
    },
    /// `HEALTHCHECK`: `None` is `NONE`.
    Healthcheck {
        /// The test.
        test: Option<Command>,
        /// `--interval` and the others as written: name and value.
        options: Vec<(String, String)>,
    },
    /// `LABEL`.
    Label(Vec<(String, String)>),
    /// `MAINTAINER`, deprecated.
    Maintainer(String),
    /// `ONBUILD`: the instruction as text, and checked.
    OnBuild(String),
    /// `RUN`.
    Run {
        /// The command.
        command: Command,
        /// Documents: the first is the script itself if the command is nothing but it.
        documents: Vec<HereDocument>,
        /// `--mount`.
        mounts: Vec<Mount>,
        /// `--network`: `default`, `none`, `host`.
        network: Option<String>,
        /// `--security`.
        security: Option<String>,
    },
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`, as written.
    StopSignal(String),
    /// `USER`, as written.
    User(String),
    /// `VOLUME`: paths as written.
    Volume(Vec<String>),
    /// `WORKDIR`, as written.
    Workdir(String),
}

/// All keywords, for suggestions.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads one instruction.
///
/// # Errors
/// It is unknown, lacks arguments, has a flag that it does not know, or breaks one of its rules.
pub fn read(statement: &Statement, escape: char) -> Result<Instruction> {
    Reading::new(&statement.keyword, &statement.rest, statement, escape).instruction()
}

type Flags = Vec<(String, Option<String>)>;

struct Reading<'a> {
    keyword: String,
    flags: Flags,
    rest: &'a str,
    statement: &'a Statement,
    escape: char,
}

impl<'a> Reading<'a> {
    fn new(keyword: &str, rest: &'a str, statement: &'a Statement, escape: char) -> Self {
        let keyword = keyword.to_ascii_uppercase();
        let flagged = ["ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"].contains(&keyword.as_str());
        let (flags, rest) = if flagged { words::flags(rest, escape) } else { (Vec::new(), rest) };
        Reading { keyword, flags, rest, statement, escape }
    }

    fn error(&self, why: impl Into<String>) -> Error {
        Error::at(self.statement.line, why)
    }

    fn instruction(mut self) -> Result<Instruction> {
        if !KEYWORDS.contains(&self.keyword.as_str()) {
            let near = nearest(&self.keyword).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
            return Err(self.error(format!("unknown instruction: {}{near}", self.statement.keyword)));
        }
        let bare = self.rest.is_empty() && self.statement.documents.is_empty();
        let mounts_only = self.keyword == "RUN" && !self.flags.is_empty();
        if bare && !mounts_only {
            return Err(self.error(self.too_few()));
        }
        let instruction = match self.keyword.as_str() {
            "ADD" => Instruction::Add(self.copy()?),
            "COPY" => Instruction::Copy(self.copy()?),
            "ARG" => Instruction::Arg(self.arguments()?),
            "CMD" => Instruction::Cmd(self.command()),
            "ENTRYPOINT" => Instruction::Entrypoint(self.command()),
            "ENV" => Instruction::Env(self.pairs()?),
            "LABEL" => Instruction::Label(self.pairs()?),
            "EXPOSE" => Instruction::Expose(self.rest.split_whitespace().map(str::to_owned).collect()),
            "FROM" => self.from()?,
            "HEALTHCHECK" => self.healthcheck()?,
            "MAINTAINER" => Instruction::Maintainer(self.rest.to_owned()),
            "ONBUILD" => self.on_build()?,
            "RUN" => self.run()?,
            "SHELL" => Instruction::Shell(self.shell()?),
            "STOPSIGNAL" => Instruction::StopSignal(self.one()?),
            "USER" => Instruction::User(self.one()?),
            "WORKDIR" => Instruction::Workdir(self.rest.to_owned()),
            _ => Instruction::Volume(self.volumes()?),
        };
        self.no_more_flags()?;
        Ok(instruction)
    }

    fn too_few(&self) -> String {
        let wants = match self.keyword.as_str() {
            "ADD" | "COPY" => "at least two arguments, but only 0 were provided. Destination could not be determined",
            "FROM" => "either one or three arguments",
            "MAINTAINER" | "STOPSIGNAL" | "USER" | "WORKDIR" => "exactly one argument",
            _ => "at least one argument",
        };
        format!("{} requires {wants}", self.keyword)
    }

    /// Takes a flag that may come once and needs a value.
    fn flag(&mut self, name: &str) -> Result<Option<String>> {
        let found: Vec<Option<String>> = self.flags.extract_if(.., |(flag, _)| flag == name).map(|(_, value)| value).collect();
        match found.as_slice() {
            [] => Ok(None),
            [Some(value)] => Ok(Some(value.clone())),
            [None] => Err(self.error(format!("missing a value on flag: {name}"))),
            _ => Err(self.error(format!("duplicate flag specified: {name}"))),
        }
    }

    /// Takes a flag that is set or not.
    fn switch(&mut self, name: &str) -> Result<Option<bool>> {
        if self.flags.iter().any(|(flag, value)| flag == name && value.is_none()) {
            self.flags.retain(|(flag, _)| flag != name);
            return Ok(Some(true));
        }
        match self.flag(name)?.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.error(format!("expecting boolean value for flag {name}, not: {other}"))),
        }
    }

    /// Takes a flag that may come several times.
    fn all(&mut self, name: &str) -> Result<Vec<String>> {
        let found: Vec<Option<String>> = self.flags.extract_if(.., |(flag, _)| flag == name).map(|(_, value)| value).collect();
        found.into_iter().map(|value| value.ok_or_else(|| self.error(format!("missing a value on flag: {name}")))).collect()
    }

    fn no_more_flags(&self) -> Result<()> {
        match self.flags.first() {
            None => Ok(()),
            Some((name, _)) => Err(self.error(format!("unknown flag: --{name}"))),
        }
    }

    fn one(&self) -> Result<String> {
        match words::split(self.rest, self.escape).len() {
            1 => Ok(self.rest.to_owned()),
            _ => Err(self.error(format!("{} requires exactly one argument", self.keyword))),
        }
    }

    fn command(&self) -> Command {
        match words::json_list(self.rest) {
            Some(list) => Command::Exec(list),
            None => Command::Shell(self.rest.to_owned()),
        }
    }

    fn copy(&mut self) -> Result<Copy> {
        let mut words = words::json_list(self.rest).unwrap_or_else(|| words::split(self.rest, self.escape));
        let documents = self.statement.documents.clone();
        let target = words.pop().unwrap_or_default();
        words.retain(|word| !is_opening(word, &documents));
        if words.len() + documents.len() < 1 {
            let given = usize::from(!target.is_empty());
            let why = format!(
                "{} requires at least two arguments, but only {given} was provided. Destination could not be determined",
                self.keyword
            );
            return Err(self.error(why));
        }
        if words.len() + documents.len() > 1 && !target.ends_with('/') && target != "." && !target.ends_with("/.") && !target.contains('$')
        {
            return Err(self.error(format!(
                "When using {} with more than one source file, the destination must be a directory and end with a /",
                self.keyword
            )));
        }
        let add = self.keyword == "ADD";
        Ok(Copy {
            from: if add { None } else { self.flag("from")? },
            sources: words,
            documents,
            target,
            chown: self.flag("chown")?,
            chmod: self.flag("chmod")?,
            link: self.switch("link")?.unwrap_or(false),
            parents: if add { false } else { self.switch("parents")?.unwrap_or(false) },
            exclude: self.all("exclude")?,
            checksum: if add { self.flag("checksum")? } else { None },
            keep_git_dir: if add { self.switch("keep-git-dir")?.unwrap_or(false) } else { false },
            unpack: if add { self.switch("unpack")? } else { None },
        })
    }

    fn arguments(&self) -> Result<Vec<(String, Option<String>)>> {
        let pair = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(self.error("ARG names can not be blank")),
            Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            None => Ok((word.clone(), None)),
        };
        words::split(self.rest, self.escape).iter().map(pair).collect()
    }

    /// `name=value ...`, or the old form `name the rest`.
    fn pairs(&self) -> Result<Vec<(String, String)>> {
        let words = words::split(self.rest, self.escape);
        let first = words.first().map(String::as_str).unwrap_or_default();
        if !first.contains('=') {
            let rest = self.rest.get(first.len()..).unwrap_or_default().trim();
            return if rest.is_empty() {
                Err(self.error(format!("{} must have two arguments", self.keyword)))
            } else {
                Ok(vec![(first.to_owned(), rest.to_owned())])
            };
        }
        let pair = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(self.error(format!("{} names can not be blank", self.keyword))),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(self.error(format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value"))),
        };
        words.iter().map(pair).collect()
    }

    fn from(&mut self) -> Result<Instruction> {
        let platform = self.flag("platform")?;
        let words: Vec<&str> = self.rest.split_whitespace().collect();
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, keyword, name] if keyword.eq_ignore_ascii_case("as") => (*image, Some(name.to_ascii_lowercase())),
            _ => return Err(self.error("FROM requires either one or three arguments")),
        };
        if let Some(name) = &name {
            let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
            if !name.as_bytes()[0].is_ascii_lowercase() || !name.bytes().all(rest) {
                return Err(
                    self.error(format!("invalid name for build stage: {name:?}, name can't start with a number or contain symbols"))
                );
            }
            if ["context", "scratch"].contains(&name.as_str()) {
                return Err(self.error(format!("invalid name for build stage: {name:?} is reserved")));
            }
        }
        Ok(Instruction::From { image: image.to_owned(), name, platform })
    }

    fn healthcheck(&mut self) -> Result<Instruction> {
        let (kind, rest) = self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, ""));
        let rest = rest.trim();
        let mut options = Vec::new();
        for name in ["interval", "timeout", "start-period", "start-interval", "retries"] {
            options.extend(self.flag(name)?.map(|value| (name.to_owned(), value)));
        }
        let test = match kind.to_ascii_uppercase().as_str() {
            "NONE" if rest.is_empty() && options.is_empty() => None,
            "NONE" => return Err(self.error("HEALTHCHECK NONE takes no arguments")),
            "CMD" if rest.is_empty() => return Err(self.error("Missing command after HEALTHCHECK CMD")),
            "CMD" => Some(words::json_list(rest).map_or_else(|| Command::Shell(rest.to_owned()), Command::Exec)),
            other => return Err(self.error(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)"))),
        };
        Ok(Instruction::Healthcheck { test, options })
    }

    fn on_build(&self) -> Result<Instruction> {
        let (keyword, rest) = self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, ""));
        match keyword.to_ascii_uppercase().as_str() {
            "ONBUILD" => return Err(self.error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
            "FROM" | "MAINTAINER" => {
                return Err(self.error(format!("{} isn't allowed as an ONBUILD trigger", keyword.to_ascii_uppercase())));
            }
            _ => {}
        }
        // What is stored must be an instruction that can be read later.
        Reading::new(keyword, rest.trim(), self.statement, self.escape).instruction()?;
        Ok(Instruction::OnBuild(self.rest.to_owned()))
    }

    fn run(&mut self) -> Result<Instruction> {
        let mounts = self.all("mount")?.iter().map(|text| self.mount(text)).collect::<Result<Vec<Mount>>>()?;
        let (network, security) = (self.flag("network")?, self.flag("security")?);
        if let Some(other) = network.as_deref().filter(|network| !["default", "none", "host"].contains(network)) {
            return Err(self.error(format!("network mode {other:?} is not supported: use default, none or host")));
        }
        if let Some(other) = security.as_deref().filter(|security| !["sandbox", "insecure"].contains(security)) {
            return Err(self.error(format!("security {other:?} is not valid: use sandbox")));
        }
        let documents = self.statement.documents.clone();
        Ok(Instruction::Run { command: self.command(), documents, mounts, network, security })
    }

    fn mount(&self, text: &str) -> Result<Mount> {
        const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
        let (mut kind, mut options) = ("bind".to_owned(), Vec::new());
        for part in comma_separated(text) {
            let (key, value) = part.split_once('=').unwrap_or((&part, "true"));
            let (key, value) = (key.trim().to_ascii_lowercase(), value.to_owned());
            if key == "type" {
                kind = value.to_ascii_lowercase();
                if !KINDS.contains(&kind.as_str()) {
                    return Err(self.error(format!("unsupported mount type {value:?}: use {}", KINDS.join(", "))));
                }
                continue;
            }
            options.push((key, value));
        }
        let known: &[&str] = match kind.as_str() {
            "bind" => &["source", "src", "target", "dst", "destination", "from", "rw", "readwrite", "ro", "readonly"],
            "cache" => &[
                "id",
                "source",
                "src",
                "target",
                "dst",
                "destination",
                "from",
                "ro",
                "readonly",
                "rw",
                "readwrite",
                "sharing",
                "mode",
                "uid",
                "gid",
            ],
            "tmpfs" => &["target", "dst", "destination", "size"],
            "secret" => &["id", "source", "src", "target", "dst", "destination", "required", "mode", "uid", "gid", "env"],
            _ => &["id", "target", "dst", "destination", "required", "mode", "uid", "gid"],
        };
        match options.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(self.error(format!("unexpected key '{key}' for mount type '{kind}'"))),
            None => Ok(Mount { kind, options }),
        }
    }

    fn shell(&self) -> Result<Vec<String>> {
        match words::json_list(self.rest) {
            Some(list) if !list.is_empty() => Ok(list),
            _ => Err(self.error("SHELL requires the arguments to be in JSON form")),
        }
    }

    fn volumes(&self) -> Result<Vec<String>> {
        let paths = words::json_list(self.rest).unwrap_or_else(|| words::split(self.rest, self.escape));
        if paths.iter().any(|path| path.trim().is_empty()) {
            Err(self.error("VOLUME specified can not be an empty string"))
        } else {
            Ok(paths)
        }
    }
}

/// Whether a word is the `<<NAME` of one of the documents.
fn is_opening(word: &str, documents: &[HereDocument]) -> bool {
    word.trim_start_matches(|character: char| character.is_ascii_digit())
        .strip_prefix("<<")
        .map(|name| name.trim_start_matches('-').trim_matches(['"', '\'']))
        .is_some_and(|name| documents.iter().any(|document| document.name == name))
}

/// Fields of a line of CSV: a field in double quotes may hold commas.
fn comma_separated(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// The keyword that was probably meant.
fn nearest(word: &str) -> Option<&'static str> {
    let scored = KEYWORDS.iter().map(|keyword| (similar::TextDiff::from_chars(word, *keyword).ratio(), *keyword));
    scored.filter(|(score, _)| *score >= 0.6).max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, keyword)| keyword)
}
