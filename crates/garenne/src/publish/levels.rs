//! What a publisher knows of the levels: that they and its destinations are there.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use garenne_core::{Declare, Delay, Destination, Epoch, QueueKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::job::HEADER_FRAME_OVERHEAD;
use super::{Delays, Outgoing, PublishError};
use crate::link::{Kind, Link, LinkError, bind_destination, declare_levels};

/// How long everything may take that must be declared for one message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a destination is taken to be there. Somebody may delete a queue and make it again, and
/// its binding is gone then; binding it once more costs a round trip.
const TRUST: Duration = Duration::from_secs(60);
/// How many destinations are known at once.
const CAPACITY: usize = 10_000;

/// The levels, as far as they were declared in this epoch.
#[derive(Default)]
pub(super) struct Levels {
    /// Set when the system is built, after its publisher was handed out.
    delays: OnceLock<Delays>,
    /// Locked while something is declared: whoever comes meanwhile needs the same.
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

    /// Says what they are made of. Only the first word counts.
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

    /// Lets everything be declared again.
    pub(super) async fn forget(&self) {
        *self.known.lock().await = Known::default();
    }

    /// Sees to it that the message has levels to wait in and a queue to go to, and can carry what
    /// the broker will write on it.
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

/// Waits for declarations, but not for ever.
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
