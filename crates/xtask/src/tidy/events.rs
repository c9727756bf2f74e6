//! The events that code logs, and the page about them.

use std::collections::BTreeSet;

use super::source::Source;

/// The page.
pub(super) const PAGE: &str = "docs/events.md";

/// How an event is named where it is logged; the second is for a line that is written without `tracing`.
const NAMED: [&str; 2] = ["event = \"", "\"event\": \""];

/// Events that are logged and not told of, and events that are told of and not logged.
pub(super) fn check(sources: &[Source], page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let told = told(page);
    let mut logged = BTreeSet::new();
    let crates = sources
        .iter()
        .filter(|source| source.name.starts_with("crates/") && !source.is_test());
    for source in crates {
        for (at, event) in events(source) {
            if !told.contains(event) {
                faults.push(format!(
                    "{}:{} logs `{event}`, which {PAGE} does not tell of",
                    source.name,
                    source.line_of(at)
                ));
            }
            logged.insert(event);
        }
    }
    let gone = told.difference(&logged);
    faults.extend(gone.map(|event| format!("{PAGE} tells of `{event}`, which nothing logs")));
    faults
}

/// The events of a file, each with its place.
fn events(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    NAMED.iter().flat_map(move |named| {
        let places = source.text.match_indices(named);
        // A mark that stands in the code is no comment, and no text about one.
        let shipped = source.shipped.as_bytes();
        let is_code = move |at: &usize| {
            let quote = at + named.len() - 1;
            shipped[quote] == b'"' && shipped[*at] != b' '
        };
        let names = places.map(|(at, _)| at).filter(is_code);
        names.filter_map(move |at| {
            let (event, _) = source.text[at + named.len()..].split_once('"')?;
            Some((at, event))
        })
    })
}

/// The names in the first column of the page's table.
fn told(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    cells.flat_map(|cell| cell.split('`').step_by(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| event | level |\n|---|---|\n| `a`, `b` | info; `c` |\n| `exit` | – |\n";

    fn faults(text: &str) -> Vec<String> {
        let source = Source::new("crates/x/src/y.rs".to_owned(), text.to_owned());
        check(&[source], TABLE)
    }

    #[test]
    fn events_and_their_page_are_compared_both_ways() {
        let all = "info!(event = \"a\"); warn!(event = \"b\"); json!({ \"event\": \"exit\" });";
        assert_eq!(faults(all), [""; 0]);
        let one_more = faults(&format!("{all}\nerror!(event = \"c\");"));
        assert_eq!(one_more.len(), 1, "{one_more:?}");
        assert!(one_more[0].contains("y.rs:2 logs `c`"), "{one_more:?}");
        let one_less = faults("info!(event = \"a\"); json!({ \"event\": \"exit\" });");
        assert_eq!(
            one_less,
            ["docs/events.md tells of `b`, which nothing logs"]
        );
    }

    #[test]
    fn what_tests_and_comments_say_is_not_logged() {
        let others =
            "// event = \"d\"\n#[cfg(test)]\nmod tests { const X: &str = \"event = \\\"e\\\"\"; }";
        assert_eq!(faults(others).len(), 3, "{:?}", faults(others));
    }
}
