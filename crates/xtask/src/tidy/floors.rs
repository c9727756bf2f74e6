//! The floors of `crates/garenne`: which module may import which.

use std::collections::BTreeSet;

use super::modules::Modules;
use super::source::Source;

/// Where the modules lie.
pub(super) const FOLDER: &str = "crates/garenne/src/";

/// It hands on names of the root.
const PRELUDE: &str = "prelude";

/// A module, and the others that it may import.
type Floor = (&'static str, &'static [&'static str]);

/// The modules from the ground up. Each may import modules above it in this table alone, so that no circle of
/// imports leaves a module and its own children. The root has no floor: it declares and hands on. Tests may
/// import everything.
const FLOORS: &[Floor] = &[
    ("build_error", &[]),
    ("failure", &[]),
    ("futures", &[]),
    ("identity", &[]),
    ("panics", &[]),
    ("quiet", &[]),
    ("resources", &[]),
    ("spelling", &[]),
    ("wire", &[]),
    ("body", &["failure"]),
    ("logging", &["panics", "spelling"]),
    ("link", &["quiet", "resources", "wire"]),
    ("environment", &["spelling", "link"]),
    ("alert", &["failure", "identity", "resources"]),
    (
        "publish",
        &[
            "build_error",
            "quiet",
            "resources",
            "wire",
            "body",
            "link",
            "environment",
        ],
    ),
    ("failed", &["link", "publish"]),
    ("delivery", &["failure", "wire", "body", "publish"]),
    ("dedup", &["delivery"]),
    ("sink", &["failure", "link", "alert", "publish"]),
    ("status", &["logging", "link", "alert", "publish"]),
    (
        "consumer",
        &[
            "failure", "futures", "identity", "panics", "quiet", "body", "link", "alert",
            "publish", "delivery", "sink", "status",
        ],
    ),
    (
        "supervisor",
        &[
            "identity",
            "quiet",
            "resources",
            "logging",
            "link",
            "alert",
            "publish",
            "sink",
            "status",
            "consumer",
        ],
    ),
    (
        "system",
        &[
            "build_error",
            "failure",
            "identity",
            "quiet",
            "resources",
            "body",
            "logging",
            "link",
            "environment",
            "alert",
            "publish",
            "failed",
            "delivery",
            "sink",
            "status",
            "consumer",
            "supervisor",
        ],
    ),
    (
        "admin",
        &["wire", "link", "environment", "publish", "failed"],
    ),
    ("prelude", &[]),
];

/// Everything that is against the table.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    faults(&Modules::of(sources, FOLDER), FLOORS)
}

fn faults(modules: &Modules, floors: &[Floor]) -> Vec<String> {
    let mut faults = upwards(floors);
    let tops: BTreeSet<&str> = modules.files().filter_map(|(path, _)| top(path)).collect();
    let known = |name: &str| floors.iter().find(|(floor, _)| *floor == name);
    for name in tops.iter().filter(|name| known(name).is_none()) {
        faults.push(format!(
            "`{name}` in {FOLDER} has no floor; give it one in the table of floors"
        ));
    }
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    for (path, file) in modules.files() {
        let Some((own, may)) = top(path).and_then(known) else {
            continue;
        };
        for import in modules.named(path) {
            let from = top(&import.path).unwrap_or_default();
            if from == *own {
                continue;
            }
            seen.insert((own, from.to_owned()));
            let line = import.line;
            if !tops.contains(from) && *own != PRELUDE {
                faults.push(format!(
                    "{file}:{line} imports `{from}` from the root; import it from the module that has it"
                ));
            } else if tops.contains(from) && !may.contains(&from) {
                faults.push(format!(
                    "{file}:{line}: `{own}` may not import `{from}`; move the name to a floor below, or \
                     change the table of floors"
                ));
            }
        }
    }
    for (name, may) in floors {
        if !tops.contains(name) {
            faults.push(format!(
                "the table of floors has `{name}`, which is no module"
            ));
            continue;
        }
        let unused = may
            .iter()
            .filter(|other| !seen.contains(&(*name, (**other).to_owned())));
        faults.extend(unused.map(|other| {
            format!(
                "the table of floors lets `{name}` import `{other}`, and it does not: take it out"
            )
        }));
    }
    faults
}

/// What of the table itself is wrong: a module that may import one that is not below it.
fn upwards(floors: &[Floor]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, (name, may)) in floors.iter().enumerate() {
        let is_below = |other: &&&str| floors[..number].iter().any(|(below, _)| below == *other);
        let wrong = may.iter().filter(|other| !is_below(other));
        faults.extend(wrong.map(|other| {
            format!("the table of floors lets `{name}` import `{other}`, which is not below it")
        }));
    }
    faults
}

fn top(path: &[String]) -> Option<&str> {
    path.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::sources;
    use super::*;

    const TABLE: &[Floor] = &[("link", &[]), ("publish", &["link"]), ("prelude", &[])];

    fn found(publish: &str, link: &str, floors: &[Floor]) -> Vec<String> {
        let files = [
            (
                "lib.rs",
                "mod link; mod prelude; mod publish; pub use publish::Sent;",
            ),
            ("prelude.rs", "pub use crate::Sent;"),
            ("publish/mod.rs", "mod job; pub struct Sent;"),
            ("publish/job.rs", publish),
            ("link.rs", link),
        ];
        faults(&Modules::of(&sources(&files), "crates/x/src/"), floors)
    }

    #[test]
    fn a_module_that_imports_from_below_and_from_itself_is_right() {
        let job =
            "use crate::link::Link; use super::Sent; #[cfg(test)] mod tests { use crate::Sent; }";
        assert_eq!(found(job, "", TABLE), [""; 0]);
    }

    #[test]
    fn an_import_from_above_is_found_however_it_is_written() {
        for up in [
            "use crate::publish::Sent;",
            "use super::publish::Sent;",
            "use crate::{publish::{Sent, self}};",
            "fn f(_: crate::publish::Sent) {}",
            "pub(crate) use crate::publish::*;",
        ] {
            let found = found("use crate::link::Link;", up, TABLE);
            assert!(!found.is_empty(), "{up}");
            assert!(
                found[0].contains("`link` may not import `publish`"),
                "{found:?}"
            );
        }
        let table: &[Floor] = &[("link", &["publish"]), TABLE[1], TABLE[2]];
        let circle = found("use crate::link::Link;", "use crate::publish::Sent;", table);
        assert_eq!(circle.len(), 1, "{circle:?}");
        assert!(circle[0].contains("which is not below it"), "{circle:?}");
    }

    #[test]
    fn a_name_from_the_root_is_found() {
        let found = found("use crate::link::Link; use crate::Sent;", "", TABLE);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("imports `Sent` from the root"),
            "{found:?}"
        );
    }

    #[test]
    fn the_table_has_every_module_and_nothing_that_is_gone() {
        let job = "use crate::link::Link;";
        let without: &[Floor] = &[TABLE[0], TABLE[2]];
        assert!(found(job, "", without)[0].contains("`publish` in"));
        let with_more: &[Floor] = &[TABLE[0], TABLE[1], TABLE[2], ("gone", &[])];
        assert!(found(job, "", with_more)[0].contains("`gone`, which is no module"));
        assert!(found("", "", TABLE)[0].contains("lets `publish` import `link`, and it does not"));
    }
}
