//! Broken versions of good inputs: what real files become by slips, cuts and malice.

/// Longer inputs are cut: a parser that is slow on a megabyte is another test's matter.
const LONGEST: usize = 16 * 1024;

/// What YAML, JSON and Markdown care about.
const PUNCTUATION: &[u8] = b"{}[]:,\"'`#-&*!|>%@\n\t \\\0";

/// Gives one mutation after the other; the same seed gives the same ones.
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Mutations of `corpus`, with `words` strewn in.
    pub fn new(seed: u64, corpus: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Mutator { corpus, words, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next one: an input of the corpus after one to six changes.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.corpus[self.below(self.corpus.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(32)).min(input.len());
        match self.below(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at.min(end)..end)),
            2 => {
                let piece = input[at.min(end)..end].to_vec();
                let place = self.below(input.len() + 1);
                drop(input.splice(place..place, piece));
            }
            3 => {
                let other = &self.corpus[self.below(self.corpus.len())];
                let from = self.below(other.len() + 1);
                let piece = other[from..(from + 200).min(other.len())].to_vec();
                drop(input.splice(at..at, piece));
            }
            4 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                drop(input.splice(at..at, word.bytes()));
            }
            5 if at < input.len() => input[at] ^= 1 << self.below(8),
            6 if at < input.len() => input[at] = self.random() as u8,
            7 => input.insert(at, PUNCTUATION[self.below(PUNCTUATION.len())]),
            _ => {
                let deep = b"[{(-"[self.below(4)];
                drop(input.splice(at..at, std::iter::repeat_n(deep, 300)));
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit.max(1) as u64) as usize
    }

    /// xorshift64*: small, and good enough to break things.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
