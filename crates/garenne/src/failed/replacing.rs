//! Messages that have come back too often to be given back once more: each is replaced by a copy.
//!
//! A message is acked only when its copy is confirmed. A copy has nothing that acts on it, so that it is
//! taken like the message that it replaces. What a broker refuses nevertheless costs the channel, and with
//! it the confirms of all copies on it, which are then sent once more. Nothing but the size of a message
//! is known to be refused like that, so a large one goes alone.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use garenne_core::Properties;

use super::copies::{Copies, CopyOf};
use super::parked::Parked;
use super::parking::{ALONE, kind_of, not_put_back, put_back_cut, refused};
use super::store::{StoreError, StoreErrorKind};
use crate::publish::{PublishError, Publisher};

/// How many copies are on their way back into their queue at once.
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

/// Copies on their way back.
pub(super) struct Replacing {
    publisher: Publisher,
    header_room: usize,
    on_their_way: FuturesUnordered<Landing>,
    /// Copies that whoever reads on comes to.
    pub(super) copies: Copies,
    /// Something was refused; from then on each goes alone.
    is_careful: bool,
    /// A large copy is on its way.
    is_alone: bool,
    faults: Faults,
}

/// Messages that have no copy in their place.
#[derive(Default)]
struct Faults {
    first: Option<StoreError>,
    more: u64,
}

/// What became of a message that was to be replaced.
pub(super) enum Landed {
    /// Its copy is in the queue: it may go.
    Copied(Replaced),
    /// It stays itself.
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

    /// Whether another copy must wait for those that are under way.
    pub(super) fn is_full(&self, next: &Parked) -> bool {
        let is_alone = self.is_alone || self.is_careful || next.record.body.len() >= ALONE;
        let room = if is_alone { 1 } else { WINDOW };
        self.on_their_way.len() >= room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.on_their_way.is_empty()
    }

    /// Sends the copy; gives the message back if there is no complete copy of it.
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

    /// A copy that has landed already.
    pub(super) fn landed(&mut self) -> Result<Option<Landed>, StoreError> {
        let landed = self.on_their_way.next().now_or_never().flatten();
        landed.map(|landed| self.settle(landed)).transpose()
    }

    /// The next copy that lands; `None`: none is under way.
    pub(super) async fn next(&mut self) -> Result<Option<Landed>, StoreError> {
        let landed = self.on_their_way.next().await;
        landed.map(|landed| self.settle(landed)).transpose()
    }

    /// The error over all messages that stay without a copy, if there are any.
    pub(super) fn fault(&mut self) -> Option<StoreError> {
        let first = self.faults.first.take()?;
        Some(match self.faults.more {
            0 => first,
            more => StoreError::new(first.kind(), format_args!("{first}; and {more} more")),
        })
    }

    /// A message whose copy is not certain stays: twice is better than never.
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
