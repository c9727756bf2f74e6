//! Entities that a program that sends declares itself.

use garenne_core::{Fault, Topology};

use super::levels::{in_time, refusal};
use super::{PublishError, Publisher};
use crate::link::declare_topology;

impl Publisher {
    /// Declares queues, exchanges and bindings, and returns when they exist. An entity that exists with the
    /// same arguments stays as it is.
    ///
    /// This call declares once: a queue that somebody deletes later stays deleted.
    /// [`PublisherBuilder::declare`](crate::PublisherBuilder::declare) and
    /// [`SystemBuilder::declare`](crate::SystemBuilder::declare) declare their entities over every new link.
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
    /// [`PublishError::Refused`] when an entity exists with other arguments, a name cannot be used, or the
    /// user may not declare it; otherwise as for [`Publisher::send`], after 30 s at most.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some entities may have been made. Declaring again makes the rest.
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
