//! Random bytes from the kernel, getrandom(2).

/// So many bytes that nobody can guess.
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    let mut filled = 0;
    while filled < COUNT {
        // A signal may come while the kernel is still gathering, and then it is asked again; without flags nothing else can fail.
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_are_never_equal() {
        assert_ne!(super::bytes::<32>(), super::bytes::<32>());
    }
}
