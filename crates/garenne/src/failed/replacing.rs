//! Messages that have come back too often to be given back again: each is replaced by a copy.
//!
//! A message is acked only when its copy is confirmed. A copy has no property that the broker acts on, so the
//! broker takes it like the message that it replaces. If the broker refuses a copy nevertheless, the channel
//! closes, and all copies in flight on it lose their confirms and are sent once more. The only known cause of
//! such a refusal is the size of a message, so a large message goes alone.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use garenne_core::Properties;

use super::copies::{Copies, CopyOf};
use super::parked::Parked;
use super::parking::{ALONE, kind_of, not_put_back, put_back_cut, refused};
use super::store::{StoreError, StoreErrorKind};
use crate::publish::{PublishError, Publisher};

/// How many copies are in flight back to their queue at once.
const WINDOW: usize = 128;

/// What the mark of a copy takes of a frame: its name, and a value of 43 bytes at most, with their lengths.
const MARK_ROOM: usize = 64;

/// A message that waits for its copy.
pub(super) struct Replaced {
    pub(super) parking: String,
    pub(super) parked: Parked,
    pub(super) copy_of: CopyOf,
}

/// A message that was to be replaced, and whether the broker has its copy.
type Landing = BoxFuture<'static, (Replaced, Result<(), PublishError>)>;

/// The copies in flight.
pub(super) struct Replacing {
    publisher: Publisher,
    header_room: usize,
    on_their_way: FuturesUnordered<Landing>,
    /// Copies that the reader will come to.
    pub(super) copies: Copies,
    /// A copy was refused; from then on each copy goes alone.
    is_careful: bool,
    /// A large copy is in flight.
    is_alone: bool,
    faults: Faults,
}

/// Messages that no copy has replaced.
#[derive(Default)]
struct Faults {
    first: Option<StoreError>,
    more: u64,
}

/// The result for a message that was to be replaced.
pub(super) enum Landed {
    /// The copy is in the queue: the message may be removed.
    Copied(Replaced),
    /// The message itself stays.
    Stays(Replaced),
}

impl Replacing {
    pub(super) fn new(publisher: Publisher, header_room: usize) -> Self {
        Self {
            publisher,
            header_room,
            on_their_way: FuturesUnordered::new(),
            copies: Copies::new(),
            is_careful: false,
            is_alone: false,
            faults: Faults::default(),
        }
    }

    /// Whether another copy must wait for the copies in flight.
    pub(super) fn is_full(&self, next: &Parked) -> bool {
        let is_alone = self.is_alone || self.is_careful || next.record.body.len() >= ALONE;
        let room = if is_alone { 1 } else { WINDOW };
        self.on_their_way.len() >= room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.on_their_way.is_empty()
    }

    /// Sends the copy; returns the message if no complete copy of it can be made.
    pub(super) fn begin(&mut self, replaced: Replaced) -> Option<Replaced> {
        let Replaced {
            parking,
            parked,
            copy_of,
        } = &replaced;
        let marked = |mut properties: Properties| {
            self.copies.mark(*copy_of, &mut properties);
            (properties.encoded_len() <= self.header_room).then_some(properties)
        };
        let room = self.header_room.saturating_sub(MARK_ROOM);
        let properties = match parked.again(room).and_then(marked) {
            Some(properties) => properties,
            None => match parked.last_resort(room).and_then(marked) {
                Some(properties) => {
                    self.faults.add(put_back_cut(parking, parked));
                    properties
                }
                None => {
                    let why = "its headers and the record that it needs do not fit into one frame";
                    self.faults.add(not_put_back(parking, parked, why));
                    return Some(replaced);
                }
            },
        };
        self.is_alone = parked.record.body.len() >= ALONE;
        self.copies.add(*copy_of);
        let copy = parked.outgoing(parking, properties);
        let publisher = self.publisher.clone();
        self.on_their_way.push(Box::pin(async move {
            let sent = publisher.send(copy).await;
            (replaced, sent)
        }));
        None
    }

    /// The next copy that is answered already.
    pub(super) fn landed(&mut self) -> Result<Option<Landed>, StoreError> {
        let landed = self.on_their_way.next().now_or_never().flatten();
        landed.map(|landed| self.settle(landed)).transpose()
    }

    /// Waits for the answer to a copy; `None`: no copy is in flight.
    pub(super) async fn next(&mut self) -> Result<Option<Landed>, StoreError> {
        let landed = self.on_their_way.next().await;
        landed.map(|landed| self.settle(landed)).transpose()
    }

    /// The error for all messages that stay without a copy, if there are any.
    pub(super) fn fault(&mut self) -> Option<StoreError> {
        let first = self.faults.first.take()?;
        Some(match self.faults.more {
            0 => first,
            more => StoreError::new(first.kind(), format_args!("{first}; and {more} more")),
        })
    }

    /// A message whose copy is not certain stays: a duplicate is better than a loss.
    fn settle(
        &mut self,
        (replaced, sent): (Replaced, Result<(), PublishError>),
    ) -> Result<Landed, StoreError> {
        let Err(error) = sent else {
            return Ok(Landed::Copied(replaced));
        };
        let id = &replaced.parked.record.message_id;
        if kind_of(&error) == StoreErrorKind::Unreachable {
            return Err(refused(&replaced.parking, id, error));
        }
        // It is not there, and must not be taken for another that is.
        self.copies.take(replaced.copy_of);
        self.is_careful = true;
        self.faults
            .add(not_put_back(&replaced.parking, &replaced.parked, error));
        Ok(Landed::Stays(replaced))
    }
}

impl Faults {
    fn add(&mut self, error: StoreError) {
        match self.first {
            None => self.first = Some(error),
            Some(_) => self.more += 1,
        }
    }
}
