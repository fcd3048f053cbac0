//! Paths of files: cleaned, and made absolute from the folder that they are meant from.

use super::error::Error;
use super::path::Path;
use super::yaml::{Node, Value};

/// Where relative paths begin, and the home that `~` means.
#[derive(Debug, Clone, Default)]
pub struct Base {
    pub folder: String,
    pub home: Option<String>,
}

/// A path without `.`, `..` and double slashes, by its text alone.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path` below `folder`, cleaned.
pub fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", "") => String::new(),
        ("", path) => clean(path),
        (folder, path) => clean(&format!("{folder}/{path}")),
    }
}

/// The folder that a path lies in.
pub fn parent(path: &str) -> String {
    match path.rfind('/') {
        None => ".".to_owned(),
        Some(0) => "/".to_owned(),
        Some(at) => clean(&path[..at]),
    }
}

impl Base {
    /// An absolute path; an empty one stays empty.
    pub fn absolute(&self, path: &str) -> String {
        let path = self.home_of(path);
        match path.as_str() {
            "" => path,
            _ if path.starts_with('/') => path,
            _ => join(&self.folder, &path),
        }
    }

    fn home_of(&self, path: &str) -> String {
        match (path.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) => join(home, rest),
            _ => path.to_owned(),
        }
    }

    /// As [`Self::absolute`], but paths of Windows are absolute too, and nothing is the folder itself.
    fn mounted(&self, path: &str) -> String {
        let path = self.home_of(path);
        if path.starts_with('/') || is_windows(&path) { path } else { join(&self.folder, &path) }
    }

    /// A folder on this machine; addresses and other contexts stay.
    fn context(&self, path: &str) -> String {
        let remote = ["https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"];
        if path.contains("://") || remote.iter().any(|prefix| path.starts_with(prefix)) { path.to_owned() } else { self.absolute(path) }
    }
}

fn is_windows(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with(r"\\") || (bytes.len() > 2 && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/'))
}

/// Makes every path of a tree absolute.
///
/// # Errors
/// A bind mount without a source.
pub fn resolve(root: &mut Node, base: &Base) -> Result<(), Error> {
    root.walk_known(&mut |node, path| {
        let how: fn(&Base, &str) -> String = match () {
            () if path.matches("services.*.build.context") || path.matches("services.*.build.additional_contexts.*") => Base::context,
            () if path.matches("services.*.build.ssh.*") || path.matches("configs.*.file") || path.matches("secrets.*.file") => {
                Base::mounted
            }
            () if [
                "services.*.env_file.*.path",
                "services.*.label_file.*",
                "services.*.extends.file",
                "services.*.develop.watch.*.path",
            ]
            .iter()
            .any(|place| path.matches(place)) =>
            {
                Base::absolute
            }
            () if path.matches("services.*.volumes.*") => return bind(node, path, base),
            () if path.matches("volumes.*") => return device(node, base),
            () => return Ok(()),
        };
        if let Value::Text(text) = &node.value {
            node.value = Value::Text(how(base, text));
        }
        Ok(())
    })
}

fn bind(node: &mut Node, path: &Path, base: &Base) -> Result<(), Error> {
    let Value::Map(map) = &mut node.value else { return Ok(()) };
    if map.get("type").and_then(Node::text) != Some("bind") {
        return Ok(());
    }
    let Some(source) = map.get_mut("source") else {
        return Err(Error::at(&node.spot, path, "invalid mount config for type \"bind\": field Source must not be empty"));
    };
    if let Value::Text(text) = &source.value {
        source.value = Value::Text(base.mounted(text));
    }
    Ok(())
}

/// A volume of the local driver that is a bind mount in truth.
#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn device(node: &mut Node, base: &Base) -> Result<(), Error> {
    if node.get("driver").and_then(Node::text) != Some("local") {
        return Ok(());
    }
    let Some(options) = node.map_mut().and_then(|map| map.get_mut("driver_opts")).and_then(Node::map_mut) else { return Ok(()) };
    let is_bind = options.get("o").and_then(Node::text) == Some("bind");
    if let (true, Some(device)) = (is_bind, options.get_mut("device"))
        && let Value::Text(text) = &device.value
    {
        device.value = Value::Text(base.mounted(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_their_text() {
        for (path, wanted) in [("/a/../b//c/.", "/b/c"), ("../x/..", ".."), ("./a", "a"), ("/..", "/"), ("", "."), ("a/../..", "..")] {
            assert_eq!(clean(path), wanted, "{path}");
        }
        assert_eq!((parent("/a/b").as_str(), parent("/a").as_str(), parent("a").as_str()), ("/a", "/", "."));
    }

    #[test]
    fn relative_paths_begin_at_the_folder_and_addresses_stay() {
        let base = Base { folder: "/p".into(), home: Some("/home/me".into()) };
        assert_eq!(base.absolute("./x"), "/p/x");
        assert_eq!(base.absolute("~/x"), "/home/me/x");
        assert_eq!(base.context("https://host/repo.git#main"), "https://host/repo.git#main");
        assert_eq!(base.context("service:base"), "service:base");
        assert_eq!(base.context("../x"), "/x");
        assert_eq!(base.mounted(r"C:\x"), r"C:\x");
    }
}
