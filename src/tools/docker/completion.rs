//! `docker completion`: scripts for shells, made of the tables.
//!
//! The scripts are small: they ask this program itself (`docker __complete WORDS...`), so that what they offer is what the tables say, and images, containers,
//! volumes and networks are those that the engine has at that moment.

use serde_json::Value;

use super::api::Ask;
use super::failure::{Failure, Result};
use super::line::Given;
use super::verb::{Flag, Kind, Takes, VERB, Verb};
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

// Bash breaks words at colons and `=` (COMP_WORDBREAKS), and names of images have colons: so the line itself is read, and what stands before the last break
// is taken off the offers again.
const BASH: &str = r#"_docker_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" words word typed
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[${#words[@]}-1]}"
    local IFS=$'\n'
    COMPREPLY=($(docker __complete -- "${words[@]:1}" 2>/dev/null))
    # Without an offer of ours: files.
    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
    typed="${word%"${word##*[:=]}"}"
    [ -z "$typed" ] || COMPREPLY=("${COMPREPLY[@]#"$typed"}")
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
    let mut line = behind(super::GLOBALS, &line, false).words;
    // Compose has options of its own before its command.
    if line.first().is_some_and(|word| word == "compose") {
        let own = behind(crate::tools::compose::GLOBALS, &line[1..], false);
        match own.open {
            Some(_) => return Vec::new(),
            None if own.words.is_empty() && last.starts_with('-') => {
                return crate::tools::compose::GLOBALS.iter().map(|flag| format!("--{}", flag.long)).collect();
            }
            None => line.splice(1.., own.words).for_each(drop),
        }
    }
    let Some((verb, called)) = words::find(&line) else {
        return names(&line.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let given = behind(verb.flags, &line[called.split(' ').count()..], verb.mixed);
    // Nobody who presses a key wants to read an error.
    match given.open {
        Some(flag) => values(session, flag).unwrap_or_default(),
        // The words of another command, whose options are its own.
        None if !verb.mixed && !given.words.is_empty() => Vec::new(),
        None if last.starts_with('-') => verb.flags.iter().map(|flag| format!("--{}", flag.long)).collect(),
        None => things(session, verb).unwrap_or_default(),
    }
}

/// What a line has besides options.
struct Behind<'v> {
    words: Vec<String>,
    /// The option whose value comes next.
    open: Option<&'v Flag>,
}

/// Takes options and their values out of a line. `mixed`: they may stand behind the first word too.
fn behind<'v>(flags: &'v [Flag], line: &[String], mixed: bool) -> Behind<'v> {
    let mut found = Behind { words: Vec::new(), open: None };
    for word in line {
        if found.open.take().is_some() {
            continue;
        }
        let is_option = word.len() > 1 && word.starts_with('-') && (mixed || found.words.is_empty());
        if !is_option {
            found.words.push(word.clone());
            continue;
        }
        let takes = |flag: &&Flag| !flag.kind.is_switch();
        found.open = match word.strip_prefix("--") {
            Some(long) => flags.iter().find(|flag| flag.long == long).filter(takes),
            // Of letters in one word only the last one may still want a value: what stands behind one that takes some is that.
            None => {
                let letters: Vec<char> = word.chars().skip(1).collect();
                let first = letters.iter().position(|letter| flags.iter().any(|flag| flag.short == *letter && !flag.kind.is_switch()));
                let last = first.filter(|at| at + 1 == letters.len()).map(|at| letters[at]);
                last.and_then(|letter| flags.iter().find(|flag| flag.short == letter))
            }
        };
    }
    found
}

/// What the value of an option may be, where the engine knows.
fn values(session: &Session, flag: &Flag) -> Result<Vec<String>> {
    match (flag.kind, flag.long) {
        (Kind::Network, _) | (_, "network") => Ok(texts(&session.api()?.json(Ask::get("/networks"))?, "Name")),
        (_, "volumes-from" | "link") => Ok(texts(&session.api()?.json(Ask::get("/containers/json").with("all", "1"))?, "Names")),
        _ => Ok(Vec::new()),
    }
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

/// The texts under a key of each document of a list.
fn texts(document: &Value, key: &str) -> Vec<String> {
    let list = document.as_array().or_else(|| document["Volumes"].as_array()).cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(|text| text.trim_start_matches('/').to_owned());
    list.iter()
        .flat_map(|one| one[key].as_array().cloned().unwrap_or_else(|| vec![one[key].clone()]))
        .filter_map(|value| text(&value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_their_values_are_no_words() {
        let found = |line: &str| {
            let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let (verb, called) = words::find(&line).unwrap();
            let given = behind(verb.flags, &line[called.split(' ').count()..], verb.mixed);
            (given.words.join(" "), given.open.map_or("", |flag| flag.long))
        };
        assert_eq!(found("run -d --name web --rm nginx"), ("nginx".to_owned(), ""));
        assert_eq!(found("run -it --network"), (String::new(), "network"));
        assert_eq!(found("run -dp"), (String::new(), "publish"));
        assert_eq!(found("run -p80:80 --memory=1g"), (String::new(), ""));
        assert_eq!(found("run alpine ls --name"), ("alpine ls --name".to_owned(), ""), "behind the image all belongs to the program");
        assert_eq!(found("stop web -t"), ("web".to_owned(), "timeout"));
    }
}
