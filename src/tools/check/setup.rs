//! The set-up of a lab as a script, to be read and then run by whoever has the engine.

use crate::course::Error;
use crate::course::library::{Course, Entry};
use crate::course::text::fill;
use crate::course::unit::Unit;

/// Ends the text of a file in the script.
const END: &str = "END-OF-THE-FILE";

/// The script; empty where the lab sets nothing up.
///
/// # Errors
/// A file that is to be placed is not in the course, or no script can hold it.
pub fn script(course: &Course, entry: &Entry, unit: &Unit) -> Result<String, Error> {
    let mut script = format!("#!/bin/bash\n# The set-up of {}. Read it before you run it.\nset -eu\n", unit.id);
    for (from, to) in &unit.place {
        let file = course.placed(entry, from)?;
        let why = |why: &str| Error::File { path: from.into(), why: why.to_owned() };
        let text = std::str::from_utf8(&file.content).map_err(|_| why("is no text, so it cannot stand in a script: copy it by hand"))?;
        let text = fill(text, &unit.drawn);
        if text.lines().any(|line| line == END) {
            return Err(why("cannot stand in a script: copy it by hand"));
        }
        let (to, newline) = (
            shlex::try_quote(to).map_err(|_| why("goes to a place that no shell can name"))?,
            if text.ends_with('\n') { "" } else { "\n" },
        );
        let mode = if file.executable { "0755" } else { "0644" };
        script += &format!("install -D -m {mode} /dev/stdin {to} <<'{END}'\n{text}{newline}{END}\n");
    }
    unit.setup.iter().for_each(|command| script += &format!("{command}\n"));
    for start in &unit.start {
        let quoted = shlex::try_quote(&start.run).unwrap_or_default();
        script += &format!("setsid bash -c {quoted} </dev/null >/dev/null 2>&1 &   # {}\n", start.name);
    }
    Ok(script)
}
