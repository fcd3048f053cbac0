//! `redis-server` and `redis-cli` of the course images: a store of data structures that speaks RESP, in the place of the real one.
//!
//! Strings, counters, lists, hashes, sets, sorted sets, expiry, transactions, publish and subscribe, passwords; snapshots in Redis' own format (RDB) and a log of
//! commands (AOF), so that data survives a restart. One thread per connection, one lock around the data: a command is atomic, as with Redis.
//!
//! ```text
//!  client ──RESP──▶ server: connection ──▶ commands: table of name, arity, function ──▶ data: keys, values, expiry ──▶ persistence: RDB, AOF
//! ```
//!
//! Left out, and refused as unknown: streams, scripts, modules, clusters, replication; `OBJECT`, `SORT`, `LPOS`, `GETEX`.

pub mod cli;
pub mod client;
mod commands;
mod data;
mod persist;
mod resp;
mod server;
mod settings;

pub use cli::run as redis_cli;
pub use server::run as redis_server;

/// The version of Redis whose surface this is, where no image says another.
const VERSION: &str = "7.4.2";

/// The version of the image, or ours.
fn version() -> String {
    std::env::var("REDIS_VERSION").unwrap_or_else(|_| VERSION.to_owned())
}

/// The number in a reply; 0 where there is none.
pub fn number_of(reply: &resp::Reply) -> i64 {
    match reply {
        resp::Reply::Integer(number) => *number,
        resp::Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).parse().unwrap_or(0),
        _ => 0,
    }
}

/// The texts in a reply.
pub fn texts_of(reply: &resp::Reply) -> Vec<String> {
    match reply {
        resp::Reply::Bulk(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        resp::Reply::Array(all) => all.iter().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

/// The last text in a reply.
pub fn text_of(reply: &resp::Reply) -> Option<String> {
    texts_of(reply).pop()
}
