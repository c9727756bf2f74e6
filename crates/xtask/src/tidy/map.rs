//! The code map in `ARCHITECTURE.md`.

use std::collections::BTreeSet;

/// The page that has the map.
pub(super) const PAGE: &str = "ARCHITECTURE.md";

/// The files of `crates/*/src` that the map does not name, and the names in it that are gone.
///
/// Each crate has a part of the map, which begins with its name in bold. The part names every module that
/// lies in `src` itself, by its file or by its folder: `quiet.rs`, `link/`, `link/io/`. Files in folders may be
/// named. `files` are the paths of all files of the project.
pub(super) fn check(page: &str, files: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(map) = section(page) else {
        return vec![format!("{PAGE} has no section `Code map`")];
    };
    let crates: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.strip_prefix("crates/")?.split_once("/src/"))
        .map(|(name, _)| name)
        .filter(|name| !name.contains('/'))
        .collect();
    for name in crates {
        let Some(part) = part_of(map, name) else {
            faults.push(format!(
                "the code map in {PAGE} does not tell of crates/{name}"
            ));
            continue;
        };
        let folder = format!("crates/{name}/src/");
        let own = files.iter().filter_map(|file| file.strip_prefix(&folder));
        let own: Vec<&str> = own.filter(|file| file.ends_with(".rs")).collect();
        let told = names(part);
        faults.extend(
            missing(&own, &told)
                .into_iter()
                .map(|entry| format!("the code map in {PAGE} does not tell of {folder}{entry}")),
        );
        let gone = told.iter().filter(|told| !is_there(told, &own));
        faults.extend(gone.map(|gone| {
            format!("the code map in {PAGE} tells of `{gone}` in crates/{name}, which is not there")
        }));
    }
    faults
}

fn section(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("\n## Code map\n")?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// What the map says of a crate: up to the next one, or to what is no crate.
fn part_of<'a>(map: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = map.split_once(&format!("**`crates/{name}`**"))?;
    let end = rest.find("\n**`crates/").unwrap_or(rest.len());
    let end = rest[..end].find("\n`examples/`").unwrap_or(end);
    Some(&rest[..end])
}

/// The names of files and folders.
fn names(part: &str) -> Vec<&str> {
    let quoted = part.split('`').skip(1).step_by(2);
    quoted
        .map(|name| name.split("::").next().unwrap_or(name))
        .filter(|name| name.ends_with(".rs") || name.ends_with('/'))
        .collect()
}

/// The modules in `src` that are not told of.
fn missing<'a>(own: &[&'a str], told: &[&str]) -> BTreeSet<&'a str> {
    let module = |file: &'a str| {
        let name = file.split('/').next().unwrap_or(file);
        name.strip_suffix(".rs").unwrap_or(name)
    };
    let is_told = |name: &str| {
        let (file, folder) = (format!("{name}.rs"), format!("{name}/"));
        told.iter()
            .any(|told| *told == file || told.starts_with(&folder))
    };
    own.iter()
        .map(|file| module(file))
        .filter(|name| !matches!(*name, "lib" | "main") && !is_told(name))
        .collect()
}

fn is_there(told: &str, own: &[&str]) -> bool {
    let within = format!("/{told}");
    own.iter().any(|file| {
        let file = format!("/{file}");
        if told.ends_with('/') {
            file.contains(&within)
        } else {
            file.ends_with(&within)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_OF_TWO: &str = "# A\n\n## Code map\n\n**`crates/a`**: does.\n\n| `link/mod.rs`, `io.rs` | x |\n\n\
                               **`crates/b`**: more. `tell.rs` tells (`tell.rs::now`).\n\n`examples/` show.\n\n\
                               ## Threads\n\n`gone.rs`\n";

    fn faults(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        check(PAGE_OF_TWO, &files)
    }

    const ALL: [&str; 5] = [
        "crates/a/src/lib.rs",
        "crates/a/src/link/mod.rs",
        "crates/a/src/link/io.rs",
        "crates/a/tests/it.rs",
        "crates/b/src/tell.rs",
    ];

    #[test]
    fn a_map_that_names_every_room_is_whole() {
        assert_eq!(faults(&ALL), [""; 0]);
    }

    #[test]
    fn files_folders_and_crates_that_the_map_does_not_name_are_found() {
        for new in [
            "crates/a/src/new.rs",
            "crates/b/src/new/x.rs",
            "crates/c/src/lib.rs",
        ] {
            let found = faults(&[&ALL[..], &[new]].concat());
            assert_eq!(found.len(), 1, "{new}: {found:?}");
        }
        let deeper = [&ALL[..], &["crates/a/src/link/new.rs"]].concat();
        assert_eq!(faults(&deeper), [""; 0]);
    }

    #[test]
    fn names_in_the_map_that_are_gone_are_found() {
        let found = faults(&["crates/a/src/link/mod.rs", "crates/b/src/tell.rs"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`io.rs`"), "{found:?}");
    }
}
