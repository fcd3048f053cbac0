//! `bottleship web`: the live page of a running bottle, for a projector or a phone.
//!
//! ```text
//!  keeper (hosts) ────────┐
//!  journal ───────────────┼─ look ── one document ─┬─ GET /TOKEN/state     as JSON, once
//!  each host's engine API ┘   (a thread)           └─ GET /TOKEN/events    as server-sent events, at every change
//!                                                     GET /TOKEN/          the page: HTML, CSS and JavaScript of our own, nothing from elsewhere
//! ```
//!
//! Everything shown comes from the bottle: hosts from its keeper, containers, networks and volumes from the engines that run in it, the story and the
//! step from its journal. Looking changes nothing: an engine that does not run is not started.
//!
//! Who may look: programs of this machine that know the token in the address. A page of the internet that points its own name at 127.0.0.1 (DNS
//! rebinding) is refused by the `Host` header, and one that guesses is refused by the token. There is no request that changes anything.

mod look;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, fail};
use crate::kernel::random;
use look::Looker;

/// The sub-command.
pub const WEB: Tool = Tool { command, run };

fn command() -> Command {
    Command::new("web")
        .about("Show a running bottle as a live page in a browser, until Ctrl-C or the bottle's end")
        .long_about(
            "Serves one page that shows the hosts, containers, networks and volumes of a running bottle, what happens in it, and the current step. It is \
             read-only, works without the internet, and is shown only to who knows the address that is printed: it holds a token.",
        )
        .arg(Arg::new("bottle").long("bottle").value_name("NAME").default_value("main").help("The bottle, as `bottleship ls` names it"))
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value("127.0.0.1:0")
                .help("Where to listen; port 0 takes any that is free"),
        )
        .arg(
            Arg::new("anyone")
                .long("anyone")
                .action(ArgAction::SetTrue)
                .help("Allow an address that other machines can reach: whoever knows the token sees everything, and it crosses the network in the clear"),
        )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let text = |name: &str| arguments.get_one::<String>(name).map_or("", String::as_str);
    let address = match listen_address(text("listen"), arguments.get_flag("anyone")) {
        Ok(address) => address,
        Err((why, hint)) => {
            eprintln!("error: {why}");
            eprintln!("hint: {hint}");
            return ExitCode::from(2);
        }
    };
    let looker = match Looker::at(text("bottle")) {
        Ok(looker) => looker,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    let token: String = random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    match server::serve(address, &token, looker) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("listen on {address}: {error}"), Some("`--listen 127.0.0.1:0` takes a port that is free")),
    }
}

/// Where to listen: on loopback, unless another address was asked for twice.
fn listen_address(text: &str, anyone: bool) -> Result<SocketAddr, (String, String)> {
    let address: SocketAddr = text.parse().map_err(|_| {
        (format!("`{text}` is no address to listen on"), "an address and a port, as in `127.0.0.1:8080` or `[::1]:0`".to_owned())
    })?;
    let loopback = match address.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    if loopback || anyone {
        return Ok(address);
    }
    let why = format!("{address} can be reached by other machines");
    Err((why, "`--anyone` allows that; `ssh -L` brings a page of loopback to another machine safely".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_asked_for_twice() {
        for text in ["127.0.0.1:0", "[::1]:8080", "127.1.2.3:80"] {
            assert!(listen_address(text, false).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:80", "10.0.0.1:80", "[::]:80"] {
            assert!(listen_address(text, false).unwrap_err().0.contains("other machines"), "{text}");
            assert!(listen_address(text, true).is_ok(), "{text}");
        }
        for text in ["", "localhost:80", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(listen_address(text, true).unwrap_err().0.contains("is no address"), "{text}");
        }
    }
}
