//! `docker system prune` and `docker builder prune`.

use serde_json::Value;

use crate::tools::docker::api::{Ask, filters_json};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::remove::{prune_filters, pruned};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, confirmed, say};
use crate::ui::units;

/// Prunes everything.
pub fn run(session: &Session, given: &Given) -> Result {
    let filters = given.all("filter");
    if given.on("volumes") && filters.iter().any(|filter| filter.starts_with("until=")) {
        return Err(Failure::new("ERROR: The \"until\" filter is not supported with \"--volumes\""));
    }
    if !given.on("force") && !confirmed(&warning(given)) {
        return Ok(());
    }
    let mut bytes = things(session, "/containers/prune", filters, "ContainersDeleted", "Deleted Containers")?;
    things(session, "/networks/prune", filters, "NetworksDeleted", "Deleted Networks")?;
    if given.on("volumes") {
        bytes += things(session, "/volumes/prune", filters, "VolumesDeleted", "Deleted Volumes")?;
    }
    let (words, freed) = pruned(session, given.on("all"), filters)?;
    say(&words);
    bytes += freed;
    bytes += build_cache(session, given.on("all"), filters, None)?;
    say(&format!("Total reclaimed space: {}\n", units::precise(bytes)));
    Ok(())
}

fn warning(given: &Given) -> String {
    let mut lines = vec!["all stopped containers", "all networks not used by at least one container"];
    if given.on("volumes") {
        lines.push("all anonymous volumes not used by at least one container");
    }
    lines.push(if given.on("all") { "all images without at least one container associated to them" } else { "all dangling images" });
    lines.push(if given.on("all") { "all build cache" } else { "unused build cache" });
    let lines: String = lines.iter().map(|line| format!("  - {line}\n")).collect();
    let filters: Vec<&str> = given.all("filter").iter().map(String::as_str).collect();
    let filters = if filters.is_empty() {
        String::new()
    } else {
        format!("\n  Items to be pruned will be filtered with:\n{}", filters.iter().map(|one| format!("  - {one}\n")).collect::<String>())
    };
    format!("WARNING! This will remove:\n{lines}{filters}\nAre you sure you want to continue?")
}

/// Prunes one kind of things, names them, and gives the bytes.
///
/// # Errors
/// The engine does not.
pub fn things(session: &Session, path: &str, filters: &[String], key: &str, head: &str) -> Result<u64> {
    let report = session.api()?.json(Ask::post(path).filters(&prune_filters(filters)))?;
    let names: Vec<&str> = report[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !names.is_empty() {
        say(&format!("{head}:\n{}\n\n", names.join("\n")));
    }
    Ok(report["SpaceReclaimed"].as_u64().unwrap_or(0))
}

fn build_cache(session: &Session, all: bool, filters: &[String], keep: Option<i64>) -> Result<u64> {
    let filters = prune_filters(filters);
    let ask = Ask::post("/build/prune").switch("all", all).maybe("keep-storage", keep.map(|keep| keep.to_string()));
    let ask = if filters.is_empty() { ask } else { ask.with("filters", filters_json(&filters)) };
    let report = session.api()?.json(ask)?;
    let ids: Vec<&str> = report["CachesDeleted"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !ids.is_empty() {
        say(&format!("Deleted build cache objects:\n{}\n\n", ids.join("\n")));
    }
    Ok(report["SpaceReclaimed"].as_u64().unwrap_or(0))
}

/// Prunes what builds have left.
pub fn builder(session: &Session, given: &Given) -> Result {
    let warning =
        if given.on("all") { "WARNING! This will remove all build cache." } else { "WARNING! This will remove all dangling build cache." };
    if !given.on("force") && !confirmed(&format!("{warning} Are you sure you want to continue?")) {
        return Ok(());
    }
    let bytes = build_cache(session, given.on("all"), given.all("filter"), given.bytes("keep-storage"))?;
    say(&format!("Total reclaimed space: {}\n", units::precise(bytes)));
    Ok(())
}
