//! `ONBUILD`: instructions that an image gives to whoever builds on it.

use super::dockerfile::instruction;
use super::dockerfile::{Dockerfile, Step, lines};
use super::error::{Error, Result};

/// Reads the triggers of a base. They stand at the `FROM` line, for messages.
///
/// # Errors
/// A trigger is no instruction.
pub fn read(triggers: &[String], base: &str, file: &Dockerfile, at: (usize, usize)) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for text in triggers {
        let wrong = |why: String| Error::new(format!("ONBUILD trigger `{text}` of {base}: {why}")).at(at);
        let read = lines::read(text).map_err(|error| wrong(error.why))?;
        for mut statement in read.statements {
            let keyword = statement.keyword.to_ascii_uppercase();
            if ["FROM", "ONBUILD", "MAINTAINER"].contains(&keyword.as_str()) {
                return Err(wrong(format!("{keyword} isn't allowed as an ONBUILD trigger")));
            }
            let instruction = instruction::read(&statement, file.escape).map_err(|error| wrong(error.why))?;
            (statement.line, statement.last_line) = at;
            steps.push(Step { statement, instruction });
        }
    }
    Ok(steps)
}
