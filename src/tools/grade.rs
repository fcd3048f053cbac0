//! `bottleship submit` writes what a learner did; `bottleship grade` replays it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::Tool;
use crate::bottle::{self, Spec};
use crate::course::progress::Progress;
use crate::course::session::{Options, Session};
use crate::course::submission::{Grade, Standing, Submission, grade};
use crate::course::{Course, Error};
use crate::kernel;

/// The sub-command `submit`.
pub const SUBMIT: Tool = Tool { command: submit_command, run: |arguments| finish(submit(arguments)) };
/// The sub-command `grade`.
pub const GRADE: Tool = Tool { command: grade_command, run: |arguments| finish(grade_files(arguments)) };

fn course_argument() -> Arg {
    Arg::new("course")
        .long("course")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("A course folder instead of the course in the binary")
}

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
        .arg(course_argument())
}

fn grade_command() -> Command {
    Command::new("grade")
        .about("Replay submissions in fresh bottles and grade them")
        .after_help("Exit codes: 0 all pass with full points, 1 points are missing or one is for review, 2 one was rejected, 3 grading itself failed.")
        .arg(Arg::new("FILE").required(true).num_args(1..).value_parser(value_parser!(PathBuf)).help("Submissions"))
        .arg(Arg::new("format").long("format").value_parser(["table", "json", "junit", "csv"]).default_value("table").help("How to report"))
        .arg(course_argument())
}

fn finish(done: Result<u8, Error>) -> ExitCode {
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
    let state = super::scratch("bottleship-grade-").map_err(|error| kernel::Error::from_io("mkdir", "a folder for grading", &error))?;
    let mut worlds = 0;
    let mut open = |unit: &str, seed: &str| {
        worlds += 1;
        Session::start(Options {
            state: state.path().join(worlds.to_string()),
            course: folder.clone(),
            unit: Some(unit.to_owned()),
            learner: Some("grader".to_owned()),
            seed: Some(seed.to_owned()),
            bottle: Spec { name: format!("grade-{}-{worlds}", std::process::id()), ..Spec::default() },
            size: None,
        })
    };
    let mut grades = Vec::new();
    for file in arguments.get_many::<PathBuf>("FILE").into_iter().flatten() {
        let bytes = std::fs::read(file).map_err(|error| kernel::Error::from_io("read", file.display(), &error))?;
        grades.push(grade(file, &bytes, &course, &mut open));
    }
    let format = arguments.get_one::<String>("format").map_or("table", String::as_str);
    print!("{}", shown(&grades, format));
    Ok(exit_code(&grades))
}

fn exit_code(grades: &[Grade]) -> u8 {
    let rejected = grades.iter().any(|grade| grade.result == Standing::Rejected);
    let whole = grades.iter().all(|grade| grade.result == Standing::Pass && grade.points == grade.of);
    if rejected { 2 } else { u8::from(!whole) }
}

fn shown(grades: &[Grade], format: &str) -> String {
    match format {
        "json" => format!("{}\n", serde_json::to_string_pretty(grades).unwrap_or_default()),
        "junit" => junit(grades),
        "csv" => csv(grades),
        _ => table(grades),
    }
}

/// The name, or the file where there is none.
fn who(grade: &Grade) -> &str {
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
        let text: String = text.chars().filter(|letter| !letter.is_control() || *letter == '\n' || *letter == '\t').collect();
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for grade in grades {
        let rejected = grade.result == Standing::Rejected;
        let failures = grade.steps.iter().filter(|step| step.points < step.of).count();
        let cases = grade.steps.len() + usize::from(grade.result != Standing::Pass);
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{cases}\" failures=\"{}\" errors=\"{}\">\n",
            escape(&format!("{} {}", who(grade), grade.unit)),
            failures + usize::from(grade.result == Standing::Review),
            usize::from(rejected)
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
            let tag = if rejected { "error" } else { "failure" };
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
            points,
            of: 3,
            wrong: wrong.iter().map(|text| (*text).to_owned()).collect(),
        };
        let grade = |name: &str, result, points, second, steps, why: &str| Grade {
            file: format!("{name}.bottleship"),
            name: Some(name.to_owned()),
            unit: "by-hand/cage".into(),
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
        ]
    }

    #[test]
    fn reports() {
        for format in ["table", "csv", "junit", "json"] {
            insta::assert_snapshot!(format!("grades-{format}"), shown(&grades(), format));
        }
    }

    #[test]
    fn exit_codes() {
        let all = grades();
        assert_eq!((exit_code(&all[..1]), exit_code(&all[..2]), exit_code(&all)), (0, 1, 2));
    }
}
