//! What two brokers said, line by line.

use super::Rabbit;

/// In what RabbitMQ 3.10 differs from 4.0, and with that from the embedded broker: the case, and
/// what the version did differently.
const ONLY_OF_3: [(&str, &str); 4] = [
    (
        "other type",
        "compares an untyped declare with the queue's type as it stands",
    ),
    (
        "unknown kind",
        "closes the connection (503) where 4.0 closes the channel (406)",
    ),
    ("came back", "adds to an x-death that a client made up"),
    ("dead", "removes CC where a dead-letter routing key is set"),
];
/// Headers that 3.10 does not write.
const NOT_IN_3: &str = "\"x-last-death-";

/// What became of one program.
pub(super) struct Comparison {
    pub(super) client: &'static str,
    same: usize,
    excused: usize,
    pub(super) differences: Vec<String>,
}

impl Comparison {
    pub(super) fn of(
        client: &'static str,
        embedded: &[String],
        real: &[String],
        rabbit: Rabbit,
    ) -> Self {
        let mut comparison = Self {
            client,
            same: 0,
            excused: 0,
            differences: Vec::new(),
        };
        for number in 0..embedded.len().max(real.len()) {
            let nothing = "(nothing)";
            let line = |lines: &[String]| lines.get(number).map_or(nothing, |line| line).to_owned();
            let (ours, theirs) = (line(embedded), line(real));
            if ours == theirs || (rabbit == Rabbit::V3 && without_news(&ours) == theirs) {
                comparison.same += 1;
            } else if rabbit == Rabbit::V3 && is_only_of_3(&ours) && case(&ours) == case(&theirs) {
                comparison.excused += 1;
            } else {
                let number = number + 1;
                comparison.differences.push(format!(
                    "{client}, line {number}\n  embedded: {ours}\n  RabbitMQ: {theirs}"
                ));
            }
        }
        comparison
    }
}

/// The comparisons as a table, and under it every difference.
pub(super) fn table(comparisons: &[Comparison]) -> String {
    let mut table = format!(
        "{:10} {:>6} {:>8} {:>7}",
        "client", "same", "excused", "differ"
    );
    for one in comparisons {
        let (same, excused, differ) = (one.same, one.excused, one.differences.len());
        table += &format!("\n{:10} {same:>6} {excused:>8} {differ:>7}", one.client);
    }
    for difference in comparisons.iter().flat_map(|one| &one.differences) {
        table += &format!("\n\n{difference}");
    }
    table
}

fn is_only_of_3(line: &str) -> bool {
    ONLY_OF_3.iter().any(|(known, _)| case(line) == Some(known))
}

/// The case that a line belongs to.
fn case(line: &str) -> Option<&str> {
    // Python puts a space after the colon, Node does not.
    let (_, rest) = line.split_once("\"case\":")?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

/// A line without the headers that 3.10 does not write.
fn without_news(line: &str) -> String {
    let mut kept = line.to_owned();
    while let Some(at) = kept.find(NOT_IN_3) {
        let value_ends = kept[at..]
            .match_indices('"')
            .nth(3)
            .map(|(quote, _)| at + quote + 1);
        let Some(end) = value_ends else { break };
        // They come last in their table, each with a comma before it.
        let start = kept[..at].rfind(',').unwrap_or(at);
        kept.replace_range(start..end, "");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(embedded: &[&str], real: &[&str], rabbit: Rabbit) -> Comparison {
        let owned = |lines: &[&str]| {
            lines
                .iter()
                .map(|&line| line.to_owned())
                .collect::<Vec<_>>()
        };
        Comparison::of("client", &owned(embedded), &owned(real), rabbit)
    }

    #[test]
    fn a_line_that_only_one_broker_has_is_a_difference() {
        let compared = compare(&["a", "b"], &["a"], Rabbit::V4);
        assert_eq!((compared.same, compared.differences.len()), (1, 1));
        assert!(table(&[compared]).contains("RabbitMQ: (nothing)"));
    }

    #[test]
    fn what_only_3_does_is_excused_with_3_and_not_with_4() {
        let (ours, theirs) = (
            [r#"{"case": "came back", "n": 1}"#],
            [r#"{"case": "came back"}"#],
        );
        assert_eq!(compare(&ours, &theirs, Rabbit::V3).excused, 1);
        assert_eq!(compare(&ours, &theirs, Rabbit::V4).differences.len(), 1);
    }

    #[test]
    fn headers_that_3_does_not_write_are_no_difference_with_it() {
        let ours = r#"{"h":{"x-first-death-queue":"q","x-last-death-queue":"q","x-last-death-reason":"r"},"n":1}"#;
        let theirs = r#"{"h":{"x-first-death-queue":"q"},"n":1}"#;
        assert_eq!(compare(&[ours], &[theirs], Rabbit::V3).same, 1);
        assert_eq!(compare(&[ours], &[theirs], Rabbit::V4).same, 0);
    }
}
