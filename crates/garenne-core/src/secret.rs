//! Which parts of a configured value may be repeated in a fault, an error or a log line.
//!
//! An unusable value is often a value in the wrong place: a private key where its path belongs, a URL with
//! its password where a number belongs. So code that reports a bad value asks this module first. In doubt the
//! value is hidden: an operator can look the value up, but a password cannot be taken out of a log again.

use std::borrow::Cow;

/// Longer values are not numbers, names or durations. Their meaning is unknown.
const LONGEST: usize = 100;

/// A word of this many letters and digits is a token or a key, not a word.
const TOKEN: usize = 32;

/// The first characters of keys and tokens: PEM, DER in base64, JSON web tokens, tokens of chat services and
/// of clouds.
const KEY_STARTS: [&str; 17] = [
    "-----", "MII", "MIG", "MHc", "MHQ", "MC4C", "eyJ", "xox", "ghp_", "gho_", "sk-", "sk_", "rk_",
    "SEC", "AKIA", "AIza", "ssh-",
];

/// The text before a key in PEM, wherever the key begins.
const PEM: &str = "-----BEGIN";

/// The first characters of a path that is written out.
const PATH_STARTS: [&str; 4] = ["/", "./", "../", "~/"];

/// Names of secrets, as they stand before a `=` or a `:`.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "pasword",
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "bearer",
    "authorization",
    "credential",
];

/// The value itself if it may be repeated, else the reason in parentheses.
///
/// It is not repeated if it has more than 100 characters, has several lines, looks like a key, or looks like
/// a URL or another text that may hold a password. This is for values of an unknown sort. A value that is
/// known to be a URL and cannot be read must never be repeated: do not call this function for it.
///
/// ```
/// use garenne_core::secret::shown;
///
/// assert_eq!(shown("12x"), "12x");
/// assert_eq!(shown("amqp://app:s3cret@mq"), "(not shown: it may hold a password)");
/// assert_eq!(shown("-----BEGIN PRIVATE KEY-----\nMIIE"), "(not shown: it looks like a key)");
/// ```
#[must_use]
pub fn shown(value: &str) -> Cow<'_, str> {
    match why_hidden(value) {
        None => Cow::Borrowed(value),
        Some(why) => Cow::Owned(format!("(not shown: {why})")),
    }
}

/// The value in backticks if it may be repeated, else the text of [`shown`].
#[must_use]
pub fn quoted(value: &str) -> String {
    match why_hidden(value) {
        None => format!("`{value}`"),
        Some(why) => format!("(not shown: {why})"),
    }
}

/// Whether [`shown`] repeats the value.
#[must_use]
pub fn may_be_shown(value: &str) -> bool {
    why_hidden(value).is_none()
}

fn why_hidden(value: &str) -> Option<String> {
    let trimmed = value.trim_start();
    let is_key = KEY_STARTS.iter().any(|start| trimmed.starts_with(start)) || value.contains(PEM);
    if is_key || has_token(value) {
        return Some("it looks like a key".to_owned());
    }
    let is_url = value.contains("://") || value.to_ascii_lowercase().contains("%3a%2f%2f");
    if is_url || value.contains('@') || names_a_secret(value) {
        return Some("it may hold a password".to_owned());
    }
    let length = value.chars().count();
    if length > LONGEST {
        return Some(format!("it has {length} characters"));
    }
    let has_control = value.chars().any(char::is_control);
    has_control.then(|| "it has line breaks or control characters".to_owned())
}

/// Whether a part of it is a long word of letters and digits, as in base64 and hexadecimal.
fn has_token(value: &str) -> bool {
    // A `/` is a character of base64, but not where it separates names of folders.
    let is_path = PATH_STARTS.iter().any(|start| value.starts_with(start));
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+=_".contains(c) || c == '/' && !is_path;
    let mut words = value.split(|c| !is_part(c));
    words.any(|word| {
        word.len() >= TOKEN
            && word.contains(|c: char| c.is_ascii_digit())
            && word.contains(|c: char| c.is_ascii_alphabetic())
    })
}

fn names_a_secret(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|name| {
        let mut behind = value
            .match_indices(name)
            .map(|(at, _)| &value[at + name.len()..]);
        behind.any(|rest| {
            rest.trim_start_matches(['"', '\'', ' '])
                .starts_with(['=', ':'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_mistype_is_repeated() {
        for value in [
            "",
            "12x",
            "0",
            "20 s",
            "orders.failed",
            "warn,lapin=debug",
            "/etc/ssl/private/orders.pem",
            "Quorum",
            "0190a2f4-77aa-7bbb-8ccc-123456789abc",
            "texte à côté",
            "/var/lib/kubernetes/secrets/mq2/client/ca.pem",
        ] {
            assert_eq!(shown(value), value);
            assert!(may_be_shown(value));
            assert_eq!(quoted(value), format!("`{value}`"));
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated_in_any_part() {
        let long = "s3cret ".repeat(30);
        for value in [
            "amqp://app:s3cret@mq",
            "app:s3cret@mq",
            "https://hooks.example/T0/s3cret",
            "password=s3cret",
            "{\"token\": \"s3cret\"}",
            "-----BEGIN PRIVATE KEY-----\ns3cret",
            "  -----BEGIN s3cret",
            "MIIEs3cret",
            "SECs3cret",
            "xoxb-s3cret",
            "line\ns3cret",
            "s3cret\u{1b}[2J",
            "PASSWORD : s3cret",
            &long,
            "s3cretabcdefghijklmnopqrstuvwxyz",
            "s3cretDBAaBgNVBAMTE0/abCdefGhiJklmnopQrs/tuvwxyz",
            "/etc/s3cretDBAaBgNVBAMTE0abCdefGhiJklmnopQrs",
            "key: -----BEGIN PRIVATE KEY-----|s3cret|-----END PRIVATE KEY-----",
            "MC4CAQs3cret",
            "sk_live_s3cret",
        ] {
            let shown = shown(value);
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.starts_with("(not shown: "), "{shown}");
            assert!(!may_be_shown(value));
            assert_eq!(quoted(value), shown);
        }
    }
}
