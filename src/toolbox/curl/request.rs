//! From the command line to a request: method, header lines in curl's order, body.

use std::fs::File;
use std::io::Read as _;

use super::url::Url;
use crate::toolbox::Failure;
use crate::toolbox::failure::reason;
use crate::toolbox::options::Given;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// Of whom, and what.
    pub url: Url,
    /// GET, HEAD, POST or another.
    pub method: String,
    /// Header lines besides Host, Content-Length and the body's usual type.
    pub headers: Vec<(String, String)>,
    /// What is sent after the head; `None` is no body, which is not the same as an empty one.
    pub body: Option<Vec<u8>>,
    /// The type that the body has when no header of the caller says another.
    pub usual_type: Option<&'static str>,
}

impl Request {
    /// The request for `target` that the options ask for.
    ///
    /// # Errors
    /// With curl's codes: 1 and 3 for the URL, 3 for a header, 26 for a file that cannot be read.
    pub fn new(target: &str, given: &Given) -> Result<Request, Failure> {
        let mut url = Url::parse(target)?;
        let mut body = data(given)?;
        if given.has("get") {
            url.add_query(&String::from_utf8_lossy(&body.take().unwrap_or_default()));
        }
        let mut usual_type = body.is_some().then_some("application/x-www-form-urlencoded");
        if let Some(path) = given.value("upload-file") {
            url.name_upload(path);
            (body, usual_type) = (Some(content(path)?), None);
        }
        let method = match given.value("request") {
            Some(method) => method,
            None if given.has("head") => "HEAD",
            None if given.has("upload-file") => "PUT",
            None if body.is_some() => "POST",
            None => "GET",
        };
        let (method, headers) = (method.to_owned(), headers(given)?);
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            usual_type = None;
        }
        // An empty value takes the header away, as in curl.
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(Request { url, method, headers, body, usual_type })
    }

    /// Goes where a redirect points. After 301, 302 and 303 a POST becomes a GET without a body (RFC 9110, 15.4), unless -X says otherwise.
    ///
    /// # Errors
    /// The place is no URL that we can speak to.
    pub fn follow(&mut self, place: &str, status: u16, fixed_method: bool) -> Result<(), Failure> {
        let there = self.url.join(place)?;
        if (there.host.as_str(), there.port) != (self.url.host.as_str(), self.url.port) {
            // A password for one host is not for another.
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("cookie"));
        }
        self.url = there;
        if matches!(status, 301..=303) && self.method != "HEAD" && !fixed_method {
            self.method = "GET".to_owned();
            (self.body, self.usual_type) = (None, None);
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        Ok(())
    }

    /// The head as it is sent, with the empty line.
    pub fn head(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.url.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: {}\r\n", self.url.authority());
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        if let Some(kind) = self.usual_type {
            text += &format!("Content-Type: {kind}\r\n");
        }
        text + "\r\n"
    }
}

/// The caller's own header lines behind those that curl sends by itself, where the caller has not said otherwise.
fn headers(given: &Given) -> Result<Vec<(String, String)>, Failure> {
    let mut own = Vec::new();
    for header in given.values("header") {
        let (name, value) =
            header.split_once(':').ok_or_else(|| Failure::new(3, format_args!("bad header `{header}`: it has no colon")))?;
        own.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let agent = given.value("user-agent").unwrap_or(concat!("curl/8 (bottleship ", env!("CARGO_PKG_VERSION"), ")"));
    let cookies: Vec<&str> = given.values("cookie").collect();
    let by_itself = [
        ("Authorization", given.value("user").map(|user| format!("Basic {}", base64(user.as_bytes())))),
        ("Range", given.value("range").map(|range| format!("bytes={range}"))),
        ("User-Agent", Some(agent.to_owned())),
        ("Content-Type", given.has("json").then(|| "application/json".to_owned())),
        ("Accept", Some(if given.has("json") { "application/json" } else { "*/*" }.to_owned())),
        ("Referer", given.value("referer").map(str::to_owned)),
        ("Cookie", (!cookies.is_empty()).then(|| cookies.join("; "))),
    ];
    let wanted = by_itself.into_iter().filter(|(name, _)| !own.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
    let mut all: Vec<(String, String)> = wanted.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    all.extend(own);
    Ok(all)
}

/// All of `-d` and its kin, in order: pieces of a form are joined by `&`, pieces of JSON by nothing.
fn data(given: &Given) -> Result<Option<Vec<u8>>, Failure> {
    let kinds = ["data", "data-raw", "data-binary", "data-urlencode", "json"];
    let mut body: Option<Vec<u8>> = None;
    for (option, value) in given.options.iter().filter(|(option, _)| kinds.contains(option)) {
        let part = piece(option, value)?;
        let glue: &[u8] = if *option == "json" { b"" } else { b"&" };
        body = Some(body.map_or_else(|| part.clone(), |before| [&before[..], glue, &part].concat()));
    }
    Ok(body)
}

/// The data of `-d`: the text, or with `@` the content of a file (`@-` is standard input), of which `-d` alone leaves out line ends.
fn piece(option: &str, value: &str) -> Result<Vec<u8>, Failure> {
    if option == "data-urlencode" {
        let (name, text) = value.split_once('=').map_or(("", value), |(name, text)| (name, text));
        let name = if name.is_empty() { String::new() } else { format!("{name}=") };
        // In a form a blank is a plus (URL standard, application/x-www-form-urlencoded).
        return Ok(format!("{name}{}", percent(text).replace("%20", "+")).into_bytes());
    }
    let Some(path) = value.strip_prefix('@').filter(|_| option != "data-raw") else { return Ok(value.as_bytes().to_vec()) };
    let mut content = content(path)?;
    if option == "data" {
        content.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(content)
}

/// What is in a file; `-` is standard input.
fn content(path: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path == "-" {
        std::io::stdin().read_to_end(&mut content)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut content))
    };
    read.map_err(|error| Failure::new(26, format_args!("Failed to open {path}: {}", reason(&error))))?;
    Ok(content)
}

/// Everything but letters, digits and `-._~` as `%XX` (RFC 3986, section 2.3).
fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
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
    fn a_form_is_percent_encoded() {
        assert_eq!(piece("data-urlencode", "q=a b&c").unwrap(), b"q=a+b%26c");
        assert_eq!(piece("data-urlencode", "é").unwrap(), b"%C3%A9");
    }
}
