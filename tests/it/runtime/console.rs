//! Terminals: on the caller's own, and handed over a console socket.

use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use super::{Place, World, everywhere};
use crate::support::{has_program, skip};

#[test]
fn run_and_exec_on_the_callers_terminal() {
    if !has_program("script") {
        return skip("run_and_exec_on_the_callers_terminal", "needs script(1) for a terminal");
    }
    everywhere("run_and_exec_on_the_callers_terminal", |mut world| {
        world.config["process"]["terminal"] = json!(true);
        world.runs("tty; exit 4");
        let output = world.tell(
            "script -qec \"$program oci --root $work/oci run $id\" /dev/null; echo run=$?\n\
             sed -i 's/\"terminal\":true/\"terminal\":false/; s/tty; exit 4/sleep 1000/' config.json\n\
             oci run --detach $id < /dev/null > /dev/null 2>&1\n\
             script -qec \"$program oci --root $work/oci exec --tty $id tty\" /dev/null; echo exec=$?\n\
             oci exec $id tty; echo no tty=$?\n\
             oci exec --tty --detach $id tty; echo detached=$?",
        );
        // script(1) shows the end of its own input as ^@ or ^D in between.
        let text = ["\r", "^@", "^D", "\u{8}"].iter().fold(output.stdout.clone(), |text, noise| text.replace(noise, ""));
        assert!(text.contains("/dev/pts/0\nrun=4\n"), "{:?}: {output}", world.place());
        assert!(text.matches("/dev/pts/0\n").count() == 2 && text.contains("exec=0\n"), "{:?}: {output}", world.place());
        assert!(text.contains("no tty=1\n"), "{:?}: {output}", world.place());
        // Nobody takes the terminal of a detached process without a console socket.
        assert!(text.contains("detached=255\n"), "{:?}: {output}", world.place());
    });
}

#[test]
fn the_terminal_goes_over_the_console_socket() {
    let place = if rustix::process::geteuid().is_root() { Place::Machine } else { Place::Ordinary };
    let mut world = World::new(place).expect("a place");
    world.config["process"]["terminal"] = json!(true);
    world.config["process"]["consoleSize"] = json!({"height": 31, "width": 97});
    world.runs("stty size; read line; echo heard $line");
    world.prepare();
    let path = world.work().join("console.sock");
    let listener = UnixListener::bind(&path).expect("listen");
    let id = world.id();
    world.oci(&["create", "--console-socket", path.to_str().expect("text"), &id]).succeeds();
    let (stream, _) = listener.accept().expect("the runtime connects");
    let mut master = std::fs::File::from(descriptor(&stream));
    world.oci(&["start", &id]).succeeds();
    assert_eq!(until(&mut master, "\n"), "31 97\r\n");
    master.write_all(b"ahoy\n").expect("type");
    assert!(until(&mut master, "heard ahoy\r\n").ends_with("heard ahoy\r\n"));
    world.oci(&["delete", "--force", &id]).succeeds();
}

/// The descriptor that comes with the first message.
fn descriptor(stream: &UnixStream) -> OwnedFd {
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC).expect("a message");
    let found = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    found.expect("a descriptor")
}

/// Reads until the text ends so.
fn until(master: &mut std::fs::File, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        master.read_exact(&mut byte).expect("more output");
        text.push(char::from(byte[0]));
    }
    text
}
