//! Which files are read, and what the project is called.

use super::{case, one};

const TEXT: &str = "services: {s: {image: a}}\n";

fn names(case: &super::Case) -> Vec<String> {
    case.loaded().project.files.iter().map(|file| file.display().to_string()).collect()
}

#[test]
fn files_are_looked_for_by_name_upwards_with_their_override() {
    let found = case(&[("docker-compose.yml", TEXT), ("docker-compose.override.yml", TEXT), ("other.yaml", TEXT)]);
    assert_eq!(names(&found), ["/p/docker-compose.yml", "/p/docker-compose.override.yml"]);
    assert_eq!(names(&case(&[("other.yaml", TEXT), ("docker-compose.override.yml", TEXT)]).file("other.yaml")), ["/p/other.yaml"]);
    let mut below = case(&[("compose.yaml", TEXT)]);
    below.request.folder = "/p/a/b".into();
    assert_eq!(names(&below), ["/p/compose.yaml"]);
    assert_eq!(below.loaded().project.name, "p");
    let two = case(&[("compose.yml", TEXT), ("docker-compose.yml", TEXT)]);
    assert_eq!(two.loaded().warnings[0], "Found multiple config files with supported names: /p/compose.yml, /p/docker-compose.yml");
    assert_eq!(case(&[]).error(), "no configuration file provided: not found");
}

#[test]
fn the_environment_names_files_and_the_standard_input_is_one() {
    let listed = case(&[("a.yaml", TEXT), ("b.yaml", TEXT)]).variable("COMPOSE_FILE", "a.yaml:b.yaml");
    assert_eq!(names(&listed), ["/p/a.yaml", "/p/b.yaml"]);
    let mut piped = case(&[]).file("-");
    piped.shelf.0.insert("-".into(), TEXT.into());
    assert_eq!(piped.loaded().project.name, "p");
}

#[test]
fn the_name_comes_from_the_nearest_that_says_one() {
    let named = one("name: In-File\nservices: {s: {image: a}}\n");
    assert_eq!(named.loaded().project.name, "in-file");
    let named = named.variable("COMPOSE_PROJECT_NAME", "env");
    assert_eq!(named.loaded().project.name, "env");
    let mut named = named;
    named.request.project_name = Some("said".into());
    assert_eq!(named.loaded().project.name, "said");
    named.request.project_name = Some("Not Ok".into());
    assert!(named.error().starts_with("invalid project name \"Not Ok\": must consist only of lowercase"), "{}", named.error());
    let filled = one("name: x-${N}\nservices: {s: {image: \"$COMPOSE_PROJECT_NAME\"}}\n").variable("N", "1");
    assert_eq!(filled.loaded().project.services["s"].image, "x-1");
}

#[test]
fn a_version_is_passed_over_with_a_word() {
    let loaded = one("version: '3'\nservices: {s: {image: a}}\n").loaded();
    let wanted = "/p/compose.yaml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion";
    assert_eq!(loaded.warnings, [wanted]);
}
