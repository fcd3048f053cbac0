//! What is refused, with file, line and key.

use super::{case, one};

#[test]
fn every_mistake_is_told_with_its_place() {
    for (text, wanted) in [
        ("services:\n  web:\n    image: a\n    foo: 1\n", "compose.yaml:4:5: services.web additional properties 'foo' not allowed"),
        ("web:\n  image: a\n", "compose.yaml:1:1: additional properties 'web' not allowed"),
        ("services:\n  web:\n    image: [a]\n", "compose.yaml:3:5: services.web.image must be a string"),
        ("services:\n  web:\n    ports: 80\n", "compose.yaml:3:5: services.web.ports must be a array"),
        ("services:\n  web:\n    image: a\n    tty: 5\n", "compose.yaml:4:5: services.web.tty must be a boolean or string"),
        ("services:\n  web:\n    image: a\n    ports:\n      - \"x:80\"\n", "compose.yaml:5:9: services.web.ports[0]: Invalid hostPort: x"),
        (
            "services:\n  web:\n    image: ${\n",
            "compose.yaml:3:5: invalid interpolation format for services.web.image.\nYou may need to escape any $ with another $.\n${",
        ),
        (
            "services:\n  web:\n    image: ${A:?say it}\n",
            "compose.yaml:3:5: error while interpolating services.web.image: required variable A is missing a value: say it",
        ),
        (
            "services:\n  web:\n    image: a\n    scale: \"x\"\n",
            "compose.yaml:4:5: error while interpolating services.web.scale: failed to cast to expected type: strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        ("services:\n  web: {}\n", "compose.yaml:2:3: services.web: service \"web\" has neither an image nor a build context specified"),
        (
            "services:\n  a: {image: a, depends_on: [b]}\n",
            "compose.yaml:2:30: services.a.depends_on.b: service \"a\" depends on undefined service \"b\"",
        ),
        (
            "services:\n  a: {image: a, networks: [n]}\n",
            "compose.yaml:2:28: services.a.networks.n: service \"a\" refers to undefined network n",
        ),
        (
            "services:\n  a: {image: a, volumes: [\"vv:/v\"]}\n",
            "compose.yaml:2:27: services.a.volumes.0: service \"a\" refers to undefined volume vv",
        ),
        ("services:\n  a: {image: a, secrets: [x]}\n", "compose.yaml:2:17: services.a.secrets: service \"a\" refers to undefined secret x"),
        (
            "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [a]}\n",
            "compose.yaml:3:30: services.b.depends_on.a: dependency cycle detected: a -> b -> a",
        ),
        ("services:\n  a: {image: a, stop_grace_period: 10}\n", "compose.yaml:2:17: services.a.stop_grace_period must be a string"),
        (
            "services:\n  a: {image: a, stop_grace_period: \"10\"}\n",
            "compose.yaml:2:17: services.a.stop_grace_period: time: missing unit in duration \"10\"",
        ),
        ("services:\n  a: {image: a, mem_limit: 5x}\n", "compose.yaml:2:17: services.a.mem_limit: invalid suffix: 'x'"),
        ("services:\n  a: {image: a}\n  a: {image: b}\n", "compose.yaml:3:3: services.a: mapping key \"a\" already defined at line 2"),
        (
            "services:\n  a: {image: a, scale: 2, container_name: cc}\n",
            "compose.yaml:2:27: services.a.container_name: services.scale: can't set container_name and a as container name must be unique",
        ),
        ("services:\n  80: {image: a}\n", "compose.yaml:2:3: non-string key in services: 80"),
        (
            "services:\n  a: {image: a, extends: b}\n",
            "compose.yaml:2:17: services.a.extends: cannot extend service \"a\" in compose.yaml: service \"b\" not found",
        ),
        (
            "services:\n  a: {extends: b}\n  b: {extends: a}\n",
            "compose.yaml:2:7: services.a.extends: Circular reference:\n  a in compose.yaml\n  extends b in compose.yaml\n  extends a in compose.yaml",
        ),
        (
            "services:\n  a: {image: a, env_file: none.env}\n",
            "compose.yaml:2:17: services.a.env_file: env file /p/none.env not found: stat /p/none.env: no such file or directory",
        ),
        (
            "services: {a: {image: a}}\nvolumes:\n  v: {external: true, driver: x}\n",
            "compose.yaml:3:23: volumes.v.driver: volumes.v: conflicting parameters \"external\" and \"driver\" specified",
        ),
        ("services: {a: {image: a}}\nsecrets:\n  s: {name: x}\n", "compose.yaml:3:3: secrets.s: one of file|environment must be set"),
        ("include: [none.yaml]\nservices: {a: {image: a}}\n", "compose.yaml:1:11: include: open /p/none.yaml: no such file or directory"),
        ("services:\n\ta: b\n", "compose.yaml:2:2: failed to parse compose.yaml: yaml:"),
        ("- a\n", "compose.yaml:1:1: top-level object must be a mapping"),
        ("", "compose.yaml: empty compose file"),
        ("a: &a [*a]\n", "compose.yaml:1:8: cycle detected: an anchor's value contains itself"),
    ] {
        let told = one(text).error();
        assert!(told.starts_with(wanted), "{text}\ntold:   {told}\nwanted: {wanted}");
    }
}

#[test]
fn mistakes_are_found_in_the_file_that_has_them() {
    let files = [("compose.yaml", "services: {a: {image: a}}\n"), ("o.yaml", "services:\n  a:\n    image: a\n    imagee: b\n")];
    assert_eq!(
        case(&files).file("compose.yaml").file("o.yaml").error(),
        "o.yaml:4:5: services.a additional properties 'imagee' not allowed"
    );
    let include = [("compose.yaml", "include: [s/i.yaml]\n"), ("s/i.yaml", "include: [../compose.yaml]\n")];
    assert!(case(&include).error().contains("include cycle detected"), "{}", case(&include).error());
}

#[test]
fn small_files_cannot_stand_for_huge_trees() {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}, ", level - 1).repeat(9);
        text += &format!("x-{level}: &a{level} [{}]\n", alias.trim_end_matches(", "));
    }
    let told = one(&text).error();
    assert!(told.contains("exceeds maximum node visit limit"), "{told}");
}
