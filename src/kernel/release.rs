//! Which kernel this is, uname(2).

/// The kernel's release in its own words, such as `6.1.0-18-amd64`.
pub fn name() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Its first two numbers, to be compared: `(6, 1)`. What cannot be read is older than everything.
pub fn version() -> (u32, u32) {
    numbers(&name())
}

fn numbers(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_distributions_have_two_numbers() {
        assert_eq!(numbers("6.1.0-18-amd64"), (6, 1));
        assert_eq!(numbers("5.19-rc2"), (5, 19));
        assert_eq!(numbers("strange"), (0, 0));
        assert!(version() > (3, 0), "{}", name());
    }
}
