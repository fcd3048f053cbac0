//! `docker network`, and `docker plugin ls`.

use serde_json::{Map, Value, json};

use super::api::Ask;
use super::failure::{Failure, Result, each};
use super::images::{in_path, short_id};
use super::line::Given;
use super::system::moment;
use super::table::{self, Row};
use super::verb::{FORMAT, Kind, Takes, VERB, Verb, long, short};
use super::volumes::{map, pairs, warned};
use super::{Session, confirmed, say, system};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "network ls",
        also: &["network list"],
        usage: "[OPTIONS]",
        about: "List networks",
        flags: &[
            short('f', "filter", Kind::Filter, "Only some: driver=NAME, name=TEXT, label=NAME, type=custom|builtin, dangling=true"),
            FORMAT,
            long("no-trunc", Kind::Switch, "Ids in full"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
        ],
        run: list,
        ..VERB
    },
    Verb {
        path: "network create",
        usage: "[OPTIONS] NETWORK",
        about: "Make a network",
        takes: Takes::Exactly(1),
        flags: &[
            long("attachable", Kind::Switch, "Containers may connect to it by hand"),
            long("aux-address", Kind::Map, "An address that is not given away: NAME=ADDRESS"),
            long("config-from", Kind::Text, "Take the settings of another network"),
            long("config-only", Kind::Switch, "Settings for others alone"),
            short('d', "driver", Kind::Text, "The driver: bridge"),
            long("gateway", Kind::Words, "The address of its gateway"),
            long("ingress", Kind::Switch, "For Swarm"),
            long("internal", Kind::Switch, "Nothing leads out of it"),
            long("ip-range", Kind::Words, "Addresses are given from this part"),
            long("ipam-driver", Kind::Text, "Who gives addresses: default"),
            long("ipam-opt", Kind::Map, "An option of that: NAME=VALUE"),
            long("ipv4", Kind::On, "With IPv4 addresses (on unless --ipv4=false)"),
            long("ipv6", Kind::Switch, "With IPv6 addresses"),
            long("label", Kind::List, "A label: NAME=VALUE"),
            short('o', "opt", Kind::Map, "An option of the driver: NAME=VALUE"),
            long("scope", Kind::Text, "local, or swarm"),
            long("subnet", Kind::Words, "Its addresses: 10.1.0.0/16"),
        ],
        run: create,
        ..VERB
    },
    Verb {
        path: "network rm",
        also: &["network remove"],
        usage: "NETWORK [NETWORK...]",
        about: "Remove networks",
        takes: Takes::AtLeast(1),
        flags: &[short('f', "force", Kind::Switch, "One that is not there is no error")],
        run: |session, given| {
            let removed = each(&given.words, |name| {
                match session.api()?.ask(Ask::delete(&format!("/networks/{}", in_path(name)))) {
                    Err(failure) if failure.is_absent() && given.on("force") => return Ok(()),
                    other => drop(other?),
                }
                say(&format!("{name}\n"));
                Ok(())
            });
            // docker's own client ends these lines with its status.
            removed.map_err(|failure| Failure { message: format!("{}\nexit status 1", failure.message), ..failure })
        },
        ..VERB
    },
    Verb {
        path: "network connect",
        usage: "[OPTIONS] NETWORK CONTAINER",
        about: "Connect a container to a network",
        takes: Takes::Exactly(2),
        flags: &[
            long("alias", Kind::Words, "One more name in this network"),
            long("driver-opt", Kind::Words, "An option of the driver: NAME=VALUE"),
            long("gw-priority", Kind::Int, "Of several networks the highest gives the way out"),
            long("ip", Kind::Text, "Its IPv4 address"),
            long("ip6", Kind::Text, "Its IPv6 address"),
            long("link", Kind::List, "A container that it knows by name: NAME[:ALIAS]"),
            long("link-local-ip", Kind::Words, "A link-local address"),
        ],
        run: connect,
        ..VERB
    },
    Verb {
        path: "network disconnect",
        usage: "[OPTIONS] NETWORK CONTAINER",
        about: "Disconnect a container from a network",
        takes: Takes::Exactly(2),
        flags: &[short('f', "force", Kind::Switch, "Whatever state it is in")],
        run: |session, given| {
            let body = json!({"Container": given.word(1), "Force": given.on("force")});
            session.api()?.ask(Ask::post(&format!("/networks/{}/disconnect", in_path(given.word(0)))).json(&body)).map(drop)
        },
        ..VERB
    },
    Verb {
        path: "network prune",
        usage: "[OPTIONS]",
        about: "Remove networks that no container uses",
        flags: &[long("filter", Kind::Filter, "Only some: until=TIME, label=NAME"), short('f', "force", Kind::Switch, "Do not ask")],
        run: |session, given| {
            let question =
                "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";
            if given.on("force") || confirmed(question) {
                system::prune_things(session, "/networks/prune", given.all("filter"), "NetworksDeleted", "Deleted Networks")?;
            }
            Ok(())
        },
        ..VERB
    },
    Verb {
        path: "plugin ls",
        also: &["plugin list"],
        usage: "[OPTIONS]",
        about: "List the plugins of the engine",
        flags: &[
            short('f', "filter", Kind::Filter, "Only some: enabled=true, capability=NAME"),
            FORMAT,
            long("no-trunc", Kind::Switch, "Everything in full"),
            short('q', "quiet", Kind::Switch, "Ids alone"),
        ],
        run: plugins,
        ..VERB
    },
];

const KIND: table::Kind = table::Kind {
    name: "*formatter.networkContext",
    heads: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
};

fn list(session: &Session, given: &Given) -> Result {
    let answer = session.api()?.json(Ask::get("/networks").filters(given.all("filter")))?;
    let mut networks = answer.as_array().cloned().unwrap_or_default();
    networks.sort_by(|one, other| one["Name"].as_str().cmp(&other["Name"].as_str()));
    let cut = !given.on("no-trunc");
    let flag = |value: &Value| value.as_bool().unwrap_or(false).to_string();
    let row = |one: &Value| {
        let id = one["Id"].as_str().unwrap_or_default();
        Row::from_iter([
            ("CreatedAt".to_owned(), created(one["Created"].as_str().unwrap_or_default()).into()),
            ("Driver".to_owned(), one["Driver"].clone()),
            ("ID".to_owned(), if cut { short_id(id) } else { id }.into()),
            ("IPv4".to_owned(), flag(&one["EnableIPv4"]).into()),
            ("IPv6".to_owned(), flag(&one["EnableIPv6"]).into()),
            ("Internal".to_owned(), flag(&one["Internal"]).into()),
            ("Labels".to_owned(), pairs(&one["Labels"]).into()),
            ("Name".to_owned(), one["Name"].clone()),
            ("Scope".to_owned(), one["Scope"].clone()),
        ])
    };
    let rows: Vec<Row> = networks.iter().map(row).collect();
    let settings = super::contexts::config()?;
    let format = match given.text("format").or_else(|| settings["networksFormat"].as_str()) {
        None if given.on("quiet") => "{{.ID}}",
        None | Some("table") => "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
        Some(format) => format,
    };
    table::print(&KIND, format, &rows)
}

/// As Go prints a time that it has read.
fn created(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => {
            let fraction = format!(".{:09}", stamp.subsec_nanosecond());
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            moment::utc(stamp.as_second(), fraction)
        }
        Err(_) => text.to_owned(),
    }
}

fn create(session: &Session, given: &Given) -> Result {
    let name = given.word(0);
    let body = json!({
        "Name": name, "Driver": given.text("driver").unwrap_or("bridge"), "Scope": given.text_or_empty("scope"),
        "EnableIPv4": given.still_on("ipv4"), "EnableIPv6": given.on("ipv6"), "Internal": given.on("internal"), "Attachable": given.on("attachable"),
        "Ingress": given.on("ingress"), "ConfigOnly": given.on("config-only"),
        "ConfigFrom": given.text("config-from").map_or(Value::Null, |from| json!({"Network": from})),
        "IPAM": {"Driver": given.text("ipam-driver").unwrap_or("default"), "Options": map(given.all("ipam-opt")), "Config": pools(given)?},
        "Options": map(given.all("opt")), "Labels": map(given.all("label")),
    });
    let made = session.api()?.json(Ask::post("/networks/create").json(&body))?;
    warned(&made);
    say(&format!("{}\n", made["Id"].as_str().unwrap_or_default()));
    Ok(())
}

/// Addresses: each subnet with the gateway, the range and the kept addresses that lie in it.
fn pools(given: &Given) -> Result<Value> {
    let subnets = given.all("subnet");
    if subnets.is_empty() && ["gateway", "ip-range", "aux-address"].iter().any(|name| given.has(name)) {
        return Err(Failure::new("every ip-range or gateway must have a corresponding subnet"));
    }
    let mut pools = Vec::new();
    let mut used = 0;
    for subnet in subnets {
        let mut pool = json!({"Subnet": subnet});
        for (name, key) in [("gateway", "Gateway"), ("ip-range", "IPRange")] {
            if let Some(one) = given.all(name).iter().find(|one| within(one, subnet)) {
                pool[key] = one.as_str().into();
                used += 1;
            }
        }
        let kept: Map<String, Value> = given
            .all("aux-address")
            .iter()
            .filter_map(|text| text.split_once('='))
            .filter(|(_, address)| within(address, subnet))
            .map(|(name, address)| (name.to_owned(), address.into()))
            .collect();
        used += kept.len();
        if !kept.is_empty() {
            pool["AuxiliaryAddresses"] = Value::Object(kept);
        }
        pools.push(pool);
    }
    let given_all: usize = ["gateway", "ip-range", "aux-address"].iter().map(|name| given.all(name).len()).sum();
    if used != given_all {
        return Err(Failure::new("no matching subnet for gateway, ip-range or aux-address: each must lie in a --subnet"));
    }
    Ok(Value::Array(pools))
}

/// Whether an address, or the first of a range, lies in a subnet.
fn within(address: &str, subnet: &str) -> bool {
    let bits = |text: &str| -> Option<(u128, u32, u32)> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, length.parse::<u32>().ok()));
        match address.parse().ok()? {
            std::net::IpAddr::V4(four) => Some((u128::from(u32::from(four)), 32, length.unwrap_or(32))),
            std::net::IpAddr::V6(six) => Some((u128::from(six), 128, length.unwrap_or(128))),
        }
    };
    match (bits(address), bits(subnet)) {
        (Some((one, width, _)), Some((other, other_width, length))) if width == other_width && length <= width => {
            let shift = width - length;
            shift >= 128 || one >> shift == other >> shift
        }
        _ => false,
    }
}

fn connect(session: &Session, given: &Given) -> Result {
    let text = |name: &str| given.text_or_empty(name);
    let body = json!({
        "Container": given.word(1),
        "EndpointConfig": {
            "IPAMConfig": {"IPv4Address": text("ip"), "IPv6Address": text("ip6"), "LinkLocalIPs": given.all("link-local-ip")},
            "Links": given.all("link"), "Aliases": given.all("alias"), "DriverOpts": map(given.all("driver-opt")),
            "GwPriority": given.number("gw-priority").unwrap_or(0),
        },
    });
    session.api()?.ask(Ask::post(&format!("/networks/{}/connect", in_path(given.word(0)))).json(&body)).map(drop)
}

fn plugins(session: &Session, given: &Given) -> Result {
    let answer = session.api()?.json(Ask::get("/plugins").filters(given.all("filter")))?;
    let kind = table::Kind {
        name: "*formatter.pluginContext",
        heads: &[
            ("ID", "ID"),
            ("Name", "NAME"),
            ("Description", "DESCRIPTION"),
            ("Enabled", "ENABLED"),
            ("PluginReference", "PLUGIN REFERENCE"),
        ],
    };
    let row = |one: &Value| {
        let id = one["Id"].as_str().unwrap_or_default();
        Row::from_iter([
            ("Description".to_owned(), one["Config"]["Description"].clone()),
            ("Enabled".to_owned(), one["Enabled"].clone()),
            ("ID".to_owned(), if given.on("no-trunc") { id } else { short_id(id) }.into()),
            ("Name".to_owned(), one["Name"].clone()),
            ("PluginReference".to_owned(), one["PluginReference"].clone()),
        ])
    };
    let rows: Vec<Row> = answer.as_array().into_iter().flatten().map(row).collect();
    let format = match given.text("format") {
        None if given.on("quiet") => "{{.ID}}",
        None | Some("table") => "table {{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}",
        Some(format) => format,
    };
    table::print(&kind, format, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_its_subnet() {
        assert!(within("10.1.2.3", "10.1.0.0/16") && within("10.1.8.0/24", "10.1.0.0/16") && within("::1", "::/0"));
        assert!(!within("10.2.0.1", "10.1.0.0/16") && !within("::1", "10.0.0.0/8") && !within("x", "10.0.0.0/8"));
        assert_eq!(created("2026-11-21T18:02:13.5Z"), "2026-11-21 18:02:13.5 +0000 UTC");
    }
}
