//! `nslookup NAME [SERVER]`: ask a name server, with bind's output.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::TYPE;

use super::failure::Failure;
use super::resolver::{self, Record, Resolver, Unresolved, reverse_name};

/// What is asked of whom.
struct Query {
    name: String,
    /// Whether an address was given and its name is asked for.
    reverse: bool,
    server: IpAddr,
    port: u16,
    kinds: Vec<TYPE>,
    patience: Duration,
}

/// Runs `nslookup`. Exit code 1 when there is no answer.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let query = query(args)?;
    let server = SocketAddr::new(query.server, query.port);
    let mut found = Vec::new();
    let mut last = None;
    for kind in &query.kinds {
        match resolver::ask(server, query.name.trim_end_matches('.'), *kind, query.patience) {
            Ok(records) => found.extend(records),
            Err(error) => last = last.or(Some(error)),
        }
    }
    if found.is_empty() && last == Some(Unresolved::Silence) {
        writeln!(out, ";; communications error to {}#{}: timed out", query.server, query.port)?;
        writeln!(out, ";; no servers could be reached\n")?;
        return Ok(1);
    }
    // An address that has a name is answered without the server's own, as bind does.
    if found.is_empty() || !query.reverse {
        writeln!(out, "Server:\t\t{}\nAddress:\t{}#{}\n", query.server, query.server, query.port)?;
    }
    if found.is_empty() {
        refused(&query.name, last, out)?;
        return Ok(1);
    }
    found.dedup();
    if !query.reverse {
        writeln!(out, "Non-authoritative answer:")?;
    }
    found.iter().try_for_each(|record| line(record, out))?;
    writeln!(out)?;
    Ok(0)
}

fn query(args: &[String]) -> Result<Query, Failure> {
    let (options, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with('-') && arg.len() > 1);
    let (mut kinds, mut port, mut patience) = (None, 53, Duration::from_secs(5));
    for option in options {
        match option.trim_start_matches('-').split_once('=') {
            Some(("type" | "query" | "querytype" | "q", kind)) => kinds = Some(vec![kind_of(kind)?]),
            Some(("port", text)) => port = text.parse().map_err(|_| Failure::new(1, format_args!("bad port: {text}")))?,
            Some(("timeout", text)) => {
                patience = Duration::from_secs(text.parse().map_err(|_| Failure::new(1, format_args!("bad timeout: {text}")))?)
            }
            _ => return Err(Failure::new(1, format_args!("unknown option: {option}"))),
        }
    }
    let resolver = Resolver::system();
    let (name, server) = match names[..] {
        [name] => (name, resolver.servers()[0]),
        [name, server] => (name, server_address(&resolver, server)?),
        _ => return Err(Failure::new(1, "usage: nslookup [-type=TYPE] [-port=PORT] NAME [SERVER]")),
    };
    let reverse = name.parse::<IpAddr>().ok().map(reverse_name);
    let kinds = kinds.unwrap_or_else(|| if reverse.is_some() { vec![TYPE::PTR] } else { vec![TYPE::A, TYPE::AAAA] });
    Ok(Query { reverse: reverse.is_some(), name: reverse.unwrap_or_else(|| name.clone()), server, port, kinds, patience })
}

fn server_address(resolver: &Resolver, server: &str) -> Result<IpAddr, Failure> {
    let found = resolver.addresses(server).map_err(|_| Failure::new(1, format_args!("couldn't get address for '{server}': not found")))?;
    Ok(found[0])
}

fn kind_of(text: &str) -> Result<TYPE, Failure> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "A" => TYPE::A,
        "AAAA" => TYPE::AAAA,
        "CNAME" => TYPE::CNAME,
        "MX" => TYPE::MX,
        "NS" => TYPE::NS,
        "PTR" => TYPE::PTR,
        "SRV" => TYPE::SRV,
        "TXT" => TYPE::TXT,
        _ => return Err(Failure::new(1, format_args!("unknown query type: {text} (A, AAAA, CNAME, MX, NS, PTR, SRV and TXT are known)"))),
    })
}

fn refused(name: &str, why: Option<Unresolved>, out: &mut dyn Write) -> Result<(), Failure> {
    match why {
        Some(Unresolved::Said("NODATA")) => writeln!(out, "*** Can't find {name}: No answer\n")?,
        Some(Unresolved::Said(code)) => writeln!(out, "** server can't find {name}: {code}\n")?,
        _ => writeln!(out, "** '{name}' is not a legal name\n")?,
    }
    Ok(())
}

fn line(record: &Record, out: &mut dyn Write) -> Result<(), Failure> {
    let Record { name, kind, data } = record;
    match kind.as_str() {
        "A" | "AAAA" => writeln!(out, "Name:\t{name}\nAddress: {data}")?,
        "CNAME" => writeln!(out, "{name}\tcanonical name = {data}")?,
        "PTR" => writeln!(out, "{name}\tname = {data}")?,
        "NS" => writeln!(out, "{name}\tnameserver = {data}")?,
        "MX" => writeln!(out, "{name}\tmail exchanger = {data}")?,
        "SRV" => writeln!(out, "{name}\tservice = {data}")?,
        _ => writeln!(out, "{name}\ttext = {data}")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_arguments_is_named() {
        for bad in [&["-type=zz", "a"][..], &[], &["-frob", "a"], &["-port=x", "a"]] {
            let args: Vec<String> = bad.iter().map(|arg| (*arg).to_owned()).collect();
            assert!(query(&args).is_err(), "{bad:?}");
        }
    }
}
