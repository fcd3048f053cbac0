//! Grading several submissions at once, each in a process of its own.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bottle::scratch::{Scratch, Use};
use crate::course::Error;
use crate::course::submission::{Grade, Standing, unreadable};
use crate::kernel::{self, poll};

/// Of what a grader complains about, so many bytes are read.
const COMPLAINTS: u64 = 4096;
/// How long the worlds of a grader that was ended may take to end too.
const PATIENCE: Duration = Duration::from_secs(20);

/// The grades of `files`, in their order; `jobs` at a time, each within `limit`.
pub fn grade_all(files: &[PathBuf], course: Option<&Path>, jobs: usize, limit: Duration) -> Result<Vec<Grade>, Error> {
    let failed = |what: &'static str| move |error: std::io::Error| kernel::Error::from_io(what, "for grading", &error);
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    // What a grader that is ended leaves behind lies in here, and goes with it.
    let scratch = Scratch::new(Use::Class)?;
    let next = AtomicUsize::new(0);
    let grades: Vec<Mutex<Option<Grade>>> = files.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(files.len()) {
            scope.spawn(|| {
                while let Some((file, place)) = take(&next, files, &grades) {
                    let grade = Grader { program: &program, scratch: scratch.path(), course, limit }.grade(file);
                    *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(grade);
                }
            });
        }
    });
    let taken = grades.into_iter().map(|place| place.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    // Every place was filled: the threads end when there is no file left.
    Ok(taken.zip(files).map(|(grade, file)| grade.unwrap_or_else(|| unreadable(file, &"was not graded"))).collect())
}

fn take<'f>(next: &AtomicUsize, files: &'f [PathBuf], grades: &'f [Mutex<Option<Grade>>]) -> Option<(&'f Path, &'f Mutex<Option<Grade>>)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((files.get(at)?, grades.get(at)?))
}

struct Grader<'g> {
    program: &'g Path,
    scratch: &'g Path,
    course: Option<&'g Path>,
    limit: Duration,
}

impl Grader<'_> {
    fn grade(&self, file: &Path) -> Grade {
        match self.result(file) {
            Ok(Some(grade)) => grade,
            Ok(None) => unreadable(
                file,
                &format!(
                    "could not be graded within {} s: one of its lines does not end (`--limit` gives more time)",
                    self.limit.as_secs()
                ),
            ),
            // Nothing that the learner has done.
            Err(why) => Grade { result: Standing::Error, ..unreadable(file, &why) },
        }
    }

    /// The grade; none if it takes too long.
    fn result(&self, file: &Path) -> Result<Option<Grade>, String> {
        let complaints = tempfile::tempfile_in(self.scratch).map_err(|error| format!("make a file for its complaints: {error}"))?;
        let stderr = complaints.try_clone().map_err(|error| format!("make a file for its complaints: {error}"))?;
        let mut command = Command::new(self.program);
        command.args(["grade", "--here", "--format", "json"]).arg(file).env("TMPDIR", self.scratch);
        if let Some(course) = self.course {
            command.arg("--course").arg(course);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| format!("start `{}` for it: {error}", self.program.display()))?;
        let told = match said(&mut child, self.limit) {
            Ok(Some(told)) => told,
            Ok(None) => {
                end(&mut child);
                return Ok(None);
            }
            Err(error) => {
                end(&mut child);
                return Err(format!("its grader could not be heard: {error}"));
            }
        };
        let status = child.wait().map_err(|error| format!("its grader could not be waited for: {error}"))?;
        let grade = serde_json::from_slice::<Vec<Grade>>(&told).ok().and_then(|grades| grades.into_iter().next());
        grade.map(Some).ok_or_else(|| format!("its grader ended without a grade ({status}): {}", told_by(complaints).trim()))
    }
}

/// What a grader has complained about, as far as it helps whoever reads the grade.
fn told_by(mut complaints: File) -> String {
    let mut bytes = Vec::new();
    // Where it cannot be read there is no help.
    drop(complaints.seek(SeekFrom::Start(0)).and_then(|_| complaints.take(COMPLAINTS).read_to_end(&mut bytes)));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All that a child prints until it closes its end; none when that takes longer than `limit`.
fn said(child: &mut Child, limit: Duration) -> Result<Option<Vec<u8>>, kernel::Error> {
    let (began, mut told) = (Instant::now(), Vec::new());
    let Some(stdout) = &child.stdout else { return Ok(Some(told)) };
    loop {
        let left = limit.saturating_sub(began.elapsed());
        if poll::readable(&[stdout.as_fd()], Some(left))?.is_empty() {
            return Ok(None);
        }
        match poll::read_some(stdout.as_fd())? {
            Some(bytes) => told.extend(bytes),
            None => return Ok(Some(told)),
        }
    }
}

/// Ends a grader and the worlds that it has made.
fn end(child: &mut Child) {
    let prefix = format!("grade-{}-", child.id());
    // It may have ended by itself in between.
    drop(child.kill());
    drop(child.wait());
    let running = || crate::bottle::doctor::bottles().iter().any(|known| known.running && known.name.starts_with(&prefix));
    // A world ends when its maker does. One that does not is told by `bottleship doctor`.
    drop(poll::until("the worlds of a grader to end", poll::stretched(PATIENCE), || Ok(!running())));
    super::super::forget_worlds(&prefix);
}
