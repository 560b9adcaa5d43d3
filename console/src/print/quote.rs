//! Strings as Go's verb `%q` writes them.

use std::fmt::Write as _;

/// Returns the text in double quotes, with the escapes of Go: `\n`, `\x01`, `\u200b`, `\U000e0001`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            _ if is_printable(character) => quoted.push(character),
            _ => escape(&mut quoted, u32::from(character)),
        }
    }
    quoted.push('"');
    quoted
}

/// Replaces control characters other than line ends and tabs by their escapes, so that a text of the node
/// cannot move the cursor or send other commands to the terminal.
pub fn without_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            escape(&mut shown, u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

fn escape(quoted: &mut String, code: u32) {
    let written = match code {
        0..0x80 => write!(quoted, "\\x{code:02x}"),
        0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "a string can be written");
}

/// Returns true for letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(character: char) -> bool {
    // The escape of a text leaves printable characters as they are. A mark is escaped only where it is
    // the first character.
    let text = ['a', character];
    let text: String = text.iter().collect();
    character == '\'' || text.escape_debug().eq(text.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let shown = without_controls("a\x1b]0;title\x07\r\n\tb\u{9b}31m");
        assert_eq!(shown, "a\\x1b]0;title\\x07\\x0d\n\tb\\u009b31m");
    }

    #[test]
    fn strings_are_quoted_as_in_go() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            ("it's", r#""it's""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\t\r\x07\x08\x0c\x0b", r#""\n\t\r\a\b\f\v""#),
            ("\x00\x01\x1f\x7f", r#""\x00\x01\x1f\x7f""#),
            ("é€😀", r#""é€😀""#),
            ("e\u{301}", "\"e\u{301}\""),
            (
                "\u{85}\u{a0}\u{200b}\u{feff}",
                r#""\u0085\u00a0\u200b\ufeff""#,
            ),
            ("\u{e0001}", r#""\U000e0001""#),
            ("", "\"\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
