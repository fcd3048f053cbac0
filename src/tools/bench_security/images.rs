//! Part 4: the images of running containers, by their configuration.

use serde_json::Value;

use super::checks::{Check, Mark, Verdict};
use super::containers::{each, is_root};
use super::world::{World, texts};

/// The checks.
pub const CHECKS: &[Check] = &[
    Check {
        number: "4.1",
        title: "Images name a user that is not root",
        why: "Without USER every container of the image is root, unless somebody thinks of it each time.",
        judge: |world| images(world, Mark::Warn, |image| is_root(&image["Config"]["User"]).then(String::new)),
    },
    Check {
        number: "4.2",
        title: "Images say how to see that they are well",
        why: "Without a health check `running` only means that the process is there.",
        judge: |world| images(world, Mark::Note, |image| image["Config"]["Healthcheck"].is_null().then(String::new)),
    },
    Check {
        number: "4.3",
        title: "Images have no secrets in their variables",
        why: "Whoever has the image can read them, and every layer above has them too.",
        judge: |world| images(world, Mark::Warn, secrets),
    },
    Check {
        number: "4.4",
        title: "Containers are made of a version, not of latest",
        why: "latest is another image tomorrow. A version, better a digest, is what was tested.",
        judge: |world| {
            each(world, Mark::Warn, |container| {
                let image = container["Config"]["Image"].as_str().unwrap_or_default();
                moves(image).then(|| image.to_owned())
            })
        },
    },
    Check {
        number: "4.5",
        title: "Images come from whom they say",
        why: "A signature proves the origin. Docker's own content trust is going away: check signatures before an image gets into your registry.",
        judge: |world| Verdict::when(world.content_trust, Mark::Note, "DOCKER_CONTENT_TRUST is not 1 for you"),
    },
];

/// Images for which something is to be told, by name.
fn images(world: &World, mark: Mark, told: fn(&Value) -> Option<String>) -> Verdict {
    if world.images.is_empty() {
        return Verdict::of(Mark::Info, "no image is in use");
    }
    let line = |image: &Value| told(image).map(|told| if told.is_empty() { name(image) } else { format!("{}: {told}", name(image)) });
    Verdict::if_any(mark, world.images.iter().filter_map(line).collect())
}

fn name(image: &Value) -> String {
    let id = image["Id"].as_str().unwrap_or_default().trim_start_matches("sha256:");
    texts(&image["RepoTags"]).next().map_or_else(|| id.chars().take(12).collect(), str::to_owned)
}

/// The names of variables that are called like secrets and are not empty.
fn secrets(image: &Value) -> Option<String> {
    const CALLED: [&str; 5] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY"];
    let set = texts(&image["Config"]["Env"]).filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.is_empty());
    let names: Vec<&str> = set.map(|(name, _)| name).filter(|name| CALLED.iter().any(|word| name.to_uppercase().contains(word))).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a name leads to another image some day: no tag, or `latest`.
fn moves(image: &str) -> bool {
    if image.contains('@') || image.starts_with("sha256:") {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(number: &str, image: Value) -> Verdict {
        let check = CHECKS.iter().find(|check| check.number == number).expect("a check");
        (check.judge)(&World { images: vec![image], ..World::default() })
    }

    #[test]
    fn an_image_is_judged_by_its_configuration() {
        let bare = json!({"Id": "sha256:0123456789abcdef", "RepoTags": ["app:1"], "Config": {"User": "", "Env": ["PATH=/bin", "DB_PASSWORD=x", "TOKEN="]}});
        assert_eq!(judged("4.1", bare.clone()).found, ["app:1"]);
        assert_eq!(judged("4.2", bare.clone()).mark, Mark::Note);
        assert_eq!(judged("4.3", bare).found, ["app:1: DB_PASSWORD"]);
        let good = json!({"Id": "sha256:0123456789abcdef", "RepoTags": [], "Config": {"User": "101:101", "Healthcheck": {"Test": ["CMD", "true"]}}});
        assert!(["4.1", "4.2", "4.3"].into_iter().all(|number| judged(number, good.clone()) == Verdict::pass()));
        assert_eq!(judged("4.1", json!({"Id": "sha256:0123456789abcdef", "Config": {"User": "root"}})).found, ["0123456789ab"]);
    }

    #[test]
    fn a_name_that_moves_is_known() {
        for (image, expected) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("reg:5000/nginx", true),
            ("reg:5000/nginx:1.29", false),
            ("nginx@sha256:00", false),
            ("sha256:00", false),
        ] {
            assert_eq!(moves(image), expected, "{image}");
        }
    }
}
