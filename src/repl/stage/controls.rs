//! The presenter's keys. Clickers send PageDown and PageUp; some send Enter, space or the arrows.

/// What the keys are, for `?`.
pub const HELP: &str = "Enter, space, PageDown or right arrow: on. PageUp, backspace or left arrow: back. A number and Enter: to that cue. \
    k: the keyboard for you or somebody else, Ctrl-D gives it back. q: end.";

/// What the presenter wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Next,
    Back,
    /// To a cue, from 1.
    Jump(usize),
    /// The keyboard is handed over.
    Keyboard,
    Help,
    Quit,
}

/// Reads keys; holds the digits of a number that has no Enter yet.
#[derive(Debug, Default)]
pub struct Controls {
    number: Option<usize>,
}

impl Controls {
    /// What some keys say, the last one if several do: a clicker that was pressed twice at once goes on once. No keys are a terminal that is gone.
    pub fn hear(&mut self, keys: &[u8]) -> Option<Control> {
        if keys.is_empty() {
            return Some(Control::Quit);
        }
        let (mut rest, mut heard) = (keys, None);
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let number = self.number.take();
            let control = match first {
                b'\r' | b'\n' => Some(number.map_or(Control::Next, Control::Jump)),
                b' ' | b'n' => Some(Control::Next),
                0x08 | 0x7f | b'b' => Some(Control::Back),
                b'k' | b'\t' => Some(Control::Keyboard),
                b'?' | b'h' => Some(Control::Help),
                // Ctrl-C and Ctrl-D.
                b'q' | 0x03 | 0x04 => Some(Control::Quit),
                b'0'..=b'9' => {
                    let digit = usize::from(first - b'0');
                    self.number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                    None
                }
                0x1b => {
                    let (control, length) = sequence(rest);
                    rest = &rest[length..];
                    control
                }
                _ => None,
            };
            heard = control.or(heard);
        }
        heard
    }
}

/// What follows an escape: `[6~` is PageDown, `[5~` PageUp, `[C` and `OC` the right arrow, `[D` and `OD` the left one; and how long it is.
fn sequence(rest: &[u8]) -> (Option<Control>, usize) {
    let introduced = rest.first().is_some_and(|first| matches!(first, b'[' | b'O'));
    if !introduced {
        return (None, 0);
    }
    let parameters = rest[1..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    let length = (parameters + 2).min(rest.len());
    let control = match (&rest[1..=parameters], rest.get(parameters + 1)) {
        (b"6", Some(b'~')) | (b"", Some(b'C')) => Some(Control::Next),
        (b"5", Some(b'~')) | (b"", Some(b'D')) => Some(Control::Back),
        _ => None,
    };
    (control, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clickers_and_keyboards_say_the_same() {
        for keys in ["\r", " ", "n", "\x1b[6~", "\x1b[C", "\x1bOC", "\r\r"] {
            assert_eq!(Controls::default().hear(keys.as_bytes()), Some(Control::Next), "{keys:?}");
        }
        for keys in ["\x1b[5~", "\x7f", "\x08", "b", "\x1b[D"] {
            assert_eq!(Controls::default().hear(keys.as_bytes()), Some(Control::Back), "{keys:?}");
        }
        for keys in ["q", "\x03", ""] {
            assert_eq!(Controls::default().hear(keys.as_bytes()), Some(Control::Quit), "{keys:?}");
        }
        assert_eq!(Controls::default().hear(b"12\r"), Some(Control::Jump(12)));
        for nothing in ["x", "\x1b", "\x1b[", "\x1b[1;5P", "\x1b[A", "7"] {
            assert_eq!(Controls::default().hear(nothing.as_bytes()), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_number_goes_on_over_several_keys_and_another_key_drops_it() {
        let mut controls = Controls::default();
        assert_eq!((controls.hear(b"1"), controls.hear(b"0"), controls.hear(b"\r")), (None, None, Some(Control::Jump(10))));
        assert_eq!((controls.hear(b"4"), controls.hear(b" "), controls.hear(b"\r")), (None, Some(Control::Next), Some(Control::Next)));
    }
}
