//! Transactions: publishes and settlements that wait for a commit.

use std::collections::BTreeMap;

use amq_protocol::protocol::{AMQPClass, tx};

use super::publish::Routed;
use super::settle::Unacked;
use super::{ChannelKey, Engine, Outcome};
use crate::exception::{Exception, precondition_failed};

/// What a client decided about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Ack,
    Requeue,
    Discard,
}

/// What a channel did since its last commit.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    published: Vec<Routed>,
    decided: Vec<(BTreeMap<u64, Unacked>, Decision)>,
}

impl Transaction {
    pub(super) fn publish(&mut self, routed: Routed) {
        self.published.push(routed);
    }

    pub(super) fn decide(&mut self, taken: BTreeMap<u64, Unacked>, decision: Decision) {
        self.decided.push((taken, decision));
    }

    /// What goes back to its queue when the channel ends before the commit.
    pub(super) fn into_unacked(self) -> impl Iterator<Item = Unacked> {
        self.decided
            .into_iter()
            .flat_map(|(taken, _)| taken.into_values())
    }
}

impl Engine {
    pub(super) fn tx_select(&mut self, key: ChannelKey) -> Outcome {
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        if channel.confirms.is_some() {
            return Err(precondition_failed("cannot switch from confirm to tx mode"));
        }
        channel.transaction.get_or_insert_default();
        self.send_method(
            key,
            AMQPClass::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {})),
        );
        Ok(())
    }

    pub(super) fn tx_commit(&mut self, key: ChannelKey) -> Outcome {
        let transaction = self.end_transaction(key)?;
        let mut refused = false;
        for routed in transaction.published {
            refused |= !self.deliver_routed(key, routed);
        }
        for (taken, decision) in transaction.decided {
            self.apply(key, taken.into_values(), decision);
        }
        if refused {
            return Err(precondition_failed("partial tx completion"));
        }
        self.send_method(
            key,
            AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {})),
        );
        Ok(())
    }

    pub(super) fn tx_rollback(&mut self, key: ChannelKey) -> Outcome {
        let transaction = self.end_transaction(key)?;
        if let Some(channel) = self.channels.get_mut(&key) {
            for (taken, _) in transaction.decided {
                channel.unacked.extend(taken);
            }
        }
        self.send_method(
            key,
            AMQPClass::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {})),
        );
        Ok(())
    }

    /// Takes what the transaction holds and begins the next one.
    fn end_transaction(&mut self, key: ChannelKey) -> Result<Transaction, Exception> {
        let transaction = self
            .channels
            .get_mut(&key)
            .and_then(|channel| channel.transaction.as_mut());
        transaction
            .map(std::mem::take)
            .ok_or_else(|| precondition_failed("channel is not transactional"))
    }
}
