//! `docker top`: the machine's ps(1), of which the lines of the container are kept.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Container, life};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::ns;

impl Engine {
    /// `GET /containers/ID/top`.
    ///
    /// # Errors
    /// It does not run; ps(1) refuses its arguments or is not there.
    pub async fn top(self: &Arc<Self>, container: &Arc<Container>, arguments: &str) -> Result<Value, Fault> {
        if arguments.contains('\0') {
            return Err(Fault::bad(format!("{arguments:?} are no arguments for ps: there is a NUL in them")));
        }
        if !container.state().is_running() {
            return Err(life::not_running(container));
        }
        // Without a cgroup of its own: who shares the pid namespace.
        let grouped = self.with_cgroup(container, |cgroup| cgroup.all_processes()).await;
        let pids = grouped.unwrap_or_else(|_| ns::processes_beside(container.state().pid));
        let words: Vec<&str> = arguments.split_whitespace().collect();
        // By number, ps shows processes of every user and terminal, also where only columns are asked for. Some options refuse that.
        let chosen = format!("-q{}", pids.iter().map(i32::to_string).collect::<Vec<_>>().join(","));
        let ps = async |more: Option<&str>| {
            let output = Command::new("ps").args(&words).args(more).output().await;
            output.map_err(|error| Fault::internal(format!("run `ps {arguments}`: {error}")))
        };
        let mut output = ps(Some(&chosen)).await?;
        if !output.status.success() {
            output = ps(None).await?;
        }
        if !output.status.success() {
            return Err(Fault::internal(format!("ps: {}", String::from_utf8_lossy(&output.stderr).trim())));
        }
        self.tell(container, "top", &[]);
        table(&String::from_utf8_lossy(&output.stdout), &pids)
    }
}

/// The titles and the rows of the processes that are meant. The last column holds what is left of a line.
fn table(text: &str, pids: &[i32]) -> Result<Value, Fault> {
    let mut lines = text.lines();
    let titles: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let column = titles.iter().position(|title| *title == "PID").ok_or_else(|| Fault::internal("Couldn't find PID field in ps output"))?;
    let mut rows = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(pid) = words.get(column).and_then(|word| word.parse::<i32>().ok()) else { continue };
        if pids.contains(&pid) {
            let (first, last) = words.split_at(titles.len().saturating_sub(1).min(words.len()));
            let mut row: Vec<String> = first.iter().map(|word| (*word).to_owned()).collect();
            row.push(last.join(" "));
            rows.push(row);
        }
    }
    Ok(json!({"Titles": titles, "Processes": rows}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_lines_are_kept() {
        let text = "UID PID CMD\nroot 1 /sbin/init splash\nroot 42 sleep 1000\n";
        assert_eq!(table(text, &[42]).unwrap(), json!({"Titles": ["UID", "PID", "CMD"], "Processes": [["root", "42", "sleep 1000"]]}));
        assert!(table("A B\n1 2\n", &[1]).is_err());
    }
}
