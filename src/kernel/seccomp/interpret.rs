//! A small interpreter for filters, so that tests can ask them every question there is.

use super::Program;
use super::assemble::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, RETURN};
use super::table::{Arch, number, numbers};

/// What `program` answers to the call `name` of this machine; `None` where the machine has no such call.
pub fn answer(program: &Program, name: &str, arguments: &[u64; 6]) -> Option<u32> {
    Some(run(program, Arch::NATIVE, number(Arch::NATIVE, name)?, arguments))
}

/// Whether some architecture has a call of this name.
pub fn is_known(name: &str) -> bool {
    numbers(name).is_some()
}

/// What the kernel's machine would answer.
pub fn run(program: &Program, arch: Arch, number: u32, arguments: &[u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        0 => number,
        4 => arch.audit(),
        _ => {
            let argument = arguments[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
    };
    let (mut at, mut value) = (0, 0u32);
    loop {
        let Instruction { code, if_true, if_false, k } = program.instructions()[at];
        at += 1;
        let holds = match code {
            LOAD => {
                value = word(k);
                continue;
            }
            AND => {
                value &= k;
                continue;
            }
            JUMP => {
                at += k as usize;
                continue;
            }
            RETURN => return k,
            EQUAL => value == k,
            GREATER => value > k,
            AT_LEAST => value >= k,
            other => panic!("unknown instruction {other:#x}"),
        };
        at += usize::from(if holds { if_true } else { if_false });
    }
}
