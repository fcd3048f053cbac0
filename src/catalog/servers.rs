//! Servers: nginx, httpd, redis, the registry, httpenv.

use super::bases::{alpine_release, debian_release};
use super::families::{self, of_toolbox};
use super::plan::{PATH, Plan};
use super::recipe::{Fidelity, Recipe};
use super::tree::Tree;

/// The servers of the catalog.
pub const RECIPES: &[Recipe] = &[
    Recipe::new(
        "nginx",
        &["latest", "1.29", "1.29.3", "1.28", "stable", "mainline", "1.17.3", "1.13", "1.13.6", "stable-alpine", "alpine", "1-alpine"],
        Fidelity::StandIn,
        "A web server of Bottleship that reads the everyday part of nginx's configuration and acts, logs and obeys signals as nginx does; no TLS, no modules.",
        |tag, _| nginx(tag),
    ),
    Recipe::new(
        "httpd",
        &["latest", "2", "2.4", "2.4.65"],
        Fidelity::StandIn,
        "A web server of Bottleship that serves files and logs as Apache's does; it knows a few directives of httpd.conf and stays root.",
        |_, _| httpd(),
    ),
    Recipe::new(
        "redis",
        &["latest", "7", "7.4", "7.4.2", "6", "3.2", "alpine", "7-alpine", "3.2-alpine"],
        Fidelity::StandIn,
        "A server of Bottleship that speaks Redis' protocol and writes its files (RDB, AOF): strings, lists, hashes, sets, sorted sets, publish and subscribe; \
         no streams, scripts, clusters or replicas.",
        |tag, _| redis(tag),
    ),
    Recipe::new(
        "registry",
        &["latest", "2", "2.8", "2.8.3", "3"],
        Fidelity::StandIn,
        "The registry of Bottleship: the whole distribution specification, on port 5000; its files are an OCI layout and not the tree of the real one.",
        |_, _| registry(),
    ),
    Recipe::new(
        "bretfisher/httpenv",
        &["latest"],
        Fidelity::Sample,
        "A server of Bottleship that answers with its environment as JSON on port 8888.",
        |_, _| httpenv(),
    ),
];

/// The version that a tag stands for.
fn nginx_version(tag: &str) -> &'static str {
    match tag {
        "1.13" => "1.13.12",
        "1.13.6" => "1.13.6",
        "1.17.3" => "1.17.3",
        "1.28" | "stable" | "stable-alpine" => "1.28.0",
        _ => "1.29.3",
    }
}

fn nginx(tag: &str) -> Plan {
    let version = nginx_version(tag);
    let is_alpine = tag.ends_with("alpine");
    let base = if is_alpine { families::alpine(&alpine_release("latest")) } else { families::debian(&debian_release("bookworm")) };
    let user = [("nginx", 101, "/var/cache/nginx")];
    let tree = families::accounts(Tree::default(), if is_alpine { "/bin/ash" } else { "/bin/bash" }, &user)
        .link("usr/sbin/nginx", &of_toolbox("toolbox"))
        .file("etc/nginx/nginx.conf", include_bytes!("files/nginx/nginx.conf").as_slice())
        .file("etc/nginx/mime.types", include_bytes!("files/nginx/mime.types").as_slice())
        .file("etc/nginx/conf.d/default.conf", include_bytes!("files/nginx/default.conf").as_slice())
        .file("usr/share/nginx/html/index.html", include_bytes!("files/nginx/index.html").as_slice())
        .file("usr/share/nginx/html/50x.html", include_bytes!("files/nginx/50x.html").as_slice())
        .folder("var/cache/nginx")
        .owned("var/cache/nginx", 101, 101)
        .link("var/log/nginx/access.log", "/dev/stdout")
        .link("var/log/nginx/error.log", "/dev/stderr");
    let plan = base.env("NGINX_VERSION", version).layer("RUN install nginx, its user and its logs to stdout and stderr", tree);
    // The entrypoint came with 1.19, the graceful signal with it.
    let is_old = version < "1.19";
    let plan = if is_old {
        plan
    } else {
        plan.layer("COPY docker-entrypoint.sh /", entrypoint(include_bytes!("files/nginx/docker-entrypoint.sh")))
    };
    let plan = if is_old { plan } else { plan.entrypoint(&["/docker-entrypoint.sh"]) };
    plan.expose(&[80]).stop_signal(if is_old { "SIGTERM" } else { "SIGQUIT" }).cmd(&["nginx", "-g", "daemon off;"])
}

fn entrypoint(script: &'static [u8]) -> Tree {
    Tree::default().program("docker-entrypoint.sh", script).folder("docker-entrypoint.d")
}

fn httpd() -> Plan {
    let root = "usr/local/apache2";
    let tree = Tree::default()
        .link(&format!("{root}/bin/httpd"), &of_toolbox("toolbox"))
        .file(&format!("{root}/conf/httpd.conf"), include_bytes!("files/httpd/httpd.conf").as_slice())
        .file(&format!("{root}/htdocs/index.html"), include_bytes!("files/httpd/index.html").as_slice())
        .folder(&format!("{root}/logs"));
    families::debian(&debian_release("bookworm"))
        .env("HTTPD_PREFIX", "/usr/local/apache2")
        .env("PATH", &format!("/usr/local/apache2/bin:{PATH}"))
        .workdir("/usr/local/apache2")
        .env("HTTPD_VERSION", "2.4.65")
        .layer("RUN install httpd to /usr/local/apache2", tree)
        .stop_signal("SIGWINCH")
        .layer(
            "COPY httpd-foreground /usr/local/bin/",
            Tree::default().program("usr/local/bin/httpd-foreground", include_bytes!("files/httpd/httpd-foreground").as_slice()),
        )
        .expose(&[80])
        .cmd(&["httpd-foreground"])
}

fn redis(tag: &str) -> Plan {
    let version = match tag.trim_end_matches("-alpine") {
        "3.2" => "3.2.12",
        "6" => "6.2.19",
        _ => "7.4.2",
    };
    let is_alpine = tag.ends_with("alpine");
    let base = if is_alpine { families::alpine(&alpine_release("latest")) } else { families::debian(&debian_release("bookworm")) };
    let programs = ["redis-server", "redis-cli", "gosu"];
    let tree = families::accounts(Tree::default(), if is_alpine { "/bin/ash" } else { "/bin/bash" }, &[("redis", 999, "/home/redis")]);
    let tree = programs.iter().fold(tree, |tree, name| tree.link(&format!("usr/local/bin/{name}"), &of_toolbox("toolbox")));
    base.env("REDIS_VERSION", version)
        .layer("RUN install redis and its user", tree.folder("data").owned("data", 999, 999))
        .volume("/data")
        .workdir("/data")
        .layer(
            "COPY docker-entrypoint.sh /usr/local/bin/",
            Tree::default().program("usr/local/bin/docker-entrypoint.sh", include_bytes!("files/redis/docker-entrypoint.sh").as_slice()),
        )
        .entrypoint(&["docker-entrypoint.sh"])
        .expose(&[6379])
        .cmd(&["redis-server"])
}

fn registry() -> Plan {
    let tree = Tree::default()
        .link("bin/registry", &of_toolbox("toolbox"))
        .link("sbin/tini", &of_toolbox("toolbox"))
        .folder("var/lib/registry")
        .file("etc/docker/registry/config.yml", include_bytes!("files/registry/config.yml").as_slice());
    families::alpine(&alpine_release("latest"))
        .layer("COPY registry and its configuration", tree)
        .volume("/var/lib/registry")
        .expose(&[5000])
        .layer("COPY entrypoint.sh /", Tree::default().program("entrypoint.sh", include_bytes!("files/registry/entrypoint.sh").as_slice()))
        .entrypoint(&["/entrypoint.sh"])
        .cmd(&["/etc/docker/registry/config.yml"])
}

fn httpenv() -> Plan {
    Plan::toolbox()
        .layer("COPY httpenv /", families::accounts(Tree::default(), "/sbin/nologin", &[]).link("httpenv", &of_toolbox("toolbox")))
        .expose(&[8888])
        .cmd(&["/httpenv"])
}
