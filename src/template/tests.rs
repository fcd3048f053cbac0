use super::*;
use serde_json::json;

fn data() -> Value {
    json!({
        "Id": "sha256:abc", "Size": 7, "Big": 1.5, "On": true, "Off": false, "Empty": "", "None": null,
        "Tags": ["a:1", "b:2"], "Config": {"Env": ["X=1"], "Labels": {"z": "last", "a": "first"}, "Cmd": null},
    })
}

fn made(source: &str) -> String {
    let template = Template::read(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    template.render(&data(), How::plain(Missing::Key)).unwrap_or_else(|(_, error)| error)
}

#[test]
fn what_a_template_makes() {
    let table = [
        ("{{.Id}} {{.Size}}", "sha256:abc 7"),
        ("{{.Tags}} {{.Config.Labels}} {{.None}} {{.Config.Cmd}}", "[a:1 b:2] map[a:first z:last] <no value> <no value>"),
        ("{{json .Config.Labels}}", r#"{"z":"last","a":"first"}"#),
        ("{{index .Tags 1}} {{index .Config.Labels \"a\"}}[{{index .Config.Labels \"b\"}}]", "b:2 first[]"),
        ("{{range .Tags}}{{.}};{{end}}", "a:1;b:2;"),
        ("{{range $i, $t := .Tags}}{{if $i}}, {{end}}{{$i}}={{$t}}{{end}}", "0=a:1, 1=b:2"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:first z:last "),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{range .Tags}}{{if eq . \"a:1\"}}{{continue}}{{end}}{{.}}{{break}}{{end}}", "b:2"),
        ("{{with .Config}}{{.Env}}{{$.Size}}{{end}}{{with .Empty}}x{{else}}y{{end}}", "[X=1]7y"),
        ("{{if .Off}}1{{else if .On}}2{{else}}3{{end}}", "2"),
        ("{{if and .On (not .Off) (gt .Size 6)}}yes{{end}}", "yes"),
        ("{{or .Empty \"default\"}} {{and .On .Empty .Nosuch}}|", "default |"),
        ("{{ .Id | printf \"%-12s|%5d\" | len }}", "25"),
        ("{{printf \"%5.2f|%05d|%q|%v|%s\" .Big .Size .Id .Tags .Size}}", " 1.50|00007|\"sha256:abc\"|[a:1 b:2]|%!s(int=7)"),
        ("{{println .Size .Id}}", "7 sha256:abc\n"),
        (
            "{{upper .Id}} {{lower \"AB\"}} {{title \"ab cd\"}} {{join .Tags \"+\"}} {{split \"a,b\" \",\"}} {{truncate .Id 3}} [{{pad \"x\" 1 2}}]",
            "SHA256:ABC ab Ab Cd a:1+b:2 [a b] sha [ x  ]",
        ),
        ("{{$x := .Size}}{{if true}}{{$x = 9}}{{end}}{{$x}}", "9"),
        ("a {{- .Size -}} b{{/* no */}}{{- /* trim */ -}} c", "a7bc"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Size}}{{block \"u\" .Id}}{{slice . 0 3}}{{end}}", "<7>sha"),
        ("{{(index .Tags 0) | html}} {{\"<a&'>\" | html}} {{urlquery \"a b/c\"}}", "a:1 &lt;a&amp;&#39;&gt; a+b%2Fc"),
        ("{{eq .Size 1 7}} {{ne .Id \"x\"}} {{le 1 1}} {{lt \"a\" \"b\"}}", "true true true true"),
        ("{{`raw \\n`}} {{'a'}} {{0x10}} {{-3}} {{(.Config).Env}}", "raw \\n 97 16 -3 [X=1]"),
    ];
    for (source, wanted) in table {
        assert_eq!(made(source), wanted, "{source}");
    }
}

#[test]
fn what_is_no_template() {
    let table = [
        ("{{.ID", "template: :1: unclosed action"),
        ("{{if .A}}x", "template: :1: unexpected EOF"),
        ("{{frob .}}", "template: :1: function \"frob\" not defined"),
        ("\n{{end}}", "template: :2: unexpected {{end}}"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{\"a}}", "template: :1: unterminated quoted string"),
        ("{{/* x }}", "template: :1: unclosed comment"),
        ("{{$x}}", "template: :1: undefined variable \"$x\""),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{(.A}}", "template: :1: unclosed left paren"),
    ];
    for (source, wanted) in table {
        assert_eq!(Template::read(source).unwrap_err(), wanted, "{source}");
    }
    let deep = "{{if .A}}".repeat(5000);
    assert!(Template::read(&deep).is_err());
    assert!(Template::read(&format!("{{{{{}", "(".repeat(5000))).is_err());
}

#[test]
fn what_data_do_not_have_is_said_as_asked_for() {
    let how = |missing: Missing, source: &str| Template::read(source).unwrap().render(&data(), How::plain(missing));
    let said = |missing: Missing, source: &str| how(missing, source).unwrap_err().1;
    assert_eq!(said(Missing::Key, "{{.Frob}}"), "template: :1:2: executing \"\" at <.Frob>: map has no entry for key \"Frob\"");
    assert_eq!(
        said(Missing::Field("a.b"), "{{.Frob}}"),
        "template: :1:2: executing \"\" at <.Frob>: can't evaluate field Frob in type a.b"
    );
    assert_eq!(
        said(Missing::Key, "{{.Config.Frob}}"),
        "template: :1:9: executing \"\" at <.Config.Frob>: map has no entry for key \"Frob\""
    );
    assert_eq!(how(Missing::NoValue, "{{.Frob}}").unwrap(), "<no value>");
    assert_eq!(how(Missing::Key, "a{{.Frob}}b").unwrap_err().0, "a");
    assert!(said(Missing::Key, "{{index .Tags 7}}").ends_with("at <index>: error calling index: index out of range: 7"));
    assert!(said(Missing::Key, "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}").contains("maximum template depth"));
}
