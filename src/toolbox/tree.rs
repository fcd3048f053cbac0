//! `tree`: a folder as a drawing.

use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};

const KNOWN: &[Known] = &[
    ('a', "all", false),
    ('C', "colour", false),
    ('D', "date", false),
    ('d', "directories", false),
    ('f', "full", false),
    ('F', "classify", false),
    ('g', "group", false),
    ('h', "human", false),
    ('I', "ignore", true),
    ('i', "noindent", false),
    ('L', "level", true),
    ('N', "literal", false),
    ('n', "nocolor", false),
    ('o', "output", true),
    ('P', "pattern", true),
    ('p', "permissions", false),
    ('Q', "quote", false),
    ('r', "reverse", false),
    ('s', "size", false),
    ('t', "by-time", false),
    ('u', "user", false),
    ('x', "one-file-system", false),
    ('\0', "charset", true),
    ('\0', "dirsfirst", false),
    ('\0', "noreport", false),
];

/// A name in a folder.
struct Entry {
    name: String,
    /// What lstat(2) says of it.
    data: Metadata,
    /// Whether it is a folder, or a link that leads to one.
    folder: bool,
}

/// The four pieces of which the lines are made: before a name that others follow, before the last one, and what stands below these.
const LINES: [&str; 4] = ["├── ", "└── ", "│\u{a0}\u{a0} ", "    "];
const PLAIN_LINES: [&str; 4] = ["|-- ", "`-- ", "|   ", "    "];

/// What the options ask for, and what was counted.
struct Drawing<'a> {
    given: &'a Given,
    lines: [&'static str; 4],
    depth: usize,
    folders: usize,
    files: usize,
    troubles: usize,
}

/// Runs `tree`. Exit code 2 when a folder could not be read.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false).map_err(|failure| Failure { code: 1, ..failure })?;
    let depth = given.value("level").map_or(Some(usize::MAX), |text| text.parse().ok()).filter(|depth| *depth > 0);
    let depth = depth.ok_or_else(|| Failure::new(1, "Invalid level, must be greater than 0."))?;
    let Some(path) = given.value("output") else { return draw(&given, depth, out) };
    let mut file =
        fs::File::create(path).map_err(|error| Failure::new(1, format_args!("invalid filename '{path}': {}", reason(&error))))?;
    draw(&given, depth, &mut file)
}

fn draw(given: &Given, depth: usize, out: &mut dyn Write) -> Result<u8, Failure> {
    let roots = if given.rest.is_empty() { vec![".".to_owned()] } else { given.rest.clone() };
    let plain = given.value("charset").is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8"));
    let lines = if plain { PLAIN_LINES } else { LINES };
    let mut drawing = Drawing { given, lines, depth, folders: 0, files: 0, troubles: 0 };
    for root in &roots {
        drawing.root(Path::new(root), root, out)?;
    }
    if !given.has("noreport") {
        let (folders, files) = (drawing.folders, drawing.files);
        let plural = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        write!(out, "\n{}", plural(folders, "directory", "directories"))?;
        if !given.has("directories") {
            write!(out, ", {}", plural(files, "file", "files"))?;
        }
        writeln!(out)?;
    }
    Ok(if drawing.troubles > 0 { 2 } else { 0 })
}

impl Drawing<'_> {
    fn root(&mut self, path: &Path, name: &str, out: &mut dyn Write) -> Result<(), Failure> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let slash = if self.given.has("classify") && !name.ends_with('/') { "/" } else { "" };
                writeln!(out, "{}{}{slash}", self.columns(&metadata), self.dressed(name, &metadata, true))?;
                self.folders += 1;
                self.folder(path, "", 1, metadata.dev(), out)
            }
            _ => {
                self.troubles += 1;
                Ok(writeln!(out, "{name}  [error opening dir]")?)
            }
        }
    }

    fn folder(&mut self, path: &Path, indent: &str, level: usize, device: u64, out: &mut dyn Write) -> Result<(), Failure> {
        if level > self.depth {
            return Ok(());
        }
        let entries = self.entries(path);
        let last = entries.len().saturating_sub(1);
        for (at, entry) in entries.iter().enumerate() {
            let [middle, end, more, none] = self.lines;
            let (branch, below) = if at == last { (end, none) } else { (middle, more) };
            let child = path.join(&entry.name);
            let (indent, branch) = if self.given.has("noindent") { ("", "") } else { (indent, branch) };
            writeln!(out, "{indent}{branch}{}{}", self.columns(&entry.data), self.entry(&child, entry))?;
            // A link to a folder counts as one, and is not gone into.
            *(if entry.folder { &mut self.folders } else { &mut self.files }) += 1;
            if entry.data.is_dir() && (!self.given.has("one-file-system") || entry.data.dev() == device) {
                self.folder(&child, &format!("{indent}{below}"), level + 1, device, out)?;
            }
        }
        Ok(())
    }

    /// What is to be shown of a folder, sorted.
    fn entries(&mut self, path: &Path) -> Vec<Entry> {
        let Ok(read) = fs::read_dir(path) else {
            self.troubles += 1;
            return Vec::new();
        };
        let entry = |found: fs::DirEntry| {
            let data = found.metadata().ok()?;
            let folder = data.is_dir() || (data.is_symlink() && found.path().is_dir());
            Some(Entry { name: found.file_name().to_string_lossy().into_owned(), data, folder })
        };
        let mut found: Vec<Entry> = read.flatten().filter_map(entry).filter(|entry| self.shows(entry)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        if self.given.has("by-time") {
            found.sort_by_key(|entry| (entry.data.mtime(), entry.data.mtime_nsec()));
        }
        if self.given.has("reverse") {
            found.reverse();
        }
        if self.given.has("dirsfirst") {
            found.sort_by_key(|entry| !entry.folder);
        }
        found
    }

    fn shows(&self, entry: &Entry) -> bool {
        let given = self.given;
        let matches = |option: &str| given.values(option).any(|patterns| patterns.split('|').any(|pattern| glob(pattern, &entry.name)));
        (given.has("all") || !entry.name.starts_with('.'))
            && (!given.has("directories") || entry.folder)
            && !matches("ignore")
            && (!given.has("pattern") || entry.data.is_dir() || matches("pattern"))
    }

    /// `[drwxr-xr-x root     4096]  ` in front of the name, where asked for.
    fn columns(&self, metadata: &Metadata) -> String {
        let mut columns = Vec::new();
        if self.given.has("permissions") {
            columns.push(permissions(metadata));
        }
        if self.given.has("user") {
            columns.push(format!("{:<8}", super::ps::user_name(metadata.uid())));
        }
        if self.given.has("group") {
            columns.push(format!("{:<8}", super::ps::group_name(metadata.gid())));
        }
        if self.given.has("human") {
            columns.push(format!("{:>4}", human(metadata.size())));
        } else if self.given.has("size") {
            columns.push(format!("{:>11}", metadata.size()));
        }
        if self.given.has("date") {
            let time = Timestamp::from_second(metadata.mtime()).unwrap_or_default().to_zoned(TimeZone::system());
            columns.push(time.strftime("%b %e %H:%M").to_string());
        }
        if columns.is_empty() { String::new() } else { format!("[{}]  ", columns.join(" ")) }
    }

    /// The name, and for a link where it leads.
    fn entry(&self, path: &Path, entry: &Entry) -> String {
        let shown = if self.given.has("full") { path.display().to_string() } else { entry.name.clone() };
        if !entry.data.is_symlink() {
            return self.dressed(&shown, &entry.data, true) + self.mark(&entry.data);
        }
        let target = fs::read_link(path).map_or_else(|_| "?".into(), |target| target.display().to_string());
        let there = fs::metadata(path).ok();
        let link = self.dressed(&shown, &entry.data, there.is_some());
        match there {
            Some(there) => format!("{link} -> {}{}", self.dressed(&target, &there, true), self.mark(&there)),
            None => format!("{link} -> {}", self.coloured(&self.quoted(&target), "00")),
        }
    }

    /// A name as the options want it. `leads` is false for a link to nothing.
    fn dressed(&self, name: &str, data: &Metadata, leads: bool) -> String {
        let kind = data.file_type();
        // The colours that tree has without $LS_COLORS.
        let code = match () {
            () if !leads => "40;31;01",
            () if kind.is_symlink() => "01;36",
            () if kind.is_dir() => "01;34",
            () if kind.is_fifo() => "40;33",
            () if kind.is_socket() => "01;35",
            () if kind.is_block_device() || kind.is_char_device() => "40;33;01",
            () if data.permissions().mode() & 0o111 != 0 => "01;32",
            () => "00",
        };
        self.coloured(&self.quoted(name), code)
    }

    fn quoted(&self, name: &str) -> String {
        if self.given.has("quote") { format!("\"{name}\"") } else { name.to_owned() }
    }

    fn coloured(&self, text: &str, code: &str) -> String {
        let colour = self.given.has("colour") && !self.given.has("nocolor");
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What -F puts behind a name.
    fn mark(&self, metadata: &Metadata) -> &'static str {
        let kind = metadata.file_type();
        match () {
            () if !self.given.has("classify") => "",
            () if kind.is_dir() => "/",
            () if kind.is_fifo() => "|",
            () if kind.is_socket() => "=",
            () if kind.is_file() && metadata.permissions().mode() & 0o111 != 0 => "*",
            () => "",
        }
    }
}

fn permissions(metadata: &Metadata) -> String {
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => 'd',
        kind if kind.is_symlink() => 'l',
        kind if kind.is_fifo() => 'p',
        kind if kind.is_socket() => 's',
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => '-',
    };
    let mode = metadata.permissions().mode();
    let letters = (0..9).map(|bit| if mode & (0o400 >> bit) != 0 { b"rwxrwxrwx"[bit] as char } else { '-' });
    let mut text: Vec<char> = std::iter::once(kind).chain(letters).collect();
    for (bit, at, with, without) in [(0o4000, 3, 's', 'S'), (0o2000, 6, 's', 'S'), (0o1000, 9, 't', 'T')] {
        if mode & bit != 0 {
            text[at] = if text[at] == '-' { without } else { with };
        }
    }
    text.into_iter().collect()
}

fn human(size: u64) -> String {
    let units = ["", "K", "M", "G", "T", "P"];
    let (mut value, mut unit) = (size as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 10.0 { format!("{value:.0}{}", units[unit]) } else { format!("{value:.1}{}", units[unit]) }
}

/// `*` any text, `?` any one letter; everything else stands for itself.
fn glob(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => glob(&pattern[1..], name) || name.chars().next().is_some_and(|letter| glob(pattern, &name[letter.len_utf8()..])),
        (Some('?'), Some(letter)) => glob(&pattern[1..], &name[letter.len_utf8()..]),
        (Some(a), Some(b)) if a == b => glob(&pattern[a.len_utf8()..], &name[b.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_as_tree_does() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/f"), "x").unwrap();
        fs::write(folder.path().join("z"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "").unwrap();
        let draw = |options: &[&str]| {
            let mut args: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            args.push(folder.path().display().to_string());
            let mut out = Vec::new();
            assert_eq!(run(&args, &mut out).unwrap(), 0);
            String::from_utf8(out).unwrap().split_once('\n').unwrap().1.to_owned()
        };
        assert_eq!(draw(&[]), "├── a\n│\u{a0}\u{a0} ├── b\n│\u{a0}\u{a0} └── f\n└── z\n\n3 directories, 2 files\n");
        assert_eq!(draw(&["-L", "1", "-a"]), "├── .hidden\n├── a\n└── z\n\n2 directories, 2 files\n");
        assert_eq!(draw(&["-d"]), "└── a\n    └── b\n\n3 directories\n");
        assert_eq!(draw(&["-P", "z*", "-I", "b", "--noreport"]), "├── a\n└── z\n");
        assert_eq!(draw(&["-r", "--charset", "ascii", "-I", "f"]), "|-- z\n`-- a\n    `-- b\n\n3 directories, 1 file\n");
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        assert_eq!(draw(&["-L", "1", "-F", "--dirsfirst"]), "├── a/\n├── link -> a/\n└── z\n\n3 directories, 1 file\n");
    }

    #[test]
    fn sizes_and_patterns() {
        assert_eq!([10, 2048, 20_480, 5 << 20].map(human), ["10", "2.0K", "20K", "5.0M"]);
        assert!(glob("*.rs", "a.rs") && glob("?", "ä") && !glob("a*b", "acd") && glob("**", ""));
    }
}
