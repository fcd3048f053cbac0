//! What the builder's and the engine's bundles have in common: rights and mounts as the field gives them to every container.

use std::path::Path;

use serde_json::{Value, json};

use crate::kernel::ids;

/// The sets of a process with these capabilities; a user who is not root has them in reserve only.
pub fn capabilities(uid: u32, names: &[impl serde::Serialize]) -> Value {
    let all = json!(names);
    if uid == 0 { json!({"bounding": all, "effective": all, "permitted": all}) } else { json!({"bounding": all}) }
}

/// Makes the usual mounts possible in a user namespace: a sysfs belongs to a network namespace, and one that is not ours is shown by a bind; group 5
/// (tty) may not exist. `own_network`: the container gets a network namespace of its own. `single`: there is only one id.
pub fn fit_mounts(mounts: &mut [Value], own_network: bool, single: bool) {
    let own_users = !ids::in_first_user_namespace();
    for one in mounts {
        if one["type"] == "sysfs" && own_users && !own_network {
            *one =
                json!({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
        }
        if single && let Some(options) = one["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
}

/// A bind mount for `config.json`.
pub fn bind(source: &Path, target: &str, read_only: bool) -> Value {
    let mut options = vec!["rbind", "nosuid", "nodev"];
    if read_only {
        options.push("ro");
    }
    json!({"destination": target, "type": "bind", "source": source, "options": options})
}
