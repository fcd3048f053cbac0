//! The instructions that change no file: they only write into the configuration, and a line into the history.

use std::collections::BTreeMap;

use super::dockerfile::Step;
use super::dockerfile::instruction::{Command, Instruction};
use super::error::{Error, Result};
use super::go;
use super::state::State;
use crate::oci::image::spec::Healthcheck;

/// Carries out an instruction, if it is one of those.
///
/// # Errors
/// A variable, a port, a duration is broken.
pub fn apply(state: &mut State, step: &Step) -> Result<()> {
    match &step.instruction {
        Instruction::Arg(pairs) => arguments(state, pairs),
        Instruction::Env(pairs) => environment(state, pairs),
        Instruction::Label(pairs) => labels(state, pairs),
        Instruction::Cmd(command) => {
            let words = words(state, command);
            state.note(format!("CMD {}", go::quoted_list(&words)));
            state.own_command = true;
            state.run().cmd = Some(words);
            Ok(())
        }
        Instruction::Entrypoint(command) => {
            let words = words(state, command);
            state.note(format!("ENTRYPOINT {}", go::quoted_list(&words)));
            // A command of the base was meant for the base's entrypoint.
            if !state.own_command {
                state.run().cmd = None;
            }
            state.run().entrypoint = Some(words);
            Ok(())
        }
        Instruction::Expose(ports) => expose(state, ports),
        Instruction::Healthcheck { test, options } => health(state, test.as_ref(), options),
        Instruction::Maintainer(name) => {
            state.note(format!("MAINTAINER {name}"));
            state.config.author = Some(name.clone());
            Ok(())
        }
        Instruction::OnBuild(text) => {
            state.note(format!("ONBUILD {text}"));
            state.run().on_build.get_or_insert_default().push(text.clone());
            Ok(())
        }
        Instruction::Shell(words) => {
            state.note(format!("SHELL {}", go::list(words)));
            state.run().shell = Some(words.clone());
            Ok(())
        }
        Instruction::StopSignal(text) => {
            let signal = state.scope.expand(text)?;
            crate::oci::runtime::signal_number(&signal).map_err(|error| Error::new(error.what))?;
            state.note(format!("STOPSIGNAL {signal}"));
            state.run().stop_signal = Some(signal);
            Ok(())
        }
        Instruction::User(text) => {
            let user = state.scope.expand(text)?;
            state.note(format!("USER {user}"));
            state.run().user = user;
            Ok(())
        }
        Instruction::Volume(paths) => volumes(state, paths),
        _ => Ok(()),
    }
}

fn words(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) => state.shell().into_iter().chain([text.clone()]).collect(),
    }
}

fn arguments(state: &mut State, pairs: &[(String, Option<String>)]) -> Result<()> {
    let mut told = Vec::new();
    for (name, default) in pairs {
        let name = state.scope.expand(name)?;
        let value = state.scope.declare(&name, default.as_deref())?;
        told.push(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")));
    }
    state.note(format!("ARG {}", told.join(" ")));
    Ok(())
}

fn environment(state: &mut State, pairs: &[(String, String)]) -> Result<()> {
    // All values of one line are made before the first is set.
    let expanded = expanded(state, pairs)?;
    let told: Vec<String> = expanded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    expanded.iter().for_each(|(name, value)| state.scope.set(name, value));
    state.run().env = Some(state.scope.lines());
    state.note(format!("ENV {}", told.join(" ")));
    Ok(())
}

fn labels(state: &mut State, pairs: &[(String, String)]) -> Result<()> {
    let expanded = expanded(state, pairs)?;
    let told: Vec<String> = expanded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    state.run().labels.get_or_insert_default().extend(expanded);
    state.note(format!("LABEL {}", told.join(" ")));
    Ok(())
}

fn expanded(state: &State, pairs: &[(String, String)]) -> Result<Vec<(String, String)>> {
    pairs.iter().map(|(name, value)| Ok((state.scope.expand(name)?, state.scope.expand(value)?))).collect()
}

fn volumes(state: &mut State, paths: &[String]) -> Result<()> {
    let paths = paths.iter().map(|path| state.scope.expand(path)).collect::<Result<Vec<String>>>()?;
    if paths.iter().any(|path| path.trim().is_empty()) {
        return Err(Error::new("VOLUME specified can not be an empty string"));
    }
    let empty = paths.iter().map(|path| (path.clone(), serde_json::json!({})));
    state.run().volumes.get_or_insert_default().extend(empty);
    state.note(format!("VOLUME {}", go::list(&paths)));
    Ok(())
}

fn expose(state: &mut State, texts: &[String]) -> Result<()> {
    let mut ports: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for text in texts {
        // A variable may hold several.
        for word in state.scope.expand(text)?.split_whitespace() {
            ports.extend(ports_of(word)?.into_iter().map(|port| (port, serde_json::json!({}))));
        }
    }
    let told: Vec<String> = ports.keys().map(|port| format!("{port}:{{}}")).collect();
    state.run().exposed_ports.get_or_insert_default().extend(ports);
    state.note(format!("EXPOSE map[{}]", told.join(" ")));
    Ok(())
}

/// `80`, `53/udp`, `7000-7002/tcp`. What stands before a colon is for `docker run -p`, and is left out.
fn ports_of(text: &str) -> Result<Vec<String>> {
    let invalid = |why: &str| Error::new(format!("invalid containerPort: {text}")).hint(why.to_owned());
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(Error::new(format!("invalid proto: {protocol}")).hint("use tcp, udp or sctp"));
    }
    let range = range.rsplit(':').next().unwrap_or(range);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| invalid("a port is a number from 0 to 65535, or a range as 7000-7002"));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(invalid("a range begins with the lower port"));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn health(state: &mut State, test: Option<&Command>, options: &[(String, String)]) -> Result<()> {
    let duration = |name: &str| match options.iter().find(|(known, _)| known == name) {
        Some((_, text)) => go::duration(text).filter(|nanoseconds| *nanoseconds == 0 || *nanoseconds >= 1_000_000).ok_or_else(|| {
            Error::new(format!("invalid duration {text:?} of --{name}")).hint("write it as 30s, 1m30s or 500ms; the shortest is 1ms")
        }),
        None => Ok(0),
    };
    let retries = match options.iter().find(|(known, _)| known == "retries") {
        Some((_, text)) => {
            let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| Error::new(format!("--retries must be at least 0 (not {text})")))?
        }
        None => 0,
    };
    let test = match test {
        None => vec!["NONE".to_owned()],
        Some(Command::Exec(words)) => ["CMD".to_owned()].into_iter().chain(words.iter().cloned()).collect(),
        Some(Command::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.clone()],
    };
    let (interval, timeout) = (duration("interval")?, duration("timeout")?);
    let (start_period, start_interval) = (duration("start-period")?, duration("start-interval")?);
    let health = Healthcheck { test, interval, timeout, start_period, start_interval, retries };
    let times = [interval, timeout, start_period, start_interval].map(|one| format!("\"{}\"", go::show_duration(one)));
    state.note(format!("HEALTHCHECK &{{{} {} {}}}", go::quoted_list(&health.test), times.join(" "), go::quoted_number(retries)));
    state.run().healthcheck = Some(health);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::dockerfile;
    use super::super::scope::Globals;
    use super::*;
    use crate::oci::image::spec::Platform;

    fn built(text: &str) -> Result<State> {
        let file = dockerfile::read(&format!("FROM scratch\n{text}")).unwrap();
        let globals = Globals::new(&[], '\\', &BTreeMap::new(), &Platform::here(), None).unwrap();
        let mut state = State::scratch(&Platform::here(), &globals);
        file.stages[0].steps.iter().try_for_each(|step| apply(&mut state, step)).map(|()| state)
    }

    fn history(text: &str) -> Vec<String> {
        built(text).unwrap().config.history.into_iter().filter_map(|line| line.created_by).collect()
    }

    #[test]
    fn the_history_is_written_as_buildkit_writes_it() {
        let text = "ENV A=b C='d e'\nARG V=1\nARG W\nLABEL a=b\nCMD [\"a\", \"b c\"]\nENTRYPOINT echo \"x\"\nEXPOSE 80 53/udp\nUSER $A\n\
            VOLUME /data\nSTOPSIGNAL SIGQUIT\nSHELL [\"/bin/bash\", \"-c\"]\nONBUILD RUN x\nMAINTAINER me\n\
            HEALTHCHECK --interval=30s --retries=3 CMD curl -f localhost\nHEALTHCHECK NONE";
        let wanted = [
            "ENV A=b C=d e",
            "ARG V=1",
            "ARG W",
            "LABEL a=b",
            "CMD [\"a\" \"b c\"]",
            "ENTRYPOINT [\"/bin/sh\" \"-c\" \"echo \\\"x\\\"\"]",
            "EXPOSE map[53/udp:{} 80/tcp:{}]",
            "USER b",
            "VOLUME [/data]",
            "STOPSIGNAL SIGQUIT",
            "SHELL [/bin/bash -c]",
            "ONBUILD RUN x",
            "MAINTAINER me",
            "HEALTHCHECK &{[\"CMD-SHELL\" \"curl -f localhost\"] \"30s\" \"0s\" \"0s\" \"0s\" '\\x03'}",
            "HEALTHCHECK &{[\"NONE\"] \"0s\" \"0s\" \"0s\" \"0s\" '\\x00'}",
        ];
        assert_eq!(history(text), wanted);
    }

    #[test]
    fn the_configuration_has_what_was_said() {
        let state = built("ENV A=b\nEXPOSE 7000-7002 80/TCP\nHEALTHCHECK --timeout=1m30s --start-period=1.5s CMD [\"t\"]").unwrap();
        let config = &state.config.config;
        assert_eq!(config.env.as_deref().unwrap().last().unwrap(), "A=b");
        let ports: Vec<&String> = config.exposed_ports.as_ref().unwrap().keys().collect();
        assert_eq!(ports, ["7000/tcp", "7001/tcp", "7002/tcp", "80/tcp"]);
        let health = config.healthcheck.as_ref().unwrap();
        assert_eq!((health.timeout, health.start_period), (90_000_000_000, 1_500_000_000));
        assert_eq!(health.test, ["CMD", "t"]);
    }

    #[test]
    fn an_entrypoint_takes_the_commands_of_the_base_away_and_not_its_own() {
        let mut base = built("CMD [\"old\"]").unwrap().inherited();
        let steps = |text: &str| dockerfile::read(&format!("FROM scratch\n{text}")).unwrap().stages.remove(0).steps;
        apply(&mut base, &steps("ENTRYPOINT [\"e\"]")[0]).unwrap();
        assert_eq!(base.config.config.cmd, None);
        assert!(built("CMD [\"own\"]\nENTRYPOINT [\"e\"]").unwrap().config.config.cmd.is_some());
    }

    #[test]
    fn what_is_broken_is_told() {
        for (text, why) in [
            ("EXPOSE http", "invalid containerPort: http"),
            ("EXPOSE 80/xyz", "invalid proto: xyz"),
            ("EXPOSE 9-1", "invalid containerPort: 9-1"),
            ("EXPOSE 70000", "invalid containerPort: 70000"),
            ("STOPSIGNAL NOPE", "unknown signal `NOPE`"),
            ("HEALTHCHECK --interval=5 CMD x", "invalid duration \"5\" of --interval"),
            ("HEALTHCHECK --retries=x CMD x", "--retries must be at least 0 (not x)"),
            ("VOLUME $NOTHING", "VOLUME specified can not be an empty string"),
            ("ENV A=${B:?missing}", "B: missing"),
        ] {
            assert_eq!(built(text).unwrap_err().why, why, "{text}");
        }
    }
}
