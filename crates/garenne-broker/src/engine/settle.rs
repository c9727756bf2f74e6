//! What clients say about deliveries: ack, reject, requeue, recover.

use std::collections::{BTreeMap, BTreeSet};

use amq_protocol::protocol::{AMQPClass, basic};

use super::message::{Entry, Reason};
use super::queue::Return;
use super::timers::Timer;
use super::tx::Decision;
use super::{ChannelKey, ConsumerId, Engine, Outcome, QueueId, Time};
use crate::exception::{Exception, not_implemented, precondition_failed};

/// A delivery that waits for its ack.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) queue: QueueId,
    /// Who has it; `None` after a `basic.get`.
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) entry: Entry,
    pub(crate) since: Time,
}

impl Engine {
    pub(super) fn on_ack(&mut self, key: ChannelKey, tag: u64, multiple: bool) -> Outcome {
        self.settle(key, tag, multiple, Decision::Ack)
    }

    pub(super) fn on_reject(
        &mut self,
        key: ChannelKey,
        tag: u64,
        multiple: bool,
        requeue: bool,
    ) -> Outcome {
        let decision = if requeue {
            Decision::Requeue
        } else {
            Decision::Discard
        };
        self.settle(key, tag, multiple, decision)
    }

    fn settle(&mut self, key: ChannelKey, tag: u64, multiple: bool, decision: Decision) -> Outcome {
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        let taken = take(&mut channel.unacked, tag, multiple)?;
        if let Some(transaction) = &mut channel.transaction {
            transaction.decide(taken, decision);
            return Ok(());
        }
        self.apply(key, taken.into_values(), decision);
        Ok(())
    }

    /// Carries a decision out.
    pub(super) fn apply(
        &mut self,
        key: ChannelKey,
        deliveries: impl IntoIterator<Item = Unacked>,
        decision: Decision,
    ) {
        let mut queues = BTreeSet::new();
        let mut again = Vec::new();
        for mut delivery in deliveries {
            self.release(key, &delivery);
            queues.insert(delivery.queue);
            match decision {
                Decision::Ack => self.forget_one(delivery.queue),
                Decision::Requeue => again.push(delivery),
                Decision::Discard => {
                    self.forget_one(delivery.queue);
                    delivery.entry.failures += 1;
                    self.dead
                        .push_back((delivery.queue, delivery.entry, Reason::Rejected));
                }
            }
        }
        self.requeue(again, Return::Requeued);
        self.watch_acks(key);
        // A limit for the channel as a whole may have stopped any of its queues.
        if self
            .channels
            .get(&key)
            .is_some_and(|channel| channel.global_prefetch != 0)
        {
            self.dispatch_channel(key);
        }
        for queue in queues {
            self.dispatch(queue);
        }
    }

    /// A delivery no longer counts against the prefetch of who had it.
    fn release(&mut self, key: ChannelKey, delivery: &Unacked) {
        let Some(id) = delivery.consumer else { return };
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.held -= 1;
        }
        let mut shares_room = false;
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.held -= 1;
            shares_room = channel.global_prefetch != 0;
        }
        // Where consumers share their room, all of them take part again, in their turns.
        if !shares_room {
            self.rejoin(id);
        }
    }

    /// A delivery is no longer its queue's.
    fn forget_one(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.unacked -= 1;
        }
    }

    /// Gives deliveries back to their queues; a quorum queue may have had enough of one. Whoever
    /// calls this dispatches afterwards.
    pub(super) fn requeue(&mut self, deliveries: Vec<Unacked>, how: Return) {
        for Unacked {
            queue: id,
            mut entry,
            ..
        } in deliveries
        {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            queue.unacked -= 1;
            entry.redelivered = true;
            entry.failures += u32::from(how == Return::Lost);
            if queue.is_quorum() {
                entry.returns += 1;
                if queue
                    .settings
                    .delivery_limit
                    .is_some_and(|limit| entry.returns > limit)
                {
                    self.dead.push_back((id, entry, Reason::DeliveryLimit));
                    continue;
                }
            }
            queue.restore(entry, how);
        }
    }

    pub(super) fn on_recover(&mut self, key: ChannelKey, requeue: bool, answer: bool) -> Outcome {
        if !requeue {
            return Err(not_implemented("requeue=false"));
        }
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        let all = std::mem::take(&mut channel.unacked);
        // The answer goes out before what is delivered again: clients throw away what came first.
        if answer {
            let ok = basic::AMQPMethod::RecoverOk(basic::RecoverOk {});
            self.send_method(key, AMQPClass::Basic(ok));
        }
        self.apply(key, all.into_values(), Decision::Requeue);
        Ok(())
    }

    /// Sees to it that there is a timer for the oldest delivery, if there is a limit.
    pub(super) fn watch_acks(&mut self, key: ChannelKey) {
        let Some(limit) = self.options.consumer_timeout else {
            return;
        };
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        let due = channel
            .unacked
            .values()
            .next()
            .map(|oldest| oldest.since.saturating_add(limit));
        if due != channel.ack_timer.map(|(due, _)| due) {
            self.timers.cancel(channel.ack_timer.take());
            channel.ack_timer = due.map(|due| self.timers.add(due, Timer::Ack(key)));
        }
    }

    pub(super) fn on_ack_due(&mut self, key: ChannelKey) {
        let Some(limit) = self.options.consumer_timeout else {
            return;
        };
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.ack_timer = None;
        }
        let error = precondition_failed(format!(
            "delivery acknowledgement on channel {} timed out. Timeout value used: {} ms. \
             This timeout value can be configured, see consumers doc guide to learn more",
            key.1,
            limit.as_millis()
        ));
        self.raise(key, &error, (0, 0));
    }
}

/// Takes the deliveries that a tag means: one, or with `multiple` all up to it (0: all there are).
fn take(
    unacked: &mut BTreeMap<u64, Unacked>,
    tag: u64,
    multiple: bool,
) -> Result<BTreeMap<u64, Unacked>, Exception> {
    if multiple && tag == 0 {
        return Ok(std::mem::take(unacked));
    }
    let Some(one) = unacked.remove(&tag) else {
        return Err(precondition_failed(format!("unknown delivery tag {tag}")));
    };
    if !multiple {
        return Ok(BTreeMap::from([(tag, one)]));
    }
    let rest = unacked.split_off(&tag);
    let mut taken = std::mem::replace(unacked, rest);
    taken.insert(tag, one);
    Ok(taken)
}
