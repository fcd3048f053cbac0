//! System call names and numbers, per architecture. The data is in `syscalls.rs`.

pub use super::syscalls::SYSCALLS;

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

    /// Its column in [`SYSCALLS`].
    pub const fn column(self) -> usize {
        match self {
            Arch::X86_64 => 0,
            Arch::X86 => 1,
            Arch::X32 => 2,
            Arch::Aarch64 => 3,
        }
    }
}

/// The numbers of a call, by [`Arch::column`]; -1 where an architecture does not have it.
pub type Numbers = [i16; 4];

/// The numbers of a call on all architectures; `None` for a name that nobody has.
pub fn numbers(name: &str) -> Option<&'static Numbers> {
    SYSCALLS.binary_search_by_key(&name, |(known, _)| known).ok().map(|at| &SYSCALLS[at].1)
}

/// The number of a call on one architecture. x32 numbers come without bit 30.
#[cfg(test)]
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    numbers(name).and_then(|columns| u32::try_from(columns[arch.column()]).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_numbers_agree_with_libc() {
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
            assert_eq!(super::number(Arch::NATIVE, name).map(i64::from), Some(number), "{name}");
        }
    }

    #[test]
    fn no_number_is_given_twice() {
        for arch in [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64] {
            let mut seen: Vec<i16> = SYSCALLS.iter().map(|(_, columns)| columns[arch.column()]).filter(|number| *number >= 0).collect();
            let all = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), all, "{arch:?}");
            assert!(all > 300);
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SYSCALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
