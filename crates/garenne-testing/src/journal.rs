//! What the system under test says about itself: its log, and out of it what happened to each
//! message.
//!
//! The broker shows where a message is, but a message that is gone may have been handled, discarded
//! or stored by a fail sink. The framework says which, in its log: every run of a handler is a span,
//! and every end of one that is not a success an event in it.
//!
//! All systems of a process log into one subscriber. They are told apart by their actix system, in
//! which all their actors live, and each is known by the address of the broker that it says it has
//! a link to.

mod layer;
mod life;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

pub(crate) use life::{Life, Moment, What};

/// So many of the latest lines are kept for each system.
const LINES: usize = 200;

static SYSTEMS: LazyLock<Mutex<HashMap<usize, Record>>> = LazyLock::new(Mutex::default);

/// What one system has said.
#[derive(Debug, Default)]
struct Record {
    /// The broker that it has a link to, as it calls it.
    broker: Option<String>,
    lines: VecDeque<String>,
    /// By message id; one for each queue that the message was delivered from.
    lives: HashMap<String, Vec<Life>>,
}

impl Record {
    fn lines(&mut self, line: Option<String>) {
        self.lines.extend(line);
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }
}

/// The layer through which the test kit learns what happened to each message.
///
/// It is installed by itself with the first [`TestSystem`](crate::TestSystem) of a process. Only a
/// test program that installs a global subscriber of its own must add it there:
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// tracing_subscriber::registry()
///     .with(tracing_subscriber::fmt::layer().with_test_writer())
///     .with(garenne_testing::journal())
///     .init();
/// ```
///
/// A filter of yours belongs to your layer (`with_filter`), where it does not deafen this one.
///
/// Without it, assertions see the broker and the system's counters only: then they show no history,
/// and [`assert_handled`](crate::TestSystem::assert_handled) refuses to guess where counters leave
/// more than one possibility.
pub fn journal<S>() -> impl Layer<S> + Send + Sync + 'static
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let levels = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("garenne::consumer", LevelFilter::DEBUG);
    layer::JournalLayer.with_filter(levels)
}

/// Installs the journal, unless the test program has installed a subscriber of its own. Where
/// `RUST_LOG` is set, lines are also written to the test's output.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::env::var_os("RUST_LOG").map(|_| {
            let lines = tracing_subscriber::fmt::layer().with_test_writer();
            lines.with_filter(EnvFilter::from_default_env())
        });
        let subscriber = Registry::default().with(journal()).with(shown);
        // An error means that there is one already, and its owner was told what to do.
        let _ = tracing::subscriber::set_global_default(subscriber).is_err();
    });
}

/// The record of one system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Journal(usize);

impl Journal {
    /// The journal of the system at this broker; `None` when it cannot be heard.
    pub(crate) fn at(broker: SocketAddr) -> Option<Self> {
        let address = format!("//{broker}/");
        let systems = systems();
        let at_broker = systems.iter().filter(|(_, record)| {
            let broker = record.broker.as_deref();
            broker.is_some_and(|broker| broker.contains(&address))
        });
        // A port may have belonged to an earlier broker.
        at_broker.map(|(id, _)| Self(*id)).max_by_key(|one| one.0)
    }

    /// The latest lines of its log.
    pub(crate) fn lines(self) -> Vec<String> {
        let systems = systems();
        let record = systems.get(&self.0);
        record.map_or_else(Vec::new, |record| record.lines.iter().cloned().collect())
    }

    /// What happened to a message: one life for each queue that it was delivered from.
    pub(crate) fn lives_of(self, message_id: &str) -> Vec<Life> {
        let systems = systems();
        let lives = systems
            .get(&self.0)
            .and_then(|record| record.lives.get(message_id));
        lives.cloned().unwrap_or_default()
    }

    /// Nobody will ask any more.
    pub(crate) fn forget(self) {
        systems().remove(&self.0);
    }
}

/// Notes something about the system whose thread this is.
fn note(write: impl FnOnce(&mut Record)) {
    if let Some(system) = actix::System::try_current() {
        write(systems().entry(system.id()).or_default());
    }
}

fn systems() -> MutexGuard<'static, HashMap<usize, Record>> {
    SYSTEMS.lock().unwrap_or_else(PoisonError::into_inner)
}
