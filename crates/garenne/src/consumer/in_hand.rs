//! The deliveries that a channel's task holds, each with its life.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::settle::Settled;
use crate::delivery::Meta;
use crate::futures::Futures;

/// Everything that was admitted and is not settled.
pub(super) struct InHand<L>(Futures<Open, L>);

/// One delivery.
pub(super) struct Open {
    pub(super) tag: u64,
    pub(super) meta: Arc<Meta>,
}

impl<L: Future<Output = Settled>> InHand<L> {
    pub(super) fn new() -> Self {
        Self(Futures::new())
    }

    pub(super) fn take(&mut self, open: Open, life: L) {
        self.0.push(open, life);
    }

    /// Moves lives on until one has ended. Pending when none can be moved on; with nothing in hand,
    /// too.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Open, Settled)> {
        self.0.poll_next(cx)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of the one with this tag. It looks at every one.
    pub(super) fn find(&self, tag: u64) -> Option<Arc<Meta>> {
        let open = self.0.owners().find(|open| open.tag == tag)?;
        Some(Arc::clone(&open.meta))
    }

    pub(super) fn metas(&self) -> impl Iterator<Item = &Arc<Meta>> {
        self.0.owners().map(|open| &open.meta)
    }
}
