//! What crosses the network: one JSON object a line, each of bounded length.

use serde::{Deserialize, Serialize};

/// The version of the protocol.
pub const VERSION: u32 = 1;
/// The longest line.
pub const MOST: usize = 4096;
/// The longest text in one that is shown.
const TEXT: usize = 80;
/// The longest name of a learner or a room.
const NAME: usize = 40;

/// What an instructor sees of a learner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The lesson or lab, the step in it, its number and how many there are.
    pub unit: String,
    pub step: String,
    pub number: u32,
    pub of: u32,
    /// The step that was checked last, and the verdict: `enter: pass`.
    pub check: String,
    pub points: u32,
    pub hints: u32,
    /// Steps done, in all lessons and labs.
    pub done: u32,
}

impl Facts {
    /// The same, fit to be shown whoever sent it.
    pub fn clean(self) -> Facts {
        Facts { unit: clean(&self.unit, TEXT), step: clean(&self.step, TEXT), check: clean(&self.check, TEXT), ..self }
    }
}

/// What a learner's side says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
pub enum FromLearner {
    /// First of all; answered by the room's own proof.
    Proof { version: u32, proof: String },
    /// Who it is: an id that this learner's state folder has made up, the number they had, the name they gave.
    Hello { id: String, number: Option<u32>, name: Option<String> },
    /// Where they are, and for how many seconds nothing was typed.
    Facts { facts: Facts, idle: u64 },
    /// They do not want to be seen any more.
    Leave,
}

/// What the room says, once for each line of a learner's.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
pub enum FromRoom {
    Proof { proof: String, room: String },
    Welcome { number: u32 },
    Heard,
    Refused { why: String },
}

/// A text without what would move a terminal's cursor or turn its direction, at most so many characters of it.
pub fn clean(text: &str, most: usize) -> String {
    let turns = |letter: char| {
        let turns = matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        // What nobody sees: fillers, marks of annotations, tags.
        turns
            || matches!(letter, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().filter(|letter| !letter.is_control() && !turns(*letter)).take(most).collect()
}

/// A name that is fit to be shown; none if nothing is left of it.
pub fn name_of(text: &str) -> Option<String> {
    let name = clean(text.trim(), NAME);
    (!name.trim().is_empty()).then_some(name)
}

/// A message as its line.
pub fn line(message: &impl Serialize) -> Vec<u8> {
    // What is made of numbers and texts can always be written.
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A line as a message.
///
/// # Errors
/// It is none, in words for the other side.
pub fn read<M: for<'m> Deserialize<'m>>(line: &[u8]) -> Result<M, String> {
    if line.last() != Some(&b'\n') {
        return Err(if line.len() > MOST { format!("a line has more than {MOST} bytes") } else { "the connection ended".to_owned() });
    }
    serde_json::from_slice(line).map_err(|_| "this is no message of a class".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_move_the_cursor() {
        assert_eq!(name_of(" Ana\u{1b}[2J\u{202e}\n ").as_deref(), Some("Ana[2J"));
        for unseen in ["\u{1b}\u{200b} ", "\u{3164}", "\u{ad}\u{e0041}", "\u{61c}\u{9b}"] {
            assert_eq!(name_of(unseen), None, "{unseen:?}");
        }
        assert_eq!(name_of(&"x".repeat(1000)).map(|name| name.len()), Some(NAME));
        let facts = Facts { unit: "a\r\nb".into(), check: "é".repeat(500), ..Facts::default() }.clean();
        assert_eq!((facts.unit.as_str(), facts.check.chars().count()), ("ab", TEXT));
    }

    #[test]
    fn what_is_no_message_is_told_so() {
        let facts = FromLearner::Facts { facts: Facts { points: 3, ..Facts::default() }, idle: 1 };
        assert!(matches!(read(&line(&facts)), Ok(FromLearner::Facts { facts: Facts { points: 3, .. }, idle: 1 })));
        for (bytes, why) in
            [("", "ended"), ("{}", "ended"), ("{}\n", "no message"), ("{\"say\":\"dance\"}\n", "no message"), ("\u{0}\n", "no message")]
        {
            assert!(read::<FromLearner>(bytes.as_bytes()).unwrap_err().contains(why), "{bytes:?}");
        }
        assert!(read::<FromLearner>(&[b'x'; MOST + 1]).unwrap_err().contains("more than"));
    }
}
