//! Modules that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Modules, Path};

/// The modules of the largest circle of imports; empty where there is none.
///
/// Modules are in one circle if each is reached from the other by what modules use.
pub(super) fn largest(modules: &Modules) -> Vec<String> {
    let paths = modules.files().map(|(path, _)| path);
    let used: BTreeMap<&Path, BTreeSet<&Path>> =
        paths.map(|path| (path, modules.used(path))).collect();
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = used
        .keys()
        .map(|path| (*path, reached_from(path, &used)))
        .collect();
    let circle_of = |path: &Path| -> Vec<String> {
        let back = reached[path]
            .iter()
            .filter(|other| reached[*other].contains(path));
        back.map(|other| other.join("::")).collect()
    };
    let circles = used.keys().map(|path| circle_of(path));
    // The first of several.
    let longest = circles.reduce(|best, circle| {
        if circle.len() > best.len() {
            circle
        } else {
            best
        }
    });
    longest.unwrap_or_default()
}

fn reached_from<'a>(
    start: &Path,
    used: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Path> = used[start].iter().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(&used[next]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::sources;
    use super::*;

    #[test]
    fn the_largest_circle_is_found() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
            ("a.rs", "use crate::b::B; struct A(B);"),
            ("b.rs", "use crate::c::C; struct B(C);"),
            ("c.rs", "use crate::a::A; struct C(A);"),
            ("d.rs", "use crate::a::A; use crate::e::E; struct D(A, E);"),
            ("e.rs", "use crate::d::D; struct E(D);"),
        ];
        let modules = Modules::of(&sources(&files), "crates/x/src/");
        assert_eq!(largest(&modules), ["a", "b", "c"]);
        let open = Modules::of(&sources(&files[..3]), "crates/x/src/");
        assert!(largest(&open).is_empty());
    }
}
