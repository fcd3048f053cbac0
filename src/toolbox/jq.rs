//! `jq`: query and change JSON. The language is jaq's (the crates jaq-core, jaq-std, jaq-json); the command line is ours.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read as _, Write};
use std::rc::Rc;

use jaq_core::data::HasLut;
use jaq_core::load::{Arena, File as Program, Loader};
use jaq_core::{Compiler, Ctx, DataT, Lut, Vars, unwrap_valr};
use jaq_json::write::{self, Pp, Styles};
use jaq_json::{Map, Num, Val, read};
use jaq_std::input::{HasInputs, Inputs, RcIter};

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};

const KNOWN: &[Known] = &[
    ('a', "ascii-output", false),
    ('C', "color-output", false),
    ('c', "compact-output", false),
    ('e', "exit-status", false),
    ('f', "from-file", true),
    ('h', "help", false),
    ('j', "join-output", false),
    ('M', "monochrome-output", false),
    ('n', "null-input", false),
    ('R', "raw-input", false),
    ('r', "raw-output", false),
    ('S', "sort-keys", false),
    ('s', "slurp", false),
    ('V', "version", false),
    ('\0', "indent", true),
    ('\0', "tab", false),
];

/// What jq defines and jaq's libraries do not.
const MORE: &str = r#"
def @csv: map(if type == "string" then "\"" + gsub("\""; "\"\"") + "\"" elif type == "null" then "" elif type == "array" or type == "object"
    then error("\(type) (\(tojson)) is not valid in a csv row") else tostring end) | join(",");
def @tsv: map(if type == "string" then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r") elif type == "null"
    then "" elif type == "array" or type == "object" then error("\(type) (\(tojson)) can not be tsv-formatted") else tostring end) | join("\t");
def join($glue): reduce .[] as $item (null; (if . == null then "" else . + $glue end)
    + ($item | if . == null then "" elif type == "string" then . else tojson end)) // "";
def halt_error($code): error({"\u0000halt": [$code, .]});
def halt_error: halt_error(5);
def leaf_paths: paths(scalars);
def toarray: if type == "array" then . else [.] end;
def tostream: path(def r: (.[]?|r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p+$q]);
"#;

/// What a program can reach: its own functions, and the inputs that `input` and `inputs` take from.
struct Data;

#[derive(Clone)]
struct Reach<'a> {
    lut: &'a Lut<Data>,
    inputs: Inputs<'a, Val>,
}

impl DataT for Data {
    type V<'a> = Val;
    type Data<'a> = Reach<'a>;
}

impl<'a> HasLut<'a, Data> for Reach<'a> {
    fn lut(&self) -> &'a Lut<Data> {
        self.lut
    }
}

impl<'a> HasInputs<'a, Val> for Reach<'a> {
    fn inputs(&self) -> Inputs<'a, Val> {
        self.inputs
    }
}

type Filter = jaq_core::Filter<Data>;

const USAGE: &str = "usage: jq [-rcesnSj] [--arg NAME VALUE] FILTER [FILE...]";

/// Runs `jq`. Exit codes as jq's: 2 bad usage or input file, 3 a program that does not compile, 5 an error while it ran; with -e 1 for a
/// last output of false or null and 4 for no output.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let (variables, args) = variables(args)?;
    let mut given = options::parse(&args, KNOWN, false)?;
    if given.has("version") || given.has("help") {
        let text = if given.has("version") { concat!("jq-bottleship-", env!("CARGO_PKG_VERSION")) } else { USAGE };
        writeln!(out, "{text}")?;
        return Ok(0);
    }
    let program = program(&mut given)?;
    let names: Vec<String> = variables.iter().map(|(name, _)| format!("${name}")).collect();
    let filter = compile(&program, &names)?;
    let values: Vec<Val> = variables.into_iter().map(|(_, value)| value).collect();
    let inputs = inputs(&given)?;
    evaluate(&filter, values, inputs, &given, out)
}

/// Names without `$`, and what they stand for.
type Variables = Vec<(String, Val)>;

/// Takes `--arg NAME TEXT`, `--argjson NAME JSON`, `--slurpfile NAME FILE`, `--rawfile NAME FILE`, `--args` and `--jsonargs` out of the line.
fn variables(args: &[String]) -> Result<(Variables, Vec<String>), Failure> {
    let (mut found, mut rest, mut positional) = (Vec::new(), Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--arg" | "--argjson" | "--slurpfile" | "--rawfile" => {
                let missing = || Failure::new(2, format_args!("{arg} takes two parameters (e.g. {arg} name value)"));
                let (name, value) = (args.next().ok_or_else(missing)?, args.next().ok_or_else(missing)?);
                found.push((name.clone(), variable(arg, name, value)?));
            }
            "--args" | "--jsonargs" => {
                // The program itself may stand behind `--args`.
                let has_program = rest.iter().any(|arg: &String| !arg.starts_with('-'));
                if !has_program {
                    rest.extend(args.next().cloned());
                }
                let texts = std::mem::take(&mut args);
                positional =
                    texts.map(|text| if arg == "--args" { Ok(text_value(text)) } else { json(text, text) }).collect::<Result<_, _>>()?;
                break;
            }
            _ => rest.push(arg.clone()),
        }
    }
    let named = found.iter().map(|(name, value)| (text_value(name), value.clone())).collect::<Map>();
    let all = [("positional", Val::Arr(positional.into())), ("named", Val::obj(named))];
    found.push(("ARGS".to_owned(), Val::obj(all.into_iter().map(|(name, value)| (text_value(name), value)).collect())));
    found.push(("ENV".to_owned(), Val::obj(std::env::vars().map(|(name, value)| (text_value(&name), text_value(&value))).collect())));
    Ok((found, rest))
}

fn variable(option: &str, name: &str, value: &str) -> Result<Val, Failure> {
    let content =
        || std::fs::read(value).map_err(|error| Failure::new(2, format_args!("Bad JSON in --{name} {value}: {}", reason(&error))));
    match option {
        "--arg" => Ok(text_value(value)),
        "--argjson" => json(value, name),
        "--rawfile" => Ok(text_value(&String::from_utf8_lossy(&content()?))),
        _ => {
            let values: Result<Vec<Val>, _> = read::parse_many(&content()?).collect();
            values.map(|values| Val::Arr(values.into())).map_err(|error| Failure::new(2, format_args!("Bad JSON in {value}: {error}")))
        }
    }
}

fn json(text: &str, name: &str) -> Result<Val, Failure> {
    read::parse_single(text.as_bytes()).map_err(|_| Failure::new(2, format_args!("Invalid JSON text passed to --argjson ({name})")))
}

fn text_value(text: &str) -> Val {
    Val::utf8_str(text.to_owned())
}

/// The program's text: of `-f FILE`, or the first argument, which is then taken away from the files.
fn program(given: &mut Given) -> Result<String, Failure> {
    if let Some(file) = given.value("from-file") {
        return std::fs::read_to_string(file)
            .map_err(|error| Failure::new(2, format_args!("error: Could not open {file}: {}", reason(&error))));
    }
    if given.rest.is_empty() {
        return if std::io::stdin().is_terminal() { Err(Failure::new(2, USAGE)) } else { Ok(".".to_owned()) };
    }
    Ok(given.rest.remove(0))
}

fn compile(program: &str, variables: &[String]) -> Result<Filter, Failure> {
    let more = jaq_core::load::parse(MORE, |parser| parser.defs()).unwrap_or_default();
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(more);
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, Program { code: program, path: () });
    let modules = modules.map_err(|errors| refused(program, errors.iter().map(|(_, error)| syntax(program, error)).collect()))?;
    let mut inputs = Vec::new();
    for function in jaq_std::input::funs::<Data>().into_vec() {
        inputs.push(jaq_core::native::run::<Data>(function));
    }
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).chain(inputs);
    let compiler = Compiler::default().with_funs(functions).with_global_vars(variables.iter().map(String::as_str));
    compiler.compile(modules).map_err(|errors| {
        let undefined = errors.iter().flat_map(|(_, undefined)| undefined);
        refused(program, undefined.map(|(name, kind)| format!("{name}{} is not defined", arity(kind))).collect())
    })
}

fn arity(kind: &jaq_core::compile::Undefined) -> String {
    match kind {
        jaq_core::compile::Undefined::Filter(arity) => format!("/{arity}"),
        _ => String::new(),
    }
}

/// Where the program stops making sense, and what was expected there.
fn syntax(program: &str, error: &jaq_core::load::Error<&str>) -> String {
    let place = |part: &str| {
        let at = jaq_core::load::span(program, part).start;
        format!("at character {}", program.get(..at).map_or(0, |before| before.chars().count()) + 1)
    };
    match error {
        jaq_core::load::Error::Io(missing) => missing.iter().map(|(path, why)| format!("could not load {path}: {why}")).collect(),
        jaq_core::load::Error::Lex(errors) => {
            errors.iter().map(|(wanted, part)| format!("expected {} {}", wanted.as_str(), place(part))).collect()
        }
        jaq_core::load::Error::Parse(errors) => {
            errors.iter().map(|(wanted, part)| format!("expected {} {}", wanted.as_str(), place(part))).collect()
        }
    }
}

fn refused(program: &str, what: Vec<String>) -> Failure {
    Failure::new(3, format_args!("error: {}:\n    {program}\njq: {} compile error", what.join("; "), what.len().max(1)))
}

type Input = Box<dyn Iterator<Item = Result<Val, String>>>;

/// The values of all files one after the other, read as they are asked for.
fn inputs(given: &Given) -> Result<Input, Failure> {
    let mut sources: Vec<Box<dyn BufRead>> = Vec::new();
    for path in &given.rest {
        let file = File::open(path).map_err(|error| Failure::new(2, format_args!("error: Could not open {path}: {}", reason(&error))))?;
        sources.push(Box::new(BufReader::new(file)));
    }
    if sources.is_empty() {
        sources.push(Box::new(BufReader::new(std::io::stdin())));
    }
    let slurp = given.has("slurp");
    if given.has("raw-input") {
        return Ok(raw(sources, slurp));
    }
    let values = sources.into_iter().flat_map(read::read_many).map(|value| value.map_err(|error| error.to_string()));
    if !slurp {
        return Ok(Box::new(values));
    }
    let all = move || values.collect::<Result<Vec<Val>, String>>().map(|values| Val::Arr(values.into()));
    Ok(Box::new(std::iter::once_with(all)))
}

fn raw(sources: Vec<Box<dyn BufRead>>, slurp: bool) -> Input {
    if !slurp {
        let lines = sources.into_iter().flat_map(BufRead::lines);
        return Box::new(lines.map(|line| line.map(|line| text_value(&line)).map_err(|error| reason(&error))));
    }
    Box::new(std::iter::once_with(move || {
        let mut text = Vec::new();
        for mut source in sources {
            source.read_to_end(&mut text).map_err(|error| reason(&error))?;
        }
        Ok(text_value(&String::from_utf8_lossy(&text)))
    }))
}

fn evaluate(filter: &Filter, values: Vec<Val>, inputs: Input, given: &Given, out: &mut dyn Write) -> Result<u8, Failure> {
    let inputs = RcIter::new(inputs);
    let inputs: Inputs<'_, Val> = &inputs;
    let style = style(given);
    let mut code = 4;
    let mut failed = false;
    let mut one = |input: Val, out: &mut dyn Write| -> Result<(), Failure> {
        let context = Ctx::<Data>::new(Reach { lut: &filter.lut, inputs }, Vars::new(values.iter().cloned()));
        for output in filter.id.run((context, input)).map(unwrap_valr) {
            match output {
                Ok(value) => {
                    code = u8::from(matches!(value, Val::Null | Val::Bool(false)));
                    print(&value, &style, given, out)?;
                }
                Err(error) => {
                    out.flush()?;
                    let error = error.into_val();
                    if let Some((code, last_words)) = halt(&error) {
                        eprint!("{last_words}");
                        return Err(Failure::silent(code));
                    }
                    failed = true;
                    eprintln!("jq: error{}", complaint(&error));
                    break;
                }
            }
        }
        Ok(())
    };
    if given.has("null-input") {
        one(Val::Null, out)?;
    } else {
        for input in inputs {
            one(input.map_err(|error| Failure::new(2, format_args!("parse error: {error}")))?, out)?;
        }
    }
    match (failed, given.has("exit-status")) {
        (true, _) => Ok(5),
        (false, true) => Ok(code),
        (false, false) => Ok(0),
    }
}

/// What `halt_error` of our definitions asks for: the exit code, and a text as it is or another value as JSON.
fn halt(error: &Val) -> Option<(u8, String)> {
    let Val::Obj(fields) = error else { return None };
    let Some(Val::Arr(parts)) = fields.get(&text_value("\0halt")) else { return None };
    let code = parts.first()?.to_string().parse().ok()?;
    let words = parts.get(1)?;
    Some((code, if let Val::TStr(text) = words { String::from_utf8_lossy(text).into_owned() } else { format!("{words}\n") }))
}

/// An error as jq prints it: a text as it is, anything else as JSON with a word about that.
fn complaint(error: &Val) -> String {
    match error {
        Val::TStr(text) => format!(": {}", String::from_utf8_lossy(text)),
        other => format!(" (not a string): {other}"),
    }
}

/// The value with its numbers as jq prints them: `2` for a computed 2.0, the largest number for infinity, and null for what is no number.
fn plain(value: &Val) -> Val {
    match value {
        Val::Num(Num::Float(number)) => plain_number(*number),
        Val::Arr(items) => Val::Arr(items.iter().map(plain).collect::<Vec<_>>().into()),
        Val::Obj(fields) => Val::obj(fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        other => other.clone(),
    }
}

fn plain_number(number: f64) -> Val {
    // Up to here every whole number has a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        _ if number.is_nan() => Val::Null,
        _ if number.is_infinite() => {
            let sign = if number < 0.0 { "-" } else { "" };
            Val::Num(Num::Dec(Rc::new(format!("{sign}1.7976931348623157e+308"))))
        }
        _ if number.fract() == 0.0 && number.abs() <= EXACT => Val::Num(Num::Int(number as isize)),
        _ => Val::Num(Num::Float(number)),
    }
}

fn style(given: &Given) -> Pp {
    let colour = given.has("color-output")
        || (std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !given.has("monochrome-output"));
    let indent = match (given.has("compact-output"), given.has("tab"), given.value("indent")) {
        (true, ..) | (_, _, Some("0")) => None,
        (_, true, _) => Some("\t".to_owned()),
        (_, _, Some(width)) => Some(" ".repeat(width.parse::<usize>().unwrap_or(2).min(7))),
        _ => Some("  ".to_owned()),
    };
    Pp {
        sep_space: indent.is_some(),
        indent,
        sort_keys: given.has("sort-keys"),
        styles: if colour { Styles::ansi() } else { Styles::default() },
    }
}

fn print(value: &Val, style: &Pp, given: &Given, out: &mut dyn Write) -> Result<(), Failure> {
    let value = &plain(value);
    let raw = given.has("raw-output") || given.has("join-output");
    match value {
        Val::TStr(text) if raw => out.write_all(text)?,
        _ if given.has("ascii-output") => {
            let mut text = Vec::new();
            write::write(&mut text, style, 0, value)?;
            out.write_all(ascii(&String::from_utf8_lossy(&text)).as_bytes())?;
        }
        _ => write::write(out, style, 0, value)?,
    }
    if !given.has("join-output") {
        writeln!(out)?;
    }
    Ok(())
}

/// Every letter beyond ASCII as `\uXXXX`, in two halves where UTF-16 needs two.
fn ascii(text: &str) -> String {
    let mut units = [0; 2];
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_ascii() => letter.to_string(),
            letter => letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect()
}
