//! What the proxy and the tasks of its connections know of each other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker.
    ToBroker,
    /// From the broker to the client.
    ToClient,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) upstream: u16,
    pub(super) door: watch::Sender<Door>,
    pub(super) listening: watch::Sender<bool>,
    /// How all open connections are to end.
    pub(super) ends: broadcast::Sender<End>,
    ways: [Way; 2],
    pub(super) accepted: AtomicUsize,
    /// The numbers of the connections that are open on both sides.
    open: Mutex<BTreeSet<usize>>,
}

/// What happens to the bytes of one direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) condition: watch::Sender<Condition>,
    pub(super) bytes: AtomicU64,
    /// How many more bytes may pass before everything is cut.
    allowance: Mutex<Option<usize>>,
}

/// How a direction is at a moment; whoever holds bytes back looks again when it changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition {
    pub(super) frozen: bool,
    pub(super) delay: Duration,
    /// Bytes per second and connection; `None` is as fast as they come.
    pub(super) bandwidth: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Refusing,
    Silent,
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Reset,
    Close,
    /// The broker's side goes, and the client is not told.
    HalfOpen,
}

impl Shared {
    pub(super) fn new(upstream: u16) -> Self {
        let way = || Way {
            condition: watch::Sender::new(Condition::default()),
            bytes: AtomicU64::new(0),
            allowance: Mutex::new(None),
        };
        Self {
            upstream,
            door: watch::Sender::new(Door::Open),
            listening: watch::Sender::new(false),
            ends: broadcast::Sender::new(16),
            ways: [way(), way()],
            accepted: AtomicUsize::new(0),
            open: Mutex::new(BTreeSet::new()),
        }
    }

    pub(super) fn open(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ways(&self) -> &[Way; 2] {
        &self.ways
    }

    pub(super) fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToBroker => &self.ways[0],
            Direction::ToClient => &self.ways[1],
        }
    }
}

impl Way {
    pub(super) fn allowance(&self) -> MutexGuard<'_, Option<usize>> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `wanted` bytes may pass, and whether everything is cut after them.
    pub(super) fn admit(&self, wanted: usize) -> (usize, bool) {
        let mut allowance = self.allowance();
        match *allowance {
            None => (wanted, false),
            Some(left) if wanted < left => {
                *allowance = Some(left - wanted);
                (wanted, false)
            }
            Some(left) => {
                *allowance = None;
                (left, true)
            }
        }
    }
}
