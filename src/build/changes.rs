//! `--change` of `docker import` and `docker commit`: lines of a Dockerfile that change how containers of an image run, and no file.

use std::collections::BTreeMap;

use super::dockerfile::instruction::Instruction;
use super::dockerfile::{self, Step};
use super::error::{Error, Result};
use super::metadata;
use super::scope::{Globals, Scope};
use super::stage::joined;
use super::state::State;
use crate::oci::image::spec::{ImageConfig, RunConfig};

/// How containers of `config` run after these lines.
///
/// # Errors
/// A line is no instruction, or one that changes files.
pub fn apply(config: &ImageConfig, lines: &[String]) -> Result<RunConfig> {
    let file = dockerfile::read(&format!("FROM scratch\n{}\n", lines.join("\n"))).map_err(|error| Error::new(error.why))?;
    let globals = Globals::new(&[], '\\', &BTreeMap::new(), &config.platform, None)?;
    let scope = Scope::new(&globals, config.config.env.as_deref().unwrap_or_default());
    let mut state = State { config: config.clone(), layers: Vec::new(), scope, own_command: false, time: None };
    let mut steps = file.stages.iter().flat_map(|stage| &stage.steps);
    if file.stages.len() > 1 {
        return Err(refused("from"));
    }
    steps.try_for_each(|step| one(&mut state, step))?;
    Ok(state.config.config)
}

fn one(state: &mut State, step: &Step) -> Result<()> {
    match &step.instruction {
        Instruction::Run { .. } | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Arg(_) | Instruction::Shell(_) => {
            Err(refused(&step.statement.keyword))
        }
        Instruction::Workdir(path) => {
            let path = state.scope.expand(path)?;
            state.config.config.working_dir = joined(state.directory(), &path);
            Ok(())
        }
        _ => metadata::apply(state, step),
    }
}

fn refused(keyword: &str) -> Error {
    Error::new(format!("{} is not a valid change command", keyword.to_lowercase()))
        .hint("use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(lines: &[&str]) -> Result<RunConfig> {
        let mut config = ImageConfig::default();
        config.config.env = Some(vec!["A=1".to_owned()]);
        config.config.cmd = Some(vec!["old".to_owned()]);
        apply(&config, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_container_runs_is_changed() {
        let run = changed(&["CMD [\"redis-server\"]", "ENV B=$A", "WORKDIR /srv", "WORKDIR app", "EXPOSE 80"]).unwrap();
        assert_eq!(run.cmd, Some(vec!["redis-server".to_owned()]));
        assert_eq!(run.env, Some(vec!["A=1".to_owned(), "B=1".to_owned()]));
        assert_eq!(run.working_dir, "/srv/app");
        assert!(run.exposed_ports.unwrap().contains_key("80/tcp"));
        assert_eq!(changed(&[]).unwrap().cmd, Some(vec!["old".to_owned()]), "nothing asked, nothing changed");
    }

    #[test]
    fn files_are_not_changed_that_way() {
        for (line, words) in [("RUN rm -rf /", "run is not"), ("COPY a b", "copy is not"), ("FROM x", "from is not")] {
            let error = changed(&[line]).unwrap_err();
            assert!(error.why.contains(words), "{line}: {error}");
        }
        assert!(changed(&["NONSENSE x"]).is_err());
    }
}
