//! Files and trees of files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kernel::error::Errno;
use crate::kernel::look::Look;
use crate::kernel::root::Root;
use crate::kernel::{Error, Result};

/// How much of a file is part of the answer.
const CONTENT: u64 = 64 * 1024;
/// How many files of a tree are listed.
const FILES: usize = 50_000;

/// One file: what it is and what is in it.
pub(super) fn file(path: &str, process: Option<i32>) -> Result<Value> {
    let base = process.map_or_else(|| PathBuf::from("/"), |pid| PathBuf::from(format!("/proc/{pid}/root")));
    let root = Root::open(&base)?;
    let look = match root.look(Path::new(path)) {
        Err(Error { errno: Errno::ENOENT | Errno::ENOTDIR, .. }) => return Ok(json!({ "exists": false })),
        other => other?,
    };
    let mut document = describe(&look);
    if look.sort == "file" {
        let content = root.read_some(Path::new(path), CONTENT)?;
        document["content"] = String::from_utf8_lossy(&content).into();
    }
    Ok(document)
}

fn describe(look: &Look) -> Value {
    let mut document = json!({
        "exists": true,
        "kind": look.sort,
        "mode": format!("{:04o}", look.mode),
        "owner": format!("{}:{}", look.uid, look.gid),
        "size": look.size,
        "executable": look.sort == "file" && look.mode & 0o111 != 0,
        "id": format!("{}:{}", look.id.0, look.id.1),
    });
    if let Some(target) = &look.links_to {
        document["links_to"] = target.as_str().into();
    }
    if let Some((major, minor)) = look.device {
        document["device"] = format!("{major}:{minor}").into();
    }
    document
}

/// Everything below a folder: the number of files, the sum of their sizes (a file with several names counts once), and a list.
pub(super) fn tree(path: &str) -> Result<Value> {
    let root = Root::open(Path::new("/"))?;
    let top = match root.look(Path::new(path)) {
        Err(Error { errno: Errno::ENOENT | Errno::ENOTDIR, .. }) => return Ok(json!({ "exists": false, "files": [], "bytes": 0 })),
        other => other?,
    };
    let mut files = Vec::new();
    let mut sizes = BTreeMap::new();
    walk(&root, Path::new(path), &top, &mut |path, look| {
        if look.sort == "file" || look.sort == "link" {
            sizes.insert(look.id, look.size);
        }
        if files.len() < FILES {
            files.push(json!({ "path": path, "kind": look.sort, "mode": format!("{:04o}", look.mode) }));
        }
    });
    Ok(json!({ "exists": true, "bytes": sizes.values().sum::<u64>(), "files": files }))
}

/// Visits everything below `top` on its own file system. What vanishes meanwhile is passed over.
pub(super) fn walk(root: &Root, top: &Path, look: &Look, visit: &mut dyn FnMut(&Path, &Look)) {
    let mut folders = vec![top.to_owned()];
    let device = look.id.0;
    while let Some(folder) = folders.pop() {
        for name in root.names(&folder).unwrap_or_default() {
            let path = folder.join(name);
            let Ok(look) = root.look(&path) else { continue };
            visit(&path, &look);
            if look.sort == "dir" && look.id.0 == device {
                folders.push(path);
            }
        }
    }
}
