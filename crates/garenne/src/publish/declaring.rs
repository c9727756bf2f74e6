//! What a program that sends declares itself.

use garenne_core::{Fault, Topology};

use super::levels::{in_time, refusal};
use super::{PublishError, Publisher};
use crate::link::declare_topology;

impl Publisher {
    /// Declares queues, exchanges and bindings, and returns when they are there. What is there already, with the
    /// same arguments, stays as it is.
    ///
    /// Nothing is declared again after that: a queue that somebody deletes stays deleted. What
    /// [`PublisherBuilder::declare`](crate::PublisherBuilder::declare) and
    /// [`SystemBuilder::declare`](crate::SystemBuilder::declare) are told, they declare over every new link.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example(publisher: Publisher) -> Result<(), PublishError> {
    /// publisher.declare(Queue::quorum("orders")).await?;
    /// publisher.send(Outgoing::to_queue("orders", Json([7, 8]))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Refused`] when something is there otherwise, a name cannot be used, or the user may not
    /// declare it; else as [`Publisher::send`], after 30 s at most.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a part may have been made. Declaring again makes the rest.
    pub async fn declare(&self, topology: impl Into<Topology>) -> Result<(), PublishError> {
        let topology = topology.into();
        let faults: Vec<_> = topology.faults().iter().map(Fault::to_string).collect();
        if !faults.is_empty() {
            return Err(PublishError::Refused {
                reason: faults.join("; "),
            });
        }
        let link = self.link_when_up(None).await?;
        let declaring = async {
            declare_topology(&link, &topology)
                .await
                .map_err(|error| refusal("this cannot be declared", &error))
        };
        in_time(&link, declaring).await
    }
}
