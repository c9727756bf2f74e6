//! Messages that are not removed stay in their parking queue: each is given back, or replaced by a copy.

use super::ParkingCursor;
use crate::failed::copies::CopyOf;
use crate::failed::parked::Parked;
use crate::failed::replacing::{Landed, Replaced};
use crate::failed::store::StoreError;

/// A message that came back this often is not given back again, but replaced by a copy. RabbitMQ allows any
/// delivery limit; this bound respects even a limit of 1.
const RETURNS_MAX: i128 = 1;

impl ParkingCursor {
    /// Keeps a message in its queue: it is given back when the cursor is closed, or replaced.
    pub(super) async fn leave(
        &mut self,
        parking: String,
        parked: Parked,
    ) -> Result<(), StoreError> {
        if parked.returns() >= RETURNS_MAX && !parked.is_without_copy {
            self.replace(parking, parked, CopyOf::Seen).await
        } else {
            self.give_back(parking);
            Ok(())
        }
    }

    /// Counts a message of this queue that is given back when the cursor is closed.
    pub(super) fn give_back(&mut self, parking: String) {
        *self.staying.entry(parking).or_default() += 1;
    }

    /// Publishes a copy of the message to the end of its queue. The message is removed once its copy is
    /// confirmed.
    pub(super) async fn replace(
        &mut self,
        parking: String,
        parked: Parked,
        copy_of: CopyOf,
    ) -> Result<(), StoreError> {
        while self.replacing.is_full(&parked) {
            let landed = self.replacing.next().await?;
            self.settle(landed);
        }
        let replaced = Replaced {
            parking,
            parked,
            copy_of,
        };
        if let Some(current) = &mut self.current {
            current.has_put_behind = true;
        }
        let stays = self.replacing.begin(replaced).map(Landed::Stays);
        self.settle(stays);
        Ok(())
    }

    fn settle(&mut self, landed: Option<Landed>) {
        match landed {
            None => {}
            Some(Landed::Copied(replaced)) => self.ack(replaced.parked.key),
            Some(Landed::Stays(mut replaced)) if replaced.copy_of == CopyOf::Unseen => {
                replaced.parked.is_without_copy = true;
                self.unseen.push_back((replaced.parking, replaced.parked));
            }
            Some(Landed::Stays(replaced)) => self.give_back(replaced.parking),
        }
    }

    /// Settles the messages whose copies are answered.
    pub(super) fn settle_landed(&mut self) -> Result<(), StoreError> {
        while let Some(landed) = self.replacing.landed()? {
            self.settle(Some(landed));
        }
        Ok(())
    }

    /// Waits for all copies.
    pub(super) async fn settle_all(&mut self) -> Result<(), StoreError> {
        while !self.replacing.is_empty() {
            let landed = self.replacing.next().await?;
            self.settle(landed);
        }
        Ok(())
    }
}
