//! Puts the course (lessons, labs, solutions) and the demos into the binary as tables of paths and bytes, so that it works offline from one file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    table(&root, &["lessons", "labs", "solutions"], "course.rs");
    table(&root, &["demos"], "demos.rs");
}

/// Writes the table of all files below some folders.
fn table(root: &Path, folders: &[&str], name: &str) {
    let mut files = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={folder}");
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(root).expect("below the root").to_str().expect("course files have UTF-8 names");
        let executable = is_executable(file);
        writeln!(table, "    ({name:?}, {executable}, include_bytes!({:?})),", file.to_str().expect("a UTF-8 path"))
            .expect("write to a string");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join(name);
    fs::write(out, table).expect("write the table");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}
