//! Patterns of file names as Docker reads them: Go's `filepath.Match`, and `**` for any number of folders.
//!
//! `*` and `?` stop at a `/`, `[a-z]` and `[^a]` are classes, `\` takes the meaning from the next. `**/` is any number of folders, none too; `**` at the
//! end is everything. The time is the product of both lengths, whatever the pattern.

use std::fmt;

/// A pattern that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This character.
    Literal(char),
    /// Any character but `/`.
    One,
    /// Any number of characters but `/`.
    Many,
    /// Nothing, or anything that ends in `/`.
    Folders,
    /// Anything.
    Everything,
    /// One of these ranges, or none of them.
    Class { not: bool, ranges: Vec<(char, char)> },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPattern(pub String);

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syntax error in pattern `{}`", self.0)
    }
}

impl std::error::Error for NoPattern {}

impl Pattern {
    /// Reads a pattern. With `deep`, `**` has its meaning; without it is two `*`, as in `COPY`.
    ///
    /// # Errors
    /// A class is not closed or empty, or the escape character is the last.
    pub fn read(text: &str, deep: bool) -> Result<Self, NoPattern> {
        let broken = || NoPattern(text.to_owned());
        let mut parts = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' if deep && characters.peek() == Some(&'*') => {
                    characters.next();
                    characters.next_if_eq(&'/');
                    if characters.peek().is_none() { Part::Everything } else { Part::Folders }
                }
                '*' => Part::Many,
                '?' => Part::One,
                '[' => class(&mut characters).ok_or_else(broken)?,
                '\\' => Part::Literal(characters.next().ok_or_else(broken)?),
                other => Part::Literal(other),
            });
        }
        Ok(Pattern { parts })
    }

    /// Whether the whole of `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // `reached[n]`: what was read of the pattern fits the first n characters.
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            reached = part.advance(&reached, &text);
        }
        reached[text.len()]
    }
}

/// Whether a text would be more than a plain name as a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

impl Part {
    fn advance(&self, reached: &[bool], text: &[char]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        match self {
            Part::Everything => {
                let first = reached.iter().position(|fits| *fits).unwrap_or(reached.len());
                next[first..].fill(true);
            }
            Part::Many => {
                let mut open = false;
                for at in 0..reached.len() {
                    open = reached[at] || (open && text[at - 1] != '/');
                    next[at] = open;
                }
            }
            Part::Folders => {
                let mut open = false;
                for at in 0..reached.len() {
                    next[at] = reached[at] || (open && text[at - 1] == '/');
                    open |= reached[at];
                }
            }
            one => {
                for at in 0..text.len() {
                    next[at + 1] = reached[at] && one.takes(text[at]);
                }
            }
        }
        next
    }

    fn takes(&self, character: char) -> bool {
        match self {
            Part::Literal(own) => *own == character,
            Part::One => character != '/',
            Part::Class { not, ranges } => character != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *not,
            _ => false,
        }
    }
}

fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let not = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match characters.next()? {
            ']' if !ranges.is_empty() => return Some(Part::Class { not, ranges }),
            ']' | '-' => return None,
            '\\' => characters.next()?,
            other => other,
        };
        let mut high = low;
        if characters.next_if_eq(&'-').is_some() {
            high = match characters.next()? {
                ']' | '-' => return None,
                '\\' => characters.next()?,
                other => other,
            };
        }
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_go_matches_them() {
        let table = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("[a-ζ]*", "α", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "z", false),
            ("*x", "xxx", true),
        ];
        for (pattern, name, fits) in table {
            assert_eq!(Pattern::read(pattern, false).unwrap().fits(name), fits, "{pattern} {name}");
        }
        for pattern in ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a\\"] {
            assert_eq!(Pattern::read(pattern, false), Err(NoPattern(pattern.to_owned())), "{pattern}");
        }
    }

    #[test]
    fn two_stars_are_any_number_of_folders() {
        let table = [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "dir/file", true),
            ("**/file", "file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file", "dir/notfile", false),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("dir/**/file", "dir/file", true),
            ("dir/**/file", "dir/a/b/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/*.txt", "a/b.txt", true),
            ("**/*.txt", "b.txt", true),
            ("**file", "dir/file", true),
            ("abc/**", "abc/def/ghi", true),
            ("a**/b", "a/b", true),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("*/*.c", "a/x.c", true),
            ("*/*.c", "a/b/x.c", false),
        ];
        for (pattern, name, fits) in table {
            assert_eq!(Pattern::read(pattern, true).unwrap().fits(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_stars_takes_no_time() {
        let pattern = Pattern::read(&format!("{}c", "a*".repeat(300)), true).unwrap();
        assert!(!pattern.fits(&format!("{}b", "a".repeat(3000))));
    }
}
