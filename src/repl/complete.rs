//! What the Tab key offers: course commands, places of the course, hosts, programs, files, and the flags of our own tools.
//!
//! Files and programs are those that the learner's shell sees right now, in a chroot or another mount namespace too.

use std::path::{Path, PathBuf};

use clap::Command;

use super::verbs::{self, Argument};
use crate::bottle::shell::{Entry, Place};

/// Where programs are looked for.
const PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What there is to offer, as of the last prompt.
#[derive(Default)]
pub struct Offers {
    /// Unit ids, step ids, `unit#step`.
    pub places: Vec<String>,
    /// Hosts of the bottle.
    pub hosts: Vec<String>,
    /// The files as the shell sees them.
    pub files: Option<Place>,
    /// The shell's working directory.
    pub cwd: PathBuf,
    /// Our own command line.
    pub tools: Option<Command>,
}

/// One offer: what is shown in a list, and what is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// In the list.
    pub shown: String,
    /// In the line.
    pub put: String,
}

impl Offer {
    fn word(word: &str) -> Self {
        Offer { shown: word.to_owned(), put: format!("{word} ") }
    }
}

impl Offers {
    /// What fits the word that ends at `pos`: where it begins, and the offers, sorted.
    pub fn complete(&self, line: &str, pos: usize) -> (usize, Vec<Offer>) {
        let before = &line[..pos];
        let start = word_start(before);
        let word = &before[start..];
        let lead = before[..start].trim_start();
        let mut offers = if lead.is_empty() && word.starts_with(':') {
            verbs::VERBS.iter().map(|verb| Offer::word(&format!(":{}", verb.name))).filter(|offer| offer.shown.starts_with(word)).collect()
        } else if lead.is_empty() && word.starts_with('@') {
            fitting(self.hosts.iter().map(|host| format!("@{host}")), word)
        } else if let Some(verb) = lead.strip_prefix(':') {
            self.of_verb(verb.trim_end(), word)
        } else {
            self.of_shell(&strip_host(lead), word)
        };
        offers.sort_by(|one, other| one.shown.cmp(&other.shown));
        offers.dedup();
        (start, offers)
    }

    fn of_verb(&self, verb: &str, word: &str) -> Vec<Offer> {
        match verbs::find(verb).map(|verb| verb.argument) {
            Some(Argument::Place) => fitting(self.places.iter().cloned(), word),
            Some(Argument::Host) => fitting(self.hosts.iter().cloned(), word),
            Some(Argument::Words(words)) => fitting(words.iter().map(|word| (*word).to_owned()), word),
            Some(Argument::Verb) => fitting(verbs::VERBS.iter().map(|verb| verb.name.to_owned()), word),
            _ => Vec::new(),
        }
    }

    fn of_shell(&self, lead: &str, word: &str) -> Vec<Offer> {
        // What stands before the last operator is another command.
        let command = lead.rsplit(['|', ';', '&', '(', '\n']).next().unwrap_or(lead).trim();
        let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
        if let Some((&"bottleship", rest)) = words.split_first()
            && let Some(offers) = self.of_tool(rest, word)
        {
            return offers;
        }
        if words.is_empty() && !word.contains('/') { self.programs(word) } else { self.paths(word, words.first() == Some(&"cd")) }
    }

    /// Sub-commands and flags of our own command line; none where an argument is a file.
    fn of_tool(&self, words: &[&str], word: &str) -> Option<Vec<Offer>> {
        let mut command = self.tools.as_ref()?;
        for word in words.iter().filter(|word| !word.starts_with('-')) {
            match command.find_subcommand(word) {
                Some(next) => command = next,
                None => break,
            }
        }
        if word.starts_with('-') {
            let flags = command.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| format!("--{flag}"));
            return Some(fitting(flags.chain(["--help".to_owned()]), word));
        }
        let names = command.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| command.get_name().to_owned());
        let offers = fitting(names, word);
        (!offers.is_empty()).then_some(offers)
    }

    fn programs(&self, word: &str) -> Vec<Offer> {
        let entries = PATH.iter().flat_map(|folder| self.list(Path::new(folder)));
        fitting(entries.filter(|entry| entry.program).map(|entry| entry.name), word)
    }

    fn paths(&self, word: &str, folders_only: bool) -> Vec<Offer> {
        let plain = unescaped(word);
        let (folder, name) = plain.rsplit_once('/').map_or(("", plain.as_str()), |(folder, name)| (&plain[..folder.len() + 1], name));
        let looked_in = if folder.is_empty() { self.cwd.clone() } else { self.cwd.join(folder) };
        let entries = self.list(&looked_in).into_iter().filter(|entry| entry.name.starts_with(name) && (entry.folder || !folders_only));
        let visible = entries.filter(|entry| name.starts_with('.') || !entry.name.starts_with('.'));
        visible
            .map(|entry| {
                let end = if entry.folder { "/" } else { " " };
                let shown = format!("{}{}", entry.name, if entry.folder { "/" } else { "" });
                Offer { shown, put: format!("{}{}{end}", escaped(folder), escaped(&entry.name)) }
            })
            .collect()
    }

    fn list(&self, folder: &Path) -> Vec<Entry> {
        self.files.as_ref().map(|files| files.list(folder)).unwrap_or_default()
    }
}

fn fitting(words: impl Iterator<Item = String>, word: &str) -> Vec<Offer> {
    words.filter(|candidate| candidate.starts_with(word)).map(|candidate| Offer::word(&candidate)).collect()
}

fn strip_host(lead: &str) -> String {
    match lead.strip_prefix('@') {
        Some(rest) => rest.split_once(char::is_whitespace).map_or(String::new(), |(_, rest)| rest.to_owned()),
        None => lead.to_owned(),
    }
}

/// Where the word before the cursor begins. A blank after a backslash belongs to it.
fn word_start(before: &str) -> usize {
    let mut start = 0;
    let mut escaped = false;
    for (at, character) in before.char_indices() {
        if !escaped && matches!(character, ' ' | '\t' | '\n' | '|' | ';' | '&' | '<' | '>' | '(' | '=' | '"' | '\'') {
            start = at + character.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    start
}

fn unescaped(word: &str) -> String {
    let mut plain = String::new();
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

fn escaped(name: &str) -> String {
    let mut word = String::new();
    for character in name.chars() {
        if !(character.is_alphanumeric() || "/._-+,:@%~^=".contains(character)) {
            word.push('\\');
        }
        word.push(character);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Offers {
        let tool = Command::new("bottleship")
            .subcommand(Command::new("oci").subcommand(Command::new("run").arg(clap::Arg::new("bundle").long("bundle"))));
        Offers {
            places: ["by-hand/chroot", "by-hand/chroot#enter", "enter"].map(str::to_owned).into(),
            hosts: ["bench", "internet"].map(str::to_owned).into(),
            tools: Some(tool),
            ..Offers::default()
        }
    }

    fn shown(line: &str) -> Vec<String> {
        offers().complete(line, line.len()).1.into_iter().map(|offer| offer.shown).collect()
    }

    #[test]
    fn verbs_places_hosts_and_flags() {
        assert_eq!(shown(":he"), [":help"]);
        assert_eq!(shown(":goto by"), ["by-hand/chroot", "by-hand/chroot#enter"]);
        assert_eq!(shown(":zoom o"), ["off", "on"]);
        assert_eq!(shown("@int"), ["@internet"]);
        assert_eq!(shown("bottleship o"), ["oci"]);
        assert_eq!(shown("ls; bottleship oci run --b"), ["--bundle"]);
        assert_eq!(shown(":check x"), Vec::<String>::new());
    }

    #[test]
    fn words_with_blanks_are_one_word() {
        assert_eq!(word_start(r"cat my\ fi"), 4);
        assert_eq!(unescaped(r"my\ file"), "my file");
        assert_eq!(escaped("my file"), r"my\ file");
    }
}
