//! `docker completion`: scripts for shells, made of the tables.
//!
//! The scripts are small: they ask this program itself (`docker __complete WORDS...`), so that what they offer is what the tables say, and images, containers,
//! volumes and networks are those that the engine has at that moment.

use serde_json::Value;

use super::api::Ask;
use super::failure::{Failure, Result};
use super::line::Given;
use super::verb::{Takes, VERB, Verb};
use super::{GROUPS, Session, say, verbs, words};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "completion",
        usage: "SHELL",
        about: "Print the script that completes command lines: bash, zsh, fish",
        more: "bash: source <(docker completion bash)\nzsh:  source <(docker completion zsh)\nfish: docker completion fish | source",
        takes: Takes::Exactly(1),
        run: script,
        ..VERB
    },
    Verb {
        path: "__complete",
        usage: "WORD...",
        about: "What may stand next: for the scripts of completion",
        takes: Takes::Any,
        mixed: false,
        run: complete,
        ..VERB
    },
];

const BASH: &str = r#"_docker_complete() {
    local IFS=$'\n' word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=($(compgen -W "$(docker __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$word"))
    # Without an offer of ours: files.
    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _docker_complete docker
"#;

const ZSH: &str = r#"#compdef docker
_docker() {
    local -a offers
    offers=("${(@f)$(docker __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${offers[*]}" ]]; then compadd -a offers; else _files; fi
}
if [[ "${funcstack[1]}" == "_docker" ]]; then _docker "$@"; else compdef _docker docker; fi
"#;

const FISH: &str = r#"function __docker_complete
    set -l words (commandline -opc) (commandline -ct)
    docker __complete -- $words[2..-1] 2>/dev/null
end
complete -c docker -f -a '(__docker_complete)'
complete -c docker -n 'test (count (__docker_complete)) -eq 0' -F
"#;

fn script(_: &Session, given: &Given) -> Result {
    say(match given.word(0) {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => return Err(Failure::new(format!("docker: no completion script for {other:?}: there are bash, zsh and fish"))),
    });
    Ok(())
}

/// Prints what may stand in the place of the last word, one a line.
fn complete(session: &Session, given: &Given) -> Result {
    let line: Vec<&str> = given.words.iter().map(String::as_str).filter(|word| *word != "--").collect();
    let (last, before) = line.split_last().map_or(("", &[][..]), |(last, before)| (*last, before));
    let mut offers = offers(session, before, last);
    offers.retain(|offer| offer.starts_with(last));
    offers.sort();
    offers.dedup();
    say(&offers.iter().map(|offer| format!("{offer}\n")).collect::<String>());
    Ok(())
}

fn offers(session: &Session, before: &[&str], last: &str) -> Vec<String> {
    let line: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    let Some((verb, _)) = words::find(&line) else { return names(before) };
    if last.starts_with('-') {
        return verb.flags.iter().map(|flag| format!("--{}", flag.long)).collect();
    }
    // Nobody who presses a key wants to read an error.
    things(session, verb).unwrap_or_default()
}

/// The commands that begin with these words.
fn names(before: &[&str]) -> Vec<String> {
    let prefix: String = before.iter().map(|word| format!("{word} ")).collect();
    let groups = GROUPS.iter().filter(|_| before.is_empty()).map(|(name, _)| (*name).to_owned());
    let verbs = verbs().flat_map(Verb::names).filter(|name| !name.starts_with('_')).filter_map(|name| name.strip_prefix(&prefix));
    verbs.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).chain(groups).collect()
}

/// What the words of a command may be, by its usage line.
fn things(session: &Session, verb: &Verb) -> Result<Vec<String>> {
    let (usage, api) = (verb.usage, session.api()?);
    let texts = |document: &Value, key: &str| -> Vec<String> {
        let list = document.as_array().or_else(|| document["Volumes"].as_array()).cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(|text| text.trim_start_matches('/').to_owned());
        list.iter()
            .flat_map(|one| one[key].as_array().cloned().unwrap_or_else(|| vec![one[key].clone()]))
            .filter_map(|value| text(&value))
            .collect()
    };
    let mut found = Vec::new();
    if usage.contains("IMAGE") || usage.contains("REPOSITORY") || usage.contains("NAME|ID") || usage.contains("NAME[:TAG") {
        found.extend(texts(&api.json(Ask::get("/images/json"))?, "RepoTags"));
    }
    if usage.contains("CONTAINER") || usage.contains("NAME|ID") {
        found.extend(texts(&api.json(Ask::get("/containers/json").with("all", "1"))?, "Names"));
    }
    if usage.contains("VOLUME") {
        found.extend(texts(&api.json(Ask::get("/volumes"))?, "Name"));
    }
    if usage.contains("NETWORK") {
        found.extend(texts(&api.json(Ask::get("/networks"))?, "Name"));
    }
    Ok(found)
}
