use super::*;

fn published(text: &str) -> Vec<(String, i64, String)> {
    ports(text).unwrap().into_iter().map(|port| (port.published, port.target, port.protocol)).collect()
}

#[test]
fn ports_are_read_in_every_short_form() {
    let one = |host: &str, target: i64, protocol: &str| (host.to_owned(), target, protocol.to_owned());
    assert_eq!(published("80"), [one("", 80, "tcp")]);
    assert_eq!(published("8080:80/UDP"), [one("8080", 80, "udp")]);
    assert_eq!(published("8000-8010:80"), [one("8000-8010", 80, "tcp")]);
    assert_eq!(published("90-91:9-10"), [one("91", 10, "tcp"), one("90", 9, "tcp")]);
    assert_eq!(ports("127.0.0.1:1:2").unwrap()[0].host_ip, "127.0.0.1");
    assert_eq!(ports("[::1]::2").unwrap()[0].host_ip, "::1");
    for (text, why) in [
        ("x:80", "Invalid hostPort: x"),
        ("80:x", "Invalid containerPort: x"),
        ("70000:80", "Invalid hostPort: 70000"),
        ("80:", "No port specified: 80:<empty>"),
        ("1-3:5-6", "Invalid ranges specified for container and host Ports: 5-6 and 1-3"),
        ("80/icmp", "Invalid proto: icmp"),
        ("host:80:80", "Invalid ip address: host"),
    ] {
        assert_eq!(ports(text).unwrap_err(), why);
    }
}

#[test]
fn mounts_are_told_apart_by_their_source() {
    let kinds = |text: &str| volume(text).map(|volume| (volume.kind, volume.source, volume.target));
    let is = |kind: &str, source: &str, target: &str| Ok((kind.to_owned(), source.to_owned(), target.to_owned()));
    assert_eq!(kinds("/data"), is("volume", "", "/data"));
    assert_eq!(kinds("db:/data"), is("volume", "db", "/data"));
    assert_eq!(kinds("./src:/app"), is("bind", "./src", "/app"));
    assert_eq!(kinds("~/x:/app"), is("bind", "~/x", "/app"));
    assert_eq!(kinds(r"C:\x:/app"), is("bind", r"C:\x", "/app"));
    assert_eq!(kinds("${A:-/x}:/app"), is("volume", "${A:-/x}", "/app"));
    assert!(volume("./a:/b:ro,z").unwrap().read_only);
    assert_eq!(volume("./a:/b:ro,z").unwrap().bind.unwrap().selinux, "z");
    assert!(volume("db:/b:nocopy").unwrap().volume.unwrap().nocopy);
    assert_eq!(kinds("aa::b").unwrap_err(), "invalid spec: aa::b: empty section between colons");
    assert_eq!(kinds("aa:/b:ro:dd").unwrap_err(), "invalid spec: aa:/b:ro:dd: too many colons");
}

#[test]
fn spans_of_time_are_read_and_printed_as_go_does() {
    for (text, printed) in [
        ("90s", "1m30s"),
        ("1.5s", "1.5s"),
        ("1h", "1h0m0s"),
        ("2d", "48h0m0s"),
        ("100ms", "100ms"),
        ("0", "0s"),
        ("1us", "1µs"),
        ("-1m", "-1m0s"),
    ] {
        assert_eq!(duration(text).unwrap().to_string(), printed);
    }
    assert_eq!(duration("10").unwrap_err(), "time: missing unit in duration \"10\"");
    assert_eq!(duration("5x").unwrap_err(), "time: unknown unit \"x\" in duration \"5x\"");
    assert_eq!(duration("s").unwrap_err(), "time: invalid duration \"s\"");
}

#[test]
fn sizes_are_powers_of_1024() {
    for (text, number) in [("100", 100), ("1k", 1024), ("64M", 64 << 20), ("1.5 GiB", 3 << 29), ("2gb", 2 << 30), ("-1", -1), ("10b", 10)] {
        assert_eq!(bytes(text).unwrap(), Bytes(number), "{text}");
    }
    assert!(bytes("1x").unwrap_err().contains("invalid suffix"));
    assert!(bytes("much").unwrap_err().contains("invalid size"));
}

#[test]
fn command_lines_fall_into_words_as_without_a_shell() {
    let is = |line: &str, wanted: &[&str]| assert_eq!(words(line).unwrap(), wanted, "{line}");
    is("sh -c 'echo $A'", &["sh", "-c", "echo $A"]);
    is("a \"b c\"d '' e\\ f", &["a", "b cd", "", "e f"]);
    is("echo a && echo b", &["echo", "a"]);
    is("run 2>/dev/null", &["run"]);
    is("", &[]);
    assert!(words("echo 'a").is_err());
}
