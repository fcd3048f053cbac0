//! The compiled program against the meaning of the rules: every number of every convention, run by a small interpreter.

use super::interpret::run;
use super::*;
use crate::kernel::process::{self, Exit};
use nix::sched::CloneFlags;
use std::os::fd::AsFd as _;

fn profile(json: &str) -> Profile {
    serde_json::from_str(json).unwrap()
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

#[test]
fn every_number_gets_what_its_rule_says() {
    let profile = profile(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[
        {"names":["read","write","mount","ioctl","no_such_call","openat2","zz"],"action":"SCMP_ACT_ALLOW"},
        {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
        {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
        {"names":["personality"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_GE"},{"index":1,"value":4294967296,"op":"SCMP_CMP_LT"}]},
        {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_LT"},{"index":0,"value":40,"op":"SCMP_CMP_GT"}]},
        {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#,
    );
    let program = Program::compile(&profile).unwrap();
    let interesting = [0, 1, 8, 39, 40, 41, 0x7e02_0000, 0x0002_0000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0028, u64::MAX];
    for (arch, bit) in [(Arch::X86_64, 0), (Arch::X86, 0), (Arch::X32, 0x4000_0000)] {
        let plan = Plan::all(&profile, &[arch]).remove(0);
        for number in (0..600).chain([9999, 0x3fff_ffff]) {
            for first in interesting {
                // 32-bit callers have 32-bit arguments.
                let cut = |value: u64| if arch.is_32_bit() { value & 0xffff_ffff } else { value };
                for second in [0, u64::MAX] {
                    let arguments = [cut(first), cut(second), 0, 0, 0, 0];
                    let (got, want) = (run(&program, arch, number | bit, &arguments), plan.outcome(number).decide(&arguments));
                    assert_eq!(got, want, "{arch:?} {number} {arguments:x?}");
                }
            }
        }
    }
}

#[test]
fn the_plan_itself_is_what_the_rules_mean() {
    let profile = profile(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,"syscalls":[
        {"names":["read"],"action":"SCMP_ACT_ALLOW"},
        {"names":["write"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
        {"names":["write"],"action":"SCMP_ACT_KILL_PROCESS","args":[{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]},
        {"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":5}]}"#,
    );
    let program = Program::compile(&profile).unwrap();
    let call = |number: i64, first: u64| run(&program, Arch::NATIVE, number as u32, &[first, 0, 0, 0, 0, 0]);
    assert_eq!(call(libc::SYS_read, 0), ALLOW);
    assert_eq!(call(libc::SYS_write, 1), ALLOW);
    assert_eq!(call(libc::SYS_write, 2), libc::SECCOMP_RET_KILL_PROCESS);
    assert_eq!(call(libc::SYS_write, 3), errno(13));
    assert_eq!(call(libc::SYS_mount, 0), errno(5));
    assert_eq!(call(libc::SYS_getpid, 0), errno(13), "named by nobody, older than the newest that is named");
    assert_eq!(call(900, 0), errno(libc::ENOSYS), "newer than the profile");
}

#[test]
fn other_conventions_end_the_process() {
    let program = Program::compile(&profile(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#)).unwrap();
    let none = [0; 6];
    assert_eq!(run(&program, Arch::NATIVE, 1, &none), ALLOW);
    if Arch::NATIVE == Arch::X86_64 {
        assert_eq!(run(&program, Arch::X86, 1, &none), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(run(&program, Arch::X32, 0x4000_0001, &none), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(run(&program, Arch::X86_64, u32::MAX, &none), ALLOW, "a tracer that skips a call is no x32 program");
    }
}

#[test]
fn a_profile_that_is_none_is_refused() {
    let bad = |json: &str| Program::compile(&profile(json)).unwrap_err().to_string();
    let flags = r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["NO"]}"#;
    assert_eq!(bad(flags), "seccomp: `NO` is no flag");
    let index = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#;
    assert_eq!(bad(index), "seccomp: `read` has arguments 0 to 5, the rule asks for 6");
}

#[test]
fn the_kernel_takes_it_and_means_it() {
    let profile = profile(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
        {"names":["personality"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_NE"}]}]}"#,
    );
    let program = Program::compile(&profile).unwrap();
    let child = process::clone3(CloneFlags::empty(), None, || {
        // SAFETY: plain system calls with integer arguments.
        let call = |number, argument: u64| Errno::result(unsafe { libc::syscall(number, argument) });
        // SAFETY: as above; without it an unprivileged process may not load filters.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        if program.load().is_err() {
            return 1;
        }
        let answers = [call(libc::SYS_getppid, 0), call(libc::SYS_personality, 8), call(libc::SYS_personality, 0xffff_ffff)];
        match answers {
            [Err(Errno::ENOSYS), Err(Errno::EPERM), Ok(_)] => 0,
            _ => 2,
        }
    });
    assert_eq!(process::wait(child.unwrap().fd.as_fd()).unwrap(), Exit::Code(0));
}
