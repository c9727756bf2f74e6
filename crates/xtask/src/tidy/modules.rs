//! The modules of a crate, and which of them import which.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Import, imports};
use super::source::Source;

/// A re-export may lead to another, and so on, this often at most.
const MOST_STEPS: usize = 8;

/// One module: the path of its names in the crate, empty for the root.
pub(super) type Path = Vec<String>;

/// What is imported somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The path in the crate, as it is written, without the `crate`.
    pub(super) path: Path,
    pub(super) line: usize,
}

/// The modules of one crate that are shipped.
pub(super) struct Modules(BTreeMap<Path, Module>);

struct Module {
    /// The file, from the root of the project.
    file: String,
    imports: Vec<Import>,
}

impl Modules {
    /// The modules whose files lie in this folder: `crates/garenne/src/`.
    pub(super) fn of(sources: &[Source], folder: &str) -> Self {
        let mut found = BTreeMap::new();
        let mut only_tests: BTreeSet<Path> = BTreeSet::new();
        for source in sources {
            let Some(file) = source.name.strip_prefix(folder) else {
                continue;
            };
            if source.is_test() || file.starts_with("bin/") {
                continue;
            }
            let path = path_of(file);
            let children = |code| declared(code).into_iter().map(|name| join(&path, &name));
            let shipped: BTreeSet<Path> = children(&source.shipped).collect();
            only_tests.extend(children(&source.code).filter(|child| !shipped.contains(child)));
            let module = Module {
                file: source.name.clone(),
                imports: imports(source),
            };
            found.insert(path, module);
        }
        found.retain(|path, _| !only_tests.iter().any(|tests| path.starts_with(tests)));
        Self(found)
    }

    /// Every module with its file.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, &str)> {
        let all = self.0.iter();
        all.map(|(path, module)| (path, module.file.as_str()))
    }

    /// All that a module imports from its own crate, as it is written.
    pub(super) fn named(&self, module: &Path) -> Vec<Named> {
        let Some(Module { imports, .. }) = self.0.get(module) else {
            return Vec::new();
        };
        let written = imports.iter().filter_map(|import| {
            let path = self.absolute(module, &import.path)?;
            Some(Named {
                path,
                line: import.line,
            })
        });
        written.collect()
    }

    /// The modules whose names a module uses. Re-exports are looked through: whoever takes a name from a
    /// folder takes it from the file that has it. A re-export by itself uses nothing.
    pub(super) fn used(&self, module: &Path) -> BTreeSet<&Path> {
        let Some(Module { imports, .. }) = self.0.get(module) else {
            return BTreeSet::new();
        };
        let used = imports.iter().filter(|import| import.is_used);
        let paths = used.filter_map(|import| self.absolute(module, &import.path));
        let modules = paths.filter_map(|path| self.home_of(&path, 0));
        modules.filter(|home| *home != module).collect()
    }

    /// The path from the root of the crate; `None` for what other crates have.
    fn absolute(&self, module: &Path, written: &[String]) -> Option<Path> {
        let (first, rest) = written.split_first()?;
        let mut base = match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => module.clone(),
            "super" => parent(module)?,
            name if self.0.contains_key(&join(module, name)) => join(module, name),
            _ => return None,
        };
        let mut rest = rest.iter();
        for segment in rest.by_ref() {
            if segment == "super" {
                base = parent(&base)?;
            } else {
                base.push(segment.clone());
                break;
            }
        }
        base.extend(rest.cloned());
        Some(base)
    }

    /// The module that has a name, behind all re-exports.
    fn home_of(&self, path: &[String], steps: usize) -> Option<&Path> {
        let mut at = self.0.get_key_value(&[] as &[String])?;
        for (number, segment) in path.iter().enumerate() {
            let child = join(at.0, segment);
            if let Some(child) = self.0.get_key_value(&child) {
                at = child;
                continue;
            }
            let (module, Module { imports, .. }) = at;
            let alias = imports
                .iter()
                .find(|import| import.is_declared && import.name == *segment);
            return match alias.and_then(|alias| self.absolute(module, &alias.path)) {
                Some(mut target) if steps < MOST_STEPS && target != path => {
                    target.extend_from_slice(&path[number + 1..]);
                    self.home_of(&target, steps + 1)
                }
                // It is its own, or another crate's.
                _ => alias
                    .is_none_or(|alias| alias.path[0] == "crate")
                    .then_some(module),
            };
        }
        Some(at.0)
    }
}

fn path_of(file: &str) -> Path {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let is_root = path == "lib" || path == "main";
    let names = path.split('/').filter(|_| !is_root);
    names.map(str::to_owned).collect()
}

fn join(path: &[String], name: &str) -> Path {
    let mut path = path.to_vec();
    path.push(name.to_owned());
    path
}

fn parent(path: &[String]) -> Option<Path> {
    let (_, parent) = path.split_last()?;
    Some(parent.to_vec())
}

/// The names of `mod name;`.
fn declared(code: &str) -> Vec<String> {
    let statements = code.split(';').filter_map(|statement| {
        let (_, name) = statement.rsplit_once("mod ")?;
        let is_name = name.bytes().all(super::source::is_word) && !name.is_empty();
        is_name.then(|| name.to_owned())
    });
    statements.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Files of a crate in `crates/x/src/`.
    pub(in crate::tidy) fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        let source = |(file, text): &(&str, &str)| {
            Source::new(format!("crates/x/src/{file}"), (*text).to_owned())
        };
        files.iter().map(source).collect()
    }

    fn used(files: &[(&str, &str)], module: &str) -> Vec<String> {
        let modules = Modules::of(&sources(files), "crates/x/src/");
        let path: Path = module.split("::").map(str::to_owned).collect();
        let used = modules.used(&path);
        used.into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_name_is_used_from_the_file_that_has_it_through_every_re_export() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            (
                "a/mod.rs",
                "mod one; mod two; pub(crate) use one::One; use two::Two;",
            ),
            ("a/one.rs", "use super::Two; pub(crate) struct One(Two);"),
            ("a/two.rs", "pub(crate) struct Two;"),
            (
                "b.rs",
                "use crate::a::One; fn f(_: One, _: crate::a::two::Two) {}",
            ),
        ];
        assert_eq!(used(&files, "b"), ["a::one", "a::two"]);
        assert_eq!(used(&files, "a::one"), ["a::two"]);
        assert!(used(&files, "a").is_empty());
    }

    #[test]
    fn tests_import_what_they_like() {
        let files = [
            ("lib.rs", "mod a; #[cfg(test)] mod scripted;"),
            (
                "a.rs",
                "#[cfg(test)] mod tests { use crate::b::B; fn f(_: B) {} }",
            ),
            ("b.rs", "pub struct B;"),
            ("scripted.rs", "use crate::b::B; fn f(_: B) {}"),
        ];
        assert!(used(&files, "a").is_empty() && used(&files, "scripted").is_empty());
    }

    #[test]
    fn modules_of_other_crates_and_names_of_ones_own_are_no_imports() {
        let files = [
            ("lib.rs", "mod a;"),
            (
                "a.rs",
                "use std::fmt; use fmt::Debug; struct A; fn f(_: self::A, _: impl Debug) {}",
            ),
        ];
        assert!(used(&files, "a").is_empty());
    }
}
