//! Publisher confirms: numbered when published, sent together when a batch of frames is done.

use amq_protocol::protocol::{AMQPClass, basic, confirm};

use super::{ChannelKey, Engine, Outcome};
use crate::exception::precondition_failed;

/// The confirms of one channel.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    last: u64,
    /// What was decided and not yet sent, in order of publishing: number, and whether it is an ack.
    decided: Vec<(u64, bool)>,
    /// Something stays undecided for good: no confirm may speak for what came before it.
    has_gaps: bool,
}

impl Confirms {
    /// The number of the next publish.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Engine {
    pub(super) fn select_confirms(&mut self, key: ChannelKey, nowait: bool) -> Outcome {
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        if channel.transaction.is_some() {
            return Err(precondition_failed("cannot switch from tx to confirm mode"));
        }
        channel.confirms.get_or_insert_default();
        let ok = confirm::AMQPMethod::SelectOk(confirm::SelectOk {});
        self.reply(key, nowait, AMQPClass::Confirm(ok));
        Ok(())
    }

    /// Decides about a publish; the client hears of it at the next flush.
    pub(super) fn confirm(&mut self, key: ChannelKey, number: u64, ack: bool) {
        let channel = self.channels.get_mut(&key);
        let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) else {
            return;
        };
        if confirms.decided.is_empty() {
            self.confirming.push(key);
        }
        confirms.decided.push((number, ack));
    }

    /// Nothing is ever said about a publish on this channel.
    pub(super) fn leave_undecided(&mut self, key: ChannelKey) {
        let channel = self.channels.get_mut(&key);
        if let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) {
            confirms.has_gaps = true;
        }
    }

    /// Sends the confirms that were collected: one for every run of acks or nacks.
    pub(crate) fn flush(&mut self) {
        if self.confirming.is_empty() || self.faults.confirms_are_held() {
            return;
        }
        for key in std::mem::take(&mut self.confirming) {
            let channel = self.channels.get_mut(&key);
            let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) else {
                continue;
            };
            let decided = std::mem::take(&mut confirms.decided);
            let has_gaps = confirms.has_gaps;
            for run in decided.chunk_by(|(_, left), (_, right)| left == right && !has_gaps) {
                let (Some(&(delivery_tag, ack)), multiple) = (run.last(), run.len() > 1) else {
                    continue;
                };
                let method = match ack {
                    true => basic::AMQPMethod::Ack(basic::Ack {
                        delivery_tag,
                        multiple,
                    }),
                    false => {
                        let requeue = false;
                        basic::AMQPMethod::Nack(basic::Nack {
                            delivery_tag,
                            multiple,
                            requeue,
                        })
                    }
                };
                self.send_method(key, AMQPClass::Basic(method));
            }
        }
    }
}
