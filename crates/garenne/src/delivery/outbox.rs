//! The messages that a handler wants sent if it succeeds, collected while it runs.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use uuid::Uuid;

use super::Meta;
use crate::publish::Outgoing;

/// The namespace of derived ids: any fixed UUID works, as long as it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c6f_28ae_4d1b_4c5e_9a07_b1d4_7e52_90c3);

/// The messages that the current run of a handler wants sent.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Collected>);

#[derive(Default)]
struct Collected {
    parcels: Vec<Parcel>,
    /// The run that the messages belong to; when a run is over, the next run.
    run: RunId,
}

/// The number of a handler's run on a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunId(u32);

/// A message of an outbox.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) message: Outgoing,
    pub(crate) way: Way,
}

/// How a message is sent.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// To the address that the handler gives.
    Now,
    /// To the same address, but later.
    After(Duration),
    /// To this queue, which the sender of a request has named.
    Reply(String),
}

impl Outbox {
    /// The run that begins now.
    pub(crate) fn run(&self) -> RunId {
        self.lock().run
    }

    /// Adds a message of a run. `finish` makes the message from its position.
    pub(crate) fn put(&self, run: RunId, way: Way, finish: impl FnOnce(usize) -> Outgoing) {
        let mut collected = self.lock();
        let message = finish(collected.parcels.len());
        if collected.run != run {
            return warn!(
                event = "outgoing_too_late",
                message_id = message.id(),
                "a message to be sent with an ack was given after its handler had ended; it is not sent"
            );
        }
        collected.parcels.push(Parcel { message, way });
    }

    /// The messages that the current run wants sent so far, with their delays.
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

    /// Takes the run's messages; nothing can be added any more.
    pub(crate) fn close(&self) -> Vec<Parcel> {
        let mut collected = self.lock();
        collected.run = RunId(collected.run.0.wrapping_add(1));
        mem::take(&mut collected.parcels)
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the message at a position among the messages that the handling of another message sends: the
/// same in every run. `None`: the other message has no id.
pub(crate) fn derived_id(meta: &Meta, position: usize) -> Option<String> {
    // Several queues may get the same message id, and the handler of each sends other messages.
    let name = format!("{}\n{}\n{position}", meta.queue, meta.message_id()?);
    Some(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
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
        let message = Outgoing::to_queue("invoices", "").message_id("own");
        order.publish(message);
        let parcels = order.meta().outbox.close();
        assert_eq!(parcels[0].message.id(), "own");
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
