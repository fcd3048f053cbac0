//! A class as a table, JSON, JUnit or CSV.

use crate::course::class::{Summary, Suspicion, UnitSummary};
use crate::course::submission::Grade;
use crate::tools::grade;

/// How many facts and mistakes of a lab are told; all are in the JSON.
const MOST: usize = 3;

/// The report. JUnit and CSV are those of `bottleship grade`: a line for each submission, as grade books want it.
pub(super) fn shown(grades: &[Grade], summary: &Summary, format: &str) -> String {
    match format {
        "json" => {
            format!("{}\n", serde_json::to_string_pretty(&serde_json::json!({ "summary": summary, "grades": grades })).unwrap_or_default())
        }
        "table" => grade::shown(grades, "table") + "\n" + &sums(summary),
        other => grade::shown(grades, other),
    }
}

fn sums(summary: &Summary) -> String {
    let mut text = String::new();
    summary.units.iter().for_each(|unit| text += &of_unit(unit));
    if !summary.suspicions.is_empty() {
        text += "To look at\n";
        summary.suspicions.iter().for_each(|suspicion| text += &of_suspicion(suspicion));
        text += "\n";
    }
    let mut counts = vec![(summary.pass, "pass"), (summary.review, "review"), (summary.rejected, "rejected")];
    counts.extend((summary.error > 0).then_some((summary.error, "error")));
    let counts: Vec<String> = counts.into_iter().map(|(count, word)| format!("{count} {word}")).collect();
    let many = if summary.submissions == 1 { "" } else { "s" };
    text + &format!("{} submission{many}: {}\n", summary.submissions, counts.join(", "))
}

fn of_unit(unit: &UnitSummary) -> String {
    let name = if unit.unit.is_empty() { "(no submission)" } else { &unit.unit };
    let counts = [
        (unit.passed, "with all points"),
        (unit.partly, "with some"),
        (unit.nothing, "with none"),
        (unit.review, "for review"),
        (unit.rejected, "rejected"),
        (unit.error, "not graded"),
    ];
    let told: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let mut text = format!("{name}: {} handed in, {}\n", unit.submissions, told.join(", "));
    for (what, list) in [("fails most", &unit.facts), ("mistake made most", &unit.mistakes), ("never checked", &unit.unchecked)] {
        let first: Vec<String> = list.iter().take(MOST).map(|(name, count)| format!("{name} ({count})")).collect();
        if !first.is_empty() {
            text += &format!("  {what}: {}\n", first.join(", "));
        }
    }
    text + "\n"
}

fn of_suspicion(suspicion: &Suspicion) -> String {
    format!(
        "  {}: {}\n",
        suspicion.name.as_ref().map_or_else(|| suspicion.file.clone(), |name| format!("{name} ({})", suspicion.file)),
        suspicion.why
    )
}
