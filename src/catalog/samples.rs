//! The sample applications of the course, and what is not made here but built.

use super::bases::alpine_release;
use super::families::{self, of_toolbox};
use super::plan::Plan;
use super::recipe::{Fidelity, Recipe};
use super::tree::Tree;

const LATEST: &[&str] = &["latest"];
const COINS: &[&str] = &["v0.1", "latest"];

/// The samples of the catalog.
pub const RECIPES: &[Recipe] = &[
    Recipe::new(
        "dockercoins/rng",
        COINS,
        Fidelity::Sample,
        "DockerCoins' source of random bytes: a tenth of a second each, one request at a time.",
        |_, _| server("rng", "coin-rng", 80),
    ),
    Recipe::new(
        "dockercoins/hasher",
        COINS,
        Fidelity::Sample,
        "DockerCoins' hasher: SHA-256 of what is posted, after a tenth of a second.",
        |_, _| server("hasher", "coin-hasher", 80),
    ),
    Recipe::new(
        "dockercoins/worker",
        COINS,
        Fidelity::Sample,
        "DockerCoins' worker: asks rng and hasher, and counts in redis once a second.",
        |_, _| program("worker", "coin-worker"),
    ),
    Recipe::new("dockercoins/webui", COINS, Fidelity::Sample, "DockerCoins' page with the graph of the speed.", |_, _| {
        server("webui", "coin-webui", 80)
    }),
    Recipe::new(
        "bretfisher/examplevotingapp_vote",
        LATEST,
        Fidelity::Sample,
        "The voting app's page to vote; votes go to redis.",
        |_, _| server("vote", "vote", 80),
    ),
    Recipe::new(
        "bretfisher/examplevotingapp_result",
        LATEST,
        Fidelity::Sample,
        "The voting app's page with the sum; it reads redis where the original reads PostgreSQL.",
        |_, _| server("result", "vote-result", 80),
    ),
    Recipe::new(
        "bretfisher/examplevotingapp_worker",
        &["latest", "java"],
        Fidelity::Sample,
        "The voting app's worker; it writes to redis where the original writes to PostgreSQL.",
        |_, _| program("worker", "vote-worker"),
    ),
    Recipe::new(
        "simpleweb",
        LATEST,
        Fidelity::Sample,
        "A server that greets on port 8080 and handles no signal, as a Node.js program without a handler.",
        |_, _| server("simpleweb", "simpleweb", 8080),
    ),
    Recipe::new("visits", LATEST, Fidelity::Sample, "A server on port 8081 that counts its visitors in `redis-server`.", |_, _| {
        server("visits", "visits", 8081)
    }),
    Recipe::new(
        "maciejka/timeserver",
        &["1", "2", "latest"],
        Fidelity::Sample,
        "A server that tells the time on port 80; version 2 says it in a sentence.",
        |tag, _| server("timeserver", "timeserver", 80).env("TIMESERVER_VERSION", if tag == "2" { "2" } else { "1" }),
    ),
    Recipe::new("maciejka/kiada", &["0.1", "latest"], Fidelity::Sample, "A server that says who it is, on port 8080.", |_, _| {
        server("kiada", "kiada", 8080)
    }),
    Recipe::new(
        "my-node-app",
        LATEST,
        Fidelity::Sample,
        "A server on port 3000 that handles no signal, as a Node.js program without a handler: as PID 1 it cannot be stopped without an init.",
        |_, _| server("my-node-app", "my-node-app", 3000),
    ),
    Recipe::new("docker-flask", LATEST, Fidelity::Sample, "A server that greets on port 5000, with a test of its health.", |_, _| {
        let curl = Tree::default().link("usr/bin/curl", &of_toolbox("toolbox"));
        server("docker-flask", "my-flask-app", 5000)
            .layer("RUN apk add curl", curl)
            .healthcheck("curl --fail -s http://localhost:5000/ || exit 1")
    }),
    Recipe::new(
        "bretfisher/jekyll-serve",
        LATEST,
        Fidelity::Sample,
        "Serves the site of Markdown files in /site on port 4000, made anew for each request; no themes and no Liquid.",
        |_, _| {
            let tree = Tree::default().link("usr/local/bin/jekyll", &of_toolbox("toolbox")).folder("site");
            let plan = families::alpine(&alpine_release("latest")).layer("COPY jekyll /usr/local/bin/", tree).workdir("/site");
            plan.expose(&[4000]).cmd(&["jekyll", "serve", "--force_polling", "-H", "0.0.0.0", "-P", "4000"])
        },
    ),
    Recipe::new(
        "dockersamples/visualizer",
        LATEST,
        Fidelity::Sample,
        "The voting app's page of a swarm's nodes and tasks, on port 8080; it asks the engine's socket, and shows containers where there is no swarm.",
        |_, _| server("visualizer", "visualizer", 8080),
    ),
    Recipe::new(
        "stephengrider/multi-client",
        &["latest", "v5"],
        Fidelity::Sample,
        "The page of the Fibonacci application, on port 3000; it passes /api on to the server itself.",
        |_, _| server("multi-client", "multi-client", 3000),
    ),
    Recipe::new(
        "stephengrider/multi-server",
        LATEST,
        Fidelity::Sample,
        "The server of the Fibonacci application, on port 5000; it keeps in redis what the original keeps in PostgreSQL.",
        |_, _| server("multi-server", "multi-server", 5000),
    ),
    Recipe::new(
        "stephengrider/multi-worker",
        LATEST,
        Fidelity::Sample,
        "The worker of the Fibonacci application: computes what it hears of in redis.",
        |_, _| program("multi-worker", "multi-worker"),
    ),
    Recipe::new(
        "bcbcarl/hollywood",
        LATEST,
        Fidelity::Sample,
        "Fills the terminal with busy windows until Ctrl-C; it is one program and no byobu session.",
        |_, _| program("hollywood", "hollywood"),
    ),
    Recipe::new("incrementor", LATEST, Fidelity::Sample, "Adds one to the number in the file DATA_PATH and ends.", |_, _| {
        program("incrementor", "incrementor").env("DATA_PATH", "/data/num.txt")
    }),
];

/// Alpine's shape with one program of the toolbox as the command; the data folder is there for those that want one.
fn program(name: &str, applet: &str) -> Plan {
    let path = format!("/usr/local/bin/{applet}");
    let tree = Tree::default().link(&path, &of_toolbox("toolbox")).folder("data");
    families::alpine(&alpine_release("latest")).layer(&format!("COPY {name} /usr/local/bin/"), tree).cmd(&[&path])
}

fn server(name: &str, applet: &str, port: u16) -> Plan {
    program(name, applet).expose(&[port])
}
