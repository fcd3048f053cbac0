//! The engine of a host: its socket is there from the boot on, and what answers behind it comes when it is needed, dies, and comes back.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::rootless::{User, possible};
use super::{clean, typed};
use crate::support::{Output, PATIENCE, Sandbox, eventually, has_program, skip, wait};

/// Every one of these is somewhere in what was said.
fn says(output: &Output, words: &[&str]) {
    for words in words {
        assert!(output.stdout.contains(words) || output.stderr.contains(words), "{words:?} is not in {output}");
    }
}

fn curl(test: &str) -> bool {
    if !has_program("curl") {
        skip(test, "curl is not installed");
    }
    has_program("curl")
}

fn docker(test: &str) -> bool {
    if !has_program("docker") {
        skip(test, "docker is not installed");
    }
    has_program("docker")
}

/// Asks the engine of a host.
const ASK: &str = "ask() { curl -sS --unix-socket /var/run/docker.sock -X \"$1\" -o /tmp/answer -w '%{http_code}' \"http://localhost$2\"; \
                   echo \" $(tr -d '\\n' < /tmp/answer | tail -c 300)\"; }\n";

#[test]
fn nobody_runs_until_somebody_connects_and_one_that_dies_comes_back() {
    if !curl("nobody_runs_until_somebody_connects_and_one_that_dies_comes_back") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "engines() { pgrep -fc '^bottleship engine'; }\n\
                 echo before: $(engines)\n\
                 stat -c 'socket: %F %a' /var/run/docker.sock\n\
                 ask GET /_ping\n\
                 echo now: $(engines)\n\
                 ask POST '/images/create?fromImage=hello-world&tag=latest'\n\
                 kill -9 $(pgrep -f '^bottleship engine')\n\
                 ask GET /images/hello-world/json\n\
                 kill $(pgrep -f '^bottleship engine')\n\
                 (for i in 1 2 3 4 5 6; do curl -sS --unix-socket /var/run/docker.sock http://localhost/_ping > /tmp/said$i & done; wait)\n\
                 echo six: $(cat /tmp/said?)\n\
                 echo after: $(engines)\n";
    let output = typed(&sandbox, &format!("{ASK}{lines}"));
    let status = "Status: Downloaded newer image for hello-world:latest";
    says(&output, &["before: 0", "socket: socket 660", "200 OK", "now: 1", status, "hello-world:latest", "six: OKOKOKOKOKOK", "after: 1"]);
    clean(&sandbox);
}

/// What the first paragraph asks for: a learner's first hour with the machine's own client.
const FIRST_HOUR: &str = "docker version --format 'server: {{.Server.Os}}'\n\
    docker pull alpine\n\
    docker images --format '{{.Repository}}:{{.Tag}}'\n\
    mkdir ctx; printf 'FROM alpine\\nCOPY greeting /greeting\\n' > ctx/Dockerfile; echo hello > ctx/greeting\n\
    DOCKER_BUILDKIT=0 docker build -t x ctx\n\
    docker login -u ann -p secret\n\
    docker tag x ann/x:1 && docker push ann/x:1\n\
    docker rmi ann/x:1 && docker pull ann/x:1\n\
    docker search --limit 3 alpine\n\
    docker pull nosuch\n";
/// What is said to it.
const ANSWERS: [&str; 9] = [
    "server: linux",
    "Status: Downloaded newer image for alpine:latest",
    "alpine:latest",
    "Successfully tagged x:latest",
    "Login Succeeded",
    "The push refers to repository [docker.io/ann/x]",
    "Status: Downloaded newer image for ann/x:1",
    "OFFICIAL",
    "pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
];

#[test]
fn the_unmodified_docker_client_is_at_home_in_a_bottle() {
    if !docker("the_unmodified_docker_client_is_at_home_in_a_bottle") {
        return;
    }
    let sandbox = Sandbox::new();
    let output = typed(&sandbox, FIRST_HOUR);
    says(&output, &ANSWERS);
    clean(&sandbox);
}

#[test]
fn the_unmodified_docker_client_is_at_home_in_an_ordinary_users_bottle() {
    const TEST: &str = "the_unmodified_docker_client_is_at_home_in_an_ordinary_users_bottle";
    if !docker(TEST) || !possible(TEST) {
        return;
    }
    let sandbox = Sandbox::new();
    let user = User::with_sub_ids(&sandbox);
    says(&user.prompt("", "").input(FIRST_HOUR).output(), &ANSWERS);
}

#[test]
fn an_image_is_a_thing_of_the_world_and_its_files_are_not() {
    if !curl("an_image_is_a_thing_of_the_world_and_its_files_are_not") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines =
        "ask POST '/images/create?fromImage=hello-world&tag=latest'\n:diff\nask GET /images/json\n:reset\nask GET /images/json\n:diff\n";
    let output = typed(&sandbox, &format!("{ASK}{lines}"));
    says(&output, &["+ image hello-world:latest", "+1 image"]);
    let told: Vec<&str> =
        output.stdout.lines().filter(|line| line.contains("/var/lib/docker") || line.contains("process bottleship")).collect();
    assert!(told.is_empty(), "{told:?} in {output}");
}

#[test]
fn docker_build_reaches_our_builder_as_the_clients_plugin() {
    const TEST: &str = "docker_build_reaches_our_builder_as_the_clients_plugin";
    let sandbox = Sandbox::new();
    let plugin = "/usr/local/lib/docker/cli-plugins/docker-buildx";
    let output = typed(&sandbox, &format!("{plugin} docker-cli-plugin-metadata\n{plugin} buildx build --nonsense .\necho $?\n:diff\n"));
    says(&output, &["\"ShortDescription\":\"Docker Buildx", "unknown flag: --nonsense", "125"]);
    assert!(!output.stdout.contains("cli-plugins"), "the plugin belongs to the host from the boot on: {output}");
    let scout = "/usr/local/lib/docker/cli-plugins/docker-scout";
    let output = typed(&sandbox, &format!("{scout} docker-cli-plugin-metadata\n{scout} scout --help\n"));
    says(&output, &["\"SchemaVersion\":\"0.1.0\"", "Count the known faults of an image"]);
    if !docker(TEST) {
        return;
    }
    let lines = "mkdir ctx && cd ctx && echo hunter2 > token\n\
        printf 'FROM alpine\\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token\\nCMD [\"true\"]\\n' > Dockerfile\n\
        docker build --progress plain --secret id=token,src=token -t app .\n\
        docker build --progress plain --secret id=token,src=token -t app . 2>&1 | grep -c CACHED\n\
        docker image inspect -f '{{json .Config.Cmd}}' app\n\
        docker build --nonsense .\n\
        DOCKER_HOST=tcp://127.0.0.1:1 docker build .\n\
        echo RUN false >> Dockerfile; DOCKER_BUILDKIT=0 docker build .\n\
        echo y | docker builder prune && docker buildx version && docker scout quickview app\n";
    let output = typed(&sandbox, lines);
    let words = ["#5 [2/2] RUN --mount", "naming to docker.io/library/app:latest done", "[\"true\"]", "unknown flag: --nonsense"];
    says(&output, &words);
    says(&output, &["a count of 0 says nothing about a real image", "docker scout cves app"]);
    says(&output, &["Total reclaimed space", "Bottleship's builder", "The command '/bin/sh -c false' returned a non-zero code: 1"]);
    assert!(
        !output.stdout.contains("legacy builder is deprecated and will be removed in a future release.\n            Install"),
        "{output}"
    );
    clean(&sandbox);
}

#[test]
fn containers_run_on_a_host() {
    if !docker("containers_run_on_a_host") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "docker run --rm --network none alpine echo hello from $((6 * 7))\n\
                 docker run -d --name web alpine sleep 1000\n\
                 docker exec web sh -c 'echo inside $(hostname -i)'\n\
                 docker run --rm alpine ping -c 1 -W 5 172.17.0.2\n\
                 docker ps --format 'row {{.Names}} {{.State}}'\n\
                 docker run --rm -m 32m alpine echo limited\n\
                 seen='cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes 2>&1; mkdir x memory/x 2>&1'\n\
                 docker run --rm -m 32m alpine sh -c \"$seen\"\n\
                 top=/sys/fs/cgroup; hand() { [ -e $top/cgroup.controllers ] || return 0; mkdir $top/mine; \
                 for pid in $(cat $top/cgroup.procs); do echo $pid > $top/mine/cgroup.procs; done; echo '+memory +pids' > $top/cgroup.subtree_control; }\n\
                 hand; docker run --rm -m 32m alpine echo handed down\n\
                 docker exec web cat /proc/1/cgroup | sed 's/^/web in: /'\n\
                 kill -9 $(pgrep -f '^bottleship engine')\n\
                 docker exec web echo still here\n\
                 docker rm -f web\n\
                 echo left: $(docker ps -aq | wc -l)\n";
    let output = typed(&sandbox, lines);
    let pulled = "Unable to find image 'alpine:latest' locally";
    says(
        &output,
        &[
            pulled,
            "hello from 42",
            "inside 172.17.0.2",
            "1 packets received",
            "row web running",
            "limited",
            "33554432",
            "Read-only file system",
            "handed down",
            "still here",
            "left: 0",
        ],
    );
    clean(&sandbox);
}

/// A learner's mistakes in daemon.json, and the way back.
#[test]
fn a_wrong_daemon_json_is_told_with_its_line_and_a_right_one_holds_after_a_restart() {
    if !docker("a_wrong_daemon_json_is_told_with_its_line_and_a_right_one_holds_after_a_restart") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "docker info --format 'mirrors: {{.RegistryConfig.Mirrors}}'\n\
        mkdir -p /etc/docker; printf '{\\n  \"registry-mirror\": [\"https://mirror.local\"]\\n}\\n' > /etc/docker/daemon.json\n\
        systemctl restart docker; echo restart: $?\n\
        systemctl is-active docker\n\
        journalctl -u docker -n 1\n\
        docker ps; echo ps: $?\n\
        printf '{\"registry-mirrors\": [\"https://mirror.local\"], \"insecure-registries\": [\"lab:5000\"], \"labels\": [\"a=b\"], \"iptables\": false}' > /etc/docker/daemon.json\n\
        bottleship engine --validate --config-file /etc/docker/daemon.json\n\
        service docker restart; echo again: $?\n\
        systemctl status docker | head -4\n\
        docker info --format 'mirrors: {{.RegistryConfig.Mirrors}} {{.Labels}} {{.RegistryConfig.IndexConfigs}}'\n\
        docker info 2>&1 | grep WARNING\n\
        systemctl stop docker; systemctl is-active docker; docker ps -q; systemctl is-active docker\n\
        systemctl restart nginx; echo nginx: $?\n";
    let output = typed(&sandbox, lines);
    let wrong = "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives don't match any configuration \
                 option: registry-mirror (line 2)";
    says(
        &output,
        &[
            "mirrors: []",
            "Job for docker.service failed because the control process exited with error code.",
            "restart: 1",
            "failed",
            wrong,
            "Is the docker daemon running?",
            "ps: 1",
            "configuration OK",
            "again: 0",
            "Active: active (running)",
            "mirrors: [https://mirror.local/] [a=b]",
            "lab:5000",
            "`iptables` of daemon.json changes nothing in this engine",
            "Unit nginx.service not found.",
            "nginx: 5",
        ],
    );
    assert_eq!(
        output.stdout.lines().filter(|line| ["active", "inactive"].contains(line)).collect::<Vec<_>>(),
        ["inactive", "active"],
        "{output}"
    );
}

#[test]
fn tls_asks_for_the_clients_certificate() {
    const TEST: &str = "tls_asks_for_the_clients_certificate";
    if !has_program("openssl") {
        return skip(TEST, "openssl is not installed");
    }
    if !docker(TEST) {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "mkdir -p /etc/docker ~/.docker; cd /etc/docker\n\
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab-ca -keyout ca-key.pem -out ca.pem 2> /dev/null\n\
        for who in server client; do openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who-key.pem -out $who.csr 2> /dev/null; done\n\
        printf 'subjectAltName=DNS:bench,IP:127.0.0.1\\nextendedKeyUsage=serverAuth\\n' > server.ext; echo extendedKeyUsage=clientAuth > client.ext\n\
        for who in server client; do openssl x509 -req -days 2 -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile $who.ext -out $who-cert.pem 2> /dev/null; done\n\
        cd; bottleship engine -H tcp://0.0.0.0:2376 --data-root /tmp/secure --tlsverify --tlscacert /etc/docker/ca.pem --tlscert /etc/docker/server-cert.pem \
            --tlskey /etc/docker/server-key.pem > /tmp/secure.log 2>&1 &\n\
        until grep -q 'API listen' /tmp/secure.log; do sleep 0.1; done\n\
        cp /etc/docker/ca.pem ~/.docker/ca.pem; cp /etc/docker/client-cert.pem ~/.docker/cert.pem; cp /etc/docker/client-key.pem ~/.docker/key.pem\n\
        docker --tlsverify -H tcp://bench:2376 version --format 'secure: {{.Server.Os}}'\n\
        rm ~/.docker/cert.pem ~/.docker/key.pem; docker --tls --tlscacert /etc/docker/ca.pem -H tcp://127.0.0.1:2376 ps\n\
        docker -H tcp://127.0.0.1:2376 ps\n";
    let output = typed(&sandbox, lines);
    says(&output, &["secure: linux", "certificate required", "Client sent an HTTP request to an HTTPS server"]);
}

#[test]
fn an_engine_is_exposed_outside_its_bottle_and_only_as_long() {
    const TEST: &str = "an_engine_is_exposed_outside_its_bottle_and_only_as_long";
    if !curl(TEST) {
        return;
    }
    let sandbox = Sandbox::new();
    let share = sandbox.path().join("share");
    std::fs::create_dir(&share).expect("make a folder to share");
    let (up, done) = (share.join("up"), share.join("done"));
    let script = format!("touch {}\nuntil [ -e {} ]; do sleep 0.05; done\n", up.display(), done.display());
    std::thread::scope(|scope| {
        let typing = scope.spawn(|| super::typed_with(&sandbox, &["--share", &share.display().to_string()], &script));
        eventually("the bottle", PATIENCE, || up.exists().then_some(()));
        let mut exposed = sandbox.bottleship(["engine", "--expose"]).command().stdout(Stdio::piped()).spawn().expect("expose it");
        let mut told = String::new();
        let mut output = BufReader::new(exposed.stdout.take().expect("its output"));
        output.read_line(&mut told).expect("its address");
        let socket = told.trim().strip_prefix("export DOCKER_HOST=unix://").unwrap_or_else(|| panic!("{told:?}")).to_owned();
        let asked = sandbox.program("curl").args(["-sS", "--unix-socket", &socket, "http://localhost/info"]).succeeds();
        assert!(asked.stdout.contains("\"Name\":\"bench\""), "{asked}");
        std::fs::write(&done, "").expect("end the bottle");
        typing.join().expect("the bottle ends");
        assert!(wait(&mut exposed, PATIENCE).expect("it ends with the bottle").success());
        assert!(!std::path::Path::new(&socket).exists());
    });
    let refused = sandbox.bottleship(["engine", "--expose"]).exits(1);
    assert!(refused.stderr.contains("main"), "{refused}");
}
