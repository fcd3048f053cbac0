//! The marks that the learner's bash puts into its output, and the scanner that takes them out again.
//!
//! A mark is an operating system command sequence of the terminal (`ESC ] 7791 ; nonce ; ... BEL`), which a terminal that does not know
//! the number ignores. The nonce is drawn anew for every shell, so that a program that prints our number, or the output of another
//! bottle's shell, is output and not a mark.

use std::fmt::Write as _;

/// The number of our operating system command: unassigned in the registries of xterm, iTerm2 and VTE.
pub const NUMBER: &str = "7791";
/// A mark longer than this is none: the longest part of a true one is a path (4096 bytes).
const LONGEST: usize = 8192;

/// What bash says about itself whenever it waits for a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// `$?`: how the last command ended.
    pub status: i32,
    /// `$SHLVL`: how deep this shell is nested in others.
    pub level: u32,
    /// How many background jobs it has.
    pub jobs: u32,
    /// Whether it runs as uid 0 (bash's own `\$`).
    pub root: bool,
    /// The user's name, as bash found it when it started.
    pub user: String,
    /// The host name, as bash found it when it started: in a new uts namespace it may differ from the bench's.
    pub host: String,
    /// Whether bash edits the line itself. We do that, so the driver switches it off.
    pub edits: bool,
    /// The working directory.
    pub cwd: String,
}

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// bash waits for a command (from PS1).
    Prompt(Prompt),
    /// bash waits for the rest of a command (from PS2).
    More,
    /// bash has read a command and runs it now (from PS0).
    Command,
}

/// A piece of the shell's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What the terminal should show.
    Text(Vec<u8>),
    /// What it should not.
    Mark(Mark),
}

/// Takes marks out of a stream of bytes that comes in pieces of any size.
#[derive(Debug, Clone)]
pub struct Scanner {
    /// `ESC ] 7791 ; nonce ;`
    head: Vec<u8>,
    /// The beginning of what may become a mark.
    held: Vec<u8>,
}

impl Scanner {
    /// A scanner for the marks with this nonce.
    pub fn new(nonce: &str) -> Self {
        Scanner { head: format!("\x1b]{NUMBER};{nonce};").into_bytes(), held: Vec::new() }
    }

    /// The pieces that are complete after `bytes`. Bytes that may be the beginning of a mark stay here until the next call.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut pieces = Vec::new();
        let (mut at, mut text_start) = (0, 0);
        while let Some(offset) = held[at..].iter().position(|byte| *byte == 0x1b) {
            let start = at + offset;
            match self.look(&held[start..]) {
                Look::No => at = start + 1,
                Look::Partly => {
                    self.held = held[start..].to_vec();
                    push_text(&mut pieces, &held[text_start..start]);
                    return pieces;
                }
                Look::Mark(mark, length) => {
                    push_text(&mut pieces, &held[text_start..start]);
                    pieces.push(Piece::Mark(mark));
                    at = start + length;
                    text_start = at;
                }
            }
        }
        push_text(&mut pieces, &held[text_start..]);
        pieces
    }

    /// What was held back, when nothing more will come.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn look(&self, bytes: &[u8]) -> Look {
        let compared = bytes.len().min(self.head.len());
        if bytes[..compared] != self.head[..compared] {
            return Look::No;
        }
        if compared < self.head.len() {
            return Look::Partly;
        }
        let body = &bytes[compared..];
        match body.iter().position(|byte| *byte < 0x20) {
            None if body.len() < LONGEST => Look::Partly,
            Some(end) if body[end] == 0x07 => match parse(&String::from_utf8_lossy(&body[..end])) {
                Some(mark) => Look::Mark(mark, compared + end + 1),
                None => Look::No,
            },
            _ => Look::No,
        }
    }
}

enum Look {
    No,
    Partly,
    Mark(Mark, usize),
}

fn push_text(pieces: &mut Vec<Piece>, text: &[u8]) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_vec()));
    }
}

fn parse(body: &str) -> Option<Mark> {
    match body {
        "C" => return Some(Mark::Command),
        "M" => return Some(Mark::More),
        _ => {}
    }
    let mut fields = body.strip_prefix("P;")?.splitn(8, ';');
    let mut next = || fields.next();
    Some(Mark::Prompt(Prompt {
        status: next()?.parse().ok()?,
        level: next()?.parse().unwrap_or(0),
        jobs: next()?.parse().unwrap_or(0),
        root: next()? == "#",
        user: next()?.to_owned(),
        host: next()?.to_owned(),
        edits: next()?.split(':').any(|option| option == "emacs" || option == "vi"),
        cwd: next()?.to_owned(),
    }))
}

/// The rc file of the learner's shell: the machine's and the learner's own settings, then our marks.
///
/// The marks are in PS1, PS2 and PS0, so that no command of ours runs at a prompt. PROMPT_COMMAND only puts PS1 and PS2 back where a nested
/// shell's own rc file (or the learner) has set them; it is exported, with PS0, so that a bash in a chroot or in new namespaces marks
/// too. Either of PS1 and PROMPT_COMMAND may be overwritten and the marks still come. Group and closed stderr keep it silent under `set -x`;
/// closed, and not led to /dev/null, because a jail may have no such file. The rc file is removed once bash is at its prompt.
pub fn rc_file(nonce: &str) -> String {
    let head = format!("\\e]{NUMBER};{nonce};");
    // \[ and \]: of no width, should bash edit the line. Control characters in a folder's name would end the mark.
    let first = format!(r"\[{head}P;$?;${{SHLVL-0}};\j;\$;\u;\h;$SHELLOPTS;${{PWD//[[:cntrl:]]/?}}\a\]");
    let more = format!(r"\[{head}M\a\]");
    let mut rc = String::from("# Written by bottleship when it starts this shell, which has read all of it before it does any of it.\n");
    rc.push_str("for file in /etc/bash.bashrc ~/.bashrc; do [ -r \"$file\" ] && . \"$file\"; done; unset file\n");
    // The prompt keeps the history of typed lines; a file of bash's would be one more change of the world at every exit.
    rc.push_str("unset HISTFILE MAILCHECK\n");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        rc,
        "PROMPT_COMMAND='{{ case $PS1$PS2 in *\"{NUMBER};{nonce};P\"*\"{NUMBER};{nonce};M\"*) ;; *) PS1='\\''{first}'\\'' PS2='\\''{more}'\\''; bind \"set enable-bracketed-paste off\" ;; esac; }} 2>&-'"
    );
    let _ = writeln!(rc, "PS0='{head}C\\a'");
    let _ = writeln!(rc, "PS1='{first}' PS2='{more}'");
    rc.push_str("export PROMPT_COMMAND PS0\n");
    rc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.as_bytes().to_vec())
    }

    fn prompt(status: i32, cwd: &str) -> Piece {
        Piece::Mark(Mark::Prompt(Prompt {
            status,
            level: 1,
            root: true,
            user: "root".into(),
            host: "bench".into(),
            cwd: cwd.into(),
            ..Prompt::default()
        }))
    }

    const STREAM: &str = "hi\r\n\x1b]7791;n;P;7;1;0;#;root;bench;braceexpand;/a;b\x07\x1b[1mbold\x1b]7791;n;C\x07\x1b]7791;n;M\x07";

    #[test]
    fn marks_are_taken_out() {
        let expected = vec![text("hi\r\n"), prompt(7, "/a;b"), text("\x1b[1mbold"), Piece::Mark(Mark::Command), Piece::Mark(Mark::More)];
        assert_eq!(Scanner::new("n").feed(STREAM.as_bytes()), expected);
    }

    #[test]
    fn the_size_of_reads_does_not_matter() {
        for size in 1..STREAM.len() {
            let mut scanner = Scanner::new("n");
            let mut shown = Vec::new();
            let mut marks = 0;
            for chunk in STREAM.as_bytes().chunks(size) {
                for piece in scanner.feed(chunk) {
                    match piece {
                        Piece::Text(text) => shown.extend(text),
                        Piece::Mark(_) => marks += 1,
                    }
                }
            }
            assert_eq!((String::from_utf8(shown).unwrap().as_str(), marks), ("hi\r\n\x1b[1mbold", 3), "in pieces of {size}");
        }
    }

    #[test]
    fn a_wrong_nonce_a_broken_mark_and_an_endless_one_are_output() {
        for stream in ["\x1b]7791;other;C\x07", "\x1b]7791;n;Z\x07", "\x1b]7791;n;P;x\x07", "\x1b]7791;n;C\n"] {
            assert_eq!(Scanner::new("n").feed(stream.as_bytes()), vec![text(stream)], "{stream:?}");
        }
        let endless = format!("\x1b]7791;n;{}", "P".repeat(LONGEST + 1));
        assert_eq!(Scanner::new("n").feed(endless.as_bytes()), vec![text(&endless)]);
        let mut scanner = Scanner::new("n");
        assert_eq!(scanner.feed(b"x\x1b]77"), vec![text("x")]);
        assert_eq!(scanner.finish(), b"\x1b]77");
    }

    #[test]
    fn an_editing_bash_is_recognised() {
        let mut scanner = Scanner::new("n");
        let pieces = scanner.feed(b"\x1b]7791;n;P;0;2;1;$;ann;inner;braceexpand:emacs:hashall;/\x07");
        let [Piece::Mark(Mark::Prompt(prompt))] = &pieces[..] else { panic!("{pieces:?}") };
        assert!(prompt.edits && !prompt.root && prompt.jobs == 1 && prompt.level == 2);
    }
}
