//! `ping`: echo requests, one a second, and how long each answer took.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::options::{self, Known};
use super::resolver::{Resolver, Unresolved};
use crate::kernel::icmp::{Echo, Heard, What};
use crate::kernel::interrupt::Interrupt;
use crate::kernel::poll;

const KNOWN: &[Known] = &[
    ('4', "ipv4", false),
    ('A', "adaptive", false),
    ('c', "count", true),
    ('D', "timestamps", false),
    ('i', "interval", true),
    ('n', "numeric", false),
    ('q', "quiet", false),
    ('s', "size", true),
    ('t', "ttl", true),
    ('V', "version", false),
    ('v', "verbose", false),
    ('w', "deadline", true),
    ('W', "timeout", true),
];

/// What is sent, how often, and how long an answer may take.
struct Plan {
    name: String,
    to: Ipv4Addr,
    count: Option<u64>,
    interval: Duration,
    timeout: Duration,
    deadline: Option<Duration>,
    size: usize,
    quiet: bool,
    /// The next request goes out when the answer to the last one has come.
    adaptive: bool,
    /// The time of day before each answer.
    timestamps: bool,
    /// What the address is called, where it was not asked for by number.
    called: Option<String>,
}

/// What came back so far.
#[derive(Default)]
struct Tally {
    sent: u64,
    errors: u64,
    times: Vec<f64>,
}

/// The time of sending travels in the first bytes of a request; a shorter one has no room for it.
const TIMED: usize = 16;

/// Runs `ping`. Exit code 0 when something answered, 1 when nothing did or the line makes no sense, 2 when nothing could be sent.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false)?;
    if given.has("version") {
        writeln!(out, "ping from bottleship {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    // Of several names the last one would be a gateway to go through, which nobody allows any more: only one is taken.
    let Some(name) = given.rest.last() else { return Err(Failure::new(1, "usage error: Destination address required")) };
    let wrong = |failure: Failure| Failure { code: 1, ..failure };
    let count: Option<u64> = given.number("count").map_err(wrong)?;
    if count == Some(0) {
        return Err(Failure::new(1, format_args!("invalid argument: '0': out of range: 1 <= value <= {}", i64::MAX)));
    }
    let seconds = |text: Option<f64>, default: f64| Duration::try_from_secs_f64(text.unwrap_or(default)).unwrap_or(Duration::MAX);
    let to = address(name)?;
    let plan = Plan {
        name: name.clone(),
        to,
        count,
        interval: seconds(given.number("interval").map_err(wrong)?, 1.0).max(Duration::from_millis(2)),
        timeout: seconds(given.number("timeout").map_err(wrong)?, 10.0),
        deadline: given.number("deadline").map_err(wrong)?.map(|deadline| seconds(Some(deadline), 0.0)),
        size: given.number("size").map_err(wrong)?.unwrap_or(56).min(65_000),
        quiet: given.has("quiet"),
        adaptive: given.has("adaptive"),
        timestamps: given.has("timestamps"),
        called: if given.has("numeric") || name.parse::<IpAddr>().is_ok() { None } else { Resolver::system().name_of(to.into()) },
    };
    let echo = Echo::open(plan.to, given.number("ttl").map_err(wrong)?)
        .map_err(|error| Failure::new(2, format_args!("{}: {}", error.call, error.errno.desc())))?;
    writeln!(out, "PING {} ({}) {}({}) bytes of data.", plan.name, plan.to, plan.size, plan.size + 28)?;
    out.flush()?;
    let started = Instant::now();
    let tally = exchange(&plan, &echo, out)?;
    report(&plan, &tally, started.elapsed(), out)?;
    Ok(u8::from(tally.times.is_empty()))
}

fn address(name: &str) -> Result<Ipv4Addr, Failure> {
    let found = Resolver::system().addresses(name).map_err(|error| {
        let why = match error {
            Unresolved::Silence => "Temporary failure in name resolution",
            Unresolved::Said(_) | Unresolved::NoName => "Name or service not known",
        };
        Failure::new(2, format_args!("{name}: {why}"))
    })?;
    let four = found.iter().find_map(|address| match address {
        IpAddr::V4(four) => Some(*four),
        IpAddr::V6(_) => None,
    });
    four.ok_or_else(|| Failure::new(2, format_args!("{name}: only IPv6 addresses, which this ping does not speak")))
}

/// Sends and listens until everything is answered, the time is over, or Ctrl-C.
fn exchange(plan: &Plan, echo: &Echo, out: &mut dyn Write) -> Result<Tally, Failure> {
    let interrupt = Interrupt::hold()?;
    let mut tally = Tally::default();
    let mut sent_at: Vec<Option<Instant>> = Vec::new();
    let begin = Instant::now();
    let mut next = begin;
    loop {
        let now = Instant::now();
        let all_sent = plan.count.is_some_and(|count| tally.sent >= count);
        let done = all_sent && tally.times.len() as u64 + tally.errors >= tally.sent;
        let over = plan.deadline.is_some_and(|deadline| now >= begin + deadline) || (all_sent && now >= next);
        if done || over {
            return Ok(tally);
        }
        if !all_sent && now >= next {
            tally.sent += 1;
            sent_at.push(Some(now));
            send(plan, echo, &mut tally, out)?;
            // After the last request, `next` is when we stop waiting for its answer.
            let last = plan.count.is_some_and(|count| tally.sent >= count);
            next = now + if last { plan.timeout } else { plan.interval };
        }
        let until = plan.deadline.map_or(next, |deadline| next.min(begin + deadline));
        let ready = poll::readable(&[interrupt.as_fd(), echo.as_fd()], Some(until.saturating_duration_since(Instant::now())))?;
        if ready.contains(&0) {
            return Ok(tally);
        }
        if ready.contains(&1) {
            hear(plan, echo, &mut sent_at, &mut tally, out)?;
            if plan.adaptive && plan.count.is_none_or(|count| tally.sent < count) {
                next = now;
            }
        }
    }
}

fn send(plan: &Plan, echo: &Echo, tally: &mut Tally, out: &mut dyn Write) -> Result<(), Failure> {
    let payload: Vec<u8> = (0..plan.size).map(|at| at as u8).collect();
    if let Err(error) = echo.send(tally.sent as u16, &payload) {
        if tally.sent == 1 {
            return Err(Failure::new(2, format_args!("connect: {}", error.errno.desc())));
        }
        tally.errors += 1;
        writeln!(out, "ping: sendmsg: {}", error.errno.desc())?;
    }
    Ok(())
}

fn hear(plan: &Plan, echo: &Echo, sent_at: &mut [Option<Instant>], tally: &mut Tally, out: &mut dyn Write) -> Result<(), Failure> {
    let heard = match echo.receive() {
        Ok(Some(heard)) => heard,
        Ok(None) => return Ok(()),
        Err(error) => {
            tally.errors += 1;
            return Ok(writeln!(out, "ping: {}: {}", plan.to, error.errno.desc())?);
        }
    };
    // The first request has number 1. A second answer to the same one does not count.
    let index = usize::from(heard.sequence).wrapping_sub(1);
    let Some(sent) = sent_at.get_mut(index).and_then(Option::take) else { return Ok(()) };
    match heard.what {
        What::Reply => {
            let took = sent.elapsed().as_secs_f64() * 1000.0;
            tally.times.push(took);
            if !plan.quiet {
                answer(plan, &heard, took, out)?;
            }
        }
        What::Unreachable(code) => trouble(&heard, unreachable(code), tally, out)?,
        What::TimeExceeded => trouble(&heard, "Time to live exceeded", tally, out)?,
    }
    Ok(out.flush()?)
}

fn answer(plan: &Plan, heard: &Heard, took: f64, out: &mut dyn Write) -> Result<(), Failure> {
    let Heard { from, sequence, ttl, bytes, .. } = heard;
    if plan.timestamps {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        write!(out, "[{}.{:06}] ", now.as_secs(), now.subsec_micros())?;
    }
    let from = plan.called.as_ref().map_or_else(|| from.to_string(), |name| format!("{name} ({from})"));
    write!(out, "{bytes} bytes from {from}: icmp_seq={sequence} ttl={ttl}")?;
    if plan.size >= TIMED {
        write!(out, " time={} ms", milliseconds(took))?;
    }
    Ok(writeln!(out)?)
}

fn trouble(heard: &Heard, what: &str, tally: &mut Tally, out: &mut dyn Write) -> Result<(), Failure> {
    tally.errors += 1;
    Ok(writeln!(out, "From {} icmp_seq={} {what}", heard.from, heard.sequence)?)
}

fn unreachable(code: u8) -> &'static str {
    match code {
        0 => "Destination Net Unreachable",
        1 => "Destination Host Unreachable",
        2 => "Destination Protocol Unreachable",
        3 => "Destination Port Unreachable",
        9 | 10 | 13 => "Packet filtered",
        _ => "Destination Unreachable",
    }
}

/// Three significant digits, as ping prints them: 0.040, 1.23, 12.3, 123.
fn milliseconds(time: f64) -> String {
    match time {
        time if time < 1.0 => format!("{time:.3}"),
        time if time < 10.0 => format!("{time:.2}"),
        time if time < 100.0 => format!("{time:.1}"),
        _ => format!("{time:.0}"),
    }
}

fn report(plan: &Plan, tally: &Tally, took: Duration, out: &mut dyn Write) -> Result<(), Failure> {
    let received = tally.times.len() as u64;
    let lost = (tally.sent - received.min(tally.sent)) * 100 / tally.sent.max(1);
    let errors = if tally.errors > 0 { format!("+{} errors, ", tally.errors) } else { String::new() };
    writeln!(out, "\n--- {} ping statistics ---", plan.name)?;
    let time = took.as_millis();
    writeln!(out, "{} packets transmitted, {received} received, {errors}{lost}% packet loss, time {time}ms", tally.sent)?;
    if received > 0 && plan.size >= TIMED {
        let average = tally.times.iter().sum::<f64>() / received as f64;
        let deviation = (tally.times.iter().map(|time| (time - average).powi(2)).sum::<f64>() / received as f64).sqrt();
        let least = tally.times.iter().copied().fold(f64::MAX, f64::min);
        let most = tally.times.iter().copied().fold(0.0, f64::max);
        writeln!(out, "rtt min/avg/max/mdev = {least:.3}/{average:.3}/{most:.3}/{deviation:.3} ms")?;
    } else {
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        assert_eq!([0.0401, 1.234, 12.34, 123.4].map(milliseconds), ["0.040", "1.23", "12.3", "123"]);
    }

    #[test]
    fn the_report_counts_losses_and_errors() {
        let plan = Plan {
            name: "x".into(),
            to: Ipv4Addr::LOCALHOST,
            count: Some(3),
            interval: Duration::ZERO,
            timeout: Duration::ZERO,
            deadline: None,
            size: 56,
            quiet: false,
            adaptive: false,
            timestamps: false,
            called: None,
        };
        let mut out = Vec::new();
        report(&plan, &Tally { sent: 3, errors: 1, times: vec![1.0, 3.0] }, Duration::from_millis(2001), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("3 packets transmitted, 2 received, +1 errors, 33% packet loss, time 2001ms"), "{text}");
        assert!(text.contains("rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms"), "{text}");
        let mut out = Vec::new();
        report(&plan, &Tally { sent: 3, ..Tally::default() }, Duration::ZERO, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("3 packets transmitted, 0 received, 100% packet loss, time 0ms\n\n"));
    }
}
