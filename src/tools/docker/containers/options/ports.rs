//! Ports: `-p`, `--expose`.

use serde_json::{Map, Value, json};

use crate::tools::docker::line::Given;

/// What is exposed, and where it is published.
pub struct Ports {
    /// `{"80/tcp": {}}`.
    pub exposed: Value,
    /// `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`.
    pub bindings: Value,
}

/// The ports of a command line.
///
/// # Errors
/// One is none.
pub fn read(given: &Given) -> Result<Ports, String> {
    let (mut exposed, mut bindings) = (Map::new(), Map::new());
    for text in given.all("publish") {
        for (port, binding) in published(text)? {
            exposed.insert(port.clone(), json!({}));
            if let Some(list) = bindings.entry(port).or_insert_with(|| json!([])).as_array_mut() {
                list.push(binding);
            }
        }
    }
    for text in given.all("expose") {
        if text.contains(':') {
            return Err(format!("invalid port format for --expose: {text}"));
        }
        let (range, kind) = kind(text)?;
        let (from, to) = numbers(range).map_err(|why| format!("invalid range format for --expose: {range}, error: {why}"))?;
        (from..=to).for_each(|number| drop(exposed.insert(format!("{number}/{kind}"), json!({}))));
    }
    Ok(Ports { exposed: Value::Object(exposed), bindings: Value::Object(bindings) })
}

fn kind(text: &str) -> Result<(&str, &str), String> {
    let (range, kind) = text.split_once('/').unwrap_or((text, "tcp"));
    if ["tcp", "udp", "sctp"].contains(&kind) { Ok((range, kind)) } else { Err(format!("invalid proto: {kind}")) }
}

fn numbers(text: &str) -> Result<(u16, u16), String> {
    let number = |part: &str| {
        part.parse::<u16>().map_err(|_| {
            format!(
                "strconv.ParseUint: parsing {part:?}: {}",
                if part.parse::<u64>().is_ok() { "value out of range" } else { "invalid syntax" }
            )
        })
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    if to < from { Err(format!("invalid range specified for port: {text}")) } else { Ok((from, to)) }
}

/// `[ADDRESS:][HOST[-HOST]:]PORT[-PORT][/KIND]`: each port inside, and where it is bound.
fn published(text: &str) -> Result<Vec<(String, Value)>, String> {
    let (rest, inside) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, outside) = match rest.rsplit_once(':') {
        Some((address, outside)) => (address.trim_start_matches('[').trim_end_matches(']'), outside),
        // A name of an address alone has a dot; a number has none.
        None => ("", rest),
    };
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    let (inside, kind) = kind(inside)?;
    if inside.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let (from, to) = numbers(inside).map_err(|_| format!("invalid containerPort: {inside}"))?;
    let bound = if outside.is_empty() { None } else { Some(numbers(outside).map_err(|_| format!("invalid hostPort: {outside}"))?) };
    let count = u32::from(to - from);
    if let Some((first, last)) = bound
        && u32::from(last - first) != count
        && count != 0
    {
        return Err(format!("invalid ranges specified for container and host Ports: {inside} and {outside}"));
    }
    let one = |at: u16| {
        let host = match bound {
            None => String::new(),
            // One port inside, several to choose from outside.
            Some((first, last)) if count == 0 && first != last => format!("{first}-{last}"),
            Some((first, _)) => (first + at).to_string(),
        };
        (format!("{}/{kind}", from + at), json!({"HostIp": address, "HostPort": host}))
    };
    Ok((0..=to - from).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_published_in_all_forms() {
        let shown = |text: &str| {
            published(text).map(|all| {
                all.into_iter()
                    .map(|(port, at)| format!("{port}={}:{}", at["HostIp"].as_str().unwrap(), at["HostPort"].as_str().unwrap()))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        for (text, wanted) in [
            ("80", "80/tcp=:"),
            ("8080:80", "80/tcp=:8080"),
            ("127.0.0.1:8080:80/udp", "80/udp=127.0.0.1:8080"),
            ("127.0.0.1::80", "80/tcp=127.0.0.1:"),
            ("[::1]:8080:80", "80/tcp=::1:8080"),
            ("8000-8001:80-81", "80/tcp=:8000 81/tcp=:8001"),
            ("8000-8009:80", "80/tcp=:8000-8009"),
        ] {
            assert_eq!(shown(text).unwrap(), wanted, "{text}");
        }
        assert_eq!(shown("x:80").unwrap_err(), "invalid hostPort: x");
        assert_eq!(shown("80:x").unwrap_err(), "invalid containerPort: x");
        assert_eq!(shown("80:80/frob").unwrap_err(), "invalid proto: frob");
        assert!(shown("8000-8002:80-81").is_err() && shown("1.2.3:80:80").is_err());
    }
}
