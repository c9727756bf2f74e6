//! The proof that nothing was lost: `sent ⊆ handled ∪ parked ∪ still queued`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::client::Client;
use crate::transcript::Transcript;

/// Keeps the ids of what was sent and confirmed, and looks for them afterwards.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    sent: BTreeSet<u64>,
}

/// What became of everything that was sent.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How many messages were sent.
    pub sent: usize,
    /// How many were handled successfully at least once.
    pub handled: usize,
    /// How many are in the parking queue.
    pub parked: usize,
    /// How many are still in the queue or in one of its lanes.
    pub queued: usize,
    /// Sent, and nowhere: lost.
    pub missing: Vec<u64>,
    /// Successful runs beyond the first of the same message, and further copies parked or queued.
    pub duplicates: usize,
}

impl Checker {
    /// A checker to which nothing was sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends orders that are all to be done in the same way; returns when all are confirmed.
    pub async fn send(
        &mut self,
        client: &Client,
        queue: &str,
        ids: impl IntoIterator<Item = u64>,
        what: &str,
    ) {
        let ids: Vec<u64> = ids.into_iter().collect();
        client
            .publish_orders(queue, ids.iter().map(|&id| (id, what)))
            .await;
        self.sent.extend(ids);
    }

    /// The ids of everything sent.
    #[must_use]
    pub fn sent(&self) -> &BTreeSet<u64> {
        &self.sent
    }

    /// Finds everything sent. It empties the queue, its lanes and its parking queue, so the service
    /// must have stopped.
    pub async fn verdict(
        &self,
        transcript: &Transcript,
        client: &Client,
        queue: &str,
        lanes: &[&str],
    ) -> Verdict {
        let handled = count(transcript.events(|events| {
            let ok = events.iter().filter(|event| event.event == "ok");
            ok.map(|event| event.order_id).collect::<Vec<_>>()
        }));
        let parked = count(take_ids(client, &format!("{queue}.failed")).await);
        let mut queued = take_ids(client, queue).await;
        for lane in lanes {
            queued.extend(take_ids(client, &format!("{queue}.retry.{lane}")).await);
        }
        let queued = count(queued);
        let places = [&handled, &parked, &queued];
        let copies = |id: &u64| {
            places
                .iter()
                .filter_map(|place| place.get(id))
                .sum::<usize>()
        };
        Verdict {
            sent: self.sent.len(),
            handled: handled.len(),
            parked: parked.len(),
            queued: queued.len(),
            missing: self
                .sent
                .iter()
                .copied()
                .filter(|id| copies(id) == 0)
                .collect(),
            duplicates: self
                .sent
                .iter()
                .map(|id| copies(id).saturating_sub(1))
                .sum(),
        }
    }
}

impl Verdict {
    /// Fails the test if a message is nowhere.
    ///
    /// # Panics
    ///
    /// Then.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        assert!(
            self.missing.is_empty(),
            "{} messages lost: {self}",
            self.missing.len()
        );
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            handled,
            parked,
            queued,
            missing,
            duplicates,
        } = self;
        write!(
            f,
            "{sent} sent, {handled} handled, {parked} parked, {queued} still queued, \
             {duplicates} duplicates, lost: {missing:?}"
        )
    }
}

async fn take_ids(client: &Client, queue: &str) -> Vec<u64> {
    let messages = client.take_all(queue).await;
    let id = |body: &[u8]| {
        serde_json::from_slice::<Value>(body)
            .ok()?
            .get("order_id")?
            .as_u64()
    };
    messages
        .iter()
        .filter_map(|message| id(&message.data))
        .collect()
}

fn count(ids: Vec<u64>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    counts
}
