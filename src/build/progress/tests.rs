use super::*;
use std::sync::Arc;
use std::time::Duration;

/// A writer whose bytes can be looked at.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn shown(style: Style, events: Vec<Event>) -> (String, Printer) {
    let kept = Kept::default();
    let printer = Printer::new(style, Box::new(kept.clone()));
    events.into_iter().for_each(|event| printer.tell(event));
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    (text, printer)
}

fn log(id: usize, milliseconds: u64, text: &str) -> Event {
    Event::Log(id, Duration::from_millis(milliseconds), text.as_bytes().to_vec())
}

#[test]
fn plain_lines_say_whose_they_are() {
    let events = vec![
        Event::Begun(1, "[a 1/2] RUN one".into()),
        log(1, 5, "first\npar"),
        Event::Begun(2, "[b 1/2] RUN two".into()),
        Event::Status(2, "transferring context: 2B".into()),
        log(1, 7, "tial\n"),
        Event::Done(1, Duration::from_millis(340)),
        Event::Cached(2),
        Event::Begun(3, "x".into()),
        log(3, 1, "no end"),
        Event::Failed(3, "why".into()),
    ];
    let wanted = "#1 [a 1/2] RUN one\n#1 0.005 first\n#1 ...\n\n#2 [b 1/2] RUN two\n#2 transferring context: 2B done\n#2 ...\n\n\
        #1 [a 1/2] RUN one\n#1 0.007 partial\n#1 DONE 0.3s\n\n#2 [b 1/2] RUN two\n#2 CACHED\n\n#3 x\n";
    let (text, printer) = shown(Style::Plain, events);
    assert!(text.starts_with(wanted), "{text}");
    assert!(text.ends_with(" no end\n#3 ERROR: why\n\n"), "{text}");
    let error = Error { vertex: Some(3), ..Error::new("why") }.at((2, 2));
    let failure = printer.failure(&error, "Dockerfile", "FROM a\nRUN x\nCMD y\nCMD z\nCMD q\n");
    let frame = "------\nDockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN x\n   3 |     CMD y\n   4 |     CMD z\n--------------------\n\
        ERROR: failed to build: failed to solve: why\n";
    assert!(failure.starts_with("------\n > x:\n") && failure.ends_with(frame), "{failure}");
}

#[test]
fn classic_words() {
    let id = format!("sha256:{}", "ab".repeat(32));
    let events = vec![
        Event::Instruction(1, 2, "FROM a".into()),
        Event::Image("0123456789ab".into()),
        Event::Instruction(2, 2, "RUN x".into()),
        Event::UsingCache,
        Event::Running("c1".into()),
        log(1, 1, "out\n"),
        Event::Removed("c1".into()),
        Event::Built(id),
        Event::Tagged("a:1".into()),
    ];
    let wanted = "Step 1/2 : FROM a\n ---> 0123456789ab\nStep 2/2 : RUN x\n ---> Using cache\n ---> Running in c1\nout\n\
        \x20---> Removed intermediate container c1\nSuccessfully built abababababab\nSuccessfully tagged a:1\n";
    let (text, printer) = shown(Style::Classic, events);
    assert_eq!(text, wanted);
    let failed = Error::new("process \"/bin/sh -c false\" did not complete successfully: exit code: 3");
    assert_eq!(printer.failure(&failed, "Dockerfile", ""), "The command '/bin/sh -c false' returned a non-zero code: 3\n");
    let missing = Error::new("failed to compute cache key: failed to calculate checksum of \"/x\": not found");
    assert!(printer.failure(&missing, "Dockerfile", "").ends_with("excluded by .dockerignore: stat x: file does not exist\n"));
}

#[test]
fn the_screen_is_drawn_over_and_fits() {
    let long = "x".repeat(200);
    let events = vec![Event::Begun(1, format!("RUN {long}")), log(1, 1, "\x1b[2Jhello\n"), Event::Cached(1)];
    let (text, printer) = shown(Style::Screen(40), events);
    printer.finish(false);
    let plain = regex_lite::Regex::new("\x1b\\[[0-9]+[AJ]").unwrap().replace_all(&text, "").into_owned();
    assert!(plain.lines().all(|line| line.chars().count() <= 40), "{plain}");
    assert!(plain.contains(" => => #  [2Jhello") && plain.contains(" => CACHED RUN xxx"), "{plain}");
    assert!(text.contains("\x1b[2A\x1b[0J"), "two lines are drawn over: {text:?}");
}

#[test]
fn json_lines_are_whole_documents() {
    let warning = crate::build::checks::undefined("X", (3, 3));
    let (text, _) = shown(Style::Json, vec![Event::Begun(1, "a".into()), log(1, 1, "foo"), Event::Cached(1), Event::Warning(warning)]);
    let documents: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents[0]["vertexes"][0]["name"], "a");
    assert_eq!(documents[1]["logs"][0]["data"], "Zm9v");
    assert_eq!(documents[2]["vertexes"][0]["cached"], true);
    assert!(documents[3]["warnings"][0]["short"].is_string());
}
