//! procps' command line: options with a dash (`-ef -o pid`), BSD letters without one (`aux`), long ones, and process ids.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;

use super::columns::{self, Column, Shown};
use super::process::{Process, user_number};
use crate::kernel::pty;
use crate::toolbox::Failure;

/// Whether and how children stand below their parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tree {
    /// A flat list.
    #[default]
    None,
    /// With lines: `f`, `--forest`.
    Drawn,
    /// By spaces: `-H`.
    Indented,
}

/// What is to be shown.
#[derive(Default)]
pub struct Wanted {
    /// The columns.
    pub columns: Vec<Shown>,
    /// Whether there is a line of headers.
    pub header: bool,
    /// Columns to sort by, and whether downwards.
    pub sort: Vec<(&'static Column, bool)>,
    /// Parents and children.
    pub tree: Tree,
    broad: Broad,
    picks: Vec<Pick>,
    running: bool,
    negate: bool,
    wide: bool,
    bsd: bool,
    format: Format,
}

/// Which processes an option like `-e` or `a` lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Broad {
    /// Those of my terminal (and user).
    #[default]
    Mine,
    /// All: `-e`, `-A`, `ax`.
    All,
    /// All with a terminal: `a`.
    Terminals,
    /// All of mine, with or without terminal: `x`.
    MyUser,
    /// All but session leaders: `-d`; and with a terminal: `-a`.
    NoLeaders(bool),
}

/// One list that names processes.
enum Pick {
    Pids(Vec<i32>),
    Parents(Vec<i32>),
    Sessions(Vec<i32>),
    Names(Vec<String>),
    Users(Vec<u32>),
    Terminals(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Format {
    #[default]
    Plain,
    User,
    Full,
    ExtraFull,
    Long,
    Jobs,
}

/// Reads the command line.
///
/// # Errors
/// What is not known, or a list that names nothing.
pub fn parse(args: &[String]) -> Result<Wanted, Failure> {
    let mut wanted = Wanted { header: true, ..Wanted::default() };
    let mut args = args.iter();
    let mut first = true;
    while let Some(arg) = args.next() {
        if let Some(long) = arg.strip_prefix("--") {
            wanted.long(long, &mut args)?;
        } else if arg == "-aux" || arg == "-auxww" || arg == "-auxf" {
            // A common slip; procps understands it as well.
            wanted.bsd_letters(&arg[1..], &mut args)?;
        } else if let Some(letters) = arg.strip_prefix('-') {
            wanted.dashed(letters, &mut args)?;
        } else if arg.starts_with(|letter: char| letter.is_ascii_digit()) {
            // A number alone is BSD's way, and has BSD's columns.
            wanted.bsd |= first;
            wanted.picks.push(Pick::Pids(numbers(arg)?));
        } else if first || wanted.bsd || arg.chars().all(|letter| "axufwhjlrTe".contains(letter)) {
            wanted.bsd_letters(arg, &mut args)?;
        } else {
            return Err(unsupported(arg));
        }
        first = false;
    }
    wanted.choose_columns();
    Ok(wanted)
}

type Rest<'a> = std::slice::Iter<'a, String>;

impl Wanted {
    /// Whether a process is shown; `me` is this ps.
    pub fn selects(&self, process: &Process, me: &Process) -> bool {
        let picked = match (self.picks.is_empty(), self.broad) {
            (true, _) => self.broadly(process, me),
            (false, Broad::All) => true,
            (false, _) => self.picks.iter().any(|pick| pick.has(process)),
        };
        (picked != self.negate) && (!self.running || matches!(process.state, 'R' | 'D'))
    }

    fn broadly(&self, process: &Process, me: &Process) -> bool {
        let mine = process.users[1] == me.users[1];
        match self.broad {
            Broad::All => true,
            Broad::Mine if self.bsd => mine && process.terminal != 0,
            Broad::Mine => mine && process.terminal == me.terminal,
            Broad::Terminals => process.terminal != 0,
            Broad::MyUser => mine,
            Broad::NoLeaders(terminal) => process.session != process.pid && (!terminal || process.terminal != 0),
        }
    }

    /// How long a line may be: as wide as the terminal, unless `ww` or no terminal.
    pub fn width(&self) -> Option<usize> {
        let stdout = std::io::stdout();
        if self.wide || !stdout.is_terminal() {
            return None;
        }
        pty::size(stdout.as_fd()).map(|size| usize::from(size.columns)).filter(|columns| *columns > 0)
    }

    fn long(&mut self, text: &str, args: &mut Rest<'_>) -> Result<(), Failure> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        let mut list =
            || value.clone().or_else(|| args.next().cloned()).ok_or_else(|| Failure::new(1, format_args!("error: --{name} needs a list")));
        match name {
            "forest" => self.tree = Tree::Drawn,
            "no-headers" | "no-headings" | "noheaders" | "noheading" => self.header = false,
            "headers" | "cumulative" => {}
            "deselect" => self.negate = true,
            "sort" => self.sort_by(&list()?)?,
            "format" => self.add_columns(&list()?)?,
            "pid" => self.picks.push(Pick::Pids(numbers(&list()?)?)),
            "ppid" => self.picks.push(Pick::Parents(numbers(&list()?)?)),
            "sid" => self.picks.push(Pick::Sessions(numbers(&list()?)?)),
            "user" | "User" => self.picks.push(Pick::Users(users(&list()?)?)),
            "tty" => self.picks.push(Pick::Terminals(words(&list()?))),
            "cols" | "columns" | "width" | "rows" | "lines" => drop(list()?),
            _ => return Err(Failure::new(1, format_args!("error: unknown gnu long option `--{name}`"))),
        }
        Ok(())
    }

    fn dashed(&mut self, letters: &str, args: &mut Rest<'_>) -> Result<(), Failure> {
        for (at, letter) in letters.char_indices() {
            let glued = &letters[at + letter.len_utf8()..];
            match letter {
                'e' | 'A' => self.broad = Broad::All,
                'a' => self.broad = Broad::NoLeaders(true),
                'd' => self.broad = Broad::NoLeaders(false),
                'f' => self.format = Format::Full,
                'F' => self.format = Format::ExtraFull,
                'l' => self.format = Format::Long,
                'j' => self.format = Format::Jobs,
                'H' => self.tree = Tree::Indented,
                'N' => self.negate = true,
                'w' => self.wide = true,
                // BSD's x with a dash in front.
                'x' => self.bsd_letters("x", args)?,
                'o' | 'p' | 'C' | 'u' | 'U' | 't' | 's' | 'g' | 'q' => return self.with_list(letter, glued, args),
                _ => return Err(unsupported(&format!("-{letter}"))),
            }
        }
        Ok(())
    }

    fn bsd_letters(&mut self, letters: &str, args: &mut Rest<'_>) -> Result<(), Failure> {
        self.bsd = true;
        for (at, letter) in letters.char_indices() {
            let glued = &letters[at + letter.len_utf8()..];
            match (letter, self.broad) {
                ('a', Broad::MyUser) | ('x', Broad::Terminals) => self.broad = Broad::All,
                ('a', Broad::Mine) => self.broad = Broad::Terminals,
                ('x', Broad::Mine) => self.broad = Broad::MyUser,
                ('a' | 'x' | 'e' | 'c' | 'S', _) => {}
                ('u', _) => self.format = Format::User,
                ('l', _) => self.format = Format::Long,
                ('j', _) => self.format = Format::Jobs,
                ('f', _) => self.tree = Tree::Drawn,
                ('h', _) => self.header = false,
                ('r', _) => self.running = true,
                ('w', _) => self.wide = true,
                ('T', _) => self.broad = Broad::Mine,
                ('o' | 'p' | 'U' | 't' | 'k', _) => return self.with_list(letter, glued, args),
                _ => return Err(unsupported(letters)),
            }
        }
        Ok(())
    }

    /// An option whose list is the rest of the word or the next one.
    fn with_list(&mut self, letter: char, glued: &str, args: &mut Rest<'_>) -> Result<(), Failure> {
        let list = if glued.is_empty() { args.next().cloned() } else { Some(glued.to_owned()) };
        let list = list.ok_or_else(|| Failure::new(1, format_args!("error: list of something must follow -{letter}")))?;
        match letter {
            'o' => self.add_columns(&list)?,
            'k' => self.sort_by(&list)?,
            'p' | 'q' => self.picks.push(Pick::Pids(numbers(&list)?)),
            'C' => self.picks.push(Pick::Names(words(&list))),
            's' | 'g' => self.picks.push(Pick::Sessions(numbers(&list)?)),
            't' => self.picks.push(Pick::Terminals(words(&list))),
            _ => self.picks.push(Pick::Users(users(&list)?)),
        }
        Ok(())
    }

    /// `pid,comm` or `pid= comm=`; after `name=TEXT` with a text, all the rest is the header.
    fn add_columns(&mut self, list: &str) -> Result<(), Failure> {
        let mut rest = list;
        while !rest.is_empty() {
            let end = rest.find([',', ' ', '=']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let column = || Failure::new(1, format_args!("error: unknown user-defined format specifier \"{name}\""));
            if !name.is_empty() {
                self.columns.push(Shown::named(name).ok_or_else(column)?);
            }
            rest = match (after.strip_prefix('='), self.columns.last_mut()) {
                (Some(header), Some(shown)) if header.is_empty() || header.starts_with([',', ' ']) => {
                    shown.header.clear();
                    header.get(1..).unwrap_or_default()
                }
                (Some(header), Some(shown)) => {
                    header.clone_into(&mut shown.header);
                    ""
                }
                _ => after.get(1..).unwrap_or_default(),
            };
        }
        Ok(())
    }

    fn sort_by(&mut self, list: &str) -> Result<(), Failure> {
        for key in words(list) {
            let name = key.trim_start_matches(['+', '-']);
            let column = columns::find(name).ok_or_else(|| Failure::new(1, format_args!("error: unknown sort specifier \"{name}\"")))?;
            self.sort.push((column, key.starts_with('-')));
        }
        Ok(())
    }

    /// The columns of the format, where -o gave none.
    fn choose_columns(&mut self) {
        if !self.columns.is_empty() {
            return;
        }
        let names: &[&str] = match (self.format, self.bsd) {
            (Format::User, _) => &["user", "pid", "pcpu", "pmem", "vsz", "rss", "tname", "stat", "bsdstart", "bsdtime", "args"],
            (Format::Full, _) => &["uid_name", "pid", "ppid", "c", "stime", "tname", "time", "cmd"],
            (Format::ExtraFull, _) => &["uid_name", "pid", "ppid", "c", "sz", "rss", "psr", "stime", "tname", "time", "cmd"],
            (Format::Long, _) => &["f", "s", "uid", "pid", "ppid", "c", "opri", "ni", "addr_sz", "wchan", "tname", "time", "comm_cmd"],
            (Format::Jobs, true) => &["ppid", "pid", "pgid", "sid", "tname", "tpgid", "stat", "uid", "bsdtime", "args"],
            (Format::Jobs, false) => &["pid", "pgid", "sid", "tname", "time", "comm_cmd"],
            (Format::Plain, true) => &["pid", "tname", "stat", "bsdtime", "args"],
            (Format::Plain, false) => &["pid", "tname", "time", "comm_cmd"],
        };
        self.columns = names.iter().filter_map(|name| Shown::named(name)).collect();
    }
}

impl Pick {
    fn has(&self, process: &Process) -> bool {
        match self {
            Pick::Pids(pids) => pids.contains(&process.pid),
            Pick::Parents(parents) => parents.contains(&process.ppid),
            Pick::Sessions(sessions) => sessions.contains(&process.session),
            // The kernel keeps 15 letters of a name.
            Pick::Names(names) => names.iter().any(|name| name.chars().take(15).collect::<String>() == process.name),
            Pick::Users(users) => users.contains(&process.users[1]),
            Pick::Terminals(names) => names.iter().any(|name| name.trim_start_matches("/dev/") == process.terminal_name()),
        }
    }
}

fn words(list: &str) -> Vec<String> {
    list.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn numbers(list: &str) -> Result<Vec<i32>, Failure> {
    let parsed: Result<Vec<i32>, _> = words(list).iter().map(|word| word.parse()).collect();
    parsed
        .ok()
        .filter(|numbers| !numbers.is_empty())
        .ok_or_else(|| Failure::new(1, format_args!("error: process ID list syntax error: `{list}`")))
}

fn users(list: &str) -> Result<Vec<u32>, Failure> {
    words(list)
        .iter()
        .map(|name| user_number(name).ok_or_else(|| Failure::new(1, format_args!("error: user name does not exist: `{name}`"))))
        .collect()
}

fn unsupported(what: &str) -> Failure {
    Failure::new(1, format_args!("error: unsupported option `{what}` (bottleship's own ps; there is none on the machine)"))
}
