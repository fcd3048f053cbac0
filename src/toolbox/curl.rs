//! `curl`: talk to an HTTP server, with curl's flags and exit codes. HTTP/1.1 over TCP or a unix socket (RFC 9112).

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};
use crate::kernel::poll;

mod connection;
mod request;
mod response;
mod url;

use connection::exchange;
use request::Request;
use response::Response;
use url::Url;

const KNOWN: &[Known] = &[
    ('4', "ipv4", false),
    ('A', "user-agent", true),
    ('b', "cookie", true),
    ('D', "dump-header", true),
    ('d', "data", true),
    ('e', "referer", true),
    ('f', "fail", false),
    ('G', "get", false),
    ('g', "globoff", false),
    ('H', "header", true),
    ('h', "help", false),
    ('I', "head", false),
    ('i', "include", false),
    ('k', "insecure", false),
    ('L', "location", false),
    ('m', "max-time", true),
    ('N', "no-buffer", false),
    ('o', "output", true),
    ('O', "remote-name", false),
    ('r', "range", true),
    ('s', "silent", false),
    ('S', "show-error", false),
    ('T', "upload-file", true),
    ('u', "user", true),
    ('V', "version", false),
    ('v', "verbose", false),
    ('w', "write-out", true),
    ('X', "request", true),
    ('#', "progress-bar", false),
    ('\0', "connect-timeout", true),
    ('\0', "data-binary", true),
    ('\0', "data-raw", true),
    ('\0', "data-urlencode", true),
    ('\0', "fail-with-body", false),
    ('\0', "json", true),
    ('\0', "max-redirs", true),
    ('\0', "no-progress-meter", false),
    ('\0', "noproxy", true),
    ('\0', "resolve", true),
    ('\0', "retry", true),
    ('\0', "retry-all-errors", false),
    ('\0', "retry-connrefused", false),
    ('\0', "retry-delay", true),
    ('\0', "unix-socket", true),
    ('\0', "url", true),
];

/// Runs `curl`. The exit code is the last failure's, as curl has them (6 no such host, 7 no connection, 22 HTTP error with -f, 28 time).
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false).map_err(misused)?;
    if given.has("version") {
        writeln!(out, "curl bottleship {}\nProtocols: http", env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    if given.has("help") {
        return help(out);
    }
    let targets: Vec<&str> = given.values("url").chain(given.rest.iter().map(String::as_str)).collect();
    if targets.is_empty() {
        return Err(Failure::new(2, ADVICE));
    }
    let mut code = 0;
    for target in targets {
        if let Err(failure) = transfer(target, &given, out) {
            code = failure.code;
            // -s is silent about errors too, unless -S.
            if !given.has("silent") || given.has("show-error") {
                out.flush()?;
                eprintln!("curl: ({}) {}", failure.code, failure.message);
            }
        }
    }
    Ok(code)
}

const ADVICE: &str = "try 'curl --help' or 'curl --manual' for more information";

/// A mistake in the options, in curl's words.
fn misused(failure: Failure) -> Failure {
    let name = failure.message.split('\'').nth(1).unwrap_or_default();
    let dash = if name.starts_with('-') { "" } else { "-" };
    let what = if failure.message.contains("requires") { "requires parameter" } else { "is unknown" };
    Failure::new(2, format_args!("option {dash}{name}: {what}\ncurl: {ADVICE}"))
}

fn help(out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Usage: curl [options...] <url>")?;
    for (short, long, value) in KNOWN {
        let short = if *short == '\0' { "    ".to_owned() } else { format!("-{short}, ") };
        writeln!(out, " {short}--{long}{}", if *value { " <value>" } else { "" })?;
    }
    Ok(0)
}

/// What came of one attempt.
#[derive(Default)]
struct Outcome {
    response: Response,
    url: Option<Url>,
    redirects: usize,
    size: usize,
}

/// One URL, as often as --retry wants it, and the `-w` text at the end, which is there whatever came of it.
fn transfer(target: &str, given: &Given, out: &mut dyn Write) -> Result<(), Failure> {
    let began = Instant::now();
    let deadline = given.number::<f64>("max-time")?.and_then(|time| Duration::try_from_secs_f64(time).ok()).map(|time| began + time);
    let mut left: u32 = given.number("retry")?.unwrap_or(0);
    let delay = given.number("retry-delay")?.map(Duration::from_secs);
    let mut pause = Duration::from_secs(1);
    loop {
        let mut outcome = Outcome::default();
        let ended = attempt(target, given, deadline, &mut outcome, out);
        if left == 0 || !passes(&outcome, ended.as_ref().err(), given) {
            if let Some(format) = given.value("write-out") {
                write!(out, "{}", write_out(format, &outcome, target, began.elapsed()))?;
            }
            out.flush()?;
            return ended;
        }
        left -= 1;
        let wait = delay.unwrap_or(pause);
        if !given.has("silent") {
            eprintln!("Warning: Problem: transient. Will retry in {} seconds. {left} retries left.", wait.as_secs());
        }
        poll::readable(&[], Some(wait))?;
        // Twice as long each time, ten minutes at most.
        pause = (pause * 2).min(Duration::from_secs(600));
    }
}

/// Whether the trouble may be over soon: no answer in time, or one of the answers that say so.
fn passes(outcome: &Outcome, failure: Option<&Failure>, given: &Given) -> bool {
    let refused = given.has("retry-connrefused") && failure.is_some_and(|failure| failure.code == 7);
    let any = given.has("retry-all-errors") && failure.is_some();
    let late = failure.is_some_and(|failure| failure.code == 28);
    refused || any || late || matches!(outcome.response.status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The request, the redirects if asked for, the body to where it belongs.
fn attempt(target: &str, given: &Given, deadline: Option<Instant>, outcome: &mut Outcome, out: &mut dyn Write) -> Result<(), Failure> {
    let mut request = Request::new(target, given)?;
    let most = if given.has("location") { given.number("max-redirs")?.unwrap_or(50) } else { 0 };
    loop {
        outcome.url = Some(request.url.clone());
        outcome.response = exchange(&request, given, deadline)?;
        dump_head(&outcome.response, given, out)?;
        let Some(place) = outcome.response.redirect().filter(|_| given.has("location")) else { break };
        if outcome.redirects >= most {
            return Err(Failure::new(47, format_args!("Maximum ({most}) redirects followed")));
        }
        outcome.redirects += 1;
        if given.has("include") || given.has("head") {
            out.write_all(outcome.response.head.as_bytes())?;
        }
        request.follow(&place, outcome.response.status, given.has("request"))?;
    }
    let response = &mut outcome.response;
    let failed = response.status >= 400 && (given.has("fail") || given.has("fail-with-body"));
    if !failed || given.has("fail-with-body") {
        outcome.size = deliver(response, &request.url, given, out)?;
    }
    if failed {
        return Err(Failure::new(22, format_args!("The requested URL returned error: {}", response.status)));
    }
    response.cut.take().map_or(Ok(()), Err)
}

/// The head to where -D wants it.
fn dump_head(response: &Response, given: &Given, out: &mut dyn Write) -> Result<(), Failure> {
    match given.value("dump-header") {
        None => Ok(()),
        Some("-") => Ok(out.write_all(response.head.as_bytes())?),
        Some(path) => {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            let written = file.and_then(|mut file| file.write_all(response.head.as_bytes()));
            written.map_err(|error| Failure::new(23, format_args!("Failed to open {path}: {}", reason(&error))))
        }
    }
}

/// Writes the head (with -i or -I) and the body to where it belongs; gives the length of the body.
fn deliver(response: &Response, url: &Url, given: &Given, out: &mut dyn Write) -> Result<usize, Failure> {
    let path = match given.value("output") {
        Some("-") => None,
        Some(path) => Some(path.to_owned()),
        None if given.has("remote-name") => Some(url.file_name().ok_or_else(|| Failure::new(23, "Remote file name has no length!"))?),
        None => None,
    };
    let head = if given.has("include") || given.has("head") { response.head.as_bytes() } else { &[] };
    let body: &[u8] = if given.has("head") { &[] } else { &response.body };
    match path {
        None => out.write_all(head).and_then(|()| out.write_all(body))?,
        Some(path) => {
            let written = File::create(&path).and_then(|mut file| file.write_all(head).and_then(|()| file.write_all(body)));
            written.map_err(|error| Failure::new(23, format_args!("Failed to open the file {path}: {}", reason(&error))))?;
        }
    }
    Ok(body.len())
}

/// The text of `-w` with its `%{variables}` and `\n`, `\t`, `\r`; a variable that we do not know stays as it is.
fn write_out(format: &str, outcome: &Outcome, target: &str, took: Duration) -> String {
    let (mut text, mut rest) = (String::new(), format);
    while let Some(at) = rest.find(['%', '\\']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (replacement, length) = match rest.strip_prefix("%{").and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (variable(name, outcome, target, took), name.len() + 3),
            None => match &rest[..rest.len().min(2)] {
                "\\n" => ("\n".to_owned(), 2),
                "\\t" => ("\t".to_owned(), 2),
                "\\r" => ("\r".to_owned(), 2),
                "%%" => ("%".to_owned(), 2),
                _ => (rest[..1].to_owned(), 1),
            },
        };
        text.push_str(&replacement);
        rest = &rest[length..];
    }
    text + rest
}

fn variable(name: &str, outcome: &Outcome, target: &str, took: Duration) -> String {
    let Outcome { response, url, redirects, size } = outcome;
    match name {
        "http_code" | "response_code" => format!("{:03}", response.status),
        "content_type" => response.header("content-type").unwrap_or_default().to_owned(),
        "size_download" => size.to_string(),
        "time_total" => format!("{:.6}", took.as_secs_f64()),
        "num_redirects" => redirects.to_string(),
        "url" => target.to_owned(),
        "url_effective" => url.as_ref().map_or_else(|| target.to_owned(), Url::to_string),
        "redirect_url" => {
            let place = response.redirect().zip(url.as_ref()).and_then(|(place, url)| url.join(&place).ok());
            place.map_or_else(String::new, |there| there.to_string())
        }
        "remote_ip" => response.peer.map_or_else(String::new, |peer| peer.ip().to_string()),
        "remote_port" => response.peer.map_or_else(String::new, |peer| peer.port().to_string()),
        _ => format!("%{{{name}}}"),
    }
}

/// Reads an answer as far as it goes and forgets it.
#[cfg(test)]
pub(super) fn read_response(bytes: &[u8]) {
    for method in ["GET", "HEAD"] {
        response::is_complete(bytes, method);
        drop(Response::parse(bytes, method));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_out_knows_its_variables_and_keeps_the_others() {
        let outcome = Outcome { response: Response { status: 200, ..Response::default() }, size: 3, ..Outcome::default() };
        let text = write_out("%{http_code} %{size_download}\\n%{what} 100%% %", &outcome, "h", Duration::ZERO);
        assert_eq!(text, "200 3\n%{what} 100% %");
        assert_eq!(write_out("%{http_code} %{url_effective}", &Outcome::default(), "h", Duration::ZERO), "000 h", "no answer at all");
    }
}
