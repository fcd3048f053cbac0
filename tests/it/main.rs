//! Black box tests: one binary, so that the crate is linked once. A test runs `bottleship` as a person would, in its own state folder.

mod bottle;
mod chaos;
mod course;
mod map;
mod ports;
mod promises;
mod prompt;
mod prover;
mod runtime;
mod security;
mod support;
mod terminal;
mod toolbox;
mod xray;
