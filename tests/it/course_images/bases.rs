//! The images to build on: their shells, their applets, their package managers.

use super::fleet::Fleet;

/// A container that waits, so that others can be executed in it.
const WAITS: &[&str] = &["sleep", "1000"];

#[test]
fn hello_world_says_its_text_and_ends() {
    let Some(mut fleet) = Fleet::new("course_images::hello_world_says_its_text_and_ends") else { return };
    fleet.ship("hello", "hello-world", &[], &[]);
    let told = fleet.tell("up hello; ends hello; oci delete hello; cat hello.log");
    assert!(
        told.starts_with("\nHello from Docker!\nThis message shows that your installation appears to be working correctly.\n"),
        "{told}"
    );
    assert!(told.contains("The image comes from Bottleship"), "{told}");
}

#[test]
fn busybox_has_its_applets_and_distroless_has_none() {
    let Some(mut fleet) = Fleet::new("course_images::busybox_has_its_applets_and_distroless_has_none") else { return };
    fleet.ship("busy", "busybox", WAITS, &[]);
    let bare = fleet.ship("bare", "gcr.io/distroless/static:nonroot", &["/bin/sh"], &[]);
    fleet.ship("debug", "gcr.io/distroless/static:debug", &["-c", "id -u; ls / | tr '\\n' ' '"], &[]);
    assert_eq!(bare["config"]["User"], "65532");
    let told = fleet.tell(
        "up busy; oci exec busy sh -c 'echo ahoy | tr a-z A-Z; ls / | head -3; echo a b | awk \"{ print \\$2 }\"; date -u -d @0 +%Y; which wget ping vi'
         oci exec busy ls -la /bin/ls | sed 's/.*-> /link to /'
         down busy KILL; up debug; ends debug; cat debug.log; echo; oci create --bundle bundles/bare bare 2>&1 || true
         mount -t overlay overlay -o \"$overlay,$(cat bundles/bare/overlay)\" bundles/bare/rootfs; ls -d bundles/bare/rootfs/bin 2>&1
         oci run --bundle bundles/bare bare || true",
    );
    for words in ["AHOY\n", "\nb\n", "1970\n", "/bin/wget\n", "/bin/ping\n", "link to busybox", "\n0\n", "bin': No such file"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn package_managers_install_from_the_toolbox() {
    let Some(mut fleet) = Fleet::new("course_images::package_managers_install_from_the_toolbox") else { return };
    for (name, image) in [
        ("alpine", "alpine"),
        ("debian", "debian:12"),
        ("ubuntu", "ubuntu:14.04"),
        ("centos", "centos:7"),
        ("fedora", "quay.io/fedora/fedora"),
    ] {
        fleet.ship(name, image, WAITS, &[]);
    }
    fleet.ship("bash", "gcr.io/google-containers/alpine-with-bash:1.0", &["bash", "-c", "echo $BASH_VERSION"], &[]);
    fleet.ship("cli", "docker:cli", &["sh", "-c", "readlink /usr/local/bin/docker"], &[]);
    fleet.ship("hollywood", "bcbcarl/hollywood", &["hollywood", "-n", "3"], &[]);
    let told = fleet.tell(
        "for name in alpine debian ubuntu centos fedora bash cli hollywood; do up $name; done
         oci exec alpine cat /etc/alpine-release; oci exec alpine which curl || echo alpine: no curl
         oci exec alpine apk add --no-cache curl jq | tail -1; oci exec alpine sh -c 'echo {} | jq -c .; curl --version | head -1'
         oci exec alpine apk add nosuch; echo alpine: $?
         oci exec alpine sh -c 'addgroup -S app && adduser -S -G app app && id app'
         oci exec debian apt-get install -y curl; echo before update: $?
         oci exec debian sh -c 'apt-get update && apt-get install -y --no-install-recommends curl procps' | tail -1; oci exec debian ps aux | grep -c sleep
         oci exec debian apt-get install -y nosuch; echo debian: $?
         oci exec debian bash -c 'echo $BASH_VERSION; useradd -m ann && id -u ann'
         oci exec ubuntu cat /etc/os-release | grep PRETTY
         oci exec centos yum install -y bind-utils | tail -1; oci exec centos which nslookup
         oci exec fedora dnf install -y tree | tail -1; oci exec fedora tree /opt
         ends bash; cat bash.log; ends cli; cat cli.log; ends hollywood; wc -c < hollywood.log",
    );
    for words in [
        "3.22.2\nalpine: no curl\n",
        "OK: ",
        "{}\ncurl ",
        "alpine: 1\n",
        "before update: 100\n",
        "debian: 100\n",
        "Ubuntu 14.04",
        "Complete!",
        "nslookup\n",
        ", 0 files",
        "lib/bottleship/toolbox\n",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}
