//! `bottleship xray-attach PID`: the kernel calls of another program, as journal events on standard output.
//!
//! Run by `:zoom on` inside a host. The first line is `{"attached":PID}`; then one event of kind `xray` per call, each written before the
//! program that made the call goes on. It ends with the last of the processes it follows, or when nobody reads any more.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::Tool;
use crate::journal::Event;
use crate::kernel::trace;
use crate::kernel::xray::Record;

/// The sub-command.
pub const ATTACH: Tool = Tool { command, run };

fn command() -> Command {
    Command::new("xray-attach")
        .about("Follow a process and print its kernel calls as journal events")
        .hide(true)
        .arg(Arg::new("PID").required(true).value_parser(value_parser!(i32).range(1..)).help("The process to follow, with all it starts"))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let pid = *arguments.get_one::<i32>("PID").expect("clap requires it");
    let followed = trace::follow(pid, &mut || print(&json!({ "attached": pid })), &mut |record| print(&event(&record)));
    match followed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: follow process {pid}\ncause: {error}\nhint: a process has one tracer: end strace or gdb first");
            ExitCode::FAILURE
        }
    }
}

/// The journal event of a record.
fn event(record: &Record) -> serde_json::Value {
    let mut event = Event::new("you", "xray", &record.call);
    event.at = record.started;
    event.data = json!({ "args": record.args, "result": record.result, "took_ns": record.took.as_nanos() as u64, "pid": record.pid });
    json!(event)
}

/// One line, at once. When the reader is gone there is nobody left to look for: end, which lets the followed processes run on.
#[expect(
    clippy::disallowed_methods,
    reason = "deep in a callback of the tracer there is no way back to main; nothing of ours needs a destructor"
)]
fn print(line: &serde_json::Value) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::trace::calls::CALLS;
    use crate::repl::explain;

    #[test]
    fn every_call_that_is_followed_is_explained() {
        for traced in CALLS {
            assert!(explain::call(traced.name).is_some(), "{} has no explanation", traced.name);
        }
    }
}
