//! How a person types: not evenly, slower before a new word, with a look at the line before Enter. The same seed gives the same rhythm.

use std::time::Duration;

/// A seeded rhythm, or none.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// The state of splitmix64; none where lines appear at once.
    state: Option<u64>,
}

impl Rhythm {
    /// A rhythm from a seed.
    pub fn of(seed: u64) -> Self {
        Rhythm { state: Some(seed) }
    }

    /// Whole lines at once.
    pub fn none() -> Self {
        Rhythm { state: None }
    }

    /// Whether lines appear at once.
    pub fn is_none(&self) -> bool {
        self.state.is_none()
    }

    /// How long the hand takes to the next key after `letter`.
    pub fn after(&mut self, letter: char) -> Duration {
        let pause = match letter {
            '\n' => 250,
            ' ' => 60,
            letter if letter.is_ascii_punctuation() => 40,
            _ => 0,
        };
        let Some(drawn) = self.draw() else { return Duration::ZERO };
        // One key in sixteen is looked for.
        let looked_for = if drawn.is_multiple_of(16) { 120 } else { 0 };
        Duration::from_millis(25 + drawn % 55 + pause + looked_for)
    }

    /// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    fn draw(&mut self) -> Option<u64> {
        let state = self.state.as_mut()?;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some((mixed ^ (mixed >> 31)) >> 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(mut rhythm: Rhythm) -> Vec<u128> {
        "docker run -d nginx\n".chars().map(|letter| rhythm.after(letter).as_millis()).collect()
    }

    #[test]
    fn a_seed_is_a_rhythm_and_another_seed_another() {
        assert_eq!(pauses(Rhythm::of(7)), pauses(Rhythm::of(7)));
        assert_ne!(pauses(Rhythm::of(7)), pauses(Rhythm::of(8)));
        let mut even = pauses(Rhythm::of(7));
        even.dedup();
        assert!(even.len() > 10, "no machine types like this: {even:?}");
        assert!(even.iter().all(|pause| (25..=500).contains(pause)), "{even:?}");
        assert!(pauses(Rhythm::none()).iter().all(|pause| *pause == 0));
    }
}
