//! Hears what systems say.

use std::fmt::{Debug, Write};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::life::{Life, Moment, What};
use super::{Record, note};

/// Records lines and lives.
pub(super) struct JournalLayer;

impl<S> Layer<S> for JournalLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.name() != "delivery" || !is_the_frameworks(metadata.target()) {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let delivery = Delivery {
            queue: fields.take("queue"),
            message_id: fields.take("message_id"),
            attempt: fields.take("attempt").parse().unwrap_or(1),
        };
        note(|record| delivery.happened(record, What::Began));
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(delivery);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = (*metadata.level() <= Level::INFO).then(|| fields.line(metadata.level()));
        let ours = is_the_frameworks(metadata.target());
        let delivery = ctx.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| span.extensions().get::<Delivery>().cloned())
        });
        note(|record| {
            record.lines(line);
            if !ours {
                return;
            }
            let kind = fields.take("event");
            if kind == "link_up" {
                record.broker = Some(fields.take("broker"));
            } else if let Some(delivery) = delivery
                && let Some(what) = fields.what(&kind)
            {
                delivery.happened(record, what);
            }
        });
    }
}

fn is_the_frameworks(target: &str) -> bool {
    target == "garenne" || target.starts_with("garenne::")
}

/// The span of one delivery.
#[derive(Clone)]
struct Delivery {
    queue: String,
    message_id: String,
    attempt: u32,
}

impl Delivery {
    fn happened(&self, record: &mut Record, what: What) {
        let lives = record.lives.entry(self.message_id.clone()).or_default();
        let known = lives.iter().position(|life| life.queue == self.queue);
        let index = known.unwrap_or_else(|| {
            lives.push(Life {
                queue: self.queue.clone(),
                moments: Vec::new(),
            });
            lives.len() - 1
        });
        let attempt = self.attempt;
        lives[index].moments.push(Moment { attempt, what });
    }
}

/// The fields of a span or an event, as texts.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn take(&mut self, name: &str) -> String {
        let mut fields = self.0.iter_mut();
        let field = fields.find(|(field, _)| *field == name);
        field.map_or_else(String::new, |(_, text)| std::mem::take(text))
    }

    /// What an event with these fields says about the delivery that it belongs to.
    fn what(&mut self, kind: &str) -> Option<What> {
        let error = self.take("error");
        match kind {
            "message_handled" => Some(What::Handled),
            "message_retried" => Some(What::Retried {
                delay: Duration::from_millis(self.take("delay_ms").parse().unwrap_or_default()),
                error,
            }),
            "message_failed" => Some(What::Failed {
                reason: self.take("reason"),
                error,
                in_sink: self.take("message").ends_with("the fail sink"),
            }),
            "message_discarded" => Some(What::Discarded { error }),
            _ => None,
        }
    }

    fn line(&self, level: &Level) -> String {
        let mut line = format!("{level:>5}");
        let of = |name: &str| self.0.iter().find(|(field, _)| *field == name);
        for (_, text) in of("event").into_iter().chain(of("message")) {
            // Writing to a text cannot fail.
            let _ = write!(line, " {text}");
        }
        for (name, text) in &self.0 {
            if *name != "event" && *name != "message" {
                let _ = write!(line, " {name}={text}");
            }
        }
        line
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}
