//! What is wrong with a configuration.

use std::fmt;

use crate::secret::shown;

/// One thing that is wrong with a configuration, said so that it can be mended without reading
/// code.
///
/// Faults are collected, not thrown: a service that does not start should say everything that is
/// wrong with it at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which option of what, such as ``queue `orders`: prefetch``.
    pub what: String,
    /// The value that was given; or, in parentheses, why it is not repeated.
    pub value: String,
    /// What would have been accepted, and why.
    pub accepted: String,
}

impl Fault {
    /// A fault of the option `what`. The value is repeated only if it cannot hold a secret, as
    /// [`shown`] says.
    pub fn new(
        what: impl Into<String>,
        value: impl fmt::Display,
        accepted: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            value: shown(&value.to_string()).into_owned(),
            accepted: accepted.into(),
        }
    }

    /// A fault of an option whose value may hold a secret: it is not repeated, whatever it is.
    pub fn hidden(what: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: "(not shown: it may hold a password)".to_owned(),
            accepted: accepted.into(),
        }
    }

    /// The same fault, told as part of something larger: `retry times` of ``queue `orders` ``.
    #[must_use]
    pub fn within(self, owner: &str) -> Self {
        Self {
            what: format!("{owner}: {}", self.what),
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            value,
            accepted,
        } = self;
        if value.starts_with('(') {
            write!(f, "{what} {value} cannot be used; accepted: {accepted}")
        } else {
            write!(f, "{what} is `{value}`; accepted: {accepted}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_it_is_what_was_given_and_what_is_accepted() {
        let fault = Fault::new("prefetch", 0, "1 to 65535").within("queue `orders`");
        assert_eq!(
            fault.to_string(),
            "queue `orders`: prefetch is `0`; accepted: 1 to 65535"
        );
    }

    #[test]
    fn a_fault_repeats_no_value_that_may_be_a_secret() {
        let hidden =
            "PREFETCH (not shown: it may hold a password) cannot be used; accepted: 1 to 65535";
        let url = "amqp://app:s3cret@mq";
        assert_eq!(
            Fault::new("PREFETCH", url, "1 to 65535").to_string(),
            hidden
        );
        assert_eq!(Fault::hidden("PREFETCH", "1 to 65535").to_string(), hidden);
    }
}
