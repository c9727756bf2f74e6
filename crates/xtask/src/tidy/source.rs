//! Rust files, with everything that is no code put aside.

use std::ops::Range;

/// A Rust file of the project.
pub(super) struct Source {
    /// Its path from the root of the project.
    pub(super) name: String,
    /// The file as it is.
    pub(super) text: String,
    /// The file with spaces in place of comments and of the contents of literals. Every byte of code stays
    /// where it is in `text`.
    pub(super) code: String,
    /// `code` with spaces in place of the tests as well.
    pub(super) shipped: String,
}

impl Source {
    pub(super) fn new(name: String, text: String) -> Self {
        let code = without_comments(&text);
        let shipped = without_tests(&code);
        Self {
            name,
            text,
            code,
            shipped,
        }
    }

    /// Whether the whole file is a test.
    pub(super) fn is_test(&self) -> bool {
        self.name.contains("/tests/")
            || self.name.contains("/benches/")
            || self.name.ends_with("/tests.rs")
    }

    /// The number of the line in which a byte is.
    pub(super) fn line_of(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }
}

/// Where a pattern stands in code. A pattern that begins or ends with a letter is found as a whole word
/// on that side.
pub(super) fn places_of(pattern: &str, code: &str) -> Vec<usize> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let first = is_part(pattern.as_bytes().first());
    let last = is_part(pattern.as_bytes().last());
    let bytes = code.as_bytes();
    let is_whole = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + pattern.len());
        !(first && is_part(before) || last && is_part(after))
    };
    let found = code.match_indices(pattern).map(|(at, _)| at);
    found.filter(is_whole).collect()
}

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Where the bracket that opens at `open` is closed.
pub(super) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the item ends that begins at `from`: with its block, or with a semicolon.
pub(super) fn end_of_item(code: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        match code.as_bytes().get(at)? {
            b'{' => return Some(at..closing(code, at)?),
            b';' => return Some(at..at),
            b'(' | b'[' => at = closing(code, at)?,
            _ => {}
        }
        at += 1;
    }
}

/// The text of a file with spaces for comments and for what stands in literals.
fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let hidden = if rest.starts_with(b"//") {
            0..end_of_line(rest)
        } else if rest.starts_with(b"/*") {
            0..end_of_comment(rest)
        } else if let Some(literal) = literal(rest, at.checked_sub(1).map(|at| bytes[at])) {
            literal
        } else {
            at += 1;
            continue;
        };
        for byte in &mut bytes[at + hidden.start..at + hidden.end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        // Behind the quote that ends a literal.
        at += hidden.end + usize::from(hidden.start > 0);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn end_of_line(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| *byte == b'\n');
    end.unwrap_or(rest.len())
}

fn end_of_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The inside of the literal that begins here, if one does.
fn literal(rest: &[u8], before: Option<u8>) -> Option<Range<usize>> {
    if rest[0] == b'\'' {
        return character(rest);
    }
    if before.is_some_and(is_word) {
        return None;
    }
    let prefix = rest
        .iter()
        .take_while(|byte| matches!(byte, b'b' | b'c' | b'r'));
    let (prefix, is_raw) = prefix.fold((0, false), |(n, raw), byte| (n + 1, raw || *byte == b'r'));
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| is_raw && **byte == b'#')
        .count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&b'"') {
        return None;
    }
    let mut at = start;
    while at < rest.len() {
        match rest[at] {
            b'\\' if !is_raw => at += 1,
            b'"' if rest[at + 1..].iter().take_while(|b| **b == b'#').count() >= hashes => {
                return Some(start..at);
            }
            _ => {}
        }
        at += 1;
    }
    Some(start..rest.len())
}

/// The inside of a literal of one character; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<Range<usize>> {
    let quote = |from: usize| {
        let found = rest.get(from..)?.iter().take(12).position(|b| *b == b'\'');
        found.map(|at| from + at)
    };
    if rest.get(1) == Some(&b'\\') {
        return Some(1..quote(3)?);
    }
    let length = match rest.get(1)? {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    (rest.get(1 + length) == Some(&b'\'')).then_some(1..1 + length)
}

/// The code of a file with spaces for the items that only tests have.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut bytes = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let item = past_attributes(code, at);
        let end = end_of_item(code, item).map_or(code.len() - 1, |block| block.end);
        for byte in &mut bytes[at..=end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where the item begins whose attributes begin at `from`.
fn past_attributes(code: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &code[at..];
        at += rest.len() - rest.trim_start().len();
        if !code[at..].starts_with("#[") {
            return at;
        }
        at = closing(code, at + 1).map_or(code.len(), |end| end + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("crates/x/src/y.rs".to_owned(), text.to_owned())
    }

    #[test]
    fn comments_and_contents_of_literals_are_no_code() {
        let text = concat!(
            "a(\"x // y\"); // b\n/* c /* d */ e */ ",
            "f('\"', r#\"g\"h\"#, b\"\\\"i\", '\\'', 'ü');\nfn j<'k>() {}\n"
        );
        let code = source(text).code;
        assert_eq!(code.len(), text.len());
        for gone in ["x", "y", "b\n", "c", "d", "e", "g", "h", "i", "ü"] {
            assert!(!code.contains(gone), "{gone}: {code}");
        }
        for there in ["a(", "f(", "fn j<'k>() {}"] {
            assert!(code.contains(there), "{there}: {code}");
        }
    }

    #[test]
    fn tests_are_code_that_is_not_shipped() {
        let text = concat!(
            "fn a() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n    fn b() { {} }\n}\n",
            "#[cfg(test)]\nmod c;\nfn d() {}\n"
        );
        let source = source(text);
        assert!(source.code.contains("fn b()"));
        assert!(!source.shipped.contains("fn b()") && !source.shipped.contains("mod c"));
        assert!(source.shipped.contains("fn a() {}") && source.shipped.contains("fn d() {}"));
        assert_eq!(source.line_of(source.text.find("fn d").unwrap()), 9);
    }

    #[test]
    fn a_pattern_is_found_as_a_whole_word() {
        assert_eq!(places_of("print!(", "eprint!( print!("), [9]);
        assert_eq!(places_of("unsafe", "unsafe_code unsafe {}"), [12]);
        assert_eq!(places_of(".publish(", "x.publish(y.publish("), [1, 11]);
    }
}
