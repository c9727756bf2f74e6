//! Text for people: readable numbers and durations, and errors cut to a single harmless line.

use std::fmt::Write;
use std::time::Duration;

use crate::wire::is_hidden;

/// A single line of at most `most` bytes: no control characters and no characters that hide or turn text,
/// white space folded, the end cut.
///
/// Errors often quote messages, which strangers write. Such a text must not look like a second alert,
/// whatever it contains.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !is_hidden(*c)));
        if line.len() > most {
            break;
        }
    }
    cut(line, most)
}

/// The text, cut to `most` bytes between two characters, with a mark of the cut.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        if most >= '…'.len_utf8() {
            text.push('…');
        }
    }
    text
}

/// `4812` as `4,812`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in its two largest units: `1 s`, `5 min`, `2 h 5 min`, `3 d`.
pub(super) fn lasting(duration: Duration) -> String {
    // Rounded up, so that no duration reads "0 s".
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let (large, small) = match seconds {
        0..60 => ((seconds.max(1), "s"), None),
        60..3600 => ((minutes, "min"), Some((seconds % 60, "s"))),
        3600..86_400 => ((hours, "h"), Some((minutes % 60, "min"))),
        _ => ((days, "d"), Some((hours % 24, "h"))),
    };
    let mut text = format!("{} {}", large.0, large.1);
    if let Some((number, unit)) = small.filter(|(number, _)| *number > 0) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {number} {unit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_spelt_for_people() {
        for (number, spelt) in [
            (0, "0"),
            (999, "999"),
            (4812, "4,812"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), spelt);
        }
        for (seconds, spelt) in [
            (0, "1 s"),
            (59, "59 s"),
            (300, "5 min"),
            (301, "5 min 1 s"),
            (7_500, "2 h 5 min"),
            (259_200, "3 d"),
        ] {
            assert_eq!(lasting(Duration::from_secs(seconds)), spelt);
        }
        assert_eq!(lasting(Duration::from_millis(1500)), "2 s");
    }

    #[test]
    fn a_text_of_many_lines_cannot_look_like_a_second_alert() {
        assert_eq!(
            one_line("no\r\n\tstock\u{0}  left\u{1b}[31m", 100),
            "no stock left [31m"
        );
        assert_eq!(one_line("a\u{202e}b\u{200b}c \u{2066}d", 100), "abc d");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(one_line("grüße", 6), "gr…");
        assert_eq!(one_line("grüße", 7), "grüße");
        assert_eq!(cut("grüße".to_owned(), 2), "");
    }
}
