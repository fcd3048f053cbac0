//! The short ways of writing things: `8080:80/tcp`, `./src:/app:ro`, `512m`, `1m30s`, command lines.

use std::net::IpAddr;

use super::types::{Bytes, Duration, Port, ServiceVolume, VolumeOptions};

/// The ports that `8000-8001:80-81/udp` stands for, in the order of the container's ports as texts.
///
/// # Errors
/// In the words of docker.
pub fn ports(text: &str) -> Result<Vec<Port>, String> {
    let (address, host, container) = match text.rsplitn(3, ':').collect::<Vec<_>>().as_slice() {
        [container] => ("", "", *container),
        [container, host] => ("", *host, *container),
        [container, host, address] => (*address, *host, *container),
        _ => ("", "", ""),
    };
    let (container, protocol) = match container.split_once('/') {
        Some((container, "")) => (container, "tcp"),
        Some((container, protocol)) => (container, protocol.split('/').next().unwrap_or_default()),
        None => (container, "tcp"),
    };
    let address = bare_address(address)?;
    if container.is_empty() {
        return Err(format!("No port specified: {text}<empty>"));
    }
    let (first, last) = range(container).ok_or_else(|| format!("Invalid containerPort: {container}"))?;
    let outside = if host.is_empty() { None } else { Some(range(host).ok_or_else(|| format!("Invalid hostPort: {host}"))?) };
    if outside.is_some_and(|(from, to)| to - from != last - first) && first != last {
        return Err(format!("Invalid ranges specified for container and host Ports: {container} and {host}"));
    }
    let protocol = protocol.to_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("Invalid proto: {protocol}"));
    }
    let published = |at: u16| match outside {
        None => String::new(),
        Some((from, to)) if first == last && from != to => format!("{from}-{to}"),
        Some((from, _)) => (u32::from(from) + u32::from(at)).to_string(),
    };
    let port = |target: u16| Port {
        mode: "ingress".to_owned(),
        host_ip: address.to_owned(),
        target: i64::from(target),
        published: published(target - first),
        protocol: protocol.clone(),
        ..Port::default()
    };
    let mut ports: Vec<Port> = (first..=last).map(port).collect();
    ports.sort_by_key(|port| port.target.to_string());
    Ok(ports)
}

/// An address without the brackets of IPv6.
fn bare_address(address: &str) -> Result<&str, String> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        None if address.contains(':') => Err(format!("Invalid ip address {address}: address {address}:: too many colons in address")),
        _ => {
            let bare = bare.unwrap_or(address);
            let fits = bare.is_empty() || bare.parse::<IpAddr>().is_ok();
            if fits { Ok(bare) } else { Err(format!("Invalid ip address: {bare}")) }
        }
    }
}

/// `80` or `80-90`.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to.split('-').next()?)?);
            (from <= to).then_some((from, to))
        }
    }
}

/// The mount that `source:target:options` stands for.
///
/// # Errors
/// In the words of docker compose.
pub fn volume(text: &str) -> Result<ServiceVolume, String> {
    let mut volume = ServiceVolume::default();
    match text.len() {
        0 => return Err("invalid empty volume spec".to_owned()),
        1 | 2 => {
            (volume.kind, volume.target) = ("volume".to_owned(), text.to_owned());
            return Ok(volume);
        }
        _ => {}
    }
    let parts = sections(text);
    let wrong = |why: &str| Err(format!("invalid spec: {text}: {why}"));
    if parts.iter().any(|part| part.is_empty()) {
        return wrong("empty section between colons");
    }
    match parts.as_slice() {
        [target] => volume.target.clone_from(target),
        [source, target] => (volume.source, volume.target) = (source.clone(), target.clone()),
        [source, target, options] => {
            (volume.source, volume.target) = (source.clone(), target.clone());
            options.split(',').for_each(|option| mount_option(&mut volume, option));
        }
        _ => return wrong("too many colons"),
    }
    if is_file_path(&volume.source) {
        volume.kind = "bind".to_owned();
        // The short form makes a folder that is missing, as Compose always did: that is the default of these options.
        volume.bind.get_or_insert_default();
    } else {
        volume.kind = "volume".to_owned();
        volume.volume.get_or_insert_default();
    }
    Ok(volume)
}

fn mount_option(volume: &mut ServiceVolume, option: &str) {
    match option {
        "ro" => volume.read_only = true,
        "rw" => volume.read_only = false,
        "nocopy" => volume.volume = Some(VolumeOptions { nocopy: true, ..VolumeOptions::default() }),
        "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
            volume.bind.get_or_insert_default().propagation = option.to_owned();
        }
        "z" | "Z" => volume.bind.get_or_insert_default().selinux = option.to_owned(),
        // Unknown ones are passed over, as in the original.
        _ => {}
    }
}

/// Cut at colons, but not behind the letter of a Windows drive and not inside `${...}`.
fn sections(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0_usize);
    for (at, letter) in text.char_indices() {
        let drive = letter == ':' && part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
        match letter {
            '$' if text[at + 1..].starts_with('{') => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && !drive => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    parts
}

fn is_file_path(source: &str) -> bool {
    let mut letters = source.chars();
    match letters.next() {
        None => false,
        Some('.' | '/' | '~') => true,
        _ if source.starts_with(r"\\") => true,
        Some(first) => first.is_alphabetic() && letters.next() == Some(':'),
    }
}

/// `1h30m`, `90s`, `1.5s`; also days and weeks.
///
/// # Errors
/// In the words of docker compose.
pub fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration \"{text}\"");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration \"{text}\""));
        }
        let scale = nanoseconds(unit).ok_or_else(|| format!("time: unknown unit \"{unit}\" in duration \"{text}\""))?;
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part: f64 = format!("0.{fraction}0").parse().map_err(|_| invalid())?;
        let nanoseconds = whole.checked_mul(scale).and_then(|sum| sum.checked_add((part * scale as f64) as i64));
        total = nanoseconds.and_then(|sum| total.checked_add(sum)).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(Duration(if negative { -total } else { total }))
}

fn nanoseconds(unit: &str) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 7 * 86_400 * SECOND,
        _ => return None,
    })
}

/// `1073741824`, `512m`, `1.5 GiB`.
///
/// # Errors
/// In the words of docker.
pub fn bytes(text: &str) -> Result<Bytes, String> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Bytes(number));
    }
    let invalid = || format!("invalid size: '{text}'");
    let end = text.rfind(|letter: char| letter.is_ascii_digit() || letter == '.').ok_or_else(invalid)? + 1;
    let (number, suffix) = text.split_at(end);
    // One space may stand between the number and its unit.
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_lowercase();
    let size: f64 = number.parse().map_err(|_| invalid())?;
    if size < 0.0 {
        return Err(invalid());
    }
    let unit = match suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 1.0,
        "k" => 1024.0,
        "m" => 1024_f64.powi(2),
        "g" => 1024_f64.powi(3),
        "t" => 1024_f64.powi(4),
        "p" => 1024_f64.powi(5),
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok(Bytes((size * unit) as i64))
}

/// The words of a command line. What a shell would need for (`;`, `|`, `&&`, `>`) ends it: there is no shell.
///
/// # Errors
/// A quote that is not closed.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut begun) = (Vec::new(), String::new(), false);
    let (mut escaped, mut single, mut double, mut back, mut dollar) = (false, false, false, false, false);
    let wrong = || "invalid command line string".to_owned();
    for letter in line.chars() {
        if escaped {
            // Within double quotes only what needs it loses its backslash; here all do, as in the original.
            word.push(letter);
            (escaped, begun) = (false, true);
            continue;
        }
        match letter {
            '\\' if single => word.push(letter),
            '\\' => {
                escaped = true;
                continue;
            }
            ' ' | '\t' | '\r' | '\n' if !(single || double || back || dollar) => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
                continue;
            }
            '`' if !(single || double || dollar) => {
                back = !back;
                word.push(letter);
            }
            ')' if !(single || double || back) => {
                dollar = !dollar;
                word.push(letter);
            }
            '(' if !(single || double || back) => {
                if dollar || !word.ends_with('$') {
                    return Err(wrong());
                }
                dollar = true;
                word.push(letter);
                continue;
            }
            '"' if !(single || dollar) => {
                begun |= double;
                double = !double;
                continue;
            }
            '\'' if !(double || dollar) => {
                begun |= single;
                single = !single;
                continue;
            }
            ';' | '&' | '|' | '<' | '>' if !(single || double || back || dollar) => {
                // `2>` belongs to the sign, not to the words.
                begun &= !(letter == '>' && word.starts_with(|first: char| first.is_ascii_digit()));
                break;
            }
            letter => word.push(letter),
        }
        begun = true;
    }
    if begun {
        words.push(word);
    }
    if escaped || single || double || back || dollar { Err(wrong()) } else { Ok(words) }
}

#[cfg(test)]
mod tests;
