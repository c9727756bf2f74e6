//! The deliveries that a channel's task holds, each with its life.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use slab::Slab;

use super::settle::Settled;
use crate::delivery::Meta;

/// Everything that was admitted and is not settled.
pub(super) struct InHand {
    open: Slab<Open>,
    /// With their places in `open`.
    lives: FuturesUnordered<LocalBoxFuture<'static, (usize, Settled)>>,
}

/// One delivery.
pub(super) struct Open {
    pub(super) tag: u64,
    pub(super) meta: Arc<Meta>,
}

impl InHand {
    pub(super) fn new() -> Self {
        Self {
            open: Slab::new(),
            lives: FuturesUnordered::new(),
        }
    }

    pub(super) fn take(&mut self, open: Open, life: impl Future<Output = Settled> + 'static) {
        let place = self.open.insert(open);
        self.lives
            .push(Box::pin(async move { (place, life.await) }));
    }

    /// Moves all lives on. Ready with each that has ended; pending with nothing in hand, too.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Open, Settled)> {
        match self.lives.poll_next_unpin(cx) {
            Poll::Ready(Some((place, settled))) => Poll::Ready((self.open.remove(place), settled)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn metas(&self) -> impl Iterator<Item = &Arc<Meta>> {
        self.open.iter().map(|(_, open)| &open.meta)
    }
}
