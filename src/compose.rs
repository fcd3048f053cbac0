//! The Compose model: what the files of a project say, once everything in them is read, filled in and merged.
//!
//! This module is pure. Texts of files and an environment go in, a [`types::Project`] or an error with file, line and key comes out;
//! it starts nothing, asks no engine, prints nothing. The rules are those of the Compose specification as its reference
//! implementation, compose-go, applies them, since that is what people's files were written against.
//!
//! ```text
//! texts -> yaml tree -> filled in -> extended, included, merged -> checked -> canonical -> Project
//! ```

pub mod types;
