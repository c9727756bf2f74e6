//! A look goes from one parking queue to the next.

use super::{Current, ParkingCursor};
use crate::failed::parking::{of_link, parking_name};
use crate::failed::store::{Seen, StoreError, StoreErrorKind};
use crate::link::{LinkError, message_count};

impl ParkingCursor {
    /// Ends the reading of a queue. The messages that are still in it are counted, so that people can be told:
    /// they came meanwhile, or another reader held them.
    async fn leave_queue(&mut self) -> Result<(), StoreError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        if self.replacing.copies.unseen() > 0 {
            // Copies that were to be handed out did not come.
            self.seen = Seen::Part;
        }
        let asked = message_count(&self.visit.link, &current.parking);
        let ready = self.visit.link.while_up(asked).await;
        let ready = u64::from(ready.map_err(|e| of_link(&e))?);
        let behind = self.replacing.copies.leave();
        self.passed_over.unread += ready.saturating_sub(behind);
        Ok(())
    }

    /// Goes on to the next queue; `false`: there is none.
    pub(super) async fn next_queue(&mut self) -> Result<bool, StoreError> {
        self.leave_queue().await?;
        let Some(queue) = self.queues.pop_front() else {
            return Ok(false);
        };
        let parking = parking_name(&queue);
        let asked = message_count(&self.visit.link, &parking);
        let left = self.visit.link.while_up(asked).await;
        let left = left.map_err(|e| missing(&e, &parking))?;
        self.current = Some(Current {
            queue,
            parking,
            // A queue that reports itself empty may not have counted yet.
            left: left.max(1),
            is_over: false,
            has_put_behind: false,
        });
        Ok(true)
    }
}

fn missing(error: &LinkError, parking: &str) -> StoreError {
    if error.is_missing() {
        return StoreError::new(
            StoreErrorKind::Missing,
            format_args!(
                "there is no parking queue `{parking}` on the broker; check the name of the queue and the virtual host"
            ),
        );
    }
    of_link(error)
}
