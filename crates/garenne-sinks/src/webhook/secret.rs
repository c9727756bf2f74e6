//! The address of a webhook is a credential: whoever knows it can write there.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ureq::http::Uri;

/// What stands for a secret in texts.
const HIDDEN: &str = "***";
/// Parts of an address that are shorter are words, not secrets.
const SHORTEST: usize = 6;

/// What must not be in any text.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Everything in the address behind its host, and what stands before the host.
    pub(super) fn of_address(uri: &Uri) -> Self {
        let mut secrets = Self::default();
        if let Some((user, _)) = uri.authority().and_then(|a| a.as_str().rsplit_once('@')) {
            secrets.add(user);
            user.split(':').for_each(|part| secrets.add(part));
        }
        if let Some(path) = uri.path_and_query().map(|path| path.as_str()) {
            secrets.add(path);
            let parts = path.split(['/', '?', '&']);
            // Of `access_token=…` the name is none.
            let values = parts.map(|part| part.split_once('=').map_or(part, |(_, value)| value));
            values.for_each(|value| secrets.add(value));
        }
        secrets
    }

    /// Hides a text however it is escaped: a server answers with what it has made of the address.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let decoded = percent_decode_str(secret).decode_utf8_lossy();
        let encoded = utf8_percent_encode(&decoded, NON_ALPHANUMERIC).to_string();
        for form in [
            secret,
            &decoded,
            &encoded,
            &lower_escapes(&encoded),
            &lower_escapes(secret),
        ] {
            if !self.0.iter().any(|known| known == form) {
                self.0.push(form.to_owned());
            }
        }
        // A secret may contain another one: the longest goes first.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| text.replace(secret.as_str(), HIDDEN);
        self.0.iter().fold(text.to_owned(), hide)
    }
}

/// The same with escapes like `%2f` in place of `%2F`.
fn lower_escapes(text: &str) -> String {
    let mut in_escape = 0_u8;
    let lower = text.chars().map(|c| {
        in_escape = if c == '%' {
            3
        } else {
            in_escape.saturating_sub(1)
        };
        if in_escape > 0 {
            c.to_ascii_lowercase()
        } else {
            c
        }
    });
    lower.collect()
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identifies_a_robot_is_hidden_and_its_host_is_not() {
        for address in [
            "https://app:t0ps3cret@h.example/robot/send?access_token=t0ps3cret",
            "https://h.example/services/T0/B0/t0ps3cret",
            "https://h.example/open-apis/bot/v2/hook/t0ps3cret#x",
        ] {
            let secrets = Secrets::of_address(&address.parse().unwrap());
            for text in [address, "no robot t0ps3cret at h.example"] {
                let hidden = secrets.hide(text);
                assert!(!hidden.contains("t0ps3cret"), "{hidden}");
                assert!(hidden.contains("h.example"), "{hidden}");
            }
            assert_eq!(format!("{secrets:?}"), "***");
        }
    }

    #[test]
    fn a_secret_is_hidden_however_an_answer_has_escaped_it() {
        let address = "https://h.example/send?access_token=s3cret%2FTOKEN%2BabcdEFGH%3D";
        let secrets = Secrets::of_address(&address.parse().unwrap());
        for said in [
            "s3cret%2FTOKEN%2BabcdEFGH%3D",
            "s3cret%2fTOKEN%2babcdEFGH%3d",
            "s3cret/TOKEN+abcdEFGH=",
        ] {
            let hidden = secrets.hide(&format!("no robot {said} here"));
            assert_eq!(hidden, "no robot *** here");
        }
    }
}
