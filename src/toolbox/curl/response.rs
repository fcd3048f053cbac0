//! Reading a response: status line, header, and a body whose end is found in one of three ways (RFC 9112, section 6.3).

use std::net::SocketAddr;

use crate::toolbox::Failure;

/// What a server answered.
#[derive(Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Status line and header as they came, with the empty line.
    pub head: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk lines.
    pub body: Vec<u8>,
    /// Why the body is shorter than the server said it would be.
    pub cut: Option<Failure>,
    /// Who answered; `None` for a unix socket.
    pub peer: Option<SocketAddr>,
}

/// How the end of a body is known.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Nothing,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Response {
    /// Reads what has been received; `None` when there is no whole head. Interim responses (1xx) are passed over.
    pub fn parse(received: &[u8], method: &str) -> Option<Response> {
        let (head, rest) = split_head(received)?;
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()?;
        let headers =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        let mut response = Response { status, head: head.clone(), headers: headers.collect(), ..Response::default() };
        if (100..200).contains(&status) && status != 101 {
            return Response::parse(rest, method);
        }
        let framing = response.framing(method);
        (response.body, response.cut) = body(rest, &framing);
        Some(response)
    }

    /// The value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Where a redirect points.
    pub fn redirect(&self) -> Option<String> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.header("location").map(str::to_owned)).flatten()
    }

    fn framing(&self, method: &str) -> Framing {
        if method == "HEAD" || matches!(self.status, 204 | 304) {
            return Framing::Nothing;
        }
        if self.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
            return Framing::Chunked;
        }
        self.header("content-length").and_then(|length| length.parse().ok()).map_or(Framing::UntilClose, Framing::Length)
    }
}

/// True when nothing more is to be expected of a kept-open connection. Looks at the head alone (and at the end of a chunked body), so that
/// asking after every read of a long body costs nothing.
pub fn is_complete(received: &[u8], method: &str) -> bool {
    let Some((_, body)) = split_head(received) else { return false };
    let Some(head) = Response::parse(&received[..received.len() - body.len()], method) else {
        return Response::parse(received, method)
            .is_some_and(|response| response.framing(method) != Framing::UntilClose && response.cut.is_none());
    };
    match head.framing(method) {
        Framing::Nothing => true,
        Framing::UntilClose => false,
        Framing::Length(length) => body.len() >= length,
        Framing::Chunked => received.ends_with(b"0\r\n\r\n") && chunks(body).1.is_none(),
    }
}

fn split_head(received: &[u8]) -> Option<(String, &[u8])> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some((String::from_utf8_lossy(&received[..end]).into_owned(), &received[end..]))
}

fn body(rest: &[u8], framing: &Framing) -> (Vec<u8>, Option<Failure>) {
    match framing {
        Framing::Nothing => (Vec::new(), None),
        Framing::UntilClose => (rest.to_vec(), None),
        Framing::Length(length) if rest.len() >= *length => (rest[..*length].to_vec(), None),
        Framing::Length(length) => {
            (rest.to_vec(), Some(Failure::new(18, format_args!("transfer closed with {} bytes remaining to read", length - rest.len()))))
        }
        Framing::Chunked => chunks(rest),
    }
}

/// `SIZE in hex [; extension] CRLF data CRLF`, again and again until a size of 0 (RFC 9112, section 7.1).
fn chunks(mut rest: &[u8]) -> (Vec<u8>, Option<Failure>) {
    let mut body = Vec::new();
    let cut = || Some(Failure::new(18, "transfer closed with outstanding read data remaining"));
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, cut()) };
        let line = String::from_utf8_lossy(&rest[..end]);
        let Ok(size) = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16) else {
            return (body, Some(Failure::new(56, "Malformed encoding found in chunked-encoding")));
        };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, None);
        }
        if rest.len() < size.saturating_add(2) {
            body.extend_from_slice(&rest[..rest.len().min(size)]);
            return (body, cut());
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ends_of_a_body() {
        let length = Response::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", "GET").unwrap();
        assert_eq!((length.status, &length.body[..], length.cut), (200, &b"abc"[..], None));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(Response::parse(chunked, "GET").unwrap().body, b"abcde");
        let until = Response::parse(b"HTTP/1.0 404 No\r\n\r\nrest", "GET").unwrap();
        assert_eq!((until.status, &until.body[..]), (404, &b"rest"[..]));
        assert!(!is_complete(b"HTTP/1.0 404 No\r\n\r\nrest", "GET"));
        assert!(is_complete(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD"));
    }

    #[test]
    fn no_cut_anywhere_panics_and_a_short_body_is_told() {
        let whole =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            let _ = Response::parse(&whole[..cut], "GET");
        }
        let short = Response::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "GET").unwrap();
        assert_eq!(short.cut.map(|failure| failure.code), Some(18));
    }
}
