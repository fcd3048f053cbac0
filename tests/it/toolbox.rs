//! The applets as a person meets them: on the command line, by both of their names.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::{Call, Output, Sandbox, binary, eventually, has_program, serve, skip, wait};

mod compared;

fn applet(line: &[&str]) -> Call {
    Call::new(binary()).args(["toolbox"]).args(line)
}

#[test]
fn an_applet_answers_to_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("jq");
    symlink(binary(), &link).unwrap();
    assert_eq!(Call::new(&link).args(["-c", ".a"]).input("{\"a\": [1, 2]}").succeeds().stdout, "[1,2]\n");
    let list = applet(&[]).succeeds().stdout;
    assert!(["curl", "httpd", "jq", "nc", "nslookup", "ping", "ps", "tree", "watch"].iter().all(|name| list.contains(name)), "{list}");
    assert!(applet(&["frob"]).exits(2).stderr.contains("there is no tool `frob`"));
}

#[test]
fn jq_agrees_with_jq() {
    let input = r#"{"name":"web","ports":[80,443],"nested":{"é":null,"b":true},"n":1.5}"#;
    let lines: &[&[&str]] = &[
        &["."],
        &["-c", "."],
        &["-r", ".name"],
        &["-S", "-c", "."],
        &[".ports[]"],
        &["-j", ".ports[]"],
        &["-c", "--arg", "x", "y", "{($x): .ports | length}"],
        &["-c", "--argjson", "x", "[1]", ".ports + $x"],
        &["-n", "-c", "[inputs.name]"],
        &["-s", "-c", "length"],
        &["-e", ".nested.b"],
        &["-e", ".missing"],
        &["-r", ".ports | map(tostring) | join(\",\")"],
        &["-c", "to_entries | map(.key)"],
        &["-r", ".ports + [\"a\\\"b\", null] | @csv"],
        &["-r", "[\"a\\tb\", 1, null, \"c\\\\d\"] | @tsv"],
        &["-c", "[leaf_paths]"],
        &["-c", "[tostream]"],
        &["--tab", ".nested"],
        &["-a", "-c", ".nested"],
        &[".ports | map(select(. > 100)) | .[0]"],
        &["-c", "[.. | numbers]"],
        &["-n", "-c", "--args", "$ARGS.positional", "a", "b"],
    ];
    if !has_program("jq") {
        return skip("jq_agrees_with_jq", "there is no jq on this machine to compare with");
    }
    for line in lines {
        let ours = applet(&[&["jq"], *line].concat()).input(input).output();
        let theirs = Call::new("jq").args(*line).input(input).output();
        assert_eq!((ours.stdout.as_str(), ours.code()), (theirs.stdout.as_str(), theirs.code()), "jq {line:?}: {}", ours.stderr);
    }
    for (line, code) in [(&["jq", ".a ||"][..], 3), (&["jq", "nosuch"], 3), (&["jq", ".name[0]"], 5), (&["jq", ".", "/no/file"], 2)] {
        assert!(!applet(line).input(input).exits(code).stderr.is_empty(), "{line:?}");
    }
    assert_eq!(applet(&["jq", "."]).input("{\"cut\":").output().code(), 2);
}

#[test]
fn ping_counts_what_comes_back() {
    let output = applet(&["ping", "-c", "2", "-i", "0.01", "127.0.0.1"]).output();
    if output.stderr.contains("socket: ") {
        return skip("ping_counts_what_comes_back", "neither raw nor datagram ICMP sockets are allowed here (net.ipv4.ping_group_range)");
    }
    assert_eq!(output.code(), 0, "{output}");
    assert!(
        output.stdout.starts_with("PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=")
    );
    assert!(output.stdout.contains("2 packets transmitted, 2 received, 0% packet loss"), "{output}");
    assert!(applet(&["ping", "-c", "1", "no.such.host.invalid"]).exits(2).stderr.contains("no.such.host.invalid: "));
}

/// A small web site: one page, a redirect to it, an error, an echo of the request, a chunked answer.
fn site(request: &str) -> Vec<u8> {
    let reply =
        |status: &str, header: &str, body: &str| format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len());
    let target = request.split_whitespace().nth(1).unwrap_or_default();
    let answer = match target {
        "/page" => reply("200 OK", "Content-Type: text/plain\r\n", "ahoy\n"),
        "/there" => reply("302 Found", "Location: /page\r\n", "moved"),
        "/round" => reply("302 Found", "Location: /round\r\n", ""),
        "/echo" => reply("200 OK", "", request),
        "/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
        "/nothing" => String::new(),
        _ => reply("404 Not Found", "", "no\n"),
    };
    answer.into_bytes()
}

#[test]
fn curl_fetches_follows_and_fails_as_curl_does() {
    let address = serve(site);
    let curl = |line: &[&str]| {
        let line: Vec<String> = line.iter().map(|word| word.replace("URL", &format!("http://{address}"))).collect();
        applet(&[&["curl"], &line.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat()).output()
    };
    let check = |output: Output, code: i32, text: &str| {
        assert!(
            output.code() == code && (output.stdout.contains(text) || output.stderr.contains(text)),
            "wanted {code} and {text:?}: {output}"
        );
    };
    check(curl(&["URL/page"]), 0, "ahoy\n");
    check(curl(&["-s", "-w", "%{http_code} %{size_download}\\n", "-o", "/dev/null", "URL/page"]), 0, "200 5\n");
    check(curl(&["URL/there"]), 0, "moved");
    check(curl(&["-sL", "-w", "%{num_redirects}", "URL/there"]), 0, "ahoy\n1");
    check(curl(&["-L", "--max-redirs", "3", "URL/round"]), 47, "Maximum (3) redirects followed");
    check(curl(&["-i", "URL/page"]), 0, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
    check(curl(&["-I", "URL/page"]), 0, "Content-Length: 5\r\n\r\n");
    check(curl(&["-f", "URL/none"]), 22, "The requested URL returned error: 404");
    check(curl(&["-sf", "URL/none"]), 22, "");
    check(curl(&["URL/chunks"]), 0, "abcde");
    check(curl(&["URL/nothing"]), 52, "Empty reply from server");
    check(curl(&["https://127.0.0.1/"]), 1, "Protocol \"https\" not supported");
    check(curl(&["http://no.such.host.invalid/"]), 6, "Could not resolve host: no.such.host.invalid");
    let echo = curl(&["-X", "PUT", "-d", "a=1", "-d", "b=2", "-H", "X-Ship: ahoy", "URL/echo"]).stdout;
    assert!(echo.starts_with("PUT /echo HTTP/1.1\r\n") && echo.contains("X-Ship: ahoy\r\n") && echo.ends_with("\r\n\r\na=1&b=2"), "{echo}");
}

#[test]
fn curl_says_when_nobody_listens() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = applet(&["curl", "-sS", &format!("http://{address}/")]).exits(7);
    assert!(output.stderr.contains("curl: (7) Failed to connect to 127.0.0.1 port"), "{output}");
    let output = applet(&["curl", "-sv", &format!("http://{address}/")]).exits(7);
    assert!(output.stderr.contains("failed: Connection refused"), "-v says why: {output}");
    // Tried again in vain, and the code of no answer once at the end.
    let words = ["curl", "-S", "--retry", "2", "--retry-delay", "0", "--retry-connrefused", "-w", "%{http_code}"];
    let output = applet(&[&words[..], &[&format!("http://{address}/")]].concat()).exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.matches("Will retry").count()), ("000", 2), "{output}");
}

#[test]
fn curl_gives_up_after_its_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    applet(&["curl", "-m", "0.2", &format!("http://{address}/")]).patience(Duration::from_secs(20)).exits(28);
}

#[test]
fn httpd_serves_its_folder_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("www")).unwrap();
    fs::write(folder.path().join("www/index.html"), "<h1>ahoy</h1>").unwrap();
    fs::write(folder.path().join("secret"), "treasure").unwrap();
    symlink("../secret", folder.path().join("www/out")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = folder.path().join("www").display().to_string();
    let mut server = applet(&["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h", &home]).command().spawn().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let page = eventually("the server", Duration::from_secs(20), || {
        let output = applet(&["curl", "-s", &base]).output();
        (output.code() == 0).then_some(output.stdout)
    });
    assert_eq!(page, "<h1>ahoy</h1>");
    for outside in ["/../secret", "/out", "/%2e%2e/secret", "/no"] {
        let output = applet(&["curl", "-s", "-w", "%{http_code}", &format!("{base}{outside}")]).output();
        assert!(output.stdout.ends_with("404") && !output.stdout.contains("treasure"), "{outside}: {output}");
    }
    server.kill().unwrap();
    wait(&mut server, Duration::from_secs(5)).unwrap();
}

#[test]
fn nc_carries_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket").display().to_string();
    let mut listening = applet(&["nc", "-l", "-U", &path, "-e", "cat"]).command().spawn().unwrap();
    eventually("the socket", Duration::from_secs(20), || fs::exists(&path).unwrap().then_some(()));
    assert_eq!(applet(&["nc", "-N", "-U", &path]).input("over and back\n").succeeds().stdout, "over and back\n");
    assert!(wait(&mut listening, Duration::from_secs(20)).unwrap().success());
    assert!(applet(&["nc", "-zv", "127.0.0.1", "1"]).exits(1).stderr.contains("Connection refused"));
}

#[test]
fn watch_stops_when_the_output_changes() {
    let sandbox = Sandbox::new();
    let count = sandbox.path().join("count").display().to_string();
    let command = format!("echo x >> {count}; cat {count}");
    let output = applet(&["watch", "-g", "-n", "0.1", &command]).patience(Duration::from_secs(30)).succeeds();
    assert!(output.stdout.starts_with("Every 0.1s: echo x"), "{output}");
    assert!(output.stdout.ends_with("x\nx\n"), "{output}");
}

#[test]
fn ps_sees_a_process_and_its_parent() {
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id().to_string();
    let shown = applet(&["ps", "-o", "ppid=,args=", "-p", &pid]).succeeds().stdout;
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), [&std::process::id().to_string(), "sleep", "1000"]);
    assert!(applet(&["ps", "aux"]).succeeds().stdout.lines().any(|line| line.ends_with("sleep 1000")));
    assert!(applet(&["ps", "-ef", "--forest"]).succeeds().stdout.contains("\\_ sleep 1000"));
    child.kill().unwrap();
    child.wait().unwrap();
    applet(&["ps", "-p", &pid]).exits(1);
}

#[test]
fn a_closed_pipe_ends_a_tool_without_a_word() {
    let line = format!("{} toolbox ps aux | head -n 0", binary().display());
    let output = Call::new("sh").args(["-c", &line]).succeeds();
    assert_eq!(output.stderr, "");
}

#[test]
fn nginx_listens_at_the_addresses_that_it_is_told_and_at_no_other() {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path().join(name).to_str().expect("a path of text").to_owned();
    let server = |listen: &str, word: &str| format!("server {{ listen {listen}; return 200 {word}; }}\n");
    let servers =
        [("8080", "all"), ("127.0.0.2:8080", "two"), ("[::1]:8080", "six"), ("127.0.0.3:8081", "three")].map(|(at, word)| server(at, word));
    let http = format!("http {{ access_log off;\n{} }}", servers.concat());
    let conf = format!("daemon off; user root; worker_processes 1; pid {}; error_log stderr;\nevents {{ }}\n{http}\n", path("pid"));
    fs::write(path("conf"), conf).expect("write a configuration");
    // A network of its own: its ports are nobody else's.
    let script = format!(
        "busybox ip link set lo up\n{0} toolbox nginx -c {1} &\nuntil curl -s -o /dev/null http://127.0.0.1:8080/; do kill -0 $! || exit 9; done\n\
         for url in 127.0.0.1:8080 127.0.0.2:8080 127.0.0.9:8080 [::1]:8080 127.0.0.3:8081; do curl -s http://$url/; echo \" $url\"; done\n\
         for url in 127.0.0.1:8081 [::1]:8081; do curl -s http://$url/; echo \"$? $url\"; done\nkill $!; wait $!",
        binary().display(),
        path("conf")
    );
    let said = sandbox.program("unshare").args(["--map-root-user", "--net", "sh", "-c", &script]).output();
    let wanted = "all 127.0.0.1:8080\ntwo 127.0.0.2:8080\nall 127.0.0.9:8080\nsix [::1]:8080\nthree 127.0.0.3:8081\n7 127.0.0.1:8081\n7 [::1]:8081\n";
    assert_eq!(said.stdout, wanted, "{said}");
    // An address that is not the machine's is told as nginx tells it.
    fs::write(path("conf"), format!("daemon off; http {{ {} }}", server("192.0.2.1:8080", "x"))).expect("write a configuration");
    let script = format!("busybox ip link set lo up; exec {} toolbox nginx -c {}", binary().display(), path("conf"));
    let refused = sandbox.program("unshare").args(["--map-root-user", "--net", "sh", "-c", &script]).output();
    assert!(refused.stderr.contains("[emerg] bind() to 192.0.2.1:8080 failed (99: "), "{refused}");
}
