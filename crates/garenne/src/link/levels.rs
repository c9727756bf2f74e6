//! The levels for delays, on the broker.

use garenne_core::{Declare, Destination, Entity, QueueKind, delay};

use super::declare::{Bench, declare_entities};
use super::{Link, LinkError};

/// Declares or verifies the levels of a kind, as `declare` says.
pub(crate) async fn declare_levels(
    link: &Link,
    kind: QueueKind,
    declare: Declare,
) -> Result<(), LinkError> {
    declare_entities(link, &delay::levels(kind), declare).await
}

/// Makes sure that messages whose delay is over reach their queue. This also finds a missing queue.
pub(crate) async fn bind_destination(
    link: &Link,
    destination: &Destination,
    declare: Declare,
) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    let one = async {
        match declare {
            Declare::Create => {
                let binding = Entity::Binding(destination.binding());
                bench.declare(&binding).await
            }
            // AMQP 0-9-1 cannot inspect its binding.
            Declare::Verify => {
                let name = destination.name();
                bench.look_for(name).await.map_err(|e| e.missing(name))
            }
            Declare::Off => Ok(()),
        }
    };
    link.while_up(one).await
}
