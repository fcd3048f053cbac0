//! kill -9 in the middle of pull and push, many times: what is there is whole, and the next attempt goes on.

use std::time::Duration;

use super::{Place, files};
use crate::support::eventually;

/// Kills it after so long, if it still runs then.
fn kill_after(call: &crate::support::Call, after: Duration) -> bool {
    let mut command = call.command();
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("start it");
    let began = std::time::Instant::now();
    let ended = eventually("the moment to kill", Duration::from_secs(60), || match child.try_wait().expect("look at it") {
        Some(_) => Some(true),
        None => (began.elapsed() >= after).then_some(false),
    });
    if !ended {
        child.kill().expect("it is ours");
        child.wait().expect("and ends");
    }
    !ended
}

/// Close together at first and then further apart, so that kills fall into all phases, whatever the speed of the machine.
fn moments() -> impl Iterator<Item = Duration> {
    (1..=20_u64).map(|step| Duration::from_millis(step * step / 2))
}

fn big_image(place: &Place) {
    // Content that no link in between makes small.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    std::fs::write(place.path("root/noise"), noise.take(12 << 20).collect::<Vec<u8>>()).expect("a file");
    place.sandbox.program("tar").args(["-C", &place.text("root"), "-cf", &place.text("root.tar"), "."]).succeeds();
    place.images(&["import", &place.text("root.tar"), "bb:1"]).succeeds();
}

#[test]
fn a_pull_killed_at_any_moment_leaves_a_whole_store_and_goes_on() {
    let place = Place::new();
    big_image(&place);
    let registry = place.registry(&[]);
    let name = format!("{}/bb:1", registry.address);
    place.push(&name);
    let mut killed = 0;
    for moment in moments() {
        killed += usize::from(kill_after(&place.in_store("second", &["pull", &name]), moment));
        place.whole("second");
    }
    assert!(killed >= 3, "only {killed} were killed while they ran");
    place.in_store("second", &["pull", &name]).succeeds();
    place.whole("second");
    assert_eq!(place.ids("second").len(), 1);
}

#[test]
fn a_push_killed_at_any_moment_leaves_a_whole_registry_and_goes_on() {
    let place = Place::new();
    big_image(&place);
    let registry = place.registry(&[]);
    let name = format!("{}/bb:1", registry.address);
    place.images(&["tag", "bb:1", &name]).succeeds();
    let mut killed = 0;
    for moment in moments() {
        killed += usize::from(kill_after(&place.images(&["push", &name]), moment));
        place.whole("store");
        place.whole("registry");
    }
    assert!(killed >= 3, "only {killed} were killed while they ran");
    place.images(&["push", &name]).succeeds();
    place.in_store("second", &["pull", &name]).succeeds();
    place.whole("second");
}

#[test]
fn a_prune_killed_at_any_moment_takes_only_what_nobody_needs() {
    let place = Place::new();
    let upper = place.path("upper");
    std::fs::create_dir(&upper).expect("a folder");
    let kept = place.ids("store");
    let mut killed = 0;
    for round in 1..=15_u64 {
        // Another image each time, many files of its own above the layer of the one that stays.
        for file in 0..200 {
            std::fs::write(upper.join(format!("file{file}")), format!("{round} {file}")).expect("a file");
        }
        place.images(&["commit", "bb:1", &place.text("upper"), "doomed:1"]).succeeds();
        // Its name goes, then its content: both may be cut off anywhere.
        killed += usize::from(kill_after(&place.images(&["rm", "doomed:1"]), Duration::from_millis(round * round / 4)));
        place.whole("store");
        killed += usize::from(kill_after(&place.images(&["prune"]), Duration::from_millis(round * round / 8)));
        place.whole("store");
        place.images(&["save", "bb:1", "-o", &place.text("saved.tar")]).succeeds();
    }
    assert!(killed >= 5, "only {killed} were killed while they ran");
    // A round that was killed before the name was gone left its image, without a name since the next has it: they go now, and all of them.
    for id in place.ids("store").iter().filter(|id| !kept.contains(id)) {
        place.images(&["rm", id]).succeeds();
    }
    place.images(&["prune"]).succeeds();
    place.whole("store");
    assert_eq!(place.ids("store"), kept);
    assert_eq!(files(&place.path("store/ingest")), [] as [String; 0]);
    let layers = files(&place.path("store/layers"));
    assert!(layers.iter().filter(|name| !name.starts_with('.')).count() <= 1, "layers of nobody are left: {layers:?}");
    place.images(&["layers", "bb:1"]).succeeds();
}
