//! A check whether a broker takes messages at all.

use super::{Outgoing, PublishError, Publisher, new_message_id};

impl Publisher {
    /// Makes sure that the broker takes messages: it does not during an alarm, and not from a user without
    /// the right to write to the default exchange. Two messages are sent to a queue that does not exist, and
    /// come back. Two are needed, because a broker in alarm stops reading a connection only after it has read
    /// a message from it.
    ///
    /// # Errors
    ///
    /// [`PublishError`], as for [`Publisher::send`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is stored, in any case.
    pub async fn takes_messages(&self) -> Result<(), PublishError> {
        let nowhere = format!("garenne.nowhere.{}", new_message_id());
        for _ in 0..2 {
            match self.send(Outgoing::to_queue(&nowhere, "")).await {
                Ok(()) | Err(PublishError::Unroutable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
