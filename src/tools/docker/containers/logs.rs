//! `docker logs`.

use std::io::Read as _;

use super::streams::{Frames, put};
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::Result;
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;

/// Shows it.
pub fn run(session: &Session, given: &Given) -> Result {
    let api = session.api()?;
    let name = in_path(given.word(0));
    let shown = api.json(Ask::get(&format!("/containers/{name}/json")))?;
    let id = shown["Id"].as_str().unwrap_or_default();
    let bound = |option: &str| given.text(option).filter(|text| !text.is_empty()).map(moment::asked).transpose();
    let path = format!("/containers/{id}/logs");
    let ask = Ask::get(&path)
        .with("stdout", "1")
        .with("stderr", "1")
        .maybe("since", bound("since")?)
        .maybe("until", bound("until")?)
        .switch("timestamps", given.on("timestamps"))
        .switch("follow", given.on("follow"))
        .switch("details", given.on("details"))
        .with("tail", given.text("tail").unwrap_or("all"));
    let mut answer = api.ask(ask)?;
    let (tty, mut frames, mut buffer) = (shown["Config"]["Tty"] == true, Frames::default(), vec![0; 32 << 10]);
    loop {
        let count = answer.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        if tty { put(1, &buffer[..count]) } else { frames.take(&buffer[..count], &mut put) }
    }
}
