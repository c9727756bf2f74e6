//! Which queues replies may go to.

use garenne_core::Fault;

/// The names that a broker gives: a producer cannot declare a queue with such a name.
const BY_DEFAULT: [&str; 2] = ["amq.rabbitmq.reply-to*", "amq.gen-*"];

/// The queues that the sender of a request may name for its reply. The sender need not have a right to
/// write to the queue, and the service often has that right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replies(Vec<String>);

impl Replies {
    pub(crate) fn allow(&mut self, pattern: String) {
        self.0.push(pattern);
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = Fault> {
        let empty = self.0.iter().filter(|pattern| pattern.is_empty());
        empty.map(|pattern| {
            let accepted = "the name of a queue, or its beginning and `*`";
            Fault::new("queue for replies", pattern, accepted)
        })
    }

    pub(super) fn may_go_to(&self, queue: &str) -> bool {
        let own = self.0.iter().map(String::as_str);
        let mut patterns = BY_DEFAULT.into_iter().chain(own);
        patterns.any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => queue.starts_with(beginning),
            None => queue == pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_where_only_the_broker_gives_names_and_where_it_is_allowed() {
        let mut replies = Replies::default();
        let named_by_the_broker = [
            "amq.rabbitmq.reply-to",
            "amq.rabbitmq.reply-to.g1h2AA5yZXBseQ==",
            "amq.gen-JzTY20BRgKO-HjmUJj0wLg",
        ];
        for queue in named_by_the_broker {
            assert!(replies.may_go_to(queue), "{queue}");
        }
        for queue in [
            "",
            "admin-commands",
            "amq.fanout",
            "amq.genuine",
            "x.amq.gen-1",
        ] {
            assert!(!replies.may_go_to(queue), "{queue}");
        }
        replies.allow("prices.replies.*".to_owned());
        replies.allow("answers".to_owned());
        for (queue, may) in [
            ("prices.replies.7", true),
            ("prices.replies", false),
            ("answers", true),
            ("answers.2", false),
        ] {
            assert_eq!(replies.may_go_to(queue), may, "{queue}");
        }
    }

    #[test]
    fn a_name_without_a_letter_is_a_fault() {
        let mut replies = Replies::default();
        replies.allow("*".to_owned());
        assert_eq!(replies.faults().count(), 0);
        replies.allow(String::new());
        assert_eq!(replies.faults().count(), 1);
    }
}
