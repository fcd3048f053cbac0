//! Every course image, run for what it is there for. Where several belong together they run together, on a network on which they know each other's names.

use std::fs;

use fleet::Fleet;

mod bases;
mod fleet;
mod samples;

#[test]
fn nginx_and_httpd_serve_files_log_and_end() {
    let Some(mut fleet) = Fleet::new("course_images::nginx_and_httpd_serve_files_log_and_end") else { return };
    let nginx = fleet.ship("web", "nginx", &[], &[]);
    fleet.ship("old", "nginx:1.13", &[], &[]);
    fleet.ship("apache", "httpd", &[], &[]);
    assert_eq!(
        (nginx["config"]["StopSignal"].as_str(), nginx["config"]["ExposedPorts"].to_string().contains("80/tcp")),
        (Some("SIGQUIT"), true)
    );
    let told = fleet.tell(
        "up web; up old; up apache
         has 'Welcome to nginx' curl http://web/ && has 'Welcome to nginx' curl http://old/ && has 'It works!' curl http://apache/
         curl -o /dev/null -w 'missing: %{http_code}\\n' http://web/none
         curl -I http://web/ | grep -i ^server; curl -I http://old/ | grep -i ^server; curl -I http://apache/ | grep -i ^server
         oci exec web sh -c 'echo changed > /usr/share/nginx/html/index.html'
         curl http://web/
         oci exec web ps 2> /dev/null | grep nginx: || oci exec web sh -c 'for p in /proc/[0-9]*; do tr \"\\0\" \" \" < $p/cmdline; echo; done' | grep nginx:
         oci exec web sh -c 'for p in /proc/[0-9]*; do grep -h ^Uid: $p/status; done' | awk '{ print \"uid \" $2 }' | sort -u
         down web QUIT; down old; down apache WINCH
         sed 's/^/web: /' web.log; sed 's/^/apache: /' apache.log",
    );
    for words in [
        "missing: 404",
        "erver: nginx/1.29",
        "erver: nginx/1.13",
        "erver: Apache/2.4.65",
        "\nchanged\n",
        "nginx: master process",
        "nginx: worker process",
        "uid 0\n",
        "uid 101\n",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    // The logs are nginx's combined and Apache's common format.
    let line = |start: &str, wanted: &str| told.lines().any(|line| line.starts_with(start) && line.contains(wanted));
    assert!(line("web: 10.77.0.1 - - [", "] \"GET / HTTP/1.1\" 200 ") && line("web: 10.77.0.1", "\"GET /none HTTP/1.1\" 404 "), "{told}");
    assert!(line("apache: 10.77.0.1 - - [", "] \"GET / HTTP/1.1\" 200 "), "{told}");
}

#[test]
fn redis_keeps_what_it_was_told_over_a_restart() {
    let Some(mut fleet) = Fleet::new("course_images::redis_keeps_what_it_was_told_over_a_restart") else { return };
    fleet.ship("redis", "redis", &["redis-server", "--save", "60", "1"], &[]);
    fleet.ship("small", "redis:alpine", &[], &[]);
    let told = fleet.tell(
        "cli() { oci exec redis redis-cli \"$@\"; }
         up redis; up small; has PONG cli ping
         cli set ship bottle; cli incr visits; cli incr visits; cli lpush list a b c; cli save
         oci exec redis id -u; oci exec redis sh -c 'grep -h ^Uid: /proc/1/status'
         has PONG oci exec small redis-cli -h redis ping
         down redis; up redis; has PONG cli ping
         echo again; cli get ship; cli get visits; cli lrange list 0 -1; cli nosuch
         down redis; down small; cat redis.log",
    );
    let again = told.split("again\n").nth(1).unwrap_or_default();
    assert!(again.starts_with("bottle\n2\nc\nb\na\n") && again.contains("ERR unknown command 'nosuch'"), "{told}");
    assert!(told.contains("Uid:\t999\t") && told.contains("Ready to accept connections"), "{told}");
}

#[test]
fn a_registry_takes_images_and_gives_them_back() {
    let Some(mut fleet) = Fleet::new("course_images::a_registry_takes_images_and_gives_them_back") else { return };
    fleet.ship("registry", "registry:2", &[], &[]);
    fleet.images(&["course", "hello-world"]).succeeds();
    let told = fleet.tell(
        "up registry; has '{}' curl http://registry:5000/v2/
         images() { \"$program\" images --store \"$1\" \"$2\" --insecure-registry registry:5000 registry:5000/hello:1; }
         \"$program\" images --store store tag hello-world registry:5000/hello:1 && images store push | tail -1
         curl http://registry:5000/v2/_catalog; echo; curl http://registry:5000/v2/hello/tags/list; echo
         images other pull | tail -1; \"$program\" images --store other fsck
         down registry",
    );
    for words in [
        "1: digest: sha256:",
        "{\"repositories\":[\"hello\"]}",
        "\"tags\":[\"1\"]",
        "registry:5000/hello:1\n",
        "Everything is what its digest says",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn httpenv_and_the_small_servers_answer() {
    let Some(mut fleet) = Fleet::new("course_images::httpenv_and_the_small_servers_answer") else { return };
    fleet.ship("httpenv", "bretfisher/httpenv", &[], &["SHIP=bottle"]);
    for (name, image) in [
        ("simpleweb", "simpleweb"),
        ("visits", "visits"),
        ("redis-server", "redis"),
        ("time1", "maciejka/timeserver:1"),
        ("time2", "maciejka/timeserver:2"),
    ] {
        fleet.ship(name, image, &[], &[]);
    }
    for (name, image) in [("kiada", "maciejka/kiada:0.1"), ("node", "my-node-app"), ("flask", "docker-flask")] {
        fleet.ship(name, image, &[], &[]);
    }
    fleet.ship("one", "incrementor", &[], &["DATA_PATH=/data/num.txt"]);
    fleet.ship("jekyll", "bretfisher/jekyll-serve", &[], &[]);
    fs::create_dir_all(fleet.path("bundles/jekyll/upper/site/_posts")).unwrap();
    fs::write(fleet.path("bundles/jekyll/upper/site/_posts/2017-06-15-welcome.md"), "---\ntitle: Ahoy\n---\nHello *you*\n").unwrap();
    let told = fleet.tell(
        "for name in httpenv simpleweb visits redis-server time1 time2 kiada node flask jekyll one; do up $name; done
         has '\"SHIP\":\"bottle\"' curl http://httpenv:8888/
         has 'Hi there' curl http://simpleweb:8080/
         has 'Number of visits is 0' curl http://visits:8081/; curl http://visits:8081/; echo
         has : curl http://time1/; curl http://time2/
         has 'Kiada version 0.1' curl http://kiada:8080/; has 'omg hi' curl http://node:3000/; has 'Hello World!' curl http://flask:5000/
         has Ahoy curl http://jekyll:4000/; curl http://jekyll:4000/2017/06/15/welcome.html | grep Hello
         ends one; oci delete one; up one; ends one; cat one.log
         oci exec flask sh -c 'curl --fail -s http://localhost:5000/ || exit 1'; echo
         # A program that handles no signal, as PID 1: the kernel drops TERM.
         oci kill node TERM; curl http://node:3000/; echo; status node
         for name in time1 flask jekyll; do down $name INT; done; down httpenv; cat node.log flask.log",
    );
    for words in [
        "Number of visits is 1",
        "The time is ",
        "<em>you</em>",
        "new number: 1\nnew number: 2\n",
        "Hello World!",
        "omg hi\nrunning\n",
        "request received",
        "\"GET / HTTP/1.1\" 200 -",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}
