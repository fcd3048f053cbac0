//! Which device nodes a cgroup may open or make.
//!
//! v1 keeps a list that is edited by writes to `devices.allow` and `devices.deny`. v2 has no files for this: a program for the kernel's
//! own small machine (`BPF_PROG_TYPE_CGROUP_DEVICE`, bpf(2)) is attached to the cgroup and asked at every open(2) and mknod(2).
//! [`program`] assembles it from the same rules. A user namespace may do neither, and needs neither: mknod(2) fails there anyway.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Cgroup, DeviceRule, Error, Result, Version};
use crate::kernel::error::Errno;
use crate::kernel::{self, fs, xray};

/// One eBPF instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u8,
    /// Destination in the low half, source in the high half.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to | from << 4, offset, immediate }
}

/// `BPF_LDX | BPF_MEM | BPF_W`
const LOAD: u8 = 0x61;
/// `BPF_ALU | BPF_AND | BPF_K`, 32 bits.
const AND: u8 = 0x54;
/// `BPF_ALU | BPF_RSH | BPF_K`
const SHIFT: u8 = 0x74;
/// `BPF_ALU64 | BPF_MOV | BPF_X` and `BPF_K`
const COPY: u8 = 0xbf;
const SET: u8 = 0xb7;
/// `BPF_JMP32 | BPF_JNE | BPF_K`, `BPF_JMP32 | BPF_JEQ | BPF_K`, `BPF_EXIT`
const UNLESS: u8 = 0x56;
const IF: u8 = 0x16;
const EXIT: u8 = 0x95;

/// `enum` of linux/bpf.h: kinds of devices, kinds of access.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// Bits of `BPF_DEVCG_ACC_*`: mknod 1, read 2, write 4.
fn access_bits(access: Option<&str>) -> i32 {
    let bit = |letter| match letter {
        'm' => 1,
        'r' => 2,
        'w' => 4,
        _ => 0,
    };
    // No letters are all letters.
    match access.unwrap_or("") {
        "" => 7,
        letters => letters.chars().map(bit).fold(0, |all, bit| all | bit),
    }
}

/// `-1` in any field is "any"; a number that no device can have matches none.
fn wanted(number: Option<i64>) -> Option<i32> {
    number.filter(|number| *number >= 0).map(|number| i32::try_from(number).unwrap_or(i32::MAX))
}

/// The program for `rules`. Every requested bit is decided by the last rule that speaks of it, as in v1; undecided is refused.
///
/// Registers: r2 kind, r3 bits not yet granted, r4 major, r5 minor.
fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut out = vec![
        op(LOAD, 2, 1, 0, 0),
        op(COPY, 3, 2, 0, 0),
        op(AND, 2, 0, 0, 0xffff),
        op(SHIFT, 3, 0, 0, 16),
        op(LOAD, 4, 1, 4, 0),
        op(LOAD, 5, 1, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let verdict = verdict(rule);
        let mut tests = Vec::new();
        match rule.kind.as_deref() {
            Some("c") => tests.push((2, CHARACTER)),
            Some("b") => tests.push((2, BLOCK)),
            _ => {}
        }
        tests.extend(wanted(rule.major).map(|major| (4, major)));
        tests.extend(wanted(rule.minor).map(|minor| (5, minor)));
        for (done, (register, value)) in tests.iter().enumerate() {
            // Over the remaining tests and the verdict, to the next rule.
            let skip = tests.len() - done - 1 + verdict.len();
            out.push(op(UNLESS, *register, 0, skip as i16, *value));
        }
        out.extend(verdict);
    }
    out.extend([op(SET, 0, 0, 0, 0), op(EXIT, 0, 0, 0, 0)]);
    out
}

/// An allow rule takes its bits off what is still to be granted, and says yes when nothing is left; a deny rule says no to any of its bits.
fn verdict(rule: &DeviceRule) -> Vec<Instruction> {
    let bits = access_bits(rule.access.as_deref());
    let answer = |yes| [op(SET, 0, 0, 0, yes), op(EXIT, 0, 0, 0, 0)];
    if rule.allow {
        let [set, exit] = answer(1);
        return vec![op(AND, 3, 0, 0, !bits & 7), op(UNLESS, 3, 0, 2, 0), set, exit];
    }
    let [set, exit] = answer(0);
    vec![op(COPY, 0, 3, 0, 0), op(AND, 0, 0, 0, bits), op(IF, 0, 0, 2, 0), set, exit]
}

/// A rule in the words of v1: `c 1:3 rwm`.
fn v1_line(rule: &DeviceRule) -> String {
    let number = |number: Option<i64>| wanted(number).map_or("*".to_owned(), |number| number.to_string());
    let kind = rule.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("a");
    let access = rule.access.as_deref().filter(|access| !access.is_empty()).unwrap_or("rwm");
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

/// What a v1 list takes: `a` stands alone, and a rule for all kinds with a number is one rule per kind.
fn v1_writes(rules: &[DeviceRule]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for rule in rules {
        let file = if rule.allow { "devices.allow" } else { "devices.deny" };
        let everything = wanted(rule.major).is_none() && wanted(rule.minor).is_none() && access_bits(rule.access.as_deref()) == 7;
        match rule.kind.as_deref().unwrap_or("a") {
            "a" | "" if everything => out.push((file, "a".to_owned())),
            "a" | "" => out.extend(["b", "c"].map(|kind| (file, v1_line(&DeviceRule { kind: Some(kind.to_owned()), ..rule.clone() })))),
            _ => out.push((file, v1_line(rule))),
        }
    }
    out
}

impl Cgroup {
    /// Makes `rules` the device rules of the cgroup; the last that matches decides.
    ///
    /// # Errors
    /// EPERM inside a user namespace; [`Error::NoController`] where neither version can do it.
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        if let Some(tree) = self.of_controller("devices").filter(|tree| tree.version == Version::V1) {
            for (file, line) in v1_writes(rules) {
                fs::write_once(&tree.file(file), &line)?;
            }
            return Ok(());
        }
        let missing = || Error::NoController { controller: "devices".to_owned(), file: "devices.allow".to_owned() };
        self.attach_devices(rules)?.ok_or_else(missing)
    }

    /// The v2 way, also on a machine whose v1 controller could do it. `None` without a v2 tree.
    ///
    /// # Errors
    /// EPERM without CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) in the machine's own user namespace.
    pub fn attach_devices(&self, rules: &[DeviceRule]) -> Result<Option<()>> {
        use std::os::fd::AsFd as _;
        let Some(directory) = self.v2_directory()? else { return Ok(None) };
        let old = bpf::attached(directory.as_fd())?;
        let new = bpf::load(&program(rules))?;
        // First the new one, then away with the old: both must agree, so there is no moment without rules.
        bpf::attach(directory.as_fd(), &new)?;
        for program in &old {
            bpf::detach(directory.as_fd(), program)?;
        }
        Ok(Some(()))
    }
}

/// The four commands of bpf(2) that this needs.
mod bpf {
    use super::*;

    const PROG_LOAD: i32 = 5;
    const PROG_ATTACH: i32 = 8;
    const PROG_DETACH: i32 = 9;
    const PROG_GET_FD_BY_ID: i32 = 13;
    const PROG_QUERY: i32 = 16;
    const TYPE_CGROUP_DEVICE: u32 = 15;
    const ATTACH_CGROUP_DEVICE: u32 = 6;
    /// Programs of ancestors and further ones on the same cgroup are asked as well; all must agree.
    const ALLOW_MULTI: u32 = 2;

    #[repr(C)]
    #[derive(Default)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
    }

    #[repr(C)]
    #[derive(Default)]
    struct Attach {
        target: u32,
        program: u32,
        kind: u32,
        flags: u32,
    }

    #[repr(C)]
    #[derive(Default)]
    struct Query {
        target: u32,
        kind: u32,
        query_flags: u32,
        attach_flags: u32,
        ids: u64,
        count: u32,
        padding: u32,
    }

    #[repr(C)]
    struct ById {
        id: u32,
        next: u32,
        flags: u32,
    }

    fn call<T>(command: i32, shown: &'static str, attributes: &mut T) -> kernel::Result<i32> {
        xray::call_value(
            "bpf",
            &shown,
            format_args!("{shown}"),
            |fd| i64::from(*fd),
            || {
                // SAFETY: each attribute structure is a prefix of `union bpf_attr` for its command, as long as said, and all
                // pointers in it stay valid through the call.
                let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
                Errno::result(answer).map(|answer| answer as i32)
            },
        )
    }

    fn owned(fd: i32) -> OwnedFd {
        // SAFETY: the two commands that come here return a new descriptor (close-on-exec by definition) that nobody else owns.
        unsafe { OwnedFd::from_raw_fd(fd) }
    }

    /// Hands the program to the kernel's verifier.
    pub fn load(program: &[Instruction]) -> kernel::Result<OwnedFd> {
        let mut attributes = Load {
            kind: TYPE_CGROUP_DEVICE,
            count: program.len() as u32,
            instructions: program.as_ptr() as u64,
            license: c"Dual MIT/GPL".as_ptr() as u64,
            name: *b"bottleship_dev\0\0",
            ..Default::default()
        };
        call(PROG_LOAD, "BPF_PROG_LOAD CGROUP_DEVICE", &mut attributes).map(owned)
    }

    /// Has `program` asked, beside those that are there, for every device that a process of the cgroup opens or makes.
    pub fn attach(cgroup: BorrowedFd<'_>, program: &OwnedFd) -> kernel::Result<()> {
        let (target, program) = (cgroup.as_raw_fd() as u32, program.as_raw_fd() as u32);
        let mut attributes = Attach { target, program, kind: ATTACH_CGROUP_DEVICE, flags: ALLOW_MULTI };
        call(PROG_ATTACH, "BPF_PROG_ATTACH CGROUP_DEVICE", &mut attributes).map(drop)
    }

    /// Has `program` asked no more.
    pub fn detach(cgroup: BorrowedFd<'_>, program: &OwnedFd) -> kernel::Result<()> {
        let (target, program) = (cgroup.as_raw_fd() as u32, program.as_raw_fd() as u32);
        let mut attributes = Attach { target, program, kind: ATTACH_CGROUP_DEVICE, flags: 0 };
        call(PROG_DETACH, "BPF_PROG_DETACH CGROUP_DEVICE", &mut attributes).map(drop)
    }

    /// The device programs on the cgroup itself; those of its ancestors stay.
    pub fn attached(cgroup: BorrowedFd<'_>) -> kernel::Result<Vec<OwnedFd>> {
        let mut ids = [0u32; 64];
        let mut attributes = Query {
            target: cgroup.as_raw_fd() as u32,
            kind: ATTACH_CGROUP_DEVICE,
            ids: ids.as_mut_ptr() as u64,
            count: ids.len() as u32,
            ..Default::default()
        };
        call(PROG_QUERY, "BPF_PROG_QUERY CGROUP_DEVICE", &mut attributes)?;
        let by_id = |id: &u32| call(PROG_GET_FD_BY_ID, "BPF_PROG_GET_FD_BY_ID", &mut ById { id: *id, next: 0, flags: 0 }).map(owned);
        ids[..attributes.count as usize].iter().map(by_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> DeviceRule {
        DeviceRule { allow, kind: Some(kind.to_owned()), major: Some(major), minor: Some(minor), access: Some(access.to_owned()) }
    }

    /// Runs a program as the kernel would; only the instructions above.
    fn run(program: &[Instruction], kind: i32, access: i32, major: i32, minor: i32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0i64; 8];
        let mut at = 0usize;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = ((pair & 15) as usize, (pair >> 4) as usize);
            at += 1;
            match code {
                LOAD => registers[to] = i64::from(context[offset as usize / 4] as u32),
                AND => registers[to] = i64::from(registers[to] as u32 & immediate as u32),
                SHIFT => registers[to] = i64::from(registers[to] as u32 >> immediate),
                COPY => registers[to] = registers[from],
                SET => registers[to] = i64::from(immediate),
                UNLESS if registers[to] as i32 != immediate => at += offset as usize,
                IF if registers[to] as i32 == immediate => at += offset as usize,
                UNLESS | IF => {}
                EXIT => return registers[0] != 0,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    /// The meaning of the rules, bit by bit.
    fn meant(rules: &[DeviceRule], kind: i32, access: i32, major: i32, minor: i32) -> bool {
        [1, 2, 4].iter().filter(|bit| access & **bit != 0).all(|bit| {
            let speaks = |rule: &&DeviceRule| {
                let kinds = match rule.kind.as_deref() {
                    Some("c") => kind == CHARACTER,
                    Some("b") => kind == BLOCK,
                    _ => true,
                };
                let is = |number: Option<i64>, value| wanted(number).is_none_or(|number| number == value);
                kinds && is(rule.major, major) && is(rule.minor, minor) && access_bits(rule.access.as_deref()) & bit != 0
            };
            rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
        })
    }

    #[test]
    fn the_program_means_the_rules() {
        let lists = [
            vec![],
            vec![rule(false, "a", -1, -1, "rwm")],
            vec![rule(false, "a", -1, -1, "rwm"), rule(true, "c", 1, 3, "rw"), rule(true, "c", -1, -1, "m")],
            vec![rule(true, "a", -1, -1, ""), rule(false, "b", 8, -1, "w"), rule(true, "b", 8, 1, "w")],
            vec![rule(true, "c", 1, -1, "r"), rule(true, "c", 1, 3, "w"), rule(false, "c", 1, 5, "r")],
        ];
        for rules in &lists {
            let program = program(rules);
            for kind in [BLOCK, CHARACTER] {
                for access in 1..8 {
                    for (major, minor) in [(1, 3), (1, 5), (8, 0), (8, 1), (254, 9)] {
                        let (got, want) = (run(&program, kind, access, major, minor), meant(rules, kind, access, major, minor));
                        assert_eq!(got, want, "{rules:?}: kind {kind} access {access} device {major}:{minor}");
                    }
                }
            }
        }
    }

    #[test]
    fn v1_takes_everything_as_one_letter() {
        let rules = [rule(false, "a", -1, -1, "rwm"), rule(true, "c", 1, 3, "rwm"), rule(true, "a", -1, -1, "r")];
        assert_eq!(
            v1_writes(&rules),
            [
                ("devices.deny", "a".to_owned()),
                ("devices.allow", "c 1:3 rwm".to_owned()),
                ("devices.allow", "b *:* r".to_owned()),
                ("devices.allow", "c *:* r".to_owned()),
            ]
        );
    }
}
