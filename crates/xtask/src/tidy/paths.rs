//! What a file imports: its `use` declarations, and the paths that stand in its code.

use super::source::{Source, is_word};

/// One name that a file takes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The path as it is written, with its `crate` or `super`.
    pub(super) path: Vec<String>,
    /// What it is called here; `*` for all that is there, `_` for a trait without a name.
    pub(super) name: String,
    pub(super) line: usize,
    /// Whether a `use` declares the name. If not, the path stands in the code.
    pub(super) is_declared: bool,
    /// Whether the file uses it, and does not only hand it on.
    pub(super) is_used: bool,
}

/// A word or a sign of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

/// All imports of what a file ships.
pub(super) fn imports(source: &Source) -> Vec<Import> {
    let tokens = tokens(&source.shipped);
    let mut reading = Reading {
        source,
        tokens: &tokens,
        at: 0,
        imports: Vec::new(),
        words: Vec::new(),
    };
    reading.file();
    let Reading {
        mut imports, words, ..
    } = reading;
    for import in &mut imports {
        let name = import.name.as_str();
        import.is_used = !import.is_declared || matches!(name, "*" | "_") || words.contains(&name);
    }
    imports
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let length = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            byte if is_word(byte) => bytes[at..].iter().take_while(|b| is_word(**b)).count(),
            b':' if bytes.get(at + 1) == Some(&b':') => 2,
            _ => 1,
        };
        tokens.push(Token {
            text: &code[at..at + length],
            at,
        });
        at += length;
    }
    tokens
}

struct Reading<'a> {
    source: &'a Source,
    tokens: &'a [Token<'a>],
    at: usize,
    imports: Vec<Import>,
    /// The words of the code that are not in `use` declarations.
    words: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    fn file(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            match token.text {
                "use" if !self.follows("<") => {
                    self.at += 1;
                    self.tree(Vec::new());
                }
                // `pub(in crate::link)` says who sees something.
                "in" if self.at > 0 && self.tokens[self.at - 1].text == "(" => {
                    while self.tokens.get(self.at).is_some_and(|t| t.text != ")") {
                        self.at += 1;
                    }
                }
                "crate" | "super" | "self" if self.follows("::") => self.path_in_code(token.at),
                text => {
                    let is_path = self.follows("::") && !self.is_behind("::");
                    if is_path && text.starts_with(|c: char| c.is_ascii_lowercase()) {
                        self.path_in_code(token.at);
                        self.words.push(text);
                    } else {
                        self.words.push(text);
                        self.at += 1;
                    }
                }
            }
        }
    }

    fn follows(&self, text: &str) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|t| t.text == text)
    }

    fn is_behind(&self, text: &str) -> bool {
        self.at > 0 && self.tokens[self.at - 1].text == text
    }

    /// A path that is written out where it is needed.
    fn path_in_code(&mut self, at: usize) {
        let path = self.segments();
        let name = path.last().cloned().unwrap_or_default();
        self.add(path, name, at, false);
    }

    /// Names with `::` between them.
    fn segments(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            if !token.text.bytes().all(is_word) {
                break;
            }
            path.push(token.text.to_owned());
            self.at += 1;
            if self.tokens.get(self.at).is_none_or(|t| t.text != "::") {
                break;
            }
            self.at += 1;
        }
        path
    }

    /// One branch of a `use` declaration, up to the sign that ends it.
    fn tree(&mut self, mut path: Vec<String>) {
        let at = self.tokens.get(self.at).map_or(0, |token| token.at);
        path.extend(self.segments());
        match self.tokens.get(self.at).map(|token| token.text) {
            Some("{") => {
                self.at += 1;
                while self.tokens.get(self.at).is_some_and(|t| t.text != "}") {
                    self.tree(path.clone());
                    if self.tokens.get(self.at).is_some_and(|t| t.text == ",") {
                        self.at += 1;
                    }
                }
                self.at += 1;
            }
            Some("*") => {
                self.at += 1;
                self.add(path, "*".to_owned(), at, true);
            }
            _ => self.leaf(path, at),
        }
    }

    fn leaf(&mut self, mut path: Vec<String>, at: usize) {
        // `path::{self}`
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.tokens.get(self.at).is_some_and(|t| t.text == "as") {
            self.at += 1;
            name = self.segments().pop().unwrap_or_default();
        }
        if path.is_empty() {
            // Nothing that this program can read: go on behind it.
            self.at += 1;
            return;
        }
        self.add(path, name, at, true);
    }

    fn add(&mut self, path: Vec<String>, name: String, at: usize, is_declared: bool) {
        self.imports.push(Import {
            path,
            name,
            line: self.source.line_of(at),
            is_declared,
            is_used: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, bool)> {
        let source = Source::new("crates/x/src/y.rs".to_owned(), text.to_owned());
        let parts = |import: Import| (import.path.join("::"), import.name, import.is_used);
        imports(&source).into_iter().map(parts).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        read(text).into_iter().map(|(path, ..)| path).collect()
    }

    #[test]
    fn every_branch_of_a_use_is_an_import() {
        let text = "pub(crate) use crate::a::{self, B, c::{D as E, *}};\nuse super::F;";
        assert_eq!(
            paths(text),
            [
                "crate::a",
                "crate::a::B",
                "crate::a::c::D",
                "crate::a::c",
                "super::F"
            ]
        );
        assert_eq!(read(text)[2].1, "E");
    }

    #[test]
    fn paths_in_code_are_imports_and_who_sees_something_is_none() {
        let text = "pub(in crate::a) fn f() { crate::b::c(super::D); x.y(e::f()) }";
        assert_eq!(paths(text), ["crate::b::c", "super::D", "e::f"]);
    }

    #[test]
    fn a_name_that_is_only_handed_on_is_not_used() {
        let read = read("pub use a::A; use b::B; fn f(_: B) {}");
        assert_eq!(read[0], ("a::A".to_owned(), "A".to_owned(), false));
        assert_eq!(read[1], ("b::B".to_owned(), "B".to_owned(), true));
    }
}
