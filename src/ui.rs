//! What a person reads: one model of the text, two renderings.
//!
//! Whoever has something to show builds a [`Doc`] of blocks: paragraphs, lists, tables, trees. [`Doc::render`] makes terminal text of it,
//! rich or plain, in any width from 40 columns on. Both renderings say the same words: colour, weight and lines only repeat what
//! the words say, so that nothing is lost on a screen reader, in a log, or to an eye that sees no red.
//!
//! ```text
//!   Markdown ─ markdown::parse ─┐
//!   verdicts, events, tables ───┴─> Doc ── render(&Style) ──> text
//!                                          rich: weight, the terminal's own colours, lines
//!                                          plain: the same lines without any escape sequence
//! ```
//!
//! Only the terminal's own palette is used, and neither yellow nor blue, which vanish on white and on black. Nothing is ever drawn over.

pub mod fault;
pub mod markdown;
mod render;
pub mod style;
mod table;
pub mod transfer;
pub mod units;
pub mod view;
mod wrap;

pub use style::Style;
pub use view::{Block, Doc, Face, Node, Table, Text};

#[cfg(test)]
mod tests;
