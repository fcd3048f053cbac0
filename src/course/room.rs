//! A room: an instructor sees where the learners of one local network are, if they want that.
//!
//! ```text
//!  instructor: class serve ── TLS 1.3 ──┬── prompt of Ana ── class.json (address, code, name)
//!     Room ── a table                   ├── prompt of nobody in particular: learner 2
//!                                       └── class leave
//! ```
//!
//! **What is sent.** [`Facts`], and nothing else: the lesson and step, the verdict of the last check, points, hints, steps done, and for how long nothing was
//! typed. Never a line, an answer, a file or a login name. A learner is a number unless they gave a name.
//!
//! **Who may.** The room's [`Code`] is a random secret of 80 bits that the instructor shows. Both sides prove that they know it before anything is said: each
//! sends an HMAC of it over a key that only the two ends of this very TLS connection have (RFC 5705, RFC 9266). So the certificate needs no authority: who
//! stands in between has another key on each side, and neither proof fits. The code itself never crosses the network.
//!
//! **What may break.** A learner's work never waits for the room: a thread of its own connects, and connects again with growing pauses. It holds the newest facts
//! only. What a client sends is bounded in length, number and time, and what of it is shown holds no control characters.
//!
//! Left out: instructors cannot do anything to a learner, and nothing is kept when the room is closed.

mod code;
mod joined;
mod learner;
mod seats;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use code::Code;
pub use joined::Joined;
pub use learner::{Watched, leave, try_out};
pub use seats::{Change, Learner, Presence, Room};
pub use server::Server;
pub use wire::{Facts, clean, name_of};

/// What a learner is told before anything is sent.
pub const SENT: &str = "the lesson and the step you are at, what the last check said, your points, hints and steps done, and for how long you typed nothing. \
    Never what you type, answer or see.";
