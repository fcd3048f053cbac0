//! Black box tests: one binary, so that the crate is linked once. A test runs `bottleship` as a person would, in its own state folder.

mod bottle;
mod build;
mod chaos;
mod client;
mod compose;
mod course;
mod course_images;
mod demo;
mod docker;
mod engine;
mod guide;
mod images;
mod map;
mod ports;
mod promises;
mod prompt;
mod prover;
mod registry;
mod runtime;
mod said;
mod security;
mod served;
mod support;
mod terminal;
mod toolbox;
mod xray;
