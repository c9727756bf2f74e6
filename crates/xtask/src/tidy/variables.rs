//! The names of variables.

use super::source::Source;

/// The file that knows the names of the variables that garenne reads.
pub(super) const NAMES: &str = "crates/garenne/src/environment/names.rs";

/// The crates whose variables a service may be given.
const READERS: [&str; 4] = [
    "crates/garenne/src/",
    "crates/garenne-core/src/",
    "crates/garenne-sinks/src/",
    "crates/garenne-cli/src/",
];

/// Variables that a crate reads and that the list of names does not have: a service would warn of them.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let Some(names) = sources.iter().find(|source| source.name == NAMES) else {
        return vec![format!("there is no {NAMES}")];
    };
    let others = sources.iter().filter(|source| source.name != NAMES);
    others
        .flat_map(|source| unknown(source, &names.text))
        .collect()
}

fn unknown(source: &Source, known: &str) -> Vec<String> {
    let name = &source.name;
    if !READERS.iter().any(|folder| name.starts_with(folder)) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for literal in source.text.split("\"GARENNE_").skip(1) {
        let Some((rest, _)) = literal.split_once('"') else {
            continue;
        };
        let is_name = rest
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if is_name && !known.contains(&format!("\"GARENNE_{rest}\"")) {
            faults.push(format!(
                "{name} reads GARENNE_{rest}, which {NAMES} does not know"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_read_and_not_listed_is_found() {
        let code = "let x = read(faults, \"GARENNE_NEW\"); // and \"GARENNE_LOG\"";
        let source = |name: &str, text: &str| Source::new(name.to_owned(), text.to_owned());
        let reader = || source("crates/garenne/src/environment.rs", code);
        assert_eq!(
            check(&[reader(), source(NAMES, "\"GARENNE_LOG\"")]).len(),
            1
        );
        let both = source(NAMES, "\"GARENNE_LOG\" \"GARENNE_NEW\"");
        assert!(check(&[reader(), both]).is_empty());
        assert_eq!(check(&[reader()]).len(), 1, "the list itself is gone");
    }
}
