//! A password that no log shows.

use std::fmt;

/// A password; its `Debug` says only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for a URL that is asked for.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use crate::Broker;

    #[test]
    fn a_builder_does_not_show_its_password() {
        let builder = Broker::builder().credentials("me", "s3cret");
        let shown = format!("{builder:?}");
        assert!(shown.contains("me") && !shown.contains("s3cret"), "{shown}");
    }
}
