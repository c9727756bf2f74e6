//! Exchanges: who is bound, and who a message goes to.

use std::collections::BTreeMap;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::headers::headers_match;
use super::values::{erlang_term, string, type_name};
use super::{Message, Name, QueueId};
use crate::exception::{Exception, erlang_binary, precondition_failed};

/// How an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeKind {
    Direct,
    Fanout,
    Topic,
    Headers,
}

impl ExchangeKind {
    pub(crate) fn parse(name: &str) -> Result<Self, Exception> {
        match name {
            "direct" => Ok(Self::Direct),
            "fanout" => Ok(Self::Fanout),
            "topic" => Ok(Self::Topic),
            "headers" => Ok(Self::Headers),
            "" => Err(precondition_failed("invalid exchange type ''")),
            other => Err(precondition_failed(format!(
                "unknown exchange type '{other}'"
            ))),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Destination {
    Queue(QueueId),
    Exchange(Name),
}

/// One binding; its routing key is where the exchange keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) destination: Destination,
    pub(crate) arguments: FieldTable,
    /// Whether both ends are durable, so that the binding is too.
    pub(crate) durable: bool,
}

/// An exchange and the bindings that start at it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) name: Name,
    pub(crate) kind: ExchangeKind,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
    bindings: BTreeMap<Name, Vec<Binding>>,
}

impl Exchange {
    pub(crate) fn new(name: Name, kind: ExchangeKind, durable: bool) -> Self {
        Self {
            name,
            kind,
            durable,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
            bindings: BTreeMap::new(),
        }
    }

    /// The exchange that gets what this one cannot route.
    pub(crate) fn alternate(&self) -> Option<String> {
        string(&self.arguments, "alternate-exchange")
    }

    pub(crate) fn is_bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// All bindings, with their routing keys.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = (&Name, &Binding)> {
        self.bindings
            .iter()
            .flat_map(|(key, all)| all.iter().map(move |one| (key, one)))
    }

    /// Adds a binding; one that is there already stays as it is.
    pub(crate) fn bind(&mut self, key: Name, binding: Binding) {
        let same_key = self.bindings.entry(key).or_default();
        let same = |other: &Binding| {
            other.destination == binding.destination && other.arguments == binding.arguments
        };
        if !same_key.iter().any(same) {
            same_key.push(binding);
        }
    }

    /// Whether there is such a binding.
    pub(crate) fn has(&self, key: &str, to: &Destination, arguments: &FieldTable) -> bool {
        let same_key = self.bindings.get(key).into_iter().flatten();
        let mut same = same_key.filter(|one| one.destination == *to);
        same.any(|one| one.arguments == *arguments)
    }

    /// Takes one binding away, and says whether it was there.
    pub(crate) fn unbind(
        &mut self,
        key: &str,
        destination: &Destination,
        arguments: &FieldTable,
    ) -> bool {
        let before = self.count();
        if let Some(bindings) = self.bindings.get_mut(key) {
            bindings.retain(|one| one.destination != *destination || one.arguments != *arguments);
        }
        self.bindings.retain(|_, all| !all.is_empty());
        self.count() < before
    }

    /// Keeps only the bindings that `keep` wants, and says whether any is gone.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Binding) -> bool) -> bool {
        let before = self.count();
        self.bindings.retain(|_, all| {
            all.retain(&mut keep);
            !all.is_empty()
        });
        self.count() < before
    }

    fn count(&self) -> usize {
        self.bindings.values().map(Vec::len).sum()
    }

    /// Calls `found` with every destination of `message`, some perhaps twice.
    pub(crate) fn matches<'a>(&'a self, message: &Message, mut found: impl FnMut(&'a Destination)) {
        match self.kind {
            ExchangeKind::Direct => {
                for key in message.keys() {
                    let bindings = self.bindings.get(key).into_iter().flatten();
                    bindings.for_each(|binding| found(&binding.destination));
                }
            }
            ExchangeKind::Fanout => {
                self.bindings()
                    .for_each(|(_, binding)| found(&binding.destination));
            }
            ExchangeKind::Topic => {
                for (pattern, bindings) in &self.bindings {
                    if message.keys().any(|key| topic_matches(pattern, key)) {
                        bindings
                            .iter()
                            .for_each(|binding| found(&binding.destination));
                    }
                }
            }
            ExchangeKind::Headers => {
                let headers = message.properties.headers();
                for (_, binding) in self.bindings() {
                    if headers_match(&binding.arguments, headers) {
                        found(&binding.destination);
                    }
                }
            }
        }
    }

    /// Checks the arguments of a new binding.
    pub(crate) fn validate(&self, arguments: &FieldTable) -> Result<(), Exception> {
        if self.kind != ExchangeKind::Headers {
            return Ok(());
        }
        match arguments.inner().get("x-match") {
            None => Ok(()),
            Some(AMQPValue::LongString(text)) => match text.as_bytes() {
                b"all" | b"any" | b"all-with-x" | b"any-with-x" => Ok(()),
                other => Err(precondition_failed(format!(
                    "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
                    erlang_binary(other)
                ))),
            },
            Some(other) => Err(precondition_failed(format!(
                "Invalid x-match field type {} (value {}); expected longstr",
                type_name(other),
                erlang_term(other)
            ))),
        }
    }
}

/// Whether a topic pattern (`*` one word, `#` any number of words) covers a routing key.
///
/// One row of a table at a time, so that many `#` cost no more than pattern times key.
pub(crate) fn topic_matches(pattern: &str, key: &str) -> bool {
    if pattern == key && !pattern.contains(['*', '#']) {
        return true;
    }
    let words: Vec<&str> = if key.is_empty() {
        Vec::new()
    } else {
        key.split('.').collect()
    };
    // reached[n]: the pattern so far covers the first n words.
    let mut reached = vec![false; words.len() + 1];
    reached[0] = true;
    let parts = if pattern.is_empty() {
        None
    } else {
        Some(pattern.split('.'))
    };
    for part in parts.into_iter().flatten() {
        if part == "#" {
            let first = reached
                .iter()
                .position(|&there| there)
                .unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for at in (1..reached.len()).rev() {
                reached[at] = reached[at - 1] && (part == "*" || part == words[at - 1]);
            }
            reached[0] = false;
        }
    }
    reached[words.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_as_the_protocol_says() {
        for (pattern, key, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.#", "a", true),
            ("a.#", "a.b.c", true),
            ("#", "", true),
            ("#", "a.b", true),
            ("*", "", false),
            ("", "", true),
            ("", "a", false),
            ("#.c", "a.b.c", true),
            ("#.b.#", "a.b.c", true),
            ("#.b.#", "a.c", false),
            ("*.*.#", "a", false),
            ("a..b", "a..b", true),
            ("a.*.b", "a..b", true),
        ] {
            assert_eq!(
                topic_matches(pattern, key),
                expected,
                "{pattern:?} on {key:?}"
            );
        }
    }

    #[test]
    fn a_pattern_of_many_hashes_is_not_slow() {
        let pattern = vec!["#"; 100].join(".") + ".x";
        let key = vec!["a"; 120].join(".");
        assert!(!topic_matches(&pattern, &key));
    }
}
