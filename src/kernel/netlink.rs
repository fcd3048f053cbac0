//! Netlink: how links, addresses, routes and packet rules are made (netlink(7), rtnetlink(7)), without any external program.
//!
//! ```text
//!  Message (bytes, attributes in attributes) ── Socket::request ──> kernel
//!                                            <── acknowledgement, or the errno and nothing changed
//! ```
//!
//! A socket belongs to the network namespace it was opened in, for good: to work in another namespace, open one there.
//! [`route`] holds what `ip` does, [`nft`] what `nft` does, as far as Bottleship needs it.

pub mod message;
pub mod nft;
pub mod route;
mod socket;

pub use message::Message;
pub use socket::Socket;
