//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110, 11.6.1; the distribution project's token specification).
//!
//! `Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"`

use std::collections::HashMap;

/// One way to say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic`, in lower case.
    pub scheme: String,
    /// Its parameters, names in lower case.
    pub parameters: HashMap<String, String>,
}

/// Reads all challenges of one header line. What cannot be read ends the list.
pub fn read(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let word_end = rest.find([' ', '=', ',']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        match (after.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, after)) = value_of(value) else { return found };
                challenge.parameters.insert(word.to_ascii_lowercase(), value);
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) if word.is_empty() => return found,
            (None, _) => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: HashMap::new() });
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found
}

/// A quoted string or a token, and what follows it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            _ if escaped => {
                value.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &quoted[at + 1..])),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_as_registries_send_them() {
        let hub = read(r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#);
        assert_eq!((hub.len(), hub[0].scheme.as_str()), (1, "bearer"));
        assert_eq!(
            (hub[0].parameters["realm"].as_str(), hub[0].parameters["scope"].as_str()),
            ("https://auth.docker.io/token", "repository:a/b:pull,push")
        );
        let two = read(r#"Basic realm="a \"quoted\" one", Bearer Realm=https://x/token , service=y"#);
        assert_eq!((two[0].parameters["realm"].as_str(), two[1].parameters["realm"].as_str()), ("a \"quoted\" one", "https://x/token"));
        assert_eq!(two[1].parameters["service"], "y");
    }

    #[test]
    fn nonsense_gives_what_could_be_read() {
        for text in ["", ",,,", "=x", "Bearer realm=\"open", "a=b", "Basic ==", "\u{fffd} x=\"\\"] {
            assert!(read(text).iter().all(|one| !one.scheme.is_empty()), "{text}");
        }
        assert_eq!(read("Bearer realm=\"open")[0].scheme, "bearer");
    }
}
