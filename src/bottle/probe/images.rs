//! The images that the engine of a host has: things of the world by their names, as `docker images` tells them. How the engine keeps them (blobs,
//! layers, locks) is its own matter, and no file of it is told of one by one.
//!
//! Its `index.json` is that of an OCI image layout: descriptors of manifests, each with a name in an annotation or none.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::world::add;
use crate::kernel::root::Root;

/// Where the engine of a host keeps its data, as the host sees it.
pub(super) const DATA: &str = "/var/lib/docker";
/// The annotation with an image's name.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The longest index that is read.
const LONGEST: u64 = 8 << 20;

/// An image: its name as people type it, and the digest of its manifest.
struct Image {
    name: Option<String>,
    digest: String,
}

/// The images below the data folder `data` of an engine. One without a store has none.
fn images(root: &Root, data: &Path) -> Vec<Image> {
    let index = root.read_some(&data.join("images/index.json"), LONGEST).unwrap_or_default();
    let index: Value = serde_json::from_slice(&index).unwrap_or_default();
    let image = |descriptor: &Value| {
        let name = descriptor["annotations"][NAME].as_str().map(familiar);
        Some(Image { name, digest: descriptor["digest"].as_str()?.to_owned() })
    };
    index["manifests"].as_array().into_iter().flatten().filter_map(image).collect()
}

fn familiar(name: &str) -> String {
    let short = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/"));
    short.unwrap_or(name).to_owned()
}

/// How many different ones there are.
pub(super) fn count() -> usize {
    let Ok(root) = Root::open(Path::new("/")) else { return 0 };
    images(&root, Path::new(DATA)).into_iter().map(|image| image.digest).collect::<BTreeSet<_>>().len()
}

/// The images as things of a snapshot: `image/NAME`. `data` is the data folder of the engine below `root`.
pub(super) fn add_to(things: &mut Map<String, Value>, root: &Root, data: &Path) {
    let images = images(root, data);
    let tagged: BTreeSet<&String> =
        images.iter().filter(|image| image.name.as_ref().is_some_and(|name| !name.contains('@'))).map(|image| &image.digest).collect();
    for image in &images {
        let short = image.digest.split(':').next_back().unwrap_or_default().get(..12).unwrap_or(&image.digest);
        match &image.name {
            // What was pulled by a tag is known by its digest too.
            Some(name) if name.contains('@') && tagged.contains(&image.digest) => {}
            Some(name) => add(things, format!("image/{name}"), json!({ "manifest": short })),
            None => add(things, format!("image/<none>@{short}"), json!({ "manifest": short })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_by_their_names_once() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("images")).unwrap();
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let named = |name: &str, letter: &str| json!({"digest": digest(letter), "annotations": {NAME: name}});
        let index = json!({"manifests": [
            named("docker.io/library/alpine:latest", "a"),
            named(&format!("docker.io/library/alpine@{}", digest("a")), "a"),
            named("docker.io/ann/app:1", "b"),
            named("localhost:5000/app:1", "b"),
            {"digest": digest("c")},
        ]});
        std::fs::write(place.path().join("images/index.json"), index.to_string()).unwrap();
        let root = Root::open(place.path()).unwrap();
        let mut things = Map::new();
        add_to(&mut things, &root, Path::new("/"));
        let mut names: Vec<&String> = things.keys().collect();
        names.sort();
        assert_eq!(names, ["image/<none>@cccccccccccc", "image/alpine:latest", "image/ann/app:1", "image/localhost:5000/app:1"]);
        assert_eq!(images(&root, Path::new("/nowhere")).len(), 0);
    }
}
