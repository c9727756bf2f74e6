//! How the task of a channel ends: drained, abandoned, or because the channel is lost.

use actix::{Actor, Context, Handler};

use super::ChannelTask;
use crate::body::Body;
use crate::consumer::attempt_result::AttemptResult;
use crate::consumer::settle::Settled;
use crate::consumer::subscription::End;
use crate::delivery::Delivery;

impl<A, B, L> ChannelTask<A, B, L>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
    L: Future<Output = Settled>,
{
    /// Takes nothing new, and requeues the messages that were not begun.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.reminder.begin();
        self.worker.permits.close();
        self.worker.handler.requeue();
        // Cancelling hands the queue to the next consumer, which would begin before this consumer is done.
        // So the broker is told nothing but acks until the channel is closed. Closing it requeues the
        // messages that were not begun, in their order, and then the next consumer gets them.
        self.keeps_the_queue = self.worker.sharing.may_be_single();
        if self.keeps_the_queue {
            return;
        }
        if let Some(subscription) = &self.subscription {
            self.cancelling = Some(Box::pin(self.port.cancel(subscription)));
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        if !self.draining || self.cancelling.is_some() || !self.in_hand.is_empty() {
            return false;
        }
        let is_told = match self.keeps_the_queue {
            true => self.acks.untold() == 0,
            false => self.subscription.is_none() && self.acks.is_empty(),
        };
        is_told || !self.channel.is_alive()
    }

    /// The broker is to redeliver the message: now, or with all others when the channel is closed.
    pub(super) fn requeue(&mut self, tag: u64) {
        if self.keeps_the_queue {
            self.worker.counters.on_ended(1);
        } else {
            self.acks.requeue(tag);
        }
    }

    /// Nothing can be settled any more. The broker will redeliver the messages in hand; what is known of
    /// each is remembered for its redelivery.
    pub(super) fn lost(&mut self, why: String) -> End {
        if self.channel.is_alive() {
            let recall = &self.worker.recall;
            let in_hand = self.in_hand.watched();
            for begun in in_hand.filter(|delivery| delivery.stage.has_begun()) {
                recall.still_running(&begun.meta);
            }
            for meta in self.acks.take_unacked() {
                recall.ended(&meta, AttemptResult::settled());
            }
            self.channel.end();
            self.worker.counters.on_ended(self.acks.untold());
            if !self.in_hand.is_empty() {
                let quiet = &self.worker.log.cut_off;
                self.in_hand.log_cut_off(self.worker.queue.name(), quiet);
            }
        }
        End::Lost(why)
    }

    pub(super) async fn close(&self) {
        if self.channel.is_alive() {
            let _ = self.port.close().await;
        }
    }
}
