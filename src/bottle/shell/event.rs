//! What a shell says of itself.

/// bash waits for a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// How the last command ended: its `$?`.
    pub status: i32,
    /// How many shells deep inside the first one: 0 at the top.
    pub depth: u32,
    /// Background jobs of this shell.
    pub jobs: u32,
    /// Whether it is root in its user namespace.
    pub root: bool,
    /// The user that bash runs as.
    pub user: String,
    /// The host name that bash found.
    pub host: String,
    /// The working directory.
    pub cwd: String,
    /// What was typed while the last command ran and that nobody has read.
    pub typed: String,
}

/// What the shell does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes for the terminal.
    Output(Vec<u8>),
    /// It has read the line and runs it.
    Started,
    /// It waits for a command.
    Ready(Ready),
    /// It waits for the rest of a command: an open quote, a here-document.
    More,
    /// The first shell has ended.
    Gone,
}
