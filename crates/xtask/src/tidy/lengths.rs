//! Files, functions and the files of folders: how long they may be, and what belongs in them.

use super::source::{Source, closing, end_of_item, is_word};

/// A file that is longer holds two things.
const MAX_LINES: usize = 400;

/// A function that is longer does two things.
const MAX_LINES_OF_A_FUNCTION: usize = 70;

/// What a file `mod.rs` does not have: whoever looks for code looks for a file with a name.
const CODE: [&str; 7] = ["fn", "struct", "enum", "trait", "impl", "const", "static"];

/// Everything in one file that is too long.
pub(super) fn check(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let name = &source.name;
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(
            "{name} has {lines} lines; split it where it does two things ({MAX_LINES} at most)"
        ));
    }
    for (function, line, lines) in functions(source) {
        if lines > MAX_LINES_OF_A_FUNCTION {
            faults.push(format!(
                "{name}:{line}: `{function}` has {lines} lines; split it where it does two things \
                 ({MAX_LINES_OF_A_FUNCTION} at most)"
            ));
        }
    }
    if name.starts_with("crates/") && name.ends_with("/mod.rs") && !source.is_test() {
        let found = words(&source.shipped).find(|(_, word)| CODE.contains(word));
        faults.extend(found.map(|(at, word)| {
            format!(
                "{name}:{}: `{word}` in a `mod.rs`, which has docs, modules and what they hand on; give the \
                 code a file with a name",
                source.line_of(at)
            )
        }));
    }
    faults
}

/// Every function with its name, its line, and its length from `fn` to the bracket that closes it.
fn functions(source: &Source) -> impl Iterator<Item = (&str, usize, usize)> {
    let code = &source.code;
    words(code).filter_map(move |(at, word)| {
        let rest = code.get(at + word.len()..)?.trim_start();
        let name = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()?;
        if word != "fn" || name.is_empty() {
            return None;
        }
        let block = end_of_item(code, at)?;
        if block.is_empty() {
            return None;
        }
        let first = source.line_of(at);
        let last = source.line_of(closing(code, block.start)?);
        Some((name, first, last - first + 1))
    })
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = code.as_bytes();
    let begins = move |at: &usize| is_word(bytes[*at]) && (*at == 0 || !is_word(bytes[*at - 1]));
    (0..bytes.len()).filter(begins).map(move |at| {
        let length = bytes[at..]
            .iter()
            .take_while(|byte| is_word(**byte))
            .count();
        (at, &code[at..at + length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> Vec<String> {
        check(&Source::new(name.to_owned(), text.to_owned()))
    }

    #[test]
    fn a_long_file_is_found() {
        for name in ["crates/x/src/y.rs", "integration-tests/tests/y.rs"] {
            assert_eq!(faults(name, &"\n".repeat(MAX_LINES + 1)).len(), 1);
            assert!(faults(name, &"\n".repeat(MAX_LINES)).is_empty());
        }
    }

    #[test]
    fn a_long_function_is_found_and_one_without_a_body_has_no_length() {
        let function = |lines: usize| {
            let body = "    f('{', \"{\"); // {\n".repeat(lines - 2);
            format!("trait T {{\n    fn f(x: [u8; 4]);\n}}\nfn g<T>(x: T) {{\n{body}}}\n")
        };
        let found = faults("crates/x/src/y.rs", &function(MAX_LINES_OF_A_FUNCTION + 1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("y.rs:4: `g` has 71 lines"), "{found:?}");
        assert!(faults("crates/x/src/y.rs", &function(MAX_LINES_OF_A_FUNCTION)).is_empty());
    }

    #[test]
    fn code_in_a_file_of_a_folder_is_found() {
        let folder = "//! A fn.\nmod a;\n#[cfg(test)]\nmod tests;\npub use a::A;\n";
        assert!(faults("crates/x/src/y/mod.rs", folder).is_empty());
        let code = "mod a;\nstruct A;\n";
        assert_eq!(faults("crates/x/src/y/mod.rs", code).len(), 1);
        assert!(faults("crates/x/src/y.rs", code).is_empty());
        assert!(faults("crates/x/tests/y/mod.rs", code).is_empty());
    }
}
