//! What is not removed stays in its parking queue: it is given back, or a copy takes its place.

use super::ParkingCursor;
use crate::failed::copies::CopyOf;
use crate::failed::parked::Parked;
use crate::failed::replacing::{Landed, Replaced};
use crate::failed::store::StoreError;

/// A message that came back so often is not given back again, but replaced by a copy. RabbitMQ lets
/// any limit be set; with this, one of 1 is kept.
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

    /// A message of this queue is given back when the cursor is closed.
    pub(super) fn give_back(&mut self, parking: String) {
        *self.staying.entry(parking).or_default() += 1;
    }

    /// Puts a copy behind the message, in the same queue. Once that is confirmed, the message goes.
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

    /// Settles the copies that have landed.
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
