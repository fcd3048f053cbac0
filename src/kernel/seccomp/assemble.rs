//! Plans as a program for the kernel's classic BPF machine (seccomp(2), bpf of linux/filter.h).
//!
//! The kernel runs the filter at every system call, and at loading once more for every number to learn which ones it may wave through. What
//! counts is therefore the length of the path to a verdict, not the length of the program: the ranges of a plan become a binary search
//! (about seven comparisons for 400 names) instead of a list of comparisons (200 on average).
//!
//! ```text
//!   load arch ─ x86_64? ─ load number ─ x32 bit? ─ n >= 128? ─ n >= 200? ─ ... ─ return ALLOW
//!        └ i386? ─ ...         └ any other convention: kill               └ compare argument 0 ─ ... ─ return ERRNO
//! ```

use super::plan::{Outcome, Plan};
use super::profile::{Compare, Condition};
use super::table::Arch;

/// One instruction (`struct sock_filter`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if the comparison holds.
    pub if_true: u8,
    /// And if it does not.
    pub if_false: u8,
    /// The operand.
    pub k: u32,
}

pub(super) const LOAD: u16 = 0x20;
pub(super) const JUMP: u16 = 0x05;
pub(super) const EQUAL: u16 = 0x15;
pub(super) const GREATER: u16 = 0x25;
pub(super) const AT_LEAST: u16 = 0x35;
pub(super) const RETURN: u16 = 0x06;
pub(super) const AND: u16 = 0x54;

/// Offsets in `struct seccomp_data`; both architectures are little-endian, so the low half of an argument comes first.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Bit 30 marks a call of the x32 convention.
const X32_BIT: u32 = 0x4000_0000;
/// A tracer sets number -1 to skip a call; it is not an x32 one.
const SKIPPED: u32 = u32::MAX;

const fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, if_true: 0, if_false: 0, k }
}

const fn test(code: u16, k: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, k }
}

type Code = Vec<Instruction>;

/// The program for all `plans`. A call by a convention that has no plan ends the process: its numbers mean other calls.
pub fn program(plans: &[Plan]) -> Code {
    let plan = |arch: Arch| plans.iter().find(|plan| plan.arch == arch);
    let kill = vec![op(RETURN, libc::SECCOMP_RET_KILL_PROCESS)];
    let mut out = vec![op(LOAD, ARCH)];
    for arch in [Arch::X86_64, Arch::X86, Arch::Aarch64] {
        let Some(section) = plan(arch).map(|plan| section(plan, x32_section(arch, plan_of_x32(plans), &kill))) else { continue };
        out.extend(branch(EQUAL, arch.audit(), section, Vec::new()));
    }
    out.extend(kill);
    out
}

fn plan_of_x32(plans: &[Plan]) -> Option<&Plan> {
    plans.iter().find(|plan| plan.arch == Arch::X32)
}

/// What an x86_64 filter does with x32 numbers; the other architectures have none.
fn x32_section(arch: Arch, plan: Option<&Plan>, kill: &Code) -> Option<Code> {
    let relative = |plan: &Plan| {
        let mut code = vec![op(AND, !X32_BIT)];
        code.extend(search(&plan.ranges, plan.arch));
        code
    };
    (arch == Arch::X86_64).then(|| plan.map_or_else(|| kill.clone(), relative))
}

/// Everything of one `arch` value.
fn section(plan: &Plan, x32: Option<Code>) -> Code {
    let mut out = vec![op(LOAD, NUMBER)];
    let search = search(&plan.ranges, plan.arch);
    match x32 {
        None => out.extend(search),
        Some(x32) => {
            let last = plan.ranges.last().map(|range| outcome(&range.1, plan.arch)).unwrap_or_default();
            let skipped = branch(EQUAL, SKIPPED, last, x32);
            out.extend(branch(AT_LEAST, X32_BIT, skipped, search));
        }
    }
    out
}

/// A balanced tree over the ranges: every inner node halves what is left.
fn search(ranges: &[(u32, Outcome)], arch: Arch) -> Code {
    match ranges {
        [] => Vec::new(),
        [(_, one)] => outcome(one, arch),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            branch(AT_LEAST, high[0].0, search(high, arch), search(low, arch))
        }
    }
}

/// `if accumulator OP k { yes } else { no }`. Both parts end in a return, or (`no` empty) fall through. Jumps reach 255 instructions, so a long
/// part is reached by a jump of its own.
fn branch(code: u16, k: u32, yes: Code, no: Code) -> Code {
    let mut out = Vec::with_capacity(yes.len() + no.len() + 2);
    match u8::try_from(no.len()) {
        Ok(near) if !no.is_empty() => {
            out.push(test(code, k, near, 0));
            out.extend(no);
            out.extend(yes);
        }
        _ => match u8::try_from(yes.len()) {
            Ok(near) => {
                out.push(test(code, k, 0, near));
                out.extend(yes);
                out.extend(no);
            }
            Err(_) => {
                out.push(test(code, k, 1, 0));
                out.push(op(JUMP, yes.len() as u32));
                out.extend(yes);
                out.extend(no);
            }
        },
    }
    out
}

fn outcome(outcome: &Outcome, arch: Arch) -> Code {
    match outcome {
        Outcome::Always(code) => vec![op(RETURN, *code)],
        Outcome::Depends(alternatives, otherwise) => {
            let mut out = Vec::new();
            for (conditions, code) in alternatives {
                out.extend(alternative(conditions, *code, arch));
            }
            out.push(op(RETURN, *otherwise));
            out
        }
    }
}

/// Returns `code` if all conditions hold, else falls through to its end.
fn alternative(conditions: &[Condition], code: u32, arch: Arch) -> Code {
    let mut tail = vec![op(RETURN, code)];
    for condition in conditions.iter().rev() {
        let mut head = compare(condition, arch, tail.len());
        head.extend(tail);
        tail = head;
    }
    tail
}

/// Where a comparison goes: on to the `rest` instructions that follow it, or past them.
fn compare(condition: &Condition, arch: Arch, rest: usize) -> Code {
    let low = ARGUMENTS + 8 * condition.index;
    let (value_high, _) = halves(condition.value);
    // Past the rest: a rule has at most six conditions (one per argument) of at most six instructions, so a byte holds every jump.
    let past = rest as u8;
    if arch.is_32_bit() {
        let mut code = vec![op(LOAD, low)];
        code.extend(compare_low(condition, past));
        // What needs more than 32 bits is above every argument, and equal to none.
        let beyond = if condition.op == Compare::MaskedEq { halves(condition.value_two).0 } else { value_high };
        return if beyond == 0 { code } else { never_or_always(condition, past) };
    }
    let low_part = compare_low(condition, past);
    // Loads the low half and goes on with it.
    let with_low = |head: Vec<Instruction>| [head, vec![op(LOAD, low)], low_part.clone()].concat();
    let after_low = 1 + low_part.len() as u8;
    let load_high = op(LOAD, low + 4);
    match condition.op {
        Compare::Eq => with_low(vec![load_high, test(EQUAL, value_high, 0, after_low + past)]),
        Compare::Ne => with_low(vec![load_high, test(EQUAL, value_high, 0, after_low)]),
        Compare::Gt | Compare::Ge => {
            with_low(vec![load_high, test(GREATER, value_high, after_low + 1, 0), test(EQUAL, value_high, 0, after_low + past)])
        }
        Compare::Lt | Compare::Le => {
            with_low(vec![load_high, test(GREATER, value_high, after_low + 1 + past, 0), test(EQUAL, value_high, 0, after_low)])
        }
        Compare::MaskedEq => {
            let (wanted, _) = halves(condition.value_two);
            with_low(vec![load_high, op(AND, value_high), test(EQUAL, wanted, 0, after_low + past)])
        }
    }
}

/// The comparison of the low halves, when the high ones are equal. The accumulator holds the argument's.
fn compare_low(condition: &Condition, past: u8) -> Code {
    let (_, value) = halves(condition.value);
    match condition.op {
        Compare::Eq => vec![test(EQUAL, value, 0, past)],
        Compare::Ne => vec![test(EQUAL, value, past, 0)],
        Compare::Gt => vec![test(GREATER, value, 0, past)],
        Compare::Ge => vec![test(AT_LEAST, value, 0, past)],
        Compare::Le => vec![test(GREATER, value, past, 0)],
        Compare::Lt => vec![test(AT_LEAST, value, past, 0)],
        Compare::MaskedEq => vec![op(AND, value), test(EQUAL, halves(condition.value_two).1, 0, past)],
    }
}

/// A 32-bit argument against a value beyond 32 bits.
fn never_or_always(condition: &Condition, past: u8) -> Code {
    let holds = matches!(condition.op, Compare::Ne | Compare::Lt | Compare::Le);
    if holds { Vec::new() } else { vec![op(JUMP, u32::from(past))] }
}

fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}
