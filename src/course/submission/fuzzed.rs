//! A submission for the fuzz lane, with the seal that its content must have.

use std::path::Path;

use super::super::error::Error;
use super::super::library::Course;
use super::{Standing, Submission, VERSION, digest, translate};

/// For the fuzz lane: an input that is a submission in form is given the digests that it must have, so that what comes after their check is reached too.
/// True when it was: then it was refused only because there is no world to replay it in.
pub fn submission(input: &[u8], course: &Course) -> bool {
    drop(Submission::parse(input));
    let Ok(mut submission) = serde_json::from_slice::<Submission>(input) else { return false };
    submission.bottleship = VERSION;
    submission.journal = digest(&serde_json::to_vec(&submission.lines).unwrap_or_default());
    if let Ok(entry) = course.entry(&submission.unit) {
        submission.digest = course.digest(entry);
    }
    let submission = submission.sealed();
    if let (Ok((_, mine)), Ok((_, theirs))) = (course.unit(&submission.unit, &submission.seed), course.unit(&submission.unit, "other")) {
        submission.lines.iter().for_each(|line| drop(translate(&line.line, &mine, &theirs)));
    }
    let mut asked = false;
    let grade = super::grade(Path::new("fuzzed"), submission.text().as_bytes(), course, &mut |unit, _| {
        asked = true;
        Err(Error::NotNow { why: format!("there is no world for `{unit}`"), hint: String::new() })
    });
    let refused = if asked { Standing::Error } else { grade.result };
    assert!(grade.result == refused && !grade.result.is_graded(), "without a world nothing passes");
    asked
}
