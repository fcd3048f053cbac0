//! `curl`: talk to an HTTP server, with curl's flags and exit codes. HTTP/1.1 over TCP or a unix socket (RFC 9112).

use std::fs::File;
use std::io::{Read as _, Write};
use std::time::{Duration, Instant};

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};

mod connection;
mod response;
mod url;

use connection::{Request, exchange};
use response::Response;
use url::Url;

const KNOWN: &[Known] = &[
    ('4', "ipv4", false),
    ('A', "user-agent", true),
    ('d', "data", true),
    ('f', "fail", false),
    ('g', "globoff", false),
    ('H', "header", true),
    ('I', "head", false),
    ('i', "include", false),
    ('k', "insecure", false),
    ('L', "location", false),
    ('m', "max-time", true),
    ('o', "output", true),
    ('O', "remote-name", false),
    ('s', "silent", false),
    ('S', "show-error", false),
    ('u', "user", true),
    ('v', "verbose", false),
    ('w', "write-out", true),
    ('X', "request", true),
    ('\0', "connect-timeout", true),
    ('\0', "data-raw", true),
    ('\0', "json", true),
    ('\0', "max-redirs", true),
    ('\0', "unix-socket", true),
    ('\0', "url", true),
];

/// Runs `curl`. The exit code is the last failure's, as curl has them (6 no such host, 7 no connection, 22 HTTP error with -f, 28 time).
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false)?;
    let targets: Vec<&str> = given.values("url").chain(given.rest.iter().map(String::as_str)).collect();
    if targets.is_empty() {
        return Err(Failure::new(2, "no URL specified! (usage: curl [-sSfiILOo:X:d:H:m:w:] URL...)"));
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

/// One URL: the request, the redirects if asked for, the body to where it belongs, and the `-w` text.
fn transfer(target: &str, given: &Given, out: &mut dyn Write) -> Result<(), Failure> {
    let began = Instant::now();
    let deadline = given.number::<f64>("max-time")?.and_then(|time| Duration::try_from_secs_f64(time).ok()).map(|time| began + time);
    let mut request = request(target, given)?;
    let most = if given.has("location") { given.number("max-redirs")?.unwrap_or(50) } else { 0 };
    let mut redirects = 0;
    let response = loop {
        let response = exchange(&request, given, deadline)?;
        match response.redirect() {
            Some(place) if given.has("location") => {
                if redirects >= most {
                    return Err(Failure::new(47, format_args!("Maximum ({most}) redirects followed")));
                }
                redirects += 1;
                if given.has("include") || given.has("head") {
                    out.write_all(response.head.as_bytes())?;
                }
                request.follow(&place, response.status, given.has("request"))?;
            }
            _ => break response,
        }
    };
    let failed = given.has("fail") && response.status >= 400;
    let size = if failed { 0 } else { deliver(&response, &request.url, given, out)? };
    if let Some(format) = given.value("write-out") {
        write!(out, "{}", write_out(format, &response, &request.url, redirects, size, began.elapsed()))?;
    }
    out.flush()?;
    if failed {
        return Err(Failure::new(22, format_args!("The requested URL returned error: {}", response.status)));
    }
    response.cut.map_or(Ok(()), Err)
}

fn request(target: &str, given: &Given) -> Result<Request, Failure> {
    let mut body: Option<Vec<u8>> = None;
    for (option, value) in given.options.iter().filter(|(option, _)| matches!(*option, "data" | "data-raw" | "json")) {
        let part = data(option, value)?;
        body = Some(match body {
            Some(before) if *option != "json" => [&before[..], b"&", &part].concat(),
            Some(before) => [before, part].concat(),
            None => part,
        });
    }
    let method = match given.value("request") {
        Some(method) => method.to_owned(),
        None if given.has("head") => "HEAD".to_owned(),
        None if body.is_some() => "POST".to_owned(),
        None => "GET".to_owned(),
    };
    let mut headers = Vec::new();
    for header in given.values("header") {
        let (name, value) =
            header.split_once(':').ok_or_else(|| Failure::new(3, format_args!("bad header `{header}`: it has no colon")))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let json = given.has("json");
    let mut default = |name: &str, value: &str| {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    default("User-Agent", given.value("user-agent").unwrap_or(concat!("curl/8 (bottleship ", env!("CARGO_PKG_VERSION"), ")")));
    default("Accept", if json { "application/json" } else { "*/*" });
    if let Some(user) = given.value("user") {
        default("Authorization", &format!("Basic {}", base64(user.as_bytes())));
    }
    if body.is_some() {
        default("Content-Type", if json { "application/json" } else { "application/x-www-form-urlencoded" });
    }
    // An empty value takes the header away, as in curl.
    headers.retain(|(_, value)| !value.is_empty());
    Ok(Request { url: Url::parse(target)?, method, headers, body: body.unwrap_or_default() })
}

/// The data of `-d`: the text, or with `@` the content of a file without its line ends (`@-` is standard input).
fn data(option: &str, value: &str) -> Result<Vec<u8>, Failure> {
    let Some(path) = value.strip_prefix('@').filter(|_| option != "data-raw") else { return Ok(value.as_bytes().to_vec()) };
    let mut content = Vec::new();
    let read = if path == "-" {
        std::io::stdin().read_to_end(&mut content)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut content))
    };
    read.map_err(|error| Failure::new(26, format_args!("Failed to open {path}: {}", reason(&error))))?;
    if option == "data" {
        content.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(content)
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
fn write_out(format: &str, response: &Response, url: &Url, redirects: usize, size: usize, took: Duration) -> String {
    let (mut text, mut rest) = (String::new(), format);
    while let Some(at) = rest.find(['%', '\\']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (replacement, length) = match rest.strip_prefix("%{").and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (variable(name, response, url, redirects, size, took), name.len() + 3),
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

fn variable(name: &str, response: &Response, url: &Url, redirects: usize, size: usize, took: Duration) -> String {
    match name {
        "http_code" | "response_code" => format!("{:03}", response.status),
        "content_type" => response.header("content-type").unwrap_or_default().to_owned(),
        "size_download" => size.to_string(),
        "time_total" => format!("{:.6}", took.as_secs_f64()),
        "num_redirects" => redirects.to_string(),
        "url_effective" | "url" => url.to_string(),
        "redirect_url" => response.redirect().unwrap_or_default(),
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

/// RFC 4648, section 4; only basic authentication needs it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triple = |chunk: &[u8]| {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        (0..4).map(|at| if at <= chunk.len() { LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(triple).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_base64() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("user:pass", "dXNlcjpwYXNz")];
        assert!(pairs.iter().all(|(plain, coded)| base64(plain.as_bytes()) == *coded));
    }

    #[test]
    fn write_out_knows_its_variables_and_keeps_the_others() {
        let response = Response { status: 200, ..Response::default() };
        let url = Url::parse("http://h/").unwrap();
        let text = write_out("%{http_code} %{size_download}\\n%{what} 100%% %", &response, &url, 0, 3, Duration::ZERO);
        assert_eq!(text, "200 3\n%{what} 100% %");
    }
}
