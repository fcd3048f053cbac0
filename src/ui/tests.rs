//! Every kind of block, in both renderings and both widths, as a person sees it.

use super::*;

const LESSON: &str = r#"# A root of one's own

Every process has a *root directory*: the folder that it sees as `/`. The **kernel** keeps it per process, see `man 2 chroot` and
[the manual](https://man7.org/linux/man-pages/man2/chroot.2.html).

1. Make a folder.
2. Copy `bash` into it, and the libraries that it needs:

   ```run
   ldd /bin/bash
   ```
3. Enter it.

- a point, and a longer one that has to be broken into several lines, even on a terminal that is eighty columns wide
- another

> A jail that root can leave is no jail.

| call | what it does | since |
|---|---|---|
| `chroot(2)` | changes the root directory of the calling process | 1979 |
| `pivot_root(2)` | swaps the root *mount* of the whole mount namespace and puts the old one elsewhere | Linux 2.3.41 |
"#;

fn tree() -> Doc {
    let leaf = |text: &str| Node::leaf(text);
    let node = Node {
        text: Text::of(Face::Strong, "line 12").and(Face::Plain, " you: bottleship oci run web"),
        below: vec![
            leaf("clone3 CLONE_NEWPID|CLONE_NEWNS = 4711, which makes new pid and mount namespaces"),
            Node { text: "step rootfs".into(), below: vec![leaf("pivot_root . .")] },
        ],
    };
    Doc::new().with(Block::Tree(vec![node, leaf("end 0")]))
}

fn verdicts() -> Doc {
    Doc::new()
        .line(Text::of(Face::Good, "  pass").and(Face::Plain, "     jail has a shell"))
        .line(
            Text::of(Face::Caution, "  not yet")
                .and(Face::Plain, "  /srv/jail/lib/x86_64-linux-gnu/libc.so.6 is missing, and bash cannot start without it"),
        )
        .then(fault::doc(&std::io::Error::other("mount overlay on `/run/x`: EINVAL (Invalid argument)"), Some("see `man 2 mount`")))
}

#[test]
fn everything_in_both_renderings() {
    let docs = [("lesson", markdown::parse(LESSON)), ("tree", tree()), ("verdicts", verdicts())];
    for (name, doc) in docs {
        for columns in [80, 40] {
            insta::assert_snapshot!(format!("{name}-rich-{columns}"), doc.render(&Style::rich(columns)).replace('\x1b', "␛"));
            insta::assert_snapshot!(format!("{name}-plain-{columns}"), doc.render(&Style::plain(columns)));
        }
    }
}

#[test]
fn plain_and_rich_say_the_same_words() {
    for doc in [markdown::parse(LESSON), tree(), verdicts()] {
        let words = |text: String| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
        let rich = Style { colour: false, ..Style::rich(60) };
        assert_eq!(words(doc.render(&rich)), words(doc.render(&Style::plain(60))));
    }
}

#[test]
fn plain_text_has_no_escape_and_no_line_wider_than_asked_outside_code() {
    for doc in [markdown::parse(LESSON), tree(), verdicts()] {
        let text = doc.render(&Style::plain(40));
        assert!(!text.contains('\x1b'));
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 40 && !line.starts_with("    ")).collect();
        assert!(wide.is_empty(), "{wide:?}");
    }
}

#[test]
fn inline_keeps_faces() {
    assert_eq!(markdown::inline("type `ls` **now**").words(), "type `ls` now");
    assert_eq!(markdown::inline(""), Text::default());
}
