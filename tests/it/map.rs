//! The map of the modules, kept by a test: who may use whom, who may print, where unsafe code and libc live.
//!
//! The rules are those of the contributor page. The test reads the source as text, without comments and strings, and finds every `crate::x`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A top-level module and the modules that it may use (besides itself).
const MAP: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    // The recorder and its clients talk over kernel::socket; kernel operations reach the journal as drained X-ray records.
    ("journal", &["kernel"]),
    ("ui", &[]),
    // Go templates are text and data: --format of docker, and later of kubectl and helm.
    ("template", &[]),
    ("toolbox", &["kernel"]),
    ("oci", &["kernel", "journal"]),
    // Pure: files of an image and a list in, findings out.
    ("advisories", &[]),
    // Pure: texts of files and an environment in, a model or errors out.
    ("compose", &[]),
    // The course images: layers of this machine's files, made for a store.
    ("catalog", &["kernel", "oci"]),
    // Every file of a context and of a layer is opened beneath its root, by the kernel.
    ("build", &["kernel", "oci"]),
    // Trees, cgroups and network namespaces of containers are the kernel's.
    ("engine", &["kernel", "oci", "build", "net"]),
    ("net", &["kernel", "journal"]),
    ("bottle", &["kernel", "net", "journal"]),
    ("course", &["kernel", "journal", "bottle"]),
    ("repl", &["course", "bottle", "journal", "ui"]),
    (
        "tools",
        &[
            "kernel",
            "journal",
            "ui",
            "template",
            "toolbox",
            "oci",
            "advisories",
            "catalog",
            "build",
            "compose",
            "engine",
            "net",
            "bottle",
            "course",
            "repl",
        ],
    ),
    ("main", &["toolbox", "tools"]),
];

/// The modules that may print and end the process.
const PRINTS: &[&str] = &["tools", "repl", "ui", "toolbox", "main"];

/// One source file: its top-level module, its path, its text without comments and strings.
struct Source {
    module: String,
    path: PathBuf,
    code: String,
}

#[test]
fn every_arrow_is_on_the_map() {
    let wrong: Vec<String> = sources().iter().flat_map(wrong_arrows).collect();
    assert!(wrong.is_empty(), "arrows that the map (tests/it/map.rs) forbids:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_edges_print_or_exit() {
    let forbidden = ["println!(", "print!(", "eprintln!(", "eprint!(", "process::exit("];
    let wrong = lines_with(&forbidden, |source| PRINTS.contains(&source.module.as_str()));
    assert!(wrong.is_empty(), "only {PRINTS:?} may print or exit:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_and_libc_live_in_the_kernel_module() {
    let wrong = lines_with(&["unsafe ", "libc::", "from_raw_fd"], |source| source.module == "kernel");
    assert!(wrong.is_empty(), "only src/kernel may be unsafe or use libc:\n{}", wrong.join("\n"));
}

/// The rest of the program says what is to be done; `kernel` alone knows by which call. The prompt uses nix's names of errnos and signals.
#[test]
fn the_kernel_is_talked_to_in_the_kernel_module_only() {
    let wrong = lines_with(
        &["rustix::", "nix::", "std::os::unix::fs::{chown", "std::os::unix::fs::lchown", "std::os::unix::fs::chown"],
        |source| ["kernel", "repl"].contains(&source.module.as_str()),
    );
    assert!(wrong.is_empty(), "only src/kernel calls the kernel:\n{}", wrong.join("\n"));
}

/// Paths that a container influences are opened through `kernel::Root`, and ours through `kernel::fs`: the runtime and the networks need no other.
#[test]
fn the_runtime_opens_files_through_the_kernel_module_only() {
    // Tests make what strangers make, with the means that strangers have.
    let wrong = lines_with(&["std::fs", "File::open", "File::create"], |source| {
        !["oci", "net"].contains(&source.module.as_str()) || is_test(&source.path)
    });
    assert!(wrong.is_empty(), "src/oci and src/net open files through src/kernel:\n{}", wrong.join("\n"));
}

/// A process with threads cannot be cloned safely, so nothing on the way to a container starts one.
#[test]
fn the_runtime_is_single_threaded() {
    let wrong = lines_with(&["thread::spawn", "thread::scope", "thread::Builder", "tokio::"], |source| {
        // Images are brought in and unpacked by programs that start no container themselves.
        !["oci", "net", "kernel"].contains(&source.module.as_str())
            || source.path.to_string_lossy().contains("oci/image")
            || source.path.to_string_lossy().contains("oci/distribution")
    });
    assert!(wrong.is_empty(), "no threads in src/oci/runtime, src/net, src/kernel:\n{}", wrong.join("\n"));
}

/// Verdicts depend on the world and the journal that they are given, and on nothing else.
#[test]
fn verdicts_read_no_clock_and_no_files() {
    let pure = |path: &Path| ["course/judge", "course/fact"].iter().any(|part| path.to_string_lossy().contains(part));
    let clocks = ["Instant::now", "SystemTime::now", "xray::now", "std::fs", "Command::new"];
    let wrong = lines_with(&clocks, |source| !pure(&source.path));
    assert!(wrong.is_empty(), "facts and verdicts are pure:\n{}", wrong.join("\n"));
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// An answer that is thrown away is a decision: the line above says why.
#[test]
fn what_is_ignored_is_explained() {
    let mut wrong = Vec::new();
    for source in sources() {
        let text = fs::read_to_string(&source.path).expect("read a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = source.path.file_name().is_some_and(|name| name == "tests.rs");
        // Whether the line before gives a reason, and whether one given above holds for the rest of the function.
        let (mut reason, mut below) = (false, false);
        for (number, line) in text.lines().map(str::trim).enumerate().filter(|_| !is_test) {
            let ignores = line.starts_with("let _ =");
            below &= !line.contains("fn ") || line.starts_with("//");
            if ignores && !reason && !below {
                wrong.push(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
            below |= line.starts_with("//") && line.ends_with("here and below.");
            reason = line.starts_with("//") || (ignores && reason);
        }
    }
    assert!(wrong.is_empty(), "`let _ =` without a reason on the line above:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_is_a_drawer() {
    let names = ["utils", "util", "common", "helpers", "helper", "misc", "mod"];
    let wrong: Vec<_> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.file_stem().is_some_and(|stem| names.iter().any(|name| stem == *name)))
        .collect();
    assert!(wrong.is_empty(), "files with no subject, or mod.rs: {wrong:?}");
}

#[test]
fn no_file_is_longer_than_the_cap() {
    let long: Vec<String> = sources()
        .iter()
        .filter_map(|source| {
            let lines = fs::read_to_string(&source.path).ok()?.lines().count();
            (lines > 500).then(|| format!("{}: {lines} lines", source.path.display()))
        })
        .collect();
    assert!(long.is_empty(), "files above 500 lines, split them by subject:\n{}", long.join("\n"));
}

#[test]
fn the_check_finds_a_planted_arrow() {
    let planted = Source {
        module: "kernel".into(),
        path: "src/kernel/planted.rs".into(),
        code: without_comments_and_strings(
            "// crate::ui::x\nuse crate::{kernel::Error, bottle::{Bottle, host}};\nlet s = \"crate::repl\";",
        ),
    };
    let wrong = wrong_arrows(&planted);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("kernel -> bottle"), "{wrong:?}");
    let raw = without_comments_and_strings("let a = r#\"unsafe \"# ; let b = 'x'; fn f<'a>(c: &'a str) {} /* unsafe */ ok");
    assert!(!raw.contains("unsafe") && raw.contains("ok"), "{raw}");
}

/// The arrows of one file that the map does not have, as lines of text.
fn wrong_arrows(source: &Source) -> Vec<String> {
    let allowed = MAP.iter().find(|(module, _)| *module == source.module).map(|(_, uses)| *uses);
    let Some(allowed) = allowed else {
        return vec![format!("{}: module `{}` is not on the map", source.path.display(), source.module)];
    };
    used_modules(&source.code)
        .into_iter()
        .filter(|used| *used != source.module && !allowed.contains(&used.as_str()))
        .map(|used| format!("{}: {} -> {used}", source.path.display(), source.module))
        .collect()
}

/// The names that follow `crate::`, also those in braces.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(top_of_group(group)),
            None => used.extend([word(rest)]),
        }
    }
    used
}

/// `a::b, c::{d, e}, f` up to the closing brace: a, c, f.
fn top_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            letter if fresh && !letter.is_whitespace() => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// Lines that contain one of `words`, outside the files that `exempt` names and outside test modules.
fn lines_with(words: &[&str], exempt: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let is_test = |source: &Source| source.path.file_name().is_some_and(|name| name == "tests.rs");
    for source in sources().iter().filter(|source| !exempt(source) && !is_test(source)) {
        let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if words.iter().any(|word| starts_a_word(line, word)) {
                found.push(format!("{}:{}: {}", source.path.display(), number + 1, line.trim()));
            }
        }
    }
    found
}

/// True if `word` is in the line and is not the end of a longer name.
fn starts_a_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read src").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let below = entry.strip_prefix(&root).expect("below src");
                let first = below.components().next().expect("a name").as_os_str().to_string_lossy();
                let code = without_comments_and_strings(&fs::read_to_string(&entry).expect("read a source"));
                found.push(Source { module: first.trim_end_matches(".rs").to_owned(), path: entry, code });
            }
        }
    }
    assert!(found.len() > 10, "no source files below {}", root.display());
    found
}

/// Rust source with comments, strings and character literals blanked, line by line the same length in lines.
fn without_comments_and_strings(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let skipped = opaque(rest);
        if skipped > 0 {
            code.extend(rest[..skipped].chars().filter(|letter| *letter == '\n'));
            rest = &rest[skipped..];
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    code
}

/// The length of the comment, string or character literal that `rest` starts with; 0 if it starts with code.
fn opaque(rest: &str) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let hashes = rest.strip_prefix('r').map_or(0, |after| after.len() - after.trim_start_matches('#').len());
    if rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        return until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes);
    }
    if let Some(text) = rest.strip_prefix('"') {
        return 1 + string_end(text);
    }
    character(rest)
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'x'` and `'\n'`, but not the lifetime `'a`.
fn character(rest: &str) -> usize {
    let Some(inner) = rest.strip_prefix('\'') else { return 0 };
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map_or(0, |at| at + 4);
    }
    let mut letters = inner.char_indices();
    letters.next();
    match letters.next() {
        Some((at, '\'')) => 1 + at + 1,
        _ => 0,
    }
}
