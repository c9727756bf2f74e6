//! How a queue on the broker differs from the wanted queue, read from RabbitMQ's refusals.

use std::fmt;

use garenne_core::{Headers, QueueEntity, Value};

use super::error::Reason;
use crate::wire::SHORT_STRING_MAX;

pub(super) const QUEUE_TYPE: &str = "x-queue-type";
const DURABLE: &str = "durable";
const AUTO_DELETE: &str = "auto_delete";
const NOTHING: &str = "none";

/// An argument or property in which a queue on the broker differs from a program's declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The name: `x-queue-type`, `x-max-length`, `durable`.
    pub argument: String,
    /// The value that the program declares; `None` when it declares none.
    pub wanted: Option<String>,
    /// The value that the broker has; `None` when it has none.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| match value.as_deref() {
            None => "none".to_owned(),
            Some("") => "an empty one".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let (ours, theirs) = (shown(&self.wanted), shown(&self.found));
        let argument = &self.argument;
        write!(f, "`{argument}` (here {ours}, on the broker {theirs})")
    }
}

/// Joins differences for a sentence.
pub(crate) fn listed(differences: &[Difference]) -> String {
    let shown: Vec<_> = differences.iter().map(Difference::to_string).collect();
    shown.join(", ")
}

/// The current guess at a queue's arguments. The queue is declared with them; each refusal corrects the
/// guess, until the broker accepts it.
pub(super) struct Guess {
    pub(super) arguments: Headers,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    differences: Vec<Difference>,
}

/// The effect of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next declare can use the broker's value.
    Closer,
    /// The refusal names a value that a declare cannot express.
    Stuck,
    /// The refusal has another cause.
    Other,
}

impl Guess {
    /// The first guess: the queue exists with the wanted arguments.
    pub(super) fn new(queue: &QueueEntity) -> Self {
        Self {
            arguments: queue.args.clone(),
            durable: true,
            auto_delete: false,
            differences: Vec::new(),
        }
    }

    /// Takes over the value that the broker has according to its refusal.
    pub(super) fn correct(&mut self, refusal: &Reason, queue: &QueueEntity) -> Step {
        let Reason::Unlike(Some(refusal)) = refusal else {
            return Step::Other;
        };
        let Refusal {
            argument,
            wanted,
            found,
        } = refusal.clone();
        // Without this check, a broker that repeats itself would be asked for ever.
        let is_known = |known: &Difference| known.argument == argument;
        let is_repeated = self.differences.iter().any(is_known);
        // If the virtual host sets the type of the queue, another default may have been in force before.
        let is_implied = argument == QUEUE_TYPE
            && !queue.args.contains_key(QUEUE_TYPE)
            && found
                .as_ref()
                .is_some_and(|v| v.text == queue.kind.as_str());
        let is_said = !is_repeated && self.say(&argument, found.as_ref());
        if !is_repeated && !is_implied {
            self.differences.push(Difference {
                argument,
                wanted: wanted.map(|value| value.text),
                found: found.map(|value| value.text),
            });
        }
        if is_said { Step::Closer } else { Step::Stuck }
    }

    fn say(&mut self, argument: &str, found: Option<&Said>) -> bool {
        let is_true = found.is_some_and(|value| value.text == "true");
        match argument {
            DURABLE => self.durable = is_true,
            AUTO_DELETE => self.auto_delete = is_true,
            name if !name.starts_with("x-") || name.len() > SHORT_STRING_MAX => return false,
            name => match found.map(Said::as_argument) {
                None => drop(self.arguments.remove(name)),
                Some(Some(value)) => drop(self.arguments.insert(name.to_owned(), value)),
                Some(None) => return false,
            },
        }
        true
    }

    pub(super) fn has_differences(&self) -> bool {
        !self.differences.is_empty()
    }

    /// All differences, by name; the type of the queue first, because the others may follow from it.
    pub(super) fn differences(mut self) -> Vec<Difference> {
        self.differences
            .sort_by_cached_key(|it| (it.argument != QUEUE_TYPE, it.argument.clone()));
        self.differences
    }
}

/// `… inequivalent arg 'x' for queue 'q' in vhost '/': received OURS but current is THEIRS`, where either
/// side is `none`, `'value'` or `the value 'value' of type 'type'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    argument: String,
    wanted: Option<Said>,
    found: Option<Said>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    text: String,
    kind: Option<String>,
}

impl Refusal {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once("received ")?;
        let (wanted, found) = rest.split_once(" but current is ")?;
        Some(Self {
            argument: argument.to_owned(),
            wanted: Said::of(wanted),
            found: Said::of(found),
        })
    }
}

impl Said {
    fn of(side: &str) -> Option<Self> {
        let side = side.trim();
        if side.starts_with(NOTHING) {
            return None;
        }
        let typed = side.strip_prefix("the value '").and_then(|rest| {
            let (text, kind) = rest.rsplit_once("' of type '")?;
            let kind = kind.split('\'').next()?;
            Some((text.to_owned(), Some(kind.to_owned())))
        });
        let plain = || {
            let text = side.strip_prefix('\'')?;
            Some((text.split('\'').next()?.to_owned(), None))
        };
        let (text, kind) = typed.or_else(plain).unwrap_or((side.to_owned(), None));
        Some(Self { text, kind })
    }

    /// The value for a declare. RabbitMQ compares numbers by their value, whatever their width.
    fn as_argument(&self) -> Option<Value> {
        let text = || Value::from(self.text.as_str());
        match self.kind.as_deref() {
            None | Some("longstr") => Some(text()),
            Some("bool") => Some(Value::Bool(self.text == "true")),
            Some(
                "signedint" | "unsignedint" | "long" | "short" | "unsignedshort" | "byte"
                | "unsignedbyte",
            ) => self.text.parse().ok().map(Value::I64),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use garenne_core::{Entity, Queue};

    use super::*;

    const IN: &str = "for queue 'orders' in vhost '/'";

    fn orders() -> QueueEntity {
        let mut topology = Queue::quorum("orders").topology().into_iter();
        let found = topology.find_map(|entity| match entity {
            Entity::Queue(queue) if queue.name == "orders" => Some(queue),
            _ => None,
        });
        found.unwrap()
    }

    fn refused(argument: &str, sides: &str) -> Reason {
        let text =
            format!("PRECONDITION_FAILED - inequivalent arg '{argument}' {IN}: received {sides}");
        Reason::of(406, &text)
    }

    #[test]
    fn every_refusal_brings_the_next_declare_closer_and_the_type_is_told_first() {
        let queue = orders();
        let mut guess = Guess::new(&queue);
        for (argument, sides) in [
            (
                "x-dead-letter-exchange",
                "the value '' of type 'longstr' but current is none",
            ),
            ("x-queue-type", "'quorum' but current is 'classic'"),
            (
                "x-max-length",
                "none but current is the value '7' of type 'signedint'",
            ),
            (
                "x-single-active-consumer",
                "none but current is the value 'true' of type 'bool'",
            ),
            ("durable", "'true' but current is 'false'"),
        ] {
            assert_eq!(
                guess.correct(&refused(argument, sides), &queue),
                Step::Closer
            );
        }
        assert!(!guess.durable);
        let arguments = &guess.arguments;
        assert!(!arguments.contains_key("x-dead-letter-exchange"));
        assert_eq!(arguments["x-max-length"], Value::I64(7));
        assert_eq!(arguments["x-single-active-consumer"], Value::Bool(true));
        let differences = guess.differences();
        assert_eq!(differences.len(), 5);
        assert_eq!(
            differences[0].to_string(),
            "`x-queue-type` (here `quorum`, on the broker `classic`)"
        );
        let said = listed(&differences);
        assert!(!said.contains("``"), "{said}");
    }

    #[test]
    fn a_broker_that_repeats_itself_or_says_what_cannot_be_said_is_not_asked_for_ever() {
        let queue = orders();
        let mut guess = Guess::new(&queue);
        let limit = refused(
            "x-max-length",
            "none but current is the value '7' of type 'signedint'",
        );
        assert_eq!(guess.correct(&limit, &queue), Step::Closer);
        assert_eq!(guess.correct(&limit, &queue), Step::Stuck);
        let odd = refused(
            "x-odd",
            "none but current is the value '[{a,b}]' of type 'table'",
        );
        assert_eq!(guess.correct(&odd, &queue), Step::Stuck);
        assert_eq!(guess.differences().len(), 2);
        let mut guess = Guess::new(&queue);
        let other = Reason::of(406, "PRECONDITION_FAILED - unknown delivery tag 7");
        assert_eq!(guess.correct(&other, &queue), Step::Other);
    }

    #[test]
    fn a_type_left_to_the_virtual_host_is_no_difference() {
        let queue = QueueEntity {
            args: Headers::new(),
            kind: garenne_core::QueueKind::Classic,
            ..orders()
        };
        let mut guess = Guess::new(&queue);
        let sides = "none but current is the value 'classic' of type 'longstr'";
        let step = guess.correct(&refused("x-queue-type", sides), &queue);
        assert_eq!(step, Step::Closer);
        assert_eq!(guess.differences(), []);
    }

    #[test]
    fn a_value_with_a_quote_in_it_is_read_to_its_end() {
        let queue = orders();
        let mut guess = Guess::new(&queue);
        let sides = "none but current is the value 'o'hara' of type 'longstr'";
        let step = guess.correct(&refused("x-dead-letter-routing-key", sides), &queue);
        assert_eq!(step, Step::Closer);
        assert_eq!(guess.differences()[0].found.as_deref(), Some("o'hara"));
    }
}
