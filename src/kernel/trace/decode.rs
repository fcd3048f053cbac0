//! Reads the arguments of a stopped system call out of another process.

use std::fmt::Write as _;
use std::fs;
use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::calls::{Argument, CLONE, Call, Only};

/// The longest text that is read from a process, in bytes.
const TEXT: usize = 256;
/// How many arguments of a program are shown.
const WORDS: usize = 12;

/// The arguments as a person reads them; `None` when the table says that this call is not worth a record.
pub fn arguments(thread: i32, call: &Call, values: &[u64; 6]) -> Option<String> {
    if !wanted(thread, call, values) {
        return None;
    }
    let mut text = String::new();
    for (index, argument) in call.arguments.iter().enumerate() {
        if matches!(argument, Argument::Skip) {
            continue;
        }
        if index > 0 {
            text.push_str(", ");
        }
        show(&mut text, thread, *argument, values, index);
    }
    Some(text)
}

fn wanted(thread: i32, call: &Call, values: &[u64; 6]) -> bool {
    let namespaces = CLONE.iter().fold(0, |bits, (bit, _)| bits | bit);
    match call.only {
        Only::Always => true,
        // In clone(2) the low byte is the exit signal, so CLONE_NEWTIME (0x80) cannot be asked for there.
        Only::NewNamespace if call.name == "clone" => values[0] & namespaces & !0xff != 0,
        Only::NewNamespace => word(thread, values[0]).is_some_and(|flags| flags & namespaces != 0),
        Only::SteersByDescriptor => steers(&descriptor_path(thread, values[0] as i32)),
        Only::SteersByPath => path_steers(thread, None, values[0]),
        Only::SteersByPathAt => path_steers(thread, Some(values[0] as i32), values[1]),
        Only::NamedChoice => match call.arguments.first() {
            Some(Argument::Choice(names)) => names.iter().any(|(value, _)| *value == values[0]),
            _ => true,
        },
    }
}

/// Whether a path is a kernel file that steers something: a cgroup, an id map, a sysctl.
fn steers(path: &str) -> bool {
    let id_map =
        path.starts_with("/proc/") && ["/uid_map", "/gid_map", "/setgroups", "/oom_score_adj"].iter().any(|end| path.ends_with(end));
    path.starts_with("/sys/fs/cgroup") || path.starts_with("/proc/sys/") || id_map
}

fn path_steers(thread: i32, folder: Option<i32>, address: u64) -> bool {
    let Some(path) = text_at(thread, address) else { return false };
    if path.starts_with('/') {
        return steers(&path);
    }
    let folder = match folder {
        Some(descriptor) if descriptor != libc::AT_FDCWD => descriptor_path(thread, descriptor),
        _ => fs::read_link(format!("/proc/{thread}/cwd")).map(|path| path.display().to_string()).unwrap_or_default(),
    };
    steers(&format!("{folder}/{path}"))
}

fn show(text: &mut String, thread: i32, argument: Argument, values: &[u64; 6], index: usize) {
    let value = values[index];
    // Writing to a String cannot fail.
    let _ = match argument {
        Argument::Number => write!(text, "{}", value as i64),
        Argument::Mode => write!(text, "{value:#o}"),
        Argument::Text if value == 0 => write!(text, "NULL"),
        Argument::Text => write!(text, "{}", quoted(text_at(thread, value))),
        Argument::Texts => write!(text, "{}", words(thread, value)),
        Argument::Counted => write!(text, "{}", quoted(counted(thread, value, values[index + 1]))),
        Argument::Descriptor if value as i32 == libc::AT_FDCWD => write!(text, "AT_FDCWD"),
        Argument::Descriptor => write!(text, "{}<{}>", value as i32, descriptor_path(thread, value as i32)),
        Argument::Flags(names) => write!(text, "{}", flags(value, names)),
        Argument::Choice(names) => match names.iter().find(|(known, _)| *known == value) {
            Some((_, name)) => write!(text, "{name}"),
            None => write!(text, "{value}"),
        },
        Argument::CloneArguments => write!(text, "{}", flags(word(thread, value).unwrap_or(0), CLONE)),
        Argument::Skip => Ok(()),
    };
}

/// Bits by name, joined by `|`. Bits that belong to no name are left out for clone, whose other flags say how threads share memory.
fn flags(value: u64, names: &[(u64, &str)]) -> String {
    let known: Vec<&str> = names.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| *name).collect();
    if known.is_empty() { format!("{value:#x}") } else { known.join("|") }
}

fn quoted(text: Option<String>) -> String {
    text.map_or_else(|| "?".to_owned(), |text| format!("{text:?}"))
}

fn words(thread: i32, address: u64) -> String {
    let mut shown = Vec::new();
    for index in 0..=WORDS as u64 {
        match word(thread, address + 8 * index) {
            None | Some(0) => break,
            Some(_) if index == WORDS as u64 => shown.push("...".to_owned()),
            Some(pointer) => shown.push(quoted(text_at(thread, pointer))),
        }
    }
    format!("[{}]", shown.join(", "))
}

fn descriptor_path(thread: i32, descriptor: i32) -> String {
    fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).map(|path| path.display().to_string()).unwrap_or_default()
}

/// The C string at `address`, cut after [`TEXT`] bytes.
fn text_at(thread: i32, address: u64) -> Option<String> {
    let bytes = memory(thread, address, TEXT)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn counted(thread: i32, address: u64, length: u64) -> Option<String> {
    let bytes = memory(thread, address, (length as usize).min(TEXT))?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

fn word(thread: i32, address: u64) -> Option<u64> {
    let bytes = memory(thread, address, 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// Up to `length` bytes of the memory of a thread; fewer where its mapping ends. `None` for an address that it does not have.
fn memory(thread: i32, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; length];
    let mut read = 0;
    // A text may end just before an unmapped page, and a remote read does not stop at a page's end by itself: page by page.
    while read < length {
        let at = address as usize + read;
        let piece = (length - read).min(4096 - at % 4096);
        let remote = [RemoteIoVec { base: at, len: piece }];
        match process_vm_readv(Pid::from_raw(thread), &mut [IoSliceMut::new(&mut buffer[read..read + piece])], &remote) {
            Ok(got) if got > 0 => read += got,
            _ => break,
        }
    }
    buffer.truncate(read);
    (read > 0 || length == 0).then_some(buffer)
}
