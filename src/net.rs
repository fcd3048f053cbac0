//! Networking above the kernel's calls: names, and the bridges of containers.
//!
//! Here is what programs ask for by name: the DNS server that answers on
//! the simulated internet's 8.8.8.8 and 1.1.1.1.

pub mod address;
pub mod bridge;
pub mod dns;
pub mod interface;
pub mod sublink;
pub mod subnet;
pub mod zone;

pub use zone::Zone;
