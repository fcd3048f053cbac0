//! Which engine is meant: `-H`, `DOCKER_HOST`, a context, or the usual socket.

use std::path::PathBuf;

use super::contexts;
use super::failure::{Failure, Result};
use super::line::Given;

/// Where docker looks when nobody says anything.
pub const USUAL: &str = "unix:///var/run/docker.sock";

/// An engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As it was given: `tcp://10.0.0.1:2375`.
    pub host: String,
    /// What is connected to.
    pub socket: Socket,
    /// The name of the context that it comes from.
    pub context: String,
}

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Place {
    /// What the global options, the environment and the contexts say, in this order.
    ///
    /// # Errors
    /// The address is none, or there is no such context.
    pub fn find(globals: &Given) -> Result<Self> {
        let context = contexts::current(globals)?;
        let host = match (globals.all("host"), context.as_str()) {
            ([one], _) => one.clone(),
            ([], "default") => std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| USUAL.to_owned()),
            ([], name) => contexts::host_of(name)?,
            _ => return Err(Failure::new("Specify only one -H")),
        };
        if globals.on("tls") || globals.on("tlsverify") || std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()) {
            return Err(Failure::new(format!(
                "this client speaks to engines without TLS only, and {host} was asked for with it\nhint: use unix://, or tcp:// on a host that you trust"
            )));
        }
        Place::read(&host, &context)
    }

    /// Reads an address.
    ///
    /// # Errors
    /// It is none.
    pub fn read(host: &str, context: &str) -> Result<Self> {
        let wrong = |why: &str| Failure::new(format!("Failed to initialize: unable to resolve docker endpoint: {why}"));
        let socket = if let Some(path) = host.strip_prefix("unix://") {
            Socket::Unix(PathBuf::from(if path.is_empty() { "/var/run/docker.sock" } else { path }))
        } else if let Some(address) = host.strip_prefix("tcp://") {
            let address = address.trim_end_matches('/');
            let whole = if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
                address.to_owned()
            } else {
                format!("{address}:2375")
            };
            Socket::Tcp(whole)
        } else if host.contains("://") {
            return Err(wrong(&format!("invalid bind address format: {host}")));
        } else {
            return Place::read(&format!("tcp://{host}"), context);
        };
        let host = if let Socket::Tcp(address) = &socket { format!("tcp://{address}") } else { host.to_owned() };
        Ok(Place { host, socket, context: context.to_owned() })
    }

    /// The `Host` header.
    pub fn authority(&self) -> &str {
        match &self.socket {
            Socket::Unix(_) => "api.moby.localhost",
            Socket::Tcp(address) => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        let read = |host: &str| Place::read(host, "default").map(|place| (place.host, place.socket));
        assert_eq!(read("unix:///x").unwrap().1, Socket::Unix("/x".into()));
        assert_eq!(read("tcp://h:1/").unwrap(), ("tcp://h:1".to_owned(), Socket::Tcp("h:1".to_owned())));
        assert_eq!(read("h").unwrap().0, "tcp://h:2375");
        assert!(read("frob://x").unwrap_err().message.ends_with("invalid bind address format: frob://x"));
    }
}
