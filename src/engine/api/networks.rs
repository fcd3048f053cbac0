//! Networks over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::containers::{apart, document};
use crate::engine::Engine;
use crate::engine::container::config::{Texts, read};
use crate::engine::error::Fault;
use crate::engine::filters::Filters;
use crate::engine::networks::Network;

type Asked = Query<HashMap<String, String>>;
type Here = State<Arc<Engine>>;

impl Engine {
    /// The containers that have an address in a network: those that run, and those that are about to.
    fn members(&self, network: &Network) -> Map<String, Value> {
        let mut members = Map::new();
        for container in self.containers.all() {
            let record = container.record();
            let Some(endpoint) = record.networks.get(&network.name).filter(|one| record.state.is_running() || !one.address.is_empty())
            else {
                continue;
            };
            let address = if endpoint.address.is_empty() { String::new() } else { format!("{}/{}", endpoint.address, endpoint.prefix) };
            members.insert(
                record.id.clone(),
                json!({"Name": record.name, "EndpointID": endpoint.endpoint_id, "MacAddress": endpoint.mac_address, "IPv4Address": address, "IPv6Address": ""}),
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
pub async fn inspect(State(engine): Here, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    let network = engine.networks.find(&name)?;
    Ok(Json(network.json(&Value::Object(engine.members(&network)))))
}

/// `POST /networks/create`.
pub async fn create(State(engine): Here, body: Bytes) -> Result<Response, Fault> {
    let wish = document(&body)?;
    let texts = |value: &Value| -> Result<Texts, Fault> { if value.is_null() { Ok(Texts::new()) } else { read(value) } };
    let driver = wish["Driver"].as_str().filter(|driver| !driver.is_empty() && *driver != "default").unwrap_or("bridge");
    match driver {
        "bridge" => {}
        "host" | "null" => {
            return Err(Fault { status: StatusCode::FORBIDDEN, message: format!("only one instance of \"{driver}\" network is allowed") });
        }
        "overlay" => {
            let message = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
            return Err(Fault { status: StatusCode::SERVICE_UNAVAILABLE, message: message.to_owned() });
        }
        "macvlan" | "ipvlan" => return Err(Fault::not_here(&format!("the network driver {driver}"))),
        other => {
            return Err(Fault::not_found(format!("could not find plugin {other} in v1 plugin registry: plugin \"{other}\" not found")));
        }
    }
    if wish["EnableIPv6"] == true {
        return Err(Fault::not_here("a network with IPv6"));
    }
    let pool = &wish["IPAM"]["Config"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let network = Network {
        name: text(&wish["Name"]),
        driver: driver.to_owned(),
        subnet: text(&pool["Subnet"]),
        gateway: text(&pool["Gateway"]),
        internal: wish["Internal"] == true,
        attachable: wish["Attachable"] == true,
        labels: texts(&wish["Labels"])?,
        options: texts(&wish["Options"])?,
        address_options: if wish["IPAM"]["Options"].is_null() { None } else { Some(texts(&wish["IPAM"]["Options"])?) },
        ..Network::default()
    };
    engine
        .work(move |engine| {
            let network = engine.networks.add(network)?;
            if let Some(bridge) = network.bridge()
                && let Err(error) = bridge.make()
            {
                engine.networks.remove(&network)?;
                return Err(Fault::internal(format!("network {}: {error}", network.name)));
            }
            engine.events.tell("network", "create", &network.id, &[("name", &network.name), ("type", &network.driver)]);
            Ok((StatusCode::CREATED, Json(json!({"Id": network.id, "Warning": ""}))).into_response())
        })
        .await
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

/// `POST /networks/NAME/connect`.
pub async fn connect(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Fault> {
    let wish = document(&body)?;
    let container = engine.containers.find(wish["Container"].as_str().unwrap_or_default())?;
    let endpoint = crate::engine::container::network::asked(&wish["EndpointConfig"])?;
    apart(async move { engine.connect_network(&container, &name, endpoint).await }).await?;
    Ok(StatusCode::OK)
}

/// `POST /networks/NAME/disconnect`.
pub async fn disconnect(State(engine): Here, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Fault> {
    let wish = document(&body)?;
    let container = engine.containers.find(wish["Container"].as_str().unwrap_or_default())?;
    apart(async move { engine.disconnect_network(&container, &name).await }).await?;
    Ok(StatusCode::OK)
}
