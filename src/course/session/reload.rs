//! A session whose course changes under it: for authors who write a lab while it is open.

use super::super::error::Error;
use super::super::library::Course;
use super::super::unit::Unit;
use super::{Moved, Session};

impl Session {
    /// Takes the course as it is now. What only changes facts, texts and questions is taken over in the world that is there; what changes the world
    /// makes a fresh one.
    ///
    /// # Errors
    /// The unit is not there any more, or its world could not be made; then the old one stays.
    pub fn reload(&mut self, course: Course) -> Result<Moved, Error> {
        let attempt = self.progress.unit(&course, &self.unit.id).attempt;
        let seed = self.options.seed.clone().unwrap_or_else(|| super::super::params::seed_of(&self.progress.learner, attempt));
        let unit = course.unit(&self.unit.id, &seed)?.0;
        let same = same_world(&self.course, &self.unit, &course, &unit)?;
        let last = unit.steps.len().saturating_sub(1);
        let step = unit.step(&self.current().id).unwrap_or(self.step.min(last));
        self.course = course;
        if !same {
            return self.open(&unit.id, step);
        }
        (self.unit, self.step) = (unit, step);
        self.moment.look_for_new_things(&self.place, &self.unit.steps[step]);
        Ok(self.stay())
    }
}

/// Whether two readings of a unit begin with the same world.
fn same_world(before: &Course, old: &Unit, after: &Course, new: &Unit) -> Result<bool, Error> {
    let told = |unit: &Unit| (unit.world.clone(), unit.drawn.clone(), unit.place.clone(), unit.setup.clone(), unit.start.clone());
    if told(old) != told(new) {
        return Ok(false);
    }
    let (before_entry, after_entry) = (before.entry(&old.id)?, after.entry(&new.id)?);
    for (name, _) in &new.place {
        if before.placed(before_entry, name)? != after.placed(after_entry, name)? {
            return Ok(false);
        }
    }
    Ok(true)
}
