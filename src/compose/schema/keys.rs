//! The keys of the Compose specification.

use super::{Keys, Names, Shape};

const TEXT: Shape = Shape::Is(&["string"]);
const NULL: Shape = Shape::Is(&["null"]);
const TRUTH: Shape = Shape::Is(&["boolean", "string"]);
const TRUE_OR_FALSE: Shape = Shape::Is(&["boolean"]);
const WHOLE: Shape = Shape::Is(&["integer", "string"]);
const NUMBER: Shape = Shape::Is(&["number"]);
const AMOUNT: Shape = Shape::Is(&["number", "string"]);
const TEXTS: Shape = Shape::List(&TEXT, false);
const SET: Shape = Shape::List(&TEXT, true);
const TEXT_OR_TEXTS: Shape = Shape::OneOf(&[&TEXT, &SET]);
const COMMAND: Shape = Shape::OneOf(&[&NULL, &TEXT, &TEXTS]);
const OPTIONS: Shape = Shape::Keys(&Keys::named(Names::Any, &AMOUNT));
const MAPPING: Shape = Shape::OneOf(&[&Shape::Keys(&Keys::named(Names::Any, &Shape::Is(&["string", "number", "boolean", "null"]))), &SET]);
const HOSTS: Shape = Shape::OneOf(&[&Shape::Keys(&Keys::named(Names::Any, &Shape::OneOf(&[&TEXT, &TEXTS]))), &SET]);

/// A whole file.
pub const FILE: Shape = Shape::Keys(&Keys::known(&[
    ("version", &TEXT),
    ("name", &TEXT),
    ("include", &Shape::List(&INCLUDE, false)),
    ("services", &Shape::Keys(&Keys::named(Names::Identifiers, &SERVICE))),
    ("models", &Shape::Keys(&Keys::named(Names::Identifiers, &MODEL).open())),
    ("networks", &Shape::Keys(&Keys::named(Names::Identifiers, &NETWORK).open())),
    ("volumes", &Shape::Keys(&Keys::named(Names::Identifiers, &VOLUME))),
    ("secrets", &Shape::Keys(&Keys::named(Names::Identifiers, &SECRET))),
    ("configs", &Shape::Keys(&Keys::named(Names::Identifiers, &CONFIG))),
]));

const INCLUDE: Shape = Shape::OneOf(&[
    &TEXT,
    &Shape::Keys(&Keys::known(&[("path", &TEXT_OR_TEXTS), ("env_file", &TEXT_OR_TEXTS), ("project_directory", &TEXT)]).strict()),
]);

const SERVICE: Shape = Shape::Keys(&Keys::known(&[
    ("develop", &DEVELOP),
    ("deploy", &DEPLOY),
    ("annotations", &MAPPING),
    ("attach", &TRUTH),
    ("build", &Shape::OneOf(&[&TEXT, &BUILD])),
    ("blkio_config", &BLKIO),
    ("cap_add", &SET),
    ("cap_drop", &SET),
    ("cgroup", &Shape::OneWord(&["host", "private"])),
    ("cgroup_parent", &TEXT),
    ("command", &COMMAND),
    ("configs", &Shape::List(&FILE_REFERENCE, false)),
    ("container_name", &Shape::Matching(has_container_name, "[a-zA-Z0-9][a-zA-Z0-9_.-]+")),
    ("cpu_count", &Shape::OneOf(&[&TEXT, &Shape::Within(0, i64::MAX)])),
    ("cpu_percent", &Shape::OneOf(&[&TEXT, &Shape::Within(0, 100)])),
    ("cpu_shares", &AMOUNT),
    ("cpu_quota", &AMOUNT),
    ("cpu_period", &AMOUNT),
    ("cpu_rt_period", &AMOUNT),
    ("cpu_rt_runtime", &AMOUNT),
    ("cpus", &AMOUNT),
    ("cpuset", &TEXT),
    ("credential_spec", &Shape::Keys(&Keys::known(&[("config", &TEXT), ("file", &TEXT), ("registry", &TEXT)]))),
    ("depends_on", &Shape::OneOf(&[&SET, &Shape::Keys(&Keys::named(Names::Identifiers, &DEPENDENCY))])),
    ("device_cgroup_rules", &SET),
    ("devices", &Shape::List(&DEVICE, false)),
    ("dns", &TEXT_OR_TEXTS),
    ("dns_opt", &SET),
    ("dns_search", &TEXT_OR_TEXTS),
    ("domainname", &TEXT),
    ("entrypoint", &COMMAND),
    ("env_file", &Shape::OneOf(&[&TEXT, &Shape::List(&ENV_FILE, false)])),
    ("label_file", &Shape::OneOf(&[&TEXT, &TEXTS])),
    ("environment", &MAPPING),
    ("expose", &Shape::List(&AMOUNT, true)),
    ("extends", &Shape::OneOf(&[&TEXT, &Shape::Keys(&Keys::known(&[("service", &TEXT), ("file", &TEXT)]).strict().needs(&["service"]))])),
    ("provider", &PROVIDER),
    ("external_links", &SET),
    ("extra_hosts", &HOSTS),
    ("gpus", &Shape::OneOf(&[&Shape::OneWord(&["all"]), &Shape::List(&Shape::Keys(&DEVICE_REQUEST.open()), false)])),
    ("group_add", &Shape::List(&AMOUNT, true)),
    ("healthcheck", &HEALTHCHECK),
    ("hostname", &TEXT),
    ("image", &TEXT),
    ("init", &TRUTH),
    ("ipc", &TEXT),
    ("isolation", &TEXT),
    ("labels", &MAPPING),
    ("links", &SET),
    ("logging", &LOGGING),
    ("mac_address", &TEXT),
    ("mem_limit", &AMOUNT),
    ("mem_reservation", &WHOLE),
    ("mem_swappiness", &WHOLE),
    ("memswap_limit", &AMOUNT),
    ("network_mode", &TEXT),
    ("models", &Shape::OneOf(&[&SET, &Shape::Keys(&Keys::named(Names::Identifiers, &SERVICE_MODEL).open())])),
    ("networks", &Shape::OneOf(&[&SET, &Shape::Keys(&Keys::named(Names::Identifiers, &SERVICE_NETWORK))])),
    ("oom_kill_disable", &TRUTH),
    ("oom_score_adj", &Shape::OneOf(&[&TEXT, &Shape::Within(-1000, 1000)])),
    ("pid", &Shape::Is(&["string", "null"])),
    ("pids_limit", &AMOUNT),
    ("platform", &TEXT),
    ("ports", &Shape::List(&PORT, true)),
    ("pre_start", &Shape::List(&PRE_START, false)),
    ("post_start", &Shape::List(&HOOK, false)),
    ("pre_stop", &Shape::List(&HOOK, false)),
    ("privileged", &TRUTH),
    ("profiles", &SET),
    ("pull_policy", &Shape::Matching(has_pull_policy, PULL_POLICY)),
    ("pull_refresh_after", &TEXT),
    ("read_only", &TRUTH),
    ("restart", &TEXT),
    ("runtime", &TEXT),
    ("scale", &WHOLE),
    ("security_opt", &SET),
    ("shm_size", &AMOUNT),
    ("secrets", &Shape::List(&FILE_REFERENCE, false)),
    ("sysctls", &MAPPING),
    ("stdin_open", &TRUTH),
    ("stop_grace_period", &TEXT),
    ("stop_signal", &TEXT),
    ("storage_opt", &Shape::Is(&["object"])),
    ("tmpfs", &TEXT_OR_TEXTS),
    ("tty", &TRUTH),
    ("ulimits", &ULIMITS),
    ("use_api_socket", &TRUE_OR_FALSE),
    ("user", &TEXT),
    ("uts", &TEXT),
    ("userns_mode", &TEXT),
    ("volumes", &Shape::List(&MOUNT, true)),
    ("volumes_from", &SET),
    ("working_dir", &TEXT),
]));

const BUILD: Shape = Shape::Keys(&Keys::known(&[
    ("context", &TEXT),
    ("dockerfile", &TEXT),
    ("dockerfile_inline", &TEXT),
    ("entitlements", &TEXTS),
    ("args", &MAPPING),
    ("ssh", &MAPPING),
    ("labels", &MAPPING),
    ("cache_from", &TEXTS),
    ("cache_to", &TEXTS),
    ("no_cache", &TRUTH),
    ("no_cache_filter", &TEXT_OR_TEXTS),
    ("additional_contexts", &MAPPING),
    ("network", &TEXT),
    ("provenance", &TRUTH),
    ("sbom", &TRUTH),
    ("pull", &TRUTH),
    ("target", &TEXT),
    ("shm_size", &WHOLE),
    ("extra_hosts", &HOSTS),
    ("isolation", &TEXT),
    ("privileged", &TRUTH),
    ("secrets", &Shape::List(&FILE_REFERENCE, false)),
    ("tags", &TEXTS),
    ("ulimits", &ULIMITS),
    ("platforms", &TEXTS),
]));

const BLKIO: Shape = Shape::Keys(
    &Keys::known(&[
        ("device_read_bps", &RATES),
        ("device_read_iops", &RATES),
        ("device_write_bps", &RATES),
        ("device_write_iops", &RATES),
        ("weight", &WHOLE),
        ("weight_device", &Shape::List(&Shape::Keys(&Keys::known(&[("path", &TEXT), ("weight", &WHOLE)]).strict()), false)),
    ])
    .strict(),
);
const RATES: Shape = Shape::List(&Shape::Keys(&Keys::known(&[("path", &TEXT), ("rate", &WHOLE)]).strict()), false);

const DEPENDENCY: Shape = Shape::Keys(
    &Keys::known(&[
        ("restart", &TRUTH),
        ("required", &TRUE_OR_FALSE),
        ("condition", &Shape::OneWord(&["service_started", "service_healthy", "service_completed_successfully"])),
    ])
    .needs(&["condition"]),
);

const DEVICE: Shape =
    Shape::OneOf(&[&TEXT, &Shape::Keys(&Keys::known(&[("source", &TEXT), ("target", &TEXT), ("permissions", &TEXT)]).needs(&["source"]))]);

const ENV_FILE: Shape = Shape::OneOf(&[
    &TEXT,
    &Shape::Keys(&Keys::known(&[("path", &TEXT), ("format", &TEXT), ("required", &TRUTH)]).strict().needs(&["path"])),
]);

const PROVIDER: Shape = Shape::Keys(
    &Keys::known(&[
        ("type", &TEXT),
        ("options", &Shape::Keys(&Keys::named(Names::Any, &Shape::OneOf(&[&PROVIDED, &Shape::List(&PROVIDED, false)])))),
    ])
    .needs(&["type"]),
);
const PROVIDED: Shape = Shape::Is(&["string", "number", "boolean"]);

const DEVICE_REQUEST: Keys = Keys::known(&[
    ("capabilities", &SET),
    ("count", &Shape::Is(&["string", "integer"])),
    ("device_ids", &SET),
    ("driver", &TEXT),
    ("options", &MAPPING),
]);

const HEALTHCHECK: Shape = Shape::Keys(&Keys::known(&[
    ("disable", &TRUTH),
    ("interval", &TEXT),
    ("retries", &AMOUNT),
    ("test", &Shape::OneOf(&[&TEXT, &TEXTS])),
    ("timeout", &TEXT),
    ("start_period", &TEXT),
    ("start_interval", &TEXT),
]));

const LOGGING: Shape = Shape::Keys(&Keys::known(&[
    ("driver", &TEXT),
    ("options", &Shape::Keys(&Keys::named(Names::Any, &Shape::Is(&["string", "number", "null"])))),
]));

const SERVICE_MODEL: Shape = Shape::OneOf(&[&Shape::Keys(&Keys::known(&[("endpoint_var", &TEXT), ("model_var", &TEXT)])), &NULL]);

const SERVICE_NETWORK: Shape = Shape::OneOf(&[
    &Shape::Keys(&Keys::known(&[
        ("aliases", &SET),
        ("interface_name", &TEXT),
        ("ipv4_address", &TEXT),
        ("ipv6_address", &TEXT),
        ("link_local_ips", &SET),
        ("mac_address", &TEXT),
        ("driver_opts", &OPTIONS),
        ("priority", &NUMBER),
        ("gw_priority", &NUMBER),
    ])),
    &NULL,
]);

const PORT: Shape = Shape::OneOf(&[
    &NUMBER,
    &TEXT,
    &Shape::Keys(&Keys::known(&[
        ("name", &TEXT),
        ("mode", &TEXT),
        ("host_ip", &TEXT),
        ("target", &WHOLE),
        ("published", &WHOLE),
        ("protocol", &TEXT),
        ("app_protocol", &TEXT),
    ])),
]);

const MOUNT: Shape = Shape::OneOf(&[
    &TEXT,
    &Shape::Keys(
        &Keys::known(&[
            ("type", &Shape::OneWord(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
            ("source", &TEXT),
            ("target", &TEXT),
            ("read_only", &TRUTH),
            ("consistency", &TEXT),
            ("bind", &BIND),
            ("volume", &Shape::Keys(&Keys::known(&[("labels", &MAPPING), ("nocopy", &TRUTH), ("subpath", &TEXT)]))),
            ("tmpfs", &Shape::Keys(&Keys::known(&[("size", &Shape::OneOf(&[&Shape::Within(0, i64::MAX), &TEXT])), ("mode", &AMOUNT)]))),
            ("image", &Shape::Keys(&Keys::known(&[("subpath", &TEXT)]))),
        ])
        .needs(&["type"]),
    ),
]);
const BIND: Shape = Shape::Keys(&Keys::known(&[
    ("propagation", &TEXT),
    ("create_host_path", &TRUTH),
    ("recursive", &Shape::OneWord(&["enabled", "disabled", "writable", "readonly"])),
    ("selinux", &Shape::OneWord(&["z", "Z"])),
]));

const HOOK: Shape = Shape::Keys(
    &Keys::known(&[("command", &COMMAND), ("user", &TEXT), ("privileged", &TRUTH), ("working_dir", &TEXT), ("environment", &MAPPING)])
        .needs(&["command"]),
);
const PRE_START: Shape = Shape::Keys(&Keys::known(&[
    ("command", &COMMAND),
    ("image", &TEXT),
    ("user", &TEXT),
    ("privileged", &TRUTH),
    ("working_dir", &TEXT),
    ("environment", &MAPPING),
    ("per_replica", &TRUTH),
]));

const FILE_REFERENCE: Shape = Shape::OneOf(&[
    &TEXT,
    &Shape::Keys(&Keys::known(&[("source", &TEXT), ("target", &TEXT), ("uid", &TEXT), ("gid", &TEXT), ("mode", &AMOUNT)])),
]);

const ULIMITS: Shape = Shape::Keys(
    &Keys::named(
        Names::Lower,
        &Shape::OneOf(&[&WHOLE, &Shape::Keys(&Keys::known(&[("hard", &WHOLE), ("soft", &WHOLE)]).needs(&["soft", "hard"]))]),
    )
    .open(),
);

const DEVELOP: Shape = Shape::Keys(&Keys::known(&[("watch", &Shape::List(&TRIGGER, false))]).or_nothing());
const TRIGGER: Shape = Shape::Keys(
    &Keys::known(&[
        ("ignore", &TEXT_OR_TEXTS),
        ("include", &TEXT_OR_TEXTS),
        ("path", &TEXT),
        ("action", &Shape::OneWord(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        ("target", &TEXT),
        ("exec", &HOOK),
        ("initial_sync", &TRUE_OR_FALSE),
    ])
    .needs(&["path", "action"]),
);

const DEPLOY: Shape = Shape::Keys(
    &Keys::known(&[
        ("mode", &TEXT),
        ("endpoint_mode", &TEXT),
        ("replicas", &WHOLE),
        ("labels", &MAPPING),
        ("rollback_config", &UPDATE),
        ("update_config", &UPDATE),
        ("resources", &Shape::Keys(&Keys::known(&[("limits", &LIMITS), ("reservations", &RESERVATIONS)]))),
        (
            "restart_policy",
            &Shape::Keys(&Keys::known(&[("condition", &TEXT), ("delay", &TEXT), ("max_attempts", &WHOLE), ("window", &TEXT)])),
        ),
        (
            "placement",
            &Shape::Keys(&Keys::known(&[
                ("constraints", &TEXTS),
                ("preferences", &Shape::List(&Shape::Keys(&Keys::known(&[("spread", &TEXT)])), false)),
                ("max_replicas_per_node", &WHOLE),
            ])),
        ),
    ])
    .or_nothing(),
);
const UPDATE: Shape = Shape::Keys(&Keys::known(&[
    ("parallelism", &WHOLE),
    ("delay", &TEXT),
    ("failure_action", &TEXT),
    ("monitor", &TEXT),
    ("max_failure_ratio", &AMOUNT),
    ("order", &Shape::OneWord(&["start-first", "stop-first"])),
]));
const LIMITS: Shape = Shape::Keys(&Keys::known(&[("cpus", &AMOUNT), ("memory", &TEXT), ("pids", &WHOLE)]));
const RESERVATIONS: Shape = Shape::Keys(&Keys::known(&[
    ("cpus", &AMOUNT),
    ("memory", &TEXT),
    ("generic_resources", &Shape::List(&GENERIC, false)),
    ("devices", &Shape::List(&Shape::Keys(&DEVICE_REQUEST.needs(&["capabilities"])), false)),
]));
const GENERIC: Shape =
    Shape::Keys(&Keys::known(&[("discrete_resource_spec", &Shape::Keys(&Keys::known(&[("kind", &TEXT), ("value", &AMOUNT)])))]));

const NETWORK: Shape = Shape::Keys(
    &Keys::known(&[
        ("name", &TEXT),
        ("driver", &TEXT),
        ("driver_opts", &OPTIONS),
        ("ipam", &IPAM),
        ("external", &EXTERNAL),
        ("internal", &TRUTH),
        ("enable_ipv4", &TRUTH),
        ("enable_ipv6", &TRUTH),
        ("attachable", &TRUTH),
        ("labels", &MAPPING),
    ])
    .or_nothing(),
);
const IPAM: Shape = Shape::Keys(&Keys::known(&[
    ("driver", &TEXT),
    (
        "config",
        &Shape::List(
            &Shape::Keys(&Keys::known(&[("subnet", &TEXT), ("ip_range", &TEXT), ("gateway", &TEXT), ("aux_addresses", &NAMED_TEXTS)])),
            false,
        ),
    ),
    ("options", &NAMED_TEXTS),
]));
const NAMED_TEXTS: Shape = Shape::Keys(&Keys::named(Names::Any, &TEXT));
const EXTERNAL: Shape = Shape::OneOf(&[&TRUTH, &Shape::Keys(&Keys::known(&[("name", &TEXT)]))]);

const VOLUME: Shape = Shape::Keys(
    &Keys::known(&[("name", &TEXT), ("driver", &TEXT), ("driver_opts", &OPTIONS), ("external", &EXTERNAL), ("labels", &MAPPING)])
        .or_nothing(),
);
const SECRET: Shape = Shape::Keys(&Keys::known(&[
    ("name", &TEXT),
    ("environment", &TEXT),
    ("file", &TEXT),
    ("external", &EXTERNAL),
    ("labels", &MAPPING),
    ("driver", &TEXT),
    ("driver_opts", &OPTIONS),
    ("template_driver", &TEXT),
]));
const CONFIG: Shape = Shape::Keys(&Keys::known(&[
    ("name", &TEXT),
    ("content", &TEXT),
    ("environment", &TEXT),
    ("file", &TEXT),
    ("external", &EXTERNAL),
    ("labels", &MAPPING),
    ("template_driver", &TEXT),
]));
const MODEL: Shape = Shape::Keys(
    &Keys::known(&[("name", &TEXT), ("model", &TEXT), ("context_size", &Shape::Is(&["integer"])), ("runtime_flags", &TEXTS)])
        .needs(&["model"]),
);

/// Two letters in a row that a container's name may have: the pattern is not bound to the ends.
fn has_container_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && (pair[1].is_ascii_alphanumeric() || b"_.-".contains(&pair[1])))
}

const PULL_POLICY: &str = "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+";

fn has_pull_policy(text: &str) -> bool {
    let words = ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let every = text.find("every_").map(|at| &text[at + "every_".len()..]);
    let spans = every.is_some_and(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with(['w', 'd', 'h', 'm', 's'])
    });
    spans || words.iter().any(|word| text.contains(word))
}
