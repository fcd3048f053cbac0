use super::instruction::{Command, Copy};
use super::*;

fn steps(text: &str) -> Vec<Instruction> {
    let file = read(&format!("FROM scratch\n{text}")).unwrap_or_else(|error| panic!("{text}: {error}"));
    file.stages[0].steps.iter().map(|step| step.instruction.clone()).collect()
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

fn run(instruction: &Instruction) -> String {
    match instruction {
        Instruction::Run { command: Command::Shell(text), .. } => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn wrong(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn lines_continue_over_comments_and_empty_lines() {
    let file = read("FROM a\nRUN one && \\\n  # why\n\n  two \\\n\\\n && three\nCMD x").unwrap();
    assert_eq!(run(&file.stages[0].steps[0].instruction), "one &&   two  && three");
    assert_eq!((file.stages[0].steps[0].statement.line, file.stages[0].steps[0].statement.last_line), (2, 7));
    assert_eq!(file.stages[0].steps[1].statement.line, 8);
    assert_eq!(file.warnings.len(), 1);
}

#[test]
fn the_escape_character_can_be_changed() {
    let file = read("# escape=`\nFROM a\nRUN dir c:\\ `\n && x").unwrap();
    assert_eq!(run(&file.stages[0].steps[0].instruction), "dir c:\\  && x");
    assert_eq!(wrong("# escape=x\nFROM a"), "dockerfile parse error on line 1: invalid escape token 'x' does not match ` or \\");
    assert_eq!(wrong("# escape=\\\n# escape=\\\nFROM a"), "dockerfile parse error on line 2: only one escape parser directive can be used");
    // After another line it is a comment.
    assert_eq!(read("#\n# escape=`\nFROM a").unwrap().escape, '\\');
    assert_eq!(read("# syntax = docker/dockerfile:1\nFROM a").unwrap().directives.syntax.as_deref(), Some("docker/dockerfile:1"));
}

#[test]
fn here_documents_belong_to_their_instruction() {
    let file = read("FROM a\nRUN <<EOT bash\n set -e\n echo $X\nEOT\nCOPY <<-\"A\" <<B /etc/\n\tone\n\t A\n\tA\ntwo\nB\nCMD x").unwrap();
    let Instruction::Run { documents, .. } = &file.stages[0].steps[0].instruction else { panic!() };
    assert_eq!((documents[0].content.as_str(), documents[0].expand), (" set -e\n echo $X\n", true));
    let Instruction::Copy(Copy { sources, documents, target, .. }) = &file.stages[0].steps[1].instruction else { panic!() };
    assert_eq!((sources.len(), target.as_str()), (0, "/etc/"));
    assert_eq!(documents.iter().map(|one| (one.content.as_str(), one.expand)).collect::<Vec<_>>(), [("one\n A\n", false), ("two\n", true)]);
    assert_eq!(file.stages[0].steps[2].instruction, Instruction::Cmd(shell("x")));
    assert_eq!(wrong("FROM a\nRUN <<EOT\nx"), "dockerfile parse error on line 2: unterminated heredoc: there is no line `EOT`");
    // A shift in a list, a here-string, and arithmetic are none.
    assert_eq!(steps("RUN [\"echo\", \"<<x\"]\nRUN cat <<<x\nRUN echo $((1<<2))").len(), 3);
}

#[test]
fn a_list_in_json_is_the_exec_form_and_all_else_a_shells() {
    let exec = |words: &[&str]| Command::Exec(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(
        steps("CMD [\"a\", \"b c\"]\nCMD ['a']\nENTRYPOINT a b\nCMD []"),
        [
            Instruction::Cmd(exec(&["a", "b c"])),
            Instruction::Cmd(shell("['a']")),
            Instruction::Entrypoint(shell("a b")),
            Instruction::Cmd(exec(&[]))
        ]
    );
}

#[test]
fn pairs_have_a_new_and_an_old_form() {
    let pairs = |list: &[(&str, &str)]| list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        steps("ENV A=1 B=\"two words\" C=three\\ words\nENV OLD two words = x\nLABEL a.b=\"c\" 'd e'=f"),
        [
            Instruction::Env(pairs(&[("A", "1"), ("B", "\"two words\""), ("C", "three\\ words")])),
            Instruction::Env(pairs(&[("OLD", "two words = x")])),
            Instruction::Label(pairs(&[("a.b", "\"c\""), ("'d e'", "f")])),
        ]
    );
    assert!(wrong("FROM a\nENV A").contains("ENV must have two arguments"));
    assert!(wrong("FROM a\nENV A=1 B").contains("can't find = in \"B\". Must be of the form: name=value"));
    assert!(wrong("FROM a\nENV =1").contains("names can not be blank"));
}

#[test]
fn flags_are_known_or_refused() {
    let Instruction::Copy(copy) =
        &steps("COPY --from=build --chown=1:2 --chmod=0644 --link --parents --exclude=*.md --exclude=x a b /c/")[0]
    else {
        panic!()
    };
    assert_eq!((copy.from.as_deref(), copy.chown.as_deref(), copy.chmod.as_deref()), (Some("build"), Some("1:2"), Some("0644")));
    assert_eq!((copy.link, copy.parents, copy.exclude.len(), copy.sources.len()), (true, true, 2, 2));
    let Instruction::Run { mounts, network, .. } =
        &steps("RUN --mount=type=cache,target=/root/.npm,sharing=locked --mount=type=secret,id=x,required --network=none npm ci")[0]
    else {
        panic!()
    };
    assert_eq!((mounts[0].kind.as_str(), mounts[1].options[1].1.as_str(), network.as_deref()), ("cache", "true", Some("none")));
    assert_eq!(wrong("FROM a\nCOPY --form=x a b"), "dockerfile parse error on line 2: unknown flag: --form");
    assert!(wrong("FROM a\nADD --from=x a b").contains("unknown flag: --from"));
    assert!(wrong("FROM a\nCOPY --link=maybe a b").contains("expecting boolean value for flag link"));
    assert!(wrong("FROM a\nCOPY --chown a b").contains("missing a value on flag: chown"));
    assert!(wrong("FROM a\nCOPY --from=a --from=b a b").contains("duplicate flag specified: from"));
    assert!(wrong("FROM a\nRUN --mount=type=nfs,target=/x true").contains("unsupported mount type"));
    assert!(wrong("FROM a\nRUN --mount=type=tmpfs,id=x true").contains("unexpected key 'id' for mount type 'tmpfs'"));
}

#[test]
fn stages_have_names_and_numbers() {
    let file = read("ARG V=1\nFROM node:$V AS Build\nFROM --platform=$BUILDPLATFORM build as two\nFROM two").unwrap();
    assert_eq!(file.arguments.len(), 1);
    assert_eq!(file.stages.iter().map(|stage| stage.name.as_deref()).collect::<Vec<_>>(), [Some("build"), Some("two"), None]);
    assert_eq!((file.stage("BUILD", 3), file.stage("1", 3), file.stage("two", 1), file.stage("2", 2)), (Some(0), Some(1), None, None));
    assert!(wrong("FROM a AS x\nFROM b AS X").contains("duplicate name x"));
    assert!(wrong("FROM a AS 1x").contains("invalid name for build stage"));
    assert!(wrong("FROM a b").contains("FROM requires either one or three arguments"));
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    let table = [
        ("", "the Dockerfile cannot be empty"),
        ("# only a comment\n", "the Dockerfile cannot be empty"),
        ("FROM a\nFRMO b", "dockerfile parse error on line 2: unknown instruction: FRMO (did you mean FROM?)"),
        ("FROM a\n\nbanana x", "dockerfile parse error on line 3: unknown instruction: banana"),
        ("RUN x", "dockerfile parse error on line 1: no build stage in current context"),
        ("ARG a", "no build stage in current context: there is no FROM"),
        ("FROM a\nCOPY x", "COPY requires at least two arguments, but only 1 was provided. Destination could not be determined"),
        ("FROM a\nCOPY x y z", "the destination must be a directory and end with a /"),
        ("FROM a\nRUN", "RUN requires at least one argument"),
        ("FROM a\nSHELL /bin/bash", "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
        ("FROM a\nONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD NOPE x", "unknown instruction"),
        ("FROM a\nHEALTHCHECK curl", "Unknown type \"CURL\" in HEALTHCHECK (try CMD)"),
        ("FROM a\nHEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("FROM a\nHEALTHCHECK --interval=5s NONE", "HEALTHCHECK NONE takes no arguments"),
        ("FROM a\nUSER a b", "USER requires exactly one argument"),
        ("FROM a\nVOLUME [\"\"]", "VOLUME specified can not be an empty string"),
    ];
    for (text, why) in table {
        assert!(wrong(text).contains(why), "{text:?}: {}", wrong(text));
    }
}

#[test]
fn keywords_have_any_case_and_windows_line_ends_are_fine() {
    assert_eq!(steps("cmd a\r\nworkDir /x y\r\n"), [Instruction::Cmd(shell("a")), Instruction::Workdir("/x y".to_owned())]);
}
