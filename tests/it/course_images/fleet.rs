//! Containers of course images beside each other: one network with names, the runtime, no engine. All of it in namespaces of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Rights, Sandbox, binary, has_program, rights, skip};

/// What an engine gives a container that asks for nothing.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The words of every story. Containers get addresses in the order in which they are named; /etc/hosts of each knows them all.
const PRELUDE: &str = r#"set -u
oci() { "$program" oci --root "$PWD/oci" "$@"; }
curl() { "$program" toolbox curl -sS -m 20 "$@"; }
fail() { echo "FAILED: $*"; for log in *.log; do echo "--- $log"; cat "$log"; done; exit 1; }
# has WORDS COMMAND...: the command prints the words, now or soon; the test's patience ends it otherwise.
has() { words=$1; shift; until "$@" 2>&1 | grep -qF -- "$words"; do :; done; }
status() { oci state "$1" 2> /dev/null | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
ends() { until [ "$(status "$1")" = stopped ]; do :; done; }
ip link set lo up && ip link add fleet type bridge && ip addr add 10.77.0.1/24 dev fleet && ip link set fleet up || fail no bridge
up() {
    [ -d "bundles/$1/rootfs/proc" ] || mount -t overlay overlay -o "$overlay,$(cat "bundles/$1/overlay")" "bundles/$1/rootfs" || fail "overlay of $1"
    oci create --bundle "bundles/$1" "$1" < /dev/null >> "$1.log" 2>&1 || fail "create $1"
    pid=$(oci state "$1" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p') number=$(cat "bundles/$1/number")
    ip link add "ship$number" type veth peer name eth0 netns "$pid" && ip link set "ship$number" master fleet up || fail "network of $1"
    nsenter -t "$pid" -n sh -c "ip link set lo up && ip addr add 10.77.0.$number/24 dev eth0 && ip link set eth0 up" || fail "address of $1"
    oci start "$1" || fail "start $1"
}
down() { oci kill "$1" "${2:-TERM}"; ends "$1"; oci delete "$1"; }
trap 'for id in $(oci list -q 2> /dev/null); do oci delete -f "$id"; done' EXIT
"#;

/// The containers of a test, and where they lie.
pub struct Fleet {
    sandbox: Sandbox,
    names: Vec<String>,
}

impl Fleet {
    /// An empty one; `None` where it cannot sail, which is said.
    pub fn new(test: &str) -> Option<Self> {
        let missing = ["ip", "nsenter", "unshare"].into_iter().find(|program| !has_program(program));
        let missing = missing.or_else(|| (rights() != Rights::Root && !has_program("newuidmap")).then_some("newuidmap"));
        if let Some(program) = missing {
            skip(test, &format!("{program} is not installed"));
            return None;
        }
        Some(Fleet { sandbox: Sandbox::new(), names: Vec::new() })
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// A call of `bottleship images` on this fleet's store.
    pub fn images(&self, args: &[&str]) -> crate::support::Call {
        self.sandbox.bottleship(["images", "--store"]).args([self.path("store")]).args(args)
    }

    /// One more container of a course image; `command` in the place of its own, if there is one, and more environment.
    pub fn ship(&mut self, name: &str, image: &str, command: &[&str], environment: &[&str]) -> Value {
        self.images(&["course", image]).succeeds();
        self.names.push(name.to_owned());
        let bundle = self.path("bundles").join(name);
        for folder in ["rootfs", "upper", "work"] {
            fs::create_dir_all(bundle.join(folder)).unwrap();
        }
        let layers = self.images(&["layers", image]).succeeds().stdout;
        let lower = layers.lines().find(|line| line.starts_with("lowerdir=")).expect("the line for mount");
        let folder = |name: &str| bundle.join(name).display().to_string();
        fs::write(bundle.join("overlay"), format!("{lower},upperdir={},workdir={}", folder("upper"), folder("work"))).unwrap();
        fs::write(bundle.join("number"), (9 + self.names.len()).to_string()).unwrap();
        let image = config(&self.path("store"), image);
        let hosts = self.path("hosts").display().to_string();
        let mut process = process(&image["config"], command);
        process["env"].as_array_mut().unwrap().extend(environment.iter().map(|line| json!(line)));
        let mut spec = spec(name, &process);
        spec["mounts"].as_array_mut().unwrap().push(json!({"destination": "/etc/hosts", "source": hosts, "options": ["bind", "ro"]}));
        // A fleet beside this one has containers of the same names: each has its own cgroups.
        let fleet = self.path("").components().next_back().unwrap().as_os_str().to_string_lossy().into_owned();
        spec["linux"]["cgroupsPath"] = json!(format!("{fleet}-{name}"));
        fs::write(bundle.join("config.json"), spec.to_string()).unwrap();
        image
    }

    /// Tells a story, which ends well; what it printed.
    pub fn tell(&self, story: &str) -> String {
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        self.names.iter().enumerate().for_each(|(at, name)| hosts += &format!("10.77.0.{} {name}\n", at + 10));
        fs::write(self.path("hosts"), &hosts).unwrap();
        let mut words = vec!["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        // Layers of ordinary users bear their marks in another attribute.
        let mut overlay = "userxattr";
        if rights() == Rights::UserNamespaces {
            words.extend(["--user", "--map-root-user", "--map-auto"]);
        }
        if rights() == Rights::Root {
            overlay = "userxattr,index=off";
        }
        // The names are for programs of this machine too.
        let script = format!("{PRELUDE}mount --bind hosts /etc/hosts || fail no names\n{story}\n");
        let call = self.sandbox.program("unshare").args(words).args(["sh", "-c", &script]).folder(self.sandbox.path());
        let call = call.env("program", binary()).env("overlay", overlay).patience(Duration::from_secs(120));
        let output = call.output();
        assert_eq!(output.code(), 0, "{output}");
        output.stdout
    }
}

/// The configuration of an image, out of the store's own files.
fn config(store: &Path, image: &str) -> Value {
    let read = |digest: &str| -> Value {
        let path = store.join("blobs").join(digest.replace(':', "/"));
        serde_json::from_slice(&fs::read(path).expect("a blob")).expect("a document")
    };
    let index: Value = serde_json::from_slice(&fs::read(store.join("index.json")).unwrap()).unwrap();
    let named = |one: &&Value| {
        let name = one["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or_default();
        let tagged = if image.rsplit('/').next().unwrap_or_default().contains(':') { image.to_owned() } else { format!("{image}:latest") };
        name == tagged || name.ends_with(&format!("/{tagged}"))
    };
    let entry = index["manifests"].as_array().unwrap().iter().find(named).expect("the image's name");
    let platforms = read(entry["digest"].as_str().unwrap());
    let here = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let manifest = platforms["manifests"].as_array().unwrap().iter().find(|one| one["platform"]["architecture"] == here).unwrap();
    let manifest = read(manifest["digest"].as_str().unwrap());
    read(manifest["config"]["digest"].as_str().unwrap())
}

/// What an engine makes of an image's configuration.
fn process(config: &Value, command: &[&str]) -> Value {
    let list = |name: &str| config[name].as_array().cloned().unwrap_or_default();
    let command: Vec<Value> = if command.is_empty() { list("Cmd") } else { command.iter().map(|word| json!(word)).collect() };
    let args: Vec<Value> = list("Entrypoint").into_iter().chain(command).collect();
    let folder = config["WorkingDir"].as_str().filter(|folder| !folder.is_empty()).unwrap_or("/");
    let user: u32 = config["User"].as_str().unwrap_or_default().parse().unwrap_or(0);
    json!({
        "terminal": false, "user": {"uid": user, "gid": user}, "args": args, "env": list("Env"), "cwd": folder,
        "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
    })
}

fn spec(name: &str, process: &Value) -> Value {
    json!({
        "ociVersion": "1.0.2", "process": process, "root": {"path": "rootfs"}, "hostname": name,
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]},
    })
}
