//! What containers are made with: volumes, secrets and configs, networks, builds.

use super::{Project, QUICK, in_order};
use crate::engine::containers::cgroups;
use crate::support::{Rights, rights, skip};

#[test]
fn anonymous_volumes_are_carried_over_unless_new_ones_are_wanted() {
    let file = |more: &str| format!("services:\n  web: {{{QUICK}, volumes: ['/srv'], environment: {{A: '{more}'}}}}\n");
    let project = Project::new(&file("1"));
    project.up(&[]);
    assert_eq!(project.exec("web", &["touch", "/srv/kept"]).code(), 0);
    project.write("compose.yaml", &file("2"));
    in_order(&project.up(&[]), &["Container x-web-1  Recreated"]);
    assert_eq!(project.exec("web", &["ls", "/srv"]).stdout, "kept\n");
    project.up(&["--force-recreate", "-V"]);
    assert_eq!(project.exec("web", &["ls", "/srv"]).stdout, "");
}

#[test]
fn what_is_external_must_be_there() {
    let project =
        Project::new(&format!("services:\n  web: {{{QUICK}, volumes: ['data:/srv']}}\nvolumes:\n  data: {{external: true, name: far}}\n"));
    let refused = project.compose(&["up", "-d"]).exits(1);
    assert_eq!(refused.stderr, "external volume \"far\" not found\n");
    project.docker(&["volume", "create", "far"]);
    project.up(&[]);
    project.compose(&["down", "-v"]).succeeds();
    assert!(project.docker(&["volume", "ls", "-q"]).contains("far"), "it is not ours to remove");
    project.write("compose.yaml", &format!("services:\n  web: {{{QUICK}, networks: [out]}}\nnetworks:\n  out: {{external: true}}\n"));
    let refused = project.compose(&["up", "-d"]).exits(1);
    assert_eq!(refused.stderr, "network out declared as external, but could not be found\n");
}

#[test]
fn secrets_and_configs_are_files_in_the_container() {
    let file = format!(
        "services:\n  web: {{{QUICK}, secrets: [key, pass], configs: [{{source: page, target: /srv/page}}]}}\n\
         secrets:\n  key: {{file: ./key.txt}}\n  pass: {{environment: PASS}}\nconfigs:\n  page: {{content: hello}}\n"
    );
    let project = Project::new(&file);
    project.write("key.txt", "from a file\n");
    project.compose(&["up", "-d"]).env("PASS", "from outside").succeeds();
    assert_eq!(
        project.exec("web", &["cat", "/run/secrets/key", "/run/secrets/pass", "/srv/page"]).stdout,
        "from a file\nfrom outsidehello"
    );
    let shown = project.inspect(&["inspect", "x-web-1"]).to_string();
    assert!(!shown.contains("from outside"), "a secret stands in no document");
}

#[test]
fn limits_of_the_file_are_those_of_the_containers() {
    if rights() != Rights::Root {
        return skip("limits_of_the_file_are_those_of_the_containers", "needs root: nobody has delegated a cgroup to this user");
    }
    let file = format!(
        "services:\n  own: {{{QUICK}, mem_limit: 32m, cpus: 0.5, pids_limit: 9}}\n  \
         deployed: {{{QUICK}, deploy: {{replicas: 2, resources: {{limits: {{memory: 48m, cpus: '0.25', pids: 7}}}}}}}}\n"
    );
    let project = Project::new(&file);
    project.up(&[]);
    // On version 2 the container's cgroup is the whole tree that it sees, on version 1 there is one for each controller.
    let names = "memory.max cpu.max pids.max memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max";
    let limits = |service: &str| {
        let read =
            format!("cd /sys/fs/cgroup; for file in {names}; do if [ -e $file ]; then read value rest < $file; echo $value; fi; done");
        project.exec(service, &["sh", "-c", &read]).stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limits("own"), ["33554432", "50000", "9"]);
    assert_eq!(limits("deployed"), ["50331648", "25000", "7"]);
    project.compose(&["pause", "own"]).succeeds();
    assert_eq!(project.docker(&["ps", "--filter", "status=paused", "--format", "{{.Names}}"]), "x-own-1\n");
    project.compose(&["unpause", "own"]).succeeds();
    project.write("compose.yaml", &file.replace("mem_limit: 32m", "mem_limit: 40m"));
    in_order(&project.up(&[]), &["Container x-own-1  Recreated"]);
    assert_eq!(limits("own"), ["41943040", "50000", "9"]);
    let ids = ["x-own-1", "x-deployed-1", "x-deployed-2"].map(|name| project.id(name));
    project.compose(&["down"]).succeeds();
    for id in ids {
        assert!(cgroups(&format!("/docker/{id}")).is_empty(), "its cgroup goes with it");
    }
}

#[test]
fn services_on_different_networks_do_not_see_each_other() {
    let project = Project::new(&format!(
        "services:\n  web: {{{QUICK}, networks: [front, back]}}\n  db: {{{QUICK}, networks: {{back: {{aliases: [store], ipv4_address: 10.77.0.9}}}}}}\n  \
         proxy: {{{QUICK}, networks: [front]}}\nnetworks:\n  front:\n  back: {{internal: true, ipam: {{config: [{{subnet: 10.77.0.0/24}}]}}}}\n"
    ));
    project.up(&[]);
    assert_eq!(project.exec("web", &["ping", "-c", "1", "-W", "5", "store"]).code(), 0);
    assert_ne!(project.exec("proxy", &["ping", "-c", "1", "-W", "1", "db"]).code(), 0);
    let shown = project.inspect(&["inspect", "x-db-1"]);
    assert_eq!(shown["NetworkSettings"]["Networks"]["x_back"]["IPAddress"], "10.77.0.9");
    let network = project.inspect(&["network", "inspect", "x_back"]);
    assert_eq!((&network["Internal"], &network["Labels"]["com.docker.compose.network"]), (&true.into(), &"back".into()));
}

#[test]
fn a_link_to_a_service_that_has_no_container_is_passed_over() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}, links: ['db:store']}}\n  db: {{{QUICK}}}\n"));
    project.compose(&["up", "-d", "--no-deps", "web"]).succeeds();
    assert_eq!(project.docker(&["ps", "--format", "{{.Names}}"]), "x-web-1\n");
    project.up(&[]);
    project.compose(&["up", "-d", "--no-deps", "--force-recreate", "web"]).succeeds();
    assert_eq!(project.exec("web", &["ping", "-c", "1", "-W", "5", "store"]).code(), 0);
}

#[test]
fn an_image_may_be_built_of_further_folders_and_of_another_services_image() {
    let file = "services:\n  web: {build: {context: ., additional_contexts: {lib: ../lib, tools: \"service:tools\"}}, stop_signal: KILL}\n  \
        tools: {build: tools, stop_signal: KILL}\n";
    let project = Project::new(file);
    project.write("tools/Dockerfile", "FROM base:1\nRUN echo a tool > /tool\nCMD [\"sleep\", \"600\"]\n");
    project.write("Dockerfile", "FROM tools\nCOPY --from=lib . /lib/\nCOPY --from=tools /tool /copied\n");
    for (name, text) in [("../lib/a", "a file\n"), ("../lib/hidden", ""), ("../lib/.dockerignore", "hidden\n")] {
        project.write(name, text);
    }
    project.up(&[]);
    let said = project.exec("web", &["sh", "-c", "cat /lib/a /tool /copied; ls /lib"]).stdout;
    assert_eq!(said, "a file\na tool\na tool\na\n");
    // Named alone too: what it is made of is built for it, and not started.
    project.compose(&["down", "--rmi", "all"]).succeeds();
    project.compose(&["build", "web"]).succeeds();
    project.compose(&["up", "-d", "web"]).succeeds();
    assert_eq!(project.exec("web", &["cat", "/copied"]).stdout, "a tool\n");
    assert_eq!(project.compose(&["ps", "--services"]).succeeds().stdout, "web\n");
    project.write("compose.yaml", &file.replace("../lib", "../none"));
    let missing = project.compose(&["build"]).exits(1);
    assert!(
        missing.stderr.contains("failed to get build context lib: stat ") && missing.stderr.contains("/none: no such file"),
        "{missing}"
    );
}

#[test]
fn images_are_built_when_they_are_missing_or_somebody_says_so() {
    let project = Project::new("services:\n  web: {build: {context: ., args: {WORD: one}}, stop_signal: KILL}\n");
    project.write("Dockerfile", "FROM base:1\nARG WORD\nENV SAID=$WORD\nCOPY page /page\nCMD [\"sleep\", \"600\"]\n");
    project.write("page", "first\n");
    project.up(&[]);
    assert_eq!(project.exec("web", &["cat", "/page"]).stdout, "first\n");
    assert_eq!(project.exec("web", &["sh", "-c", "echo $SAID"]).stdout, "one\n");
    project.write("page", "second\n");
    project.up(&[]);
    assert_eq!(project.exec("web", &["cat", "/page"]).stdout, "first\n", "nothing is built without a wish");
    in_order(&project.up(&["--build"]), &["Container x-web-1  Recreated"]);
    assert_eq!(project.exec("web", &["cat", "/page"]).stdout, "second\n");
    project.write("Dockerfile", "FROM base:1\nFROB\n");
    let broken = project.compose(&["build"]).exits(1);
    assert!(broken.stderr.contains("unknown instruction: FROB"), "{broken}");
    project.write("compose.yaml", &format!("services:\n  web: {{{}}}\n", QUICK.replace("base:1", "nosuch.invalid/none:1")));
    let missing = project.compose(&["up", "-d"]).exits(1);
    assert!(missing.stderr.contains("web  Pulling"), "{missing}");
}
