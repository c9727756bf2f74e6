//! Whether a broker takes messages at all.

use super::{Outgoing, PublishError, Publisher, new_message_id};

impl Publisher {
    /// Makes certain that the broker takes messages: not during an alarm, and not from a user without
    /// the right to write to the default exchange. Two messages are sent to a queue that is not there,
    /// and come back. It takes two, because a broker in alarm stops to read a connection only when it
    /// has read a message from it.
    ///
    /// # Errors
    ///
    /// What a [`Publisher::send`] would say.
    ///
    /// # Cancel safety
    ///
    /// Nothing is stored, whatever happens.
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
