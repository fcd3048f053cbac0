//! Links inside the book: each must lead to a page, and to a heading of it where it names one. mdBook itself would not complain.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Every link of the pages below `source` that leads nowhere, as `PAGE: LINK`.
///
/// # Errors
/// A page cannot be read.
pub fn dead(source: &Path) -> std::io::Result<Vec<String>> {
    let mut dead = Vec::new();
    for page in pages(source)? {
        let text = fs::read_to_string(&page)?;
        let below = page.strip_prefix(source).unwrap_or(&page);
        let links = links(&text);
        dead.extend(links.filter(|link| !leads_somewhere(source, below, &text, link)).map(|link| format!("{}: {link}", below.display())));
    }
    dead.sort();
    Ok(dead)
}

fn pages(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    Ok(found)
}

fn leads_somewhere(source: &Path, page: &Path, text: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    if file.is_empty() {
        return anchor.is_some_and(|anchor| headings(text).any(|heading| heading == anchor));
    }
    let target = source.join(page.parent().unwrap_or(Path::new("")).join(file));
    // A way out of the book is a dead end in the book, even if there is a file.
    let inside = target.strip_prefix(source).is_ok_and(depth_stays);
    match (inside && target.is_file(), anchor) {
        (found, None) => found,
        (found, Some(anchor)) => found && fs::read_to_string(&target).is_ok_and(|text| headings(&text).any(|heading| heading == anchor)),
    }
}

/// True if no `..` climbs above where the path begins.
fn depth_stays(path: &Path) -> bool {
    let mut depth = 0;
    path.components().all(|part| {
        depth += match part {
            Component::ParentDir => -1,
            Component::Normal(_) => 1,
            _ => 0,
        };
        depth >= 0
    })
}

/// The lines that are no code: outside fences.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fence = "";
    text.lines().filter(move |line| {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        let opens = fence.is_empty() && ticks.len() >= 3;
        let closes = !fence.is_empty() && ticks.len() >= fence.len() && line.trim_end() == ticks;
        let code = opens || !fence.is_empty();
        if opens {
            fence = ticks;
        } else if closes {
            fence = "";
        }
        !code
    })
}

/// The targets of `[text](target)`, outside code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| {
        // Every second part between backticks is code; the end of a link whose text is code is not.
        let plain = line.split('`').step_by(2);
        plain.flat_map(|part| part.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target)))
    })
}

/// The anchors of a page's headings: `{#id}` where one is given, else as mdBook makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|line| line.starts_with('#')).map(|line| match line.rsplit_once("{#") {
        Some((_, id)) => id.trim_end().trim_end_matches('}').to_owned(),
        None => slug(line.trim_start_matches('#').trim()),
    })
}

fn slug(title: &str) -> String {
    title
        .chars()
        .filter_map(|letter| match letter {
            ' ' | '-' | '_' => Some(if letter == '_' { '_' } else { '-' }),
            letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_seen_outside_code_only() {
        let text = "# A `b` c\n[x](y.md) `[no](no.md)` [`z`](w.md#a)\n````text\n```\n[no](no.md)\n# no\n````\n## End {#end}\n";
        assert_eq!(links(text).collect::<Vec<_>>(), ["y.md", "w.md#a"]);
        assert_eq!(headings(text).collect::<Vec<_>>(), ["a-b-c", "end"]);
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(
            folder.path().join("a.md"),
            "# One\n[1](in/b.md) [2](in/b.md#two) [3](#one) [4](https://x.example) [5](in/none.md) [6](#two)\n",
        )
        .unwrap();
        fs::write(folder.path().join("in/b.md"), "# Two\n[7](../a.md) [8](../a.md#three) [9](../../out.md)\n").unwrap();
        assert_eq!(dead(folder.path()).unwrap(), ["a.md: #two", "a.md: in/none.md", "in/b.md: ../../out.md", "in/b.md: ../a.md#three"]);
    }
}
