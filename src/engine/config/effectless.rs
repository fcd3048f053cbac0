//! dockerd's keys that this engine has nothing for: they are read, so that a file that is right for dockerd is right here, and told.

use serde_json::Value;

/// dockerd's keys that change nothing here, with the kind of value they take.
pub(super) const EFFECTLESS: &[(&str, Kind)] = &[
    ("allow-nondistributable-artifacts", Kind::List),
    ("allow-direct-routing", Kind::Switch),
    ("api-cors-header", Kind::Text),
    ("authorization-plugins", Kind::List),
    ("bridge", Kind::Text),
    ("bridge-accept-fwmark", Kind::Text),
    ("builder", Kind::Map),
    ("cdi-spec-dirs", Kind::List),
    ("cgroup-parent", Kind::Text),
    ("containerd", Kind::Text),
    ("containerd-namespace", Kind::Text),
    ("containerd-plugin-namespace", Kind::Text),
    ("cpu-rt-period", Kind::Number),
    ("cpu-rt-runtime", Kind::Number),
    ("data-root-mode", Kind::Text),
    ("debug", Kind::Switch),
    ("default-address-pools", Kind::List),
    ("default-cgroupns-mode", Kind::Text),
    ("default-gateway", Kind::Text),
    ("default-gateway-v6", Kind::Text),
    ("default-ipc-mode", Kind::Text),
    ("default-network-opts", Kind::Map),
    ("default-runtime", Kind::Text),
    ("default-shm-size", Kind::Text),
    ("dns-opts", Kind::List),
    ("dns-search", Kind::List),
    ("exec-opts", Kind::List),
    ("exec-root", Kind::Text),
    ("experimental", Kind::Switch),
    ("features", Kind::Map),
    ("firewall-backend", Kind::Text),
    ("fixed-cidr", Kind::Text),
    ("group", Kind::Text),
    ("host-gateway-ip", Kind::Text),
    ("host-gateway-ips", Kind::List),
    ("http-proxy", Kind::Text),
    ("https-proxy", Kind::Text),
    ("init", Kind::Switch),
    ("init-path", Kind::Text),
    ("ip", Kind::Text),
    ("ip-forward", Kind::Switch),
    ("ip-forward-no-drop", Kind::Switch),
    ("ip-masq", Kind::Switch),
    ("ip6tables", Kind::Switch),
    ("iptables", Kind::Switch),
    ("log-format", Kind::Text),
    ("log-level", Kind::Text),
    ("max-concurrent-downloads", Kind::Number),
    ("max-concurrent-uploads", Kind::Number),
    ("max-download-attempts", Kind::Number),
    ("metrics-addr", Kind::Text),
    ("min-api-version", Kind::Text),
    ("mtu", Kind::Number),
    ("network-control-plane-mtu", Kind::Number),
    ("no-proxy", Kind::Text),
    ("node-generic-resources", Kind::List),
    ("oom-score-adjust", Kind::Number),
    ("pidfile", Kind::Text),
    ("proxies", Kind::Map),
    ("raw-logs", Kind::Switch),
    ("runtimes", Kind::Map),
    ("seccomp-profile", Kind::Text),
    ("selinux-enabled", Kind::Switch),
    ("shutdown-timeout", Kind::Number),
    ("storage-opts", Kind::List),
    ("swarm-default-advertise-addr", Kind::Text),
    ("userland-proxy", Kind::Switch),
    ("userland-proxy-path", Kind::Text),
    ("userns-remap", Kind::Text),
    ("validate", Kind::Switch),
];

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Switch,
    Number,
    List,
    Map,
}

impl Kind {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_string(),
            Kind::Switch => value.is_boolean(),
            Kind::Number => value.is_i64(),
            Kind::List => value.is_array(),
            Kind::Map => value.is_object(),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Text => "a text in quotes",
            Kind::Switch => "true or false",
            Kind::Number => "a number",
            Kind::List => "a list: [\"...\"]",
            Kind::Map => "a mapping: {\"...\": ...}",
        }
    }
}
