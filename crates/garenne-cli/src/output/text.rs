//! Texts that came over a wire, made fit for a screen.

use std::time::SystemTime;

use garenne::core::wire::readable;
use garenne::core::within_years_of_four_digits;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text on one line, without anything that a terminal would obey: an error's text or a header can
/// hold whatever a producer put there.
pub(crate) fn clean(text: &str) -> String {
    let line = text.replace(['\n', '\r', '\t'], " ");
    readable(line.trim_end().as_bytes()).into_owned()
}

/// The same with its lines and tabs kept.
pub(crate) fn clean_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let words = line.split('\t').map(|word| readable(word.as_bytes()));
        words.collect::<Vec<_>>().join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// At most so many columns of it; what is cut ends in `…`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let mut used = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    format!("{kept}…")
}

/// A time as people read it, UTC, to the second; one outside the years that can be written is shown as the
/// nearest inside.
pub(crate) fn time(time: SystemTime) -> String {
    let time = within_years_of_four_digits(time);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_over_a_wire_steers_the_terminal() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\r\nd\u{7}";
        assert_eq!(clean(hostile), "a\\u{1b}[2Jb\\u{202e}c  d\\u{7}");
        assert_eq!(clean_lines("a\r\nb\u{1b}[0m"), "a\nb\\u{1b}[0m");
    }

    #[test]
    fn a_time_that_nobody_can_write_is_shown_as_the_nearest_that_can_be_written() {
        let epoch = SystemTime::UNIX_EPOCH;
        let far = epoch + std::time::Duration::from_secs(1 << 60);
        assert_eq!(time(far), "9999-12-31 23:59:59");
        assert_eq!(
            time(epoch - std::time::Duration::from_secs(9)),
            "1970-01-01 00:00:00"
        );
    }

    #[test]
    fn a_text_is_cut_by_what_it_takes_on_the_screen() {
        assert_eq!(cut("déjà vu", 7), "déjà vu");
        assert_eq!(cut("déjà vu", 5), "déjà…");
        assert_eq!(cut("死信队列", 5), "死信…");
    }
}
