//! `docker history`.

use serde_json::{Value, json};

use super::{in_path, short_id};
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::Result;
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;
use crate::tools::docker::table::{self, Kind, Row};
use crate::ui::units;

/// As much of an instruction is shown.
const LONGEST: usize = 45;

const KIND: Kind = Kind {
    name: "*formatter.historyContext",
    heads: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
};

/// Shows it.
pub fn run(session: &Session, given: &Given) -> Result {
    let path = format!("/images/{}/history", in_path(given.word(0)));
    let platform = given.text("platform").map(super::super::registry::platform).transpose()?;
    let steps = session.api()?.json(Ask::get(&path).maybe("platform", platform))?;
    let human = given.still_on("human");
    let usual = if human { "{{.CreatedSince}}" } else { "{{.CreatedAt}}" };
    let usual = format!("table {{{{.ID}}}}\t{usual}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}");
    let format = match given.text("format") {
        _ if given.on("quiet") => "{{.ID}}",
        None | Some("table") => &usual,
        Some(format) => format,
    };
    let cut = !given.on("no-trunc");
    let rows: Vec<Row> = steps.as_array().into_iter().flatten().map(|step| row(step, human, cut)).collect();
    table::print(&KIND, format, &rows)
}

fn row(step: &Value, human: bool, cut: bool) -> Row {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let (made, size, id) = (step["Created"].as_i64().unwrap_or(0), step["Size"].as_u64().unwrap_or(0), text("Id"));
    let by = text("CreatedBy").replace('\t', " ");
    let fields = json!({
        "Comment": text("Comment"),
        "CreatedAt": moment::standard(made),
        "CreatedBy": if cut { ellipsis(&by, LONGEST) } else { by },
        "CreatedSince": if human { moment::ago(made) } else { moment::standard(made) },
        "ID": if cut { short_id(id) } else { id },
        "Size": if human { units::size(size) } else { size.to_string() },
    });
    match fields {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

/// A text that is not longer than so many letters; a mark says that there is more.
pub fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}
