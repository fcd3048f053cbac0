//! `tree`: a folder as a drawing.

use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};

const KNOWN: &[Known] = &[
    ('a', "all", false),
    ('d', "directories", false),
    ('f', "full", false),
    ('F', "classify", false),
    ('g', "group", false),
    ('h', "human", false),
    ('I', "ignore", true),
    ('i', "noindent", false),
    ('L', "level", true),
    ('n', "nocolor", false),
    ('P', "pattern", true),
    ('p', "permissions", false),
    ('s', "size", false),
    ('u', "user", false),
    ('x', "one-file-system", false),
    ('\0', "dirsfirst", false),
    ('\0', "noreport", false),
];

/// What the options ask for, and what was counted.
struct Drawing<'a> {
    given: &'a Given,
    depth: usize,
    folders: usize,
    files: usize,
    troubles: usize,
}

/// Runs `tree`. Exit code 2 when a folder could not be read.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false)?;
    let depth = given.number("level")?.unwrap_or(usize::MAX);
    if depth == 0 {
        return Err(Failure::new(1, "Invalid level, must be greater than 0."));
    }
    let roots = if given.rest.is_empty() { vec![".".to_owned()] } else { given.rest.clone() };
    let mut drawing = Drawing { given: &given, depth, folders: 0, files: 0, troubles: 0 };
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
                writeln!(out, "{}{name}{slash}", self.columns(&metadata))?;
                self.folders += 1;
                self.folder(path, "", 1, metadata.dev(), out)
            }
            Ok(_) => {
                self.troubles += 1;
                Ok(writeln!(out, "{name}  [error opening dir]")?)
            }
            Err(error) => {
                self.troubles += 1;
                Ok(writeln!(out, "{name}  [error opening dir: {}]", reason(&error))?)
            }
        }
    }

    fn folder(&mut self, path: &Path, indent: &str, level: usize, device: u64, out: &mut dyn Write) -> Result<(), Failure> {
        if level > self.depth {
            return Ok(());
        }
        let entries = self.entries(path);
        let last = entries.len().saturating_sub(1);
        for (at, (name, metadata)) in entries.iter().enumerate() {
            let (branch, below) = if at == last { ("└── ", "    ") } else { ("├── ", "│\u{a0}\u{a0} ") };
            let child = path.join(name);
            let shown = if self.given.has("full") { child.display().to_string() } else { name.clone() };
            let branch = if self.given.has("noindent") { "" } else { branch };
            let indent = if self.given.has("noindent") { "" } else { indent };
            writeln!(out, "{indent}{branch}{}{shown}{}", self.columns(metadata), self.suffix(&child, metadata))?;
            if metadata.is_dir() {
                self.folders += 1;
                if !self.given.has("one-file-system") || metadata.dev() == device {
                    self.folder(&child, &format!("{indent}{below}"), level + 1, device, out)?;
                }
            } else {
                self.files += 1;
            }
        }
        Ok(())
    }

    /// The names in a folder that are to be shown, with what lstat(2) says of them, sorted.
    fn entries(&mut self, path: &Path) -> Vec<(String, Metadata)> {
        let Ok(read) = fs::read_dir(path) else {
            self.troubles += 1;
            return Vec::new();
        };
        let found = read.flatten().filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), entry.metadata().ok()?)));
        let mut found: Vec<_> = found.filter(|(name, metadata)| self.shows(name, metadata)).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.given.has("dirsfirst") {
            found.sort_by_key(|(_, metadata)| !metadata.is_dir());
        }
        found
    }

    fn shows(&self, name: &str, metadata: &Metadata) -> bool {
        let given = self.given;
        let matches = |option: &str| given.values(option).any(|patterns| patterns.split('|').any(|pattern| glob(pattern, name)));
        (given.has("all") || !name.starts_with('.'))
            && (!given.has("directories") || metadata.is_dir())
            && !matches("ignore")
            && (!given.has("pattern") || metadata.is_dir() || matches("pattern"))
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
            columns.push(format!("{:<8}", metadata.gid()));
        }
        if self.given.has("human") {
            columns.push(format!("{:>4}", human(metadata.size())));
        } else if self.given.has("size") {
            columns.push(format!("{:>11}", metadata.size()));
        }
        if columns.is_empty() { String::new() } else { format!("[{}]  ", columns.join(" ")) }
    }

    fn suffix(&self, path: &Path, metadata: &Metadata) -> String {
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_or_else(|_| "?".into(), |target| target.display().to_string());
            return format!(" -> {target}");
        }
        let kind = metadata.file_type();
        let mark = match () {
            () if !self.given.has("classify") => "",
            () if kind.is_dir() => "/",
            () if kind.is_fifo() => "|",
            () if kind.is_socket() => "=",
            () if kind.is_file() && metadata.permissions().mode() & 0o111 != 0 => "*",
            () => "",
        };
        mark.to_owned()
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
    }

    #[test]
    fn sizes_and_patterns() {
        assert_eq!([10, 2048, 20_480, 5 << 20].map(human), ["10", "2.0K", "20K", "5.0M"]);
        assert!(glob("*.rs", "a.rs") && glob("?", "ä") && !glob("a*b", "acd") && glob("**", ""));
    }
}
