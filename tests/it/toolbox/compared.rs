//! Our tools beside the machine's: the same line, the same output, the same exit code. Where the machine has no such tool the comparison says so.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{applet, site};
use crate::support::{Call, has_program, serve, skip};

/// Runs each line with both and compares what they print and how they end, after `same` has made equal what need not be.
fn compare(test: &str, tool: &str, lines: &[&str], folder: &Path, same: impl Fn(&str) -> String) {
    if !has_program(tool) {
        return skip(test, &format!("there is no {tool} on this machine to compare with"));
    }
    let wrong: Vec<String> = lines.iter().filter_map(|line| difference(tool, line, folder, &same)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn difference(tool: &str, line: &str, folder: &Path, same: &impl Fn(&str) -> String) -> Option<String> {
    let words = shlex::split(line).expect("a line of words");
    let plain = |call: Call| call.env("LC_ALL", "C.UTF-8").env("LS_COLORS", "").folder(folder).output();
    let ours = plain(applet(&[tool]).args(&words));
    let theirs = plain(Call::new(tool).args(&words));
    let alike = same(&ours.stdout) == same(&theirs.stdout) && ours.code() == theirs.code();
    // What is said on standard error differs in wording; that something is said does not.
    let told = ours.stderr.is_empty() == theirs.stderr.is_empty();
    (!alike || !told).then(|| format!("`{tool} {line}`\nours: {ours}\ntheirs: {theirs}"))
}

fn as_it_is(text: &str) -> String {
    text.to_owned()
}

#[test]
fn tree_draws_what_tree_draws() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("bin/deep/deeper")).unwrap();
    for (file, text) in [("bin/tool", "#!"), ("bin/deep/notes.txt", "abc"), (".hidden", "x"), ("a file", ""), ("readme.txt", "text")] {
        fs::write(at(file), text).unwrap();
    }
    fs::set_permissions(at("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    for (target, link) in [("bin", "to-a-folder"), ("bin/tool", "to-a-file"), ("nowhere", "to-nothing")] {
        symlink(target, at(link)).unwrap();
    }
    let lines = [
        "",
        ".",
        "-a",
        "-L 1",
        "-L 2 -a",
        "-d",
        "-f",
        "-fi",
        "-F",
        "-C",
        "-C -L 1",
        "-s",
        "-p",
        "-u",
        "-g",
        "-pug",
        "-h",
        "-Q",
        "-r",
        "-N",
        "-D bin",
        "--dirsfirst",
        "--dirsfirst -r",
        "--noreport",
        "--charset ascii",
        "-I 'bin|*.txt'",
        "-P '*.txt'",
        "bin a.missing",
        "missing",
        "-L 0",
        "-L x",
        "--frobnicate",
        "-o drawn",
        "bin bin/deep",
    ];
    compare("tree_draws_what_tree_draws", "tree", &lines, folder.path(), as_it_is);
}

#[test]
fn curl_sends_and_prints_what_curl_does() {
    let address: SocketAddr = serve(site);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "two\nlines\n").unwrap();
    let line = |line: &str| line.replace("URL", &format!("http://{address}")).replace("PORT", &address.port().to_string());
    let lines: Vec<String> = [
        "-s URL/page",
        "-si URL/page",
        "-sI URL/page",
        "-sL URL/there",
        "-siL URL/there",
        "-s URL/none",
        "-sf URL/none",
        "-sSf URL/none",
        "-s --fail-with-body URL/none",
        "-s -o /dev/null -w '%{http_code}' URL/none",
        "-sL -o /dev/null -w '%{http_code} %{num_redirects} %{url_effective}\\n' URL/there",
        "-s -o /dev/null -w '%{redirect_url}|%{content_type}|%{size_download}|%{remote_ip}|%{remote_port}' URL/there",
        "-s -D - -o /dev/null URL/page",
        "-s URL/chunks",
        "-s URL/nothing",
        "-sS URL/nothing",
        "-s URL/page URL/none",
        "-s --url URL/page",
        "-sN URL/page",
        "-s -X DELETE URL/echo",
        "-s -X POST URL/echo",
        "-s -X PUT URL/echo",
        "-s -d a=b -d c=d URL/echo",
        "-s -d '' URL/echo",
        "-s -d @data URL/echo",
        "-s --data-binary @data URL/echo",
        "-s --data-raw @data URL/echo",
        "-s --data-urlencode 'q=a b&c' URL/echo",
        "-s -G -d a=b URL/echo",
        "-s --json '{\"a\":1}' URL/echo",
        "-s -d '{}' -H 'Content-Type: application/json' URL/echo",
        "-s -H 'X-Ship: ahoy' -H 'Accept:' URL/echo",
        "-s -u me:secret URL/echo",
        "-s -A me URL/echo",
        "-s -e http://from/ URL/echo",
        "-s -b a=1 URL/echo",
        "-s -r 0-3 URL/echo",
        "-s --resolve ship.test:PORT:127.0.0.1 http://ship.test:PORT/page",
        "-s --retry 1 URL/page",
        "-s --max-redirs 2 -L URL/round",
        "-s http://127.0.0.1:1/",
        "-sS http://127.0.0.1:1/",
        "-s -o /dev/null -w '%{http_code}' http://127.0.0.1:1/",
        "-s --unix-socket missing http://localhost/",
        "-sS -o no/such/folder URL/page",
        "-s http://no.such.host.invalid/",
        "--frobnicate",
        "",
    ]
    .iter()
    .map(|text| line(text))
    .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // Each names itself.
    let same =
        |text: &str| text.lines().filter(|line| !line.to_ascii_lowercase().starts_with("user-agent:")).collect::<Vec<_>>().join("\n");
    compare("curl_sends_and_prints_what_curl_does", "curl", &lines, folder.path(), same);
}

#[test]
fn jq_prints_what_jq_prints() {
    let folder = tempfile::tempdir().unwrap();
    let pods = r#"{"items":[{"metadata":{"name":"web-1","labels":{"app":"web"}},"status":{"phase":"Running","restarts":0}},
        {"metadata":{"name":"db-1"},"status":{"phase":"Pending","restarts":12}}],"HOSTNAME":"bench"}"#;
    fs::write(folder.path().join("pods.json"), pods).unwrap();
    let filters = [
        ".",
        "-c .",
        "-S .",
        "-r .HOSTNAME",
        "'.items[0] | keys'",
        "'.items | length'",
        "-r '.items[].metadata.name'",
        "-c '.items[1].status'",
        "-r '.items[] | select(.status.phase == \"Running\") | .metadata.name'",
        "-c '.items | map(.status.restarts) | add, min, max, sort'",
        "-r '.items[] | [.metadata.name, .status.phase, .status.restarts] | @tsv'",
        "-r '.items[] | [.metadata.name, .status.restarts] | @csv'",
        "-c '[.items[].metadata.name | test(\"^web\")]'",
        "-c '.items[0].metadata | to_entries'",
        "-c '.items | map({(.metadata.name): .status.phase}) | add'",
        "-r '.items[] | \"\\(.metadata.name): \\(.status.restarts)\"'",
        "-r '.items[0].metadata.labels | to_entries[] | \"\\(.key)=\\(.value)\"'",
        "-c '[paths(type == \"number\")]'",
        "-c '.items | group_by(.status.phase) | map(length)'",
        "-c '[.items[].metadata.labels.app // \"none\"]'",
        "-r '.items[].metadata.name | sub(\"-\"; \"_\"), ascii_upcase, split(\"-\")[0]'",
        "-c 'del(.items)'",
        "-c '.HOSTNAME = \"x\" | .HOSTNAME'",
        "-r '.HOSTNAME | @base64, @uri, @sh, @json'",
        "-c '.items | sort_by(.status.restarts) | reverse | .[0].metadata.name'",
        "-e .missing",
        "-e .HOSTNAME",
        "'.missing.deeper'",
        "'.HOSTNAME.x'",
        "'.items[0] + 1'",
        "'.['",
        "nosuch",
        "-n '1 + 1, 4 / 2, 10 / 4, (4 | sqrt), 7 % 3'",
        "-n '[1,2.5,3.0,1e3,0.1] | add'",
        "-n '\"x\" | halt_error(3)'",
        "-n '{a: 1} | halt_error'",
        "-n 'error(\"no\")'",
        "-n '[\"a\", 1, null, true] | join(\"-\")'",
        "-n '0 | todate'",
        "-n '1577934245 | strftime(\"%Y-%m-%d\")'",
        "-n --arg who me '\"hi \" + $who'",
        "-n --argjson n 2 '$n + 1'",
        "-n -r '[1, \"a\"] | tojson'",
        "-n 'infinite, -infinite, nan'",
        "-n '[limit(3; range(10))]'",
        "-n 'reduce range(5) as $i (0; . + $i)'",
        "-n '[1, [2, [3]]] | flatten'",
        "-n '\"a,b\" | split(\",\") | length'",
        "-n -c '{a: 1, b: null} | with_entries(select(.value != null))'",
        "-n 'try error(\"x\") catch .'",
        "-n -c '[1,2,3] | .[1:], first, last, index(2), any(. > 2), all(. > 0)'",
        "-n -c '\"test\" | explode, (explode | implode)'",
        "-j '.HOSTNAME, 1'",
        "--tab '.items[1]'",
        "--indent 1 '.items[1]'",
        ". missing.json",
    ];
    let lines: Vec<String> = filters
        .iter()
        .map(|filter| if filter.contains("missing.json") { (*filter).to_owned() } else { format!("{filter} pods.json") })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    compare("jq_prints_what_jq_prints", "jq", &lines, folder.path(), as_it_is);
}

#[test]
fn ps_has_the_columns_and_values_of_ps() {
    // A process of which nothing changes while it is looked at.
    let mut sleeping = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = sleeping.id();
    let lines: Vec<String> = [
        "-p PID",
        "-f -p PID",
        "-F -p PID",
        "-l -p PID",
        "u -p PID",
        "PID",
        "-o pid,comm -p PID",
        "-o pid= -p PID",
        "-o pid,ppid,user,stat,args -p PID",
        "-o user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,command -p PID",
        "-o uid,gid,euid,ruid,egid,group,egroup,euser -p PID",
        "-o pid,ni,pri,cls,psr,nlwp -p PID",
        "-o pidns,netns,mntns,userns,utsns,ipcns -p PID",
        "-o lstart -p PID",
        "-o pid,args:10 -p PID",
        "-o user:20,pid -p PID",
        "-p 4194303",
        "-o frobnicate -p PID",
        "--frobnicate",
        "-p x",
        "-o pid,comm --no-headers -p PID",
    ]
    .iter()
    .map(|line| line.replace("PID", &pid.to_string()))
    .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let done = std::panic::catch_unwind(|| compare("ps_has_the_columns_and_values_of_ps", "ps", &lines, Path::new("/"), as_it_is));
    sleeping.kill().unwrap();
    sleeping.wait().unwrap();
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn ping_speaks_as_ping_does() {
    let lines = [
        "-c 1 127.0.0.1",
        "-c 3 -W 1 -i 0.2 127.0.0.1",
        "-q -c 2 -i 0.2 127.0.0.1",
        "-c 1 localhost",
        "-n -c 1 localhost",
        "-c 1 -s 100 127.0.0.1",
        "-c 1 -s 4 127.0.0.1",
        "-D -c 1 127.0.0.1",
        "-A -c 2 127.0.0.1",
        "-c 1 -t 9 127.0.0.1",
        "-c 1 no.such.host.invalid",
        "",
        "-c 0 127.0.0.1",
        "-c x 127.0.0.1",
    ];
    if applet(&["ping", "-c", "1", "127.0.0.1"]).output().stderr.contains("socket: ") {
        return skip("ping_speaks_as_ping_does", "neither raw nor datagram ICMP sockets are allowed here (net.ipv4.ping_group_range)");
    }
    compare("ping_speaks_as_ping_does", "ping", &lines, Path::new("/"), without_times);
}

/// Times become `T`, so that two runs are alike.
fn without_times(text: &str) -> String {
    let one = |line: &str| match line {
        line if line.starts_with("rtt ") => "rtt".to_owned(),
        line => {
            let line = if line.starts_with('[') { line.split_once("] ").map_or(line, |(_, rest)| rest) } else { line };
            let cut = ["time=", "time "].iter().find_map(|word| line.find(word).map(|at| &line[..at + word.len()]));
            cut.unwrap_or(line).to_owned()
        }
    };
    text.lines().map(one).collect::<Vec<_>>().join("\n")
}
