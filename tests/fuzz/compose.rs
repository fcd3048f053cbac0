//! Compose files and files of variables: YAML, variables, merging, the checks.

use std::io;

use super::lane;
use crate::compose::{Request, Source, Steps, emit, load, types::Form};

/// What Compose files are made of.
const COMPOSE: &[&str] = &[
    "services:\n",
    "  web:\n",
    "    image: a\n",
    "extends: {file: compose.yaml, service: web}",
    "include: [other.yaml]\n",
    "<<: *a",
    "&a ",
    "!reset ",
    "!override ",
    "${A:-${B:?c}}",
    "$$",
    "depends_on: [web]",
    "\"80-90:80-90/udp\"",
    "x-y: ",
    "---\n",
    "1e999",
    "0o777777777777777777777777",
    "\\0999",
    "export A='",
];

/// One text for every file of a project.
struct Everywhere(String);

impl Source for Everywhere {
    fn text(&self, path: &str) -> io::Result<String> {
        if self.is_file(path) { Ok(self.0.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn is_file(&self, path: &str) -> bool {
        ["compose.yaml", "other.yaml", ".env"].iter().any(|name| path.ends_with(name))
    }
}

#[test]
fn compose_files() {
    let small = b"name: p\nx-a: &a {image: \"$A\", ports: [\"80:80\"]}\nservices:\n  web:\n    <<: *a\n    depends_on: {db: {condition: service_healthy}}\n    healthcheck: {test: x, interval: 5s}\n  db: {build: ., volumes: [d:/d], environment: [A=1]}\nvolumes: {d: }\n".to_vec();
    let merged = b"services: {a: {image: a, extends: b, mem_limit: 1g, deploy: {replicas: 2}}, b: {image: b, command: 'a \"b\"', ulimits: {nofile: 3}}}\n---\nservices: {a: {image: !reset null, build: !override {context: x}}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}\n".to_vec();
    let variables = b"A=1\nexport B=\"${A}\\n\"\nC='x\ny'\n# said\nD: e # f\nF\n".to_vec();
    lane("compose", &[small, merged, variables], COMPOSE, |input| {
        let source = Everywhere(String::from_utf8_lossy(input).into_owned());
        let request = Request { files: vec!["compose.yaml".into()], folder: "/p".into(), ..Request::default() };
        for interpolate in [true, false] {
            if let Ok(loaded) = load(&request, Steps { interpolate, ..Steps::default() }, &source) {
                let printed = emit::emit(&loaded.project.written(Form::Yaml));
                // What is printed can be read again.
                assert!(crate::compose::yaml::parse("printed", &printed).is_ok(), "{printed}");
            }
        }
    });
}
