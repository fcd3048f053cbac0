//! `docker rmi` and `docker image prune`.

use serde_json::Value;

use super::in_path;
use crate::tools::docker::api::{Ask, filters_json};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, confirmed, say, warn};
use crate::ui::units;

/// Removes.
pub fn run(session: &Session, given: &Given) -> Result {
    let (mut wrong, mut fatal) = (Vec::new(), false);
    for name in &given.words {
        let path = format!("/images/{}", in_path(name));
        let ask = Ask::delete(&path).switch("force", given.on("force")).switch("noprune", given.on("no-prune"));
        match session.api()?.json(ask) {
            Ok(gone) => gone.as_array().into_iter().flatten().for_each(|one| say(&line(one, "Untagged", "Deleted"))),
            Err(failure) => {
                fatal |= !failure.is_absent();
                wrong.push(failure.message);
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    // Whoever forces wants it gone, and it is.
    if given.on("force") && !fatal {
        warn(&format!("{}\n", wrong.join("\n")));
        return Ok(());
    }
    Err(Failure::new(wrong.join("\n")))
}

fn line(gone: &Value, untagged: &str, deleted: &str) -> String {
    match (gone["Untagged"].as_str(), gone["Deleted"].as_str()) {
        (Some(name), _) => format!("{untagged}: {name}\n"),
        (_, Some(id)) => format!("{deleted}: {id}\n"),
        _ => String::new(),
    }
}

/// Prunes.
pub fn prune(session: &Session, given: &Given) -> Result {
    let warning = if given.on("all") {
        "WARNING! This will remove all images without at least one container associated to them."
    } else {
        "WARNING! This will remove all dangling images."
    };
    if !given.on("force") && !confirmed(&format!("{warning}\nAre you sure you want to continue?")) {
        return Ok(());
    }
    let (words, bytes) = pruned(session, given.on("all"), given.all("filter"))?;
    say(&words);
    say(&format!("Total reclaimed space: {}\n", units::precise(bytes)));
    Ok(())
}

/// Has the engine prune, and gives the words about it and the bytes.
///
/// # Errors
/// The engine does not.
pub fn pruned(session: &Session, all: bool, filters: &[String]) -> Result<(String, u64)> {
    let mut filters: Vec<String> = prune_filters(filters);
    filters.push(format!("dangling={}", !all));
    let report = session.api()?.json(Ask::post("/images/prune").with("filters", filters_json(&filters)))?;
    let gone: String = report["ImagesDeleted"].as_array().into_iter().flatten().map(|one| line(one, "untagged", "deleted")).collect();
    let words = if gone.is_empty() { String::new() } else { format!("Deleted Images:\n{gone}\n") };
    Ok((words, report["SpaceReclaimed"].as_u64().unwrap_or(0)))
}

/// The filters of a prune with those that the settings add.
pub fn prune_filters(filters: &[String]) -> Vec<String> {
    let settings = crate::tools::docker::contexts::config().unwrap_or_default();
    let own = settings["pruneFilters"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    filters.iter().cloned().chain(own).collect()
}
