//! Foreign bytes, made readable for a person.

use std::borrow::Cow;
use std::fmt::Write;

/// The text of these bytes, safe to print: no character in it moves a cursor, hides, or turns the direction
/// of the text beside it.
///
/// A text of visible characters is borrowed as it is. In any other text, control characters and invisible
/// characters are written as `\u{1b}`, and bytes that are not UTF-8 as `\xe9`.
#[must_use]
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && (is_plain(bytes) || !text.contains(is_hidden))
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_hidden(c) {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// Whether the text is visible ASCII, as nearly every text is. The bytes are not decoded.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether a character affects its neighbours or is invisible: controls, line and paragraph separators,
/// zero-width characters, marks of direction, invisible operators, fillers, and tags. [`readable`] escapes
/// these characters.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_text_is_borrowed_as_it_is() {
        for text in ["", "order-7", "Größe ✓ 注文", "a\\b \"c\""] {
            assert!(matches!(readable(text.as_bytes()), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_out() {
        let cases: [(&[u8], &str); 6] = [
            (b"\x1b[31mred", "\\u{1b}[31mred"),
            (b"a\r\nb\0", "a\\u{d}\\u{a}b\\u{0}"),
            ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
            ("a\u{202e}b\u{200b}".as_bytes(), "a\\u{202e}b\\u{200b}"),
            (b"caf\xe9 \xff\x07", "caf\\xe9 \\xff\\u{7}"),
            (b"cut \xe2\x82", "cut \\xe2\\x82"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(readable(bytes), expected);
        }
    }
}
