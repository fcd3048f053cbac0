//! `bottleship submit` writes what a learner did; `bottleship grade` replays it: each submission in a process of its own, which is ended when it takes too long.

mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use crate::bottle::scratch::{self, Scratch, Use};
use crate::bottle::{self, Spec};
use crate::course::progress::Progress;
use crate::course::session::{Options, Session};
use crate::course::submission::{self, Grade, Standing, Submission, grade};
use crate::course::view::StepState;
use crate::course::{Course, Error, class};
use crate::kernel::{self, process};
pub(super) use work::grade_all;

/// The sub-command `submit`.
pub const SUBMIT: Tool = Tool { command: submit_command, run: |arguments| finish(submit(arguments)) };
/// The sub-command `grade`.
pub const GRADE: Tool = Tool { command: grade_command, run: |arguments| finish(grade_files(arguments)) };

fn submit_command() -> Command {
    Command::new("submit")
        .about("Write what you did in a lab to a file that can be graded")
        .arg(Arg::new("UNIT").help("The lab or lesson; the current one if not given"))
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Where to; UNIT.bottleship here if not given"),
        )
        .arg(Arg::new("name").long("name").value_name("NAME").help("A name to put into the file; none if not given"))
        .arg(super::course_argument())
}

fn grade_command() -> Command {
    Command::new("grade")
        .about("Replay submissions in fresh bottles and grade them")
        .after_help("Exit codes: 0 all pass with full points, 1 points are missing or one is for review, 2 one was rejected, 3 grading itself failed.")
        .arg(Arg::new("FILE").required(true).num_args(1..).value_parser(value_parser!(PathBuf)).help("Submissions"))
        .arg(Arg::new("format").long("format").value_parser(["table", "json", "junit", "csv"]).default_value("table").help("How to report"))
        .arg(limit_argument())
        // What the process of its own is started with.
        .arg(Arg::new("here").long("here").action(ArgAction::SetTrue).hide(true))
        .arg(super::course_argument())
}

/// `--limit`.
pub(super) fn limit_argument() -> Arg {
    Arg::new("limit")
        .long("limit")
        .value_name("SECONDS")
        .value_parser(value_parser!(u64).range(1..=86_400))
        .default_value("300")
        .help("What is not graded after so long is rejected")
}

/// What `--limit` says.
pub(super) fn limit(arguments: &ArgMatches) -> Duration {
    Duration::from_secs(arguments.get_one::<u64>("limit").copied().unwrap_or(300))
}

/// Says what went wrong with grading itself.
pub(super) fn finish(done: Result<u8, Error>) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(3)
        }
    }
}

fn submit(arguments: &ArgMatches) -> Result<u8, Error> {
    let course = Course::open(arguments.get_one::<PathBuf>("course").map(PathBuf::as_path))?;
    let learner = std::env::var("USER").unwrap_or_else(|_| "learner".to_owned());
    let progress = Progress::open(&bottle::state_root(), &learner)?;
    let unit = arguments.get_one::<String>("UNIT").cloned().unwrap_or_else(|| progress.standing.unit.clone());
    if unit.is_empty() {
        return Err(Error::NotNow { why: "no lab is open yet".to_owned(), hint: "`bottleship submit UNIT` names one".to_owned() });
    }
    let submission = Submission::of(&course, &progress, &unit, arguments.get_one::<String>("name").cloned())?;
    let default = PathBuf::from(format!("{}.bottleship", submission.unit.replace('/', "-")));
    let path = arguments.get_one::<PathBuf>("output").cloned().unwrap_or(default);
    kernel::fs::replace(&path, submission.text().as_bytes(), 0o644)?;
    println!("{}: {} lines of {}", path.display(), submission.lines.len(), submission.unit);
    Ok(0)
}

fn grade_files(arguments: &ArgMatches) -> Result<u8, Error> {
    let folder = arguments.get_one::<PathBuf>("course").map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let course = Course::open(folder.as_deref())?;
    let files: Vec<PathBuf> = arguments.get_many::<PathBuf>("FILE").into_iter().flatten().cloned().collect();
    let mut grades = match arguments.get_flag("here") {
        true => {
            // Whoever watches the limit may be killed: then nobody would end a line that does not end.
            process::die_with_parent(process::Signal::SIGKILL)?;
            // What it has made for us is ours too.
            let _above = std::env::var_os("TMPDIR").map(|above| scratch::hold(Path::new(&above)));
            grade_here(&files, &course, folder.as_deref())?
        }
        false => grade_all(&files, folder.as_deref(), 1, limit(arguments))?,
    };
    class::mark_copies(&mut grades);
    let format = arguments.get_one::<String>("format").map_or("table", String::as_str);
    print!("{}", shown(&grades, format));
    Ok(exit_code(&grades))
}

/// Grades in this very process.
fn grade_here(files: &[PathBuf], course: &Course, folder: Option<&Path>) -> Result<Vec<Grade>, Error> {
    let state = Scratch::new(Use::Grade)?;
    let prefix = format!("grade-{}-", std::process::id());
    let mut worlds = 0;
    let mut open = |unit: &str, seed: &str| {
        worlds += 1;
        Session::start(Options {
            state: state.path().join(worlds.to_string()),
            course: folder.map(Path::to_owned),
            unit: Some(unit.to_owned()),
            learner: Some("grader".to_owned()),
            seed: Some(seed.to_owned()),
            bottle: Spec { name: format!("{prefix}{worlds}"), ..Spec::default() },
            ..Options::default()
        })
    };
    let mut grades = Vec::new();
    for file in files {
        // One file that is broken is no reason not to grade the others.
        grades.push(match std::fs::read(file) {
            Ok(bytes) => grade(file, &bytes, course, &mut open),
            Err(error) => submission::unreadable(file, &kernel::Error::from_io("read", file.display(), &error)),
        });
    }
    super::forget_worlds(&prefix);
    Ok(grades)
}

/// What the command ends with.
pub(super) fn exit_code(grades: &[Grade]) -> u8 {
    let any = |result| grades.iter().any(|grade| grade.result == result);
    let whole = grades.iter().all(|grade| grade.result == Standing::Pass && grade.points == grade.of);
    match () {
        () if any(Standing::Error) => 3,
        () if any(Standing::Rejected) => 2,
        () => u8::from(!whole),
    }
}

/// A report.
pub(super) fn shown(grades: &[Grade], format: &str) -> String {
    match format {
        "json" => format!("{}\n", serde_json::to_string_pretty(grades).unwrap_or_default()),
        "junit" => junit(grades),
        "csv" => csv(grades),
        _ => table(grades),
    }
}

/// The name, or the file where there is none.
pub(super) fn who(grade: &Grade) -> &str {
    grade.name.as_deref().unwrap_or(&grade.file)
}

fn table(grades: &[Grade]) -> String {
    let width = grades.iter().map(|grade| who(grade).chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("{:<width$}  {:<10} {:>7}  {:>7}  {:<24} {}\n", "WHO", "RESULT", "POINTS", "SECOND", "UNIT", "WHY");
    for grade in grades {
        let second = grade.second.map_or_else(|| "-".to_owned(), |second| format!("{second}/{}", grade.of));
        let points = format!("{}/{}", grade.points, grade.of);
        let line =
            format!("{:<width$}  {:<10} {points:>7}  {second:>7}  {:<24} {}", who(grade), grade.result.word(), grade.unit, grade.why);
        text.push_str(line.trim_end());
        text.push('\n');
        for step in grade.steps.iter().filter(|step| step.claimed == Some(StepState::Revealed)) {
            text.push_str(&format!("{:<width$}    step {}: the solution was shown\n", "", step.step));
        }
        for step in grade.steps.iter().filter(|step| !step.wrong.is_empty()) {
            text.push_str(&format!("{:<width$}    step {}: {}\n", "", step.step, step.wrong.join("; ")));
        }
    }
    text
}

/// RFC 4180.
fn csv(grades: &[Grade]) -> String {
    let field =
        |text: &str| if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() };
    let mut text = "who,file,unit,result,points,of,second,why\r\n".to_owned();
    for grade in grades {
        let second = grade.second.map(|second| second.to_string()).unwrap_or_default();
        let (points, of) = (grade.points.to_string(), grade.of.to_string());
        let row = [who(grade), &grade.file, &grade.unit, grade.result.word(), &points, &of, &second, &grade.why];
        text.push_str(&row.map(field).join(","));
        text.push_str("\r\n");
    }
    text
}

/// The dialect that most servers read: a suite per submission, a case per step.
fn junit(grades: &[Grade]) -> String {
    let escape = |text: &str| {
        let text: String = text.chars().filter(|letter| !letter.is_control() && !matches!(*letter, '\u{fffe}' | '\u{ffff}')).collect();
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for grade in grades {
        let graded = grade.result.is_graded();
        let failures = grade.steps.iter().filter(|step| step.points < step.of).count();
        let cases = grade.steps.len() + usize::from(grade.result != Standing::Pass);
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{cases}\" failures=\"{}\" errors=\"{}\">\n",
            escape(&format!("{} {}", who(grade), grade.unit)),
            failures + usize::from(grade.result == Standing::Review),
            usize::from(!graded)
        ));
        for step in &grade.steps {
            let name = escape(&format!("{} ({}/{})", step.step, step.points, step.of));
            if step.points < step.of {
                let why = if step.wrong.is_empty() { "never checked".to_owned() } else { step.wrong.join("; ") };
                text.push_str(&format!("    <testcase name=\"{name}\"><failure message=\"{}\"/></testcase>\n", escape(&why)));
            } else {
                text.push_str(&format!("    <testcase name=\"{name}\"/>\n"));
            }
        }
        if grade.result != Standing::Pass {
            let tag = if graded { "failure" } else { "error" };
            text.push_str(&format!(
                "    <testcase name=\"{}\"><{tag} message=\"{}\"/></testcase>\n",
                grade.result.word(),
                escape(&grade.why)
            ));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::submission::StepGrade;
    use crate::course::view::Verdict;

    fn grades() -> Vec<Grade> {
        let step = |step: &str, verdict, points, wrong: &[&str]| StepGrade {
            step: step.into(),
            verdict,
            claimed: verdict.map(|_| StepState::Done),
            points,
            of: 3,
            wrong: wrong.iter().map(|text| (*text).to_owned()).collect(),
            failed: wrong.iter().map(|text| text.split(' ').next().unwrap_or("").to_owned()).collect(),
            mistakes: Vec::new(),
        };
        let grade = |name: &str, result, points, second, steps, why: &str| Grade {
            file: format!("{name}.bottleship"),
            name: Some(name.to_owned()),
            unit: "by-hand/cage".into(),
            seed: name.to_owned(),
            result,
            points,
            of: 6,
            second,
            steps,
            why: why.to_owned(),
        };
        vec![
            grade(
                "ana",
                Standing::Pass,
                6,
                Some(6),
                vec![step("one", Some(Verdict::Pass), 3, &[]), step("two", Some(Verdict::Pass), 3, &[])],
                "",
            ),
            grade(
                "bo, the 2nd",
                Standing::Review,
                3,
                Some(0),
                vec![step("one", Some(Verdict::Pass), 3, &[]), step("two", None, 0, &["cap is not yet: \"max\" <none>"])],
                "one seed",
            ),
            grade("cy", Standing::Rejected, 0, None, vec![], "the seal does not fit: it was changed"),
            grade("di", Standing::Error, 0, None, vec![], "labs/by-hand/cage/lab.yaml:7:3: `gaol`: no such key (did you mean `goal`?)"),
        ]
    }

    #[test]
    fn reports() {
        for format in ["table", "csv", "junit", "json"] {
            insta::assert_snapshot!(format!("grades-{format}"), shown(&grades(), format));
        }
    }

    /// Whether a text is well-formed XML as far as our writer goes: one root, tags that close, attributes in quotes, no stray `<` or `&`.
    fn well_formed(text: &str) -> Result<(), String> {
        let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").ok_or("no declaration")?;
        let tag = regex_lite::Regex::new(r#"^<(/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(/?)>"#).unwrap();
        let entity = regex_lite::Regex::new("^&(amp|lt|gt|quot);").unwrap();
        let (mut open, mut roots) = (Vec::new(), 0);
        while let Some(first) = rest.chars().next() {
            if first == '<' {
                let found = tag.captures(rest).ok_or_else(|| format!("no tag: {}", &rest[..rest.len().min(60)]))?;
                match (found[1].is_empty(), found[4].is_empty()) {
                    (true, true) => open.push(found[2].to_owned()),
                    (false, _) if open.pop().as_deref() == Some(&found[2]) => roots += usize::from(open.is_empty()),
                    (false, _) => return Err(format!("</{}> closes another", &found[2])),
                    (true, false) => {}
                }
                for (at, _) in found[3].match_indices('&') {
                    entity.captures(&found[3][at..]).ok_or_else(|| format!("a stray & in {}", &found[3]))?;
                }
                rest = &rest[found[0].len()..];
            } else if first.is_whitespace() {
                rest = &rest[1..];
            } else {
                return Err(format!("text between tags: {first}"));
            }
        }
        if open.is_empty() && roots == 1 { Ok(()) } else { Err(format!("open: {open:?}, roots: {roots}")) }
    }

    #[test]
    fn junit_is_well_formed_whatever_a_learner_is_called() {
        assert!(well_formed("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b></a>").is_err(), "the judge has teeth");
        for name in ["ana", "<b>&amp;\"'", "]]>", "a\u{0}b\u{1b}[31m\u{fffe}", "zoë & søn", "&#0;", "</testsuite>"] {
            let mut all = grades();
            for grade in &mut all {
                grade.name = Some(name.to_owned());
                grade.why = name.to_owned();
                grade.steps.iter_mut().for_each(|step| step.wrong = vec![name.to_owned()]);
            }
            let text = shown(&all, "junit");
            well_formed(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
            assert!(!text.contains(['\u{0}', '\u{1b}', '\u{fffe}']), "{text:?}");
        }
    }

    #[test]
    fn exit_codes() {
        let all = grades();
        assert_eq!((exit_code(&all[..1]), exit_code(&all[..2]), exit_code(&all[..3]), exit_code(&all)), (0, 1, 2, 3));
    }
}
