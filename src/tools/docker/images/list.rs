//! `docker images`.

use serde_json::{Value, json};

use super::short_id;
use crate::oci::reference::Reference;
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::contexts;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;
use crate::tools::docker::table::{self, Kind, Row};
use crate::ui::units;

/// Images in a list.
pub const KIND: Kind = Kind {
    name: "*formatter.imageContext",
    heads: &[
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("Containers", "CONTAINERS"),
        ("VirtualSize", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
    ],
};

/// Lists.
pub fn run(session: &Session, given: &Given) -> Result {
    if given.on("tree") {
        return Err(Failure::new("--tree: this engine keeps images for one platform each, so there is no tree to show"));
    }
    let mut filters = given.all("filter").to_vec();
    filters.extend(given.words.first().map(|name| format!("reference={name}")));
    let ask = Ask::get("/images/json").switch("all", given.on("all")).filters(&filters);
    let images = session.api()?.json(ask)?;
    let format = match given.text("format") {
        Some(format) => format.to_owned(),
        None if given.on("quiet") => "{{.ID}}".to_owned(),
        None => contexts::config()?["imagesFormat"].as_str().map_or_else(|| usual(given.on("digests")), str::to_owned),
    };
    let format = if format == "table" { usual(given.on("digests")) } else { format };
    let with_digests = given.on("digests") || format.contains(".Digest");
    let rows: Vec<Row> =
        images.as_array().into_iter().flatten().flat_map(|image| rows(image, with_digests, !given.on("no-trunc"))).collect();
    table::print(&KIND, &format, &rows)
}

fn usual(digests: bool) -> String {
    let digest = if digests { "{{.Digest}}\t" } else { "" };
    format!("table {{{{.Repository}}}}\t{{{{.Tag}}}}\t{digest}{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}")
}

/// The rows of an image: one for each name, and with digests one for each digest of it.
pub fn rows(image: &Value, with_digests: bool, cut: bool) -> Vec<Row> {
    let names = |key: &str| -> Vec<Reference> {
        image[key].as_array().into_iter().flatten().filter_map(|name| name.as_str()?.parse().ok()).collect()
    };
    let (tags, digests) = (names("RepoTags"), names("RepoDigests"));
    let mut all = Vec::new();
    for tag in &tags {
        let (repository, name) = (tag.familiar_repository(), tag.tag().unwrap_or("<none>"));
        let before = all.len();
        if with_digests {
            let own = digests.iter().filter(|one| one.repository() == tag.repository());
            all.extend(own.map(|one| row(image, &repository, name, &digest(one), cut)));
        }
        if all.len() == before {
            all.push(row(image, &repository, name, "<none>", cut));
        }
    }
    for one in digests.iter().filter(|one| !tags.iter().any(|tag| tag.repository() == one.repository())) {
        let shown = if with_digests { digest(one) } else { String::new() };
        let new = row(image, &one.familiar_repository(), "<none>", &shown, cut);
        // Without digests a repository is one row.
        if with_digests || !all.contains(&new) {
            all.push(new);
        }
    }
    if all.is_empty() {
        all.push(row(image, "<none>", "<none>", "<none>", cut));
    }
    all
}

fn digest(name: &Reference) -> String {
    name.digest().map(ToString::to_string).unwrap_or_default()
}

fn row(image: &Value, repository: &str, tag: &str, digest: &str, cut: bool) -> Row {
    let id = image["Id"].as_str().unwrap_or_default();
    let size = image["Size"].as_u64().unwrap_or(0);
    let shared = image["SharedSize"].as_i64().unwrap_or(-1);
    let count = |key: &str| image[key].as_i64().filter(|count| *count >= 0).map_or_else(|| "N/A".to_owned(), |count| count.to_string());
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "N/A".to_owned(), units::size);
    let shared = u64::try_from(shared).ok();
    let made = image["Created"].as_i64().unwrap_or(0);
    let fields = json!({
        "Containers": count("Containers"),
        "CreatedAt": moment::local(made),
        "CreatedSince": moment::ago(made),
        "Digest": digest,
        "ID": if cut { short_id(id) } else { id },
        "Repository": repository,
        "SharedSize": known(shared),
        "Size": units::size(size),
        "Tag": tag,
        "UniqueSize": known(shared.map(|shared| size.saturating_sub(shared))),
        "VirtualSize": units::precise(size),
    });
    match fields {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_row_for_each_name() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let image = json!({
            "Id": digest("a"), "RepoTags": ["app:1", "me/app:2"], "RepoDigests": [format!("app@{}", digest("b")), format!("x/y@{}", digest("c"))], "Size": 5,
        });
        let names = |with: bool| {
            let shown = |row: Row| [&row["Repository"], &row["Tag"], &row["Digest"]].map(|one| one.as_str().unwrap().to_owned()).join(" ");
            rows(&image, with, true).into_iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["app 1 <none>", "me/app 2 <none>", "x/y <none> "]);
        assert_eq!(names(true), [format!("app 1 {}", digest("b")), "me/app 2 <none>".to_owned(), format!("x/y <none> {}", digest("c"))]);
        let nameless = json!({"Id": digest("a"), "RepoTags": [], "RepoDigests": []});
        assert_eq!(rows(&nameless, false, true)[0]["Tag"], "<none>");
    }
}
