//! What both programs share: the names, and what they say.

use std::env::var;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use garenne::GolangRabbitmq;
use garenne::core::{Fault, readable};
use garenne::prelude::*;

const KINDS: [ExchangeKind; 4] = [
    ExchangeKind::Direct,
    ExchangeKind::Fanout,
    ExchangeKind::Topic,
    ExchangeKind::Headers,
];

/// The exit code of a faulty configuration, as `sysexits.h` has it.
const CONFIGURATION: u8 = 78;

/// The package's `QueueExchange`, from the environment.
pub(crate) struct Shared {
    queue: String,
    exchange: String,
    kind: ExchangeKind,
    routing_key: String,
}

impl Shared {
    pub(crate) fn from_env() -> (Self, Vec<Fault>) {
        let queue = set("QUEUE").unwrap_or_else(|| "orders".to_owned());
        let wanted = set("EXCHANGE_TYPE").unwrap_or_else(|| "direct".to_owned());
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == wanted);
        let fault = || {
            let accepted = "`direct`, `fanout`, `topic` or `headers`";
            Fault::new("EXCHANGE_TYPE", &wanted, accepted)
        };
        let faults = kind.is_none().then(fault).into_iter().collect();
        let shared = Self {
            exchange: set("EXCHANGE").unwrap_or_default(),
            kind: kind.unwrap_or(ExchangeKind::Direct),
            // One that is there and empty is meant.
            routing_key: var("ROUTING_KEY").unwrap_or_else(|_| queue.clone()),
            queue,
        };
        (shared, faults)
    }

    pub(crate) fn contract(&self) -> GolangRabbitmq {
        GolangRabbitmq::new(&self.queue).exchange(&self.exchange, self.kind, &self.routing_key)
    }
}

/// The value of a variable; an empty one counts as not set.
fn set(name: &str) -> Option<String> {
    var(name).ok().filter(|value| !value.trim().is_empty())
}

/// One line on standard output, with nothing of a body that a terminal would obey. Whoever has closed it
/// does not want to read it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout(), "{}", readable(line.as_bytes()));
}

/// Ends the program because of what it was started with.
pub(crate) fn refuse(why: &str) -> ExitCode {
    let _ = writeln!(stderr(), "{}", readable(why.as_bytes()));
    ExitCode::from(CONFIGURATION)
}
