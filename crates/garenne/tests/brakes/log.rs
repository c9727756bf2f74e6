//! What the systems of this program log, as events with their fields.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::ThreadId;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    thread: ThreadId,
    fields: BTreeMap<&'static str, String>,
}

impl Line {
    /// The value of a field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A field that is a number, if it is there.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.fields.get(name).map(|value| value.parse().unwrap())
    }
}

/// Listens from now on. Whoever starts a system calls it first.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let keep = Keep.with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(keep).init();
    });
}

/// The events of this name about a queue. Each test has one of its own.
pub(crate) fn about_queue(queue: &str, event: &str) -> Vec<Line> {
    let lines = lines();
    let wanted = |line: &&Line| line.field("queue") == queue && line.field("event") == event;
    lines.iter().filter(wanted).cloned().collect()
}

/// The events of this name about the links of the system at this port. They are logged by the thread that
/// said that a link is up, with the port in it.
pub(crate) fn about_links(port: u16, event: &str) -> Vec<Line> {
    let lines = lines();
    let broker = format!(":{port}/");
    let mut ups = lines.iter().filter(|line| line.field("event") == "link_up");
    let Some(up) = ups.find(|line| line.field("broker").contains(&broker)) else {
        return Vec::new();
    };
    let wanted = |line: &&Line| line.thread == up.thread && line.field("event") == event;
    lines.iter().filter(wanted).cloned().collect()
}

fn lines() -> MutexGuard<'static, Vec<Line>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line {
            thread: std::thread::current().id(),
            fields: fields.0,
        };
        lines().push(line);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
