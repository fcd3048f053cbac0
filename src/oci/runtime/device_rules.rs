//! Which devices a container may use: the bundle's rules, and on top of them what every container may (config-linux.md, "Default Devices").

use std::path::PathBuf;

use crate::kernel::cgroup::{DeviceRule, Resources};
use crate::kernel::device::{Kind, Node};

/// The rules of the bundle, then those that let it use its own nodes, make nodes (mknod(2) is no use), and terminals.
pub fn with_defaults(resources: &Resources, nodes: &[(PathBuf, Node)]) -> Vec<DeviceRule> {
    let mut rules = resources.devices.clone();
    let allow = |kind: char, major: Option<u64>, minor: Option<u64>, access: &str| DeviceRule {
        allow: true,
        kind: Some(kind.to_string()),
        major: major.map(|number| number as i64),
        minor: minor.map(|number| number as i64),
        access: Some(access.to_owned()),
    };
    rules.push(allow('c', None, None, "m"));
    rules.push(allow('b', None, None, "m"));
    let devices = nodes.iter().filter(|(_, node)| node.kind != Kind::Fifo);
    rules.extend(devices.map(|(_, node)| allow(node.kind.letter(), Some(node.major), Some(node.minor), "rwm")));
    // /dev/pts/*, /dev/ptmx, /dev/console.
    rules.push(allow('c', Some(136), None, "rwm"));
    rules.push(allow('c', Some(5), Some(2), "rwm"));
    rules.push(allow('c', Some(5), Some(1), "rwm"));
    rules
}
