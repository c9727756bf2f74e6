//! A system on the broker of a lab, with handlers that do what they are told.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use garenne::prelude::*;
use garenne::status::QueueStatus;
use integration_tests::{Client, eventually};
use lapin::message::Delivery as Message;
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::watch;

use crate::conformance::lab::{Lab, SOON};
use crate::conformance::show;

/// A system that runs, a client beside it, and what its handlers did.
pub(super) struct Stage {
    pub(super) lab: Lab,
    pub(super) client: Client,
    pub(super) system: SystemHandle,
    pub(super) diary: Diary,
}

/// What handlers did, one line each.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(super) fn add(&self, line: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for so many lines.
    pub(super) async fn has(&self, count: usize) -> Vec<String> {
        eventually(SOON, "handlers have run that often", async || {
            match self.lines() {
                lines if lines.len() >= count => Ok(lines),
                lines => Err(format!("{lines:?}")),
            }
        })
        .await
    }
}

/// A door that handlers wait at.
#[derive(Clone, Debug)]
pub(super) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(super) fn closed() -> Self {
        Self(watch::channel(false).0)
    }

    pub(super) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn passed(&self) -> impl Future<Output = ()> + use<> {
        let mut door = self.0.subscribe();
        async move {
            let _ = door.wait_for(|open| *open).await;
        }
    }
}

/// The queue that most cases use: three attempts, a moment apart.
pub(super) fn work() -> Queue {
    Queue::quorum("work").retry(Retry::every(Duration::from_millis(50)).times(2))
}

/// Does what the body says, and writes it down.
pub(super) fn obeys(
    diary: &Diary,
) -> impl Fn(Delivery<Text>) -> Answer + Clone + Send + Sync + Unpin + 'static {
    let diary = diary.clone();
    move |order: Delivery<Text>| {
        let attempt = order.attempt().number();
        diary.add(format!("{} (attempt {attempt})", order.0));
        Box::pin(async move {
            match order.0.as_str() {
                "fail" => Err("x".parse::<u8>().unwrap_err().into()),
                "fail once" if attempt < 2 => Err(Failure::transient("not yet")),
                "fail twice" if attempt < 3 => Err(Failure::transient("not yet")),
                "permanent" => Err(Failure::permanent("no such customer")),
                "discard" => Err(Failure::discard("nobody needs it")),
                "panic" => panic!("out of cheese"),
                "hang" => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }
}

pub(super) type Answer = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

impl Stage {
    /// A system that obeys what is published to a queue.
    pub(super) async fn obeying(lab: &Lab, queue: Queue) -> Self {
        let diary = Diary::default();
        let handler = obeys(&diary);
        Self::of(lab, diary, |builder| builder.consume_fn(queue, handler)).await
    }

    /// Any system, once it consumes.
    pub(super) async fn of(
        lab: &Lab,
        diary: Diary,
        build: impl FnOnce(SystemBuilder) -> SystemBuilder,
    ) -> Self {
        let builder = SystemBuilder::new(lab.url()).service_name("conformance");
        let system = build(builder)
            .build()
            .expect("what the case sets up")
            .start()
            .expect("what the case sets up");
        let stage = Self {
            lab: lab.clone(),
            client: lab.client().await,
            system,
            diary,
        };
        stage.consumes().await;
        stage
    }

    /// Waits until the system consumes.
    pub(super) async fn consumes(&self) {
        let ready = tokio::time::timeout(SOON, self.system.wait_until(|status| status.is_ready()));
        ready
            .await
            .expect("the system consumes soon")
            .expect("the system does not stop");
    }

    /// Publishes to the queue `work`, with the body as message id.
    pub(super) async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            let properties = lapin::BasicProperties::default()
                .with_message_id((*body).into())
                .with_delivery_mode(2);
            self.client
                .publish("", "work", body.as_bytes(), properties)
                .await;
        }
    }

    /// Waits until the counters of the first queue are as wanted.
    pub(super) async fn counts(&self, wanted: impl Fn(&QueueStatus) -> bool) -> QueueStatus {
        eventually(SOON, "the counters are as wanted", async || {
            let status = self.system.status().queues.remove(0);
            if wanted(&status) {
                Ok(status)
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await
    }

    /// Notes what handlers did, by message: those that ran side by side have no order.
    pub(super) async fn note_runs(&self, count: usize) {
        let mut lines = self.diary.has(count).await;
        lines.sort();
        self.lab.note("runs", lines.join(", "));
    }

    /// Notes the next message of a queue.
    pub(super) async fn note_next(&self, queue: &str) {
        let message = crate::conformance::tools::take(&self.client, queue).await;
        self.lab.note(queue, shown(&message));
    }

    /// Stops the system and notes what it left behind.
    pub(super) async fn end(self, queues: &[&str]) {
        self.system.stop();
        let reason = tokio::time::timeout(SOON, self.system.stopped()).await;
        self.lab.note("stop", reason.expect("a system stops soon"));
        for queue in queues {
            self.lab
                .until(queue, |depth| depth.unacked == 0 && depth.consumers == 0)
                .await;
            let (ready, _) = crate::conformance::tools::count(self.client.channel(), queue).await;
            self.lab.note(&format!("left in {queue}"), ready);
        }
    }
}

/// A message with what differs from run to run masked.
pub(super) fn shown(message: &Message) -> String {
    let mut text = show::delivery(message);
    if let Some(headers) = message.properties.headers() {
        let mut masked = headers.inner().clone();
        for (name, value) in &mut masked {
            if ["fail-first-at", "fail-last-at", "fail-host"].contains(&name.as_str()) {
                *value = AMQPValue::LongString("*".into());
            }
        }
        let masked = FieldTable::from(masked);
        text = text.replace(&show::table(headers), &show::table(&masked));
    }
    text
}
