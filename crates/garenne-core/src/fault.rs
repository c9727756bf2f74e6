//! The faults of a configuration.

use std::fmt;

use crate::secret::shown;

/// A single fault of a configuration, in words that let an operator correct it without reading code.
///
/// Faults are collected, not returned one by one: a service that does not start should report all its faults
/// at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The option and its owner, such as ``queue `orders`: prefetch``.
    pub what: String,
    /// The given value; or, in parentheses, the reason why it is not repeated.
    pub value: String,
    /// The accepted values, and why.
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

    /// A fault of an option whose value may hold a secret: the value is never repeated.
    pub fn hidden(what: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: "(not shown: it may hold a password)".to_owned(),
            accepted: accepted.into(),
        }
    }

    /// The same fault as part of a larger option: `retry times` of ``queue `orders` ``.
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
