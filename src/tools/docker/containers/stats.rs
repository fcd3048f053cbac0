//! `docker stats`.

use serde_json::{Value, json};

use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::Result;
use crate::tools::docker::images::{in_path, short_id};
use crate::tools::docker::line::Given;
use crate::tools::docker::table::{self, Kind, Row};
use crate::tools::docker::{Session, contexts, say};
use crate::ui::units;

const KIND: Kind = Kind {
    name: "*container.statsContext",
    heads: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
};
const USUAL: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// Shows it, until the person has seen enough.
pub fn run(session: &Session, given: &Given) -> Result {
    let format = given.text("format").map(str::to_owned).or_else(|| contexts::config().ok()?["statsFormat"].as_str().map(str::to_owned));
    let format = format.filter(|format| format != "table").unwrap_or_else(|| USUAL.to_owned());
    loop {
        let names = names(session, given)?;
        let rows: Vec<Row> = names.iter().map(|name| one(session, name, given)).collect::<Result<_>>()?;
        if !given.on("no-stream") {
            // The screen begins anew.
            say("\x1b[2J\x1b[H");
        }
        table::print(&KIND, &format, &rows)?;
        if given.on("no-stream") || (!given.words.is_empty() && rows.is_empty()) {
            return Ok(());
        }
    }
}

/// The containers that were named; else all that run.
fn names(session: &Session, given: &Given) -> Result<Vec<String>> {
    if !given.words.is_empty() {
        return Ok(given.words.clone());
    }
    let listed = session.api()?.json(Ask::get("/containers/json").switch("all", given.on("all")))?;
    Ok(listed.as_array().into_iter().flatten().filter_map(|one| Some(one["Id"].as_str()?.to_owned())).collect())
}

/// The engine takes two looks a second apart: that is what paces the screen.
fn one(session: &Session, name: &str, given: &Given) -> Result<Row> {
    let path = format!("/containers/{}/stats", in_path(name));
    let stats = session.api()?.json(Ask::get(&path).with("stream", "0"))?;
    Ok(row(name, &stats, !given.on("no-trunc")))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn row(name: &str, stats: &Value, cut: bool) -> Row {
    let id = stats["id"].as_str().unwrap_or(name);
    let memory = &stats["memory_stats"];
    // What the kernel can take back at once is not in use.
    let cache = number(&memory["stats"]["inactive_file"]).max(number(&memory["stats"]["total_inactive_file"]));
    let (used, limit) = ((number(&memory["usage"]) - cache).max(0.0), number(&memory["limit"]));
    let (received, sent) = stats["networks"].as_object().into_iter().flatten().fold((0, 0), |(received, sent), (_, one)| {
        (received + one["rx_bytes"].as_u64().unwrap_or(0), sent + one["tx_bytes"].as_u64().unwrap_or(0))
    });
    let block = |wanted: &str| -> u64 {
        let all = stats["blkio_stats"]["io_service_bytes_recursive"].as_array().into_iter().flatten();
        all.filter(|one| one["op"].as_str().is_some_and(|op| op.eq_ignore_ascii_case(wanted))).filter_map(|one| one["value"].as_u64()).sum()
    };
    let percent = if limit > 0.0 { used / limit * 100.0 } else { 0.0 };
    let fields = json!({
        "BlockIO": format!("{} / {}", units::size(block("read")), units::size(block("write"))),
        "CPUPerc": format!("{:.2}%", processor(stats)),
        "Container": name,
        "ID": if cut { short_id(id) } else { id },
        "MemPerc": format!("{percent:.2}%"),
        "MemUsage": format!("{} / {}", units::binary(used as u64), units::binary(limit as u64)),
        "Name": stats["name"].as_str().unwrap_or_default().trim_start_matches('/'),
        "NetIO": format!("{} / {}", units::size(received), units::size(sent)),
        "PIDs": stats["pids_stats"]["current"].as_u64().unwrap_or(0).to_string(),
    });
    match fields {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

/// The share of one processor between the two looks: 200 % is two of them.
fn processor(stats: &Value) -> f64 {
    let (now, before) = (&stats["cpu_stats"], &stats["precpu_stats"]);
    let own = number(&now["cpu_usage"]["total_usage"]) - number(&before["cpu_usage"]["total_usage"]);
    let all = number(&now["system_cpu_usage"]) - number(&before["system_cpu_usage"]);
    let count = number(&now["online_cpus"]).max(1.0);
    if all > 0.0 && own > 0.0 { own / all * count * 100.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_give_a_share() {
        let stats = json!({
            "name": "/web", "id": "a".repeat(64),
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 3 << 20, "limit": 8 << 20, "stats": {"inactive_file": 1 << 20}}, "pids_stats": {"current": 3},
            "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 5}},
        });
        let row = row("web", &stats, true);
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        assert_eq!((text("CPUPerc"), text("MemUsage"), text("MemPerc")), ("40.00%".into(), "2MiB / 8MiB".into(), "25.00%".into()));
        assert_eq!((text("Name"), text("NetIO"), text("PIDs")), ("web".into(), "1kB / 5B".into(), "3".into()));
        assert_eq!(processor(&json!({})), 0.0);
    }
}
