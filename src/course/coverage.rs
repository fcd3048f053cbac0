//! What the course promises to teach, kept as data: the rows of the concept list and the command lines of its first part. A lesson that stops to
//! teach one of them, or types it a little differently, is noticed here.

use std::collections::BTreeSet;

use super::concepts::{Concepts, Coverage, FILE, State};
use super::fact::{Fact, KINDS, Kind};
use super::library::Course;
use super::{lint, unit::Unit};

/// Mistakes that are often copied, taught as facts: of "Containers by hand", "Dockerfiles", "Images" and "Registries", "Running containers", "Data" and
/// "Networks", "Security". The rows of what is right stand in `lessons/concepts.yaml`.
const CORRECTED: &[&[u32]] = &[
    &[25, 26, 27, 28, 29],
    &[1, 2, 4, 5, 19, 20, 21, 22],
    &[2, 6, 7, 10, 11, 12, 13, 16, 19, 22, 24, 46, 47, 48, 50],
    &[6, 7, 13, 31, 32, 33, 60, 103],
    &[3, 4, 5, 8, 9, 14, 17, 18, 39, 43, 98],
    &[29, 49, 78],
];

/// Command lines that must be typed as they are, each with the lesson.
const TYPED: &[(&str, &str)] = &[
    ("by-hand/process", "ps aux"),
    ("by-hand/process", "ps aux | grep app.js"),
    ("by-hand/process", "ps uax"),
    ("by-hand/virtual-machines", "wsl -d docker-desktop"),
    ("by-hand/libraries", "ldd /bin/ldd"),
    ("by-hand/weak-jail", "kill -9 71"),
    ("by-hand/better-root", "apt-get update -y"),
    ("by-hand/better-root", "apt-get install debootstrap -y"),
    ("by-hand/better-root", "debootstrap --variant=minbase jammy /better-root"),
    ("by-hand/unshare", "unshare --mount --uts --ipc --net --pid --fork --user --map-root-user chroot /better-root bash"),
    ("by-hand/unshare", "mount -t proc none /proc"),
    ("by-hand/unshare", "mount -t sysfs none /sys"),
    ("by-hand/unshare", "mount -t tmpfs none /tmp"),
    ("by-hand/sharing", SHARING),
    ("by-hand/socket", SOCKET),
    ("by-hand/cgroups", "ls /sys/fs/cgroup/"),
    ("by-hand/cgroups", "mkdir /sys/fs/cgroup/sandbox"),
    ("by-hand/cgroups", "ls /sys/fs/cgroup/sandbox/"),
    ("by-hand/members", "echo 8262 > /sys/fs/cgroup/sandbox/cgroup.proc"),
    ("by-hand/members", "echo 8262 > /sys/fs/cgroup/sandbox/cgroup.procs"),
    ("by-hand/members", "mkdir /sys/fs/cgroup/other-procs"),
    ("by-hand/members", "cat /sys/fs/cgroup/cgroup.procs"),
    ("by-hand/members", "echo 1 > /sys/fs/cgroup/other-procs/cgroup.procs"),
    ("by-hand/members", "echo ... > /sys/fs/cgroup/other-procs/cgroup.procs"),
    ("by-hand/members", "echo \"+cpuset +cpu +io +memory +hugetlb +pids +rdma\" > /sys/fs/cgroup/cgroup.subtree_control"),
    ("by-hand/memory", "yes | tr \\\\n x | head -c 1048576000 | grep n"),
    ("by-hand/memory", "echo 83886080 > /sys/fs/cgroup/sandbox/memory.max"),
    ("by-hand/cpu", "yes > /dev/null"),
    ("by-hand/cpu", "echo '5000 100000' > cpu.max"),
    ("by-hand/pids", ":(){ :|:& };:"),
    ("by-hand/pids", "echo 3 > pids.max"),
    ("by-hand/export", "mkdir container-root"),
    ("by-hand/export", "tar xf dockercontainer.tar -C container-root/"),
    ("dockerfiles/recipe", "docker build ."),
    ("dockerfiles/recipe", "docker build -t thomasmarkiewicz/redis:latest ."),
    ("dockerfiles/recipe", "docker build -t my-node-app ."),
    ("dockerfiles/recipe", "docker build -t my-node-app:2 ."),
    ("dockerfiles/context", "cp .gitignore .dockerignore"),
    ("dockerfiles/context", "docker build -t sailsbret ."),
    ("dockerfiles/user", "docker build -t centos-node ."),
    ("dockerfiles/three-stages", "docker build -t myapp ."),
    ("dockerfiles/three-stages", "docker build -t myapp:prod --target prod ."),
    ("dockerfiles/three-stages", "docker build -t testnode --target=test ."),
    ("dockerfiles/three-stages", "docker build -t testnode --target=test --no-cache ."),
    ("dockerfiles/command", "docker build -t assignment1 ."),
    ("dockerfiles/command", "docker build -t assignment1:notini ."),
];
/// The same for images and registries.
const TYPED_IMAGES: [(&str, &str); 45] = [
    ("images/image", "docker pull alpine"),
    ("images/image", "docker image ls"),
    ("images/list", "docker images"),
    ("images/names", "docker pulll gcr.io/google-containers/alpine-with-bash:1.0"),
    ("images/names", "docker pull gcr.io/google-containers/alpine-with-bash:1.0"),
    ("images/names", "docker pull hellow-world"),
    ("images/names", "docker pull bcbcarl/hollywood"),
    ("images/layers", "docker pull nginx"),
    ("images/search", "docker search python"),
    ("images/run", "docker run hello-world"),
    ("images/run", "docker run alpine"),
    ("images/run", "docker run -it -rm hello-world"),
    ("images/commit", "docker commit -c 'CMD [\"redis-server\"]' try"),
    ("images/commit", "docker commit -c 'CMD [\"redis-server\"]' try me/redis"),
    ("images/prune", "docker image prune"),
    ("images/prune", "docker system prune"),
    ("images/prune", "docker system prune -a"),
    ("images/platforms", "docker image inspect arm64v8/node:10-alpine | grep Arch"),
    ("images/platforms", "docker image inspect node:10-alpine | grep Arch"),
    ("registries/login", "security -v unlock-keychain ~/Library/Keychains/login.keychain-db"),
    ("registries/push", "docker login -u maciejka docker.io"),
    ("registries/push", "docker tag kiada maciejka/kiada:0.1"),
    ("registries/push", "docker push $IMAGE_TAG"),
    ("registries/push", "docker history kiada:latest"),
    ("registries/push", "docker rmi kiada:latest"),
    ("registries/own", "docker pull registry"),
    ("registries/own", "docker pull hello-world"),
    ("registries/own", "docker container run -d -p 5000:5000 --name registry registry"),
    ("registries/own", "docker tag hello-world 127.0.0.1:500/hello-world"),
    ("registries/own", "docker push 127.0.0.1:500/hello-world"),
    ("registries/own", "docker tag hello-world 127.0.0.1:5000/hello-world"),
    ("registries/own", "docker push 127.0.0.1:5000/hello-world"),
    ("registries/own", "docker image rm -f 127.0.0.1:5000/hello-world hello-world"),
    ("registries/own", "docker pull 127.0.0.1:5000/hello-world"),
    ("registries/own", "docker container kill registry"),
    ("registries/own", "docker container rm registry"),
    ("registries/keep", "docker tag nginx 127.0.0.1:5000/nginx"),
    ("registries/keep", "docker push 127.0.0.1:5000/nginx"),
    ("registries/keep", "docker image remove 127.0.0.1:5000/hello-world"),
    ("registries/keep", "docker image remove hello-world"),
    ("registries/keep", "docker container run -d -p 5000:5000 --name registry -v $(pwd)/registry-data:var/lib/registry registy"),
    ("registries/keep", "docker container run -d -p 5000:5000 --name registry -v $(pwd)/registry-data:/var/lib/registry registry"),
    ("registries/keep", "tree resitry-data"),
    ("registries/tls", "docker build -t registry.mycompany.io:5000/myimage:awesome ."),
    ("registries/tls", "docker push registry.mycompany.io:5000/myimage:awesome"),
];
/// The same for containers.
const TYPED_CONTAINERS: &[(&str, &str)] = &[
    ("containers/run", "docker container run --publish 80:80 nginx"),
    ("containers/run", "docker container run --publish 80:80 --detach nginx"),
    ("containers/run", "docker container ls"),
    ("containers/run", "docker ps"),
    ("containers/run", "docker container run --publish 80:80 --detach --name nginx nginx"),
    ("containers/run", "docker container run -p 8080:80 --detach --name apache httpd"),
    ("containers/run", "docker container stop 4c60307e32ee"),
    ("containers/run", "docker container start 4c60307e32ee"),
    ("containers/run", "docker container logs busy_northcutt"),
    ("containers/run", "docker container rm -f 974319dc07da 4c60307e32ee 428e9259c1e0"),
    ("containers/lives", "docker run busybox echo hi there"),
    ("containers/lives", "docker run busybox echo \"Hello World\""),
    ("containers/lives", "docker run busybox ls"),
    ("containers/lives", "docker run <image name> <command>"),
    ("containers/lives", "docker run alpine"),
    ("containers/lives", "docker create hello-world"),
    ("containers/lives", "docker ps --all"),
    ("containers/stop", "docker run --name kiada-container -p 1234:8080 -d kiada"),
    ("containers/stop", "docker ps"),
    ("containers/stop", "docker logs kiada-container"),
    ("containers/stop", "docker stop kiada-container"),
    ("containers/stop", "docker ps -a"),
    ("containers/stop", "docker start kiada-container"),
    ("containers/stop", "docker rm kiada-container"),
    ("containers/shell", "docker run -it busybox sh"),
    ("containers/shell", "docker run -it alpine"),
    ("containers/shell", "docker run -it alpine:latest"),
    ("containers/shell", "docker run -it alpine:3.19.1"),
    ("containers/shell", "docker run -it alpine ls"),
    ("containers/shell", "docker container run -it --name proxy nginx bash"),
    ("containers/shell", "ll"),
    ("containers/shell", "docker container run -it --name ubuntu ubuntu"),
    ("containers/shell", "docker container start -ai ubuntu"),
    ("containers/shell", "docker run -dit ubuntu:jammy"),
    ("containers/shell", "docker run --rm -dit --name my-alpine alpine:3.19.1 sh"),
    ("containers/shell", "docker run -it -rm bcbcarl/hollywood"),
    ("containers/exec", "docker exec -it kiada-container bash"),
    ("containers/environment", ENVIRONMENT),
    ("containers/environment", "docker exec -it mysql mysql -uroot -p"),
    ("containers/environment", "docker container exec -it mysql bash"),
    ("containers/environment", "apt-get update && apt-get install -y procps"),
    ("containers/logs", "docker logs psql.1.terabjvf7wkt5j769t04tld02"),
    ("containers/look", "docker container top busy_northcutt"),
    ("containers/look", "docker container inspect busy_northcutt"),
    ("containers/look", "docker container stats"),
    ("containers/update", "docker update --help"),
    ("containers/tidy", "docker export -o dockercontainer.tar my-alpine"),
    ("containers/tidy", "docker kill my-alpine"),
    ("containers/tidy", "docker run my-node-app"),
    ("containers/tidy", "docker run my-node-app:1"),
    ("containers/tidy", "docker run 139055cade292280e47b2b5a15c3d18e95f4ae0ec764971240"),
    ("containers/engine", "docker version"),
    ("containers/engine", "docker info"),
    ("containers/engine", CLIENT),
    ("containers/engine", "docker exec -it maciejka-host bash"),
    ("containers/engine", "docker run quay.io/fedora/fedora echo \"Hello from Quay.io\""),
    ("containers/health", "docker container run --name p1 -e POSTGRES_HOST_AUTH_METHOD=trust -d postgres"),
    ("containers/health", HEALTHY),
    ("containers/health", "docker container ls"),
    ("containers/health", "docker service update --image nginx:1.13.6 web"),
    ("containers/health", "docker service update --end-add NODE_ENV=production --publish-rm 8080"),
    ("containers/health", "docker service scale web=8 api=6"),
];
/// The same for data and networks.
const TYPED_DATA: &[(&str, &str)] = &[
    ("data/anonymous", "docker container run --detach --name mysql -e MYSQL_ALLOW_EMPTY_PASSWORD=True mysql"),
    ("data/anonymous", "docker container inspect mysql"),
    ("data/anonymous", "docker volume ls"),
    ("data/anonymous", "docker volume inspect a823abe601ae65a5b4adc203dd9b69c9916030f713ea55e5299d63f32a098e41"),
    ("data/anonymous", "docker volume prune"),
    ("data/named", NAMED),
    ("data/named", "docker volume ls"),
    ("data/named", "docker container inspect mysql"),
    ("data/upgrade", OLD),
    ("data/upgrade", "docker volume ls"),
    ("data/upgrade", "docker exec -it postgres1 psql -U postgres"),
    ("data/upgrade", "CREATE DATABASE guru99;"),
    ("data/upgrade", "\\c guru99"),
    ("data/upgrade", "CREATE TABLE account("),
    ("data/upgrade", "email VARCHAR (355) UNIQUE NOT NULL,"),
    ("data/upgrade", "insert into account values (1, 'hbachkou', 'mypass', 'hbachkou@gmail.com', current_timestamp, current_timestamp);"),
    ("data/upgrade", NEW),
    ("data/upgrade", "docker exec -it postgres2 psql -U postgres"),
    ("data/upgrade", "select * from account;"),
    ("data/bind", "docker run --mount type=bind,source=./dist,target=/usr/share/nginx/html -p 8080:80 nginx"),
    ("networks/default", "docker network ls"),
    ("networks/default", "docker network create --driver overlay mydrupal"),
    ("networks/own", "docker network create --driver=bridge app-net"),
    ("networks/alias", ROUND_ROBIN),
    ("networks/ports", "docker run -p my-node-app2"),
    ("networks/ports", "lsof -iTCP -sTCP:LISTEN -n -P"),
    ("networks/app", "docker run -dit --name my-mongo --rm mongo"),
    ("networks/app", "docker top my-mongo"),
    ("networks/app", "docker network create --driver=bridge app-net"),
    ("networks/app", "docker run -d --network=app-net -p 27017:27017 --name=db mongo:7"),
    ("networks/app", WITH_MONGO),
];
/// The same for security, and the lines of all these groups that notes have with brackets and dots.
const TYPED_SECURITY: &[(&str, &str)] = &[
    ("security/user", "docker top 017"),
    ("security/scan", "docker scout quickview <image name or id>"),
    ("containers/notes", "docker logs <container id>"),
    ("containers/notes", "docker start -a <container id>"),
    ("containers/notes", "docker stop <container id>"),
    ("containers/notes", "docker kill <container id>"),
    ("containers/notes", "docker attach <ID or name>"),
    ("containers/notes", "docker pause <name or hash>"),
    ("containers/notes", "docker unpause <name or hash>"),
    ("containers/notes", "docker restart <name or hash>"),
    ("containers/notes", "docker run <image id>"),
    ("containers/notes", "docker volume inspect <name or hash>"),
    ("containers/notes", "docker network rm <name or id>"),
    ("containers/notes", "docker stack deploy -c file.yml <stackname>"),
    ("containers/notes", "docker run -p 8080:8080 <image id>"),
    ("containers/notes", "docker run -p 5000:8080 <image id>"),
    ("containers/notes", "docker run -p 8080:8080 <image name|id>"),
    ("containers/notes", "docker run -p INCOMING_LOCAL_HOST_PORT:PORT_INSIDE_CONTAINER <image name>"),
    ("containers/notes", "docker create <image name> <command>"),
    ("containers/notes", "docker create <image name> <optional startup command>"),
    ("containers/notes", "docker exec -it <container id> redis-cli"),
    ("containers/notes", "docker exec -it <container id> sh"),
    ("containers/notes", "docker run -it <image name> sh"),
    ("containers/notes", "docker container run -it ..."),
    ("containers/notes", "Docker update"),
    ("containers/notes", "docker run thomasmarkiewicz/redis:latest"),
    ("containers/notes", "docker inspect kiada-container"),
];
/// The same for Compose, and for habits with Node.js and in production.
const TYPED_COMPOSE: &[(&str, &str)] = &[
    ("compose/file", "Docker compose config"),
    ("compose/file", "docker compose up -d"),
    ("compose/file", "docker compose"),
    ("compose/file", "docker-compose"),
    ("compose/given", "curl -o docker-compose.yml https://k8smastery.com/dockercoins-compose.yml"),
    ("compose/given", "docker compose up --build"),
    ("compose/habits", "kompose convert --build local"),
    ("compose/merge", "docker-compose -f docker-compose.yml -f docker-compose.test.yml up -d"),
    ("compose/merge", "docker-compose -f docker-compose.yml -f docker-compose.prod.yml config > output.yml"),
    ("compose/names", "docker-compose exec -u root"),
    ("compose/scale", "docker compose up db -d"),
    ("compose/scale", "docker compose up --scale web=10"),
    ("compose/scale", "docker compose up --scale db=10"),
    ("compose/up", "docker-compose up"),
    ("compose/up", "docker-compose up -d"),
    ("compose/up", "docker-compose down -v"),
    ("compose/up", "docker-compose build"),
    ("compose/up", "docker-compose stop"),
    ("compose/up", "docker-compose push"),
    ("compose/up", "docker-compose logs"),
    ("compose/up", "docker-compose exec"),
    ("compose/up", "cd sample-02"),
    ("compose/up", "docker-compose down"),
    ("compose/up", "docker-compose exec web sh"),
    ("compose/up", "curl localhost"),
    ("compose/up", "docker-compose up -d --build"),
    ("compose/up", "docker-compose down --helps"),
    ("compose/up", "docker-compose build --no-cache"),
    ("compose/up", "docker-compose logs web"),
    ("compose/up", "curl localhost:3000"),
    ("compose/up", "docker-compose up --build"),
    ("compose/up", "docker build"),
    ("compose/values", "ll"),
    ("compose/values", "docker-compose exec psql cat /run/secrets/psql_user"),
    ("habits/collection", "cp .gitignore .dockerignore"),
    ("habits/debug", "docker-compose run ts npm i"),
    ("habits/debug", "docker-compose up"),
    ("habits/elsewhere", "docker build -t arm64node ."),
    ("habits/elsewhere", "docker run -p 8080:3000 -d arm64node"),
    ("habits/factors", "docker build -t mta ."),
    ("habits/factors", "docker run mta"),
    ("habits/factors", "docker run -it mta bash"),
    ("habits/factors", "docker run -v $(pwd)/in:/app/in -v $(pwd)/out:/app/out mta"),
    ("habits/factors", "docker run -v $(pwd)/in:/app/in -v $(pwd)/out:/app/out --env CHARCOAL_FACTOR=10 mta"),
    ("habits/factors", "docker ps -l"),
    ("habits/factors", "docker logs dbda736f5c09"),
    ("habits/factors", "docker run -v $(pwd)/logs:/app/logs -v $(pwd)/in:/app/in -v $(pwd)/out:/app/out mta"),
    ("habits/factors", "docker run -v $(pwd)/logs:/app/logs -v $(pwd)/in:/app/in -v $(pwd)/out:/app/out --env CHARCOAL_FACTOR=10 mta"),
    ("habits/factors", "cp .gitignore .dockerignore"),
    ("habits/modules", "docker-compose run express npm install"),
    ("habits/modules", "docker-compose exec express bash"),
    ("habits/modules", "ls node_modules/"),
    ("habits/modules", "docker-compose run express npm install nodemon --save-dev"),
    ("habits/modules", "docker-compose run ts npm i"),
    ("habits/modules", "docker-compose, run node npm test"),
    ("habits/node", "docker run centos-node node --version"),
    ("habits/node", "docker run -it --rm node:20"),
    ("habits/node", "docker run -it --rm node:20 bash"),
    ("habits/node", "node -v"),
    ("habits/node", "npm -v"),
    ("habits/node", "docker run -it --rm node:20 cat /etc/issue"),
    ("habits/node", "docker run -it --rm node:20-alpine"),
    ("habits/node", "docker run -it oven/bun:1.1.3 bun repl"),
    ("habits/signals", "docker run --init -d nodeapp"),
    ("habits/signals", "docker run -p 3001:3000 assignment1"),
    ("habits/signals", "docker run -d -p 3001:3000 assignment1"),
    ("habits/signals", "docker run -d -p 3001:3000 assignment1:notini"),
    ("habits/signals", "docker top 48a6"),
    ("habits/signals", "docker stop 48a6"),
    ("habits/signals", "docker run --init -d -p 3001:3000 assignment1:notini"),
    ("habits/signals", "docker top"),
    ("habits/signals", "docker run -d -p 3002:3000 assignment1"),
    ("habits/signals", "docker top 6ec2"),
    ("habits/signals", "docker stop 6ec2"),
    ("habits/tools", "ll"),
    ("habits/tools", "ps uax"),
    ("habits/tools", "ping node2"),
    ("habits/tools", "ssh -L 8080:localhost:8080 maciejka@91.214.2.28"),
];
const NAMED: &str = "docker container run --detach --name mysql -e MYSQL_ALLOW_EMPTY_PASSWORD=True -v mysql-db:/var/lib/mysql mysql";
const OLD: &str =
    "docker container run --name postgres1 -e POSTGRES_PASSWORD=secret -v psql-data:/var/lib/postgresql/data -d postgres:9.6.1";
const NEW: &str =
    "docker container run --name postgres2 -e POSTGRES_PASSWORD=secret -v psql-data:/var/lib/postgresql/data -d postgres:9.6.2";
const ROUND_ROBIN: &str = "docker container run --detach --network round_robin_network --network-alias round_robin_name \
                           --name another_elasticsearch elasticsearch:2";
const WITH_MONGO: &str =
    "docker run -p 8080:8080 --network=app-net --init --env MONGO_CONNECTION_STRING=mongodb://db:27017 my-app-with-mongo";
const ENVIRONMENT: &str = "docker container run -p 3306:3306  --env=\"MYSQL_RANDOM_ROOT_PASSWORD=yes\" --detach --name=mysql mysql";
const CLIENT: &str = "docker run -it -v /var/run/docker.sock:/var/run/docker.sock --privileged --rm --name docker-host docker:26.0.1-cli";
const HEALTHY: &str =
    "docker container run --name p2 -e POSTGRES_HOST_AUTH_METHOD=trust --health-cmd=\"pg_isready -U postgres || exit 1\" -d postgres";
const SHARING: &str = "docker run --net=host --ipc=host --uts=host --pid=host -it --security-opt=seccomp=unconfined --privileged --rm -v /:/host \
                       alpine chroot /host";
const SOCKET: &str = "docker run --net=host --ipc=host --uts=host --pid=host --privileged --security-opt=seccomp=unconfined -it --rm -v /:/host \
                      alpine chroot /host";

fn course() -> Course {
    Course::from_files(Course::embedded_files()).expect("the course in the binary is well formed")
}

fn units(course: &Course) -> impl Iterator<Item = &Unit> {
    course.units().iter().map(|entry| &*entry.example)
}

/// The same that `bottleship course coverage` says, and fails for: what nothing runs teaches nothing.
#[test]
fn no_row_has_lost_its_lesson_or_its_test() {
    let course = course();
    let concepts = Concepts::of(&course).expect("the list of rows is well formed");
    let coverage = Coverage::of(&concepts, &course);
    let lost = coverage.rows.iter().filter(|row| row.state == State::Lost);
    let lost: Vec<String> = lost.map(|row| format!("{} ({}): {}", row.id, row.title, row.why)).collect();
    assert!(lost.is_empty(), "rows that `{FILE}` calls covered: {lost:#?}");
    assert!(coverage.unknown.is_empty(), "rows that are taught and that `{FILE}` does not have: {:?}", coverage.unknown);
    let new = coverage.rows.iter().filter(|row| row.state == State::Covered && !concepts.covered.contains(&row.id));
    let new: Vec<&str> = new.map(|row| row.id.as_str()).collect();
    assert!(new.is_empty(), "rows that are taught now: add them to `covered` in `{FILE}`, so that none is lost again: {new:?}");
}

#[test]
fn every_correction_is_taught_by_a_lesson() {
    let course = course();
    let taught: BTreeSet<&str> = units(&course).filter(|unit| !unit.lab).flat_map(|unit| &unit.teaches).map(String::as_str).collect();
    let rows = CORRECTED.iter().flat_map(|rows| rows.iter()).map(|row| format!("X-{row:03}"));
    let missing: Vec<String> = rows.filter(|row| !taught.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "corrections that no lesson teaches (`teaches:` in its front matter): {missing:?}");
}

#[test]
fn every_command_is_typed_as_it_is() {
    let course = course();
    let typed = |id: &str, line: &str| {
        let unit = units(&course).find(|unit| unit.id == id);
        unit.is_some_and(|unit| unit.steps.iter().flat_map(|step| step.commands()).any(|command| command.text == line))
    };
    let lines = TYPED.iter().chain(&TYPED_IMAGES).chain(TYPED_CONTAINERS).chain(TYPED_DATA).chain(TYPED_SECURITY).chain(TYPED_COMPOSE);
    let missing: Vec<_> = lines.filter(|(id, line)| !typed(id, line)).collect();
    assert!(missing.is_empty(), "lines that their lesson does not type: {missing:#?}");
}

#[test]
fn every_kind_of_fact_is_used() {
    let course = course();
    let used: BTreeSet<&str> =
        units(&course).flat_map(|unit| &unit.steps).flat_map(|step| &step.facts).map(|fact: &Fact| name(&fact.kind)).collect();
    let idle: Vec<&str> = KINDS.into_iter().filter(|kind| !used.contains(kind)).collect();
    assert!(idle.is_empty(), "kinds of fact that no lesson and no lab uses: {idle:?}");
}

#[test]
fn the_course_has_nothing_doubtful() {
    let problems = lint::course(&course());
    assert!(problems.is_empty(), "{problems:#?}");
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Exists(_) => "exists",
        Kind::Gone(_) => "gone",
        Kind::Field { .. } => "field",
        Kind::Count(_) => "count",
        Kind::File(_) => "file",
        Kind::Process(_) => "process",
        Kind::Namespace { .. } => "namespace",
        Kind::Cgroup(_) => "cgroup",
        Kind::Mount(_) => "mount",
        Kind::Image(_) => "image",
        Kind::Layer(_) => "layer",
        Kind::Registry(_) => "registry",
        Kind::Container(_) => "container",
        Kind::Volume(_) => "volume",
        Kind::Network(_) => "network",
        Kind::Port(_) => "port",
        Kind::Log(_) => "log",
        Kind::Reach { .. } => "reach",
        Kind::Answer { .. } => "answer",
        Kind::History(_) => "history",
        Kind::Never { .. } => "never",
        Kind::Invariant { .. } => "invariant",
        Kind::Budget { .. } => "budget",
        Kind::Exec { .. } => "exec",
    }
}
