//! `docker system df`.

use serde_json::{Value, json};

use super::moment;
use crate::tools::docker::api::Ask;
use crate::tools::docker::containers::list as containers;
use crate::tools::docker::failure::Result;
use crate::tools::docker::images::{list as images, short_id};
use crate::tools::docker::line::Given;
use crate::tools::docker::table::{self, Kind, Row};
use crate::tools::docker::{Session, say};
use crate::ui::units;

const KIND: Kind = Kind {
    name: "*formatter.diskUsageContext",
    heads: &[("Type", "TYPE"), ("TotalCount", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"), ("Reclaimable", "RECLAIMABLE")],
};
const VOLUMES: Kind = Kind { name: "*formatter.volumeContext", heads: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")] };
const CACHE: Kind = Kind {
    name: "*formatter.buildCacheContext",
    heads: &[
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ],
};

/// Shows it.
pub fn run(session: &Session, given: &Given) -> Result {
    let usage = session.api()?.json(Ask::get("/system/df"))?;
    let format = given.text("format");
    if given.on("verbose") {
        return verbose(&usage, format);
    }
    let rows = [images_row(&usage), containers_row(&usage), volumes_row(&usage), cache_row(&usage)];
    let format = match format {
        None | Some("table") => "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        Some(format) => format,
    };
    table::print(&KIND, format, &rows)
}

fn list<'a>(usage: &'a Value, key: &str) -> &'a [Value] {
    usage[key].as_array().map_or(&[], Vec::as_slice)
}

/// A row; `free` is what could go. `share`: with its part of the whole.
fn row(kind: &str, total: usize, active: usize, size: u64, free: u64, share: bool) -> Row {
    let part = (free * 100).checked_div(size).filter(|_| share).map(|part| format!(" ({part}%)")).unwrap_or_default();
    let fields = [
        ("Active", active.to_string()),
        ("Reclaimable", format!("{}{part}", units::precise(free))),
        ("Size", units::precise(size)),
        ("TotalCount", total.to_string()),
        ("Type", kind.to_owned()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn images_row(usage: &Value) -> Row {
    let images = list(usage, "Images");
    let number = |image: &Value, key: &str| image[key].as_i64().unwrap_or(-1);
    let used: i64 = images
        .iter()
        .filter(|image| number(image, "Containers") != 0 && number(image, "Size") >= 0 && number(image, "SharedSize") >= 0)
        .map(|image| number(image, "Size") - number(image, "SharedSize"))
        .sum();
    let size = usage["LayersSize"].as_u64().unwrap_or(0);
    let active = images.iter().filter(|image| number(image, "Containers") > 0).count();
    row("Images", images.len(), active, size, size.saturating_sub(u64::try_from(used).unwrap_or(0)), true)
}

fn containers_row(usage: &Value) -> Row {
    let all = list(usage, "Containers");
    let active = |one: &&Value| ["running", "paused", "restarting"].contains(&one["State"].as_str().unwrap_or_default());
    let size = |one: &Value| one["SizeRw"].as_u64().unwrap_or(0);
    let (whole, busy) = (all.iter().map(size).sum::<u64>(), all.iter().filter(active).map(size).sum::<u64>());
    row("Containers", all.len(), all.iter().filter(active).count(), whole, whole - busy, true)
}

fn volumes_row(usage: &Value) -> Row {
    let all = list(usage, "Volumes");
    let size = |one: &Value| one["UsageData"]["Size"].as_u64().unwrap_or(0);
    let used = |one: &&Value| one["UsageData"]["RefCount"].as_i64().unwrap_or(0) > 0;
    let free = all.iter().filter(|one| !used(one)).map(size).sum();
    row("Local Volumes", all.len(), all.iter().filter(used).count(), all.iter().map(size).sum(), free, true)
}

fn cache_row(usage: &Value) -> Row {
    let all = list(usage, "BuildCache");
    let busy = |one: &&Value| one["InUse"].as_bool() == Some(true);
    let size: u64 = usage["BuilderSize"].as_u64().unwrap_or_else(|| all.iter().map(|one| one["Size"].as_u64().unwrap_or(0)).sum());
    let used: u64 = all.iter().filter(busy).map(|one| one["Size"].as_u64().unwrap_or(0)).sum();
    row("Build Cache", all.len(), all.iter().filter(busy).count(), size, size.saturating_sub(used), false)
}

fn verbose(usage: &Value, format: Option<&str>) -> Result {
    let image_rows: Vec<Row> = list(usage, "Images").iter().flat_map(first_row).collect();
    let container_rows: Vec<Row> = list(usage, "Containers").iter().map(|one| containers::row(one, true)).collect();
    let volume_rows: Vec<Row> = list(usage, "Volumes").iter().map(volume_row).collect();
    let cache_rows: Vec<Row> = list(usage, "BuildCache").iter().map(cache_line).collect();
    if let Some(format) = format.filter(|format| *format != "table") {
        let all = json!({"Images": image_rows, "Containers": container_rows, "Volumes": volume_rows, "BuildCache": cache_rows});
        say(&super::version::shown(format, &all, "formatter.fullDiskUsage")?);
        return Ok(());
    }
    say("Images space usage:\n\n");
    let columns =
        "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
    table::print(&images::KIND, columns, &image_rows)?;
    say("\nContainers space usage:\n\n");
    let columns = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
    table::print(&containers::KIND, columns, &container_rows)?;
    say("\nLocal Volumes space usage:\n\n");
    table::print(&VOLUMES, "table {{.Name}}\t{{.Links}}\t{{.Size}}", &volume_rows)?;
    say(&format!("\nBuild cache usage: {}\n\n", cache_row(usage)["Size"].as_str().unwrap_or_default()));
    let columns = "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}";
    table::print(&CACHE, columns, &cache_rows)
}

/// An image is one row here, whatever its names.
fn first_row(image: &Value) -> Option<Row> {
    images::rows(image, false, true).into_iter().next()
}

fn volume_row(volume: &Value) -> Row {
    let usage = &volume["UsageData"];
    let count = usage["RefCount"].as_i64().filter(|count| *count >= 0).map_or_else(|| "N/A".to_owned(), |count| count.to_string());
    let size = usage["Size"].as_u64().map_or_else(|| "N/A".to_owned(), units::precise);
    Row::from_iter([("Name".to_owned(), volume["Name"].clone()), ("Links".to_owned(), count.into()), ("Size".to_owned(), size.into())])
}

fn cache_line(one: &Value) -> Row {
    let text = |key: &str| one[key].as_str().unwrap_or_default();
    let fields = json!({
        "ID": short_id(text("ID")), "CacheType": text("Type"), "Size": units::size(one["Size"].as_u64().unwrap_or(0)),
        "CreatedSince": moment::ago(moment::read(text("CreatedAt"))), "LastUsedSince": moment::ago(moment::read(text("LastUsedAt"))),
        "UsageCount": one["UsageCount"].as_i64().unwrap_or(0).to_string(), "Shared": one["Shared"].as_bool().unwrap_or(false).to_string(),
    });
    match fields {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}
