//! `bottleship hosts` and `bottleship ports`: who is in a running bottle, and its TCP ports on the machine's own loopback.
//!
//! A forwarder is an ordinary program outside the bottle. It listens on 127.0.0.1 and nowhere else, and has each connection's other end made
//! inside the host, by the host's PID 1, which hands the socket out. So nothing is added to the machine's network that would have to be removed.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, fail, listing};
use crate::bottle::Host;
use crate::bottle::attach::{Attached, Seen};

/// The hosts of a bottle.
pub const HOSTS: Tool = Tool { command: hosts_command, run: hosts };
/// The forwarder.
pub const PORTS: Tool = Tool { command: ports_command, run: ports };

/// Between two looks at which ports a host listens on: the kernel does not tell by itself.
const LOOK: Duration = Duration::from_millis(500);

fn bottle_argument() -> Arg {
    Arg::new("bottle").long("bottle").value_name("NAME").default_value("main").help("The bottle, as `bottleship ls` names it")
}

fn hosts_command() -> Command {
    let add = Arg::new("add").long("add").value_name("NAME").action(ArgAction::Append).help("Start one more host of this name first");
    Command::new("hosts").about("List the hosts of a running bottle").arg(bottle_argument()).arg(add)
}

fn ports_command() -> Command {
    Command::new("ports")
        .about("Forward TCP ports of a host to 127.0.0.1 of this machine, until Ctrl-C or the bottle's end")
        .arg(bottle_argument())
        .arg(Arg::new("host").long("host").value_name("HOST").default_value("bench").help("The host"))
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .conflicts_with("PORT")
                .help("Every port that is listened on, also later"),
        )
        .arg(Arg::new("PORT").num_args(0..).help("[LOCAL:]PORT; LOCAL 0 takes any that is free. Without one: list what is listened on"))
}

/// A port of a host and where it is to appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Forward {
    local: u16,
    port: u16,
}

fn parse(text: &str) -> Result<Forward, String> {
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is no port: use [LOCAL:]PORT with numbers up to 65535"));
    let forward = match text.split_once(':') {
        Some((local, port)) => Forward { local: number(local)?, port: number(port)? },
        None => Forward { local: number(text)?, port: number(text)? },
    };
    if forward.port == 0 { Err(format!("`{text}`: a host has no port 0")) } else { Ok(forward) }
}

fn value<'a>(arguments: &'a ArgMatches, name: &str) -> &'a str {
    arguments.get_one::<String>(name).map_or("", String::as_str)
}

fn hosts(arguments: &ArgMatches) -> ExitCode {
    let new: Vec<&String> = arguments.get_many("add").into_iter().flatten().collect();
    let done = Attached::to(value(arguments, "bottle")).and_then(|bottle| {
        new.iter().try_for_each(|name| bottle.add_host(name).map(drop))?;
        bottle.hosts()
    });
    match done {
        Ok(seen) => show(&seen),
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

fn show(seen: &[Seen]) -> ExitCode {
    let row = |host: &Seen| vec![host.name.clone(), host.address.to_string(), if host.up { "up" } else { "starting" }.to_owned()];
    listing::print(&["NAME", "ADDRESS", "STATUS"], seen.iter().map(row).collect());
    ExitCode::SUCCESS
}

fn ports(arguments: &ArgMatches) -> ExitCode {
    let wanted: Result<Vec<Forward>, String> = arguments.get_many::<String>("PORT").into_iter().flatten().map(|text| parse(text)).collect();
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    let bottle = match Attached::to(value(arguments, "bottle")) {
        Ok(bottle) => bottle,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    let host = match bottle.host(value(arguments, "host")) {
        Ok(host) => Arc::new(host),
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    if wanted.is_empty() && !arguments.get_flag("all") {
        return list(&host);
    }
    run(&bottle, &host, &wanted, arguments.get_flag("all"))
}

fn list(host: &Host) -> ExitCode {
    match host.listening() {
        Ok(ports) => {
            println!("PORT");
            ports.iter().for_each(|port| println!("{port}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

/// Opens what is wanted, and with `all` also what is listened on later. Ends with the bottle, or with the host.
fn run(bottle: &Attached, host: &Arc<Host>, wanted: &[Forward], all: bool) -> ExitCode {
    let mut open = BTreeMap::new();
    for forward in wanted {
        if let Err(error) = start(host, *forward, &mut open) {
            eprintln!("error: listen on 127.0.0.1:{}: {error}", forward.local);
            eprintln!("hint: `0:{}` takes a port that is free", forward.port);
            return ExitCode::FAILURE;
        }
    }
    // The host's answer is also how its end is noticed.
    while let Ok(listening) = host.listening() {
        if all {
            follow(host, &listening, &mut open);
        }
        if bottle.ended_within(LOOK) {
            break;
        }
    }
    println!("the host `{}` has ended", host.name());
    ExitCode::SUCCESS
}

/// Opens what is listened on and not yet forwarded: the same number if it is free (and not below 1024 for an ordinary user), else any.
fn follow(host: &Arc<Host>, listening: &[u16], open: &mut BTreeMap<u16, u16>) {
    for port in listening {
        if open.contains_key(port) {
            continue;
        }
        let same = start(host, Forward { local: *port, port: *port }, open);
        if let Err(error) = same.or_else(|_| start(host, Forward { local: 0, port: *port }, open)) {
            eprintln!("error: forward port {port}: {error}");
            open.insert(*port, 0);
        }
    }
}

fn start(host: &Arc<Host>, forward: Forward, open: &mut BTreeMap<u16, u16>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, forward.local))?;
    let local = listener.local_addr()?.port();
    println!("http://127.0.0.1:{local} -> {}:{}", host.name(), forward.port);
    open.insert(forward.port, local);
    let host = Arc::clone(host);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let host = Arc::clone(&host);
            thread::spawn(move || {
                // Nobody listens there any more: closing the connection is how the client is told.
                if let Ok(server) = host.connect(forward.port) {
                    // A connection that breaks is closed, and that is how both sides are told.
                    let _ = join(&client, &server);
                }
            });
        }
    });
    Ok(())
}

/// Carries bytes both ways until both sides have said all.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upward = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_server);
        // The end of one direction is passed on; the other may go on talking.
        let _ = to_server.shutdown(Shutdown::Write);
        copied
    });
    let (mut from_server, mut to_client) = (server, client);
    let copied = io::copy(&mut from_server, &mut to_client);
    // The client may have closed already, and a broken way up has broken this one too.
    let _ = client.shutdown(Shutdown::Write);
    let _ = upward.join();
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_with_or_without_a_local_one() {
        assert_eq!(parse("8080"), Ok(Forward { local: 8080, port: 8080 }));
        assert_eq!(parse("0:80"), Ok(Forward { local: 0, port: 80 }));
        for bad in ["", "x", "80:", ":80", "65536", "1:2:3", "0", "80:0", "-1", "127.0.0.1:80"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
