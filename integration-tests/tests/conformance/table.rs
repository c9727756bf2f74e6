//! What came of a suite, as a table of cases and brokers.

use std::fmt::Write as _;
use std::time::Duration;

use super::case::Case;
use super::differences::Expected;

/// What came of a case on one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// What the book says.
    Same,
    /// Something else, for a reason that is listed.
    Differs(&'static str),
    /// Something else; the lines that differ.
    Wrong(String),
}

impl Cell {
    /// Compares what was seen with what the book says.
    pub(crate) fn of(book: Option<&[String]>, seen: &[String], expected: Expected) -> Self {
        let fails = seen.iter().any(|line| line.starts_with("!: "));
        let same = book == Some(seen);
        match expected {
            Expected::Same if same => Self::Same,
            Expected::Other(reason) if !same && !fails => Self::Differs(reason),
            Expected::Failure(reason) if fails => Self::Differs(reason),
            Expected::Other(_) | Expected::Failure(_) if same => Self::Wrong(
                "  is listed as a difference, and is none: take it off the list\n".to_owned(),
            ),
            _ => Self::Wrong(difference(book.unwrap_or_default(), seen)),
        }
    }

    fn shown(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs(_) => "differs",
            Self::Wrong(_) => "WRONG",
        }
    }
}

/// A case with what came of it, broker by broker.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) cells: Vec<Cell>,
    pub(crate) took: Duration,
}

/// Prints the table.
///
/// # Panics
///
/// When a cell is wrong, with all that are.
pub(crate) fn print(brokers: &[&str], rows: &[Row]) {
    let names = rows.iter().map(|row| row.case.title().len());
    let width = names.max().unwrap_or_default();
    let mut table = format!("{:width$}", "case");
    for broker in brokers {
        let _ = write!(table, " | {broker:15}");
    }
    table.push('\n');
    let mut wrong = String::new();
    for row in rows {
        let _ = write!(table, "{:width$}", row.case.title());
        let mut reasons = Vec::new();
        for (broker, cell) in brokers.iter().zip(&row.cells) {
            let _ = write!(table, " | {:15}", cell.shown());
            match cell {
                Cell::Same => {}
                Cell::Differs(reason) => reasons.push(format!("{broker}: {reason}")),
                Cell::Wrong(lines) => {
                    let _ = writeln!(wrong, "\n{} on {broker}\n{lines}", row.case.title());
                }
            }
        }
        let _ = writeln!(table, " | {}", reasons.join("; "));
    }
    println!("\n{table}\n{}", summary(brokers, rows));
    assert!(
        wrong.is_empty(),
        "not what the book says; if it is right, correct the book:\n{wrong}"
    );
}

/// How many came out how on each broker, and what took longest.
fn summary(brokers: &[&str], rows: &[Row]) -> String {
    let mut text = format!("{} cases", rows.len());
    for (at, broker) in brokers.iter().enumerate() {
        let count = |shown: &str| {
            rows.iter()
                .filter(|row| row.cells[at].shown() == shown)
                .count()
        };
        let (same, differ, wrong) = (count("same"), count("differs"), count("WRONG"));
        let _ = write!(
            text,
            "; {broker}: {same} same, {differ} differ, {wrong} wrong"
        );
    }
    let mut slowest: Vec<_> = rows.iter().map(|row| (row.took, row.case.name)).collect();
    slowest.sort_unstable();
    let slowest = slowest.iter().rev().take(3);
    let slowest: Vec<_> = slowest
        .map(|(took, name)| format!("{name} ({took:.1?})"))
        .collect();
    text + "; the slowest: " + &slowest.join(", ")
}

/// The lines in which notes differ.
fn difference(expected: &[String], seen: &[String]) -> String {
    let mut text = String::new();
    for line in 0..expected.len().max(seen.len()) {
        let (expected, seen) = (expected.get(line), seen.get(line));
        if expected != seen {
            let shown = |line: Option<&String>| line.map_or("(no line)", String::as_str).to_owned();
            let _ = writeln!(text, "  the book {}", shown(expected));
            let _ = writeln!(text, "      seen {}", shown(seen));
        }
    }
    text
}

/// A suite that cannot fail shows nothing.
mod tests {
    use super::*;

    fn notes(lines: &[&str]) -> Vec<String> {
        lines.iter().copied().map(str::to_owned).collect()
    }

    fn is_wrong(seen: &[&str], expected: Expected) -> bool {
        let book = notes(&["left: a", "then: b"]);
        matches!(
            Cell::of(Some(&book), &notes(seen), expected),
            Cell::Wrong(_)
        )
    }

    #[test]
    fn only_what_the_book_says_is_the_same() {
        assert!(!is_wrong(&["left: a", "then: b"], Expected::Same));
        assert!(is_wrong(&["left: a"], Expected::Same));
        assert!(is_wrong(&["left: a", "then: c"], Expected::Same));
        assert!(is_wrong(&["left: a", "then: b", "c: d"], Expected::Same));
        assert!(is_wrong(&["!: the case hangs"], Expected::Same));
        let nowhere = Cell::of(None, &notes(&[]), Expected::Same);
        assert!(matches!(nowhere, Cell::Wrong(_)), "a case without a page");
    }

    #[test]
    fn a_listed_difference_must_be_one_and_no_accident() {
        let otherwise = Expected::Other("on purpose");
        assert!(!is_wrong(&["left: c"], otherwise));
        assert!(is_wrong(&["left: a", "then: b"], otherwise));
        assert!(is_wrong(&["left: a", "!: the case hangs"], otherwise));
        let fails = Expected::Failure("it crashes");
        assert!(!is_wrong(&["left: a", "!: the case hangs"], fails));
        assert!(is_wrong(&["left: a", "then: b"], fails));
        assert!(is_wrong(&["left: c"], fails));
    }
}
