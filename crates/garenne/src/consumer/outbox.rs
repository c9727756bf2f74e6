//! What a handler wants sent when it has succeeded: collected while it runs, sent before its message
//! is acked.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use garenne_core::wire::readable;
use garenne_core::{Outcome, Wish};
use tracing::{Span, warn};
use uuid::Uuid;

use super::hold::{Held, hold};
use super::life::Ran;
use super::line::Line;
use super::{Hub, Worker};
use crate::delivery::Meta;
use crate::publish::{Outgoing, PublishError};

/// Under which ids are derived: any fixed UUID does, as long as it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c6f_28ae_4d1b_4c5e_9a07_b1d4_7e52_90c3);

/// The messages that the current run of a handler wants sent.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Collected>);

#[derive(Default)]
struct Collected {
    parcels: Vec<Parcel>,
    /// Which run's they are; when a run is over, the next one's.
    run: RunId,
}

/// The number of a handler's run on one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunId(u32);

/// One message of an outbox.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    message: Outgoing,
    way: Way,
}

/// How a message is sent.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// To where the handler says.
    Now,
    /// There, but later.
    After(Duration),
    /// To this queue, which the sender of a request has named.
    Reply(String),
}

impl Outbox {
    /// The run that begins now.
    pub(crate) fn run(&self) -> RunId {
        self.lock().run
    }

    /// Adds a message of a run, which `finish` may still change, knowing its position.
    pub(crate) fn put(&self, run: RunId, way: Way, finish: impl FnOnce(usize) -> Outgoing) {
        let mut collected = self.lock();
        let message = finish(collected.parcels.len());
        if collected.run != run {
            return warn!(
                event = "outgoing_too_late",
                message_id = message.message_id(),
                "a message to be sent with an ack was given after its handler had ended; it is not sent"
            );
        }
        collected.parcels.push(Parcel { message, way });
    }

    /// What the current run wants sent so far, each with its delay.
    pub(crate) fn so_far(&self) -> Vec<(Outgoing, Option<Duration>)> {
        let parcels = &self.lock().parcels;
        let parts = |parcel: &Parcel| {
            let delay = match parcel.way {
                Way::After(delay) => Some(delay),
                Way::Now | Way::Reply(_) => None,
            };
            (parcel.message.clone(), delay)
        };
        parcels.iter().map(parts).collect()
    }

    /// Takes what the run collected; nothing can be added to it any more.
    pub(super) fn close(&self) -> Vec<Parcel> {
        let mut collected = self.lock();
        collected.run = RunId(collected.run.0.wrapping_add(1));
        mem::take(&mut collected.parcels)
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the message at a position among those that the handling of another one sends: the same
/// in every run. `None`: the other one has no id.
pub(crate) fn derived_id(meta: &Meta, position: usize) -> Option<String> {
    // A message id may go to several queues, and each of their handlers sends other messages.
    let name = format!("{}\n{}\n{position}", meta.queue, meta.message_id()?);
    Some(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
}

/// *sent*: what a handler that succeeded wants sent is confirmed, or it has not succeeded.
///
/// If the line is gone before, what is not confirmed yet stays in the result.
pub(super) async fn sent<A, B>(
    worker: &Worker<A, B>,
    line: &Line,
    mut ran: Ran,
    span: &Span,
) -> Ran {
    let parcels = mem::take(&mut ran.outgoing);
    // Of a run that has failed meanwhile, the rest is left.
    if parcels.is_empty() || ran.outcome != Outcome::Done {
        return ran;
    }
    let sends = parcels.into_iter().map(async |parcel| {
        let end = hold(&worker.hub, line, span, "outgoing message", || {
            parcel.send(&worker.hub)
        })
        .await;
        (parcel, end)
    });
    for (parcel, end) in join_all(sends).await {
        match end {
            Held::Taken(Ok(())) => {}
            Held::Taken(Err(error)) => ran.fail(&parcel, &error),
            Held::LineGone => ran.outgoing.push(parcel),
        }
    }
    ran
}

impl Parcel {
    /// Sends it. An error inside is an answer: trying again by itself cannot help.
    async fn send(&self, hub: &Hub) -> Result<Result<(), PublishError>, PublishError> {
        let message = self.message.clone();
        let sent = match &self.way {
            Way::Reply(queue) if !hub.replies.may_go_to(queue) => {
                let reply_to = readable(queue.as_bytes()).into_owned();
                return Ok(Err(PublishError::ReplyRefused { reply_to }));
            }
            Way::Reply(address) => match hub.direct_replies.may_go_to(address).await {
                Ok(true) => hub.publisher.send(message).await,
                Ok(false) => {
                    let what = format!(
                        "`{}` is no address for replies, and the broker ends the connection of whoever sends one there",
                        readable(address.as_bytes())
                    );
                    return Ok(Err(PublishError::Unsendable { what }));
                }
                Err(error) => Err(PublishError::Disconnected {
                    reason: format!("the address for the reply cannot be tried: {error}"),
                    sent: false,
                }),
            },
            Way::After(delay) => hub.publisher.send_after(message, *delay).await,
            Way::Now => hub.publisher.send(message).await,
        };
        match sent {
            Err(error) if !error.is_transient() || is_unroutable(&error) => Ok(Err(error)),
            result => result.map(Ok),
        }
    }
}

fn is_unroutable(error: &PublishError) -> bool {
    matches!(error, PublishError::Unroutable { .. })
}

impl Ran {
    /// What the handler wanted sent cannot be, so it has failed: for good, unless somebody may yet
    /// make a queue for it.
    fn fail(&mut self, parcel: &Parcel, error: &PublishError) {
        if self.outcome == Outcome::Failed(Wish::Permanent) {
            return;
        }
        let wish = if is_unroutable(error) {
            Wish::Retry
        } else {
            Wish::Permanent
        };
        self.outcome = Outcome::Failed(wish);
        self.error = format!(
            "message {} that the handler wants sent cannot be: {error}",
            parcel.message.message_id()
        );
    }
}

#[cfg(test)]
mod tests {
    use garenne_core::{Attempt, Properties};

    use super::*;
    use crate::{Bytes, Delivery};

    fn delivery(queue: &str, id: Option<&str>) -> Delivery<Bytes> {
        let properties = Properties {
            message_id: id.map(str::to_owned),
            ..Properties::default()
        };
        Delivery::fabricate(queue, Attempt::FIRST, &properties, "").unwrap()
    }

    fn derived(queue: &str, id: &str, position: usize) -> String {
        derived_id(delivery(queue, Some(id)).meta(), position).unwrap()
    }

    #[test]
    fn an_id_is_derived_from_queue_id_and_position_and_from_nothing_else() {
        let of_seven = "931985e9-a5f6-52df-bb0a-aa628d1c0cb2";
        assert_eq!(derived("orders", "7", 0), of_seven);
        let others = [("orders", "7", 1), ("orders", "8", 0), ("invoices", "7", 0)];
        for (queue, id, position) in others {
            assert_ne!(derived(queue, id, position), of_seven);
        }
    }

    #[test]
    fn without_an_id_to_derive_from_a_message_keeps_its_own() {
        let order = delivery("orders", None);
        let message = Outgoing::to_queue("invoices", "").with_message_id("own");
        order.publish_derived(message);
        let parcels = order.meta().outbox.close();
        assert_eq!(parcels[0].message.message_id(), "own");
    }

    #[test]
    fn what_comes_after_the_handler_has_ended_is_not_sent() {
        let order = delivery("orders", None);
        order.publish(Outgoing::to_queue("invoices", "in time"));
        assert_eq!(order.meta().outbox.close().len(), 1);
        order.publish(Outgoing::to_queue("invoices", "late"));
        assert!(order.meta().outbox.close().is_empty());
    }
}
