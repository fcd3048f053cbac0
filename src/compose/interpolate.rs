//! Filling in the variables of a tree, and making numbers and truths of the texts that should be such.

use super::error::Error;
use super::path::Path;
use super::template::{Fault, Variables};
use super::yaml::{Node, Value};

/// What a text becomes once it is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    Int,
    Float,
    Bool,
}

/// Where texts become something else. A text that was quoted becomes it too: `cpus: "0.5"`.
const CASTS: &[(Cast, &[&str])] = &[
    (
        Cast::Int,
        &[
            "services.*.cpu_count",
            "services.*.cpu_period",
            "services.*.cpu_quota",
            "services.*.cpu_rt_period",
            "services.*.cpu_rt_runtime",
            "services.*.cpu_shares",
            "services.*.deploy.replicas",
            "services.*.deploy.update_config.parallelism",
            "services.*.deploy.rollback_config.parallelism",
            "services.*.deploy.restart_policy.max_attempts",
            "services.*.deploy.placement.max_replicas_per_node",
            "services.*.healthcheck.retries",
            "services.*.oom_score_adj",
            "services.*.pids_limit",
            "services.*.ports.*.target",
            "services.*.scale",
            "services.*.ulimits.*",
            "services.*.ulimits.*.hard",
            "services.*.ulimits.*.soft",
        ],
    ),
    (
        Cast::Float,
        &[
            "services.*.cpu_percent",
            "services.*.cpus",
            "services.*.deploy.update_config.max_failure_ratio",
            "services.*.deploy.rollback_config.max_failure_ratio",
        ],
    ),
    (
        Cast::Bool,
        &[
            "services.*.init",
            "services.*.depends_on.*.required",
            "services.*.depends_on.*.restart",
            "services.*.healthcheck.disable",
            "services.*.oom_kill_disable",
            "services.*.privileged",
            "services.*.read_only",
            "services.*.stdin_open",
            "services.*.tty",
            "services.*.volumes.*.read_only",
            "services.*.volumes.*.volume.nocopy",
            "networks.*.external",
            "networks.*.internal",
            "networks.*.attachable",
            "networks.*.enable_ipv4",
            "networks.*.enable_ipv6",
            "volumes.*.external",
            "secrets.*.external",
            "configs.*.external",
        ],
    ),
];

/// Fills in every text of a tree.
///
/// # Errors
/// A variable that is written wrongly or missing and required; a text that is not the number or truth it should be.
pub fn interpolate(root: &mut Node, variables: &mut Variables<'_>) -> Result<(), Error> {
    root.walk(&Path::root(), &mut |node, path| {
        let Value::Text(text) = &node.value else { return Ok(()) };
        let filled = variables.fill_in(text).map_err(|fault| Error::at(&node.spot, path, told(&fault, path)))?;
        node.value = match cast_at(path) {
            None => Value::Text(filled),
            Some(cast) => cast.apply(&filled, variables.warnings).map_err(|why| {
                Error::at(&node.spot, path, format!("error while interpolating {path}: failed to cast to expected type: {why}"))
            })?,
        };
        Ok(())
    })
}

fn told(fault: &Fault, path: &Path) -> String {
    match fault {
        Fault::Invalid(template) => {
            format!("invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{template}")
        }
        missing => format!("error while interpolating {path}: {missing}"),
    }
}

fn cast_at(path: &Path) -> Option<Cast> {
    let deep_enough = path.depth() >= 3;
    deep_enough.then(|| CASTS.iter().find(|(_, places)| places.iter().any(|place| path.matches(place)))).flatten().map(|(cast, _)| *cast)
}

impl Cast {
    /// The value that a text stands for.
    ///
    /// # Errors
    /// It stands for none; in Go's words.
    pub fn apply(self, text: &str, warnings: &mut Vec<String>) -> Result<Value, String> {
        let refused = |function: &str| format!("strconv.{function}: parsing {text:?}: invalid syntax");
        match self {
            Cast::Int => text.parse().map(Value::Int).map_err(|_| refused("Atoi")),
            Cast::Float => match text.parse::<f64>() {
                Ok(number) if !text.is_empty() => Ok(Value::Float(number)),
                _ => Err(refused("ParseFloat")),
            },
            Cast::Bool => truth(text, warnings).map(Value::Bool).ok_or_else(|| format!("invalid boolean: {text}")),
        }
    }
}

/// `yes` and `on` are no truths in YAML 1.2, but were in files of old: they count, with a word about it.
fn truth(text: &str, warnings: &mut Vec<String>) -> Option<bool> {
    let truth = match text.to_lowercase().as_str() {
        "true" => return Some(true),
        "false" => return Some(false),
        "y" | "yes" | "on" => true,
        "n" | "no" | "off" => false,
        _ => return None,
    };
    warnings.push(format!("{text:?} for boolean is not supported by YAML 1.2, please use `{truth}`"));
    Some(truth)
}
