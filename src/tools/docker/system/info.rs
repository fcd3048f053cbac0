//! `docker info`.

use serde_json::{Value, json};

use super::version;
use crate::tools::docker::api::{Ask, NEWEST};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, contexts, say};
use crate::ui::units;

/// Shows it; without an engine what the client knows.
pub fn run(session: &Session, given: &Given) -> Result {
    let context = contexts::current(&session.globals)?;
    let client = json!({
        "Debug": session.globals.on("debug"), "Version": env!("CARGO_PKG_VERSION"), "DefaultAPIVersion": NEWEST,
        "Context": context, "Plugins": [], "Warnings": null,
    });
    let server = session.api()?.json(Ask::get("/info"));
    if let Some(format) = given.text("format") {
        let mut all = server.as_ref().cloned().unwrap_or_else(|failure| json!({"ServerErrors": [failure.message]}));
        all["ClientInfo"] = client;
        match version::shown(format, &all, "system.dockerInfo") {
            Ok(text) => say(&(text + "\n")),
            Err(failure) => {
                // As docker does: a line that has no text.
                if failure.code == 1 {
                    say("\n");
                }
                return Err(failure);
            }
        }
        return server.map(drop).map_err(|failure| Failure::silent(failure.code));
    }
    say(&format!(
        "Client: Bottleship\n Version:    {}\n Context:    {context}\n Debug Mode: {}\n\nServer:\n",
        env!("CARGO_PKG_VERSION"),
        client["Debug"]
    ));
    let server = server?;
    say(&page(&server));
    for warning in server["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        crate::tools::docker::warn(&format!("{warning}\n"));
    }
    Ok(())
}

/// Name and value, a line each.
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0 += &format!(" {name}: {value}\n");
    }

    fn text(&mut self, name: &str, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.line(name, text);
        }
    }

    /// Lines below a line.
    fn below(&mut self, name: &str, lines: impl IntoIterator<Item = String>) {
        self.0 += &format!(" {name}:\n");
        lines.into_iter().for_each(|line| {
            self.0 += &format!("  {line}\n");
        });
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn page(info: &Value) -> String {
    let mut page = Page(String::new());
    let number = |key: &str| info[key].as_i64().unwrap_or(0);
    page.line("Containers", number("Containers"));
    for (key, name) in [("ContainersRunning", "Running"), ("ContainersPaused", "Paused"), ("ContainersStopped", "Stopped")] {
        page.line(&format!(" {name}"), number(key));
    }
    page.line("Images", number("Images"));
    page.text("Server Version", &info["ServerVersion"]);
    page.text("Storage Driver", &info["Driver"]);
    for pair in info["DriverStatus"].as_array().into_iter().flatten() {
        page.line(&format!(" {}", pair[0].as_str().unwrap_or_default()), pair[1].as_str().unwrap_or_default());
    }
    page.text("Logging Driver", &info["LoggingDriver"]);
    page.text("Cgroup Driver", &info["CgroupDriver"]);
    page.text("Cgroup Version", &info["CgroupVersion"]);
    let plugins = |kind: &str| format!("{kind}: {}", texts(&info["Plugins"][kind]).join(" "));
    page.below("Plugins", [plugins("Volume"), plugins("Network"), plugins("Log")]);
    swarm(&mut page, &info["Swarm"]);
    runtimes(&mut page, info);
    security(&mut page, &texts(&info["SecurityOptions"]));
    machine(&mut page, info);
    page.0
}

fn swarm(page: &mut Page, swarm: &Value) {
    page.text("Swarm", &swarm["LocalNodeState"]);
}

fn runtimes(page: &mut Page, info: &Value) {
    let names: Vec<&str> = info["Runtimes"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        page.line("Runtimes", names.join(" "));
        page.line("Default Runtime", info["DefaultRuntime"].as_str().unwrap_or_default());
    }
    page.line("Init Binary", info["InitBinary"].as_str().unwrap_or_default());
    for (key, name) in [("ContainerdCommit", "containerd version"), ("RuncCommit", "runc version"), ("InitCommit", "init version")] {
        page.line(name, info[key]["ID"].as_str().unwrap_or_default());
    }
}

/// `name=seccomp,profile=builtin`: the name, and below it what else is said of it.
fn security(page: &mut Page, options: &[String]) {
    if options.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    for option in options {
        let parts: Vec<(&str, &str)> = option.split(',').filter_map(|part| part.split_once('=')).collect();
        lines.extend(parts.iter().filter(|(key, _)| *key == "name").map(|(_, value)| (*value).to_owned()));
        lines.extend(parts.iter().filter(|(key, _)| *key == "profile").map(|(_, value)| format!(" Profile: {value}")));
    }
    page.below("Security Options", lines);
}

fn machine(page: &mut Page, info: &Value) {
    for (key, name) in [
        ("KernelVersion", "Kernel Version"),
        ("OperatingSystem", "Operating System"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
    ] {
        page.text(name, &info[key]);
    }
    page.line("CPUs", info["NCPU"].as_i64().unwrap_or(0));
    page.line("Total Memory", units::binary(info["MemTotal"].as_u64().unwrap_or(0)));
    page.text("Name", &info["Name"]);
    page.text("ID", &info["ID"]);
    page.text("Docker Root Dir", &info["DockerRootDir"]);
    page.line("Debug Mode", info["Debug"].as_bool().unwrap_or(false));
    page.text("HTTP Proxy", &info["HttpProxy"]);
    page.text("HTTPS Proxy", &info["HttpsProxy"]);
    page.text("No Proxy", &info["NoProxy"]);
    let labels = texts(&info["Labels"]);
    if !labels.is_empty() {
        page.below("Labels", labels);
    }
    page.line("Experimental", info["ExperimentalBuild"].as_bool().unwrap_or(false));
    let registries = &info["RegistryConfig"];
    let open = registries["IndexConfigs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, one)| one["Secure"] == false)
        .map(|(name, _)| name.clone());
    let open: Vec<String> = open.chain(texts(&registries["InsecureRegistryCIDRs"])).collect();
    if !open.is_empty() {
        page.below("Insecure Registries", open);
    }
    let mirrors = texts(&registries["Mirrors"]);
    if !mirrors.is_empty() {
        page.below("Registry Mirrors", mirrors);
    }
    page.line("Live Restore Enabled", info["LiveRestoreEnabled"].as_bool().unwrap_or(false));
    page.0.push('\n');
}
