//! `hello-world`: the smallest image that runs. One file, one static program of a few dozen bytes of machine code, which writes a text and ends.
//!
//! It is assembled here, by hand, for the two processors that most people have: so this image is the same everywhere, and holds nothing of anybody's.

use crate::oci::image::spec::Platform;

/// What it says. The first two lines are those that everybody looks for.
pub const TEXT: &str = "
Hello from Docker!
This message shows that your installation appears to be working correctly.

What happened, step by step:
 1. The client asked the engine to run the image \"hello-world\".
 2. The engine had no such image, so it pulled it from its registry: one layer with one file.
 3. It made a container of the image: namespaces, a cgroup, a root file system.
 4. It started the file in it. The file is a program that writes this text and ends with code 0.
 5. The engine carried the text to your terminal, and the container has ended.

The image comes from Bottleship, which made it on your machine. Something bigger to try:
 $ docker run -it ubuntu bash

";

/// The address that the program is loaded to.
const BASE: u64 = 0x40_0000;
/// The length of the ELF header and one program header in bytes: the code follows.
const HEADERS: u64 = 64 + 56;

/// The platforms that [`program`] speaks the language of.
pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];

/// The program for a platform; `None` for a processor whose language is not spoken here.
pub fn program(platform: &Platform) -> Option<Vec<u8>> {
    let length = u32::try_from(TEXT.len()).ok()?;
    let (machine, code) = match platform.architecture.as_str() {
        "amd64" => (62, amd64(length)),
        "arm64" => (183, arm64(length)),
        _ => return None,
    };
    let size = HEADERS + (code.len() + TEXT.len()) as u64;
    Some([header(machine), segment(size), code, TEXT.as_bytes().to_vec()].concat())
}

/// write(1, text, length), exit(0) as x86-64 has them: numbers 1 and 60 in rax, arguments in rdi, rsi, rdx.
fn amd64(length: u32) -> Vec<u8> {
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.extend([0x48, 0x8d, 0x35, 16, 0, 0, 0]); // lea rsi, [rip + 16]: the text, behind the 16 bytes that follow
    code.push(0xba); // mov edx, length
    code.extend(length.to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code
}

/// The same for 64-bit ARM: numbers 64 and 93 in x8, arguments in x0, x1, x2.
fn arm64(length: u32) -> Vec<u8> {
    let words = [
        0xd280_0020,                 // mov x0, #1
        0x1000_00e1,                 // adr x1, the text: 28 bytes from here
        0xd280_0002 | (length << 5), // mov x2, #length
        0xd280_0808,                 // mov x8, #64
        0xd400_0001,                 // svc #0
        0xd280_0000,                 // mov x0, #0
        0xd280_0ba8,                 // mov x8, #93
        0xd400_0001,                 // svc #0
    ];
    words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect()
}

fn header(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(2_u16.to_le_bytes()); // an executable
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((BASE + HEADERS).to_le_bytes()); // where it starts
    bytes.extend(64_u64.to_le_bytes()); // the program header follows this one
    bytes.extend(0_u64.to_le_bytes()); // no table of sections
    bytes.extend(0_u32.to_le_bytes());
    [64_u16, 56, 1, 0, 0, 0].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    bytes
}

/// One segment: the whole file, to be read and executed.
fn segment(size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(5_u32.to_le_bytes());
    [0, BASE, BASE, size, size, 0x1000].iter().for_each(|field: &u64| bytes.extend(field.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_runs_and_says_its_text() {
        let Some(bytes) = program(&Platform::here()) else { return eprintln!("skipped: no code for this processor") };
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("hello");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let told = std::process::Command::new(&path).output().unwrap();
        assert_eq!((told.status.code(), String::from_utf8(told.stdout).unwrap().as_str()), (Some(0), TEXT));
    }

    #[test]
    fn the_code_is_as_long_as_its_jumps_think() {
        // lea's displacement counts from its end (byte 17), adr's from its own start (byte 4).
        assert_eq!((amd64(1).len(), arm64(1).len()), (17 + 16, 4 + 28));
        assert!(program(&Platform::read("linux/s390x").unwrap()).is_none());
    }
}
