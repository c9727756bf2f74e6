//! A publisher's knowledge of the levels: whether they and its destinations exist.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use garenne_core::{Declare, Delay, Destination, Epoch, QueueKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::job::HEADER_FRAME_OVERHEAD;
use super::{Delays, Outgoing, PublishError};
use crate::link::{Kind, Link, LinkError, bind_destination, declare_levels};

/// How long all declarations for a message may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a destination is assumed to exist. Somebody may delete a queue and make it again, and its binding
/// is gone then; a new binding costs a round trip.
const TRUST: Duration = Duration::from_secs(60);
/// How many destinations are known at once.
const CAPACITY: usize = 10_000;

/// The levels that were declared in this epoch.
#[derive(Default)]
pub(super) struct Levels {
    /// Set when the system is built, after its publisher was handed out.
    delays: OnceLock<Delays>,
    /// Locked during a declaration, because concurrent sends need the same entities.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    epoch: Option<Epoch>,
    bound: HashMap<Destination, Instant>,
}

impl Levels {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the kind of the levels. Only the first call counts.
    pub(super) fn set(&self, delays: Delays) {
        let _ = self.delays.set(delays);
    }

    fn delays(&self) -> Delays {
        self.delays.get().copied().unwrap_or_default()
    }

    pub(super) fn kind(&self) -> QueueKind {
        self.delays().kind
    }

    pub(super) fn may_declare(&self) -> bool {
        self.delays().declare == Declare::Create
    }

    /// Makes the next sends declare all entities again.
    pub(super) async fn forget(&self) {
        *self.known.lock().await = Known::default();
    }

    /// Makes sure that the levels and the destination exist, and that the message has room for the headers
    /// that the broker will add.
    pub(super) async fn ready(
        &self,
        link: &Link,
        message: &Outgoing,
        delay: Delay,
        destination: &Destination,
    ) -> Result<(), PublishError> {
        let deaths = delay.headers_len(destination, self.kind());
        let header = message.properties.encoded_len() + HEADER_FRAME_OVERHEAD + deaths;
        if header > link.frame_max() {
            let what = format!(
                "its properties and headers will have {header} bytes when its delay is over, one frame takes {}",
                link.frame_max()
            );
            return Err(PublishError::TooLarge { what });
        }
        in_time(link, self.declared(link, destination)).await
    }

    async fn declared(&self, link: &Link, destination: &Destination) -> Result<(), PublishError> {
        let Delays { kind, declare } = self.delays();
        let mut known = self.known.lock().await;
        if known.epoch != Some(link.epoch) {
            declare_levels(link, kind, declare)
                .await
                .map_err(|e| refusal("the levels of delays cannot be declared", &e))?;
            *known = Known {
                epoch: Some(link.epoch),
                bound: HashMap::new(),
            };
        }
        let is_bound = |since: &Instant| since.elapsed() < TRUST;
        if known.bound.get(destination).is_some_and(is_bound) {
            return Ok(());
        }
        bind_destination(link, destination, declare)
            .await
            .map_err(|error| unbound(destination, &error))?;
        if known.bound.len() >= CAPACITY {
            known.bound.clear();
        }
        known.bound.insert(destination.clone(), Instant::now());
        Ok(())
    }
}

/// Waits for declarations, with a time limit.
pub(super) async fn in_time(
    link: &Link,
    declaring: impl Future<Output = Result<(), PublishError>>,
) -> Result<(), PublishError> {
    match timeout(PATIENCE, declaring).await {
        Ok(result) => result,
        Err(_) => Err(match link.blocked().borrow().clone() {
            Some(reason) => PublishError::Blocked {
                reason,
                sent: false,
            },
            None => PublishError::Timeout { after: PATIENCE },
        }),
    }
}

fn unbound(destination: &Destination, error: &LinkError) -> PublishError {
    if error.is_missing() {
        return PublishError::Unroutable {
            exchange: String::new(),
            routing_key: destination.name().to_owned(),
            reason: error.to_string(),
        };
    }
    let what = format!("queue `{}` cannot get delayed messages", destination.name());
    refusal(&what, error)
}

pub(super) fn refusal(what: &str, error: &LinkError) -> PublishError {
    let reason = format!("{what}: {error}");
    match error.kind {
        Kind::Configuration => PublishError::Refused { reason },
        Kind::Transient => PublishError::Disconnected {
            reason,
            sent: false,
        },
    }
}
