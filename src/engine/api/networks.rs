//! Networks over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::containers::{apart, document, required};
use crate::engine::Engine;
use crate::engine::container::config::{Texts, read};
use crate::engine::error::Fault;
use crate::engine::filters::Filters;
use crate::engine::networks::Network;
use crate::net::interface::has_ipv6;

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

impl Engine {
    /// The containers that have an address in a network: those that run, and those that are about to.
    fn members(&self, network: &Network) -> Map<String, Value> {
        let mut members = Map::new();
        for container in self.containers.all() {
            let record = container.record();
            let Some(endpoint) = record.networks.get(&network.name).filter(|one| record.state.is_running() || one.is_placed()) else {
                continue;
            };
            let place = |ipv6: bool| {
                endpoint.placed().iter().find(|one| one.address.is_ipv6() == ipv6).map_or_else(String::new, ToString::to_string)
            };
            members.insert(
                record.id.clone(),
                json!({
                    "Name": record.name, "EndpointID": endpoint.endpoint_id, "MacAddress": endpoint.mac_address,
                    "IPv4Address": place(false), "IPv6Address": place(true),
                }),
            );
        }
        members
    }

    fn users_of_network(&self, network: &Network) -> bool {
        self.containers.all().iter().any(|container| container.record().networks.contains_key(&network.name))
    }
}

/// `GET /networks`.
pub async fn all(State(engine): Here, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let known = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];
    let filters = Filters::read(asked.get("filters").map(String::as_str), &known)?;
    let dangling = filters.flag("dangling")?;
    if let Some(wrong) = filters.values("type").iter().find(|kind| !["custom", "builtin"].contains(&kind.as_str())) {
        return Err(Fault::bad(format!("invalid filter: 'type'='{wrong}'")));
    }
    let any =
        |key: &str, fits: &dyn Fn(&str) -> bool| filters.values(key).is_empty() || filters.values(key).iter().any(|value| fits(value));
    let wanted = |network: &Network| {
        any("name", &|value| network.name.contains(value))
            && any("id", &|value| network.id.starts_with(value))
            && any("driver", &|value| network.driver == value)
            && any("scope", &|value| value == "local")
            && any("type", &|value| (value == "builtin") == network.is_predefined())
            && filters.fits_labels(Some(&network.labels))
            && dangling.is_none_or(|dangling| !network.is_predefined() && dangling != engine.users_of_network(network))
    };
    let rows: Vec<Value> = engine.networks.all().into_iter().filter(wanted).map(|network| network.json(&json!({}))).collect();
    Ok(Json(Value::Array(rows)))
}

/// `GET /networks/NAME`.
pub async fn inspect(State(engine): Here, Path(name): Path<String>, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    if let Some(wrong) = asked.get("verbose").filter(|text| !BOOLEANS.contains(&text.as_str())) {
        return Err(Fault::bad(format!("invalid value for verbose: {wrong}: strconv.ParseBool: parsing \"{wrong}\": invalid syntax")));
    }
    let network = engine.networks.find(&name)?;
    // All networks of one machine have this scope.
    if asked.get("scope").is_some_and(|scope| !["", "local"].contains(&scope.as_str())) {
        return Err(Fault::not_found(format!("network {name} not found")));
    }
    Ok(Json(network.json(&Value::Object(engine.members(&network)))))
}

/// What Go reads as true or false, and nothing.
const BOOLEANS: [&str; 13] = ["", "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];

/// `POST /networks/create`.
pub async fn create(State(engine): Here, body: Bytes) -> Result<Response, Fault> {
    let wish = document(&body)?;
    let texts = |value: &Value| -> Result<Texts, Fault> { if value.is_null() { Ok(Texts::new()) } else { read(value) } };
    let driver = wish["Driver"].as_str().filter(|driver| !driver.is_empty() && *driver != "default").unwrap_or("bridge");
    match driver {
        "bridge" | "macvlan" | "ipvlan" => {}
        "host" | "null" => {
            return Err(Fault { status: StatusCode::FORBIDDEN, message: format!("only one instance of \"{driver}\" network is allowed") });
        }
        "overlay" => {
            let message = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
            return Err(Fault { status: StatusCode::SERVICE_UNAVAILABLE, message: message.to_owned() });
        }
        other => {
            return Err(Fault::not_found(format!("could not find plugin {other} in v1 plugin registry: plugin \"{other}\" not found")));
        }
    }
    let forbidden = |message: &str| Err(Fault { status: StatusCode::FORBIDDEN, message: message.to_owned() });
    if wish["Name"] == "default" {
        return forbidden("operation is not permitted on predefined default network ");
    }
    if wish["Ingress"] == true {
        return forbidden("Ingress network can only be global scope network");
    }
    if wish["Scope"] == "swarm" {
        return forbidden("cannot create a swarm scoped network when swarm is not active");
    }
    if let Some(other) = wish["IPAM"]["Driver"].as_str().filter(|name| !["", "default"].contains(name)) {
        return Err(Fault::not_found(format!("could not find plugin {other} in v1 plugin registry: plugin \"{other}\" not found")));
    }
    let ipv6 = wish["EnableIPv6"] == true;
    if ipv6 && !has_ipv6() {
        let what = "IPv6 is switched off in this machine's kernel (it has no /proc/sys/net/ipv6): make the network without --ipv6";
        return Err(Fault::bad(format!("cannot enable IPv6 for the network: {what}")));
    }
    let without_ipv4 = wish["EnableIPv4"] == false;
    if without_ipv4 && !ipv6 {
        return Err(Fault::bad("IPv4 or IPv6 must be enabled"));
    }
    let (four, six) = pools(&wish["IPAM"]["Config"], ipv6, driver)?;
    let mut kept = texts(&four["AuxiliaryAddresses"])?;
    kept.extend(texts(&six["AuxiliaryAddresses"])?);
    let four = if without_ipv4 { Value::Null } else { four };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let network = Network {
        name: text(&wish["Name"]),
        driver: driver.to_owned(),
        subnet: text(&four["Subnet"]),
        gateway: text(&four["Gateway"]),
        without_ipv4,
        ipv6,
        subnet6: text(&six["Subnet"]),
        gateway6: text(&six["Gateway"]),
        range: text(&four["IPRange"]),
        range6: text(&six["IPRange"]),
        kept,
        internal: wish["Internal"] == true,
        attachable: wish["Attachable"] == true,
        labels: texts(&wish["Labels"])?,
        options: texts(&wish["Options"])?,
        address_options: if wish["IPAM"]["Options"].is_null() { None } else { Some(texts(&wish["IPAM"]["Options"])?) },
        ..Network::default()
    };
    engine
        .work(move |engine| {
            let mut network = network;
            engine.check_parent(&mut network)?;
            let network = engine.networks.add(network)?;
            let made = match network.bridge() {
                Some(bridge) => bridge.make().map_err(|error| Fault::internal(network.not_made(&error))),
                None => engine.make_parent(&network),
            };
            if let Err(fault) = made {
                engine.networks.remove(&network)?;
                return Err(fault);
            }
            engine.events.tell("network", "create", &network.id, &[("name", &network.name), ("type", &network.driver)]);
            Ok((StatusCode::CREATED, Json(json!({"Id": network.id, "Warning": ""}))).into_response())
        })
        .await
}

/// The pools of addresses that were asked for, of IPv4 and of IPv6.
fn pools(config: &Value, ipv6: bool, driver: &str) -> Result<(Value, Value), Fault> {
    let mut both = [Vec::new(), Vec::new()];
    for pool in config.as_array().into_iter().flatten() {
        let is_six = pool["Subnet"].as_str().is_some_and(|subnet| subnet.contains(':'));
        both[usize::from(is_six)].push(pool.clone());
    }
    if both.iter().any(|pools| pools.len() > 1) {
        let message = format!("{driver} driver doesn't support multiple subnets");
        return Err(Fault { status: StatusCode::FORBIDDEN, message });
    }
    let [four, six] = both.map(|mut pools| pools.pop().unwrap_or_default());
    let lost = ["Gateway", "IPRange"].into_iter().find(|key| four[*key].as_str().is_some_and(|text| !text.is_empty()));
    if let Some(key) = lost.filter(|_| four["Subnet"].as_str().unwrap_or_default().is_empty()) {
        return Err(Fault::bad(format!("invalid subnet : invalid CIDR block: a {key} needs the subnet that it is in")));
    }
    // Without --ipv6 a subnet of it is nobody's, as with dockerd.
    Ok((four, if ipv6 { six } else { Value::Null }))
}

/// `DELETE /networks/NAME`.
pub async fn remove(State(engine): Here, Path(name): Path<String>) -> Result<StatusCode, Fault> {
    engine.work(move |engine| engine.remove_network(&engine.networks.find(&name)?).map(|()| StatusCode::NO_CONTENT)).await
}

impl Engine {
    fn remove_network(&self, network: &Network) -> Result<(), Fault> {
        // Nobody joins it meanwhile, or its bridge would be made anew.
        let _one = self.addressing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let forbidden = |message: String| Fault { status: StatusCode::FORBIDDEN, message };
        if network.is_predefined() {
            return Err(forbidden(format!("{} is a pre-defined network and cannot be removed", network.name)));
        }
        let members = self.members(network);
        if !members.is_empty() {
            let named: Vec<String> = members
                .values()
                .map(|one| {
                    format!("name:{} id:{:?}", one["Name"], one["EndpointID"].as_str().unwrap_or_default().get(..12).unwrap_or_default())
                })
                .collect();
            return Err(forbidden(format!(
                "error while removing network: network {} has active endpoints ({})",
                network.name,
                named.join(", ")
            )));
        }
        if let Some(bridge) = network.bridge() {
            bridge.remove()?;
        }
        self.remove_parent(network)?;
        self.networks.remove(network)?;
        self.events.tell("network", "destroy", &network.id, &[("name", &network.name), ("type", &network.driver)]);
        Ok(())
    }
}

/// `POST /networks/prune`.
pub async fn prune(State(engine): Here, Query(asked): Asked) -> Result<Json<Value>, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["label", "label!", "until"])?;
    let until = filters.values("until").first().map(|text| super::images::moment_before(text)).transpose()?;
    engine
        .work(move |engine| {
            let mut gone = Vec::new();
            for network in engine.networks.all() {
                let made = network.created.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
                let wanted =
                    !network.is_predefined() && filters.fits_labels(Some(&network.labels)) && until.is_none_or(|until| made < until);
                if wanted && !engine.users_of_network(&network) && engine.remove_network(&network).is_ok() {
                    gone.push(network.name);
                }
            }
            engine.events.tell("network", "prune", "", &[("reclaimed", "0")]);
            Ok(Json(json!({"NetworksDeleted": if gone.is_empty() { Value::Null } else { json!(gone) }})))
        })
        .await
}

/// The container that is to be connected or disconnected.
fn named(wish: &Value) -> Result<&str, Fault> {
    wish["Container"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| Fault::bad("invalid name or ID supplied: \"\""))
}

/// `POST /networks/NAME/connect`.
pub async fn connect(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Fault> {
    let wish = required(&body)?;
    let container = engine.containers.find(named(&wish)?)?;
    let endpoint = crate::engine::container::network::asked(&wish["EndpointConfig"])?;
    apart(async move { engine.connect_network(&container, &name, endpoint).await }).await?;
    Ok(StatusCode::OK)
}

/// `POST /networks/NAME/disconnect`.
pub async fn disconnect(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Fault> {
    let wish = required(&body)?;
    let container = engine.containers.find(named(&wish)?)?;
    apart(async move { engine.disconnect_network(&container, &name).await }).await?;
    Ok(StatusCode::OK)
}
