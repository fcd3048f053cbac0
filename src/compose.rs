//! The Compose model: what the files of a project say, once everything in them is read, filled in and merged.
//!
//! This module is pure. Texts of files and an environment go in, a [`types::Project`] or an error with file, line and key comes out;
//! it starts nothing, asks no engine, prints nothing. The rules are those of the Compose specification as its reference
//! implementation, compose-go, applies them, since that is what people's files were written against.
//!
//! ```text
//! discover   which files, which variables, which name
//! yaml       text -> tree with places; anchors, merge keys, !reset, !override
//! interpolate, template, dotenv        variables
//! load       include, extends, merge, schema, canonical form; file by file
//! normal     what follows from what is written
//! read       tree -> types;  sound: does it make sense
//! emit, hash types -> YAML, types -> digest
//! ```
//!
//! Not done: files from other machines (`oci://`, git addresses) are refused as files that are not there.

mod canonical;
pub mod discover;
mod dotenv;
pub mod emit;
pub mod error;
pub mod hash;
mod interpolate;
pub mod load;
mod merge;
mod normal;
pub mod path;
mod place;
pub mod project;
pub mod read;
mod schema;
pub mod short;
mod sound;
mod template;
pub mod types;
pub mod yaml;

pub use discover::Request;
pub use load::Source;
pub use project::{Steps, load};

#[cfg(test)]
mod tests;
