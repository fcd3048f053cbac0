//! `docker buildx imagetools`: images that a registry has, looked at and joined there.

use super::engine;
use crate::engine::Registry;

#[test]
fn images_are_joined_to_an_index_at_their_registry() {
    let engine = engine();
    let registry = Registry::start(&engine.sandbox);
    let at = |name: &str| format!("{}/{name}", registry.address);
    let (one, two, both) = (at("me/one:1"), at("me/two:1"), at("me/both:1"));
    engine.ours(&["build", "-q", "-f", "context/Next", "-t", &two, "context"]).succeeds();
    engine.ours(&["tag", "base:1", &one]).succeeds();
    engine.ours(&["push", &one]).succeeds();
    engine.ours(&["push", &two]).succeeds();
    let create = |words: &[&str]| engine.ours(&[&["buildx", "imagetools", "create"], words].concat());
    assert!(create(&[&one]).exits(1).stderr.contains("can't push with no tags specified, please set --tag or --dry-run"));
    let dry = create(&["--dry-run", &one, &two]).succeeds().stdout;
    let dry: serde_json::Value = serde_json::from_str(&dry).expect("an index");
    assert_eq!(dry["manifests"].as_array().map(Vec::len), Some(2));
    assert_eq!(dry["manifests"][0]["platform"]["os"], "linux");
    create(&["-t", &both, "--annotation", "index:who=me", &one]).succeeds();
    let told = create(&["--append", "-t", &both, &two]).succeeds().stderr;
    assert!(told.contains("pushed sha256:") && told.contains(&both), "{told}");
    let shown = engine.ours(&["buildx", "imagetools", "inspect", &both]).succeeds().stdout;
    assert_eq!(shown.matches("  Platform:").count(), 2, "{shown}");
    // It is a whole image of that repository; the same index by another name has the same digest.
    engine.ours(&["pull", &both]).succeeds();
    create(&["-t", &at("me/again:2"), &both]).succeeds();
    let digest = |name: &str| engine.ours(&["buildx", "imagetools", "inspect", "--format", "{{.Manifest.digest}}", name]).succeeds().stdout;
    assert_eq!(digest(&both), digest(&at("me/again:2")));
    let raw = engine.ours(&["buildx", "imagetools", "inspect", "--raw", &both]).succeeds().stdout;
    assert!(raw.contains("\"manifests\""), "{raw}");
    assert!(create(&["--append", &one]).exits(1).stderr.contains("--tag"));
    assert!(create(&["-t", &both, "--annotation", "manifest:a=b", &one]).exits(1).stderr.contains("invalid annotation"));
    assert!(create(&["-t", &both, &at("me/nosuch:1")]).exits(1).stderr.contains("ERROR: "));
}
