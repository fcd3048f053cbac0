//! Every image of the catalog, made and looked at.

use std::time::Instant;

use super::*;
use crate::oci::image::spec::Platform;

fn store() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    (place, store)
}

fn name(text: &str) -> Reference {
    text.parse::<Reference>().unwrap().or_latest()
}

#[test]
fn the_same_name_gives_the_same_digests_in_any_store() {
    let ((_one, first), (_two, second)) = (store(), store());
    for recipe in recipes().filter(|recipe| recipe.fidelity != Fidelity::Built) {
        let name = name(&format!("{}:{}", recipe.name, recipe.tags[0]));
        let made = image(&first, &name).unwrap().unwrap_or_else(|| panic!("{name} is not made"));
        assert_eq!(image(&second, &name).unwrap().as_ref(), Some(&made), "{name}");
        assert_eq!(image(&first, &name).unwrap(), Some(made), "{name}, again in the same store");
    }
}

#[test]
fn every_image_says_for_what_it_stands() {
    let (_place, store) = store();
    for recipe in recipes().filter(|recipe| recipe.fidelity != Fidelity::Built) {
        for tag in recipe.tags {
            let name = name(&format!("{}:{tag}", recipe.name));
            let target = image(&store, &name).unwrap().unwrap();
            let read = store.read_image(&target, &recipe.platforms()[0]).unwrap();
            let labels = read.config.config.labels.unwrap();
            assert_eq!(labels["bottleship.stands-for"], name.to_string());
            assert_eq!(labels["bottleship.fidelity"], recipe.fidelity.name());
            assert!(labels["org.opencontainers.image.description"].ends_with('.'), "{name}");
            let with_layers = read.config.history.iter().filter(|line| !line.empty_layer).count();
            assert_eq!(with_layers, read.manifest.layers.len(), "{name}");
        }
    }
}

#[test]
fn one_toolbox_is_shared_by_all() {
    let (_place, store) = store();
    let first_layer = |text: &str| {
        let target = image(&store, &name(text)).unwrap().unwrap();
        store.read_image(&target, &Platform::here()).unwrap().manifest.layers[0].digest.clone()
    };
    let alpine = first_layer("alpine");
    for other in ["alpine:3.19.1", "busybox", "ubuntu:14.04", "quay.io/fedora/fedora"] {
        assert_eq!(first_layer(other), alpine, "{other}");
    }
    assert_ne!(first_layer("hello-world"), alpine, "which needs nothing");
}

#[test]
fn hello_world_is_made_for_others_too() {
    let (_place, store) = store();
    let target = image(&store, &name("hello-world")).unwrap().unwrap();
    for platform in ["linux/amd64", "linux/arm64"] {
        let read = store.read_image(&target, &Platform::read(platform).unwrap()).unwrap();
        assert_eq!(read.config.platform.architecture, platform.rsplit('/').next().unwrap());
    }
    let elsewhere = Platform::read("linux/s390x").unwrap();
    assert!(store.read_image(&target, &elsewhere).is_err());
    // No empty program for a processor that we cannot write for.
    let recipe = find(&name("hello-world")).unwrap();
    let why = (recipe.plan)("latest", &elsewhere).write(&store, &elsewhere).unwrap_err().to_string();
    assert_eq!(why, "course image: it is machine code, and there is none for linux/s390x: there is for linux/amd64 and linux/arm64/v8");
}

#[test]
fn what_the_catalog_has_not_it_does_not_invent() {
    let (_place, store) = store();
    for unknown in ["alpine:9.9", "hellow-world", "127.0.0.1:5000/alpine", "someone/alpine", "gcr.io/alpine"] {
        assert_eq!(image(&store, &name(unknown)).unwrap(), None, "{unknown}");
    }
}

#[test]
fn no_two_recipes_share_a_name_and_every_tag_is_one() {
    let mut seen = std::collections::BTreeSet::new();
    for recipe in recipes() {
        for tag in recipe.tags {
            let text = format!("{}:{tag}", recipe.name);
            assert!(seen.insert(name(&text).to_string()), "{text} twice");
        }
    }
}

#[test]
fn a_second_image_costs_next_to_nothing() {
    let (_place, store) = store();
    let begun = Instant::now();
    image(&store, &name("alpine")).unwrap();
    let cold = begun.elapsed();
    let begun = Instant::now();
    image(&store, &name("alpine:3.19.1")).unwrap();
    let warm = begun.elapsed();
    eprintln!("cold {cold:?}, warm {warm:?}");
    assert!(warm < cold, "the toolbox is not made again: {warm:?}, {cold:?}");
}
