//! An engine to ask, for a tool that is no command of docker's.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::api::{Api, Ask};
use super::containers::streams::Frames;
use super::failure::Failure;
use super::images::in_path;
use super::line::Given;
use super::place::{Place, Socket};

/// An engine that is asked and never told to do anything.
pub struct Asked {
    api: Api,
    host: String,
    socket: Option<PathBuf>,
}

/// Pieces of two streams: the stream's number, and what was written on it.
pub type Pieces = Vec<(u8, Vec<u8>)>;

impl Asked {
    /// The engine at this address; without one that which `docker` would ask.
    ///
    /// # Errors
    /// The address is none, in words.
    pub fn find(host: Option<&str>) -> Result<Self, String> {
        let place = match host {
            Some(host) => Place::read(host, "default"),
            None => Place::find(&Given::default()),
        };
        let place = place.map_err(said)?;
        let socket = if let Socket::Unix(path) = &place.socket { Some(path.clone()) } else { None };
        let host = place.host.clone();
        Ok(Asked { api: Api::new(place).map_err(said)?, host, socket })
    }

    /// A document.
    ///
    /// # Errors
    /// The engine cannot be asked, or has no such thing, in words.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.api.json(Ask::get(path)).map_err(said)
    }

    /// A document about something that may not be there: `name` stands in the path where it has `{}`.
    ///
    /// # Errors
    /// The engine cannot be asked, in words.
    pub fn about(&self, path: &str, name: &str) -> Result<Option<Value>, String> {
        found(self.api.json(Ask::get(&path.replace("{}", &in_path(name)))))
    }

    /// The first bytes of an answer: at most `most`.
    ///
    /// # Errors
    /// The engine cannot be asked, in words.
    pub fn bytes(&self, path: &str, query: &[(&str, &str)], most: usize) -> Result<Option<Vec<u8>>, String> {
        let ask = query.iter().fold(Ask::get(path), |ask, (name, value)| ask.with(name, *value));
        let Some(answer) = found(self.api.ask(ask))? else { return Ok(None) };
        let mut bytes = Vec::new();
        answer.take(most as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Some(bytes))
    }

    /// The last lines that a container has written, as they came. `tty`: it has a terminal, and so one stream.
    ///
    /// # Errors
    /// The engine cannot be asked, in words.
    pub fn log(&self, id: &str, tty: bool, lines: usize, most: usize) -> Result<Pieces, String> {
        let (path, lines) = (format!("/containers/{id}/logs"), lines.to_string());
        let bytes = self.bytes(&path, &[("stdout", "1"), ("stderr", "1"), ("tail", &lines)], most)?.unwrap_or_default();
        if tty {
            return Ok(vec![(1, bytes)]);
        }
        let mut pieces = Pieces::new();
        Frames::default().take(&bytes, &mut |stream, bytes| pieces.push((stream, bytes.to_vec())));
        Ok(pieces)
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its socket, if it is on this machine.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

fn said(failure: Failure) -> String {
    failure.message
}

/// That there is no such thing is an answer.
fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, String> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_absent() => Ok(None),
        Err(failure) => Err(failure.message),
    }
}
