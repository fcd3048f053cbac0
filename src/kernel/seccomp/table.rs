//! System call names and numbers, per architecture. The data is `syscalls.txt`.

use std::collections::HashMap;

/// The calling conventions that a filter can meet on the machines that we run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit PCs.
    X86_64,
    /// 32-bit programs on them, by `int 0x80`.
    X86,
    /// 64-bit registers, 32-bit pointers: the numbers of x86_64 with bit 30 set.
    X32,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The one that this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Arch = Arch::X86_64;
    /// The one that this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Arch = Arch::Aarch64;

    /// From the specification's name, `SCMP_ARCH_X86_64`; `None` for those that cannot occur on our machines.
    pub fn from_name(name: &str) -> Option<Arch> {
        Some(match name {
            "SCMP_ARCH_X86_64" => Arch::X86_64,
            "SCMP_ARCH_X86" => Arch::X86,
            "SCMP_ARCH_X32" => Arch::X32,
            "SCMP_ARCH_AARCH64" => Arch::Aarch64,
            _ => return None,
        })
    }

    /// `AUDIT_ARCH_*`, what `seccomp_data.arch` holds.
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86_64 | Arch::X32 => 0xc000_003e,
            Arch::X86 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
        }
    }

    /// Whether arguments are 32 bits wide.
    pub const fn is_32_bit(self) -> bool {
        matches!(self, Arch::X86)
    }

    const fn column(self) -> usize {
        match self {
            Arch::X86_64 => 0,
            Arch::X86 => 1,
            Arch::X32 => 2,
            Arch::Aarch64 => 3,
        }
    }
}

const TABLE: &str = include_str!("syscalls.txt");

fn rows() -> impl Iterator<Item = (&'static str, std::str::SplitWhitespace<'static>)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words))
    })
}

/// All numbers of an architecture by name. x32 numbers come without bit 30.
pub fn numbers(arch: Arch) -> HashMap<&'static str, u32> {
    rows().filter_map(|(name, mut columns)| Some((name, columns.nth(arch.column())?.parse().ok()?))).collect()
}

/// The name of a call of this program's own architecture.
pub fn name(number: u64) -> Option<&'static str> {
    let wanted = number.to_string();
    rows().find(|(_, columns)| columns.clone().nth(Arch::NATIVE.column()) == Some(&wanted)).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_numbers_agree_with_libc() {
        let table = numbers(Arch::NATIVE);
        for (name, number) in [
            ("read", libc::SYS_read),
            ("mount", libc::SYS_mount),
            ("clone3", libc::SYS_clone3),
            ("openat2", libc::SYS_openat2),
            ("seccomp", libc::SYS_seccomp),
            ("renameat2", libc::SYS_renameat2),
            ("execveat", libc::SYS_execveat),
            ("set_mempolicy_home_node", libc::SYS_set_mempolicy_home_node),
        ] {
            assert_eq!(i64::from(table[name]), number, "{name}");
            assert_eq!(super::name(number as u64), Some(name));
        }
    }

    #[test]
    fn no_number_is_given_twice() {
        for arch in [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64] {
            let table = numbers(arch);
            let mut seen: Vec<u32> = table.values().copied().collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), table.len(), "{arch:?}");
            assert!(table.len() > 300);
        }
    }
}
