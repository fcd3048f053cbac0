//! Variables in texts: `$VAR`, `${VAR}`, `${VAR:-default}` and its kin, nested; `$$` is a dollar.
//!
//! A dollar before anything that is no name stays a dollar, as it does in docker compose.

use std::fmt;

/// Where variables come from, and what was said about those that are missing.
pub struct Variables<'a> {
    /// The value of a name.
    pub look_up: &'a dyn Fn(&str) -> Option<String>,
    /// Warnings so far.
    pub warnings: &'a mut Vec<String>,
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `${` with no name and closing brace behind it.
    Invalid(String),
    /// `${NAME:?reason}` without a value.
    Missing { name: String, reason: String },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Invalid(template) => write!(f, "Invalid template: {template:?}"),
            Fault::Missing { name, reason } if reason.is_empty() => write!(f, "required variable {name} is missing a value"),
            Fault::Missing { name, reason } => write!(f, "required variable {name} is missing a value: {reason}"),
        }
    }
}

/// What stands between a name and the rest of `${...}`; longer ones first, since one is the end of another.
const SEPARATORS: &[&str] = &[":?", ":-", ":+", "?", "-", "+"];

/// How deep defaults may lie in defaults.
const DEPTH: usize = 64;

impl Variables<'_> {
    /// `template` with every variable replaced.
    ///
    /// # Errors
    /// A `${` that is not closed or names nothing; a required variable that is missing.
    pub fn fill_in(&mut self, template: &str) -> Result<String, Fault> {
        self.fill(template, 0).map_err(|fault| match fault {
            Fault::Invalid(part) if part.is_empty() => Fault::Invalid(template.to_owned()),
            fault => fault,
        })
    }

    fn fill(&mut self, template: &str, depth: usize) -> Result<String, Fault> {
        let invalid = || Fault::Invalid(template.to_owned());
        if depth > DEPTH {
            return Err(invalid());
        }
        let mut filled = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                filled.push('$');
                rest = after;
            } else if let Some(braced) = rest.strip_prefix('{') {
                let end = closing(braced).ok_or_else(invalid)?;
                filled.push_str(&self.braced(&braced[..end], depth).map_err(|fault| fault.within(template))?);
                rest = &braced[end + 1..];
            } else {
                let length = name_length(rest);
                match length {
                    0 => filled.push('$'),
                    _ => filled.push_str(&self.value(&rest[..length])),
                }
                rest = &rest[length..];
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn braced(&mut self, inside: &str, depth: usize) -> Result<String, Fault> {
        let (name, rest) = inside.split_at(name_length(inside));
        let separator = SEPARATORS.iter().find(|separator| rest.starts_with(**separator));
        // An empty template is replaced by the whole one on the way up.
        let invalid = || Fault::Invalid(String::new());
        let (false, Some(separator)) = (name.is_empty(), separator) else {
            return if name.is_empty() || !rest.is_empty() { Err(invalid()) } else { Ok(self.value(name)) };
        };
        let argument = &rest[separator.len()..];
        if argument.contains('\n') {
            return Err(invalid());
        }
        let value = (self.look_up)(name);
        let usable = value.as_ref().is_some_and(|value| !separator.starts_with(':') || !value.is_empty());
        match (&separator[separator.len() - 1..], usable) {
            ("-" | "?", true) | ("+", false) => Ok(value.unwrap_or_default()),
            ("?", false) => Err(Fault::Missing { name: name.to_owned(), reason: self.fill(argument, depth + 1)? }),
            _ => self.fill(argument, depth + 1),
        }
    }

    /// The value of a name; nothing, and a warning, if it has none.
    fn value(&mut self, name: &str) -> String {
        (self.look_up)(name).unwrap_or_else(|| {
            let warning = format!("The {name:?} variable is not set. Defaulting to a blank string.");
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
            String::new()
        })
    }
}

impl Fault {
    fn within(self, template: &str) -> Fault {
        match self {
            Fault::Invalid(part) if part.is_empty() => Fault::Invalid(template.to_owned()),
            fault => fault,
        }
    }
}

/// Letters, digits and underscores, not beginning with a digit.
fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Where the brace that opened before `text` is closed. Braces within count, except one right behind another: `{{`, `{}`.
fn closing(text: &str) -> Option<usize> {
    let (mut open, mut skip) = (1, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if skip => skip = false,
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' => {
                open += 1;
                skip = true;
            }
            _ => {}
        }
    }
    // Unbalanced braces: the last one of the line closes.
    let line = text.split('\n').next().unwrap_or_default();
    line.rfind('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> (Result<String, Fault>, Vec<String>) {
        let mut warnings = Vec::new();
        let look_up = |name: &str| match name {
            "FULL" => Some("full".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let result = Variables { look_up: &look_up, warnings: &mut warnings }.fill_in(template);
        (result, warnings)
    }

    #[test]
    fn every_form_of_a_variable_gives_what_the_specification_says() {
        for (template, wanted) in [
            ("a $FULL b", "a full b"),
            ("${FULL}", "full"),
            ("$$FULL $${FULL}", "$FULL ${FULL}"),
            ("${FULL:-d} ${EMPTY:-d} ${NONE:-d}", "full d d"),
            ("${FULL-d} ${EMPTY-d} ${NONE-d}", "full  d"),
            ("${FULL:+r} ${EMPTY:+r} ${NONE:+r}", "r  "),
            ("${FULL+r} ${EMPTY+r} ${NONE+r}", "r r "),
            ("${FULL:?e} ${EMPTY?e}", "full "),
            ("${NONE:-${EMPTY:-${FULL}}}", "full"),
            ("${NONE:-{\"a\": 1}} ${FULL}", "{\"a\": 1} full"),
            ("${NONE:-a:?b-c}", "a:?b-c"),
            ("cost: $5 and $", "cost: $5 and $"),
            ("$FULL-x", "full-x"),
        ] {
            assert_eq!(filled(template).0.as_deref(), Ok(wanted), "{template}");
        }
    }

    #[test]
    fn what_is_missing_is_told_or_refused() {
        let (result, warnings) = filled("$NONE ${NONE}");
        assert_eq!(result.as_deref(), Ok(" "));
        assert_eq!(warnings, ["The \"NONE\" variable is not set. Defaulting to a blank string."]);
        assert_eq!(filled("${NONE:?give $FULL}").0.unwrap_err().to_string(), "required variable NONE is missing a value: give full");
        assert_eq!(filled("${EMPTY?}").0.as_deref(), Ok(""));
        assert_eq!(filled("${EMPTY:?}").0.unwrap_err().to_string(), "required variable EMPTY is missing a value");
        for template in ["${", "${}", "${FULL", "${1}", "${FULL!}", "x ${FULL:-a\nb}"] {
            assert_eq!(filled(template).0, Err(Fault::Invalid(template.to_owned())), "{template}");
        }
    }
}
