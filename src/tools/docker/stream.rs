//! Answers that come as JSON documents, one a line: what a pull, push, load or build says while it goes on.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use super::api::Answer;
use super::failure::{Failure, Result};
use crate::kernel::pty;
use crate::ui::transfer::Board;

/// Shows it on standard output as it comes; with `to_error` on standard error, as `docker run` does while it pulls.
///
/// # Errors
/// What the engine says in the middle, or the connection breaks.
pub fn show(answer: &mut Answer<'_>, to_error: bool) -> Result {
    show_with(answer, to_error, &mut |_| {})
}

/// The same, and hands on what is not meant for people (`aux`).
///
/// # Errors
/// What the engine says in the middle, or the connection breaks.
pub fn show_with(answer: &mut Answer<'_>, to_error: bool, aux: &mut dyn FnMut(&Value)) -> Result {
    let columns = if to_error { columns(std::io::stderr()) } else { columns(std::io::stdout()) };
    let mut board = Board::new(columns);
    while let Some(document) = answer.document()? {
        if let Some(failure) = failed(&document) {
            return Err(failure);
        }
        if !document["aux"].is_null() {
            aux(&document["aux"]);
            continue;
        }
        let text = drawn(&mut board, &document);
        // Whoever reads may have had enough of it.
        drop(if to_error { std::io::stderr().write_all(text.as_bytes()) } else { write_out(&text) });
    }
    Ok(())
}

fn columns(to: impl std::io::IsTerminal + std::os::fd::AsFd) -> Option<usize> {
    if to.is_terminal() { pty::size(to.as_fd()).map(|size| usize::from(size.columns)) } else { None }
}

fn write_out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The failure that a document tells of.
pub fn failed(document: &Value) -> Option<Failure> {
    let message = document["errorDetail"]["message"].as_str().or_else(|| document["error"].as_str())?;
    let code = document["errorDetail"]["code"].as_u64().and_then(|code| u8::try_from(code).ok()).filter(|code| *code > 0);
    Some(Failure::new(message).code(code.unwrap_or(1)))
}

fn drawn(board: &mut Board, document: &Value) -> String {
    if let Some(text) = document["stream"].as_str() {
        return text.to_owned();
    }
    let status = document["status"].as_str().unwrap_or_default();
    let number = |key: &str| document["progressDetail"][key].as_u64();
    match document["id"].as_str().filter(|id| !id.is_empty()) {
        // `latest: Pulling from library/alpine` is a head, not a layer.
        Some(id) if !document["progressDetail"].is_object() => board.say(&format!("{id}: {status}")),
        Some(id) => board.set(id, status, number("current").map(|now| (now, number("total").unwrap_or(0)))),
        None => board.say(status),
    }
}

/// Reads an answer to its end without a word.
///
/// # Errors
/// What the engine says in the middle, or the connection breaks.
pub fn drain(answer: &mut Answer<'_>) -> Result {
    each(answer, &mut |_| {})
}

/// Hands every document of an answer on.
///
/// # Errors
/// What the engine says in the middle, or the connection breaks.
pub fn each(answer: &mut Answer<'_>, told: &mut dyn FnMut(&Value)) -> Result {
    while let Some(document) = answer.document()? {
        if let Some(failure) = failed(&document) {
            return Err(failure);
        }
        told(&document);
    }
    Ok(())
}

/// Whether standard input is a terminal.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal()
}
