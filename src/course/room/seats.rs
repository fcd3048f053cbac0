//! Who is in the room and what is known of them. Pure: messages and the time in, what changed out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wire::{Facts, name_of};

/// So many learners a room has place for.
pub const SEATS: usize = 200;
/// An id has so many hexadecimal digits.
const ID: usize = 32;

/// Whether a learner's prompt is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Here,
    /// The prompt was left, or the network is gone.
    Away,
    /// They have said that they do not want to be seen.
    Left,
}

impl Presence {
    /// As it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Presence::Here => "here",
            Presence::Away => "away",
            Presence::Left => "left",
        }
    }
}

/// A learner in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learner {
    pub number: u32,
    pub name: Option<String>,
    pub facts: Facts,
    pub presence: Presence,
    /// Prompts of theirs that are connected.
    connections: u32,
    /// When they typed something last.
    typed: Duration,
}

impl Learner {
    /// For how long nothing was typed.
    pub fn idle(&self, now: Duration) -> Duration {
        now.saturating_sub(self.typed)
    }

    /// The name, if there is one, and the number: anybody may take another's name.
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("learner {}", self.number), |name| format!("{name} ({})", self.number))
    }
}

/// What a message changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Joined,
    Moved,
    Away,
    Left,
    /// Nothing to tell.
    None,
}

/// A room.
#[derive(Debug, Default)]
pub struct Room {
    learners: BTreeMap<String, Learner>,
}

impl Room {
    /// The learners, by their numbers.
    pub fn learners(&self) -> Vec<&Learner> {
        let mut all: Vec<&Learner> = self.learners.values().collect();
        all.sort_by_key(|learner| learner.number);
        all
    }

    /// The learner with this id.
    pub fn learner(&self, id: &str) -> Option<&Learner> {
        self.learners.get(id)
    }

    /// A prompt has come, of a new learner or of one who is known. The number they had before they get again if it is free.
    ///
    /// # Errors
    /// It is no id, or the room is full.
    pub fn hello(&mut self, id: &str, number: Option<u32>, name: Option<&str>, now: Duration) -> Result<u32, String> {
        if id.len() != ID || !id.bytes().all(|letter| letter.is_ascii_hexdigit()) {
            return Err("this is no id of a learner".to_owned());
        }
        let name = name.and_then(name_of);
        if let Some(known) = self.learners.get_mut(id) {
            known.connections += 1;
            (known.presence, known.name) = (Presence::Here, name);
            return Ok(known.number);
        }
        // Of who has left, nothing is known but that they were here: the seat is given away where another is needed. So is that of who is away for longest.
        let longest = |presence| {
            let those = self.learners.iter().filter(move |(_, learner)| learner.presence == presence);
            those.min_by_key(|(_, learner)| learner.typed).map(|(id, _)| id.clone())
        };
        let left = longest(Presence::Left).or_else(|| longest(Presence::Away));
        if let Some(left) = left.filter(|_| self.learners.len() >= SEATS) {
            self.learners.remove(&left);
        }
        if self.learners.len() >= SEATS {
            return Err(format!("the room is full: it has {SEATS} seats"));
        }
        let taken = |number: u32| self.learners.values().any(|learner| learner.number == number);
        let asked = number.filter(|number| (1..=SEATS as u32).contains(number) && !taken(*number));
        let number = asked.or_else(|| (1..).find(|number| !taken(*number))).unwrap_or(1);
        let learner = Learner { number, name, facts: Facts::default(), presence: Presence::Here, connections: 1, typed: now };
        self.learners.insert(id.to_owned(), learner);
        Ok(number)
    }

    /// What a learner's prompt tells.
    pub fn facts(&mut self, id: &str, facts: Facts, idle: Duration, now: Duration) -> Change {
        let Some(learner) = self.learners.get_mut(id).filter(|learner| learner.presence == Presence::Here) else { return Change::None };
        learner.typed = now.saturating_sub(idle);
        let facts = facts.clean();
        match std::mem::replace(&mut learner.facts, facts) == learner.facts {
            true => Change::None,
            false => Change::Moved,
        }
    }

    /// A connection of theirs has ended.
    pub fn gone(&mut self, id: &str) -> Change {
        let Some(learner) = self.learners.get_mut(id) else { return Change::None };
        learner.connections = learner.connections.saturating_sub(1);
        if learner.connections > 0 || learner.presence != Presence::Here {
            return Change::None;
        }
        learner.presence = Presence::Away;
        Change::Away
    }

    /// They leave: only that they were here stays.
    pub fn leave(&mut self, id: &str) -> Change {
        let Some(learner) = self.learners.get_mut(id) else { return Change::None };
        learner.facts = Facts::default();
        match std::mem::replace(&mut learner.presence, Presence::Left) {
            Presence::Left => Change::None,
            _ => Change::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn id(digit: char) -> String {
        digit.to_string().repeat(ID)
    }

    fn at(unit: &str) -> Facts {
        Facts { unit: unit.into(), ..Facts::default() }
    }

    #[test]
    fn who_comes_back_is_the_same_learner() {
        let mut room = Room::default();
        assert_eq!(room.hello(&id('a'), None, Some("Ana"), NOW), Ok(1));
        assert_eq!(room.hello(&id('b'), None, None, NOW), Ok(2));
        assert_eq!(room.facts(&id('a'), at("by-hand/chroot"), Duration::from_secs(7), NOW), Change::Moved);
        assert_eq!(room.facts(&id('a'), at("by-hand/chroot"), Duration::from_secs(9), NOW), Change::None);
        assert_eq!(room.gone(&id('a')), Change::Away);
        assert_eq!(room.hello(&id('a'), None, Some("Ana"), NOW), Ok(1));
        let ana = room.learner(&id('a')).unwrap();
        assert_eq!((ana.called().as_str(), ana.presence, ana.facts.unit.as_str()), ("Ana (1)", Presence::Here, "by-hand/chroot"));
        assert_eq!(ana.idle(NOW + Duration::from_secs(1)), Duration::from_secs(10));
        assert_eq!(room.learners()[1].called(), "learner 2");
    }

    #[test]
    fn of_two_prompts_the_last_one_to_end_makes_a_learner_away() {
        let mut room = Room::default();
        room.hello(&id('a'), None, None, NOW).unwrap();
        room.hello(&id('a'), None, None, NOW).unwrap();
        assert_eq!((room.gone(&id('a')), room.gone(&id('a')), room.gone(&id('a'))), (Change::None, Change::Away, Change::None));
    }

    #[test]
    fn who_has_left_is_not_seen_until_they_come_again() {
        let mut room = Room::default();
        room.hello(&id('a'), None, None, NOW).unwrap();
        room.facts(&id('a'), at("x/y"), Duration::ZERO, NOW);
        assert_eq!((room.leave(&id('a')), room.leave(&id('a'))), (Change::Left, Change::None));
        assert_eq!(room.facts(&id('a'), at("x/z"), Duration::ZERO, NOW), Change::None, "another prompt may not know it yet");
        assert_eq!(room.gone(&id('a')), Change::None);
        assert_eq!(room.learner(&id('a')).map(|learner| learner.facts.unit.clone()), Some(String::new()));
        assert_eq!(room.hello(&id('a'), Some(1), None, NOW), Ok(1));
        assert_eq!(room.facts(&id('a'), at("x/z"), Duration::ZERO, NOW), Change::Moved);
    }

    #[test]
    fn a_number_is_given_again_where_it_is_free() {
        let mut room = Room::default();
        assert_eq!(room.hello(&id('a'), Some(7), None, NOW), Ok(7));
        assert_eq!(room.hello(&id('b'), Some(7), None, NOW), Ok(1));
        assert_eq!(room.hello(&id('c'), Some(u32::MAX), None, NOW), Ok(2));
    }

    #[test]
    fn a_room_has_an_end() {
        let mut room = Room::default();
        for wrong in ["", "a", "g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0", &"a".repeat(33)] {
            assert!(room.hello(wrong, None, None, NOW).is_err(), "{wrong}");
        }
        for seat in 0..SEATS {
            room.hello(&format!("{seat:032x}"), None, None, NOW).unwrap();
        }
        assert!(room.hello(&format!("{SEATS:032x}"), None, None, NOW).unwrap_err().contains("full"));
        assert!(room.hello(&format!("{:032x}", 3), None, None, NOW).is_ok());
        room.leave(&format!("{:032x}", 7));
        assert_eq!(room.hello(&format!("{SEATS:032x}"), None, None, NOW), Ok(8), "the seat of who has left");
        assert!(room.learner(&format!("{:032x}", 7)).is_none() && room.learners().len() == SEATS);
        assert_eq!(room.gone(&format!("{:032x}", 7)), Change::None);
        // Where nobody has left it is the seat of who is away for longest.
        let later = NOW + Duration::from_secs(1);
        room.facts(&format!("{:032x}", 4), at("x/y"), Duration::ZERO, later);
        room.gone(&format!("{:032x}", 4));
        room.gone(&format!("{:032x}", 5));
        assert_eq!(room.hello(&format!("{:032x}", SEATS + 1), None, None, later), Ok(6));
    }
}
